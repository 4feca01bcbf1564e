//! What the benches share: a timer for ratios, the command line, matrix products to compare with, networks and data.
#![allow(dead_code, reason = "every bench is a crate of its own and uses a part of this")]

use std::hint::black_box;
use std::time::{Duration, Instant};

use eligibility::{Buffer, Init, Level, Loss, Lstm, Network, Readout, Real, Scalar};
use faer::linalg::matmul::matmul;
use faer::{Accum, MatMut, MatRef, Par};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

pub(crate) mod blocks;
pub(crate) mod ceiling;

pub(crate) const SEED: u64 = 1;

/// What the command line asks for, in criterion's words: `--test` for a single pass, `--quick`, and a substring of the
/// names of the rows to measure.
#[derive(Clone, Debug)]
pub(crate) struct Options {
    pub(crate) test: bool,
    quick: bool,
    filters: Vec<String>,
}

impl Options {
    pub(crate) fn from_args() -> Self {
        let arguments: Vec<String> = std::env::args().skip(1).collect();
        let has = |name: &str| arguments.iter().any(|argument| argument == name);
        // `cargo test` runs benches without `--bench`.
        let (test, quick) = (has("--test") || !has("--bench"), has("--quick"));
        Self { test, quick, filters: arguments.into_iter().filter(|word| !word.starts_with('-')).collect() }
    }
    pub(crate) fn wants(&self, name: &str) -> bool {
        self.filters.is_empty() || self.filters.iter().any(|filter| name.contains(filter))
    }
    /// The same; a row that is not `usual` is measured only if a filter names it.
    pub(crate) fn wants_unusual(&self, name: &str, usual: bool) -> bool {
        self.wants(name) && (usual || !self.filters.is_empty())
    }
    /// Most rounds of a [`race`], and the length of a contestant's turn.
    fn rounds(&self) -> (u32, Duration) {
        match (self.test, self.quick) {
            (true, _) => (1, Duration::ZERO),
            (_, true) => (5, Duration::from_millis(1)),
            _ => (25, Duration::from_millis(3)),
        }
    }
}

/// Something to be timed.
pub(crate) type Contestant<'a> = Box<dyn FnMut() + 'a>;

/// Seconds that one call of each contestant takes: the least of many turns, which the contestants take in rotation, so
/// that whatever else the machine does meets all of them. A turn of several calls begins with one that is not timed: it
/// brings back into the caches what the others drove out. As many rounds as fit into `budget`, and at least one after the
/// calls that find out how many make a turn.
pub(crate) fn race(options: &Options, budget: Duration, contestants: &mut [Contestant<'_>]) -> Vec<f64> {
    let (rounds, turn) = options.rounds();
    let turns = contestants.iter_mut().map(|contestant| calls_in(turn, contestant));
    let (calls, mut best): (Vec<u32>, Vec<f64>) = turns.unzip();
    let start = Instant::now();
    for round in 0..rounds {
        if round > 0 && start.elapsed() > budget {
            break;
        }
        for ((contestant, &calls), best) in contestants.iter_mut().zip(&calls).zip(&mut best) {
            ceiling::clean_registers();
            if calls > 1 {
                contestant();
            }
            *best = best.min(time(calls, contestant).as_secs_f64() / f64::from(calls));
        }
    }
    best
}

/// How many calls fill a turn, and what one seemed to take.
fn calls_in(turn: Duration, contestant: &mut Contestant<'_>) -> (u32, f64) {
    let mut calls = 1;
    loop {
        let elapsed = time(calls, contestant);
        if 4 * elapsed >= turn {
            let needed = u128::from(calls) * turn.as_nanos() / elapsed.as_nanos().max(1);
            let seconds = elapsed.as_secs_f64() / f64::from(calls);
            return (needed.try_into().unwrap_or(u32::MAX).max(1), seconds);
        }
        calls *= 4;
    }
}

fn time(calls: u32, contestant: &mut Contestant<'_>) -> Duration {
    let start = Instant::now();
    for _ in 0..calls {
        contestant();
    }
    start.elapsed()
}

/// A Markdown table, printed if it has rows.
pub(crate) struct Table {
    caption: String,
    head: Vec<&'static str>,
    rows: Vec<Vec<String>>,
}

impl Table {
    pub(crate) fn new(caption: impl Into<String>, head: &[&'static str]) -> Self {
        Self { caption: caption.into(), head: head.to_vec(), rows: Vec::new() }
    }
    pub(crate) fn row(&mut self, cells: Vec<String>) {
        assert_eq!(cells.len(), self.head.len(), "a cell for every column");
        self.rows.push(cells);
    }
    pub(crate) fn print(&self) {
        if self.rows.is_empty() {
            return;
        }
        println!("\n{}:\n\n| {} |\n|{}", self.caption, self.head.join(" | "), "---|".repeat(self.head.len()));
        for row in &self.rows {
            println!("| {} |", row.join(" | "));
        }
    }
}

/// How a matrix lies in memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Order {
    /// Row by row, each from a cache line on, as the library keeps weights.
    Rows,
    /// Column by column.
    Columns,
}

/// `faer`'s product `C = A B` or `C += A B` on one thread; C is column-major, which `faer` prefers to write.
pub(crate) struct Gemm<T: Scalar> {
    /// Rows of C, columns of A, columns of C.
    size: [usize; 3],
    orders: [Order; 2],
    accumulate: Accum,
    a: Buffer<T>,
    b: Buffer<T>,
    c: Buffer<T>,
}

impl<T: Scalar> Gemm<T> {
    pub(crate) fn new(size: [usize; 3], orders: [Order; 2], accumulate: Accum) -> Self {
        let [m, k, n] = size;
        let length = |rows: usize, columns: usize, order| match order {
            Order::Rows => rows * stride::<T>(columns),
            Order::Columns => rows * columns,
        };
        let (a, b) = (random(length(m, k, orders[0]), -1.0..1.0), random(length(k, n, orders[1]), -1.0..1.0));
        Self { size, orders, accumulate, a, b, c: Buffer::zeros(m * n) }
    }
    pub(crate) fn flops(&self) -> usize {
        2 * self.size.iter().product::<usize>()
    }
    pub(crate) fn run(&mut self) {
        let [m, k, n] = self.size;
        let (a, b) = (view(&self.a, m, k, self.orders[0]), view(&self.b, k, n, self.orders[1]));
        let c = MatMut::from_column_major_slice_mut(black_box(&mut self.c), m, n);
        matmul(c, self.accumulate, a, b, T::ONE, Par::Seq);
    }
    /// Runs once and compares with the definition.
    pub(crate) fn check(&mut self) {
        let [m, k, n] = self.size;
        self.c.fill(T::ZERO);
        self.run();
        let (a, b) = (view(&self.a, m, k, self.orders[0]), view(&self.b, k, n, self.orders[1]));
        for (row, column) in [(0, 0), (m / 2, n / 3), (m - 1, n - 1)] {
            let terms = (0..k).map(|inner| a[(row, inner)].to_f64() * b[(inner, column)].to_f64());
            // Products of factors below 1, each rounded once or twice, and as many sums of at most k.
            assert_close(self.c[column * m + row], terms.sum(), (k * k) as f64, "faer");
        }
        ceiling::clean_registers();
    }
}

/// Elements from a row of weights to the next.
pub(crate) fn stride<T>(columns: usize) -> usize {
    columns.next_multiple_of(64 / size_of::<T>())
}

fn view<T>(data: &[T], rows: usize, columns: usize, order: Order) -> MatRef<'_, T> {
    match order {
        Order::Rows => MatRef::from_row_major_slice_with_stride(data, rows, columns, stride::<T>(columns)),
        Order::Columns => MatRef::from_column_major_slice(data, rows, columns),
    }
}

