//! The streaming trace beside its scalar twin and an unfused composition, at every level.
//!
//! Unfused: decay in one pass, the outer product in a second, the contraction in a third. Every row is checked against
//! the twin before it is timed. Throughput counts the bytes of trace read and written once. `cargo bench --bench trace`

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use eligibility::kernels::trace::{TraceStep, TraceStepContract};
use eligibility::kernels::{Level, Real, reference};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

const HIDDEN: usize = 128;
const COLUMNS: usize = 144;
const GATES: usize = 3;

#[derive(Clone)]
struct Traces<T> {
    decay: Vec<T>,
    influence: Vec<T>,
    presynaptic: Vec<T>,
    signal: Vec<T>,
    trace: Vec<T>,
    gradient: Vec<T>,
}

impl<T: Real> Traces<T> {
    fn new() -> Self {
        let mut rng = StdRng::seed_from_u64(1);
        let mut random = |length: usize| -> Vec<T> {
            (0..length).map(|_| T::from_f64(rng.random_range(0.0..1.0))).collect()
        };
        Self {
            decay: random(HIDDEN),
            influence: random(GATES * HIDDEN),
            presynaptic: random(COLUMNS),
            signal: random(HIDDEN),
            trace: random(GATES * HIDDEN * COLUMNS),
            gradient: vec![T::ZERO; GATES * HIDDEN * COLUMNS],
        }
    }
    fn step(&mut self) -> TraceStep<'_, T> {
        let Self { decay, influence, presynaptic, trace, .. } = self;
        TraceStep { active: &[true], decay, influence, presynaptic, trace }
    }
    fn fused(&mut self) -> TraceStepContract<'_, T> {
        let Self { decay, influence, presynaptic, signal, trace, gradient } = self;
        let step = TraceStep { active: &[true], decay, influence, presynaptic, trace };
        TraceStepContract { step, signal, gradient }
    }

    fn unfused(&mut self) {
        for (index, row) in self.trace.chunks_exact_mut(COLUMNS).enumerate() {
            let decay = self.decay[index % HIDDEN];
            for e in row {
                *e *= decay;
            }
        }
        for (row, &influence) in self.trace.chunks_exact_mut(COLUMNS).zip(&self.influence) {
            row.iter_mut().zip(&self.presynaptic).for_each(|(e, &z)| *e += influence * z);
        }
        let rows = self.trace.chunks_exact(COLUMNS).zip(self.gradient.chunks_exact_mut(COLUMNS));
        for (index, (row, sum)) in rows.enumerate() {
            let signal = self.signal[index % HIDDEN];
            sum.iter_mut().zip(row).for_each(|(sum, &e)| *sum += signal * e);
        }
    }

    fn assert_agrees(&self, twin: &Self, what: &str) {
        let pairs = self.trace.iter().zip(&twin.trace).chain(self.gradient.iter().zip(&twin.gradient));
        for (found, expected) in pairs {
            let difference = (found.to_f64() - expected.to_f64()).abs();
            assert!(difference <= 8.0 * T::EPSILON.to_f64(), "{what}: {found} instead of {expected}");
        }
    }
}

fn bench<T: Real>(criterion: &mut Criterion) {
    let start = Traces::<T>::new();
    let mut group = criterion.benchmark_group(format!("trace/{}/{GATES}x{HIDDEN}x{COLUMNS}", T::NAME));
    group.throughput(Throughput::Bytes(2 * size_of_val(&start.trace[..]) as u64));
    let mut row = |name: &str, level: &str, twin: &dyn Fn(&mut Traces<T>), step: &dyn Fn(&mut Traces<T>)| {
        let (mut traces, mut expected) = (start.clone(), start.clone());
        step(&mut traces);
        twin(&mut expected);
        traces.assert_agrees(&expected, name);
        group.bench_function(BenchmarkId::new(name, level), |bencher| {
            bencher.iter(|| step(black_box(&mut traces)));
        });
    };
    let twin_step = |traces: &mut Traces<T>| reference::trace_step(traces.step());
    let twin_fused = |traces: &mut Traces<T>| reference::trace_step_contract(traces.fused());
    row("reference_step", "scalar", &twin_step, &twin_step);
    row("reference_step_contract", "scalar", &twin_fused, &twin_fused);
    row("unfused_step_contract", "compiler", &twin_fused, &Traces::unfused);
    for level in Level::available() {
        row("step", level.name(), &twin_step, &|traces| level.run(traces.step()));
        row("step_contract", level.name(), &twin_fused, &|traces| level.run(traces.fused()));
    }
    group.finish();
}

fn trace(criterion: &mut Criterion) {
    bench::<f32>(criterion);
    bench::<f64>(criterion);
}

criterion_group!(benches, trace);
criterion_main!(benches);
