//! Claim: the e-prop gradient is the exact gradient of the network whose recurrent input h_{t-1} is frozen.
//!
//! Approximate with respect to the real loss, exact with respect to this one. Symmetric feedback is compared with
//! finite differences of the loss, random feedback with those of `sum_t L_t . h_t` for its own learning signals.

use crate::common::compare::assert_close;
use crate::common::differences::gradient;
use crate::common::problem::{Form, Problem, blocks, forms};
use crate::common::textbook::{Objective, Weights, loss};
use eligibility::{Eprop, EpropOptions, Feedback, Learner, Level, Schedule};
use proptest::prelude::*;

/// Below this magnitude a block's gradient is compared absolutely: finite differences are good to about 1e-13.
const FLOOR: f64 = 1e-4;

fn check(form: Form, random: bool) {
    let problem = Problem::<f64>::new(form);
    let weights = Weights(blocks(&problem.network, problem.network.parameters()).map(|(_, block)| block));
    let (value, base) = loss(&problem, &weights, Objective::Real, None);
    let frozen = gradient(&weights, |weights| loss(&problem, weights, Objective::Real, Some(&base)).0);
    let mut expected = frozen;
    if let (true, Feedback::Random(matrix)) = (random, &problem.feedback) {
        let linear =
            gradient(&weights, |weights| loss(&problem, weights, Objective::Linear(matrix), Some(&base)).0);
        expected[..3].clone_from_slice(&linear[..3]);
    }
    let feedback = if random { problem.feedback.clone() } else { Feedback::Symmetric };
    for level in Level::available() {
        for schedule in
            [Schedule::Streaming, Schedule::Blocked(3), Schedule::WholeSequence { max_steps: form.steps }]
        {
            let options = EpropOptions { feedback: feedback.clone(), schedule, level: Some(level) };
            let mut eprop = Eprop::new(&problem.network, form.batch, options).unwrap();
            let mut found = problem.network.zero_gradient();
            let score = eprop.gradient(&problem.network, &problem.sequences(), &mut found).unwrap();
            assert_close("loss", &[score.loss / form.batch as f64], &[value], 1e-12, 1.0);
            for ((name, found), expected) in blocks(&problem.network, &found).iter().zip(&expected) {
                assert_close(&format!("{name}, {schedule:?}, {level}"), found, expected, 1e-7, FLOOR);
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

    #[test]
    fn for_any_problem(form in forms(), random: bool) {
        check(form, random);
    }
}

#[test]
fn across_several_shards_and_vectors() {
    let form = Form::FULL;
    check(form, false);
    check(Form { every_step: false, classes: false, ..form }, true);
}
