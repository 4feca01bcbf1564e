//! A recurrent trace unit that learns at every step: exact RTRL beside the bounds of the machine, truncated BPTT and blocks.
//!
//! f32, n units with d inputs, linear and nonlinear, a readout with one output, one thread. `rtrl`: `RtrlStream::step` and
//! `learn_from_error`, that is forward, traces and gradient of one step; the ceiling is a sweep `e <- a e + s` over a buffer as
//! large as traces and gradient of the weights together, at the level where it is fastest. `changing, us`: the same step after a
//! change of theta, as when every step is followed by an update. `tbptt`: the same calls of
//! `TruncatedStream`, whose time grows with the steps T that an error goes back. `blocked`: a whole sequence with a target at
//! every step, per step, by `Rtrl` in blocks of 32 beside `Rtrl` step by step. Gradients are compared first.
//!
//! `cargo bench --bench rtu_step`, or `-- rtrl/linear/b1_` or `-- blocked` for a part of it.

use std::time::Duration;

use eligibility::{
    BpttOptions, Buffer, Init, Learner, Level, Loss, Network, Readout, Rtrl, RtrlOptions, RtrlStream, Rtu,
    Schedule, Sequences, Stream, Targets, TruncatedStream,
};
use rand::SeedableRng;
use rand::rngs::StdRng;

use common::ceiling::Sweep;
use common::{Contestant, Options, SEED, Table, assert_close, level, race, random, stride};

mod common;

const UNITS: [usize; 3] = [64, 256, 1024];
const INPUTS: [usize; 3] = [8, 64, 128];
const BATCHES: [usize; 2] = [1, 32];
/// Steps back of truncated BPTT.
const WINDOWS: [usize; 5] = [1, 5, 10, 25, 50];
/// Steps of a block, and of a sequence.
const BLOCK: usize = 32;
const STEPS: usize = 64;
const BUDGET: Duration = Duration::from_secs(4);
/// Inputs of a stream, again and again.
const DIFFERENT: usize = 64;

#[derive(Clone, Copy)]
struct Case {
    linear: bool,
    batch: usize,
    units: usize,
    input: usize,
}

impl Case {
    fn all() -> impl Iterator<Item = Self> {
        [true, false].into_iter().flat_map(|linear| {
            BATCHES.into_iter().flat_map(move |batch| {
                UNITS.into_iter().flat_map(move |units| {
                    INPUTS.into_iter().map(move |input| Self { linear, batch, units, input })
                })
            })
        })
    }
    fn recurrence(self) -> &'static str {
        if self.linear { "linear" } else { "nonlinear" }
    }
    fn name(self) -> String {
        let Self { batch, units, input, .. } = self;
        format!("{}/b{batch}_n{units}_d{input}_f32", self.recurrence())
    }
    fn cells(self) -> Vec<String> {
        let Self { batch, units, input, .. } = self;
        [self.recurrence().into(), batch.to_string(), units.to_string(), input.to_string()].into()
    }
    fn network(self) -> Network<f32> {
        let rtu = if self.linear { Rtu::linear } else { Rtu::nonlinear };
        let (rtu, readout) = (rtu(self.input, self.units), Readout::new(1, Loss::SquaredError));
        let (rtu, readout) = (rtu.expect("sizes fit"), readout.expect("sizes fit"));
        Init::default().network(rtu, readout, &mut StdRng::seed_from_u64(SEED)).expect("sizes fit")
    }
    /// Elements of the weights' gradient, and of the traces: complex ones where the recurrence is linear, else twice these.
    fn elements(self) -> [usize; 2] {
        let gate = self.units * stride::<f32>(self.input);
        [2 * gate, self.batch * if self.linear { 2 * gate } else { 4 * gate }]
    }
}

/// Streams that learn at every step.
struct Learning<S> {
    network: Network<f32>,
    stream: S,
    gradient: Buffer<f32>,
    inputs: Buffer<f32>,
    per_step: usize,
    error: Vec<f32>,
    is_first: Vec<bool>,
    steps: usize,
    /// The index of a theta.
    theta: usize,
}

