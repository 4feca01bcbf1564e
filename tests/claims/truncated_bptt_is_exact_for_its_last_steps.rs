//! Claim: truncated BPTT is the exact gradient of the loss whose targets each look back L steps, the state before those
//! being a constant.

use eligibility::{Bptt, EpropOptions, EpropStream, Level, LstmState, TruncatedBptt};
use proptest::prelude::*;

use crate::common::cells::{alone, any_stack, between, lstm, lstms, recurrent_cells, smooth, stacks};
use crate::common::compare::{assert_close, assert_same, parts, relative_error};
use crate::common::differences::differences;
use crate::common::problem::{Form, Problem, forms};
use crate::common::textbook::{Paths, loss, record};

/// Below this magnitude a part's gradient is compared absolutely: finite differences are good to about 1e-13.
const FLOOR: f64 = 1e-4;

fn truncated(problem: &Problem<f64>, steps: usize) -> Vec<f64> {
    problem.learn(&mut TruncatedBptt::new(&problem.network, problem.form.batch, steps).unwrap()).1
}

fn bptt(problem: &Problem<f64>) -> Vec<f64> {
    problem.learn(&mut Bptt::new(&problem.network, problem.form.batch, problem.form.steps).unwrap()).1
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
    for level in Level::available() {
        let mut truncated = TruncatedBptt::new(network, form.batch, steps).unwrap().with_level(level);
        // Twice: nothing of the first call may be left in the ring.
        for _ in 0..2 {
            let (score, found) = problem.learn(&mut truncated);
            assert_close("loss", &[score.loss / form.batch as f64], &[value], 1e-12, 1.0);
            let what = format!("{form:?}, {level}, {steps} steps");
            assert_same(&what, network, &found, &expected, 1e-7, FLOOR);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

    #[test]
    fn for_any_problem(form in forms(any_stack(1..4, 1..5)), steps in 1..10_usize) {
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
fn across_several_shards_and_vectors() {
    let form = Form::full(lstm(3, 11));
    check(&form, 3);
    check(&Form { every_step: false, targets: 1.0, ..form }, 4);
}

proptest! {
    #[test]
    fn as_long_as_the_sequence_it_is_bptt(form in forms(any_stack(1..4, 1..30)), batch in 1..20_usize, longer in 0..3_usize) {
        let problem = Problem::<f64>::new(Form { batch, ..form });
        let found = truncated(&problem, problem.form.steps + longer);
        assert_same("as long as the sequence", &problem.network, &found, &bptt(&problem), 1e-12, 1e-3);
    }

    /// The instantaneous gradient: that of sequences of one step, each from the state in which the step found the rows.
    #[test]
    fn of_one_step_it_is_the_gradient_of_each_step_alone(form in forms(stacks(lstms, 1..3, 1..6))) {
        let form = Form { every_step: true, shortest: 1.0, targets: 1.0, initial: false, ..form };
        let problem = Problem::<f64>::new(form);
        let (network, Form { steps, batch, .. }) = (&problem.network, problem.form.clone());
        let mut stream = EpropStream::new(network, batch, EpropOptions::default()).unwrap();
        let mut before: Vec<_> = network.layers().iter()
            .map(|cell| LstmState::zeros(cell.as_lstm().unwrap(), steps * batch).unwrap())
            .collect();
        for t in 0..steps {
            for (layer, before) in before.iter_mut().enumerate() {
                let state = stream.state(layer);
                let part = t * state.cell.len()..(t + 1) * state.cell.len();
                before.cell[part.clone()].copy_from_slice(&state.cell);
                before.hidden[part].copy_from_slice(&state.hidden);
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
    assert_eq!(TruncatedBptt::new(&problem.network, 2, 4).unwrap().steps(), 4);
}
