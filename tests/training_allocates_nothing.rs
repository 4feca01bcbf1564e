//! Claim: after construction, learning on one thread allocates nothing: no learner, no stream, no optimiser, of no cell.
//!
//! A program of its own without the test harness, because the counter counts every thread of the process, and a harness
//! has one that allocates when it pleases. Learners and streams are new when they are looked at: the first call is silent, too.

#[path = "claims/common/mod.rs"]
mod common;

use std::alloc::System;

use common::cells::{alone, between, kinds, lstm, mixed_stacks, recurrent_cells};
use common::learners::{Setup, learners, learners_of_layers, streams};
use common::problem::{Form, Problem};
use eligibility::{
    Adam, At, Echo, EpropStream, Evaluator, EvaluatorOptions, Feedback, OnlineStream, Optimizer, RmsProp,
    RtrlOptions, RtrlStream, Scalar, Sgd, State, Target, Targets, TraceScaling, clip_global_norm,
};
use rand::SeedableRng;
use rand::rngs::StdRng;
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

fn assert_silent(what: &str, body: impl FnOnce()) {
    let region = Region::new(ALLOCATOR);
    body();
    let change = region.change();
    assert_eq!((change.allocations, change.reallocations), (0, 0), "{what}: {change:?}");
}

fn optimizers<T: Scalar>(problem: &Problem<T>) -> [Box<dyn Optimizer<T>>; 3] {
    let network = &problem.network;
    [
        Box::new(Sgd::new(network, 1e-3).unwrap()),
        Box::new(RmsProp::new(network, 1e-3).unwrap()),
        Box::new(Adam::new(network, 1e-3).unwrap()),
    ]
}

/// Batches of as many rows as the learner was made for, and of fewer.
fn check_batches<T: Scalar>(problem: &Problem<T>) {
    let Form { layers, steps, batch, every_step, .. } = &problem.form;
    let few = Problem::<T>::new(Form { batch: batch - 1, ..problem.form.clone() });
    let own = |_: At, y: &[T], error: &mut [T]| {
        error.copy_from_slice(y);
        y.iter().map(|y| 0.5 * y.to_f64().powi(2)).sum()
    };
    let own = if *every_step { Targets::Every(&own) } else { Targets::Last(&own) };
    let has_readout = problem.network.readout().is_some();
    let [all, few] = [problem, &few]
        .map(|problem| if has_readout { problem.sequences() } else { problem.sequences_with(own) });
    let (mut network, mut gradient) = (problem.network.clone(), problem.network.zero_gradient());
    let (mut by_inputs, inputs) =
        (vec![T::ZERO; problem.inputs.len()], steps * (batch - 1) * layers[0].input());
    let setup = Setup { random: true, input_gradient: true, ..Setup::default() };
    for (name, mut learner) in learners_of_layers(problem, setup) {
        assert_silent(&format!("{name} of {layers:?}"), || {
            learner.gradient(&network, &all, &mut gradient).unwrap();
            learner.gradient_with_inputs(&network, &all, &mut gradient, &mut by_inputs).unwrap();
            learner.after_update(&mut network).unwrap();
            let by_inputs = &mut by_inputs[..inputs];
            learner.gradient_with_inputs(&network, &few, &mut gradient, by_inputs).unwrap();
            clip_global_norm(&mut gradient, 1.0).unwrap();
        });
    }
    for (name, mut learner) in learners(problem) {
        assert_silent(&name, || {
            learner.gradient(&network, &all, &mut gradient).unwrap();
            learner.gradient(&network, &few, &mut gradient).unwrap();
        });
    }
    let mut outputs = vec![T::ZERO; steps * batch * network.output()];
    let mut evaluator = Evaluator::new(&network, *batch, EvaluatorOptions::default()).unwrap();
    assert_silent("evaluator", || {
        evaluator.score(&network, &few).unwrap();
        evaluator.outputs(&network, &all, &mut outputs).unwrap();
    });
    for mut optimizer in optimizers(problem) {
        assert_silent("an optimiser", || optimizer.update(network.parameters_mut(), &gradient).unwrap());
    }
}

