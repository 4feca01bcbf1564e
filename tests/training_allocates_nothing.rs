//! Claim: after construction, learning on one thread allocates nothing: no learner, no optimiser, no schedule.
//!
//! A program of its own without the test harness, because the counter counts every thread of the process, and a harness
//! has one that allocates when it pleases.

#[path = "claims/common/mod.rs"]
mod common;

use std::alloc::System;

use common::cells::{UnitProblem, recurrent_cells, stack};
use common::problem::{Form, Problem};
use eligibility::{
    Adam, Bptt, Eprop, EpropOptions, EpropStream, Evaluator, Learner, Optimizer, ReadoutOnly, RmsProp, Rtrl,
    RtrlOptions, RtrlStream, Scalar, Schedule, Sgd, Stream, Target, TruncatedBptt, TruncatedStream,
    clip_global_norm,
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
    let Problem { mut network, .. } = Problem::<T>::new(form);
    let problem = Problem::<T>::new(form);
    let sequences = problem.sequences();
    let (batch, max_steps) = (form.batch, form.steps);
    let mut gradient = network.zero_gradient();
    let options = |schedule| EpropOptions { schedule, ..EpropOptions::default() };
    let mut learners: Vec<(&str, Box<dyn Learner<T>>)> = vec![
        ("blocked", Box::new(Eprop::new(&network, batch, options(Schedule::Blocked(8))).unwrap())),
        ("streaming", Box::new(Eprop::new(&network, batch, options(Schedule::Streaming)).unwrap())),
        (
            "whole",
            Box::new(Eprop::new(&network, batch, options(Schedule::WholeSequence { max_steps })).unwrap()),
        ),
        ("bptt", Box::new(Bptt::new(&network, batch, max_steps).unwrap())),
        ("truncated", Box::new(TruncatedBptt::new(&network, batch, 5).unwrap())),
        ("readout only", Box::new(ReadoutOnly::new(&network, batch).unwrap())),
    ];
    let mut optimizers: Vec<(&str, Box<dyn Optimizer<T>>)> = vec![
        ("sgd", Box::new(Sgd::new(&network, 0.01).unwrap())),
        ("rmsprop", Box::new(RmsProp::new(&network, 0.01).unwrap())),
        ("adam", Box::new(Adam::new(&network, 0.01).unwrap())),
    ];
    for (name, learner) in &mut learners {
        assert_silent(name, || {
            learner.gradient(&network, &sequences, &mut gradient).unwrap();
            clip_global_norm(&mut gradient, 1.0).unwrap();
        });
    }
    for (name, optimizer) in &mut optimizers {
        assert_silent(name, || optimizer.update(network.parameters_mut(), &gradient).unwrap());
    }
    let mut evaluator = Evaluator::new(&network, batch).unwrap();
    assert_silent("evaluator", || {
        evaluator.score(&network, &sequences).unwrap();
    });
    if form.classes {
        let mut stream = EpropStream::new(&network, 1, EpropOptions::default()).unwrap();
        assert_silent("stream", || {
            for t in 0..50 {
                stream.step(&network, &problem.inputs[..form.input], &[t == 0]).unwrap();
                stream.learn(&network, &[Target::Class(0)], &mut gradient).unwrap();
                optimizers[1].1.update(network.parameters_mut(), &gradient).unwrap();
            }
        });
    }
}

/// The same for cells that are no LSTMs.
fn check_cells<T: Scalar>() {
    for index in 0..recurrent_cells(3, 20).len() {
        let layers = stack(|input| recurrent_cells(input, 20)[index], 2);
        let mut problem = UnitProblem::<T>::new(&layers, 2, 40, 19, 3);
        let (mut gradient, batch, steps) = (problem.network.zero_gradient(), 19, 40);
        let network = problem.network.clone();
        let mut learners: Vec<Box<dyn Learner<T>>> = vec![
            Box::new(Bptt::new(&network, batch, steps).unwrap()),
            Box::new(TruncatedBptt::new(&network, batch, 4).unwrap()),
        ];
        let mut streams: Vec<Box<dyn Stream<T>>> =
            vec![Box::new(TruncatedStream::new(&network, 1, 4).unwrap())];
        for schedule in [Schedule::Streaming, Schedule::Blocked(8)] {
            let options = RtrlOptions { schedule, input_gradient: true, ..RtrlOptions::default() };
            if let Ok(rtrl) = Rtrl::new(&network, batch, options) {
                learners.push(Box::new(rtrl));
                streams.push(Box::new(RtrlStream::new(&network, 1, options).unwrap()));
            }
        }
        for learner in &mut learners {
            assert_silent(&format!("{layers:?}"), || {
                learner.gradient(&network, &problem.sequences(), &mut gradient).unwrap();
            });
        }
        let mut sgd = Sgd::new(&network, 1e-3).unwrap();
        for stream in &mut streams {
            assert_silent(&format!("a stream of {layers:?}"), || {
                for t in 0..80 {
                    stream.step(&problem.network, &[T::ONE; 2], &[t == 0]).unwrap();
                    stream.learn_from_error(&problem.network, &[T::ONE; 2], &mut gradient).unwrap();
                    sgd.update(problem.network.parameters_mut(), &gradient).unwrap();
                }
            });
        }
    }
}

fn main() {
    // Handing shards to other threads may allocate.
    rayon::ThreadPoolBuilder::new().num_threads(1).use_current_thread().build_global().unwrap();
    let form = Form { input: 2, hidden: 40, steps: 12, batch: 20, seed: 5, ..Form::FULL };
    check::<f32>(form);
    check::<f64>(Form { every_step: false, classes: false, ..form });
    check::<f32>(Form { hidden: 128, input: 1, steps: 4, batch: 32, every_step: false, ..form });
    check_cells::<f32>();
    check_cells::<f64>();
    println!("after construction, training allocates nothing ... ok");
}
