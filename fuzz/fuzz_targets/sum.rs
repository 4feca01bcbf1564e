//! Any bits as decays, weights and influences, at every level: the factors of a weighted sum over two steps agree with
//! those of the scalar twin.
#![no_main]

use eligibility_fuzz::{compare, floats};
use eligibility_kernels::trace::{TraceFactors, TraceSumFactors};
use eligibility_kernels::{Level, Real, Strided, reference};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let values = floats(bytes);
    let units = values.len() / 6;
    let [decay, weight, influence] = [0, 1, 2].map(|part| &values[2 * part * units..2 * (part + 1) * units]);
    if units == 0 {
        return;
    }
    let body = |level: Option<Level>| {
        let mut factors = vec![0.0; 3 * units];
        let strided = |data| Strided { data, stride: units };
        let recursion = TraceFactors {
            steps: 2,
            units,
            decay: strided(decay),
            influence: strided(influence),
            factors: &mut factors,
        };
        let op = TraceSumFactors { factors: recursion, weight: strided(weight) };
        match level {
            None => reference::trace_sum_factors(op),
            Some(level) => level.run(op),
        }
        factors
    };
    compare(body, |index| {
        let (row, unit) = (index / units, index % units);
        let two = |slice: &[f32]| [slice[unit], slice[units + unit]].map(|x| f64::from(x).abs());
        let ([d1, d2], [w1, w2], [u1, u2]) = (two(decay), two(weight), two(influence));
        // The product d2 w2 may be rounded, and so may omega, in the kernel alone.
        let (lambda, rounded) = (w1 + d2 * w2, 1.001 * f64::from(f32::TRACE_QUANTUM));
        let (scale, lost) = match row {
            0 => (lambda * u1, rounded * u1),
            1 => (w2 * u2, 0.0),
            _ => (lambda * d1, rounded * (1.0 + d1)),
        };
        if scale.is_nan() || scale > 1e30 || lambda > 1e30 {
            return f64::INFINITY;
        }
        4.0 * f64::from(f32::EPSILON) * scale + lost + f64::from(f32::MIN_POSITIVE)
    });
});
