//! E-prop against BPTT over the number of steps: time of one gradient, and peak heap of learner and gradient.
//!
//! H = 128, one input, 10 classes at the last step; T in {49, 98, 196, 392, 784}; batch 1 and 32; f32 and f64. Both
//! learners see the same data, and their losses are compared before anything is measured. Single thread; the matrix
//! library's fixed workspace is not counted. At the end the medians are printed as a Markdown table.
//!
//! `cargo bench --bench scaling`, or `-- b32` for a part of it.

use std::collections::BTreeMap;
use std::hint::black_box;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use criterion::measurement::{Measurement, ValueFormatter, WallTime};
use criterion::{BenchmarkId, Criterion, Throughput};
use eligibility::{
    Bptt, BpttOptions, Eprop, EpropOptions, Init, Learner, Level, Loss, Lstm, Network, Readout, Scalar,
    Sequences, Targets,
};
use peak_alloc::PeakAlloc;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

#[global_allocator]
static ALLOCATOR: PeakAlloc = PeakAlloc;

const STEPS: [usize; 5] = [49, 98, 196, 392, 784];
const BATCHES: [usize; 2] = [1, 32];
const HIDDEN: usize = 128;
const CLASSES: usize = 10;
const SEED: u64 = 1;

/// Medians by case, learner and measure, for the table.
static MEDIANS: Mutex<BTreeMap<(String, usize), [f64; 4]>> = Mutex::new(BTreeMap::new());

#[derive(Clone, Copy)]
enum Rule {
    Eprop,
    Bptt,
}

impl Rule {
    const ALL: [(Self, &'static str); 2] = [(Self::Eprop, "eprop"), (Self::Bptt, "bptt")];

    fn learner<T: Scalar>(self, network: &Network<T>, batch: usize, steps: usize) -> Box<dyn Learner<T>> {
        match self {
            Self::Eprop => Box::new(Eprop::new(network, batch, EpropOptions::default()).expect("sizes fit")),
            Self::Bptt => {
                Box::new(Bptt::new(network, batch, steps, BpttOptions::default()).expect("sizes fit"))
            }
        }
    }
}

/// Network and data of one case.
struct Case<T: Scalar> {
    network: Network<T>,
    inputs: Vec<T>,
    classes: Vec<usize>,
    steps: usize,
    batch: usize,
}

impl<T: Scalar> Case<T> {
    fn new(steps: usize, batch: usize) -> Self {
        let mut rng = StdRng::seed_from_u64(SEED);
        let readout = Readout::new(CLASSES, Loss::CrossEntropy).expect("sizes fit");
        let lstm = Lstm::new(1, HIDDEN).expect("sizes fit");
        let network = Init { forget_bias_offset: 1.8 }.network(lstm, readout, &mut rng).expect("sizes fit");
        let inputs = (0..steps * batch).map(|_| T::from_f64(rng.random_range(0.0..1.0))).collect();
        let classes = (0..batch).map(|_| rng.random_range(0..CLASSES)).collect();
        Self { network, inputs, classes, steps, batch }
    }

    fn sequences(&self) -> Sequences<'_, T> {
        let targets = Targets::LastClass(&self.classes);
        Sequences::new(self.steps, self.batch, &self.inputs, targets).expect("sizes fit")
    }

    /// One gradient, from the construction of the learner on.
    fn run(&self, rule: Rule) -> f64 {
        let mut learner = rule.learner(&self.network, self.batch, self.steps);
        let mut gradient = self.network.zero_gradient();
        let score = learner.gradient(&self.network, &self.sequences(), &mut gradient).expect("sizes fit");
        assert!(gradient.iter().all(|g| g.is_finite()));
        score.loss
    }

    fn assert_same_loss(&self) {
        let (eprop, bptt) = (self.run(Rule::Eprop), self.run(Rule::Bptt));
        assert!((eprop - bptt).abs() <= 1e-5 * bptt.abs(), "forward passes differ: {eprop} and {bptt}");
    }
}

/// Peak heap bytes above what was in use before.
struct PeakBytes;

impl Measurement for PeakBytes {
    type Intermediate = usize;
    type Value = usize;
    fn start(&self) -> usize {
        ALLOCATOR.reset_peak_usage();
        ALLOCATOR.current_usage()
    }
    fn end(&self, before: usize) -> usize {
        ALLOCATOR.peak_usage() - before
    }
    fn add(&self, a: &usize, b: &usize) -> usize {
        a + b
    }
    fn zero(&self) -> usize {
        0
    }
    fn to_f64(&self, value: &usize) -> f64 {
        *value as f64
    }
    fn formatter(&self) -> &dyn ValueFormatter {
        &Bytes
    }
}

struct Bytes;

impl ValueFormatter for Bytes {
    fn scale_values(&self, _typical: f64, values: &mut [f64]) -> &'static str {
        for value in values {
            *value /= 1e6;
        }
        "MB"
    }
    fn scale_throughputs(
        &self,
        _typical: f64,
        _throughput: &Throughput,
        _values: &mut [f64],
    ) -> &'static str {
        "MB"
    }
    fn scale_for_machines(&self, _values: &mut [f64]) -> &'static str {
        "bytes"
    }
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// Benches `measure` for every case and rule, and keeps the medians in the columns from `column` on.
///
/// `measure(case, rule, iterations)` returns what criterion is to see and the same as a number per iteration.
fn bench<T: Scalar, M: Measurement + 'static>(
    criterion: &mut Criterion<M>,
    name: &str,
    column: usize,
    measure: impl Fn(&Case<T>, Rule, u64) -> (M::Value, f64),
) {
    for batch in BATCHES {
        let mut group = criterion.benchmark_group(format!("{name}/{}/b{batch}_h{HIDDEN}", T::NAME));
        group
            .sample_size(10)
            .warm_up_time(Duration::from_millis(300))
            .measurement_time(Duration::from_secs(1));
        for steps in STEPS {
            let case = Case::<T>::new(steps, batch);
            case.assert_same_loss();
            for (offset, (rule, rule_name)) in Rule::ALL.into_iter().enumerate() {
                let mut samples = Vec::new();
                group.bench_function(BenchmarkId::new(rule_name, format!("t{steps}")), |bencher| {
                    bencher.iter_custom(|iterations| {
                        let (value, number) = measure(&case, rule, iterations);
                        samples.push(number);
                        value
                    });
                });
                if !samples.is_empty() {
                    let mut medians = MEDIANS.lock().expect("no bench panicked");
                    let row =
                        medians.entry((format!("{} | {batch}", T::NAME), steps)).or_insert([f64::NAN; 4]);
                    row[column + offset] = median(samples);
                }
            }
        }
        group.finish();
    }
}

