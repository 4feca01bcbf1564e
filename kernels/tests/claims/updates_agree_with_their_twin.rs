//! Claim: the optimiser updates agree with their scalar twins at every level and for every length.

use crate::common::case::in_both_types;
use crate::common::{assert_agrees, assert_silent, lengths, levels, ordinary};
use eligibility_kernels::update::{Adam, Decay, RmsProp, Sgd};
use eligibility_kernels::{Real, reference};
use proptest::prelude::*;

/// Up to seven roundings on the way to a step, each of half an epsilon, and the twin's own.
const TOLERANCE: f64 = 8.0;

type Vectors<T> = (Vec<T>, Vec<T>, Vec<T>, Vec<T>);

fn vectors<T: Real>() -> impl Strategy<Value = Vectors<T>> {
    lengths().prop_flat_map(|n| {
        let positive = ordinary(n).prop_map(|v: Vec<T>| v.into_iter().map(|x| x * x).collect());
        (ordinary(n), ordinary(n), ordinary(n), positive)
    })
}

fn agree<T: Real>(what: &str, found: &[T], expected: &[T], scale: f64) {
    for (index, (&found, &expected)) in found.iter().zip(expected).enumerate() {
        let tolerance = TOLERANCE * T::EPSILON.to_f64() * (expected.to_f64().abs() + scale);
        assert_agrees(what, index, found, expected, tolerance);
    }
}

fn check<T: Real>((w, g, m, v): &Vectors<T>) {
    let [rate, epsilon, correction] = [0.01, 1e-8, 1.5].map(T::from_f64);
    let (decay, decays) = (Decay::new(0.9), [0.9, 0.99].map(Decay::new));
    for level in levels() {
        let (mut found, mut expected) = (w.clone(), w.clone());
        level.run(Sgd { rate, gradient: g, parameters: &mut found });
        reference::sgd(Sgd { rate, gradient: g, parameters: &mut expected });
        agree("sgd", &found, &expected, 0.1);

        let (mut found, mut square) = (w.clone(), v.clone());
        level.run(RmsProp { rate, decay, epsilon, gradient: g, square: &mut square, parameters: &mut found });
        let (mut expected, mut twin) = (w.clone(), v.clone());
        let parameters = &mut expected;
        reference::rms_prop(RmsProp { rate, decay, epsilon, gradient: g, square: &mut twin, parameters });
        agree("rmsprop", &found, &expected, 0.1);
        agree("rmsprop square", &square, &twin, 8.0);

        let (mut found, mut mean, mut square) = (w.clone(), m.clone(), v.clone());
        let (mean, square) = (&mut mean, &mut square);
        level.run(Adam {
            rate,
            correction,
            decays,
            epsilon,
            gradient: g,
            mean,
            square,
            parameters: &mut found,
        });
        let (mut expected, mut twin_mean, mut twin_square) = (w.clone(), m.clone(), v.clone());
        let twins = (&mut twin_mean, &mut twin_square);
        reference::adam(Adam {
            rate,
            correction,
            decays,
            epsilon,
            gradient: g,
            mean: twins.0,
            square: twins.1,
            parameters: &mut expected,
        });
        agree("adam mean", mean, &twin_mean, 8.0);
        agree("adam square", square, &twin_square, 8.0);
        // A root of nearly nothing amplifies: the step is mean / root.
        for (index, (&found, &expected)) in found.iter().zip(&expected).enumerate() {
            let step = (expected.to_f64() - w[index].to_f64()).abs();
            let tolerance = TOLERANCE * T::EPSILON.to_f64() * (expected.to_f64().abs() + 4.0 * step + 0.1);
            assert_agrees("adam", index, found, expected, tolerance);
        }
    }
}

in_both_types!(vectors(), check);

/// Averages that keep 0.75 of themselves: no more than 1 / (2 - 1.5) quanta are left. The square of a tiny gradient is none.
#[test]
fn silent_averages_end_within_two_quanta_and_not_on_a_subnormal() {
    let (rate, epsilon, decays) = (0.01_f32, 1e-8, [Decay::new(0.75); 2]);
    for (level, gradient) in levels().into_iter().flat_map(|level| [(level, [0.0; 19]), (level, [1e-21; 19])])
    {
        let (mut square, mut parameters) = ([1.0; 19], [1.0; 19]);
        let (mut mean, mut adams_square) = ([1.0; 19], [1.0; 19]);
        for _ in 0..400 {
            let (gradient, square, parameters) = (&gradient[..], &mut square[..], &mut parameters[..]);
            level.run(RmsProp {
                rate,
                decay: decays[0],
                epsilon,
                gradient,
                square,
                parameters: &mut *parameters,
            });
            let (correction, gradient, mean, square) = (1.5, &[0.0; 19][..], &mut mean, &mut adams_square);
            level.run(Adam { rate, correction, decays, epsilon, gradient, mean, square, parameters });
        }
        assert_silent("square", &square, f32::SQUARE_QUANTUM, 2.0);
        assert_silent("mean", &mean, f32::TRACE_QUANTUM, 2.0);
        assert_silent("square", &adams_square, f32::SQUARE_QUANTUM, 2.0);
    }
}

#[test]
#[should_panic(expected = "square has 2 elements where there are 1 weights")]
fn a_wrong_length_is_named() {
    let (square, parameters) = (&mut [0.0, 0.0][..], &mut [0.0][..]);
    let (rate, decay, epsilon) = (0.1_f32, Decay::new(0.9), 1e-8);
    let op = RmsProp { rate, decay, epsilon, gradient: &[1.0], square, parameters };
    eligibility_kernels::Level::detect().run(op);
}
