//! Claim: e-prop equals BPTT when the recurrent weights are zero (there is no path through h_{t-1} to drop).

use crate::common::compare::assert_close;
use crate::common::problem::{Form, Problem, blocks, forms};
use eligibility::{Bptt, Eprop, EpropOptions, Learner};
use proptest::prelude::*;

proptest! {
    #[test]
    fn for_any_problem(form in forms()) {
        let mut problem = Problem::<f64>::new(form);
        let mut weights = problem.network.layout().unpack_lstm(0, problem.network.parameters()).unwrap();
        weights.weight_hh.fill(0.0);
        problem.network.set_lstm(0, &weights).unwrap();
        let mut eprop = Eprop::new(&problem.network, form.batch, EpropOptions::default()).unwrap();
        let mut bptt = Bptt::new(&problem.network, form.batch, form.steps).unwrap();
        let (mut found, mut expected) = (problem.network.zero_gradient(), problem.network.zero_gradient());
        eprop.gradient(&problem.network, &problem.sequences(), &mut found).unwrap();
        bptt.gradient(&problem.network, &problem.sequences(), &mut expected).unwrap();
        let pairs = blocks(&problem.network, &found).into_iter().zip(blocks(&problem.network, &expected));
        for ((name, found), (_, expected)) in pairs {
            assert_close(name, &found, &expected, 1e-12, 1e-6);
        }
    }
}

/// With recurrent weights the two must differ: otherwise the claim above would be about nothing.
#[test]
fn and_only_then() {
    let form = Form { output: 2, steps: 8, classes: false, seed: 3, ..Form::PLAIN };
    let problem = Problem::<f64>::new(form);
    let mut eprop = Eprop::new(&problem.network, form.batch, EpropOptions::default()).unwrap();
    let mut bptt = Bptt::new(&problem.network, form.batch, form.steps).unwrap();
    let (mut approximate, mut exact) = (problem.network.zero_gradient(), problem.network.zero_gradient());
    eprop.gradient(&problem.network, &problem.sequences(), &mut approximate).unwrap();
    bptt.gradient(&problem.network, &problem.sequences(), &mut exact).unwrap();
    let error = crate::common::compare::relative_error(&approximate, &exact, 0.0);
    assert!(error > 1e-3, "{error}");
}
