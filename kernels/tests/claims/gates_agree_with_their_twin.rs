//! Claim: the gate kernels agree with their scalar twins at every level, for every length and value; rows that are not active
//! keep their values forward, have no gradient back, and reach nothing.
//!
//! Tolerance: 4 epsilon of the magnitudes that were added or multiplied, and 4 times the smallest subnormal. The activations
//! take 1.5 ULP = 1.5 epsilon at most, and a slope such as i (1 - i) passes that error on undiminished. Relu's slope may jump
//! by 1 where the cell is within its error of 0. What is kept for the next step is rounded to half a quantum, and the twin's;
//! beside 4 epsilon of 1 that of the cell is nothing.

use crate::common::case::{Case, Draw, Shape, cases, in_both_types, run};
use crate::common::{assert_quantized, assert_silent, lengths, levels, smallest};
use eligibility_kernels::activation::Nonlinearity;
use eligibility_kernels::lstm_gates::{LstmGates, LstmGatesBackward};
use eligibility_kernels::{Level, Real, reference};
use proptest::prelude::*;
use proptest::sample::select;

const TOLERANCE: f64 = 4.0;

#[derive(Clone, Copy, Debug)]
struct Form {
    units: usize,
    phi: Nonlinearity,
}

impl Form {
    fn forward(self) -> [Shape; 6] {
        [
            Shape::rows("preactivation", 4, self.units),
            Shape::stepped("cell", 1, self.units),
            Shape::stepped("hidden", 1, self.units),
            Shape::stepped("influence", 4, self.units),
            Shape::stepped("forget_gate", 1, self.units),
            Shape::stepped("dhidden_dcell", 1, self.units),
        ]
    }
    fn back(self) -> [Shape; 5] {
        [
            Shape::rows("hidden_gradient", 1, self.units),
            Shape::rows("forget_gate", 1, self.units),
            Shape::rows("dhidden_dcell", 1, self.units),
            Shape::cleared("cell_gradient", 1, self.units),
            Shape::cleared("influence", 4, self.units),
        ]
    }
}

fn forms() -> impl Strategy<Value = Form> {
    let phi = select(vec![Nonlinearity::Identity, Nonlinearity::Relu, Nonlinearity::Tanh]);
    (lengths(), phi).prop_map(|(units, phi)| Form { units, phi })
}

fn forward<T: Real>(case: &mut Case<T, Form, 6>, level: Option<Level>) {
    let (nonlinearity, active) = (case.form.phi, &case.active);
    let [preactivation, cell, hidden, influence, forget_gate, dhidden_dcell] = &mut case.slices;
    let op = LstmGates {
        nonlinearity,
        active,
        preactivation,
        cell,
        hidden,
        influence,
        forget_gate,
        dhidden_dcell,
    };
    run!(level, reference::lstm_gates, op);
}

fn back<T: Real>(case: &mut Case<T, Form, 5>, level: Option<Level>) {
    let active = &case.active;
    let [hidden_gradient, forget_gate, dhidden_dcell, cell_gradient, influence] = &mut case.slices;
    let op =
        LstmGatesBackward { active, hidden_gradient, forget_gate, dhidden_dcell, cell_gradient, influence };
    run!(level, reference::lstm_gates_backward, op);
}

fn forward_agrees<T: Real>(before: &Case<T, Form, 6>, level: Level) {
    let (outcome, units) = (before.outcome(forward, level), before.form.units);
    for j in 0..before["cell"].len() {
        // The magnitudes that meet in unit j: 1 and the cell before.
        let cell = before["cell"][j].to_f64().abs();
        let allowed = TOLERANCE * T::EPSILON.to_f64() * (1.0 + if cell.is_finite() { cell } else { 0.0 });
        for name in ["cell", "hidden", "forget_gate"] {
            outcome.check(name, j, allowed);
        }
        if before.active[j / units] {
            assert_quantized("cell", j, outcome.found["cell"][j]);
        }
        let near_zero = outcome.expected["cell"][j].to_f64().abs() <= allowed;
        let kink = f64::from(u8::from(before.form.phi == Nonlinearity::Relu && near_zero));
        outcome.check("dhidden_dcell", j, allowed + kink);
        for gate in 0..4 {
            outcome.check("influence", (4 * (j / units) + gate) * units + j % units, allowed);
        }
    }
}

