//! Claim: the e-prop gradient of a layer's weights is the exact gradient of the network whose recurrent inputs h_{t-1} are
//! frozen and, in the layers above, all else that comes from the step before.
//!
//! Approximate with respect to the real loss, exact with respect to this one. Symmetric feedback is compared with
//! finite differences of the loss, random feedback with those of `sum_t L_t . y_t` for the learning signals of the top
//! layer. With a trace echo, the gates that have a trace follow `sum_t S_t . y_t` for the signals S that the echo makes
//! of the layer's own L; with trace scaling, a network whose cell depends so much less on the cell before.

use eligibility::{Cell, Echo, Eprop, EpropOptions, Feedback, Level, TraceScaling};
use proptest::prelude::*;

use crate::common::cells::{lstm, lstms, stacks};
use crate::common::compare::{assert_close, assert_same};
use crate::common::differences::differences;
use crate::common::learners::schedules;
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

/// Weights of a layer whose gates have a trace, and the others.
fn traced(problem: &Problem<f64>, layer: usize) -> [Vec<usize>; 2] {
    let units = problem.form.layers[layer].output();
    let mut indices = [Vec::new(), Vec::new()];
    for part in problem.network.layout().parts(layer).unwrap() {
        for (place, index) in part.indices().enumerate() {
            let output_gate =
                matches!(problem.form.layers[layer], Cell::Lstm(_)) && place / part.columns() >= 3 * units;
            indices[usize::from(output_gate)].push(index);
        }
    }
    indices
}

/// What the e-prop gradient must be.
fn expected(problem: &Problem<f64>, random: bool) -> Vec<f64> {
    let (network, form, record) = (&problem.network, &problem.form, record(problem));
    let (layout, flat) = (network.layout(), network.parameters());
    let mut expected = vec![0.0; flat.len()];
    let mut set = |indices: &[usize], slopes: Vec<f64>| {
        indices.iter().zip(slopes).for_each(|(&index, slope)| expected[index] = slope);
    };
    let readout: Vec<_> =
        layout.readout_parts().iter().flat_map(|part| part.indices().collect::<Vec<_>>()).collect();
    set(&readout, differences(flat, &readout, |flat| loss(problem, flat, Paths::All)));
    let feedback = match &problem.feedback {
        Feedback::Random(matrix) if random => matrix.to_vec(),
        _ => layout.readout_parts()[0].read(flat),
    };
    let top = form.layers.len() - 1;
    for layer in 0..=top {
        let slopes = |indices: &[usize], of: Objective<'_>, decay: f64| {
            let paths = Paths::Frozen { record: &record, layer, decay };
            differences(flat, indices, |flat| objective(problem, flat, &problem.inputs, of, paths))
        };
        let [with_trace, without] = traced(problem, layer);
        if form.echo != Echo::Off || form.scaling != TraceScaling::default() {
            let plain = signals(problem, &record, layer, &feedback);
            set(&without, slopes(&without, Objective::Signals { layer, signals: &plain }, 1.0));
            let echoed = echoed(form.echo, &record, &plain);
            let of = Objective::Signals { layer, signals: &echoed };
            let slopes = slopes(&with_trace, of, form.scaling.decay);
            set(&with_trace, slopes.iter().map(|slope| form.scaling.output * slope).collect());
        } else {
            let signals = signals(problem, &record, top, &feedback);
            let of =
                if random { Objective::Signals { layer: top, signals: &signals } } else { Objective::Loss };
            let all = [with_trace, without].concat();
            set(&all, slopes(&all, of, 1.0));
        }
    }
    expected
}

fn check(form: &Form, random: bool) {
    let problem = Problem::<f64>::new(form.clone()).tame();
    let value = loss(&problem, problem.network.parameters(), Paths::All);
    let expected = expected(&problem, random);
    for level in Level::available() {
        for schedule in schedules(form.steps) {
            let options = EpropOptions { schedule, level: Some(level), ..problem.options(random) };
            let mut eprop = Eprop::new(&problem.network, form.batch, options).unwrap();
            let (score, found) = problem.learn(&mut eprop);
            assert_close("loss", &[score.loss / form.batch as f64], &[value], 1e-12, 1.0);
            let what = format!("{form:?}, {schedule}, {level}");
            assert_same(&what, &problem.network, &found, &expected, 1e-7, FLOOR);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

    #[test]
    fn for_any_problem(form in forms(stacks(lstms, 1..4, 1..6)), random: bool) {
        check(&form, random);
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
    for echo in [Echo::Off, Echo::Modulated { alpha: 0.1 }, Echo::Literal { alpha: -0.2 }] {
        for every_step in [false, true] {
            let form = Form { echo, scaling, every_step, batch: 9, ..Form::full(lstm(3, 5)) };
            check(&form, every_step);
        }
    }
}
