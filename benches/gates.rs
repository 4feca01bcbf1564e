//! The fused gates beside their scalar twin and an unfused composition, at every level.
//!
//! Unfused: what a framework does without a fused kernel: an activation per slice, then a pass per equation. Every row
//! is checked against the twin before it is timed. `cargo bench --bench gates`

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use eligibility::kernels::activation::{Sigmoid, Tanh};
use eligibility::kernels::lstm_gates::{LstmGates, OutputNonlinearity};
use eligibility::kernels::{Level, Real, reference};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

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
            output_nonlinearity: OutputNonlinearity::Tanh,
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

fn gates(criterion: &mut Criterion) {
    bench::<f32>(criterion);
    bench::<f64>(criterion);
}

criterion_group!(benches, gates);
criterion_main!(benches);
