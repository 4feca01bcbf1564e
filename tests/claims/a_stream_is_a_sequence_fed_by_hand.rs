//! Claim: stepping a stream and learning at some steps adds up to the gradient of the whole sequence, however the calls are
//! split; its outputs are those of the evaluator.

use eligibility::{Echo, EpropStream, Evaluator, EvaluatorOptions, Level, Scalar, Schedule, Stream, Target};
use proptest::prelude::*;

use crate::common::cells::{all_cells, alone, lstm, mixed_stacks, recurrent_cells, stacks};
use crate::common::compare::{assert_close, assert_same};
use crate::common::learners::{Setup, scheduled, streams, windows};
use crate::common::problem::{Form, Problem, forms};

/// How a step is learned from.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Calls {
    Once,
    /// The second call of a step finds the traces settled, and must give the same again.
    Twice,
    /// At some steps in two calls, for different rows.
    Halves,
    /// Also where there is no target: nothing is learned, and the traces take the step.
    Always,
}

/// What a stream has learned.
struct Learned {
    loss: f64,
    /// The sum over the steps that have a target.
    gradient: Vec<f64>,
    /// `[steps, rows, input]`
    by_inputs: Vec<f64>,
}

/// Learns at every step, from targets or from the errors that they make.
fn learned(problem: &Problem<f64>, stream: &mut dyn Stream<f64>, calls: Calls, from_error: bool) -> Learned {
    let (network, absent) = (&problem.network, |target: &Target<'_, f64>| *target == Target::Absent);
    let (mut gradient, inputs) = (network.zero_gradient(), problem.form.input() * problem.form.batch);
    let mut learned = Learned { loss: 0.0, gradient: vec![0.0; gradient.len()], by_inputs: Vec::new() };
    if problem.form.initial {
        stream.start_from(&problem.initial).unwrap();
    }
    for t in 0..problem.form.steps {
        let (input, is_first) = problem.step(t);
        let y = stream.step(network, input, is_first).unwrap().to_vec();
        assert_eq!((stream.output(), stream.input_gradient().len()), (&y[..], inputs));
        let (targets, always) = (problem.targets(t), calls == Calls::Always);
        let half = |first: bool| {
            let halve = |(row, &target)| if (row == 0) == first { target } else { Target::Absent };
            targets.iter().enumerate().map(halve).collect::<Vec<_>>()
        };
        let (calls, share) = match calls {
            Calls::Twice => (vec![targets.clone(), targets], 0.5),
            Calls::Halves if t % 3 == 0 => (vec![half(true), half(false)], 1.0),
            _ => (vec![targets], 1.0),
        };
        let mut by_inputs = vec![0.0; inputs];
        for targets in calls.iter().filter(|targets| always || !targets.iter().all(absent)) {
            gradient.fill(7.0);
            if from_error {
                stream.learn_from_error(network, &error(problem, &y, targets), &mut gradient).unwrap();
            } else {
                learned.loss += share * stream.learn(network, targets, &mut gradient).unwrap().loss;
            }
            learned.gradient.iter_mut().zip(gradient.iter()).for_each(|(sum, g)| *sum += share * g);
            by_inputs.iter_mut().zip(stream.input_gradient()).for_each(|(sum, g)| *sum += share * g);
        }
        learned.by_inputs.extend(by_inputs);
    }
    learned
}

/// dE/dy of the mean over the rows.
fn error(problem: &Problem<f64>, y: &[f64], targets: &[Target<'_, f64>]) -> Vec<f64> {
    let mut error = vec![0.0; y.len()];
    let rows = error.chunks_mut(problem.form.output).zip(y.chunks(problem.form.output)).zip(targets);
    for ((error, y), target) in rows {
        let sum: f64 = y.iter().map(|y| y.exp()).sum();
        for (k, (error, y)) in error.iter_mut().zip(y).enumerate() {
            let of_row = match target {
                Target::Class(class) => y.exp() / sum - f64::from(u8::from(k == *class)),
                Target::Values(values) => y - values[k],
                Target::Absent => 0.0,
            };
            *error = of_row / targets.len() as f64;
        }
    }
    error
}

/// Every stream against the learner of sequences of the same kind.
fn check(form: Form, random: bool, calls: Calls, from_error: bool) {
    let problem = Problem::<f64>::new(Form { shortest: 1.0, ..form });
    let setup = Setup { random, input_gradient: true, ..Setup::default() };
    let alike = |name: &str| {
        let scheduled = scheduled(&problem, Schedule::Blocked(4), setup).into_iter();
        let mut learners = scheduled.chain(windows(&problem, &[1, 3, 7], setup));
        learners.find(|(learner, _)| learner.starts_with(name)).expect("a learner of the same kind").1
    };
    for (name, mut stream) in streams(&problem, problem.form.batch, setup) {
        // The literal echo of a step belongs to its first learning signal alone, be its error zero.
        let literal = name == "e-prop" && matches!(problem.form.echo, Echo::Literal { .. });
        let (calls, from_error) = if literal { (Calls::Once, false) } else { (calls, from_error) };
        let network = &problem.network;
        let (score, gradient, by_inputs) = problem.learn_with_inputs(&mut *alike(&name));
        let found = learned(&problem, &mut *stream, calls, from_error);
        let what = format!("{name}, {:?}, {calls:?}", problem.form);
        if !from_error {
            assert_close("loss", &[found.loss], &[score.loss], 1e-12, 1e-3);
        }
        // In a drawn problem a sum may cancel: it is rounded relative to its terms.
        assert_same(&what, network, &found.gradient, &gradient, 1e-12, 1e-3);
        if !name.ends_with("steps back") || name.starts_with("1 ") {
            assert_close(&format!("{what}: inputs"), &found.by_inputs, &by_inputs, 1e-12, 1e-3);
        }
    }
}

fn calls() -> impl Strategy<Value = Calls> {
    prop_oneof![Just(Calls::Once), Just(Calls::Twice), Just(Calls::Halves), Just(Calls::Always)]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, ..ProptestConfig::default() })]

    #[test]
    fn for_any_problem(form in forms(stacks(all_cells, 1..4, 1..6)), random: bool, calls in calls(), from_error: bool) {
        check(form, random, calls, from_error);
    }
}