impl<S: Stream<f32>> Learning<S> {
    fn new(case: Case, stream: impl FnOnce(&Network<f32>) -> S) -> Self {
        let network = case.network();
        let (per_step, gradient) = (case.batch * case.input, network.zero_gradient());
        let theta = network.layout().part(0, "theta").expect("an RTU has angles");
        Self {
            stream: stream(&network),
            gradient,
            inputs: random(DIFFERENT * per_step, -1.0..1.0),
            per_step,
            error: vec![0.25; case.batch],
            is_first: vec![false; case.batch],
            steps: 0,
            theta: theta.indices().next().expect("and at least one"),
            network,
        }
    }
    fn step(&mut self) {
        let input = &self.inputs[self.steps % DIFFERENT * self.per_step..][..self.per_step];
        self.stream.step(&self.network, input, &self.is_first).expect("sizes fit");
        self.stream.learn_from_error(&self.network, &self.error, &mut self.gradient).expect("sizes fit");
        self.steps += 1;
    }
    fn step_changed(&mut self) {
        let angle = &mut self.network.parameters_mut()[self.theta];
        *angle = -*angle;
        self.step();
    }
}

fn rtrl(case: Case) -> Learning<RtrlStream<f32>> {
    let stream = |network: &Network<f32>| RtrlStream::new(network, case.batch, RtrlOptions::default());
    Learning::new(case, |network| stream(network).expect("sizes fit"))
}

fn tbptt(case: Case, window: usize) -> Learning<TruncatedStream<f32>> {
    Learning::new(case, |network| {
        TruncatedStream::new(network, case.batch, window, BpttOptions::default()).expect("sizes fit")
    })
}

/// Panics unless a window of all steps gives what RTRL gives.
fn check_streams(case: Case) {
    let (mut rtrl, mut tbptt) = (rtrl(case), tbptt(case, 5));
    for _ in 0..5 {
        rtrl.step();
        tbptt.step();
        let largest = rtrl.gradient.iter().fold(1.0, |largest: f32, g| largest.max(g.abs()));
        for (&rtrl, &tbptt) in rtrl.gradient.iter().zip(&tbptt.gradient[..]) {
            // Sums over rows and up to five steps back, a term a product of up to five decays with a few roundings each.
            let ulps = (4 * 25 * case.batch) as f64 * f64::from(largest);
            assert_close(rtrl, f64::from(tbptt), ulps, "rtrl beside tbptt");
        }
    }
}

/// One step of RTRL, and of truncated BPTT.
fn compare_streams(options: &Options, case: Case, steps: &mut Table, windows: &mut Table) {
    let wants_rtrl = options.wants(&format!("rtrl/{}", case.name()));
    // Windows of large batches take hundreds of megabytes.
    let wants_tbptt =
        options.wants_unusual(&format!("tbptt/{}", case.name()), case.batch == 1 || case.units <= 64);
    if !wants_rtrl && !wants_tbptt {
        return;
    }
    if case.units <= 64 {
        check_streams(case);
    }
    let mut learning = rtrl(case);
    let mut changing = rtrl(case);
    let mut contestants: Vec<Contestant<'_>> =
        vec![Box::new(move || learning.step()), Box::new(move || changing.step_changed())];
    let elements: usize = case.elements().iter().sum();
    for level in Level::available() {
        let mut sweep = Sweep::<f32>::new(elements);
        sweep.check(level);
        contestants.push(Box::new(move || sweep.run(level)));
    }
    let sweeps = contestants.len();
    if wants_tbptt {
        for window in WINDOWS {
            let mut learning = tbptt(case, window);
            // A step costs what it costs once the window is full.
            (0..window).for_each(|_| learning.step());
            contestants.push(Box::new(move || learning.step()));
        }
    }
    let seconds = race(options, BUDGET, &mut contestants);
    let sweep = seconds[2..sweeps].iter().copied().fold(f64::INFINITY, f64::min);
    if wants_rtrl {
        let bytes = (2 * 4 * elements) as f64;
        let mut row = case.cells();
        row.extend([
            format!("{:.0}", bytes / 2048.0),
            format!("{:.2}", seconds[0] * 1e6),
            format!("{:.1}", bytes / seconds[0] / 1e9),
            format!("{:.1}", bytes / sweep / 1e9),
            format!("{:.2}", sweep / seconds[0]),
            format!("{:.2}", seconds[1] * 1e6),
        ]);
        steps.row(row);
    }
    if wants_tbptt {
        let mut row = case.cells();
        row.push(format!("{:.2}", seconds[0] * 1e6));
        row.extend(seconds[sweeps..].iter().map(|taken| format!("{:.2}", taken / seconds[0])));
        windows.row(row);
    }
}

