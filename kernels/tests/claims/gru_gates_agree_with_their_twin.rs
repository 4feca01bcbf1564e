//! Claim: the gates of the GRU agree with their scalar twins at every level, for every length and value, forward and back;
//! the step back is the transposed derivative of the twin's step.
//!
//! Tolerance: an activation adds 2 epsilon (1.5 ULP, and the twin's own) to what its argument is off by, no slope being larger
//! than 1; of the way back, each value is a product of at most 6 factors or roundings, an epsilon each. What is kept for the
//! next step is rounded to half a quantum, and the twin's; beside 5 epsilon of 1 that of the state is nothing.

use crate::common::case::{Case, Draw, Shape, cases, in_both_types, run};
use crate::common::derivative::{assert_derivative, derivative, moderate};
use crate::common::{assert_quantized, assert_silent, lengths, levels, smallest};
use eligibility_kernels::gru_gates::{GruGates, GruGatesBackward};
use eligibility_kernels::{Level, Real, reference};
use proptest::prelude::*;

/// Everything the two kernels read and write, and the units of a row.
type Gates<T> = Case<T, usize, 7>;

fn forward_shapes(units: usize) -> [Shape; 7] {
    [
        Shape::rows("input", 3, units),
        Shape::rows("recurrent", 3, units),
        Shape::stepped("state", 1, units),
        Shape::stepped("saved", 5, units),
        Shape::rows("hidden_gradient", 1, units),
        Shape::rows("input_gradient", 3, units),
        Shape::rows("recurrent_gradient", 3, units),
    ]
}

fn back_shapes(units: usize) -> [Shape; 7] {
    let [input, recurrent, ..] = forward_shapes(units);
    [
        input,
        recurrent,
        Shape::rows("state", 1, units),
        Shape::rows("saved", 5, units),
        Shape::cleared("hidden_gradient", 1, units),
        Shape::cleared("input_gradient", 3, units),
        Shape::cleared("recurrent_gradient", 3, units),
    ]
}

fn all_gates<T: Real>(draw: Draw<T>) -> impl Strategy<Value = Gates<T>> {
    lengths().prop_flat_map(move |units| cases(units, forward_shapes(units), draw))
}

fn forward<T: Real>(gates: &mut Gates<T>, level: Option<Level>) {
    let (units, active) = (gates.form, &gates.active);
    let [input, recurrent, state, saved, ..] = &mut gates.slices;
    run!(level, reference::gru_gates, GruGates { units, active, input, recurrent, state, saved });
}

fn back<T: Real>(gates: &mut Gates<T>, level: Option<Level>) {
    let (units, active) = (gates.form, &gates.active);
    let [.., saved, hidden_gradient, input_gradient, recurrent_gradient] = &mut gates.slices;
    let op = GruGatesBackward { units, active, saved, hidden_gradient, input_gradient, recurrent_gradient };
    run!(level, reference::gru_gates_backward, op);
}

fn forward_agrees<T: Real>(before: &Gates<T>, level: Level) {
    let (outcome, units, epsilon) = (before.outcome(forward, level), before.form, T::EPSILON.to_f64());
    for place in 0..before["state"].len() {
        let (row, j) = (place / units, place % units);
        let magnitudes =
            |name: &str| [0, 1, 2].map(|gate| before[name][(3 * row + gate) * units + j].to_f64().abs());
        let (x, h) = (magnitudes("input"), magnitudes("recurrent"));
        let state = before["state"][place].to_f64().abs();
        let [r, z] = [0, 1].map(|gate| epsilon * (2.0 + x[gate] + h[gate]));
        let n = 2.0 * epsilon * (1.0 + x[2] + h[2]) + r * h[2];
        let next = n + (1.0 + state) * (z + 3.0 * epsilon);
        let check = |name: &str, index: usize, allowed: f64| {
            outcome.check(name, index, allowed + 4.0 * smallest::<T>());
        };
        let index = 5 * row * units + j;
        check("saved", index, r);
        let [found, expected] = [&outcome.found, &outcome.expected].map(|gates| gates["saved"][index]);
        if h[2].is_infinite() && (found == T::ZERO) != (expected == T::ZERO) {
            continue; // An infinite h_n asks whether r is exactly 0, which one rounding decides.
        }
        check("state", place, next);
        if before.active[row] {
            assert_quantized("state", place, outcome.found["state"][place]);
        }
        for (slot, allowed) in [r, z, n, 0.0, 0.0].into_iter().enumerate() {
            check("saved", (5 * row + slot) * units + j, allowed);
        }
    }
}

