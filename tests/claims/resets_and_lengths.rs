//! Claim: a reset inside a sequence makes two sequences of it; a row's end makes the rest invisible; what no learning
//! signal refers to takes no part, whatever it is.

use eligibility::{Cell, EpropOptions, EpropStream, Target, TruncatedBptt};

use crate::common::cells::{alone, between, lstm, recurrent_cells};
use crate::common::compare::assert_same;
use crate::common::learners::{Named, learners};
use crate::common::problem::{Form, Problem};

const STEPS: usize = 9;

/// Every cell alone and in a stack, in 9 steps of 3 rows.
fn forms() -> Vec<Form> {
    let stacks = [alone(recurrent_cells, 2, 7), between(recurrent_cells, 2, 3)].concat().into_iter();
    let form = |layers| Form { steps: STEPS, batch: 3, seed: 21, ..Form::plain(layers) };
    stacks.map(form).collect()
}

/// Every learner, and windows of every kind.
fn learners_and_windows(problem: &Problem<f64>) -> Vec<Named<f64>> {
    let mut learners = learners(problem);
    for window in [1, 2, 4, 9, 20] {
        let truncated = TruncatedBptt::new(&problem.network, problem.form.batch, window).unwrap();
        learners.push((format!("{window} steps back"), Box::new(truncated)));
    }
    learners
}

/// Both give the same gradient to the bit, and nothing that was not finite lingers in a learner's memory.
fn assert_indistinguishable(what: &str, clean: &Problem<f64>, poisoned: &Problem<f64>) {
    for (name, mut learner) in learners_and_windows(clean) {
        let [found, expected] = [poisoned, clean].map(|problem| problem.learn(&mut *learner).1);
        assert!(expected.iter().all(|g| g.is_finite()));
        assert_eq!(found, expected, "{what}, {name}, {:?}", clean.form);
    }
}

#[test]
fn a_reset_makes_two_sequences() {
    let (split, batch) = (4, 3);
    for form in forms() {
        let mut whole = Problem::<f64>::new(form);
        whole.is_first[split * batch..(split + 1) * batch].fill(true);
        let part = |from: usize, to: usize| {
            let mut part = whole.clone();
            part.form.steps = to - from;
            part.inputs = part.inputs[from * batch * 2..to * batch * 2].to_vec();
            part.classes = part.classes[from * batch..to * batch].to_vec();
            part.is_first = part.is_first[from * batch..to * batch].to_vec();
            part.target_mask.truncate((to - from) * batch);
            part.lengths.fill(to - from);
            part
        };
        let (first, second) = (part(0, split), part(split, STEPS));
        for (name, mut learner) in learners_and_windows(&whole) {
            let (_, found) = whole.learn(&mut *learner);
            let [first, second] = [&first, &second].map(|part| part.learn(&mut *learner).1);
            let sum: Vec<f64> = first.iter().zip(second).map(|(a, b)| a + b).collect();
            assert_same(&format!("{name}, {:?}", whole.form), &whole.network, &found, &sum, 1e-13, 1e-3);
        }
    }
}

#[test]
fn what_lies_beyond_a_rows_end_is_not_read() {
    for form in forms() {
        for every_step in [false, true] {
            let mut clean = Problem::<f64>::new(Form { every_step, ..form.clone() });
            clean.lengths = vec![9, 3, 1];
            let mut poisoned = clean.clone();
            for place in (0..STEPS * 3).filter(|place| place / 3 >= clean.lengths[place % 3]) {
                poisoned.inputs[place * 2..(place + 1) * 2].fill(f64::NAN);
            }
            assert_indistinguishable("beyond the end", &clean, &poisoned);
        }
    }
}

#[test]
fn a_learner_forgets_a_batch_that_was_not_finite() {
    for form in forms() {
        let mut clean = Problem::<f64>::new(form);
        let mut poisoned = clean.clone();
        poisoned.inputs.fill(f64::NAN);
        // Rows of which some end in the first block of steps: what their traces held before must reach nothing.
        clean.lengths = vec![9, 3, 1];
        for (name, mut learner) in learners_and_windows(&clean) {
            let (_, expected) = clean.learn(&mut *learner);
            let (_, none) = poisoned.learn(&mut *learner);
            assert!(none.iter().any(|g| g.is_nan()), "NaN in, NaN out: {name}, {:?}", clean.form);
            assert_eq!(clean.learn(&mut *learner).1, expected, "{name}, {:?}", clean.form);
        }
    }
}

/// Where only the last step has a target, nothing of an episode that was left reaches the gradient, NaN neither.
#[test]
fn what_was_not_finite_ends_with_its_episode() {
    for form in forms() {
        for reset in 1..STEPS {
            let mut clean = Problem::<f64>::new(Form { every_step: false, ..form.clone() });
            clean.is_first[reset * 3..(reset + 1) * 3].fill(true);
            let mut poisoned = clean.clone();
            poisoned.inputs[..reset * 3 * 2].fill(f64::NAN);
            poisoned.inputs[0] = f64::INFINITY;
            assert_indistinguishable(&format!("reset at {reset}"), &clean, &poisoned);
        }
    }
}

/// Rows end in other blocks of steps than the one that leaves what was not finite: it must not reach them either. (Learners
/// of other cells than LSTMs multiply what they learn at that step with zero.)
#[test]
fn what_is_not_finite_in_a_row_that_goes_on_reaches_no_other() {
    for form in forms().into_iter().filter(|form| matches!(form.layers[0], Cell::Lstm(_))) {
        let mut clean = Problem::<f64>::new(Form { every_step: false, ..form });
        clean.is_first[6 * 3] = true;
        clean.lengths = vec![9, 4, 1];
        let mut poisoned = clean.clone();
        (0..6).for_each(|t| poisoned.inputs[t * 3 * 2..][..2].fill(f64::NAN));
        assert_indistinguishable("another row", &clean, &poisoned);
    }
}

#[test]
fn a_reset_heals_what_was_not_finite() {
    let problem = Problem::<f32>::new(Form { batch: 1, steps: STEPS, ..Form::plain(lstm(2, 7)) });
    let network = &problem.network;
    let learn = |stream: &mut EpropStream<f32>| {
        let mut learned = Vec::new();
        for t in 0..STEPS {
            let mut gradient = network.zero_gradient();
            stream.step(network, problem.step(t).0, &[t == 0]).unwrap();
            stream.learn(network, &problem.targets(t), &mut gradient).unwrap();
            learned.push(gradient);
        }
        learned
    };
    let mut stream = EpropStream::new(network, 1, EpropOptions::default()).unwrap();
    let expected = learn(&mut stream);
    assert!(expected.iter().flat_map(|gradient| gradient.iter()).all(|g| g.is_finite()));
    for bad in [f32::NAN, f32::INFINITY] {
        stream.step(network, &[bad; 2], &[false]).unwrap();
        stream.learn(network, &[Target::Class(0)], &mut network.zero_gradient()).unwrap();
        stream.step(network, &[bad; 2], &[false]).unwrap();
        assert_eq!(learn(&mut stream), expected, "after {bad}");
    }
}
