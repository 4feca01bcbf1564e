//! The traces of units with two components beside the bounds of the machine: step by step, and in blocks.
//!
//! One row, f32, n units with d inputs each; with one gate 4 n d elements are read and written by a step and its contraction
//! (two components of the trace, two gradients), with two gates 6 n d. The ceiling is a sweep `e <- a e + s` over a buffer of
//! as many elements, at the level where it is fastest. Separate: `PairTraceStep`, then `PairTraceContract`. A block:
//! `PairTraceFactors` and `PairTraceBlock` (or `PairTraceBlockContract`), whose FLOPs are those of the rank-K update.
//! An update: a step, its contraction and Adam's update in one sweep (`PairTraceUpdate`) and one after the other.
//! Every contestant is compared with the scalar twins first. Traces and gradient are staggered as `Rtrl` has them.
//!
//! `cargo bench --bench pair_trace`, or `-- step/n1024` or `-- block` for a part of it.

use std::hint::black_box;
use std::time::Duration;

use eligibility::Buffer;
use eligibility::kernels::trace::pair::{
    PairTraceBlock, PairTraceBlockContract, PairTraceContract, PairTraceFactors, PairTraceStep,
    PairTraceStepContract,
};
use eligibility::kernels::update::{Adam, Decay, PairTraceUpdate};
use eligibility::kernels::{Level, Strided, reference};

use common::ceiling::{FmaPeak, Sweep};
use common::{Contestant, Options, Table, assert_close, race, random};

mod common;

const UNITS: [usize; 3] = [64, 256, 1024];
const COLUMNS: [usize; 3] = [8, 64, 128];
/// Steps of a block.
const STEPS: [usize; 3] = [8, 16, 32];
const BUDGET: Duration = Duration::from_secs(5);

#[derive(Clone)]
struct Traces {
    steps: usize,
    units: usize,
    gates: usize,
    columns: usize,
    decay: Buffer<f32>,
    influence: Buffer<f32>,
    presynaptic: Buffer<f32>,
    signal: Buffer<f32>,
    factors: Buffer<f32>,
    trace: [Buffer<f32>; 2],
    gradient: Buffer<f32>,
}

impl Traces {
    fn new(steps: usize, units: usize, gates: usize, columns: usize) -> Self {
        let random = |length| random(length, 0.0..0.5);
        let trace = gates * units * columns;
        Self {
            steps,
            units,
            gates,
            columns,
            decay: random(4 * units),
            influence: random(gates * units),
            presynaptic: random(steps * columns),
            signal: random(2 * units),
            factors: Buffer::zeros((2 * steps * gates + 4) * units),
            trace: [1, 2].map(|component| {
                let mut staggered = Buffer::staggered(component, trace);
                staggered.copy_from_slice(&random(trace));
                staggered
            }),
            gradient: Buffer::zeros(2 * units * columns),
        }
    }
    /// Elements that a step and its contraction read and write.
    fn elements(&self) -> usize {
        2 * self.trace[0].len() + self.gradient.len()
    }
    fn step(&mut self, step: usize) -> PairTraceStep<'_, f32> {
        let [first, second] = &mut self.trace;
        PairTraceStep {
            active: &[true],
            units: self.units,
            decay: Strided { data: &self.decay, stride: 0 },
            influence: Strided { data: &self.influence, stride: 0 },
            presynaptic: &self.presynaptic[step * self.columns..][..self.columns],
            trace: [first, second],
        }
    }
    fn contract(&mut self) -> PairTraceContract<'_, f32> {
        let Self { units, columns, signal, trace: [first, second], gradient, .. } = self;
        let trace = [&first[..], &second[..]];
        PairTraceContract { active: &[true], units: *units, columns: *columns, signal, trace, gradient }
    }
    fn fused(&mut self) -> PairTraceStepContract<'_, f32> {
        let Self { units, columns, decay, influence, presynaptic, signal, trace, gradient, .. } = self;
        let [first, second] = trace;
        let step = PairTraceStep {
            active: &[true],
            units: *units,
            decay: Strided { data: decay, stride: 0 },
            influence: Strided { data: influence, stride: 0 },
            presynaptic: &presynaptic[..*columns],
            trace: [first, second],
        };
        PairTraceStepContract { step, signal, gradient }
    }
    fn separate(&mut self, level: Level) {
        level.run(self.step(0));
        level.run(self.contract());
    }
    fn block(&mut self, level: Level, contract: bool) {
        let Self { steps, units, gates, columns, .. } = *self;
        level.run(PairTraceFactors {
            steps,
            units,
            gates,
            decay: Strided { data: &self.decay, stride: 0 },
            influence: Strided { data: &self.influence, stride: 0 },
            factors: &mut self.factors,
        });
        let [first, second] = &mut self.trace;
        let presynaptic = Strided { data: &self.presynaptic[..], stride: columns };
        let (factors, trace) = (&self.factors, [&mut first[..], &mut second[..]]);
        let block = PairTraceBlock { steps, columns, units, gates, presynaptic, factors, trace };
        if contract {
            let (carried_signal, gradient) = (&self.signal, &mut self.gradient);
            level.run(PairTraceBlockContract { block, carried_signal, gradient });
        } else {
            level.run(block);
        }
    }
    /// This, after one `run` was compared with that of the `twin`.
    fn checked(&self, what: &str, run: impl Fn(&mut Self), twin: impl Fn(&mut Self)) -> Self {
        let (mut found, mut expected) = (self.clone(), self.clone());
        run(&mut found);
        twin(&mut expected);
        let trace = found.trace.iter().zip(&expected.trace);
        for (found, expected) in trace.chain([(&found.gradient, &expected.gradient)]) {
            for (&found, &expected) in found.iter().zip(&expected[..]) {
                // Row sums of the decays are at most 1, so K + 1 terms below 1, each with at most some 7 K roundings.
                let ulps = (8 * (self.steps + 1) * (self.steps + 1)) as f64;
                assert_close(found, f64::from(expected), ulps, what);
            }
        }
        found
    }
}

