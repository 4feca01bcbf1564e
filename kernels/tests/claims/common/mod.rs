//! What the kernel tests share.

use eligibility_kernels::{Level, Real};
use proptest::prelude::*;
use proptest::sample::select;

pub(crate) mod case;
pub(crate) mod derivative;

/// Every level of this machine.
///
/// With `ELIGIBILITY_REQUIRE_LEVEL` set, a machine that lacks the level named there fails, so that a green run cannot
/// hide that a level was never tested.
pub(crate) fn levels() -> Vec<Level> {
    if let Ok(name) = std::env::var("ELIGIBILITY_REQUIRE_LEVEL") {
        Level::named(&name).unwrap_or_else(|error| panic!("required by ELIGIBILITY_REQUIRE_LEVEL: {error}"));
    }
    Level::available().collect()
}

/// A thousand cases a property, or as many as `PROPTEST_CASES` says.
pub(crate) fn config() -> ProptestConfig {
    let given = std::env::var_os("PROPTEST_CASES").is_some();
    if given { ProptestConfig::default() } else { ProptestConfig::with_cases(1000) }
}

/// Lengths around 0, 1, lane - 1, lane, lane + 1 and two lanes and a bit, for lanes of 2, 4, 8 and 16 elements.
pub(crate) fn lengths() -> impl Strategy<Value = usize> {
    select(vec![0, 1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 19, 35])
}

/// The smallest positive number, a subnormal.
pub(crate) fn smallest<T: Real>() -> f64 {
    if T::NAME == "f32" { f64::from(f32::from_bits(1)) } else { f64::from_bits(1) }
}

/// Ordinary values, and now and then a special one.
pub(crate) fn values<T: Real>(length: usize) -> impl Strategy<Value = Vec<T>> {
    let tiny = T::TRACE_QUANTUM.to_f64();
    let rounder = T::TRACE_ROUNDER.to_f64();
    let subnormal = 3.0 * smallest::<T>();
    let special = vec![
        0.0,
        -0.0,
        1.0,
        -1.0,
        subnormal,
        -subnormal,
        tiny,
        -tiny,
        0.3 * rounder,
        -0.7 * rounder,
        1e3 * rounder,
        30.0,
        -30.0,
        90.0,
        -90.0,
        110.0,
        -110.0,
        800.0,
        -800.0,
        1e15,
        -1e15,
        f64::INFINITY,
        f64::NEG_INFINITY,
        f64::NAN,
    ];
    let one = prop_oneof![12 => -8.0..8.0_f64, 1 => select(special)];
    prop::collection::vec(one.prop_map(T::from_f64), length)
}

/// The same, of all lengths.
pub(crate) fn inputs<T: Real>() -> impl Strategy<Value = Vec<T>> {
    lengths().prop_flat_map(values)
}

/// Ordinary values only.
pub(crate) fn ordinary<T: Real>(length: usize) -> impl Strategy<Value = Vec<T>> {
    prop::collection::vec((-8.0..8.0_f64).prop_map(T::from_f64), length)
}

/// Fails unless `found` is within `tolerance` of `expected`, or both are NaN or infinite.
///
/// The twins compute in `f64`, where saturation begins later: which of NaN and the infinities comes out may differ,
/// that something comes out that is not finite may not.
#[track_caller]
pub(crate) fn assert_agrees<T: Real>(what: &str, index: usize, found: T, expected: T, tolerance: f64) {
    if expected.is_finite() {
        let difference = (found.to_f64() - expected.to_f64()).abs();
        assert!(
            difference <= tolerance,
            "{what}[{index}] is {found}, its twin {expected}, allowed {tolerance:.1e}"
        );
    } else {
        assert!(!found.is_finite(), "{what}[{index}] is {found}, its twin {expected}");
    }
}

/// A whole multiple of the quantum, where it is small: never a subnormal.
#[track_caller]
pub(crate) fn assert_quantized<T: Real>(what: &str, index: usize, found: T) {
    let quanta = found.to_f64() / T::TRACE_QUANTUM.to_f64();
    let small = quanta.abs() < 0.5 / T::EPSILON.to_f64();
    assert!(!small || quanta.fract() == 0.0, "{what}[{index}] is {found}, {quanta} quanta");
}

/// What silence leaves: 0, or at least a quantum and at most so many; never a subnormal.
#[track_caller]
pub(crate) fn assert_silent<T: Real>(what: &str, values: &[T], quantum: T, at_most: f64) {
    for value in values {
        let quanta = value.abs().to_f64() / quantum.to_f64();
        assert!(
            quanta == 0.0 || (1.0..=at_most).contains(&quanta),
            "{what} still at {value}, {quanta} quanta"
        );
    }
}

/// Equality to the bit, NaN equal to NaN.
#[track_caller]
pub(crate) fn assert_same_bits<T: Real>(what: &str, found: &[T], expected: &[T]) {
    assert_eq!(found.len(), expected.len(), "{what}");
    for (index, (found, expected)) in found.iter().zip(expected).enumerate() {
        // Widening is exact and keeps the sign of a zero.
        let same = found.to_f64().to_bits() == expected.to_f64().to_bits()
            || (found.to_f64().is_nan() && expected.to_f64().is_nan());
        assert!(same, "{what}[{index}] is {found}, expected {expected} to the bit");
    }
}
