//! What this machine can do: multiply-adds, bandwidth and matrix products, beside which other benches set their rates.
//!
//! At every level: the peak of independent multiply-adds in registers; reading what one step of one sequence reads (the
//! recurrent weights, H = 128), also by the library's affine map of 1, 8 and 16 rows, and of one row with weights row by
//! row; `e <- a e + s` in place over the traces of one row and of sixteen; copying them. Then `faer` on one thread in the shapes of the library. Every row is checked before it is timed;
//! the table at the end comes from turns taken in rotation. Sweeps and copies count bytes read and bytes written.
//!
//! `cargo bench --bench ceiling`, or `-- gemm` for a part of it.

use std::hint::black_box;
use std::time::Duration;

use criterion::{Criterion, Throughput};
use eligibility::kernels::affine::{Affine, Start, panel_rows};
use eligibility::kernels::lanes::{Lanes, MAX_WIDTH};
use eligibility::kernels::row_dot::RowDot;
use eligibility::kernels::{Kernel, Level, Real, Strided, reference};
use eligibility::{Buffer, Scalar};
use faer::Accum;

use common::ceiling::{FmaPeak, Sweep};
use common::{Contestant, Gemm, Options, Order, Table, assert_close, gates_gemm, race, random, trace_gemms};

mod common;

const HIDDEN: usize = 128;
const COLUMNS: usize = 130;
/// Columns with padding, and what the traces of a row have.
const TRACES: [usize; 2] = [3 * HIDDEN, 144];
const BUDGET: Duration = Duration::from_secs(20);

/// What a row counts, per call.
#[derive(Clone, Copy)]
enum Work {
    Flops(usize),
    Bytes(usize),
}

struct Row {
    name: String,
    work: Work,
    run: Contestant<'static>,
}

/// The sum of a buffer, in eight parts.
struct Read<'a, T>(&'a [T]);

impl<T: Real> Kernel<T> for Read<'_, T> {
    type Output = T;

    #[inline(always)]
    fn run<V: Lanes<Element = T>>(self, token: V::Token) -> T {
        let mut sums = [V::splat(token, T::ZERO); 8];
        for part in self.0.chunks_exact(8 * V::WIDTH) {
            for (index, sum) in sums.iter_mut().enumerate() {
                *sum = *sum + V::load(token, &part[index * V::WIDTH..][..V::WIDTH]);
            }
        }
        let mut parts = [T::ZERO; MAX_WIDTH];
        let mut total = T::ZERO;
        for sum in sums {
            sum.store(&mut parts[..V::WIDTH]);
            total += parts[..V::WIDTH].iter().copied().sum();
        }
        total
    }
}

fn bytes<T>(elements: usize) -> Work {
    Work::Bytes(elements * size_of::<T>())
}

fn name<T: Real>(what: &str) -> String {
    format!("ceiling/{}/{what}", T::NAME)
}

/// Multiply-adds and bandwidth at one level.
fn level_rows<T: Scalar>(level: Level, rows: &mut Vec<Row>) {
    let mut push = |what: &str, work: Work, run: Contestant<'static>| {
        rows.push(Row { name: name::<T>(&format!("{level}/{what}")), work, run });
    };
    FmaPeak::<T>::check(level);
    push("fma", Work::Flops(FmaPeak::<T>::flops(level)), Box::new(move || FmaPeak::<T>::run_once(level)));

    let weights = random::<T>(4 * HIDDEN * HIDDEN, 0.0..1.0);
    let sum: f64 = weights.iter().map(|w| w.to_f64()).sum();
    let found = level.run(Read(&weights)).to_f64();
    // 2^16 sums, each off by half a spacing of a total below 2^16, in the worst case; in fact in 64 parts or more.
    let bound = weights.len() as f64 * sum * T::EPSILON.to_f64();
    assert!((found - sum).abs() <= bound, "{found} instead of {sum}");
    let work = bytes::<T>(weights.len());
    let panels = weights.clone();
    push("read", work, Box::new(move || _ = black_box(level.run(Read(black_box(&weights))))));

    for rows in [1, 8, 16] {
        let map = move |output: &mut [T], input: &[T], panels: &[T], twin: bool| {
            let (panel, start) = (panel_rows::<T>(level, rows), Start::Output);
            let input = Strided { data: input, stride: HIDDEN };
            let op = Affine { rows, columns: HIDDEN, panel, panels, start, input, output };
            if twin { reference::affine(op) } else { level.run(op) }
        };
        let (input, panels) = (random::<T>(rows * HIDDEN, -1.0..1.0), panels.clone());
        let [mut output, mut twin] = [(); 2].map(|()| Buffer::<T>::zeros(rows * 4 * HIDDEN));
        map(&mut output, &input, &panels, false);
        map(&mut twin, &input, &panels, true);
        for (&found, expected) in output.iter().zip(&twin[..]) {
            // 128 sums of at most 128 in magnitude.
            assert_close(found, expected.to_f64(), (HIDDEN * HIDDEN) as f64, "affine");
        }
        let work = if rows == 1 { work } else { Work::Flops(2 * rows * 4 * HIDDEN * HIDDEN) };
        let run = move || {
            // The output is added to: from zero, so that it stays finite.
            output.fill(T::ZERO);
            map(black_box(&mut output), &input, &panels, false);
        };
        push(&format!("affine_{rows}"), work, Box::new(run));
    }

    let map = move |output: &mut [T], input: &[T], weights: &[T], twin: bool| {
        let op = RowDot { weights: Strided { data: weights, stride: HIDDEN }, input, add: false, output };
        if twin { reference::row_dot(op) } else { level.run(op) }
    };
    let input = random::<T>(HIDDEN, -1.0..1.0);
    let [mut output, mut twin] = [(); 2].map(|()| Buffer::<T>::zeros(4 * HIDDEN));
    map(&mut output, &input, &panels, false);
    map(&mut twin, &input, &panels, true);
    for (&found, expected) in output.iter().zip(&twin[..]) {
        // 128 sums of at most 128 in magnitude.
        assert_close(found, expected.to_f64(), (HIDDEN * HIDDEN) as f64, "row_dot");
    }
    let run = move || map(black_box(&mut output), &input, &panels, false);
    push("row_dot_1", work, Box::new(run));

    for sequences in [1, 16] {
        let elements = sequences * TRACES.iter().product::<usize>();
        let mut sweep = Sweep::<T>::new(elements);
        sweep.check(level);
        let what = format!("sweep_{sequences}");
        push(&what, bytes::<T>(2 * elements), Box::new(move || sweep.run(level)));
    }
}

