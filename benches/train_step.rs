//! One gradient: e-prop by schedule beside BPTT and forward only, and what part of the machine's rate each reaches.
//!
//! T = 784, one input, 10 classes, a target at the last step or at every step; batch 1 to 128, H 32 to 256, f32 and f64
//! (H = 256 and f64 at batch 1 and 32, both together at 1; the rest if a filter names it). One thread, or
//! `RAYON_NUM_THREADS`. All learners see the same data; losses, and e-prop's gradients across schedules, are compared
//! before anything is timed. Then two tables more: the same gradients on one thread and on two (`-- threads`), and time
//! and memory over the number of steps (`-- length`).
//!
//! Model FLOPs per row and step, with F = 8 H (input + H + 1): forward F; BPTT 3 F; e-prop with a target at the last step
//! 1.75 F (its traces or their scan back: three of four gates), with one at every step 2 F as a whole and 2.75 F
//! otherwise (traces and gradient). `of faer`: the part of what `faer` reaches, in the same turns, on one thread, with the
//! affine map of 16 rows and weights by columns.
//!
//! `cargo bench --bench train_step`, or `-- b32_h128_f32` for a part of it.

use std::hint::black_box;
use std::time::{Duration, Instant};

use eligibility::{
    Bptt, BpttOptions, Buffer, Eprop, EpropOptions, Evaluator, EvaluatorOptions, Learner, Loss, Network,
    Real, Scalar, Schedule, Sequences, Targets,
};
use peak_alloc::PeakAlloc;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use rayon::{ThreadPool, ThreadPoolBuilder};

use common::{Contestant, Options, Order, SEED, Table, gates_gemm, level, network, race, random};

mod common;

#[global_allocator]
static ALLOCATOR: PeakAlloc = PeakAlloc;

const STEPS: usize = 784;
const LENGTHS: [usize; 4] = [49, 784, 7_840, 78_400];
const BATCHES: [usize; 4] = [1, 8, 32, 128];
const HIDDEN: [usize; 3] = [32, 128, 256];
const CLASSES: usize = 10;
/// Rows of the matrix product that rates are set against: as many as learners process at a time.
const ROWS: usize = 16;
/// Of one case's turns.
const BUDGET: Duration = Duration::from_secs(2);

/// Steps of the sequences; fewer where nothing is measured.
fn steps(options: &Options) -> usize {
    if options.test { 70 } else { STEPS }
}

/// What is timed.
#[derive(Clone, Copy, PartialEq)]
enum Rule {
    Forward,
    Bptt,
    Eprop(Schedule),
}

impl Rule {
    fn all() -> Vec<Self> {
        let blocks = [8, 16, 32, 64].map(|steps| Self::Eprop(Schedule::Blocked(steps)));
        let others = [Schedule::WholeSequence { max_steps: STEPS }, Schedule::Streaming].map(Self::Eprop);
        [Self::Forward, Self::Bptt].into_iter().chain(others).chain(blocks).collect()
    }
    fn name(self) -> String {
        match self {
            Self::Forward => "forward".into(),
            Self::Bptt => "BPTT".into(),
            Self::Eprop(schedule) => format!("e-prop {schedule}"),
        }
    }
    /// Model FLOPs in units of the forward pass.
    fn passes(self, every: bool) -> f64 {
        match (self, every) {
            (Self::Forward, _) => 1.0,
            (Self::Bptt, _) => 3.0,
            (Self::Eprop(_), false) => 1.75,
            (Self::Eprop(Schedule::WholeSequence { .. }), true) => 2.0,
            (Self::Eprop(_), true) => 2.75,
        }
    }
}

/// Network and data.
struct Case<T: Scalar> {
    network: Network<T>,
    inputs: Buffer<T>,
    classes: Vec<usize>,
    steps: usize,
    batch: usize,
    every: bool,
}

