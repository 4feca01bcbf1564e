//! Claim: where the target mask is false there is no target: nothing is read, scored or learned from.
//!
//! Other claims draw masks too: BPTT and e-prop against finite differences, the schedules against each other, streams
//! with absent targets against sequences.

use eligibility::{Evaluator, EvaluatorOptions, Score, Sequences, Target};
use proptest::prelude::*;

use crate::common::cells::{all_cells, kinds, stacks};
use crate::common::compare::assert_close;
use crate::common::learners::{Setup, learners, streams};
use crate::common::problem::{Form, Problem, forms};

/// What every learner makes of `sequences`; the evaluator has no gradient.
fn learn(problem: &Problem<f64>, sequences: &Sequences<'_, f64>) -> Vec<(Score, Vec<f64>)> {
    let network = &problem.network;
    let mut learned = Vec::new();
    for (_, mut learner) in learners(problem) {
        let mut gradient = network.zero_gradient();
        learned.push((learner.gradient(network, sequences, &mut gradient).unwrap(), gradient.to_vec()));
    }
    let mut evaluator = Evaluator::new(network, problem.form.batch, EvaluatorOptions::default()).unwrap();
    learned.push((evaluator.score(network, sequences).unwrap(), Vec::new()));
    learned
}

proptest! {
    #[test]
    fn a_mask_of_trues_is_no_mask(form in forms(stacks(all_cells, 1..4, 1..6))) {
        let problem = Problem::<f64>::new(Form { every_step: true, targets: 1.0, ..form });
        let sequences = problem.sequences();
        let masked = sequences.with_target_mask(&problem.target_mask).unwrap();
        assert!(problem.target_mask.iter().all(|&there| there));
        assert_eq!(learn(&problem, &masked), learn(&problem, &sequences));
    }

    #[test]
    fn whatever_lies_in_its_place(form in forms(stacks(all_cells, 1..4, 1..6))) {
        let problem = Problem::<f64>::new(Form { every_step: true, targets: 0.5, ..form });
        let Form { output, batch, steps, .. } = problem.form;
        let mut other = problem.clone();
        for (place, _) in problem.target_mask.iter().enumerate().filter(|&(_, &there)| !there) {
            other.classes[place] = 0;
            other.values[place * output..(place + 1) * output].fill(0.5);
        }
        let (found, expected) = (learn(&problem, &problem.sequences()), learn(&other, &other.sequences()));
        assert_eq!(found, expected);
        let there = |place: &usize| problem.target_index(place / batch, place % batch).is_some();
        let targets = (0..steps * batch).filter(there).count();
        for (score, gradient) in found {
            assert_eq!(score.targets, targets);
            assert!(gradient.iter().all(|&g| if targets == 0 { g == 0.0 } else { g.is_finite() }));
        }
    }
}

#[test]
fn only_some_streams_have_one() {
    for cell in kinds(2, 5) {
        let form = Form { batch: 3, ..Form::plain(vec![cell]) };
        let problem = Problem::<f64>::new(form.clone());
        for which in 0..streams(&problem, 3, Setup::default()).len() {
            let run = |targets: &[Target<'_, f64>]| {
                let rows = targets.len();
                let (_, mut stream) = streams(&problem, rows, Setup::default()).swap_remove(which);
                let mut gradient = problem.network.zero_gradient();
                let (mut sum, mut score) = (vec![0.0; gradient.len()], Score::default());
                for t in 0..form.steps {
                    let input = problem.step(t).0[..2].repeat(rows);
                    stream.step(&problem.network, &input, &vec![false; rows]).unwrap();
                    score.add(&stream.learn(&problem.network, targets, &mut gradient).unwrap());
                    sum.iter_mut().zip(gradient.iter()).for_each(|(sum, g)| *sum += rows as f64 * g);
                }
                (score, sum)
            };
            let (all, _) = run(&[Target::Class(1); 3]);
            assert_eq!(all.targets, 3 * form.steps);
            let (one, found) = run(&[Target::Absent, Target::Class(1), Target::Absent]);
            let (alone, expected) = run(&[Target::Class(1)]);
            assert_eq!((one.targets, one.correct), (alone.targets, alone.correct));
            assert_close("loss", &[one.loss], &[alone.loss], 1e-12, 1e-3);
            assert_close("gradient", &found, &expected, 1e-12, 1e-3);
            let (none, found) = run(&[Target::Absent; 3]);
            assert_eq!((none, found), (Score::default(), vec![0.0; expected.len()]));
        }
    }
}
