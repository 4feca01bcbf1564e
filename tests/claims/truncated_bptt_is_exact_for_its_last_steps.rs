//! Claim: truncated BPTT is the exact gradient of the loss whose targets each look back L steps, the state before those
//! being a constant.

use eligibility::{Bptt, BpttOptions, Level, State, Stream, TruncatedBptt, TruncatedStream};
use proptest::prelude::*;

use crate::common::cells::{all_cells, alone, between, lstm, mixed_stacks, recurrent_cells, smooth, stacks};
use crate::common::compare::{assert_close, assert_same, parts, pick, relative_error};
use crate::common::differences::differences;
use crate::common::problem::{Form, Problem, forms};
use crate::common::textbook::{Objective, Paths, loss, objective, record};

/// Below this magnitude a part's gradient is compared absolutely: finite differences are good to about 1e-13.
const FLOOR: f64 = 1e-4;

fn truncated(problem: &Problem<f64>, steps: usize) -> Vec<f64> {
    let (network, options) = (&problem.network, BpttOptions::default());
    problem.learn(&mut TruncatedBptt::new(network, problem.form.batch, steps, options).unwrap()).1
}

fn bptt(problem: &Problem<f64>) -> Vec<f64> {
    let (network, options) = (&problem.network, BpttOptions::default());
    problem.learn(&mut Bptt::new(network, problem.form.batch, problem.form.steps, options).unwrap()).1
}

fn check(form: &Form, steps: usize) {
    let problem = Problem::<f64>::new(form.clone()).tame();
    let (network, record) = (&problem.network, record(&problem));
    let value = loss(&problem, network.parameters(), Paths::All);
    let mut expected = network.zero_gradient();
    for (_, indices) in parts(network) {
        let truncated = |flat: &[f64]| loss(&problem, flat, Paths::Window(steps, &record));
        let slopes = differences(network.parameters(), &indices, truncated);
        indices.iter().zip(slopes).for_each(|(&index, slope)| expected[index] = slope);
    }
    let (beyond, there): (Vec<_>, Vec<_>) =
        (0..problem.inputs.len()).partition(|&index| problem.inputs[index].is_nan());
    let by_inputs = differences(&problem.inputs, &there, |inputs| {
        let paths = Paths::Window(steps, &record);
        objective(&problem, network.parameters(), inputs, Objective::Loss, paths)
    });
    for level in Level::available() {
        let options = BpttOptions { input_gradient: true, level: Some(level) };
        let mut truncated = TruncatedBptt::new(network, form.batch, steps, options).unwrap();
        // Twice: nothing of the first call may be left in the ring.
        for _ in 0..2 {
            let (score, found, inputs) = problem.learn_with_inputs(&mut truncated);
            assert_close("loss", &[score.loss / form.batch as f64], &[value], 1e-12, 1.0);
            let what = format!("{form:?}, {level}, {steps} steps");
            assert_same(&what, network, &found, &expected, 1e-7, FLOOR);
            assert_close(&format!("{what}: inputs"), &pick(&inputs, &there), &by_inputs, 1e-7, FLOOR);
            assert!(beyond.iter().all(|&index| inputs[index] == 0.0));
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

    #[test]
    fn for_any_problem(form in forms(stacks(all_cells, 1..4, 1..5)), steps in 1..10_usize) {
        check(&form, steps);
    }
}

#[test]
fn of_every_cell() {
    for steps in [1, 2, 4] {
        for (index, layers) in alone(recurrent_cells, 2, 3).into_iter().enumerate() {
            if layers.iter().all(smooth) {
                check(&Form::long(layers, 9, 3, index as u64), steps);
            }
        }
        for (index, layers) in between(recurrent_cells, 2, 2).into_iter().enumerate() {
            if layers.iter().all(smooth) {
                check(&Form::long(layers, 7, 2, index as u64), steps);
            }
        }
    }
}

#[test]
fn of_layers_of_different_kinds() {
    for (index, layers) in mixed_stacks().into_iter().enumerate() {
        for steps in [1, 3] {
            check(&Form { initial: true, ..Form::long(layers.clone(), 8, 3, index as u64) }, steps);
        }
    }
}

#[test]
fn across_several_shards_and_vectors() {
    let form = Form::full(lstm(3, 11));
    check(&form, 3);
    check(&Form { every_step: false, targets: 1.0, ..form }, 4);
}

proptest! {
    #[test]
    fn as_long_as_the_sequence_it_is_bptt(form in forms(stacks(all_cells, 1..4, 1..30)), batch in 1..20_usize, longer in 0..3_usize) {
        let problem = Problem::<f64>::new(Form { batch, ..form });
        let found = truncated(&problem, problem.form.steps + longer);
        assert_same("as long as the sequence", &problem.network, &found, &bptt(&problem), 1e-12, 1e-3);
    }

    /// The instantaneous gradient: that of sequences of one step, each from the state in which the step found the rows.
    #[test]
    fn of_one_step_it_is_the_gradient_of_each_step_alone(form in forms(stacks(all_cells, 1..3, 1..6))) {
        let form = Form { every_step: true, shortest: 1.0, targets: 1.0, initial: false, ..form };
        let problem = Problem::<f64>::new(form);
        let (network, Form { steps, batch, .. }) = (&problem.network, problem.form.clone());
        let mut stream = TruncatedStream::new(network, batch, 1, BpttOptions::default()).unwrap();
        let zeros = |&cell| State::zeros(cell, steps * batch).unwrap();
        let mut before: Vec<State<f64>> = network.layers().iter().map(zeros).collect();
        for t in 0..steps {
            for (layer, before) in before.iter_mut().enumerate() {
                for (name, part) in stream.state(layer).unwrap().parts() {
                    before.part_mut(name).unwrap()[t * part.len()..(t + 1) * part.len()].copy_from_slice(part);
                }
            }
            let (input, is_first) = problem.step(t);
            stream.step(network, input, is_first).unwrap();
        }
        let mut alone = problem.clone();
        alone.form = Form { steps: 1, batch: steps * batch, ..problem.form.clone() };
        (alone.lengths, alone.initial) = (vec![1; steps * batch], before);
        // The mean is over so many times more rows.
        let expected: Vec<_> = bptt(&alone).iter().map(|g| g * steps as f64).collect();
        assert_same("one step", network, &truncated(&problem, 1), &expected, 1e-12, 1e-3);
    }
}

/// More steps than the tape has spare slots, so that it moves.
#[test]
fn over_many_steps() {
    for (index, layers) in alone(recurrent_cells, 3, 5).into_iter().enumerate() {
        let problem = Problem::new(Form::long(layers, 90, 3, index as u64));
        let what = format!("{:?}", problem.form.layers);
        assert_same(&what, &problem.network, &truncated(&problem, 90), &bptt(&problem), 1e-12, 1e-3);
    }
}

/// Between the two it must differ from both: otherwise the claims above would be about nothing.
#[test]
fn and_truncates() {
    let problem = Problem::<f64>::new(Form { steps: 8, seed: 3, ..Form::plain(lstm(2, 5)) });
    let exact = truncated(&problem, 8);
    let errors = [1, 2, 4].map(|steps| relative_error(&truncated(&problem, steps), &exact, 0.0));
    assert!(errors[0] > errors[1] && errors[1] > errors[2] && errors[2] > 1e-4, "{errors:?}");
}
