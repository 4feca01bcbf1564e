//! Claim: the step of pair cells agrees with its scalar twin at every level, for every length and value; its local factors
//! are the derivatives of the twin's step; a scaled rotation acts on both components alike.
//!
//! Tolerance, with T the sum of the magnitudes of p's three terms: p is off by 3 epsilon T at most (three products and two
//! sums, half an epsilon each, and as much again for good measure where nothing is fused). phi passes that on undiminished;
//! its slope too, and adds 4 epsilon of its own. Relu's slope may jump by 1 where p is within its error of 0.

use crate::common::derivative::{assert_derivative, derivative, moderate};
use crate::common::{assert_agrees, assert_same_bits, config, lengths, levels, smallest, values};
use eligibility_kernels::activation::Nonlinearity;
use eligibility_kernels::pair_cell::{PairCell, PairParameters};
use eligibility_kernels::{Level, Real, reference};
use proptest::prelude::*;
use proptest::sample::select;

/// Everything the kernel reads and writes.
#[derive(Clone, Debug)]
struct Cells<T> {
    phi: Nonlinearity,
    units: usize,
    active: Vec<bool>,
    decay: Vec<T>,
    gain: Vec<T>,
    entries: bool,
    kappa: Vec<T>,
    rho: Vec<T>,
    projection: Vec<T>,
    state: Vec<T>,
    decay_out: Vec<T>,
    influence: Vec<T>,
    immediate: Vec<T>,
}

impl<T: Real> Cells<T> {
    fn op(&mut self) -> PairCell<'_, T> {
        let complex = PairParameters::Complex { kappa: &self.kappa, rho: &self.rho };
        PairCell {
            nonlinearity: self.phi,
            units: self.units,
            active: &self.active,
            decay: &self.decay,
            gain: &self.gain,
            parameters: if self.entries { PairParameters::Entries } else { complex },
            projection: &self.projection,
            state: &mut self.state,
            decay_out: &mut self.decay_out,
            influence: &mut self.influence,
            immediate: &mut self.immediate,
        }
    }
    fn ran(&self, level: Option<Level>) -> Self {
        let mut after = self.clone();
        match level {
            Some(level) => level.run(after.op()),
            None => reference::pair_cell(after.op()),
        }
        after
    }
    fn parameters(&self) -> usize {
        if self.entries { 4 } else { self.rho.len().checked_div(self.units).unwrap_or(0) }
    }
    fn outputs(&self) -> [(&'static str, &Vec<T>); 4] {
        [
            ("state", &self.state),
            ("decay_out", &self.decay_out),
            ("influence", &self.influence),
            ("immediate", &self.immediate),
        ]
    }
    /// Reverses the units of every plane.
    fn turned(&self) -> Self {
        let turn = |values: &Vec<T>| -> Vec<T> {
            values.chunks(self.units.max(1)).flat_map(|plane| plane.iter().rev().copied()).collect()
        };
        Self {
            decay: turn(&self.decay),
            gain: turn(&self.gain),
            kappa: turn(&self.kappa),
            rho: turn(&self.rho),
            projection: turn(&self.projection),
            state: turn(&self.state),
            decay_out: turn(&self.decay_out),
            influence: turn(&self.influence),
            immediate: turn(&self.immediate),
            ..self.clone()
        }
    }
}

fn cells<T: Real, S: Strategy<Value = Vec<T>>>(values: fn(usize) -> S) -> impl Strategy<Value = Cells<T>> {
    let phi = select(vec![Nonlinearity::Identity, Nonlinearity::Relu, Nonlinearity::Tanh]);
    (phi, 1..3_usize, lengths(), 0..4_usize, any::<bool>()).prop_flat_map(
        move |(phi, rows, units, complex, entries)| {
            let plane = rows * units;
            let parameters = if entries { 4 } else { complex };
            let slopes = if phi == Nonlinearity::Identity { 0 } else { plane };
            let constants =
                (values(4 * units), values(units), values(2 * complex * units), values(complex * units));
            let out = (values(4 * slopes), values(2 * slopes), values(2 * parameters * plane));
            let active = prop::collection::vec(prop::bool::weighted(0.8), rows);
            (active, constants, values(2 * plane), values(2 * plane), out).prop_map(
                move |(active, (decay, gain, kappa, rho), projection, state, out)| {
                    let (decay_out, influence, immediate) = out;
                    Cells {
                        phi,
                        units,
                        active,
                        decay,
                        gain,
                        entries,
                        kappa,
                        rho,
                        projection,
                        state,
                        decay_out,
                        influence,
                        immediate,
                    }
                },
            )
        },
    )
}