/// `before` holds what a forward step saved.
fn back_agrees<T: Real>(before: &Gates<T>, level: Level) {
    let (outcome, units) = (before.outcome(back, level), before.form);
    for place in 0..before["state"].len() {
        let (row, j) = (place / units, place % units);
        let saved = |slot: usize| before["saved"][(5 * row + slot) * units + j].to_f64().abs();
        let dh = before["hidden_gradient"][place].to_f64().abs();
        let check = |name: &str, index: usize, factor: f64| {
            // A subnormal product is a whole number of the smallest, and what it is multiplied by magnifies that.
            let subnormal = 4.0 * smallest::<T>() * (1.0 + dh) * (1.0 + factor);
            outcome.check(name, index, 6.0 * T::EPSILON.to_f64() * dh * factor + subnormal);
        };
        let (quantum, subnormal) = (1.001 * T::TRACE_QUANTUM.to_f64(), 8.0 * smallest::<T>() * (1.0 + dh));
        outcome.check("hidden_gradient", place, 6.0 * T::EPSILON.to_f64() * dh + subnormal + quantum);
        if before.active[row] {
            assert_quantized("hidden_gradient", place, outcome.found["hidden_gradient"][place]);
        }
        for (gate, factor) in [saved(3), saved(4) + saved(2), 1.0].into_iter().enumerate() {
            let index = (3 * row + gate) * units + j;
            check("input_gradient", index, factor);
            check("recurrent_gradient", index, factor);
        }
    }
}

fn agrees<T: Real>(gates: &Gates<T>, level: Level) {
    forward_agrees(gates, level);
    back_agrees(&gates.after(forward, None).reshaped(back_shapes(gates.form)), level);
}

in_both_types!(all_gates, agrees);

proptest! {
    // Each case is thousands of steps of the twin.
    #![proptest_config(ProptestConfig::with_cases(100))]

    #[test]
    fn the_step_back_is_the_transposed_derivative(gates in all_gates(|length| moderate(length).boxed())) {
        let level = Some(Level::detect());
        let (units, found) = (gates.form, gates.after(forward, level).after(back, level));
        for place in (0..gates["state"].len()).filter(|place| gates.active[place / units]) {
            let by = |name: &str, at: usize| {
                gates["hidden_gradient"][place] * derivative(|step| {
                    let mut changed = gates.clone();
                    changed[name][at] += step;
                    changed.after(forward, None)["state"][place]
                })
            };
            let checks = [0, 1, 2].map(|gate| (3 * (place / units) + gate) * units + place % units);
            assert_derivative("hidden_gradient", place, found["hidden_gradient"][place], by("state", place));
            for at in checks {
                assert_derivative("input_gradient", at, found["input_gradient"][at], by("input", at));
                assert_derivative("recurrent_gradient", at, found["recurrent_gradient"][at], by("recurrent", at));
            }
        }
    }
}

#[test]
fn a_reset_gate_of_almost_zero_meets_an_infinite_candidate() {
    let mut gates = Gates::<f32>::ones(1, forward_shapes(1), 1);
    gates["input"][0] = -110.0;
    gates["recurrent"][0] = 6.192_228_3;
    gates["recurrent"][2] = f32::INFINITY;
    for level in levels() {
        agrees(&gates, level);
    }
}

/// With z = 0.75 no more than 1 / (2 - 1.5) quanta are left.
#[test]
fn a_silent_state_and_its_gradient_end_within_two_quanta_and_not_on_a_subnormal() {
    for level in levels() {
        let mut gates = Gates::<f32>::ones(19, forward_shapes(19), 1);
        gates["input"].fill(0.0);
        gates["recurrent"].fill(0.0);
        gates["input"][19..38].fill(3.0_f32.ln());
        (0..400).for_each(|_| forward(&mut gates, Some(level)));
        assert_silent("state", &gates["state"], f32::TRACE_QUANTUM, 2.0);

        let mut gates = Gates::<f32>::ones(19, back_shapes(19), 1);
        gates["saved"][19..38].fill(0.75);
        (0..400).for_each(|_| back(&mut gates, Some(level)));
        assert_silent("hidden_gradient", &gates["hidden_gradient"], f32::TRACE_QUANTUM, 2.0);
    }
}

#[test]
fn wrong_lengths_are_named() {
    let gates = Gates::<f32>::ones(3, forward_shapes(3), 2);
    gates.assert_lengths_are_named(forward, &["hidden_gradient", "input_gradient", "recurrent_gradient"]);
    gates.assert_lengths_are_named(back, &["input", "recurrent", "state"]);
}
