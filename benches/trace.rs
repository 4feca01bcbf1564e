//! The traces beside their scalar twins and an unfused composition, at every level: step by step, and in blocks.
//!
//! Unfused: decay in one pass, the outer product in a second, the contraction in a third. A block: `TraceFactors` and
//! `TraceBlock` (or `TraceBlockContract`) over 130 columns of rows of 144. Every row is checked against the twin before it
//! is timed. Throughput counts the bytes of trace read and written once, or the FLOPs of a block's rank-K update over 130
//! columns. The tables at the end set rates beside what else the machine did in the same turns: sweeps over a buffer of
//! the same size, multiply-adds in registers, `faer`'s matrix product with 144 columns, and K streaming steps.
//!
//! `cargo bench --bench trace`, or `-- block/f32` for a part of it.

use std::hint::black_box;
use std::time::Duration;

use criterion::{BenchmarkId, Criterion, Throughput};
use eligibility::kernels::trace::{TraceStep, TraceStepContract};
use eligibility::kernels::{Level, reference};
use eligibility::{Buffer, Scalar};

use common::blocks::{Blocks, COLUMNS, GATES, HIDDEN, ROW};
use common::ceiling::{FmaPeak, Sweep};
use common::{Contestant, Options, Table, race, random, trace_gemms};

mod common;

/// Steps of a block.
const STEPS: [usize; 5] = [4, 8, 16, 32, 64];
const BUDGET: Duration = Duration::from_secs(5);

#[derive(Clone)]
struct Traces<T: Scalar> {
    decay: Buffer<T>,
    influence: Buffer<T>,
    presynaptic: Buffer<T>,
    signal: Buffer<T>,
    trace: Buffer<T>,
    gradient: Buffer<T>,
}