fn agrees<T: Real>(before: &Cells<T>, level: Level) {
    let (found, expected) = (before.ran(Some(level)), before.ran(None));
    let (units, parameters, epsilon) = (before.units, before.parameters(), T::EPSILON.to_f64());
    let product = |a: T, b: T| (a.to_f64() * b.to_f64()).abs();
    for place in 0..before.active.len() * units {
        let (row, j) = (place / units, place % units);
        let at = |planes: usize, plane: usize| (planes * row + plane) * units + j;
        let (h, x) = (|k: usize| before.state[at(2, k)], |k: usize| before.projection[at(2, k)]);
        let check = |what: &str, index: usize, tolerance: f64| {
            let of = |cells: &Cells<T>| {
                cells.outputs().into_iter().find(|(name, _)| *name == what).unwrap().1[index]
            };
            let tolerance = (tolerance + 4.0 * smallest::<T>()).min(f64::MAX);
            assert_agrees(what, index, of(&found), of(&expected), tolerance);
        };
        for k in 0..2 {
            let a = |l: usize| before.decay[(2 * k + l) * units + j];
            let gain = before.gain[j];
            let terms = product(a(0), h(0)) + product(a(1), h(1)) + product(gain, x(k));
            let p_error = 3.0 * epsilon * terms + 4.0 * smallest::<T>();
            check("state", at(2, k), p_error + 1.5 * epsilon);
            let p =
                a(0).to_f64() * h(0).to_f64() + a(1).to_f64() * h(1).to_f64() + gain.to_f64() * x(k).to_f64();
            let slope_error = match before.phi {
                Nonlinearity::Identity => 0.0,
                Nonlinearity::Relu => f64::from(u8::from(p.abs() <= p_error)),
                Nonlinearity::Tanh => p_error + 4.0 * epsilon,
            };
            if before.phi != Nonlinearity::Identity {
                for l in 0..2 {
                    check("decay_out", at(4, 2 * k + l), (slope_error + epsilon) * a(l).to_f64().abs());
                }
                check("influence", at(2, k), (slope_error + epsilon) * gain.to_f64().abs());
            }
            for q in 0..parameters {
                let terms = if before.entries {
                    h(q % 2).to_f64().abs()
                } else {
                    let kappa = |part: usize| before.kappa[(2 * q + part) * units + j];
                    product(kappa(0), h(k))
                        + product(kappa(1), h(1 - k))
                        + product(before.rho[q * units + j], x(k))
                };
                check("immediate", at(2 * parameters, 2 * q + k), (slope_error + 4.0 * epsilon) * terms);
            }
        }
    }
    for (row, _) in before.active.iter().enumerate().filter(|(_, active)| !**active) {
        for ((what, found), (_, before_it)) in found.outputs().into_iter().zip(before.outputs()) {
            let per_row = found.len() / before.active.len();
            let range = row * per_row..(row + 1) * per_row;
            assert_same_bits(what, &found[range.clone()], &before_it[range]);
        }
    }
    let turned = before.turned().ran(Some(level)).turned();
    for ((what, turned), (_, straight)) in turned.outputs().into_iter().zip(found.outputs()) {
        assert_same_bits(what, turned, straight);
    }
}

