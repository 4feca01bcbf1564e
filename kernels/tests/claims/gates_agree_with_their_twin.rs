//! Claim: the gate kernels agree with their scalar twins at every level, for every length and value, a value does not
//! depend on its position, and rows that are not active keep their values forward, have no gradient back, and reach nothing.
//!
//! Tolerance: 4 epsilon of the magnitudes that were added or multiplied, and 4 times the smallest subnormal. The activations take 1.5 ULP = 1.5 epsilon
//! at most, and a slope such as i (1 - i) passes that error on undiminished. Relu's slope may jump by 1 where the cell is
//! within its error of 0.

use crate::common::{assert_agrees, assert_same_bits, config, lengths, levels, smallest, values};
use eligibility_kernels::activation::Nonlinearity;
use eligibility_kernels::lstm_gates::{LstmGates, LstmGatesBackward};
use eligibility_kernels::{Level, Real, reference};
use proptest::prelude::*;
use proptest::sample::select;

const TOLERANCE: f64 = 4.0;

/// Everything the two kernels read and write.
#[derive(Clone, Debug)]
struct Rows<T> {
    phi: Nonlinearity,
    active: Vec<bool>,
    preactivation: Vec<T>,
    cell: Vec<T>,
    hidden: Vec<T>,
    influence: Vec<T>,
    forget_gate: Vec<T>,
    dhidden_dcell: Vec<T>,
}

impl<T: Real> Rows<T> {
    fn op(&mut self) -> LstmGates<'_, T> {
        LstmGates {
            nonlinearity: self.phi,
            active: &self.active,
            preactivation: &self.preactivation,
            cell: &mut self.cell,
            hidden: &mut self.hidden,
            influence: &mut self.influence,
            forget_gate: &mut self.forget_gate,
            dhidden_dcell: &mut self.dhidden_dcell,
        }
    }
    fn back(&mut self) -> LstmGatesBackward<'_, T> {
        LstmGatesBackward {
            active: &self.active,
            hidden_gradient: &self.hidden,
            forget_gate: &self.forget_gate,
            dhidden_dcell: &self.dhidden_dcell,
            cell_gradient: &mut self.cell,
            influence: &mut self.influence,
        }
    }
    /// What the step forward writes.
    fn outputs(&self) -> [(&'static str, &Vec<T>); 5] {
        [
            ("cell", &self.cell),
            ("hidden", &self.hidden),
            ("influence", &self.influence),
            ("forget_gate", &self.forget_gate),
            ("dhidden_dcell", &self.dhidden_dcell),
        ]
    }
    fn units(&self) -> usize {
        self.cell.len() / self.active.len()
    }
    /// The magnitudes that meet in unit `j`: 1 and the cell before.
    fn scale(&self, j: usize) -> f64 {
        let cell = self.cell[j].to_f64().abs();
        TOLERANCE * T::EPSILON.to_f64() * (1.0 + if cell.is_finite() { cell } else { 0.0 })
    }
}

fn rows<T: Real>() -> impl Strategy<Value = Rows<T>> {
    let phi = select(vec![Nonlinearity::Identity, Nonlinearity::Relu, Nonlinearity::Tanh]);
    (1..4_usize, lengths(), phi).prop_flat_map(|(rows, hidden, phi)| {
        let units = rows * hidden;
        let active = prop::collection::vec(prop::bool::weighted(0.8), rows);
        let state = (values(units), values(units), values(4 * units));
        (active, values(4 * units), state, values(units), values(units)).prop_map(
            move |(active, preactivation, (cell, hidden, influence), forget_gate, dhidden_dcell)| Rows {
                phi,
                active,
                preactivation,
                cell,
                hidden,
                influence,
                forget_gate,
                dhidden_dcell,
            },
        )
    })
}

fn forward_agrees<T: Real>(before: &Rows<T>, level: Level) {
    let (mut found, mut expected) = (before.clone(), before.clone());
    level.run(found.op());
    reference::lstm_gates(expected.op());
    let units = before.units().max(1);
    for j in 0..before.cell.len() {
        let tolerance = before.scale(j);
        for (what, found, expected) in [
            ("cell", &found.cell, &expected.cell),
            ("hidden", &found.hidden, &expected.hidden),
            ("forget_gate", &found.forget_gate, &expected.forget_gate),
        ] {
            assert_agrees(what, j, found[j], expected[j], tolerance);
        }
        let kink = before.phi == Nonlinearity::Relu && expected.cell[j].to_f64().abs() <= tolerance;
        let slopes = [&found, &expected].map(|rows| rows.dhidden_dcell[j]);
        assert_agrees("dhidden_dcell", j, slopes[0], slopes[1], tolerance + f64::from(u8::from(kink)));
        for gate in 0..4 {
            let index = (4 * (j / units) + gate) * units + j % units;
            assert_agrees("influence", index, found.influence[index], expected.influence[index], tolerance);
        }
    }
}

