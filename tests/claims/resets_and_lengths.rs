//! Claim: a reset inside a sequence makes two sequences of it; a row's end makes the rest invisible.

use crate::common::compare::assert_close;
use crate::common::problem::{Form, Problem};
use eligibility::{
    Bptt, Eprop, EpropOptions, EpropStream, Learner, ReadoutOnly, Schedule, Sequences, Target, Targets,
    TruncatedBptt,
};

const FORM: Form = Form { hidden: 7, steps: 9, batch: 3, seed: 21, ..Form::PLAIN };

fn learners(problem: &Problem<f64>) -> Vec<Box<dyn Learner<f64>>> {
    let eprop = |schedule| {
        Eprop::new(&problem.network, FORM.batch, EpropOptions { schedule, ..EpropOptions::default() })
            .unwrap()
    };
    vec![
        Box::new(eprop(Schedule::Streaming)),
        Box::new(eprop(Schedule::Blocked(2))),
        Box::new(eprop(Schedule::Blocked(5))),
        Box::new(eprop(Schedule::WholeSequence { max_steps: FORM.steps })),
        Box::new(Bptt::new(&problem.network, FORM.batch, FORM.steps).unwrap()),
        Box::new(TruncatedBptt::new(&problem.network, FORM.batch, 3).unwrap()),
        Box::new(ReadoutOnly::new(&problem.network, FORM.batch).unwrap()),
    ]
}

fn run(problem: &Problem<f64>, learner: &mut dyn Learner<f64>, sequences: &Sequences<'_, f64>) -> Vec<f64> {
    let mut gradient = problem.network.zero_gradient();
    learner.gradient(&problem.network, sequences, &mut gradient).unwrap();
    gradient.to_vec()
}

#[test]
fn a_reset_makes_two_sequences() {
    let problem = Problem::<f64>::new(FORM);
    let split = 4;
    let mut is_first = vec![false; FORM.steps * FORM.batch];
    is_first[split * FORM.batch..(split + 1) * FORM.batch].fill(true);
    let whole =
        Sequences::new(FORM.steps, FORM.batch, &problem.inputs, Targets::EveryClass(&problem.classes))
            .unwrap();
    let whole = whole.with_resets(&is_first).unwrap();
    let part = |from: usize, to: usize| {
        let inputs = &problem.inputs[from * FORM.batch * FORM.input..to * FORM.batch * FORM.input];
        let classes = &problem.classes[from * FORM.batch..to * FORM.batch];
        Sequences::new(to - from, FORM.batch, inputs, Targets::EveryClass(classes)).unwrap()
    };
    for learner in &mut learners(&problem) {
        let found = run(&problem, learner.as_mut(), &whole);
        let first = run(&problem, learner.as_mut(), &part(0, split));
        let second = run(&problem, learner.as_mut(), &part(split, FORM.steps));
        let expected: Vec<f64> = first.iter().zip(second).map(|(a, b)| a + b).collect();
        assert_close("gradient", &found, &expected, 1e-13, 1e-3);
    }
}

#[test]
fn what_lies_beyond_a_rows_end_is_not_read() {
    let mut problem = Problem::<f64>::new(FORM);
    let lengths = [9, 3, 1];
    let clean = problem.inputs.clone();
    for t in 0..FORM.steps {
        for (row, &length) in lengths.iter().enumerate() {
            if t >= length {
                let cell = t * FORM.batch + row;
                problem.inputs[cell * FORM.input..(cell + 1) * FORM.input].fill(f64::NAN);
            }
        }
    }
    for targets in [Targets::EveryClass(&problem.classes), Targets::LastClass(&problem.classes[..FORM.batch])]
    {
        let [dirty, clean] = [&problem.inputs, &clean].map(|inputs| {
            Sequences::new(FORM.steps, FORM.batch, inputs, targets).unwrap().with_lengths(&lengths).unwrap()
        });
        for learner in &mut learners(&problem) {
            // The NaNs of the first run must not linger in the learner's memory either.
            let first = run(&problem, learner.as_mut(), &dirty);
            assert_eq!(first, run(&problem, learner.as_mut(), &clean));
            assert!(first.iter().all(|g| g.is_finite()));
        }
    }
}