/// The local factors of the kernel are the derivatives of the twin's state.
fn factors_are_derivatives(cells: &Cells<f64>) {
    let (units, parameters) = (cells.units, cells.parameters());
    let found = cells.ran(Some(Level::detect()));
    for place in (0..cells.active.len() * units).filter(|place| cells.active[place / units]) {
        let (row, j) = (place / units, place % units);
        let at = |planes: usize, plane: usize| (planes * row + plane) * units + j;
        for k in 0..2 {
            let by = |change: &dyn Fn(&mut Cells<f64>, f64)| {
                derivative(|step| {
                    let mut changed = cells.clone();
                    change(&mut changed, step);
                    changed.ran(None).state[at(2, k)]
                })
            };
            let p = cells.decay[2 * k * units + j] * cells.state[at(2, 0)]
                + cells.decay[(2 * k + 1) * units + j] * cells.state[at(2, 1)]
                + cells.gain[j] * cells.projection[at(2, k)];
            if cells.phi == Nonlinearity::Relu && p.abs() < 0.02 {
                continue; // the kink
            }
            let constant = cells.phi == Nonlinearity::Identity;
            for l in 0..2 {
                let entry = (2 * k + l) * units + j;
                let decay = if constant { cells.decay[entry] } else { found.decay_out[at(4, 2 * k + l)] };
                let expected = by(&|cells, step| cells.state[at(2, l)] += step);
                assert_derivative("decay", at(4, 2 * k + l), decay, expected);
            }
            let influence = if constant { cells.gain[j] } else { found.influence[at(2, k)] };
            let expected = by(&|cells, step| cells.projection[at(2, k)] += step);
            assert_derivative("influence", at(2, k), influence, expected);
            for q in 0..parameters {
                let expected = by(&|cells, step| {
                    if cells.entries {
                        cells.decay[q * units + j] += step;
                        return;
                    }
                    let [kr, ki] = [0, 1].map(|part| cells.kappa[(2 * q + part) * units + j]);
                    for (entry, rate) in [kr, -ki, ki, kr].into_iter().enumerate() {
                        cells.decay[entry * units + j] += step * rate;
                    }
                    cells.gain[j] += step * cells.rho[q * units + j];
                });
                let index = at(2 * parameters, 2 * q + k);
                assert_derivative("immediate", index, found.immediate[index], expected);
            }
        }
    }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn in_f32(cells in cells(values::<f32>)) {
        for level in levels() {
            agrees(&cells, level);
        }
    }

    #[test]
    fn in_f64(cells in cells(values::<f64>)) {
        for level in levels() {
            agrees(&cells, level);
        }
    }
}

proptest! {
    // Each case is thousands of steps of the twin.
    #![proptest_config(ProptestConfig::with_cases(100))]

    #[test]
    fn local_factors_are_derivatives(cells in cells(moderate)) {
        factors_are_derivatives(&cells);
    }
}

/// Multiplied by i, state and projection of a linear cell give the next state multiplied by i: to the bit, because both
/// components are summed in one order.
#[test]
fn a_rotation_acts_on_both_components_alike() {
    for level in levels() {
        let run = |state: [f32; 2], projection: [f32; 2]| {
            let mut state = state;
            level.run(PairCell {
                nonlinearity: Nonlinearity::Identity,
                units: 1,
                active: &[true],
                decay: &[0.71, -0.33, 0.33, 0.71],
                gain: &[0.62],
                parameters: PairParameters::Complex { kappa: &[], rho: &[] },
                projection: &projection,
                state: &mut state,
                decay_out: &mut [],
                influence: &mut [],
                immediate: &mut [],
            });
            state
        };
        let ([h_1, h_2], [turned_1, turned_2]) = (run([0.3, 0.7], [1.1, -0.9]), run([-0.7, 0.3], [0.9, 1.1]));
        assert_eq!([turned_1, turned_2], [-h_2, h_1], "{level}");
    }
}

#[test]
#[should_panic(expected = "influence has 2 elements where 1 rows of 1 units ask for 0")]
fn factors_of_a_linear_cell_are_not_written() {
    Level::detect().run(PairCell {
        nonlinearity: Nonlinearity::Identity,
        units: 1,
        active: &[true],
        decay: &[0.0_f32; 4],
        gain: &[0.0],
        parameters: PairParameters::Entries,
        projection: &[0.0; 2],
        state: &mut [0.0; 2],
        decay_out: &mut [],
        influence: &mut [0.0; 2],
        immediate: &mut [0.0; 8],
    });
}