fn backward_agrees<T: Real>(before: &Rows<T>, level: Level) {
    let (mut found, mut expected) = (before.clone(), before.clone());
    level.run(found.back());
    reference::lstm_gates_backward(expected.back());
    let units = before.units().max(1);
    for j in 0..before.cell.len() {
        let term = (before.hidden[j].to_f64() * before.dhidden_dcell[j].to_f64()).abs();
        let dc = before.cell[j].to_f64().abs() + term + before.hidden[j].to_f64().abs();
        // Where dE/dc is subnormal it is rounded to a whole number of the smallest, and the factor multiplies that.
        let rounded = TOLERANCE * (T::EPSILON.to_f64() * dc + smallest::<T>());
        let limit = |factor: T| (rounded * (1.0 + factor.to_f64().abs())).min(f64::MAX);
        assert_agrees("cell_gradient", j, found.cell[j], expected.cell[j], limit(before.forget_gate[j]));
        for gate in 0..4 {
            let index = (4 * (j / units) + gate) * units + j % units;
            let allowed = limit(before.influence[index]);
            assert_agrees("influence", index, found.influence[index], expected.influence[index], allowed);
        }
    }
}

/// What is in rows that are not active, NaN for one, reaches nothing: it stays on the way forward and is zero on the way back.
fn inactive_rows_take_no_part<T: Real>(before: &Rows<T>, level: Level) {
    let mut poisoned = before.clone();
    let Rows { preactivation, cell, hidden, influence, forget_gate, dhidden_dcell, .. } = &mut poisoned;
    for values in [preactivation, cell, hidden, influence, forget_gate, dhidden_dcell] {
        let per_row = values.len() / before.active.len();
        for (row, _) in before.active.iter().enumerate().filter(|(_, active)| !**active) {
            values[row * per_row..(row + 1) * per_row].fill(T::from_f64(f64::NAN));
        }
    }
    let (mut clean, mut found) = (before.clone(), poisoned.clone());
    level.run(clean.op());
    level.run(found.op());
    for ((what, clean), ((_, found), (_, poisoned))) in
        clean.outputs().into_iter().zip(found.outputs().into_iter().zip(poisoned.outputs()))
    {
        let per_row = found.len() / before.active.len();
        for (row, &active) in before.active.iter().enumerate() {
            let range = row * per_row..(row + 1) * per_row;
            let expected = if active { &clean[range.clone()] } else { &poisoned[range.clone()] };
            assert_same_bits(what, &found[range], expected);
        }
    }
    let (mut clean, mut found) = (before.clone(), poisoned);
    level.run(clean.back());
    level.run(found.back());
    assert_same_bits("cell_gradient", &found.cell, &clean.cell);
    assert_same_bits("influence", &found.influence, &clean.influence);
    for values in [&found.cell, &found.influence] {
        let per_row = values.len() / before.active.len();
        for (row, _) in before.active.iter().enumerate().filter(|(_, active)| !**active) {
            let zeros = vec![T::ZERO; per_row];
            assert_same_bits("inactive", &values[row * per_row..(row + 1) * per_row], &zeros);
        }
    }
}

/// Reverses the units of every row and gate.
fn reversed<T: Real>(values: &[T], units: usize) -> Vec<T> {
    values.chunks(units.max(1)).flat_map(|chunk| chunk.iter().rev().copied()).collect()
}

fn position_does_not_matter<T: Real>(before: &Rows<T>, level: Level) {
    let units = before.units();
    let turn = |rows: &Rows<T>| Rows {
        phi: rows.phi,
        active: rows.active.clone(),
        preactivation: reversed(&rows.preactivation, units),
        cell: reversed(&rows.cell, units),
        hidden: reversed(&rows.hidden, units),
        influence: reversed(&rows.influence, units),
        forget_gate: reversed(&rows.forget_gate, units),
        dhidden_dcell: reversed(&rows.dhidden_dcell, units),
    };
    let (mut straight, mut turned) = (before.clone(), turn(before));
    level.run(straight.op());
    level.run(turned.op());
    for ((what, found), (_, expected)) in turn(&turned).outputs().into_iter().zip(straight.outputs()) {
        assert_same_bits(what, found, expected);
    }
    let (mut straight, mut turned) = (before.clone(), turn(before));
    level.run(straight.back());
    level.run(turned.back());
    let found = turn(&turned);
    assert_same_bits("cell_gradient", &found.cell, &straight.cell);
    assert_same_bits("influence", &found.influence, &straight.influence);
}

fn check<T: Real>(rows: &Rows<T>) {
    for level in levels() {
        forward_agrees(rows, level);
        backward_agrees(rows, level);
        inactive_rows_take_no_part(rows, level);
        position_does_not_matter(rows, level);
    }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn in_f32(rows in rows::<f32>()) {
        check(&rows);
    }

    #[test]
    fn in_f64(rows in rows::<f64>()) {
        check(&rows);
    }
}

#[test]
#[should_panic(expected = "preactivation has 3 elements where cell asks for 4")]
fn a_wrong_length_is_named() {
    let row = || vec![0.0_f32];
    let mut rows = Rows {
        phi: Nonlinearity::Tanh,
        active: vec![true],
        preactivation: vec![0.0; 3],
        cell: row(),
        hidden: row(),
        influence: vec![0.0; 4],
        forget_gate: row(),
        dhidden_dcell: row(),
    };
    Level::detect().run(rows.op());
}

#[test]
#[should_panic(expected = "influence has 3 elements where cell_gradient asks for 4")]
fn a_wrong_length_on_the_way_back_is_named() {
    Level::detect().run(LstmGatesBackward {
        active: &[true],
        hidden_gradient: &[0.0_f32],
        forget_gate: &[0.0],
        dhidden_dcell: &[0.0],
        cell_gradient: &mut [0.0],
        influence: &mut [0.0; 3],
    });
}
