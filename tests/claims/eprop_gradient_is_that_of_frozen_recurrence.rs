//! Claim: the e-prop gradient of a layer's weights is the exact gradient of the network whose recurrent inputs h_{t-1} are
//! frozen and, in the layers above, all else that comes from the step before.
//!
//! Approximate with respect to the real loss, exact with respect to this one. Symmetric feedback is compared with
//! finite differences of the loss, random feedback with those of `sum_t L_t . y_t` for the learning signals of the top
//! layer. With a trace echo, the gates that have a trace follow `sum_t S_t . y_t` for the signals S that the echo makes
//! of the layer's own L; with trace scaling, a network whose cell depends so much less on the cell before.

use eligibility::{Cell, Echo, Feedback, Level, TraceScaling};
use proptest::prelude::*;

use crate::common::cells::{
    all_cells, alone, between, kinds, lstm, mixed_stacks, recurrent_cells, smooth, stacks,
};
use crate::common::compare::{assert_close, assert_same, pick};
use crate::common::differences::differences;
use crate::common::learners::{Setup, scheduled, schedules};
use crate::common::problem::{Form, Problem, forms};
use crate::common::textbook::{Objective, Paths, Record, loss, objective, record, signals};

/// Below this magnitude a part's gradient is compared absolutely: finite differences are good to about 1e-13.
const FLOOR: f64 = 1e-4;

/// What the echo makes of learning signals.
fn echoed(echo: Echo, record: &Record, plain: &[Vec<f64>]) -> Vec<Vec<f64>> {
    let mut echoed = plain.to_vec();
    let mut later = vec![0.0; plain[0].len()];
    for step in (0..echoed.len()).rev() {
        for (later, &signal) in later.iter_mut().zip(&plain[step]) {
            match echo {
                Echo::Modulated { alpha } => *later += alpha * signal,
                Echo::Literal { alpha } if record.errors[step].is_some() => *later = alpha,
                Echo::Off | Echo::Literal { .. } => {}
            }
        }
        echoed[step].iter_mut().zip(&later).for_each(|(echoed, later)| *echoed += later);
        if record.begins[step] {
            later.fill(0.0);
        }
    }
    echoed
}

/// Weights of a layer that have a trace, and the others: those of an output gate, and of a layer without a state.
fn traced(problem: &Problem<f64>, layer: usize) -> [Vec<usize>; 2] {
    let cell = problem.form.layers[layer];
    let mut indices = [Vec::new(), Vec::new()];
    for part in problem.network.layout().parts(layer).unwrap() {
        for (place, index) in part.indices().enumerate() {
            let without = match cell {
                Cell::Lstm(lstm) => place / part.columns() >= 3 * lstm.units(),
                Cell::Dense(_) => true,
                _ => false,
            };
            indices[usize::from(without)].push(index);
        }
    }
    indices
}

/// What the e-prop gradient must be, by weights and by `inputs`.
fn expected(problem: &Problem<f64>, random: bool, inputs: &[usize]) -> [Vec<f64>; 2] {
    let (network, form, record) = (&problem.network, &problem.form, record(problem));
    let (layout, flat) = (network.layout(), network.parameters());
    let mut expected = vec![0.0; flat.len()];
    let mut set = |indices: &[usize], slopes: Vec<f64>| {
        indices.iter().zip(slopes).for_each(|(&index, slope)| expected[index] = slope);
    };
    let readout = layout.readout_parts();
    for part in &readout {
        let indices: Vec<_> = part.indices().collect();
        set(&indices, differences(flat, &indices, |flat| loss(problem, flat, Paths::All)));
    }
    let feedback = match &problem.feedback {
        Feedback::Random(matrix) if random => matrix.to_vec(),
        _ => readout[0].read(flat),
    };
    let top = form.layers.len() - 1;
    let of_top = signals(problem, &record, top, &feedback);
    let plain = if random { Objective::Signals { layer: top, signals: &of_top } } else { Objective::Loss };
    for layer in 0..=top {
        let slopes = |indices: &[usize], of: Objective<'_>, decay: f64| {
            let paths = Paths::Frozen { record: &record, layer, decay };
            differences(flat, indices, |flat| objective(problem, flat, &problem.inputs, of, paths))
        };
        let [with_trace, without] = traced(problem, layer);
        set(&without, slopes(&without, plain, 1.0));
        if form.echo == Echo::Off && form.scaling == TraceScaling::default() {
            set(&with_trace, slopes(&with_trace, plain, 1.0));
        } else {
            let echoed = echoed(form.echo, &record, &signals(problem, &record, layer, &feedback));
            let slopes =
                slopes(&with_trace, Objective::Signals { layer, signals: &echoed }, form.scaling.decay);
            set(&with_trace, slopes.iter().map(|slope| form.scaling.output * slope).collect());
        }
    }
    // Of each step alone: nothing comes from the step before.
    let paths = Paths::Frozen { record: &record, layer: 0, decay: 0.0 };
    let by_inputs = |x: &[f64]| objective(problem, flat, x, plain, paths);
    let by_inputs = differences(&problem.inputs, inputs, by_inputs);
    [expected, by_inputs]
}

