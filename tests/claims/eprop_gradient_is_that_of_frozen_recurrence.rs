//! Claim: the e-prop gradient is the exact gradient of the network whose recurrent input h_{t-1} is frozen.
//!
//! Approximate with respect to the real loss, exact with respect to this one. Symmetric feedback is compared with
//! finite differences of the loss, random feedback with those of `sum_t L_t . h_t` for its own learning signals. With a
//! trace echo, the gates that have a trace follow `sum_t S_t . h_t` for the signals S that the echo makes of L; with trace
//! scaling, a network whose cell depends so much less on the cell before.

use crate::common::compare::assert_close;
use crate::common::differences::gradient;
use crate::common::problem::{Form, Problem, blocks, forms};
use crate::common::textbook::{Objective, Record, Weights, decayed_loss, loss};
use eligibility::{Echo, Eprop, EpropOptions, Feedback, Learner, Level, Schedule, TraceScaling};
use proptest::prelude::*;

/// Below this magnitude a block's gradient is compared absolutely: finite differences are good to about 1e-13.
const FLOOR: f64 = 1e-4;

/// The learning signals `L_t = B^T dE/dy_t`, and what the echo makes of them: of every recorded step.
fn signals(form: Form, base: &Record, feedback: &[f64]) -> [Vec<Vec<f64>>; 2] {
    let plain: Vec<Vec<f64>> = (base.output_error.iter())
        .map(|error| {
            let error = error.clone().unwrap_or(vec![0.0; form.output]);
            (0..form.hidden)
                .map(|j| (0..form.output).map(|k| feedback[k * form.hidden + j] * error[k]).sum())
                .collect()
        })
        .collect();
    let mut echoed = plain.clone();
    let mut later = vec![0.0; form.hidden];
    for step in (0..echoed.len()).rev() {
        for (later, &signal) in later.iter_mut().zip(&plain[step]) {
            match form.echo {
                Echo::Modulated { alpha } => *later += alpha * signal,
                Echo::Literal { alpha } if base.output_error[step].is_some() => *later = alpha,
                Echo::Off | Echo::Literal { .. } => {}
            }
        }
        echoed[step].iter_mut().zip(&later).for_each(|(echoed, later)| *echoed += later);
        if base.begins[step] {
            later.fill(0.0);
        }
    }
    [plain, echoed]
}

/// What the e-prop gradient must be, block by block.
fn expected(problem: &Problem<f64>, weights: &Weights, base: &Record, random: bool) -> [Vec<f64>; 5] {
    let form = problem.form;
    let frozen = |objective: Objective<'_>, decay: f64| {
        gradient(weights, |weights| decayed_loss(problem, weights, objective, Some(base), decay).0)
    };
    let feedback = match &problem.feedback {
        Feedback::Random(matrix) if random => &matrix[..],
        _ => &weights.0[3],
    };
    let mut expected = frozen(Objective::Real, 1.0);
    if form.echo != Echo::Off || form.scaling != TraceScaling::default() {
        let [plain, echoed] = signals(form, base, feedback);
        let (output_gate, traced) = (
            frozen(Objective::Signals(&plain), 1.0),
            frozen(Objective::Signals(&echoed), form.scaling.decay),
        );
        for ((expected, traced), output_gate) in expected[..3].iter_mut().zip(traced).zip(output_gate) {
            let with_trace = expected.len() / 4 * 3;
            let scaled = traced[..with_trace].iter().map(|g| form.scaling.output * g);
            *expected = scaled.chain(output_gate[with_trace..].iter().copied()).collect();
        }
    } else if random {
        expected[..3].clone_from_slice(&frozen(Objective::Linear(feedback), 1.0)[..3]);
    }
    expected
}

fn check(form: Form, random: bool) {
    let problem = Problem::<f64>::new(form);
    let weights = Weights(blocks(&problem.network, problem.network.parameters()).map(|(_, block)| block));
    let (value, base) = loss(&problem, &weights, Objective::Real, None);
    let expected = expected(&problem, &weights, &base, random);
    for level in Level::available() {
        for schedule in
            [Schedule::Streaming, Schedule::Blocked(3), Schedule::WholeSequence { max_steps: form.steps }]
        {
            let options = EpropOptions { schedule, level: Some(level), ..problem.options(random) };
            let mut eprop = Eprop::new(&problem.network, form.batch, options).unwrap();
            let mut found = problem.network.zero_gradient();
            let score = eprop.gradient(&problem.network, &problem.sequences(), &mut found).unwrap();
            assert_close("loss", &[score.loss / form.batch as f64], &[value], 1e-12, 1.0);
            for ((name, found), expected) in blocks(&problem.network, &found).iter().zip(&expected) {
                assert_close(&format!("{name}, {schedule:?}, {level}"), found, expected, 1e-7, FLOOR);
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

    #[test]
    fn for_any_problem(form in forms(), random: bool) {
        check(form, random);
    }
}

#[test]
fn across_several_shards_and_vectors() {
    let form = Form::FULL;
    check(form, false);
    check(Form { every_step: false, classes: false, ..form }, true);
}

#[test]
fn with_every_extension() {
    let scaling = TraceScaling { output: 0.3, decay: 0.8 };
    for echo in [Echo::Off, Echo::Modulated { alpha: 0.1 }, Echo::Literal { alpha: -0.2 }] {
        for every_step in [false, true] {
            check(Form { echo, scaling, every_step, hidden: 5, batch: 9, ..Form::FULL }, every_step);
        }
    }
}