fn time<T: Scalar>(case: &Case<T>, rule: Rule, iterations: u64) -> (Duration, f64) {
    let mut learner = rule.learner(&case.network, case.batch, case.steps);
    let mut gradient = case.network.zero_gradient();
    let sequences = case.sequences();
    // The first call touches the learner's memory for the first time, which is not what is to be measured.
    learner.gradient(&case.network, &sequences, &mut gradient).expect("sizes fit");
    let start = Instant::now();
    for _ in 0..iterations {
        learner.gradient(&case.network, black_box(&sequences), &mut gradient).expect("sizes fit");
        black_box(&mut gradient);
    }
    let elapsed = start.elapsed();
    (elapsed, elapsed.as_secs_f64() / iterations as f64)
}

fn memory<T: Scalar>(case: &Case<T>, rule: Rule, iterations: u64) -> (usize, f64) {
    let sum: usize = (0..iterations)
        .map(|_| {
            let before = PeakBytes.start();
            black_box(case.run(rule));
            PeakBytes.end(before)
        })
        .sum();
    (sum, sum as f64 / iterations as f64)
}

fn print_table() {
    println!("\nlevel {}, one thread, H = {HIDDEN}, one input, target at the last step:\n", level());
    println!("| type | batch | steps | e-prop, ms | BPTT, ms | e-prop, peak MB | BPTT, peak MB |");
    println!("|---|---|---|---|---|---|---|");
    for ((case, steps), [eprop, bptt, eprop_bytes, bptt_bytes]) in
        &*MEDIANS.lock().expect("no bench panicked")
    {
        let [eprop, bptt] = [eprop * 1e3, bptt * 1e3];
        let [eprop_mb, bptt_mb] = [eprop_bytes / 1e6, bptt_bytes / 1e6];
        println!("| {case} | {steps} | {eprop:.2} | {bptt:.2} | {eprop_mb:.2} | {bptt_mb:.2} |");
    }
}

fn level() -> Level {
    Level::from_env().unwrap_or_else(|error| panic!("{error}"))
}

fn main() {
    rayon::ThreadPoolBuilder::new().num_threads(1).build_global().expect("the first use of the pool");
    println!("level {}", level());
    let mut timing = Criterion::default().configure_from_args();
    bench::<f32, WallTime>(&mut timing, "time", 0, time);
    bench::<f64, WallTime>(&mut timing, "time", 0, time);
    timing.final_summary();
    let mut peak = Criterion::default().with_measurement(PeakBytes).configure_from_args();
    bench::<f32, PeakBytes>(&mut peak, "peak_heap", 2, memory);
    bench::<f64, PeakBytes>(&mut peak, "peak_heap", 2, memory);
    peak.final_summary();
    print_table();
}
