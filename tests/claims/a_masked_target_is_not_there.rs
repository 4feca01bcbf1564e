//! Claim: where the target mask is false there is no target: nothing is read, scored or learned from.
//!
//! Other claims draw masks too: BPTT and e-prop against finite differences, the schedules against each other, streams
//! with absent targets against sequences.

use crate::common::compare::assert_close;
use crate::common::problem::{Form, Problem, forms};
use eligibility::{
    Bptt, Buffer, Eprop, EpropOptions, EpropStream, Evaluator, Learner, Schedule, Score, Sequences, Target,
};
use proptest::prelude::*;

type Learned = (Score, Buffer<f64>);

/// What every learner makes of `sequences`; the evaluator has no gradient.
fn learn(problem: &Problem<f64>, sequences: &Sequences<'_, f64>) -> Vec<Learned> {
    let (network, batch, max_steps) = (&problem.network, problem.form.batch, problem.form.steps);
    let eprop =
        |schedule| Eprop::new(network, batch, EpropOptions { schedule, ..EpropOptions::default() }).unwrap();
    let mut learners: Vec<Box<dyn Learner<f64>>> = vec![
        Box::new(eprop(Schedule::Streaming)),
        Box::new(eprop(Schedule::Blocked(3))),
        Box::new(eprop(Schedule::WholeSequence { max_steps })),
        Box::new(Bptt::new(network, batch, max_steps).unwrap()),
    ];
    let mut learned: Vec<Learned> = (learners.iter_mut())
        .map(|learner| {
            let mut gradient = network.zero_gradient();
            (learner.gradient(network, sequences, &mut gradient).unwrap(), gradient)
        })
        .collect();
    let score = Evaluator::new(network, batch).unwrap().score(network, sequences).unwrap();
    learned.push((score, Buffer::zeros(0)));
    learned
}

proptest! {
    #[test]
    fn a_mask_of_trues_is_no_mask(form in forms()) {
        let problem = Problem::<f64>::new(Form { every_step: true, mask: false, ..form });
        let sequences = problem.sequences_without_mask();
        let masked = sequences.with_target_mask(&problem.target_mask).unwrap();
        assert!(problem.target_mask.iter().all(|&there| there));
        assert_eq!(learn(&problem, &masked), learn(&problem, &sequences));
    }

    #[test]
    fn whatever_lies_in_its_place(form in forms()) {
        let problem = Problem::<f64>::new(Form { every_step: true, mask: true, ..form });
        let mut other = problem.clone();
        for (cell, _) in problem.target_mask.iter().enumerate().filter(|&(_, &there)| !there) {
            other.classes[cell] = 0;
            other.values[cell * form.output..(cell + 1) * form.output].fill(0.5);
        }
        let (found, expected) = (learn(&problem, &problem.sequences()), learn(&other, &other.sequences()));
        assert_eq!(found, expected);
        let running = |cell: usize| cell / form.batch < problem.lengths[cell % form.batch];
        let targets = (0..problem.target_mask.len()).filter(|&cell| problem.target_mask[cell] && running(cell));
        let targets = targets.count();
        for (score, gradient) in found {
            assert_eq!(score.targets, targets);
            assert!(gradient.iter().all(|&g| if targets == 0 { g == 0.0 } else { g.is_finite() }));
        }
    }
}

#[test]
fn only_some_streams_have_one() {
    let form = Form { batch: 3, ..Form::PLAIN };
    let problem = Problem::<f64>::new(form);
    let run = |targets: &[Target<'_, f64>]| {
        let mut stream = EpropStream::new(&problem.network, targets.len(), EpropOptions::default()).unwrap();
        let mut gradient = problem.network.zero_gradient();
        let mut score = Score::default();
        for _ in 0..form.steps {
            let input = vec![0.5; targets.len() * form.input];
            stream.step(&problem.network, &input, &vec![false; targets.len()]).unwrap();
            score.add(&stream.learn(&problem.network, targets, &mut gradient).unwrap());
        }
        (score, gradient)
    };
    let (all, _) = run(&[Target::Class(1); 3]);
    assert_eq!(all.targets, 3 * form.steps);
    let (one, mut gradient) = run(&[Target::Absent, Target::Class(1), Target::Absent]);
    gradient.iter_mut().for_each(|g| *g *= 3.0);
    let (alone, expected) = run(&[Target::Class(1)]);
    assert_eq!((one.targets, one.correct), (alone.targets, alone.correct));
    assert_close("loss", &[one.loss], &[alone.loss], 1e-12, 1e-3);
    assert_close("gradient", &gradient, &expected, 1e-12, 1e-3);
    let (none, gradient) = run(&[Target::Absent; 3]);
    assert_eq!((none, gradient), (Score::default(), problem.network.zero_gradient()));
}