fn check(form: &Form, random: bool) {
    let problem = Problem::<f64>::new(form.clone()).tame();
    let value = loss(&problem, problem.network.parameters(), Paths::All);
    let (beyond, there): (Vec<_>, Vec<_>) =
        (0..problem.inputs.len()).partition(|&index| problem.inputs[index].is_nan());
    let [expected, by_inputs] = expected(&problem, random, &there);
    for level in Level::available() {
        for schedule in schedules(form.steps) {
            let setup = Setup { random, input_gradient: true, level: Some(level) };
            for (name, mut learner) in scheduled(&problem, schedule, setup) {
                let plain = !random && form.echo == Echo::Off && form.scaling == TraceScaling::default();
                if name.starts_with("RTRL") && !plain {
                    continue;
                }
                let (score, found, inputs) = problem.learn_with_inputs(&mut *learner);
                assert_close("loss", &[score.loss / form.batch as f64], &[value], 1e-12, 1.0);
                let what = format!("{form:?}, {name}, {level}");
                assert_same(&what, &problem.network, &found, &expected, 1e-7, FLOOR);
                assert_close(&format!("{what}: inputs"), &pick(&inputs, &there), &by_inputs, 1e-7, FLOOR);
                assert!(beyond.iter().all(|&index| inputs[index] == 0.0));
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

    #[test]
    fn for_any_problem(form in forms(stacks(all_cells, 1..4, 1..5)), random: bool) {
        check(&form, random);
    }
}

#[test]
fn of_every_cell() {
    for (index, layers) in alone(recurrent_cells, 2, 3).into_iter().enumerate() {
        if layers.iter().all(smooth) {
            check(&Form { initial: true, ..Form::long(layers, 9, 3, index as u64) }, index % 2 == 0);
        }
    }
    for (index, layers) in between(kinds, 2, 2).into_iter().enumerate() {
        check(&Form { initial: true, ..Form::long(layers, 7, 2, index as u64) }, index % 2 == 0);
    }
}

#[test]
fn of_layers_of_different_kinds() {
    for (index, layers) in mixed_stacks().into_iter().enumerate() {
        for random in [false, true] {
            check(&Form { initial: true, ..Form::long(layers.clone(), 8, 3, index as u64) }, random);
        }
    }
}

#[test]
fn across_several_shards_and_vectors() {
    let form = Form::full(lstm(3, 11));
    check(&form, false);
    check(&Form { every_step: false, classes: false, ..form }, true);
}

#[test]
fn with_every_extension() {
    let scaling = TraceScaling { output: 0.3, decay: 0.8 };
    let stacks = [alone(kinds, 3, 5), mixed_stacks()].concat();
    for echo in [Echo::Off, Echo::Modulated { alpha: 0.1 }, Echo::Literal { alpha: -0.2 }] {
        for every_step in [false, true] {
            for layers in &stacks {
                let form = Form { echo, scaling, every_step, batch: 3, ..Form::full(layers.clone()) };
                check(&form, every_step);
            }
            check(&Form { echo, scaling, every_step, batch: 9, ..Form::full(lstm(3, 5)) }, every_step);
        }
    }
}
