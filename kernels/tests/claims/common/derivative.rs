//! Derivatives by differences, for claims about local factors and steps back.

use proptest::prelude::*;

/// The derivative of `f` at 0: the five-point central difference.
///
/// With a distance of 1e-3 it is off by the fifth derivative times 1e-12 / 30, and by the rounding of `f`, of magnitude
/// around 1, over the distance: 1e-12 together, give or take a few.
pub(crate) fn derivative(f: impl Fn(f64) -> f64) -> f64 {
    const DISTANCE: f64 = 1e-3;
    let [far_below, below, above, far_above] = [-2.0, -1.0, 1.0, 2.0].map(|steps| f(steps * DISTANCE));
    (far_below - 8.0 * below + 8.0 * above - far_above) / (12.0 * DISTANCE)
}

/// Fails unless `found` is `expected` to 1e-7, or, where both are small, to what the rounding of differences leaves.
#[track_caller]
pub(crate) fn assert_derivative(what: &str, index: usize, found: f64, expected: f64) {
    let allowed = 1e-7 * expected.abs() + 1e-10;
    let difference = (found - expected).abs();
    assert!(difference <= allowed, "{what}[{index}] is {found}, by differences {expected}");
}

/// Values of magnitude below 1: their slopes are not small, and neither are differences.
pub(crate) fn moderate(length: usize) -> impl Strategy<Value = Vec<f64>> {
    prop::collection::vec(-1.0..1.0_f64, length)
}
