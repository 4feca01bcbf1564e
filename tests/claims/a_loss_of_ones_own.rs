//! Claim: a loss of one's own that computes what a built-in one does gives the same to the bit, to every learner.

use eligibility::{At, Evaluator, EvaluatorOptions, Scalar, Score, Targets};

use crate::common::cells::{alone, kinds, mixed_stacks};
use crate::common::learners::learners;
use crate::common::problem::{Form, Problem};

/// The loss of the problem's own targets, as a user would write it.
fn of_ones_own<T: Scalar>(problem: &Problem<T>, at: At, y: &[T], error: &mut [T]) -> f64 {
    assert!(error.iter().all(|&error| error == T::ZERO));
    let index = problem.target_index(at.step, at.row).expect("a row and a step with a target");
    if problem.form.classes {
        let (class, largest) =
            (problem.classes[index], y.iter().map(|y| y.to_f64()).fold(f64::MIN, f64::max));
        let sum: f64 = y.iter().map(|y| (y.to_f64() - largest).exp()).sum();
        for (k, (error, y)) in error.iter_mut().zip(y).enumerate() {
            let probability = (y.to_f64() - largest).exp() / sum;
            *error = T::from_f64(if k == class { probability - 1.0 } else { probability });
        }
        return largest + sum.ln() - y[class].to_f64();
    }
    let values = &problem.values[index * y.len()..];
    error.iter_mut().zip(y).zip(values).for_each(|((error, &y), &value)| *error = y - value);
    0.5 * error.iter().map(|error| error.to_f64().powi(2)).sum::<f64>()
}

fn check<T: Scalar>(form: Form) {
    let problem = Problem::<T>::new(form);
    let loss = |at: At, y: &[T], error: &mut [T]| of_ones_own(&problem, at, y, error);
    let targets = if problem.form.every_step { Targets::Every(&loss) } else { Targets::Last(&loss) };
    let own = problem.sequences_with(targets);
    // Whether a class was hit, only a built-in loss knows.
    let score = |score: Score| Score { classes: 0, correct: 0, ..score };
    for (name, mut learner) in learners(&problem) {
        let (expected_score, expected) = problem.learn(&mut *learner);
        let mut found = problem.network.zero_gradient();
        let found_score = learner.gradient(&problem.network, &own, &mut found).unwrap();
        assert_eq!(found_score, score(expected_score), "{name}, {:?}", problem.form);
        assert_eq!(&found[..], &expected[..], "{name}, {:?}", problem.form);
    }
    let options = EvaluatorOptions::default();
    let mut evaluator = Evaluator::new(&problem.network, problem.form.batch, options).unwrap();
    let expected = evaluator.score(&problem.network, &problem.sequences()).unwrap();
    assert_eq!(evaluator.score(&problem.network, &own).unwrap(), score(expected));
}

#[test]
fn of_every_kind_of_cell_and_target() {
    for (index, layers) in [alone(kinds, 2, 5), mixed_stacks()].concat().into_iter().enumerate() {
        for (every_step, classes) in [(false, false), (false, true), (true, false), (true, true)] {
            let seed = index as u64;
            let form = Form { every_step, classes, batch: 9, seed, ..Form::full(layers.clone()) };
            check::<f32>(form.clone());
            check::<f64>(form);
        }
    }
}
