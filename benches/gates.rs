//! The fused gates beside their scalar twin and an unfused composition, at every level.
//!
//! Unfused: what a framework does without a fused kernel: an activation per slice, then a pass per equation. Every row
//! is checked against the twin before it is timed. `rten_vecmath`, in `f32`: that crate's sigmoid of 3H and tanh of 2H
//! elements per row, the activations alone; the last line compares the fused kernel, which does everything, with it.
//! `cargo bench --bench gates`

use std::hint::black_box;
use std::time::{Duration, Instant};

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use eligibility::kernels::activation::{Nonlinearity, Sigmoid, Tanh};
use eligibility::kernels::lstm_gates::LstmGates;
use eligibility::kernels::{Level, Real, reference};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use rten_simd::SimdUnaryOp;

const HIDDEN: usize = 128;
const ROWS: usize = 8;

#[derive(Clone)]
struct Rows<T> {
    active: Vec<bool>,
    preactivation: Vec<T>,
    cell: Vec<T>,
    hidden: Vec<T>,
    influence: Vec<T>,
    forget_gate: Vec<T>,
    dhidden_dcell: Vec<T>,
    /// Scratch of the unfused composition: activated gates and tanh of the cell.
    gates: Vec<T>,
    phi: Vec<T>,
}

impl<T: Real> Rows<T> {
    fn new() -> Self {
        let mut rng = StdRng::seed_from_u64(1);
        let mut random = |length: usize, scale: f64| -> Vec<T> {
            (0..length).map(|_| T::from_f64(scale * rng.random_range(-1.0..1.0))).collect()
        };
        let units = ROWS * HIDDEN;
        Self {
            active: vec![true; ROWS],
            preactivation: random(4 * units, 4.0),
            cell: random(units, 2.0),
            hidden: random(units, 0.0),
            influence: random(4 * units, 0.0),
            forget_gate: random(units, 0.0),
            dhidden_dcell: random(units, 0.0),
            gates: random(4 * units, 0.0),
            phi: random(units, 0.0),
        }
    }
    fn op(&mut self) -> LstmGates<'_, T> {
        LstmGates {
            nonlinearity: Nonlinearity::Tanh,
            active: &self.active,
            preactivation: &self.preactivation,
            cell: &mut self.cell,
            hidden: &mut self.hidden,
            influence: &mut self.influence,
            forget_gate: &mut self.forget_gate,
            dhidden_dcell: &mut self.dhidden_dcell,
        }
    }

    fn unfused(&mut self, level: Level) {
        let blocks = self.preactivation.chunks_exact(HIDDEN).zip(self.gates.chunks_exact_mut(HIDDEN));
        for (block, (input, output)) in blocks.enumerate() {
            match block % 4 {
                2 => level.run(Tanh { input, output }),
                _ => level.run(Sigmoid { input, output }),
            }
        }
        let one = T::ONE;
        for row in 0..ROWS {
            let gates = &self.gates[row * 4 * HIDDEN..][..4 * HIDDEN];
            let (i, f, g) = (&gates[..HIDDEN], &gates[HIDDEN..2 * HIDDEN], &gates[2 * HIDDEN..3 * HIDDEN]);
            let units = row * HIDDEN..(row + 1) * HIDDEN;
            let (cell, influence) = (&mut self.cell[units.clone()], &mut self.influence[row * 4 * HIDDEN..]);
            for j in 0..HIDDEN {
                influence[HIDDEN + j] = cell[j] * f[j] * (one - f[j]);
                cell[j] = f[j] * cell[j] + i[j] * g[j];
            }
            for j in 0..HIDDEN {
                influence[j] = g[j] * i[j] * (one - i[j]);
                influence[2 * HIDDEN + j] = i[j] * (one - g[j] * g[j]);
            }
            self.forget_gate[units].copy_from_slice(f);
        }
        level.run(Tanh { input: &self.cell, output: &mut self.phi });
        for row in 0..ROWS {
            let o = &self.gates[(row * 4 + 3) * HIDDEN..][..HIDDEN];
            for (j, &o) in o.iter().enumerate() {
                let (unit, phi) = (row * HIDDEN + j, self.phi[row * HIDDEN + j]);
                self.hidden[unit] = o * phi;
                self.influence[(row * 4 + 3) * HIDDEN + j] = phi * o * (one - o);
                self.dhidden_dcell[unit] = o * (one - phi * phi);
            }
        }
    }

    fn assert_agrees(&self, twin: &Self, what: &str) {
        let pairs = [
            (&self.cell, &twin.cell),
            (&self.hidden, &twin.hidden),
            (&self.influence, &twin.influence),
            (&self.forget_gate, &twin.forget_gate),
            (&self.dhidden_dcell, &twin.dhidden_dcell),
        ];
        for (found, expected) in pairs.into_iter().flat_map(|(a, b)| a.iter().zip(b)) {
            let difference = (found.to_f64() - expected.to_f64()).abs();
            assert!(difference <= 16.0 * T::EPSILON.to_f64(), "{what}: {found} instead of {expected}");
        }
    }
}

