//! Claim: the activations agree with their scalar twins at every level, for every length and special value.
//!
//! How accurate they are is measured in `activation_accuracy`; here the lengths and what is not finite matter.

use crate::common::case::in_both_types;
use crate::common::{assert_agrees, inputs, levels, smallest};
use eligibility_kernels::activation::{Exp, Sigmoid, Tanh};
use eligibility_kernels::{Real, reference};
use proptest::prelude::*;

/// 1.5 ULP of the kernel, and 1.5 of the `f64` twin where it is no more accurate.
const TOLERANCE: f64 = 3.0;

fn agree<T: Real>(what: &str, found: &[T], expected: &[T]) {
    for (index, (&found, &expected)) in found.iter().zip(expected).enumerate() {
        let tolerance = TOLERANCE * (T::EPSILON.to_f64() * expected.to_f64().abs() + smallest::<T>());
        assert_agrees(what, index, found, expected, tolerance);
        assert_eq!(found.to_f64().is_nan(), expected.to_f64().is_nan(), "{what}[{index}]: NaN in, NaN out");
    }
}

fn check<T: Real>(input: &[T]) {
    let (mut found, mut expected) = (vec![T::ZERO; input.len()], vec![T::ZERO; input.len()]);
    for level in levels() {
        level.run(Sigmoid { input, output: &mut found });
        reference::sigmoid(Sigmoid { input, output: &mut expected });
        agree("sigmoid", &found, &expected);
        level.run(Tanh { input, output: &mut found });
        reference::tanh(Tanh { input, output: &mut expected });
        agree("tanh", &found, &expected);
        level.run(Exp { input, output: &mut found });
        reference::exp(Exp { input, output: &mut expected });
        agree("exp", &found, &expected);
    }
}

in_both_types!(inputs(), |input: &Vec<_>| check(input));