impl<T: Scalar> Case<T> {
    fn new(steps: usize, batch: usize, hidden: usize, every: bool) -> Self {
        let mut rng = StdRng::seed_from_u64(SEED);
        let targets = if every { steps * batch } else { batch };
        let classes = (0..targets).map(|_| rng.random_range(0..CLASSES)).collect();
        let network = network(hidden, CLASSES, Loss::CrossEntropy);
        Self { network, inputs: random(steps * batch, 0.0..1.0), classes, steps, batch, every }
    }
    fn sequences(&self) -> Sequences<'_, T> {
        let classes = &self.classes;
        let targets = if self.every { Targets::EveryClass(classes) } else { Targets::LastClass(classes) };
        Sequences::new(self.steps, self.batch, &self.inputs, targets).expect("sizes fit")
    }
    fn contestant(&self, rule: Rule) -> Running<'_, T> {
        let (network, sequences) = (&self.network, self.sequences());
        let mut learner: Box<dyn Learner<T> + Send> = match rule {
            Rule::Forward => {
                let options = EvaluatorOptions::default();
                let mut evaluator = Evaluator::new(network, self.batch, options).expect("sizes fit");
                let score = move |_: &mut [T]| evaluator.score(network, &sequences).expect("sizes fit").loss;
                return Running { run: Box::new(score), gradient: Buffer::zeros(0) };
            }
            Rule::Bptt => {
                let options = BpttOptions::default();
                Box::new(Bptt::new(network, self.batch, self.steps, options).expect("sizes fit"))
            }
            Rule::Eprop(schedule) => {
                let options = EpropOptions { schedule, ..EpropOptions::default() };
                Box::new(Eprop::new(network, self.batch, options).expect("sizes fit"))
            }
        };
        let run = move |gradient: &mut [T]| {
            learner.gradient(network, black_box(&sequences), gradient).expect("sizes fit").loss
        };
        Running { run: Box::new(run), gradient: network.zero_gradient() }
    }
    fn flops(&self, passes: f64) -> f64 {
        let hidden = self.network.layers()[0].output();
        passes * (self.steps * self.batch * 8 * hidden * (hidden + 2)) as f64
    }
}

/// Overwrites a gradient and gives the loss.
type Run<'a, T> = Box<dyn FnMut(&mut [T]) -> f64 + Send + 'a>;

/// A learner with its gradient.
struct Running<'a, T: Scalar> {
    run: Run<'a, T>,
    gradient: Buffer<T>,
}

impl<T: Scalar> Running<'_, T> {
    fn call(&mut self) -> f64 {
        black_box((self.run)(&mut self.gradient))
    }
}

