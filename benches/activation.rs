//! exp, sigmoid, tanh and sine with cosine of a slice: ours at every level beside `wide`, `rten-vecmath` (`f32`) and std.
//!
//! Arguments: uniform in -8 to 8. Each row's largest error on them is printed once, in ULP, against std's functions in
//! `f64` (which have errors of their own: an `f64` row shows the difference). Ours are asserted. `wide` has no sigmoid: its
//! row is `1 / (1 + exp(-x))`. Every row of `sin_cos` computes both; the sine is looked at. `cargo bench --bench activation`

use std::cell::{Cell, RefCell};
use std::hint::black_box;
use std::mem::MaybeUninit;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use eligibility::kernels::activation::{Exp, Sigmoid, SinCos, Tanh};
use eligibility::kernels::{Level, Real};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use rten_simd::SimdUnaryOp;
use wide::{f32x8, f64x4};

const LENGTH: usize = 4096;
/// The promised 1.5, and as much for the reference in `f64`.
const BOUND: f64 = 3.0;

type Run<'a, T> = Box<dyn Fn(&[T], &mut [T]) + 'a>;

/// Largest error in units of the spacing at the exact value.
fn worst<T: Real>(exact: fn(f64) -> f64, input: &[T], output: &[T]) -> f64 {
    let errors = input.iter().zip(output).map(|(x, y)| {
        let exact = exact(x.to_f64());
        // The mantissa cleared: the power of two below.
        let binade = f64::from_bits(exact.abs().to_bits() & !((1 << 52) - 1));
        (y.to_f64() - exact).abs() / (binade * T::EPSILON.to_f64())
    });
    errors.fold(0.0, |worst, error| if error.is_nan() { f64::INFINITY } else { error.max(worst) })
}

