//! Claim: sine and cosine of every angle up to the stated one are within epsilon at every level, do not depend on their
//! position, and are NaN beyond.

use crate::common::case::{in_both_types, run};
use crate::common::{assert_agrees, assert_same_bits, levels};
use eligibility_kernels::activation::SinCos;
use eligibility_kernels::{Level, Real, reference};
use proptest::prelude::*;
use std::f64::consts::FRAC_PI_2;

fn both<T: Real>(level: Option<Level>, input: &[T]) -> [Vec<T>; 2] {
    let (mut sine, mut cosine) = (vec![T::ZERO; input.len()], vec![T::ZERO; input.len()]);
    let op = SinCos { input, sine: &mut sine, cosine: &mut cosine };
    run!(level, reference::sin_cos, op);
    [sine, cosine]
}

/// Angles of all sizes, and some near the whole multiples of pi/2, where one of the two is all but zero.
fn angles<T: Real>() -> impl Strategy<Value = Vec<T>> {
    let largest = SinCos::<T>::LARGEST.to_f64();
    let near = (-1000..1000_i32, -1e-3..1e-3).prop_map(|(n, r)| f64::from(n) * FRAC_PI_2 + r);
    let angle = prop_oneof![-7.0..7.0, -largest..largest, near, Just(0.0), -1e-30..1e-30];
    prop::collection::vec(angle.prop_map(T::from_f64), 0..40)
}

fn check<T: Real>(input: &[T]) {
    // The twin rounds its result, and in `f64` is off by up to half an ULP more.
    let tolerance = if T::NAME == "f32" { 1.25 } else { 2.0 } * T::EPSILON.to_f64();
    let expected = both(None, input);
    for level in levels() {
        let found = both(Some(level), input);
        for (name, (found, expected)) in ["sine", "cosine"].into_iter().zip(found.iter().zip(&expected)) {
            for (index, (&found, &expected)) in found.iter().zip(expected).enumerate() {
                assert_agrees(name, index, found, expected, tolerance);
            }
        }
        for (index, x) in input.iter().enumerate() {
            let alone = both(Some(level), &[*x]);
            for (alone, found) in alone.iter().zip(&found) {
                assert_same_bits("alone", alone, &found[index..=index]);
            }
        }
    }
}

in_both_types!(angles(), |input: &Vec<_>| check(input));

#[test]
fn every_binade_and_quadrant_in_f32() {
    for level in levels() {
        // Every 4001st float below the largest angle, of either sign.
        let bits = (0..SinCos::<f32>::LARGEST.to_bits()).step_by(4001);
        let input: Vec<f32> = bits.flat_map(|bits| [f32::from_bits(bits), -f32::from_bits(bits)]).collect();
        let [sine, cosine] = both(Some(level), &input);
        for (index, &x) in input.iter().enumerate() {
            let (expected_sine, expected_cosine) = f64::from(x).sin_cos();
            for (found, expected) in [(sine[index], expected_sine), (cosine[index], expected_cosine)] {
                let error = (f64::from(found) - expected).abs();
                assert!(error <= f64::from(f32::EPSILON), "{x}: {found}, not {expected}");
            }
        }
    }
}

#[test]
fn too_large_or_not_finite_is_nan() {
    for level in levels() {
        for x in [SinCos::<f32>::LARGEST, -1e30, f32::INFINITY, f32::NEG_INFINITY, f32::NAN] {
            assert!(both(Some(level), &[x]).iter().all(|y| y[0].is_nan()), "{x}");
        }
        assert!(both(Some(level), &[1e300_f64]).iter().all(|y| y[0].is_nan()));
        let [sine, cosine] = both(Some(level), &[0.999_999 * SinCos::<f32>::LARGEST]);
        assert!(sine[0].abs() <= 1.0 && cosine[0].abs() <= 1.0);
    }
}

#[test]
#[should_panic(expected = "SinCos: 2 angles for 1 sines and 2 cosines")]
fn a_wrong_length_is_named() {
    Level::detect().run(SinCos { input: &[0.0_f32; 2], sine: &mut [0.0], cosine: &mut [0.0; 2] });
}
