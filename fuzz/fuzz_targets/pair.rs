//! Any bits as decays, influences, inputs and traces, at every level: the pair trace's step agrees with its scalar twin.
#![no_main]

use eligibility_fuzz::{compare, floats};
use eligibility_kernels::trace::pair::PairTraceStep;
use eligibility_kernels::{Level, Real, Strided, reference};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let values = floats(bytes);
    let [a11, a12, a21, a22, influence, ref rest @ ..] = values[..] else { return };
    let columns = rest.len() / 3;
    let (presynaptic, start) = rest[..3 * columns].split_at(columns);
    let decay = [a11, a12, a21, a22];
    let body = |level: Option<Level>| {
        let mut trace = start.to_vec();
        let (first, second) = trace.split_at_mut(columns);
        let op = PairTraceStep {
            active: &[true],
            units: 1,
            decay: Strided { data: &decay, stride: 0 },
            influence: Strided { data: &[influence], stride: 0 },
            presynaptic,
            trace: [first, second],
        };
        match level {
            None => reference::pair_trace_step(op),
            Some(level) => level.run(op),
        }
        trace
    };
    compare(body, |index| {
        let (component, column) = (index / columns, index % columns);
        let factors = [decay[2 * component], decay[2 * component + 1], [influence, 0.0][component]];
        // The input does not reach the second component, not even times zero.
        let values = [start[column], start[columns + column], [presynaptic[column], 0.0][component]];
        let terms = factors.into_iter().zip(values).map(|(x, y)| (f64::from(x) * f64::from(y)).abs());
        let scale = terms.sum::<f64>();
        // Where a sum overflows on the way, the twin, which rounds later, may differ.
        if scale > f64::from(f32::MAX) {
            return f64::INFINITY;
        }
        4.0 * f64::from(f32::EPSILON) * scale + 2.001 * f64::from(f32::TRACE_QUANTUM)
    });
});
