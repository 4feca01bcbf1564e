//! Claim: the nonlinearities and their slopes agree with their scalar twin at every level, for every length and value.
//!
//! Tolerance: identity and relu are exact. tanh takes 1.5 ULP, at most 1.5 epsilon; its slope 1 - y^2 passes that on twice,
//! and rounds: 4 epsilon.

use crate::common::case::{in_both_types, run};
use crate::common::derivative::{assert_derivative, derivative};
use crate::common::{assert_agrees, assert_same_bits, config, inputs, levels};
use eligibility_kernels::activation::{Nonlinear, Nonlinearity};
use eligibility_kernels::{Level, Real, reference};
use proptest::prelude::*;

const ALL: [Nonlinearity; 3] = [Nonlinearity::Identity, Nonlinearity::Relu, Nonlinearity::Tanh];

/// Output and slope at a level, or of the twin.
fn run<T: Real>(nonlinearity: Nonlinearity, input: &[T], level: Option<Level>) -> [Vec<T>; 2] {
    let (mut output, mut slope) = (input.to_vec(), input.to_vec());
    let op = Nonlinear { nonlinearity, input, output: &mut output, slope: &mut slope };
    run!(level, reference::nonlinear, op);
    [output, slope]
}

fn check<T: Real>(input: &[T]) {
    for (level, nonlinearity) in levels().into_iter().flat_map(|level| ALL.map(|phi| (level, phi))) {
        let (found, expected) = (run(nonlinearity, input, Some(level)), run(nonlinearity, input, None));
        if nonlinearity != Nonlinearity::Tanh {
            assert_same_bits("output", &found[0], &expected[0]);
            assert_same_bits("slope", &found[1], &expected[1]);
        }
        for index in 0..input.len() {
            let tolerance = 4.0 * T::EPSILON.to_f64();
            assert_agrees("output", index, found[0][index], expected[0][index], tolerance);
            assert_agrees("slope", index, found[1][index], expected[1][index], tolerance);
            assert!(!input[index].to_f64().is_nan() || found[0][index].to_f64().is_nan());
        }
        let reversed: Vec<T> = input.iter().rev().copied().collect();
        let mut turned = run(nonlinearity, &reversed, Some(level));
        for values in &mut turned {
            values.reverse();
        }
        assert_same_bits("turned output", &turned[0], &found[0]);
        assert_same_bits("turned slope", &turned[1], &found[1]);
    }
}

in_both_types!(inputs(), |input: &Vec<_>| check(input));

proptest! {
    #![proptest_config(config())]

    #[test]
    fn slopes_are_derivatives(x in -3.0..3.0_f64) {
        for nonlinearity in ALL.into_iter().filter(|&phi| phi != Nonlinearity::Relu || x.abs() > 0.01) {
            let [_, slope] = run(nonlinearity, &[x], Some(Level::detect()));
            let phi = |step: f64| run(nonlinearity, &[x + step], None)[0][0];
            assert_derivative("slope", 0, slope[0], derivative(phi));
        }
    }
}

#[test]
fn relu_has_no_slope_at_zero_and_keeps_nan() {
    for level in levels() {
        let [output, slope] =
            run(Nonlinearity::Relu, &[0.0, -0.0, f32::NAN, f32::INFINITY, f32::NEG_INFINITY], Some(level));
        assert_same_bits("output", &output, &[0.0, -0.0, f32::NAN, f32::INFINITY, 0.0]);
        assert_eq!(slope, [0.0, 0.0, 0.0, 1.0, 0.0]);
    }
}

#[test]
#[should_panic(expected = "slope has 1 elements where 1 rows of 2 units ask for 2")]
fn a_wrong_length_is_named() {
    Level::detect().run(Nonlinear {
        nonlinearity: Nonlinearity::Tanh,
        input: &[0.0_f32; 2],
        output: &mut [0.0; 2],
        slope: &mut [0.0],
    });
}
