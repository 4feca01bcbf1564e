//! Claim: e-prop equals BPTT when the recurrent weights are zero (there is no path through h_{t-1} to drop), and only then.

use eligibility::{Bptt, Eprop};
use proptest::prelude::*;

use crate::common::cells::{lstm, lstms, stacks};
use crate::common::compare::{assert_same, parts, pick, relative_error};
use crate::common::problem::{Form, Problem, forms};

/// The gradients of e-prop and of BPTT.
fn both(problem: &Problem<f64>) -> [Vec<f64>; 2] {
    let (network, &Form { batch, steps, .. }) = (&problem.network, &problem.form);
    let mut eprop = Eprop::new(network, batch, problem.options(false)).unwrap();
    let mut bptt = Bptt::new(network, batch, steps).unwrap();
    [problem.learn(&mut eprop).1, problem.learn(&mut bptt).1]
}

proptest! {
    #[test]
    fn for_any_problem(form in forms(stacks(lstms, 1..2, 1..6))) {
        let plain = Form::plain(Vec::new());
        let mut problem = Problem::<f64>::new(Form { echo: plain.echo, scaling: plain.scaling, ..form });
        let part = problem.network.layout().parts(0).unwrap().remove(1);
        assert_eq!(part.name(), "weight_hh");
        part.indices().for_each(|index| problem.network.parameters_mut()[index] = 0.0);
        let [found, expected] = both(&problem);
        // In a drawn problem a sum may cancel: it is rounded relative to its terms.
        assert_same("without recurrent weights", &problem.network, &found, &expected, 1e-12, 1e-3);
    }
}

/// With recurrent weights the two must differ: otherwise the claim above would be about nothing.
#[test]
fn and_only_then() {
    for (layers, batch, steps) in [(lstm(2, 5), 2, 8), ([lstm(2, 5), lstm(5, 4)].concat(), 5, 30)] {
        let problem = Problem::<f64>::new(Form { batch, steps, seed: 3, ..Form::plain(layers) });
        let [found, expected] = both(&problem);
        for (name, indices) in parts(&problem.network).iter().filter(|(name, _)| name.starts_with("layer")) {
            let error = relative_error(&pick(&found, indices), &pick(&expected, indices), 1e-6);
            assert!(error > 1e-3, "{name}: {error}");
        }
    }
}
