//! Claim: after construction, learning on one thread allocates nothing: no learner, no optimiser, no schedule.
//!
//! A program of its own without the test harness, because the counter counts every thread of the process, and a harness
//! has one that allocates when it pleases.

#[path = "claims/common/mod.rs"]
mod common;

use std::alloc::System;

use common::cells::{between, lstm, recurrent_cells};
use common::learners::learners;
use common::problem::{Form, Problem};
use eligibility::{
    Adam, EpropOptions, EpropStream, Evaluator, Optimizer, RmsProp, RtrlOptions, RtrlStream, Scalar, Sgd,
    Stream, TruncatedStream, clip_global_norm,
};
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

fn assert_silent(what: &str, body: impl FnOnce()) {
    let region = Region::new(ALLOCATOR);
    body();
    let change = region.change();
    assert_eq!((change.allocations, change.reallocations), (0, 0), "{what}: {change:?}");
}

fn check<T: Scalar>(form: Form) {
    let problem = Problem::<T>::new(form);
    let (mut network, sequences, Form { layers, .. }) =
        (problem.network.clone(), problem.sequences(), &problem.form);
    let mut gradient = network.zero_gradient();
    for (name, mut learner) in learners(&problem) {
        assert_silent(&format!("{name} of {layers:?}"), || {
            learner.gradient(&network, &sequences, &mut gradient).unwrap();
            clip_global_norm(&mut gradient, 1.0).unwrap();
        });
    }
    let mut evaluator = Evaluator::new(&network, problem.form.batch).unwrap();
    assert_silent("evaluator", || {
        evaluator.score(&network, &sequences).unwrap();
    });
    let mut optimizers: [Box<dyn Optimizer<T>>; 3] = [
        Box::new(Sgd::new(&network, 0.01).unwrap()),
        Box::new(RmsProp::new(&network, 0.01).unwrap()),
        Box::new(Adam::new(&network, 0.01).unwrap()),
    ];
    for optimizer in &mut optimizers {
        assert_silent("an optimiser", || optimizer.update(network.parameters_mut(), &gradient).unwrap());
    }
    let mut streams: Vec<Box<dyn Stream<T>>> = Vec::new();
    if let Ok(stream) = EpropStream::new(&network, 1, EpropOptions::default()) {
        streams.push(Box::new(stream));
    }
    let options = RtrlOptions { input_gradient: true, ..RtrlOptions::default() };
    if let Ok(stream) = RtrlStream::new(&network, 1, options) {
        streams.push(Box::new(stream));
    }
    if let Ok(stream) = TruncatedStream::new(&network, 1, 4) {
        streams.push(Box::new(stream));
    }
    assert!(!streams.is_empty());
    let (input, error) = (vec![T::ONE; problem.form.input()], vec![T::ONE; problem.form.output]);
    for stream in &mut streams {
        assert_silent(&format!("a stream of {layers:?}"), || {
            for t in 0..80 {
                stream.step(&network, &input, &[t == 0]).unwrap();
                stream.learn_from_error(&network, &error, &mut gradient).unwrap();
                optimizers[1].update(network.parameters_mut(), &gradient).unwrap();
            }
        });
    }
}

fn main() {
    // Handing shards to other threads may allocate.
    rayon::ThreadPoolBuilder::new().num_threads(1).use_current_thread().build_global().unwrap();
    let form = Form { steps: 12, batch: 20, seed: 5, ..Form::full(lstm(2, 40)) };
    check::<f32>(form.clone());
    check::<f64>(Form { every_step: false, classes: false, ..form.clone() });
    check::<f32>(Form { layers: lstm(1, 128), steps: 4, batch: 32, every_step: false, ..form });
    for layers in between(recurrent_cells, 2, 20) {
        check::<f32>(Form::long(layers.clone(), 40, 19, 3));
        check::<f64>(Form::long(layers, 40, 19, 3));
    }
    println!("after construction, training allocates nothing ... ok");
}