/// Runs every rule once and compares: losses all agree, and e-prop's gradients across schedules.
fn check<T: Scalar>(rules: &[Rule], running: &mut [Running<'_, T>]) {
    let losses: Vec<f64> = running.iter_mut().map(Running::call).collect();
    let whole = rules.iter().position(|rule| matches!(rule, Rule::Eprop(Schedule::WholeSequence { .. })));
    let expected = whole.map(|index| running[index].gradient.clone());
    for ((rule, running), loss) in rules.iter().zip(running).zip(&losses) {
        let name = rule.name();
        // Sums of the same terms in another order, over hundreds of steps that each round.
        assert!((loss - losses[0]).abs() <= 1e-5 * losses[0].abs(), "{name}: {loss} and {}", losses[0]);
        assert!(running.gradient.iter().all(|&g| Real::is_finite(g)), "{name} is finite");
        if let (Some(expected), Rule::Eprop(_)) = (&expected, rule) {
            let pairs = running.gradient.iter().zip(&expected[..]);
            let difference = pairs.map(|(a, b)| (a.to_f64() - b.to_f64()).powi(2)).sum::<f64>().sqrt();
            let norm = expected.iter().map(|g| g.to_f64().powi(2)).sum::<f64>().sqrt();
            assert!(difference <= 1e-4 * norm, "{name}: off by {difference} of {norm}");
        }
    }
}

fn schedules<T: Scalar>(options: &Options, batch: usize, hidden: usize, every: bool, table: &mut Table) {
    let target = if every { "every" } else { "last" };
    let name = format!("train/{target}/b{batch}_h{hidden}_{}", T::NAME);
    let f32 = size_of::<T>() == 4;
    let usual = (f32 && hidden < 256) || batch == 1 || (batch == 32 && (f32 || hidden < 256));
    if !options.wants_unusual(&name, usual) {
        return;
    }
    let (case, rules) = (Case::<T>::new(steps(options), batch, hidden, every), Rule::all());
    let mut running: Vec<_> = rules.iter().map(|&rule| case.contestant(rule)).collect();
    check(&rules, &mut running);
    let mut gemm = gates_gemm::<T>(4 * hidden, ROWS, hidden + 2, Order::Columns);
    gemm.check();
    let product = gemm.flops() as f64;
    let mut contestants: Vec<Contestant<'_>> = vec![Box::new(|| gemm.run())];
    for running in &mut running {
        contestants.push(Box::new(|| _ = running.call()));
    }
    let seconds = race(options, BUDGET, &mut contestants);
    let faer = product / seconds[0];
    let bptt = seconds[1 + rules.iter().position(|&rule| rule == Rule::Bptt).expect("one of all")];
    for (rule, &seconds) in rules.iter().zip(&seconds[1..]) {
        let rate = case.flops(rule.passes(every)) / seconds;
        table.row(vec![
            T::NAME.into(),
            hidden.to_string(),
            batch.to_string(),
            target.into(),
            rule.name(),
            format!("{:.2}", seconds * 1e3),
            format!("{:.2}", seconds / bptt),
            format!("{:.1}", rate / 1e9),
            format!("{:.2}", rate / faer),
        ]);
    }
}

/// The same gradient on one thread and on two.
fn threads(options: &Options, batch: usize, every: bool, pools: &[ThreadPool; 2], table: &mut Table) {
    const HIDDEN: usize = 128;
    let target = if every { "every" } else { "last" };
    if !options.wants(&format!("threads/{target}/b{batch}_h{HIDDEN}_f32")) {
        return;
    }
    let case = Case::<f32>::new(steps(options), batch, HIDDEN, every);
    for rule in [Rule::Bptt, Rule::Eprop(Schedule::default())] {
        // Learners have as many workers as the pool in which they are made has threads.
        let [mut one, mut two] = [&pools[0], &pools[1]].map(|pool| pool.install(|| case.contestant(rule)));
        let losses = [pools[0].install(|| one.call()), pools[1].install(|| two.call())];
        assert_eq!(losses[0], losses[1], "the same to the bit on any number of threads");
        assert!(one.gradient == two.gradient, "the same to the bit on any number of threads");
        let mut contestants: [Contestant<'_>; 2] = [
            Box::new(|| _ = pools[0].install(|| one.call())),
            Box::new(|| _ = pools[1].install(|| two.call())),
        ];
        let [one, two] = race(options, BUDGET, &mut contestants)[..] else { unreachable!("two contestants") };
        table.row(vec![
            batch.to_string(),
            target.into(),
            rule.name(),
            format!("{:.2}", one * 1e3),
            format!("{:.2}", two * 1e3),
            format!("{:.2}", one / two),
        ]);
    }
}

/// Time per step and peak heap of one learner with its gradient, from its construction on.
fn lengths(options: &Options, table: &mut Table) {
    let rule = Rule::Eprop(Schedule::default());
    let wanted =
        |&&steps: &&usize| options.wants(&format!("length/t{steps}")) && !(options.test && steps > STEPS);
    for &steps in LENGTHS.iter().filter(wanted) {
        let case = Case::<f32>::new(steps, 1, 128, false);
        // The matrix library allocates its workspace at its first product.
        let loss = case.contestant(rule).call();
        let before = ALLOCATOR.current_usage();
        ALLOCATOR.reset_peak_usage();
        let mut running = case.contestant(rule);
        assert_eq!(running.call(), loss, "the same at every call");
        let peak = ALLOCATOR.peak_usage() - before;
        let mut contestants: [Contestant<'_>; 1] = [Box::new(|| _ = running.call())];
        let seconds = race(options, BUDGET, &mut contestants)[0];
        table.row(vec![
            steps.to_string(),
            rule.name(),
            format!("{:.2}", seconds * 1e3),
            format!("{:.2}", seconds / steps as f64 * 1e6),
            format!("{:.3}", peak as f64 / 1e6),
        ]);
    }
}

fn pool(threads: usize) -> ThreadPool {
    ThreadPoolBuilder::new().num_threads(threads).build().expect("threads start")
}

fn main() {
    let (options, start) = (Options::from_args(), Instant::now());
    let count =
        std::env::var("RAYON_NUM_THREADS").map_or(1, |count| count.parse().expect("a number of threads"));
    ThreadPoolBuilder::new().num_threads(count).build_global().expect("the first use of the pool");

    let head = ["type", "H", "batch", "target", "rule", "ms", "time / BPTT", "model GFLOP/s", "of faer"];
    let caption = format!("level {}, {count} thread(s), T = {}, one gradient", level(), steps(&options));
    let mut table = Table::new(caption, &head);
    for (every, hidden, batch) in cases() {
        schedules::<f32>(&options, batch, hidden, every, &mut table);
        schedules::<f64>(&options, batch, hidden, every, &mut table);
    }
    table.print();

    let head = ["batch", "target", "rule", "one thread, ms", "two threads, ms", "speed-up"];
    // Fewer than the machine has where the process is pinned to some: then two threads can gain nothing.
    let cpus = std::thread::available_parallelism().map_or(1, usize::from);
    let caption = format!("f32, H = 128, T = {}; {cpus} processor(s) may be used", steps(&options));
    let mut table = Table::new(caption, &head);
    let pools = [pool(1), pool(2)];
    for (batch, every) in [(32, false), (32, true), (128, false), (128, true)] {
        threads(&options, batch, every, &pools, &mut table);
    }
    table.print();

    let head = ["steps", "rule", "ms", "us per step", "peak heap, MB"];
    let mut table = Table::new("f32, H = 128, batch 1, target at the last step; inputs not counted", &head);
    lengths(&options, &mut table);
    table.print();
    println!("\ntook {:.0} s", start.elapsed().as_secs_f64());
}

/// Target at every step or at the last, hidden size, batch.
fn cases() -> impl Iterator<Item = (bool, usize, usize)> {
    let sizes = HIDDEN.into_iter().flat_map(|hidden| BATCHES.map(|batch| (hidden, batch)));
    sizes.flat_map(|(hidden, batch)| [false, true].map(|every| (every, hidden, batch)))
}