fn back_agrees<T: Real>(before: &Case<T, Form, 5>, level: Level) {
    let (outcome, units) = (before.outcome(back, level), before.form.units);
    for j in 0..before["cell_gradient"].len() {
        let [dh, slope, dc] =
            ["hidden_gradient", "dhidden_dcell", "cell_gradient"].map(|name| before[name][j]);
        let term = (dh.to_f64() * slope.to_f64()).abs();
        let dc = dc.to_f64().abs() + term + dh.to_f64().abs();
        // Where dE/dc is subnormal it is rounded to a whole number of the smallest, and the factor multiplies that.
        let rounded = TOLERANCE * (T::EPSILON.to_f64() * dc + smallest::<T>());
        let limit = |factor: T| rounded * (1.0 + factor.to_f64().abs());
        let quantum = 1.001 * T::TRACE_QUANTUM.to_f64();
        outcome.check("cell_gradient", j, limit(before["forget_gate"][j]) + quantum);
        if before.active[j / units] {
            assert_quantized("cell_gradient", j, outcome.found["cell_gradient"][j]);
        }
        for gate in 0..4 {
            let index = (4 * (j / units) + gate) * units + j % units;
            outcome.check("influence", index, limit(before["influence"][index]));
        }
    }
}

mod forward_in_time {
    use super::*;

    fn all<T: Real>(draw: Draw<T>) -> impl Strategy<Value = Case<T, Form, 6>> {
        forms().prop_flat_map(move |form| cases(form, form.forward(), draw))
    }
    in_both_types!(all, forward_agrees);
}

mod backward_in_time {
    use super::*;

    fn all<T: Real>(draw: Draw<T>) -> impl Strategy<Value = Case<T, Form, 5>> {
        forms().prop_flat_map(move |form| cases(form, form.back(), draw))
    }
    in_both_types!(all, back_agrees);
}

/// Where dE/dc is a few times the smallest number, its rounding shows behind a large factor.
#[test]
fn a_subnormal_gradient_meets_a_large_factor() {
    let form = Form { units: 1, phi: Nonlinearity::Tanh };
    let mut case = Case::<f32, _, 5>::ones(form, form.back(), 1);
    case["hidden_gradient"][0] = 4e-45;
    case["cell_gradient"][0] = 4e-45;
    case["dhidden_dcell"][0] = -1.601_397_3;
    case["influence"][2] = 1e15;
    for level in levels() {
        back_agrees(&case, level);
    }
}

/// With a forget gate of 0.75 no more than 1 / (2 - 1.5) quanta are left.
#[test]
fn a_silent_cell_and_its_gradient_end_within_two_quanta_and_not_on_a_subnormal() {
    let form = Form { units: 19, phi: Nonlinearity::Tanh };
    for level in levels() {
        let mut case = Case::<f32, _, 6>::ones(form, form.forward(), 1);
        case["preactivation"].fill(0.0);
        case["preactivation"][19..38].fill(3.0_f32.ln());
        (0..400).for_each(|_| forward(&mut case, Some(level)));
        assert_silent("cell", &case["cell"], f32::TRACE_QUANTUM, 2.0);

        let mut case = Case::<f32, _, 5>::ones(form, form.back(), 1);
        case["hidden_gradient"].fill(0.0);
        case["forget_gate"].fill(0.75);
        (0..400).for_each(|_| back(&mut case, Some(level)));
        assert_silent("cell_gradient", &case["cell_gradient"], f32::TRACE_QUANTUM, 2.0);
    }
}

#[test]
fn wrong_lengths_are_named() {
    let form = Form { units: 3, phi: Nonlinearity::Tanh };
    Case::<f32, _, 6>::ones(form, form.forward(), 2).assert_lengths_are_named(forward, &[]);
    Case::<f32, _, 5>::ones(form, form.back(), 2).assert_lengths_are_named(back, &[]);
}
