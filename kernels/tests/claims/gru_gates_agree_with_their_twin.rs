//! Claim: the gates of the GRU agree with their scalar twins at every level, for every length and value, forward and back;
//! the step back is the transposed derivative of the twin's step.
//!
//! Tolerance: an activation adds 2 epsilon (1.5 ULP, and the twin's own) to what its argument is off by, no slope being larger
//! than 1; of the way back, each value is a product of at most 6 factors or roundings, an epsilon each.

use crate::common::derivative::{assert_derivative, derivative, moderate};
use crate::common::{assert_agrees, assert_same_bits, config, lengths, levels, smallest, values};
use eligibility_kernels::gru_gates::{GruGates, GruGatesBackward};
use eligibility_kernels::{Level, Real, reference};
use proptest::prelude::*;

/// Everything the two kernels read and write.
#[derive(Clone, Debug)]
struct Gates<T> {
    units: usize,
    active: Vec<bool>,
    input: Vec<T>,
    recurrent: Vec<T>,
    state: Vec<T>,
    saved: Vec<T>,
    hidden_gradient: Vec<T>,
}

impl<T: Real> Gates<T> {
    fn ran(&self, level: Option<Level>) -> Self {
        let mut after = self.clone();
        let Self { units, active, input, recurrent, state, saved, .. } = &mut after;
        let op = GruGates { units: *units, active, input, recurrent, state, saved };
        match level {
            Some(level) => level.run(op),
            None => reference::gru_gates(op),
        }
        after
    }
    /// The same with the gradients in the places of `input` and `recurrent`.
    fn ran_back(&self, level: Option<Level>) -> Self {
        let mut after = self.clone();
        let Self { units, active, input, recurrent, saved, hidden_gradient, .. } = &mut after;
        let op = GruGatesBackward {
            units: *units,
            active,
            saved,
            hidden_gradient,
            input_gradient: input,
            recurrent_gradient: recurrent,
        };
        match level {
            Some(level) => level.run(op),
            None => reference::gru_gates_backward(op),
        }
        after
    }
    fn outputs(&self) -> [(&'static str, &Vec<T>); 5] {
        [
            ("input", &self.input),
            ("recurrent", &self.recurrent),
            ("state", &self.state),
            ("saved", &self.saved),
            ("hidden_gradient", &self.hidden_gradient),
        ]
    }
    /// Reverses the units of every plane.
    fn turned(&self) -> Self {
        let turn = |values: &Vec<T>| -> Vec<T> {
            values.chunks(self.units.max(1)).flat_map(|plane| plane.iter().rev().copied()).collect()
        };
        Self {
            units: self.units,
            active: self.active.clone(),
            input: turn(&self.input),
            recurrent: turn(&self.recurrent),
            state: turn(&self.state),
            saved: turn(&self.saved),
            hidden_gradient: turn(&self.hidden_gradient),
        }
    }
}

fn gates<T: Real, S: Strategy<Value = Vec<T>>>(values: fn(usize) -> S) -> impl Strategy<Value = Gates<T>> {
    (1..3_usize, lengths()).prop_flat_map(move |(rows, units)| {
        let plane = rows * units;
        let active = prop::collection::vec(prop::bool::weighted(0.8), rows);
        let inputs = (values(3 * plane), values(3 * plane));
        (active, inputs, values(plane), values(5 * plane), values(plane)).prop_map(
            move |(active, (input, recurrent), state, saved, hidden_gradient)| Gates {
                units,
                active,
                input,
                recurrent,
                state,
                saved,
                hidden_gradient,
            },
        )
    })
}

fn forward_agrees<T: Real>(before: &Gates<T>, level: Level) {
    let (found, expected, units) = (before.ran(Some(level)), before.ran(None), before.units);
    let epsilon = T::EPSILON.to_f64();
    for place in 0..before.state.len() {
        let (row, j) = (place / units, place % units);
        let magnitudes =
            |values: &[T]| [0, 1, 2].map(|gate| values[(3 * row + gate) * units + j].to_f64().abs());
        let (x, h) = (magnitudes(&before.input), magnitudes(&before.recurrent));
        let state = before.state[place].to_f64().abs();
        let [r, z] = [0, 1].map(|gate| epsilon * (2.0 + x[gate] + h[gate]));
        let n = 2.0 * epsilon * (1.0 + x[2] + h[2]) + r * h[2];
        let next = n + (1.0 + state) * (z + 3.0 * epsilon);
        let check = |what, index: usize, found: &[T], expected: &[T], allowed: f64| {
            let allowed = (allowed + 4.0 * smallest::<T>()).min(f64::MAX);
            assert_agrees(what, index, found[index], expected[index], allowed);
        };
        let index = 5 * row * units + j;
        check("reset gate", index, &found.saved, &expected.saved, r);
        if h[2].is_infinite() && (found.saved[index] == T::ZERO) != (expected.saved[index] == T::ZERO) {
            continue; // An infinite h_n asks whether r is exactly 0, which one rounding decides.
        }
        check("state", place, &found.state, &expected.state, next);
        for (slot, allowed) in [r, z, n, 0.0, 0.0].into_iter().enumerate() {
            check("saved", (5 * row + slot) * units + j, &found.saved, &expected.saved, allowed);
        }
    }
    let turned = before.turned().ran(Some(level)).turned();
    for (slot, (what, found)) in found.outputs().into_iter().enumerate() {
        assert_same_bits(what, turned.outputs()[slot].1, found);
        let per_row = found.len() / before.active.len();
        for (row, _) in before.active.iter().enumerate().filter(|(_, active)| !**active) {
            let range = row * per_row..(row + 1) * per_row;
            assert_same_bits(what, &found[range.clone()], &before.outputs()[slot].1[range]);
        }
    }
}

/// `before.saved` is what a forward step saved.
fn backward_agrees<T: Real>(before: &Gates<T>, level: Level) {
    let (found, expected, units) = (before.ran_back(Some(level)), before.ran_back(None), before.units);
    for place in 0..before.state.len() {
        let (row, j) = (place / units, place % units);
        let saved = |slot: usize| before.saved[(5 * row + slot) * units + j].to_f64().abs();
        let dh = before.hidden_gradient[place].to_f64().abs();
        let check = |what, index: usize, found: &[T], expected: &[T], factor: f64| {
            // A subnormal product is a whole number of the smallest, and what it is multiplied by magnifies that.
            let subnormal = 4.0 * smallest::<T>() * (1.0 + dh) * (1.0 + factor);
            let allowed = 6.0 * T::EPSILON.to_f64() * dh * factor + subnormal;
            assert_agrees(what, index, found[index], expected[index], allowed.min(f64::MAX));
        };
        check("hidden_gradient", place, &found.hidden_gradient, &expected.hidden_gradient, 1.0);
        for (gate, factor) in [saved(3), saved(4) + saved(2), 1.0].into_iter().enumerate() {
            let index = (3 * row + gate) * units + j;
            check("input_gradient", index, &found.input, &expected.input, factor);
            check("recurrent_gradient", index, &found.recurrent, &expected.recurrent, factor);
        }
    }
    for (row, _) in before.active.iter().enumerate().filter(|(_, active)| !**active) {
        for values in [&found.hidden_gradient, &found.input, &found.recurrent] {
            let per_row = values.len() / before.active.len();
            assert_same_bits(
                "inactive",
                &values[row * per_row..(row + 1) * per_row],
                &vec![T::ZERO; per_row],
            );
        }
    }
    let turned = before.turned().ran_back(Some(level)).turned();
    for ((what, turned), (_, straight)) in turned.outputs().into_iter().zip(found.outputs()) {
        assert_same_bits(what, turned, straight);
    }
}

fn check<T: Real>(gates: &Gates<T>) {
    for level in levels() {
        forward_agrees(gates, level);
        backward_agrees(&gates.ran(None), level);
    }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn in_f32(gates in gates(values::<f32>)) {
        check(&gates);
    }

    #[test]
    fn in_f64(gates in gates(values::<f64>)) {
        check(&gates);
    }
}

proptest! {
    // Each case is thousands of steps of the twin.
    #![proptest_config(ProptestConfig::with_cases(100))]

    #[test]
    fn the_step_back_is_the_transposed_derivative(gates in gates(moderate)) {
        let level = Level::detect();
        let (units, found) = (gates.units, gates.ran(Some(level)).ran_back(Some(level)));
        for place in (0..gates.state.len()).filter(|place| gates.active[place / units]) {
            let by = |change: &dyn Fn(&mut Gates<f64>, f64)| {
                gates.hidden_gradient[place] * derivative(|step| {
                    let mut changed = gates.clone();
                    change(&mut changed, step);
                    changed.ran(None).state[place]
                })
            };
            let expected = by(&|gates, step| gates.state[place] += step);
            assert_derivative("hidden_gradient", place, found.hidden_gradient[place], expected);
            for gate in 0..3 {
                let at = (3 * (place / units) + gate) * units + place % units;
                let expected = by(&|gates, step| gates.input[at] += step);
                assert_derivative("input_gradient", at, found.input[at], expected);
                let expected = by(&|gates, step| gates.recurrent[at] += step);
                assert_derivative("recurrent_gradient", at, found.recurrent[at], expected);
            }
        }
    }
}

#[test]
#[should_panic(expected = "saved has 4 elements where 1 rows of 1 units ask for 5")]
fn a_wrong_length_is_named() {
    Level::detect().run(GruGates {
        units: 1,
        active: &[true],
        input: &[0.0_f32; 3],
        recurrent: &[0.0; 3],
        state: &mut [0.0],
        saved: &mut [0.0; 4],
    });
}