/// More steps than any tape has slots, and of a single row, whose gradient is not added up.
#[test]
fn of_every_cell_over_many_steps() {
    let stacks = [alone(recurrent_cells, 2, 5), mixed_stacks()].concat();
    for (index, layers) in stacks.into_iter().enumerate() {
        let calls = [Calls::Once, Calls::Twice, Calls::Halves, Calls::Always][index % 4];
        for (rows, calls) in [(3, calls), (1, calls), (1, Calls::Always)] {
            check(Form::long(layers.clone(), 80, rows, index as u64), false, calls, index % 2 == 0);
        }
    }
}

fn evaluate<T: Scalar>(form: Form, level: Level) {
    let problem = Problem::<T>::new(form);
    let (network, Form { steps, batch, output, .. }) = (&problem.network, &problem.form);
    let options = EvaluatorOptions { level: Some(level) };
    let mut evaluator = Evaluator::new(network, batch + 3, options).unwrap();
    let mut found = vec![T::from_f64(f64::NAN); steps * batch * output];
    let score = evaluator.outputs(network, &problem.sequences(), &mut found).unwrap();
    assert_eq!(score, evaluator.score(network, &problem.sequences()).unwrap());
    let wide = |y: &[T]| y.iter().map(|y| y.to_f64()).collect::<Vec<_>>();
    for (name, mut stream) in streams(&problem, *batch, Setup { level: Some(level), ..Setup::default() }) {
        if problem.form.initial {
            stream.start_from(&problem.initial).unwrap();
        }
        for (t, found) in found.chunks(batch * output).enumerate() {
            let (input, is_first) = problem.step(t);
            let y = stream.step(network, input, is_first).unwrap();
            for (row, (found, y)) in found.chunks(*output).zip(y.chunks(*output)).enumerate() {
                if t < problem.lengths[row] {
                    let tolerance = if T::NAME == "f32" { 1e-5 } else { 1e-13 };
                    assert_close(&format!("{name}, step {t}"), &wide(found), &wide(y), tolerance, 1.0);
                } else {
                    assert!(found.iter().all(|&y| y == T::ZERO), "beyond the end");
                }
            }
        }
    }
}

#[test]
fn an_evaluator_gives_the_same_outputs() {
    for layers in [alone(recurrent_cells, 2, 5), mixed_stacks()].concat() {
        for level in Level::available() {
            evaluate::<f32>(Form { batch: 5, ..Form::full(layers.clone()) }, level);
            evaluate::<f64>(Form { steps: 30, every_step: false, ..Form::full(layers.clone()) }, level);
        }
    }
}

#[test]
fn a_replayed_stream_repeats_its_bits() {
    let problem = Problem::<f32>::new(Form { output: 2, batch: 1, ..Form::plain(lstm(2, 9)) });
    let mut stream = EpropStream::new(&problem.network, 1, problem.options(false)).unwrap();
    let run = |stream: &mut EpropStream<f32>| {
        let (mut learned, mut gradient) = (Vec::new(), problem.network.zero_gradient());
        for t in 0..problem.form.steps {
            stream.step(&problem.network, problem.step(t).0, &[false]).unwrap();
            stream.learn(&problem.network, &problem.targets(t), &mut gradient).unwrap();
            learned.extend_from_slice(&gradient);
        }
        learned
    };
    run(&mut stream);
    let mut replayed = stream.clone();
    assert_eq!(run(&mut stream), run(&mut replayed));
    assert_eq!(replayed, stream);
}