/// Blocks beside steps, over a sequence with a target at every step.
fn compare_blocks(options: &Options, case: Case, table: &mut Table) {
    if !options.wants(&format!("blocked/{}", case.name())) {
        return;
    }
    // Rows of large batches take turns, and nothing is to be learned from more of them.
    let steps = if case.batch == 1 { STEPS } else { BLOCK };
    let network = case.network();
    let cells = steps * case.batch;
    let (inputs, targets) = (random(cells * case.input, -1.0..1.0), random(cells, -1.0..1.0));
    let sequences = Sequences::new(steps, case.batch, &inputs, Targets::EveryValues(&targets));
    let sequences = &sequences.expect("sizes fit");
    let mut gradients = Vec::new();
    let mut contestants: Vec<Contestant<'_>> = Vec::new();
    for schedule in [Schedule::Streaming, Schedule::Blocked(BLOCK)] {
        let options = RtrlOptions { schedule, ..RtrlOptions::default() };
        let mut rtrl = Rtrl::new(&network, case.batch, options).expect("sizes fit");
        let (network, mut gradient) = (&network, network.zero_gradient());
        rtrl.gradient(network, sequences, &mut gradient).expect("sizes fit");
        gradients.push(gradient.clone());
        contestants.push(Box::new(move || {
            rtrl.gradient(network, sequences, &mut gradient).expect("sizes fit");
        }));
    }
    let largest = gradients[0].iter().fold(1.0, |largest: f32, g| largest.max(g.abs()));
    for (&streaming, &blocked) in gradients[0].iter().zip(&gradients[1][..]) {
        // Sums over the steps of sums over the steps before, a few roundings a term.
        let ulps = (4 * steps * steps) as f64 * f64::from(largest);
        assert_close(blocked, f64::from(streaming), ulps, "blocked beside streaming");
    }
    let seconds = race(options, BUDGET, &mut contestants);
    let per_step = |seconds: f64| format!("{:.2}", seconds / steps as f64 * 1e6);
    let mut row = case.cells();
    row.extend([per_step(seconds[0]), per_step(seconds[1]), format!("{:.2}", seconds[0] / seconds[1])]);
    table.row(row);
}

fn main() {
    rayon::ThreadPoolBuilder::new().num_threads(1).build_global().expect("the first use of the pool");
    let options = Options::from_args();
    let sizes = ["recurrence", "batch", "n", "d"];
    let head =
        [&sizes[..], &["kB", "us", "GB/s", "best sweep, GB/s", "of the sweep", "changing, us"]].concat();
    let caption = format!("level {}, one step with its gradient, bytes of traces and gradient", level());
    let mut steps = Table::new(caption, &head);
    let head = [&sizes[..], &["RTRL, us", "T = 1", "5", "10", "25", "50"]].concat();
    let mut windows = Table::new("truncated BPTT over RTRL, time of a step with its gradient", &head);
    let head = [&sizes[..], &["streaming, us", "blocked, us", "faster"]].concat();
    let mut blocks = Table::new("blocks of 32 beside single steps, per step of a sequence", &head);
    for case in Case::all() {
        compare_streams(&options, case, &mut steps, &mut windows);
        compare_blocks(&options, case, &mut blocks);
    }
    steps.print();
    windows.print();
    blocks.print();
}