/// What does not depend on the level: copies and matrix products.
fn other_rows<T: Scalar>(rows: &mut Vec<Row>) {
    for sequences in [1, 16] {
        let source = random::<T>(sequences * TRACES.iter().product::<usize>(), 0.0..1.0);
        let mut target = Buffer::<T>::zeros(source.len());
        let copy = move || black_box(&mut target)[..].copy_from_slice(black_box(&source));
        let work = bytes::<T>(2 * sequences * TRACES.iter().product::<usize>());
        rows.push(Row { name: name::<T>(&format!("copy_{sequences}")), work, run: Box::new(copy) });
    }
    let mut push = |what: String, mut gemm: Gemm<T>| {
        gemm.check();
        let work = Work::Flops(gemm.flops());
        rows.push(Row { name: name::<T>(&what), work, run: Box::new(move || gemm.run()) });
    };
    for sequences in [1, 8, 16, 32, 128] {
        for (order, by) in [(Order::Columns, "columns"), (Order::Rows, "rows")] {
            let gemm = gates_gemm(4 * HIDDEN, sequences, COLUMNS, order);
            push(format!("gemm/gates_by_{by}_512x{COLUMNS}x{sequences}"), gemm);
        }
    }
    for steps in [4, 8, 16, 32, 64] {
        let [traces, columns] = TRACES;
        let [first, second] = trace_gemms(traces, steps, columns);
        push(format!("gemm/trace_{columns}x{steps}x{traces}"), first);
        push(format!("gemm/trace_{traces}x{steps}x{columns}"), second);
    }
    // The gradient of 256 cells, and the way back of a batch's step, each as the library orders it.
    let gradient = Gemm::new([COLUMNS, 256, 4 * HIDDEN], [Order::Columns, Order::Rows], Accum::Add);
    push(format!("gemm/gradient_{COLUMNS}x256x512"), gradient);
    for sequences in [1, 8, 16, 32, 128] {
        let size = [HIDDEN, 4 * HIDDEN, sequences];
        let gemm = Gemm::new(size, [Order::Columns, Order::Columns], Accum::Replace);
        push(format!("gemm/backward_{HIDDEN}x512x{sequences}"), gemm);
    }
}

fn rows<T: Scalar>() -> Vec<Row> {
    let mut rows = Vec::new();
    for level in Level::available() {
        level_rows::<T>(level, &mut rows);
    }
    other_rows::<T>(&mut rows);
    rows
}

fn bench<T: Scalar>(criterion: &mut Criterion, options: &Options, table: &mut Table) {
    let mut rows = rows::<T>();
    rows.retain(|row| options.wants(&row.name) || row.name.ends_with("/fma"));
    for row in rows.iter_mut().filter(|row| options.wants(&row.name)) {
        let (group, id) = row.name.rsplit_once('/').expect("a group");
        let mut group = criterion.benchmark_group(group);
        group.sample_size(20).warm_up_time(Duration::from_millis(200));
        group.measurement_time(Duration::from_millis(500));
        group.throughput(match row.work {
            Work::Flops(flops) => Throughput::Elements(flops as u64),
            Work::Bytes(bytes) => Throughput::Bytes(bytes as u64),
        });
        group.bench_function(id, |bencher| bencher.iter(|| (row.run)()));
        group.finish();
    }
    let (what, mut runs): (Vec<_>, Vec<_>) =
        rows.into_iter().map(|row| ((row.name, row.work), row.run)).unzip();
    let seconds = race(options, BUDGET, &mut runs);
    let rate = |work, seconds| match work {
        Work::Flops(count) | Work::Bytes(count) => count as f64 / seconds / 1e9,
    };
    let peak = what.iter().zip(&seconds).filter(|((name, _), _)| name.ends_with("/fma"));
    let peak = peak.map(|((_, work), &seconds)| rate(*work, seconds)).fold(0.0, f64::max);
    for ((name, work), seconds) in what.into_iter().zip(seconds) {
        let rate = rate(work, seconds);
        let (flops, fraction, bytes) = match work {
            Work::Flops(_) => (format!("{rate:.1}"), format!("{:.2}", rate / peak), String::new()),
            Work::Bytes(_) => (String::new(), String::new(), format!("{rate:.1}")),
        };
        table.row(vec![name, format!("{:.2}", seconds * 1e6), flops, fraction, bytes]);
    }
}

fn main() {
    let (options, mut criterion) = (Options::from_args(), Criterion::default().configure_from_args());
    let head = ["row", "us", "GFLOP/s", "of the peak", "GB/s"];
    let mut table = Table::new("one thread; the peak is that of the best level, for the row's type", &head);
    bench::<f32>(&mut criterion, &options, &mut table);
    bench::<f64>(&mut criterion, &options, &mut table);
    criterion.final_summary();
    table.print();
}
