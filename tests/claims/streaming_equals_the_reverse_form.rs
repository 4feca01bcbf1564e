//! Claim: streaming traces and the whole-sequence reverse form are the same sum.

use crate::common::compare::assert_close;
use crate::common::problem::{Form, Problem, blocks, forms};
use eligibility::{Eprop, EpropOptions, Feedback, Learner, Level, Scalar, Schedule};
use proptest::prelude::*;

fn check<T: Scalar>(form: Form, random: bool, tolerance: f64) {
    let problem = Problem::<T>::new(form);
    let feedback = if random { problem.feedback.clone() } else { Feedback::Symmetric };
    for level in Level::available() {
        let [streaming, whole] =
            [Schedule::Streaming, Schedule::WholeSequence { max_steps: 300 }].map(|schedule| {
                let options = EpropOptions { feedback: feedback.clone(), schedule, level: Some(level) };
                let mut eprop = Eprop::new(&problem.network, form.batch, options).unwrap();
                let mut gradient = problem.network.zero_gradient();
                eprop.gradient(&problem.network, &problem.sequences(), &mut gradient).unwrap();
                blocks(&problem.network, &gradient)
            });
        for ((name, streaming), (_, whole)) in streaming.iter().zip(&whole) {
            assert_close(&format!("{name}, {}, {level}", T::NAME), streaming, whole, tolerance, 1e-3);
        }
    }
}

proptest! {
    #[test]
    fn for_any_problem(form in forms(), steps in 1..200_usize, hidden in 1..40_usize, random: bool) {
        let form = Form { hidden, steps, ..form };
        check::<f64>(form, random, 1e-12);
        check::<f32>(form, random, 1e-5);
    }
}