fn check_streams<T: Scalar>(problem: &Problem<T>) {
    let (mut network, layers) = (problem.network.clone(), &problem.form.layers);
    let mut gradient = network.zero_gradient();
    let target =
        if network.readout().is_some() { problem.target(problem.lengths[0] - 1, 0) } else { Target::Absent };
    for rows in [1, 3] {
        let (input, is_first) = (vec![T::ONE; rows * layers[0].input()], [false, true, false]);
        let (targets, error) = (vec![target; rows], vec![T::ONE; rows * network.output()]);
        let states: Vec<_> = layers.iter().map(|&cell| State::zeros(cell, rows).unwrap()).collect();
        let setup = Setup { random: true, input_gradient: true, ..Setup::default() };
        let [_, mut rmsprop, _] = optimizers(problem);
        for (name, mut stream) in streams(problem, rows, setup) {
            let mut carry = stream.carry();
            assert_silent(&format!("a stream of {rows} rows, {name}, of {layers:?}"), || {
                stream.start_from(&states).unwrap();
                for t in 0..60 {
                    stream.step(&network, &input, &is_first[..rows]).unwrap();
                    if t % 5 > 0 {
                        stream.learn(&network, &targets, &mut gradient).unwrap();
                        stream.learn_from_error(&network, &error, &mut gradient).unwrap();
                        rmsprop.update(network.parameters_mut(), &gradient).unwrap();
                        stream.after_update(&mut network).unwrap();
                    }
                    if t % 20 == 10 {
                        stream.save(rows - 1, &mut carry).unwrap();
                        stream.restore(0, &carry).unwrap();
                    }
                }
            });
        }
    }
    let plain = Form { echo: Echo::Off, ..problem.form.clone() };
    let options = Problem { form: plain, ..problem.clone() }.options(true);
    let mut online: Vec<Box<dyn OnlineStream<T>>> =
        vec![Box::new(EpropStream::new(&network, 1, options).unwrap())];
    if let Ok(stream) = RtrlStream::new(&network, 1, RtrlOptions::default()) {
        online.push(Box::new(stream));
    }
    let input = vec![T::ONE; layers[0].input()];
    for stream in &mut online {
        for mut optimizer in optimizers(problem) {
            assert_silent(&format!("a fused update of {layers:?}"), || {
                for t in 0..60 {
                    stream.step(&network, &input, &[t == 0]).unwrap();
                    let targets = [if t % 5 == 0 { Target::Absent } else { target }];
                    stream.learn_and_update(&mut network, &targets, optimizer.as_mut()).unwrap();
                }
            });
        }
    }
}

/// With feedback that adapts, with the extensions of e-prop, and without a readout.
fn check<T: Scalar>(form: Form) {
    let problem = Problem::<T>::new(form);
    let without = problem.clone().without_readout();
    let (echo, scaling) = (Echo::Modulated { alpha: 0.1 }, TraceScaling { output: 0.5, decay: 0.9 });
    let mut extended = Problem::<T>::new(Form { echo, scaling, ..problem.form.clone() });
    extended.feedback = Feedback::adaptive(&extended.network, 0.01, &mut StdRng::seed_from_u64(7)).unwrap();
    for problem in [problem, extended, without] {
        check_batches(&problem);
        check_streams(&problem);
    }
}

fn main() {
    // Handing shards to other threads may allocate.
    rayon::ThreadPoolBuilder::new().num_threads(1).use_current_thread().build_global().unwrap();
    let form = |layers| Form { steps: 21, seed: 5, ..Form::full(layers) };
    let stacks = [alone(recurrent_cells, 2, 20), between(kinds, 2, 20), mixed_stacks()].concat();
    for layers in stacks {
        check::<f32>(form(layers.clone()));
        check::<f64>(Form { every_step: false, classes: false, ..form(layers) });
    }
    // Products large enough for all that the matrix library has.
    for layers in alone(kinds, 1, 128).into_iter().chain([lstm(1, 128)]) {
        check_batches(&Problem::<f32>::new(Form { steps: 4, batch: 32, every_step: false, ..form(layers) }));
    }
    println!("after construction, training allocates nothing ... ok");
}
