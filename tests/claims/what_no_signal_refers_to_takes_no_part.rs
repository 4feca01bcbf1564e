//! Claim: what no learning signal refers to takes no part, not even times zero, whatever it is: steps that no target of their
//! episode comes after, rows without a target, all beyond a row's end.

use eligibility::{Echo, Scalar, Stream, Target, TraceScaling};

use crate::common::cells::{alone, between, kinds, mixed_stacks, recurrent_cells};
use crate::common::learners::{NamedStream, Setup, learners, learners_of_layers, streams};
use crate::common::problem::{Form, Problem};

/// Which places a target of the same row and episode comes after, or is at: `[steps, batch]`.
fn referred_to<T: Scalar>(problem: &Problem<T>) -> Vec<bool> {
    let Form { steps, batch, .. } = problem.form;
    let mut referred = vec![false; steps * batch];
    for row in 0..batch {
        let mut later = false;
        for t in (0..problem.lengths[row]).rev() {
            later |= problem.target_index(t, row).is_some();
            referred[t * batch + row] = later;
            later &= !problem.is_first[t * batch + row];
        }
    }
    referred
}

/// The problem with something else where nothing refers to.
fn with<T: Scalar>(bad: f64, problem: &Problem<T>) -> Problem<T> {
    let bad = T::from_f64(bad);
    let (mut other, Form { steps, batch, .. }) = (problem.clone(), problem.form.clone());
    let (referred, input) = (referred_to(problem), problem.form.input());
    for place in (0..steps * batch).filter(|&place| !referred[place]) {
        // Sometimes of one input alone.
        let inputs = if place % 3 == 0 { 1 } else { input };
        other.inputs[place * input..][..inputs].fill(bad);
    }
    for (row, &referred) in referred[..batch].iter().enumerate() {
        let unused = !referred || problem.is_first[row];
        for (state, &cell) in other.initial.iter_mut().zip(&problem.form.layers).filter(|_| unused) {
            for (name, width) in cell.state_parts() {
                state.part_mut(name).unwrap()[row * width..(row + 1) * width].fill(bad);
            }
        }
    }
    other
}

fn forms() -> Vec<Form> {
    let stacks = [alone(recurrent_cells, 2, 5), between(kinds, 2, 3), mixed_stacks()].concat();
    let mut forms = Vec::new();
    for (index, layers) in stacks.into_iter().enumerate() {
        for (every_step, resets, targets) in [(false, 0.25, 1.0), (true, 0.25, 0.3), (true, 0.5, 0.1)] {
            let full = Form::full(layers.clone());
            let seed = index as u64;
            forms.push(Form { steps: 9, batch: 4, every_step, resets, targets, seed, ..full });
        }
    }
    forms
}

/// Bits, but that zero has no sign.
fn bits<T: Scalar>(values: &[T]) -> Vec<u64> {
    values.iter().map(|value| (value.to_f64() + 0.0).to_bits()).collect()
}

/// Every learner makes the same of both.
fn check<T: Scalar>(form: Form) {
    let clean = with(0.3, &Problem::<T>::new(form));
    let huge = if T::NAME == "f32" { 1e38 } else { 1e300 };
    for bad in [f64::NAN, f64::INFINITY, huge] {
        let poisoned = with(bad, &clean);
        let setup = Setup { input_gradient: true, ..Setup::default() };
        for (name, mut learner) in learners_of_layers(&clean, setup) {
            let [found, expected] =
                [&poisoned, &clean].map(|problem| bits(&problem.learn_with_inputs(&mut *learner).2));
            assert_eq!(found, expected, "inputs, {bad}, {name}, {:?}", clean.form);
        }
        for (name, mut learner) in learners(&clean) {
            let [found, expected] = [&poisoned, &clean].map(|problem| problem.learn(&mut *learner));
            assert!(expected.1.iter().all(|g| g.to_f64().is_finite()));
            assert_eq!(found.0, expected.0, "{bad}, {name}, {:?}", clean.form);
            assert_eq!(bits(&found.1), bits(&expected.1), "{bad}, {name}, {:?}", clean.form);
        }
    }
}

#[test]
fn in_sequences_of_f64() {
    forms().into_iter().for_each(check::<f64>);
}

#[test]
fn in_sequences_of_f32() {
    forms().into_iter().for_each(check::<f32>);
}

#[test]
fn with_the_extensions_of_eprop() {
    let scaling = TraceScaling { output: 0.5, decay: 0.9 };
    for form in forms() {
        for echo in [Echo::Modulated { alpha: 0.1 }, Echo::Literal { alpha: 0.1 }] {
            check::<f64>(Form { echo, scaling, ..form.clone() });
        }
    }
}

/// How a step at which some rows have no target is learned from.
#[derive(Clone, Copy, Debug)]
enum Call {
    Targets,
    Errors,
    /// At steps at which no row has one, not at all.
    Seldom,
}

/// What every stream learns at each step.
fn learned(problem: &Problem<f64>, stream: &mut dyn Stream<f64>, call: Call) -> Vec<u64> {
    let (network, Form { batch, output, .. }) = (&problem.network, &problem.form);
    let (mut gradient, mut learned) = (network.zero_gradient(), Vec::new());
    for t in 0..problem.form.steps {
        let (input, is_first) = problem.step(t);
        stream.step(network, input, is_first).unwrap();
        let targets = problem.targets(t);
        match call {
            Call::Seldom if targets.iter().all(|&target| target == Target::Absent) => continue,
            Call::Errors => {
                let error = |k: usize| if targets[k / output] == Target::Absent { 0.0 } else { 0.3 };
                let errors = (0..batch * output).map(error).collect::<Vec<_>>();
                stream.learn_from_error(network, &errors, &mut gradient).unwrap();
            }
            _ => drop(stream.learn(network, &targets, &mut gradient).unwrap()),
        }
        learned.extend(bits(&gradient));
        learned.extend(bits(stream.input_gradient()));
    }
    learned
}

#[test]
fn in_streams() {
    // The gradient of a single row is not added up.
    for (form, batch) in forms().into_iter().flat_map(|form| [4, 1].map(|batch| (form.clone(), batch))) {
        let form = Form { steps: 16, batch, shortest: 1.0, initial: false, ..form };
        let clean = with(0.3, &Problem::<f64>::new(form));
        let setup = Setup { input_gradient: true, ..Setup::default() };
        for call in [Call::Targets, Call::Errors, Call::Seldom] {
            let of = |problem: &Problem<f64>| {
                let streams = streams(problem, problem.form.batch, setup).into_iter();
                let learned =
                    |(name, mut stream): NamedStream<f64>| (name, learned(problem, &mut *stream, call));
                streams.map(learned).collect::<Vec<_>>()
            };
            let expected = of(&clean);
            for bad in [f64::NAN, f64::INFINITY, 1e300] {
                for ((name, expected), (_, found)) in expected.iter().zip(of(&with(bad, &clean))) {
                    assert_eq!(&found, expected, "{bad}, {name}, {call:?}, {:?}", clean.form);
                }
            }
        }
    }
}
