//! Claim: the step of pair cells agrees with its scalar twin at every level, for every length and value; its local factors
//! are the derivatives of the twin's step; a scaled rotation acts on both components alike.
//!
//! Tolerance, with T the sum of the magnitudes of p's three terms: p is off by 3 epsilon T at most (three products and two
//! sums, half an epsilon each, and as much again for good measure where nothing is fused). phi passes that on undiminished;
//! its slope too, and adds 4 epsilon of its own. Relu's slope may jump by 1 where p is within its error of 0. Three sums
//! on the way to p are rounded to half a quantum, and the twin's.

use crate::common::case::{Case, Draw, Shape, cases, in_both_types, run};
use crate::common::derivative::{assert_derivative, derivative, moderate};
use crate::common::{assert_quantized, assert_silent, lengths, levels, smallest};
use eligibility_kernels::activation::Nonlinearity;
use eligibility_kernels::pair_cell::{PairCell, PairParameters};
use eligibility_kernels::{Level, Real, reference};
use proptest::prelude::*;
use proptest::sample::select;

#[derive(Clone, Copy, Debug)]
struct Form {
    phi: Nonlinearity,
    units: usize,
    /// Differentiated by the entries, or else by so many parameters.
    entries: bool,
    complex: usize,
}

/// Everything the kernel reads and writes.
type Cells<T> = Case<T, Form, 9>;

impl Form {
    fn parameters(self) -> usize {
        if self.entries { 4 } else { self.complex }
    }
    fn shapes(self) -> [Shape; 9] {
        let slopes = if self.phi == Nonlinearity::Identity { 0 } else { self.units };
        [
            Shape::shared("decay", 4, self.units),
            Shape::shared("gain", 1, self.units),
            Shape::shared("kappa", 2 * self.complex, self.units),
            Shape::shared("rho", self.complex, self.units),
            Shape::rows("projection", 2, self.units),
            Shape::stepped("state", 2, self.units),
            Shape::stepped("decay_out", 4, slopes),
            Shape::stepped("influence", 2, slopes),
            Shape::stepped("immediate", 2 * self.parameters(), self.units),
        ]
    }
}

fn all_cells<T: Real>(draw: Draw<T>) -> impl Strategy<Value = Cells<T>> {
    let phi = select(vec![Nonlinearity::Identity, Nonlinearity::Relu, Nonlinearity::Tanh]);
    let forms = (phi, lengths(), any::<bool>(), 0..4_usize);
    let forms = forms.prop_map(|(phi, units, entries, complex)| Form { phi, units, entries, complex });
    forms.prop_flat_map(move |form| cases(form, form.shapes(), draw))
}

fn step<T: Real>(cells: &mut Cells<T>, level: Option<Level>) {
    let (Form { phi, units, entries, .. }, active) = (cells.form, &cells.active);
    let [decay, gain, kappa, rho, projection, state, decay_out, influence, immediate] = &mut cells.slices;
    let complex = PairParameters::Complex { kappa, rho };
    let op = PairCell {
        nonlinearity: phi,
        units,
        active,
        decay,
        gain,
        parameters: if entries { PairParameters::Entries } else { complex },
        projection,
        state,
        decay_out,
        influence,
        immediate,
    };
    run!(level, reference::pair_cell, op);
}

fn agrees<T: Real>(before: &Cells<T>, level: Level) {
    let (outcome, epsilon) = (before.outcome(step, level), T::EPSILON.to_f64());
    let (units, parameters) = (before.form.units, before.form.parameters());
    let product = |a: T, b: T| (a.to_f64() * b.to_f64()).abs();
    for place in 0..before.active.len() * units {
        let (row, j) = (place / units, place % units);
        let at = |planes: usize, plane: usize| (planes * row + plane) * units + j;
        let (h, x) = (|k: usize| before["state"][at(2, k)], |k: usize| before["projection"][at(2, k)]);
        let check = |name: &str, index: usize, allowed: f64| {
            outcome.check(name, index, allowed + 4.0 * smallest::<T>());
        };
        for k in 0..2 {
            let a = |l: usize| before["decay"][(2 * k + l) * units + j];
            let gain = before["gain"][j];
            let terms = product(a(0), h(0)) + product(a(1), h(1)) + product(gain, x(k));
            let p_error = 3.0 * epsilon * terms + 4.0 * smallest::<T>() + 2.001 * T::TRACE_QUANTUM.to_f64();
            check("state", at(2, k), p_error + 1.5 * epsilon);
            if before.active[row] && before.form.phi != Nonlinearity::Tanh {
                assert_quantized("state", at(2, k), outcome.found["state"][at(2, k)]);
            }
            let p =
                a(0).to_f64() * h(0).to_f64() + a(1).to_f64() * h(1).to_f64() + gain.to_f64() * x(k).to_f64();
            let slope_error = match before.form.phi {
                Nonlinearity::Identity => 0.0,
                Nonlinearity::Relu => f64::from(u8::from(p.abs() <= p_error)),
                Nonlinearity::Tanh => p_error + 4.0 * epsilon,
            };
            if before.form.phi != Nonlinearity::Identity {
                for l in 0..2 {
                    check("decay_out", at(4, 2 * k + l), (slope_error + epsilon) * a(l).to_f64().abs());
                }
                check("influence", at(2, k), (slope_error + epsilon) * gain.to_f64().abs());
            }
            for q in 0..parameters {
                let terms = if before.form.entries {
                    h(q % 2).to_f64().abs()
                } else {
                    let kappa = |part: usize| before["kappa"][(2 * q + part) * units + j];
                    product(kappa(0), h(k))
                        + product(kappa(1), h(1 - k))
                        + product(before["rho"][q * units + j], x(k))
                };
                check("immediate", at(2 * parameters, 2 * q + k), (slope_error + 4.0 * epsilon) * terms);
            }
        }
    }
}