fn bench<T: Real>(criterion: &mut Criterion) {
    let start = Rows::<T>::new();
    let mut twin = start.clone();
    reference::lstm_gates(twin.op());
    let mut group = criterion.benchmark_group(format!("gates/{}/{ROWS}x{HIDDEN}", T::NAME));
    group.throughput(Throughput::Elements((ROWS * HIDDEN) as u64));
    let mut row = |name: &str, level: &str, step: &dyn Fn(&mut Rows<T>)| {
        let mut rows = start.clone();
        step(&mut rows);
        rows.assert_agrees(&twin, name);
        group.bench_function(BenchmarkId::new(name, level), |bencher| {
            bencher.iter(|| step(black_box(&mut rows)));
        });
    };
    row("reference", "scalar", &|rows| reference::lstm_gates(rows.op()));
    for level in Level::available() {
        row("unfused", level.name(), &|rows| rows.unfused(level));
        row("fused", level.name(), &|rows| level.run(rows.op()));
    }
    group.finish();
}

/// The activations of all rows by `rten-vecmath`, in place: their cost does not depend on the values.
fn rten(values: &mut [f32]) {
    for row in values.chunks_exact_mut(5 * HIDDEN) {
        let (sigmoids, tanhs) = row.split_at_mut(3 * HIDDEN);
        rten_vecmath::Sigmoid {}.map_mut(sigmoids);
        rten_vecmath::Tanh {}.map_mut(tanhs);
    }
}

/// Shortest times of both, in turns.
fn compare(mut a: impl FnMut(), mut b: impl FnMut()) -> [Duration; 2] {
    let mut best = [Duration::MAX; 2];
    for _ in 0..2000 {
        for (best, run) in best.iter_mut().zip([&mut a as &mut dyn FnMut(), &mut b]) {
            let start = Instant::now();
            run();
            run();
            *best = start.elapsed().min(*best);
        }
    }
    best
}

fn gates(criterion: &mut Criterion) {
    bench::<f32>(criterion);
    let mut rows = Rows::<f32>::new();
    let mut values = vec![0.5_f32; ROWS * 5 * HIDDEN];
    let mut group = criterion.benchmark_group(format!("gates/f32/{ROWS}x{HIDDEN}/activations"));
    group.throughput(Throughput::Elements((ROWS * HIDDEN) as u64));
    group.bench_function("rten_vecmath", |bencher| bencher.iter(|| rten(black_box(&mut values))));
    group.finish();
    bench::<f64>(criterion);
    for level in Level::available() {
        let [fused, activations] =
            compare(|| level.run(black_box(&mut rows).op()), || rten(black_box(&mut values)));
        let ratio = fused.as_secs_f64() / activations.as_secs_f64();
        println!("f32 fused gates at {level} / activations of rten-vecmath: {ratio:.3}");
    }
}

criterion_group!(benches, gates);
criterion_main!(benches);
