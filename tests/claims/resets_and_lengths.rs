//! Claim: a reset inside a sequence makes two sequences of it; a learner forgets a batch that was not finite, a stream an
//! episode.

use crate::common::cells::{alone, between, kinds, mixed_stacks, recurrent_cells};
use crate::common::compare::assert_same;
use crate::common::learners::{Setup, learners, streams};
use crate::common::problem::{Form, Problem};

const STEPS: usize = 9;

/// Every cell alone and in stacks, in 9 steps of 3 rows.
fn forms() -> Vec<Form> {
    let stacks = [alone(recurrent_cells, 2, 7), between(kinds, 2, 3), mixed_stacks()].concat();
    let form = |layers| Form { steps: STEPS, batch: 3, seed: 21, ..Form::plain(layers) };
    stacks.into_iter().map(form).collect()
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
        for (name, mut learner) in learners(&whole) {
            let (_, found) = whole.learn(&mut *learner);
            let [first, second] = [&first, &second].map(|part| part.learn(&mut *learner).1);
            let sum: Vec<f64> = first.iter().zip(second).map(|(a, b)| a + b).collect();
            assert_same(&format!("{name}, {:?}", whole.form), &whole.network, &found, &sum, 1e-13, 1e-3);
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
        for (name, mut learner) in learners(&clean) {
            let (_, expected) = clean.learn(&mut *learner);
            let (_, none) = poisoned.learn(&mut *learner);
            assert!(none.iter().any(|g| g.is_nan()), "NaN in, NaN out: {name}, {:?}", clean.form);
            assert_eq!(clean.learn(&mut *learner).1, expected, "{name}, {:?}", clean.form);
        }
    }
}

#[test]
fn a_reset_heals_a_stream_that_was_not_finite() {
    for (form, rows) in forms().into_iter().flat_map(|form| [1, 3].map(|rows| (form.clone(), rows))) {
        let problem = Problem::<f32>::new(Form { batch: rows, ..form });
        let (network, mut gradient) = (&problem.network, problem.network.zero_gradient());
        for (name, mut stream) in streams(&problem, rows, Setup::default()) {
            let mut learn = |bad: Option<f32>| {
                if let Some(bad) = bad {
                    let (bad, no) = (vec![bad; 2 * rows], vec![false; rows]);
                    for _ in 0..4 {
                        stream.step(network, &bad, &no).unwrap();
                        stream.learn(network, &problem.targets(0), &mut gradient).unwrap();
                    }
                    assert!(gradient.iter().any(|g| !g.is_finite()), "{name}: what comes in bad is heard");
                    stream.step(network, &bad, &no).unwrap();
                }
                let mut learned = Vec::new();
                for t in 0..STEPS {
                    stream.step(network, problem.step(t).0, &vec![t == 0; rows]).unwrap();
                    stream.learn(network, &problem.targets(t), &mut gradient).unwrap();
                    learned.extend_from_slice(&gradient);
                }
                learned
            };
            let expected = learn(None);
            assert!(expected.iter().all(|g| g.is_finite()));
            for bad in [f32::NAN, f32::INFINITY] {
                assert_eq!(learn(Some(bad)), expected, "{name} after {bad}, {:?}", problem.form.layers);
            }
        }
    }
}