/// Streaming steps with their contraction beside sweeps over as much memory.
fn compare_steps(options: &Options, units: usize, columns: usize, gates: usize, table: &mut Table) {
    if !options.wants(&format!("step/n{units}_d{columns}_g{gates}_f32")) {
        return;
    }
    let start = Traces::new(1, units, gates, columns);
    let twin = |traces: &mut Traces| reference::pair_trace_step_contract(traces.fused());
    let mut contestants: Vec<Contestant<'_>> = Vec::new();
    let mut scalar = start.clone();
    contestants.push(Box::new(move || twin(black_box(&mut scalar))));
    for level in Level::available() {
        let mut fused = start.checked("fused", |traces| level.run(traces.fused()), twin);
        let mut separate = start.checked("separate", |traces| traces.separate(level), twin);
        let mut sweep = Sweep::<f32>::new(start.elements());
        sweep.check(level);
        contestants.push(Box::new(move || sweep.run(level)));
        contestants.push(Box::new(move || level.run(black_box(&mut fused).fused())));
        contestants.push(Box::new(move || black_box(&mut separate).separate(level)));
    }
    let seconds = race(options, BUDGET, &mut contestants);
    let sweep = seconds[1..].iter().step_by(3).copied().fold(f64::INFINITY, f64::min);
    let bytes = (2 * 4 * start.elements()) as f64;
    for (level, taken) in Level::available().zip(seconds[1..].chunks_exact(3)) {
        table.row(vec![
            level.to_string(),
            units.to_string(),
            columns.to_string(),
            gates.to_string(),
            format!("{:.0}", bytes / 2048.0),
            format!("{:.2}", taken[1] * 1e6),
            format!("{:.1}", bytes / taken[1] / 1e9),
            format!("{:.1}", bytes / sweep / 1e9),
            format!("{:.2}", sweep / taken[1]),
            format!("{:.2}", taken[2] / taken[1]),
            format!("{:.1}", seconds[0] / taken[1]),
        ]);
    }
}

/// Weights and averages of Adam, at places of their own.
fn adam<'a>(averages: &'a mut [Buffer<f32>; 3], gradient: &'a [f32]) -> Adam<'a, f32> {
    let [mean, square, parameters] = averages;
    // Small, so that millions of steps stay near the weights they began with.
    let (rate, correction, decays, epsilon) = (1e-7, 1.0, [0.9, 0.999].map(Decay::new), 1e-8);
    Adam { rate, correction, decays, epsilon, gradient, mean, square, parameters }
}