/// The affine map of a batch: `[units, rows]` from weights by columns or by rows and `rows` rows of activity.
pub(crate) fn gates_gemm<T: Scalar>(units: usize, rows: usize, columns: usize, weights: Order) -> Gemm<T> {
    Gemm::new([units, columns, rows], [weights, Order::Columns], Accum::Replace)
}

/// The product that steps `traces` rows of traces through `steps` steps, as the library would order it, and transposed.
pub(crate) fn trace_gemms<T: Scalar>(traces: usize, steps: usize, columns: usize) -> [Gemm<T>; 2] {
    [
        Gemm::new([columns, steps, traces], [Order::Columns, Order::Rows], Accum::Add),
        Gemm::new([traces, steps, columns], [Order::Columns, Order::Rows], Accum::Add),
    ]
}

/// Random values, the first on a cache line.
pub(crate) fn random<T: Scalar>(length: usize, range: std::ops::Range<f64>) -> Buffer<T> {
    let mut rng = StdRng::seed_from_u64(SEED ^ length as u64);
    let mut buffer = Buffer::zeros(length);
    buffer.fill_with(|| T::from_f64(rng.random_range(range.clone())));
    buffer
}

/// Panics unless `found` is `expected` up to `ulps` times the spacing of the values around 1.
pub(crate) fn assert_close<T: Real>(found: T, expected: f64, ulps: f64, what: &str) {
    let difference = (found.to_f64() - expected).abs();
    assert!(difference <= ulps * T::EPSILON.to_f64(), "{what}: {found} instead of {expected}");
}

/// A random network with one input.
pub(crate) fn network<T: Scalar>(hidden: usize, outputs: usize, loss: Loss) -> Network<T> {
    let (lstm, readout) = (Lstm::new(1, hidden), Readout::new(outputs, loss));
    let init = Init { forget_bias_offset: 1.8 };
    let mut rng = StdRng::seed_from_u64(SEED);
    init.network(lstm.expect("sizes fit"), readout.expect("sizes fit"), &mut rng).expect("sizes fit")
}

/// The level that learners use.
pub(crate) fn level() -> Level {
    Level::from_env().unwrap_or_else(|error| panic!("{error}"))
}