/// The local factors of the kernel are the derivatives of the twin's state.
fn factors_are_derivatives(cells: &Cells<f64>) {
    let (units, parameters) = (cells.form.units, cells.form.parameters());
    let found = cells.after(step, Some(Level::detect()));
    for place in (0..cells.active.len() * units).filter(|place| cells.active[place / units]) {
        let (row, j) = (place / units, place % units);
        let at = |planes: usize, plane: usize| (planes * row + plane) * units + j;
        for k in 0..2 {
            let by = |change: &dyn Fn(&mut Cells<f64>, f64)| {
                derivative(|by| {
                    let mut changed = cells.clone();
                    change(&mut changed, by);
                    changed.after(step, None)["state"][at(2, k)]
                })
            };
            let p = cells["decay"][2 * k * units + j] * cells["state"][at(2, 0)]
                + cells["decay"][(2 * k + 1) * units + j] * cells["state"][at(2, 1)]
                + cells["gain"][j] * cells["projection"][at(2, k)];
            if cells.form.phi == Nonlinearity::Relu && p.abs() < 0.02 {
                continue; // the kink
            }
            let constant = cells.form.phi == Nonlinearity::Identity;
            for l in 0..2 {
                let entry = (2 * k + l) * units + j;
                let decay =
                    if constant { cells["decay"][entry] } else { found["decay_out"][at(4, 2 * k + l)] };
                let expected = by(&|cells, step| cells["state"][at(2, l)] += step);
                assert_derivative("decay", at(4, 2 * k + l), decay, expected);
            }
            let influence = if constant { cells["gain"][j] } else { found["influence"][at(2, k)] };
            let expected = by(&|cells, step| cells["projection"][at(2, k)] += step);
            assert_derivative("influence", at(2, k), influence, expected);
            for q in 0..parameters {
                let expected = by(&|cells, step| {
                    if cells.form.entries {
                        cells["decay"][q * units + j] += step;
                        return;
                    }
                    let [kr, ki] = [0, 1].map(|part| cells["kappa"][(2 * q + part) * units + j]);
                    for (entry, rate) in [kr, -ki, ki, kr].into_iter().enumerate() {
                        cells["decay"][entry * units + j] += step * rate;
                    }
                    cells["gain"][j] += step * cells["rho"][q * units + j];
                });
                let index = at(2 * parameters, 2 * q + k);
                assert_derivative("immediate", index, found["immediate"][index], expected);
            }
        }
    }
}

in_both_types!(all_cells, agrees);

proptest! {
    // Each case is thousands of steps of the twin.
    #![proptest_config(ProptestConfig::with_cases(100))]

    #[test]
    fn local_factors_are_derivatives(cells in all_cells(|length| moderate(length).boxed())) {
        factors_are_derivatives(&cells);
    }
}

/// Multiplied by i, state and projection of a linear cell give the next state multiplied by i: to the bit, because both
/// components are summed in one order, and because none of these sums is small or half-way between two values.
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

/// Scaled by 0.6 + 0.15 in each component at most, no more than 1 / (2 - 1.5) quanta are left.
#[test]
fn a_silent_state_ends_within_two_quanta_and_not_on_a_subnormal() {
    for phi in [Nonlinearity::Identity, Nonlinearity::Relu, Nonlinearity::Tanh] {
        let form = Form { phi, units: 19, entries: false, complex: 1 };
        for level in levels() {
            let mut cells = Cells::<f32>::ones(form, form.shapes(), 1);
            cells["projection"].fill(0.0);
            for (entry, value) in [0.6, -0.15, 0.15, 0.6].into_iter().enumerate() {
                cells["decay"][entry * 19..(entry + 1) * 19].fill(value);
            }
            (0..400).for_each(|_| step(&mut cells, Some(level)));
            assert_silent("state", &cells["state"], f32::TRACE_QUANTUM, 2.0);
        }
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

#[test]
fn wrong_lengths_are_named() {
    let case = |entries| {
        let form = Form { phi: Nonlinearity::Tanh, units: 3, entries, complex: 1 };
        Cells::<f32>::ones(form, form.shapes(), 2)
    };
    case(false).assert_lengths_are_named(step, &[]);
    case(true).assert_lengths_are_named(step, &["kappa", "rho"]);
}