#[test]
fn a_learner_forgets_a_batch_that_was_not_finite() {
    let problem = Problem::<f64>::new(FORM);
    let poison = vec![f64::NAN; problem.inputs.len()];
    let targets = Targets::EveryClass(&problem.classes);
    let clean = Sequences::new(FORM.steps, FORM.batch, &problem.inputs, targets).unwrap();
    let poisoned = Sequences::new(FORM.steps, FORM.batch, &poison, targets).unwrap();
    // Rows of which some end in the first block of steps: what their traces held before must reach nothing.
    let clean = clean.with_lengths(&[9, 3, 1]).unwrap();
    for learner in &mut learners(&problem) {
        let expected = run(&problem, learner.as_mut(), &clean);
        assert!(run(&problem, learner.as_mut(), &poisoned).iter().any(|g| g.is_nan()), "NaN in, NaN out");
        assert_eq!(run(&problem, learner.as_mut(), &clean), expected);
    }
}

/// Where only the last step has a target, nothing of an episode that was left reaches the gradient, NaN neither.
#[test]
fn what_was_not_finite_ends_with_its_episode() {
    let problem = Problem::<f64>::new(FORM);
    let targets = Targets::LastClass(&problem.classes[..FORM.batch]);
    for reset in 1..FORM.steps {
        let mut is_first = vec![false; FORM.steps * FORM.batch];
        is_first[reset * FORM.batch..(reset + 1) * FORM.batch].fill(true);
        let mut poisoned = problem.inputs.clone();
        poisoned[..reset * FORM.batch * FORM.input].fill(f64::NAN);
        let [clean, poisoned] = [&problem.inputs, &poisoned].map(|inputs| {
            let sequences = Sequences::new(FORM.steps, FORM.batch, inputs, targets).unwrap();
            sequences.with_resets(&is_first).unwrap()
        });
        for learner in &mut learners(&problem) {
            let expected = run(&problem, learner.as_mut(), &clean);
            assert_eq!(run(&problem, learner.as_mut(), &poisoned), expected, "reset at {reset}");
            assert!(expected.iter().all(|g| g.is_finite()));
        }
    }
}

/// Rows end in other blocks of steps than the one that leaves what was not finite: it must not reach them either.
#[test]
fn what_is_not_finite_in_a_row_that_goes_on_reaches_no_other() {
    let problem = Problem::<f64>::new(FORM);
    let targets = Targets::LastClass(&problem.classes[..FORM.batch]);
    let mut is_first = vec![false; FORM.steps * FORM.batch];
    is_first[6 * FORM.batch] = true;
    let mut poisoned = problem.inputs.clone();
    for t in 0..6 {
        poisoned[t * FORM.batch * FORM.input..][..FORM.input].fill(f64::NAN);
    }
    let [clean, poisoned] = [&problem.inputs, &poisoned].map(|inputs| {
        let sequences = Sequences::new(FORM.steps, FORM.batch, inputs, targets).unwrap();
        sequences.with_resets(&is_first).unwrap().with_lengths(&[9, 4, 1]).unwrap()
    });
    for learner in &mut learners(&problem) {
        let expected = run(&problem, learner.as_mut(), &clean);
        assert_eq!(run(&problem, learner.as_mut(), &poisoned), expected);
        assert!(expected.iter().all(|g| g.is_finite()));
    }
}

#[test]
fn a_reset_heals_what_was_not_finite() {
    let problem = Problem::<f32>::new(FORM);
    let network = &problem.network;
    let learn = |stream: &mut EpropStream<f32>| {
        let mut gradient = network.zero_gradient();
        for t in 0..FORM.steps {
            stream.step(network, &problem.inputs[t * FORM.input..][..FORM.input], &[t == 0]).unwrap();
            stream.learn(network, &[Target::Class(problem.classes[t])], &mut gradient).unwrap();
        }
        gradient
    };
    let mut stream = EpropStream::new(network, 1, EpropOptions::default()).unwrap();
    let expected = learn(&mut stream);
    assert!(expected.iter().all(|g| g.is_finite()));
    for bad in [f32::NAN, f32::INFINITY] {
        stream.step(network, &[bad; FORM.input], &[false]).unwrap();
        stream.learn(network, &[Target::Class(0)], &mut network.zero_gradient()).unwrap();
        stream.step(network, &[bad; FORM.input], &[false]).unwrap();
        assert_eq!(learn(&mut stream), expected, "after {bad}");
    }
}
