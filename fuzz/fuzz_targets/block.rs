//! Any bits as decays, influences, inputs and traces, at every level: a block of two steps agrees with its scalar twin.
#![no_main]

use eligibility_fuzz::{compare, floats};
use eligibility_kernels::trace::{TraceBlock, TraceFactors};
use eligibility_kernels::{Level, Real, Strided, reference};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let values = floats(bytes);
    let [d1, d2, u1, u2, ref rest @ ..] = values[..] else { return };
    let columns = rest.len() / 3;
    let (presynaptic, start) = rest[..3 * columns].split_at(2 * columns);
    let body = |level: Option<Level>| {
        let (mut factors, mut trace) = ([0.0; 3], start.to_vec());
        let decay = Strided { data: &[d1, d2][..], stride: 1 };
        let influence = Strided { data: &[u1, u2][..], stride: 1 };
        let op = TraceFactors { steps: 2, units: 1, decay, influence, factors: &mut factors };
        match level {
            None => reference::trace_factors(op),
            Some(level) => level.run(op),
        }
        let presynaptic = Strided { data: presynaptic, stride: columns };
        let op = TraceBlock { steps: 2, columns, presynaptic, factors: &factors, trace: &mut trace };
        match level {
            None => reference::trace_block(op),
            Some(level) => level.run(op),
        }
        trace
    };
    compare(body, |index| {
        let [d1, d2, u1, u2] = [d1, d2, u1, u2].map(f64::from);
        let [z1, z2, e] = [presynaptic[index], presynaptic[columns + index], start[index]].map(f64::from);
        let kept = (d1 * d2).abs();
        // What is forgotten allows nothing, NaN neither.
        let e = if kept == 0.0 { 0.0 } else { e };
        let scale = (kept * e).abs() + (d2 * u1 * z1).abs() + (u2 * z2).abs();
        // Products of decays are whole quanta in the kernel alone.
        let quantum = 1.001 * f64::from(f32::TRACE_QUANTUM);
        let rounded = quantum * (1.0 + ((1.0 + d1.abs()) * e).abs() + (u1 * z1).abs());
        // Where a factor or a sum overflows, or a factor is subnormal, and its partner is large, the twin, which rounds
        // later, may differ: what is left to hold is that nothing panics.
        let factors = [kept, (d2 * u1).abs(), u2.abs(), d2.abs()];
        let ordinary = |x: f64| x == 0.0 || (1e-28..1e30).contains(&x);
        if scale.is_nan() || scale > 1e30 || !factors.into_iter().all(ordinary) {
            return f64::INFINITY;
        }
        8.0 * f64::from(f32::EPSILON) * scale + rounded
    });
});