fn bench<T: Real>(
    criterion: &mut Criterion,
    name: &str,
    exact: fn(f64) -> f64,
    rows: &[(String, Run<'_, T>)],
) {
    let mut rng = StdRng::seed_from_u64(1);
    let input: Vec<T> = (0..LENGTH).map(|_| T::from_f64(rng.random_range(-8.0..8.0))).collect();
    let mut output = vec![T::ZERO; LENGTH];
    let mut group = criterion.benchmark_group(format!("{name}/{}", T::NAME));
    group.throughput(Throughput::Elements(LENGTH as u64));
    for (row, run) in rows {
        run(&input, &mut output);
        let error = worst(exact, &input, &output);
        // For `f64` the comparison is with another `f64` result, which has errors of its own.
        let what = if T::NAME == "f32" { "error" } else { "difference from std" };
        println!("{name}/{}/{row}: largest {what} {error:.2} ULP", T::NAME);
        assert!(!row.starts_with("ours") || error <= BOUND, "{name} {row}: {error}");
        group.bench_function(BenchmarkId::from_parameter(row), |bencher| {
            bencher.iter(|| run(black_box(&input), black_box(&mut output)));
        });
    }
    group.finish();
}

/// The rows of one function: `ours` per level, the peers, std in the element type.
macro_rules! rows {
    ($type:ty, $kernel:ident, $wide:ty: $wide_function:path, $std:path) => {{
        const WIDTH: usize = size_of::<$wide>() / size_of::<$type>();
        let mut rows: Vec<(String, Run<'_, $type>)> = Vec::new();
        for level in Level::available() {
            rows.push((
                format!("ours/{level}"),
                Box::new(move |input, output| level.run($kernel { input, output })),
            ));
        }
        rows.push((
            "wide".into(),
            Box::new(|input, output| {
                let (input, output) = (input.as_chunks::<WIDTH>().0, output.as_chunks_mut::<WIDTH>().0);
                for (x, y) in input.iter().zip(output) {
                    *y = $wide_function(<$wide>::from(*x)).to_array();
                }
            }),
        ));
        rows.push((
            "std".into(),
            Box::new(|input, output| {
                for (x, y) in input.iter().zip(output) {
                    *y = $std(*x);
                }
            }),
        ));
        rows
    }};
}

/// The rows of sine and cosine, which have two results.
macro_rules! circular_rows {
    ($type:ty, $wide:ty) => {{
        const WIDTH: usize = size_of::<$wide>() / size_of::<$type>();
        let mut rows: Vec<(String, Run<'_, $type>)> = Vec::new();
        for level in Level::available() {
            let cosines = RefCell::new(vec![0.0; LENGTH]);
            let run = move |input: &[$type], sine: &mut [$type]| {
                level.run(SinCos { input, sine, cosine: &mut cosines.borrow_mut() });
            };
            rows.push((format!("ours/{level}"), Box::new(run)));
        }
        let cosines = RefCell::new(vec![0.0; LENGTH]);
        let run = move |input: &[$type], sine: &mut [$type]| {
            let mut cosines = cosines.borrow_mut();
            let cosine = cosines.as_chunks_mut::<WIDTH>().0;
            let (input, sine) = (input.as_chunks::<WIDTH>().0, sine.as_chunks_mut::<WIDTH>().0);
            for ((x, sine), cosine) in input.iter().zip(sine).zip(cosine) {
                let both = <$wide>::from(*x).sin_cos();
                (*sine, *cosine) = (both.0.to_array(), both.1.to_array());
            }
        };
        rows.push(("wide".into(), Box::new(run)));
        let cosines = RefCell::new(vec![0.0; LENGTH]);
        let run = move |input: &[$type], sine: &mut [$type]| {
            for ((x, sine), cosine) in input.iter().zip(sine).zip(cosines.borrow_mut().iter_mut()) {
                (*sine, *cosine) = x.sin_cos();
            }
        };
        rows.push(("std".into(), Box::new(run)));
        rows
    }};
}

fn rten(op: impl SimdUnaryOp<f32> + 'static) -> (String, Run<'static, f32>) {
    let results = RefCell::new(vec![MaybeUninit::uninit(); LENGTH]);
    let checked = Cell::new(false);
    let run = move |input: &[f32], output: &mut [f32]| {
        let mut room = results.borrow_mut();
        let results = op.map(input, &mut room);
        // It writes to memory that is not initialised; the copy is for the check, which comes first, and is not timed.
        if checked.replace(true) {
            black_box(results);
        } else {
            output.copy_from_slice(results);
        }
    };
    ("rten_vecmath".into(), Box::new(run))
}

fn sigmoid(x: f64) -> f64 {
    1.0 / (1.0 + (-x).exp())
}
fn sigmoid_f32(x: f32) -> f32 {
    1.0 / (1.0 + (-x).exp())
}
fn sigmoid_f32x8(x: f32x8) -> f32x8 {
    f32x8::ONE / (f32x8::ONE + (-x).exp())
}
fn sigmoid_f64x4(x: f64x4) -> f64x4 {
    f64x4::ONE / (f64x4::ONE + (-x).exp())
}

fn activation(criterion: &mut Criterion) {
    let mut rows = rows!(f32, Exp, f32x8: f32x8::exp, f32::exp);
    rows.push(rten(rten_vecmath::Exp {}));
    bench(criterion, "exp", f64::exp, &rows);
    let mut rows = rows!(f32, Sigmoid, f32x8: sigmoid_f32x8, sigmoid_f32);
    rows.push(rten(rten_vecmath::Sigmoid {}));
    bench(criterion, "sigmoid", sigmoid, &rows);
    let mut rows = rows!(f32, Tanh, f32x8: f32x8::tanh, f32::tanh);
    rows.push(rten(rten_vecmath::Tanh {}));
    bench(criterion, "tanh", f64::tanh, &rows);
    bench(criterion, "sin_cos", f64::sin, &circular_rows!(f32, f32x8));

    bench(criterion, "exp", f64::exp, &rows!(f64, Exp, f64x4: f64x4::exp, f64::exp));
    bench(criterion, "sigmoid", sigmoid, &rows!(f64, Sigmoid, f64x4: sigmoid_f64x4, sigmoid));
    bench(criterion, "tanh", f64::tanh, &rows!(f64, Tanh, f64x4: f64x4::tanh, f64::tanh));
    bench(criterion, "sin_cos", f64::sin, &circular_rows!(f64, f64x4));
}

criterion_group!(benches, activation);
criterion_main!(benches);