/// Learning at every step in one sweep beside one thing after the other, whose results are the same to the bit.
fn compare_updates(options: &Options, units: usize, columns: usize, gates: usize, table: &mut Table) {
    if !options.wants(&format!("update/n{units}_d{columns}_g{gates}_f32")) {
        return;
    }
    let start = Traces::new(1, units, gates, columns);
    let averages = [3, 4, 5].map(|place| Buffer::<f32>::staggered(place, 2 * units * columns));
    let separate = |traces: &mut Traces, averages: &mut [Buffer<f32>; 3], level: Level| {
        traces.gradient.fill(0.0);
        level.run(traces.fused());
        level.run(adam(averages, &traces.gradient));
    };
    let fused = |traces: &mut Traces, averages: &mut [Buffer<f32>; 3], level: Level| {
        let Traces { units, decay, influence, presynaptic, signal, trace: [first, second], .. } = traces;
        let (units, trace, update) = (*units, [&mut first[..], &mut second[..]], adam(averages, &[]));
        level.run(PairTraceUpdate { units, decay, influence, presynaptic, signal, trace, update });
    };
    for level in Level::available() {
        let mut apart = (start.clone(), averages.clone());
        separate(&mut apart.0, &mut apart.1, level);
        let mut one = (start.clone(), averages.clone());
        fused(&mut one.0, &mut one.1, level);
        assert!(apart.1 == one.1 && apart.0.trace == one.0.trace, "{level}: the two ways differ");
        let contestants: &mut [Contestant<'_>] = &mut [
            Box::new(move || separate(black_box(&mut apart.0), &mut apart.1, level)),
            Box::new(move || fused(black_box(&mut one.0), &mut one.1, level)),
        ];
        let seconds = race(options, BUDGET, contestants);
        let mut row = vec![level.to_string(), units.to_string(), columns.to_string(), gates.to_string()];
        row.extend(seconds.iter().map(|seconds| format!("{:.2}", seconds * 1e6)));
        row.push(format!("{:.2}", seconds[0] / seconds[1]));
        table.row(row);
    }
}

/// Blocks beside the peak and as many streaming steps.
fn compare_blocks(options: &Options, units: usize, columns: usize, gates: usize, table: &mut Table) {
    for steps in STEPS {
        if !options.wants(&format!("block/k{steps}/n{units}_d{columns}_g{gates}_f32")) {
            continue;
        }
        let start = Traces::new(steps, units, gates, columns);
        let flops = (4 * steps * gates * units * columns) as f64;
        let mut contestants: Vec<Contestant<'_>> = Vec::new();
        for level in Level::available() {
            let stream = |traces: &mut Traces| {
                (0..steps).for_each(|step| reference::pair_trace_step(traces.step(step)));
            };
            let contract_and_stream = |traces: &mut Traces| {
                reference::pair_trace_contract(traces.contract());
                stream(traces);
            };
            let mut block = start.checked("block", |traces| traces.block(level, false), stream);
            let mut both =
                start.checked("block_contract", |traces| traces.block(level, true), contract_and_stream);
            let mut streaming = start.clone();
            contestants.push(Box::new(move || FmaPeak::<f32>::run_once(level)));
            contestants.push(Box::new(move || {
                for step in 0..steps {
                    level.run(black_box(&mut streaming).step(step));
                }
            }));
            contestants.push(Box::new(move || black_box(&mut block).block(level, false)));
            contestants.push(Box::new(move || black_box(&mut both).block(level, true)));
        }
        let seconds = race(options, BUDGET, &mut contestants);
        for (level, seconds) in Level::available().zip(seconds.chunks_exact(4)) {
            let peak = FmaPeak::<f32>::flops(level) as f64 / seconds[0] / 1e9;
            for (kernel, taken) in [("block", seconds[2]), ("block_contract", seconds[3])] {
                let rate = flops / taken / 1e9;
                table.row(vec![
                    level.to_string(),
                    kernel.into(),
                    steps.to_string(),
                    units.to_string(),
                    columns.to_string(),
                    gates.to_string(),
                    format!("{:.2}", taken * 1e6),
                    format!("{rate:.1}"),
                    format!("{peak:.1}"),
                    format!("{:.2}", rate / peak),
                    format!("{:.2}", seconds[1] / taken),
                ]);
            }
        }
    }
}

fn main() {
    let options = Options::from_args();
    let head = [
        "level",
        "n",
        "d",
        "gates",
        "kB",
        "us",
        "GB/s",
        "best sweep, GB/s",
        "of the sweep",
        "faster than separate",
        "faster than the twin",
    ];
    let mut table = Table::new("streaming steps with contraction, bytes read and written", &head);
    for units in UNITS {
        for columns in COLUMNS {
            for gates in [1, 2] {
                compare_steps(&options, units, columns, gates, &mut table);
            }
        }
    }
    table.print();
    let head = ["level", "n", "d", "gates", "apart, us", "fused, us", "apart / fused"];
    let mut table = Table::new("step, contraction and update by Adam", &head);
    for (units, columns) in [(64, 64), (256, 64), (1024, 128)] {
        for gates in [1, 2] {
            compare_updates(&options, units, columns, gates, &mut table);
        }
    }
    table.print();
    let head = [
        "level",
        "kernel",
        "K",
        "n",
        "d",
        "gates",
        "us",
        "GFLOP/s",
        "peak, GFLOP/s",
        "of the peak",
        "faster than K steps",
    ];
    let mut table = Table::new("blocks of K steps, FLOPs of the rank-K update", &head);
    for (units, columns) in [(64, 64), (256, 64), (256, 128), (1024, 128)] {
        for gates in [1, 2] {
            compare_blocks(&options, units, columns, gates, &mut table);
        }
    }
    table.print();
}
