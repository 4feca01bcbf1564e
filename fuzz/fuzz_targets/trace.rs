//! Any bits as decay, influence, inputs and traces, at every level: the trace step agrees with its scalar twin.
#![no_main]

use eligibility_fuzz::{compare, floats};
use eligibility_kernels::trace::TraceStep;
use eligibility_kernels::{Level, Real, reference};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let values = floats(bytes);
    let [decay, influence, ref rest @ ..] = values[..] else { return };
    let columns = rest.len() / 2;
    let (presynaptic, start) = rest[..2 * columns].split_at(columns);
    let body = |level: Option<Level>| {
        let mut trace = start.to_vec();
        let op = TraceStep {
            active: &[true],
            decay: &[decay],
            influence: &[influence],
            presynaptic,
            trace: &mut trace,
        };
        match level {
            None => reference::trace_step(op),
            Some(level) => level.run(op),
        }
        trace
    };
    compare(body, |index| {
        let [decay, influence, e, z] = [decay, influence, start[index], presynaptic[index]].map(f64::from);
        let scale = (decay * e).abs() + (influence * z).abs();
        if scale > f64::from(f32::MAX) {
            return f64::INFINITY;
        };
        2.0 * f64::from(f32::EPSILON) * scale + 1.501 * f64::from(f32::TRACE_QUANTUM)
    });
});