impl<T: Scalar> Traces<T> {
    fn new() -> Self {
        let random = |length| random(length, 0.0..1.0);
        Self {
            decay: random(HIDDEN),
            influence: random(GATES * HIDDEN),
            presynaptic: random(ROW),
            signal: random(HIDDEN),
            trace: random(GATES * HIDDEN * ROW),
            gradient: Buffer::zeros(GATES * HIDDEN * ROW),
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
        for (index, row) in self.trace.chunks_exact_mut(ROW).enumerate() {
            let decay = self.decay[index % HIDDEN];
            for e in row {
                *e *= decay;
            }
        }
        for (row, &influence) in self.trace.chunks_exact_mut(ROW).zip(&self.influence[..]) {
            row.iter_mut().zip(&self.presynaptic[..]).for_each(|(e, &z)| *e += influence * z);
        }
        let rows = self.trace.chunks_exact(ROW).zip(self.gradient.chunks_exact_mut(ROW));
        for (index, (row, sum)) in rows.enumerate() {
            let signal = self.signal[index % HIDDEN];
            sum.iter_mut().zip(row).for_each(|(sum, &e)| *sum += signal * e);
        }
    }

    fn assert_agrees(&self, twin: &Self, what: &str) {
        let pairs =
            self.trace.iter().zip(&twin.trace[..]).chain(self.gradient.iter().zip(&twin.gradient[..]));
        for (found, expected) in pairs {
            let difference = (found.to_f64() - expected.to_f64()).abs();
            assert!(difference <= 8.0 * T::EPSILON.to_f64(), "{what}: {found} instead of {expected}");
        }
    }
}

fn bench<T: Scalar>(criterion: &mut Criterion) {
    let start = Traces::<T>::new();
    let mut group = criterion.benchmark_group(format!("trace/{}/{GATES}x{HIDDEN}x{ROW}", T::NAME));
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

/// Blocks of every length.
fn bench_blocks<T: Scalar>(criterion: &mut Criterion) {
    for steps in STEPS {
        let mut group = criterion.benchmark_group(format!("block/{}/k{steps}", T::NAME));
        group.warm_up_time(Duration::from_millis(300)).measurement_time(Duration::from_secs(1));
        group.throughput(Throughput::Elements(Blocks::<T>::flops(steps, COLUMNS) as u64));
        for level in Level::available() {
            for contract in [false, true] {
                let mut blocks = Blocks::<T>::checked(level, steps, contract);
                let name = if contract { "block_contract" } else { "block" };
                group.bench_function(BenchmarkId::new(name, level), |bencher| {
                    bencher.iter(|| black_box(&mut blocks).run(level, contract));
                });
            }
        }
        group.finish();
    }
}

/// Streaming steps beside sweeps over as much memory.
fn compare_steps<T: Scalar>(options: &Options, table: &mut Table) {
    if !options.wants(&format!("table/trace/{}", T::NAME)) {
        return;
    }
    let mut contestants: Vec<Contestant<'_>> = Vec::new();
    let traces = Traces::<T>::new();
    let bytes = (2 * size_of_val(&traces.trace[..])) as f64;
    for level in Level::available() {
        let (mut step, mut fused) = (traces.clone(), traces.clone());
        let mut sweep = Sweep::<T>::new(traces.trace.len());
        contestants.push(Box::new(move || sweep.run(level)));
        contestants.push(Box::new(move || level.run(black_box(&mut step).step())));
        contestants.push(Box::new(move || level.run(black_box(&mut fused).fused())));
    }
    let seconds = race(options, BUDGET, &mut contestants);
    let sweep = seconds.iter().step_by(3).copied().fold(f64::INFINITY, f64::min);
    for (level, seconds) in Level::available().zip(seconds.chunks_exact(3)) {
        // With the contraction, the gradient is read and written too.
        for (kernel, bytes, seconds) in
            [("step", bytes, seconds[1]), ("step_contract", 2.0 * bytes, seconds[2])]
        {
            let (rate, best) = (bytes / seconds / 1e9, traces.trace.len() as f64);
            let best = 2.0 * best * size_of::<T>() as f64 / sweep / 1e9;
            table.row(vec![
                T::NAME.into(),
                level.to_string(),
                kernel.into(),
                format!("{:.2}", seconds * 1e6),
                format!("{rate:.1}"),
                format!("{best:.1}"),
                format!("{:.2}", rate / best),
            ]);
        }
    }
}

/// Blocks beside the matrix library, the peak and as many streaming steps.
fn compare_blocks<T: Scalar>(options: &Options, steps: usize, table: &mut Table) {
    if !options.wants(&format!("table/block/{}/k{steps}", T::NAME)) {
        return;
    }
    let [mut first, mut second] = trace_gemms::<T>(GATES * HIDDEN, steps, ROW);
    let flops = first.flops();
    let mut contestants: Vec<Contestant<'_>> = vec![Box::new(|| first.run()), Box::new(|| second.run())];
    for level in Level::available() {
        let [mut block, mut contract] = [false, true].map(|c| Blocks::<T>::checked(level, steps, c));
        let mut streaming = Traces::<T>::new();
        contestants.push(Box::new(move || FmaPeak::<T>::run_once(level)));
        contestants.push(Box::new(move || {
            for _ in 0..steps {
                level.run(black_box(&mut streaming).step());
            }
        }));
        contestants.push(Box::new(move || black_box(&mut block).run(level, false)));
        contestants.push(Box::new(move || black_box(&mut contract).run(level, true)));
    }
    let seconds = race(options, BUDGET, &mut contestants);
    let faer = flops as f64 / seconds[0].min(seconds[1]) / 1e9;
    for (level, seconds) in Level::available().zip(seconds[2..].chunks_exact(4)) {
        let peak = FmaPeak::<T>::flops(level) as f64 / seconds[0] / 1e9;
        for (kernel, taken) in [("block", seconds[2]), ("block_contract", seconds[3])] {
            let rate = |columns| Blocks::<T>::flops(steps, columns) as f64 / taken / 1e9;
            let [used, padded] = [rate(COLUMNS), rate(ROW)];
            table.row(vec![
                T::NAME.into(),
                level.to_string(),
                kernel.into(),
                steps.to_string(),
                format!("{:.2}", taken * 1e6),
                format!("{used:.1}"),
                format!("{padded:.1}"),
                format!("{faer:.1}"),
                format!("{:.2}", used / faer),
                format!("{peak:.1}"),
                format!("{:.2}", used / peak),
                format!("{:.2}", seconds[1] / taken),
            ]);
        }
    }
}

fn main() {
    let (options, mut criterion) = (Options::from_args(), Criterion::default().configure_from_args());
    bench::<f32>(&mut criterion);
    bench::<f64>(&mut criterion);
    bench_blocks::<f32>(&mut criterion);
    bench_blocks::<f64>(&mut criterion);
    criterion.final_summary();

    let head = ["type", "level", "kernel", "us", "GB/s", "best sweep, GB/s", "of the sweep"];
    let mut table = Table::new("streaming steps of the traces of one row, bytes read and written", &head);
    compare_steps::<f32>(&options, &mut table);
    compare_steps::<f64>(&options, &mut table);
    table.print();
    let head = [
        "type",
        "level",
        "kernel",
        "K",
        "us",
        "GFLOP/s of 130 columns",
        "of 144",
        "faer, GFLOP/s",
        "of faer",
        "peak, GFLOP/s",
        "of the peak",
        "faster than K steps",
    ];
    let mut table = Table::new("blocks of K steps of the traces of one row, ratios of 130 columns", &head);
    for steps in STEPS {
        compare_blocks::<f32>(&options, steps, &mut table);
    }
    for steps in STEPS {
        compare_blocks::<f64>(&options, steps, &mut table);
    }
    table.print();
}
