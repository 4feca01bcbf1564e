//! Claim: a learner made for more rows gives, for fewer, what one made for these gives; more are an error.

use eligibility::{Echo, Evaluator, EvaluatorOptions};

use crate::common::cells::{alone, kinds, mixed_stacks};
use crate::common::compare::assert_same;
use crate::common::learners::learners;
use crate::common::problem::{Form, Problem};

#[test]
fn of_every_learner() {
    for (index, layers) in [alone(kinds, 2, 5), mixed_stacks()].concat().into_iter().enumerate() {
        let echo = if index % 2 == 0 { Echo::Off } else { Echo::Modulated { alpha: 0.1 } };
        let form = Form { echo, seed: index as u64, ..Form::full(layers) };
        let largest = Problem::<f64>::new(Form { batch: 21, seed: 5, ..form.clone() });
        for mut roomy in learners(&largest) {
            // The memory of 21 rows was used before.
            largest.learn(&mut *roomy.1);
            for batch in [1, 3, 8, 9, 20] {
                let problem = Problem::<f64>::new(Form { batch, ..form.clone() });
                let mut fitting = learners(&problem).into_iter();
                let (name, mut fitting) = fitting.find(|(name, _)| *name == roomy.0).unwrap();
                let (score, expected) = problem.learn(&mut *fitting);
                let (found_score, found) = problem.learn(&mut *roomy.1);
                assert_eq!(
                    (found_score.targets, found_score.correct),
                    (score.targets, score.correct),
                    "{name}"
                );
                let what = format!("{name}, {batch} rows, {:?}", problem.form.layers);
                assert_same(&what, &problem.network, &found, &expected, 1e-13, 1e-3);
            }
            let more = Problem::<f64>::new(Form { batch: 22, ..form.clone() });
            let mut gradient = more.network.zero_gradient();
            let error = roomy.1.gradient(&more.network, &more.sequences(), &mut gradient).unwrap_err();
            assert!(error.to_string().contains("rows of a batch: 22 needed, but 21"), "{error}");
        }
        let mut evaluator = Evaluator::new(&largest.network, 21, EvaluatorOptions::default()).unwrap();
        let few = Problem::<f64>::new(Form { batch: 2, ..form.clone() });
        let mut fitting = Evaluator::new(&few.network, 2, EvaluatorOptions::default()).unwrap();
        let scores =
            [&mut evaluator, &mut fitting].map(|it| it.score(&few.network, &few.sequences()).unwrap());
        assert!((scores[0].loss - scores[1].loss).abs() < 1e-12);
    }
}
