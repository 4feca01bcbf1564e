//! Claim: the BPTT gradient is the exact gradient of the loss.

use crate::common::compare::assert_close;
use crate::common::differences::gradient;
use crate::common::problem::{Form, Problem, blocks, forms};
use crate::common::textbook::{Objective, Weights, loss};
use eligibility::{Bptt, Learner, Level};
use proptest::prelude::*;

/// Below this magnitude a block's gradient is compared absolutely: finite differences are good to about 1e-13.
const FLOOR: f64 = 1e-4;

fn check(form: Form) {
    let problem = Problem::<f64>::new(form);
    let weights = Weights(blocks(&problem.network, problem.network.parameters()).map(|(_, block)| block));
    let (value, _) = loss(&problem, &weights, Objective::Real, None);
    let expected = gradient(&weights, |weights| loss(&problem, weights, Objective::Real, None).0);
    for level in Level::available() {
        let mut bptt = Bptt::new(&problem.network, form.batch, form.steps + 1).unwrap().with_level(level);
        let mut found = problem.network.zero_gradient();
        // Twice: nothing of the first call may be left on the tape.
        for _ in 0..2 {
            let score = bptt.gradient(&problem.network, &problem.sequences(), &mut found).unwrap();
            assert_close("loss", &[score.loss / form.batch as f64], &[value], 1e-12, 1.0);
        }
        for ((name, found), expected) in blocks(&problem.network, &found).iter().zip(&expected) {
            assert_close(&format!("{name}, {level}"), found, expected, 1e-7, FLOOR);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

    #[test]
    fn for_any_problem(form in forms()) {
        check(form);
    }
}

#[test]
fn across_several_shards_and_vectors() {
    check(Form { every_step: false, ..Form::FULL });
}
