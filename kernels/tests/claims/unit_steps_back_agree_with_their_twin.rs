//! Claim: the step back through cells whose units do not meet agrees with its scalar twin at every level, for every length
//! and value; rows that are not active get zeros and are not read; fed with a cell's local factors, it is the transposed
//! derivative of the twin's step forward.
//!
//! Tolerance: every term is a product of a factor with a sum of two, so off by 1 epsilon at most, and each sum of terms adds
//! half an epsilon of the magnitudes in it: 2 epsilon, and 1 for each row that a gradient was added to from.

use crate::common::derivative::{assert_derivative, derivative, moderate};
use crate::common::{
    assert_agrees, assert_quantized, assert_same_bits, config, lengths, levels, smallest, values,
};
use eligibility_kernels::activation::Nonlinearity;
use eligibility_kernels::elstm::Elstm;
use eligibility_kernels::pair_cell::{PairCell, PairParameters};
use eligibility_kernels::unit_back::UnitBackward;
use eligibility_kernels::{Level, Real, Strided, reference};
use proptest::prelude::*;

/// Everything the kernel reads and writes; one set of local factors for all rows if `shared`.
#[derive(Clone, Debug)]
struct Step<T> {
    components: usize,
    units: usize,
    shared: bool,
    active: Vec<bool>,
    decay: Vec<T>,
    influence: Vec<T>,
    immediate: Vec<T>,
    signal: Vec<T>,
    carried: Vec<T>,
    delta: Vec<T>,
    gradient: Vec<T>,
}

impl<T: Real> Step<T> {
    fn stride(&self, planes: usize) -> usize {
        if self.shared { 0 } else { planes * self.units }
    }
    fn op(&mut self) -> UnitBackward<'_, T> {
        let (decay, influence) = (self.stride(self.components * self.components), self.stride(2));
        UnitBackward {
            components: self.components,
            units: self.units,
            active: &self.active,
            decay: Strided { data: &self.decay, stride: decay },
            influence: Strided { data: &self.influence, stride: influence },
            immediate: &self.immediate,
            signal: &self.signal,
            carried: &mut self.carried,
            delta: &mut self.delta,
            gradient: &mut self.gradient,
        }
    }
    fn ran(&self, level: Option<Level>) -> Self {
        let mut after = self.clone();
        match level {
            Some(level) => level.run(after.op()),
            None => reference::unit_backward(after.op()),
        }
        after
    }
    /// Reverses the units of every plane.
    fn turned(&self) -> Self {
        let turn = |values: &Vec<T>| -> Vec<T> {
            values.chunks(self.units.max(1)).flat_map(|plane| plane.iter().rev().copied()).collect()
        };
        Self {
            active: self.active.clone(),
            decay: turn(&self.decay),
            influence: turn(&self.influence),
            immediate: turn(&self.immediate),
            signal: turn(&self.signal),
            carried: turn(&self.carried),
            delta: turn(&self.delta),
            gradient: turn(&self.gradient),
            ..*self
        }
    }
}

fn steps<T: Real>() -> impl Strategy<Value = Step<T>> {
    (1..3_usize, 1..4_usize, lengths(), 0..4_usize, any::<bool>()).prop_flat_map(
        |(components, rows, units, parameters, shared)| {
            let (plane, factors) = (rows * units, if shared { units } else { rows * units });
            let active = prop::collection::vec(prop::bool::weighted(0.8), rows);
            let inputs = (
                values(components * components * factors),
                values(2 * factors),
                values(parameters * components * plane),
            );
            let state = (values(components * plane), values(components * plane));
            (active, inputs, state, values(2 * plane), values(parameters * units)).prop_map(
                move |(active, (decay, influence, immediate), (signal, carried), delta, gradient)| Step {
                    components,
                    units,
                    shared,
                    active,
                    decay,
                    influence,
                    immediate,
                    signal,
                    carried,
                    delta,
                    gradient,
                },
            )
        },
    )
}

fn agrees<T: Real>(before: &Step<T>, level: Level) {
    let (found, expected) = (before.ran(Some(level)), before.ran(None));
    let Step { components: s, units, .. } = *before;
    let parameters = before.gradient.len().checked_div(units).unwrap_or(0);
    let magnitude = |x: T| x.to_f64().abs();
    let lambda = |row: usize, k: usize, j: usize| {
        let at = (s * row + k) * units + j;
        magnitude(before.signal[at]) + magnitude(before.carried[at])
    };
    let allowed = |scale: f64, floor: f64| (2.0 * T::EPSILON.to_f64() * scale + floor).min(f64::MAX);
    // The sum is rounded to half a quantum, and the twin's.
    let (subnormal, quantum) = (4.0 * smallest::<T>(), 1.001 * T::TRACE_QUANTUM.to_f64());
    for place in (0..before.active.len() * units).filter(|place| before.active[place / units]) {
        let (row, j) = (place / units, place % units);
        for m in 0..2 {
            let (at, factor) =
                ((2 * row + m) * units + j, before.influence[row * before.stride(2) + m * units + j]);
            let tolerance = allowed(magnitude(factor) * lambda(row, m.min(s - 1), j), subnormal);
            assert_agrees("delta", at, found.delta[at], expected.delta[at], tolerance);
        }
        for l in 0..s {
            let a = |k: usize| magnitude(before.decay[row * before.stride(s * s) + (s * k + l) * units + j]);
            let (at, scale) = ((s * row + l) * units + j, (0..s).map(|k| a(k) * lambda(row, k, j)).sum());
            assert_agrees("carried", at, found.carried[at], expected.carried[at], allowed(scale, quantum));
            assert_quantized("carried", at, found.carried[at]);
        }
    }
    for index in 0..parameters * units {
        let (q, j) = (index / units, index % units);
        let terms = (0..before.active.len()).filter(|&row| before.active[row]).map(|row| {
            let immediate =
                |k: usize| magnitude(before.immediate[((parameters * row + q) * s + k) * units + j]);
            (0..s).map(|k| immediate(k) * lambda(row, k, j)).sum::<f64>()
        });
        let scale = magnitude(before.gradient[index]) + terms.sum::<f64>();
        let tolerance = allowed((1.0 + before.active.len() as f64) * scale, subnormal);
        assert_agrees("gradient", index, found.gradient[index], expected.gradient[index], tolerance);
    }
}

/// Rows that are not active: zeros, whatever was in them.
fn inactive_rows_are_not_read<T: Real>(before: &Step<T>, level: Level) {
    let mut poisoned = before.clone();
    let nan = T::from_f64(f64::NAN);
    for (row, _) in before.active.iter().enumerate().filter(|(_, active)| !**active) {
        for values in
            [&mut poisoned.signal, &mut poisoned.carried, &mut poisoned.immediate, &mut poisoned.delta]
        {
            let per_row = values.len() / before.active.len();
            values[row * per_row..(row + 1) * per_row].fill(nan);
        }
    }
    let (found, straight) = (poisoned.ran(Some(level)), before.ran(Some(level)));
    assert_same_bits("delta", &found.delta, &straight.delta);
    assert_same_bits("carried", &found.carried, &straight.carried);
    assert_same_bits("gradient", &found.gradient, &straight.gradient);
    for (row, _) in before.active.iter().enumerate().filter(|(_, active)| !**active) {
        for values in [&found.carried, &found.delta] {
            let per_row = values.len() / before.active.len();
            assert_same_bits(
                "inactive",
                &values[row * per_row..(row + 1) * per_row],
                &vec![T::ZERO; per_row],
            );
        }
    }
    let turned = before.turned().ran(Some(level)).turned();
    assert_same_bits("turned delta", &turned.delta, &straight.delta);
    assert_same_bits("turned carried", &turned.carried, &straight.carried);
    assert_same_bits("turned gradient", &turned.gradient, &straight.gradient);
}

fn check<T: Real>(step: &Step<T>) {
    for level in levels() {
        agrees(step, level);
        inactive_rows_are_not_read(step, level);
    }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn in_f32(step in steps::<f32>()) {
        check(&step);
    }

    #[test]
    fn in_f64(step in steps::<f64>()) {
        check(&step);
    }

    /// One unit of a tanh pair cell with free entries: 4 entries, 2 projections, 2 components, 4 learning signals.
    #[test]
    fn it_transposes_the_derivative_of_a_pair_cell(values in moderate(12)) {
        let level = Level::detect();
        let pair = |values: &[f64], level: Option<Level>| {
            let mut state = values[6..8].to_vec();
            let (mut decay_out, mut influence, mut immediate) = (vec![0.0; 4], vec![0.0; 2], vec![0.0; 8]);
            let op = PairCell {
                nonlinearity: Nonlinearity::Tanh,
                units: 1,
                active: &[true],
                decay: &values[..4],
                gain: &[0.7],
                parameters: PairParameters::Entries,
                projection: &values[4..6],
                state: &mut state,
                decay_out: &mut decay_out,
                influence: &mut influence,
                immediate: &mut immediate,
            };
            match level {
                Some(level) => level.run(op),
                None => reference::pair_cell(op),
            }
            [state, decay_out, influence, immediate]
        };
        let [_, decay, influence, immediate] = pair(&values, Some(level));
        let (signal, carried) = (values[8..10].to_vec(), values[10..].to_vec());
        let (delta, gradient) = (vec![0.0; 2], vec![0.0; 4]);
        let (components, units, shared, active) = (2, 1, false, vec![true]);
        let step =
            Step { components, units, shared, active, decay, influence, immediate, signal, carried, delta, gradient };
        let found = step.ran(Some(level));
        for (index, found) in [found.gradient, found.delta, found.carried].concat().into_iter().enumerate() {
            let energy = |change: f64| {
                let mut changed = values.clone();
                changed[index] += change;
                let [state, ..] = pair(&changed, None);
                (values[8] + values[10]) * state[0] + (values[9] + values[11]) * state[1]
            };
            assert_derivative("by entry, projection, state", index, found, derivative(energy));
        }
    }

    /// One unit of eLSTM: 2 weights, 2 projections, the cell, 2 learning signals.
    #[test]
    fn it_transposes_the_derivative_of_an_elstm(values in moderate(7)) {
        let level = Level::detect();
        let elstm = |values: &[f64], level: Option<Level>| {
            let (mut state, mut decay) = (vec![values[4]], vec![0.0]);
            let (mut influence, mut immediate) = (vec![0.0; 2], vec![0.0; 2]);
            let op = Elstm {
                units: 1,
                active: &[true],
                projection: &values[2..4],
                weights: &values[..2],
                state: &mut state,
                decay: &mut decay,
                influence: &mut influence,
                immediate: &mut immediate,
            };
            match level {
                Some(level) => level.run(op),
                None => reference::elstm(op),
            }
            [state, decay, influence, immediate]
        };
        let [_, decay, influence, immediate] = elstm(&values, Some(level));
        let (signal, carried) = (vec![values[5]], vec![values[6]]);
        let (delta, gradient) = (vec![0.0; 2], vec![0.0; 2]);
        let (components, units, shared, active) = (1, 1, false, vec![true]);
        let step =
            Step { components, units, shared, active, decay, influence, immediate, signal, carried, delta, gradient };
        let found = step.ran(Some(level));
        for (index, found) in [found.gradient, found.delta, found.carried].concat().into_iter().enumerate() {
            let energy = |change: f64| {
                let mut changed = values.clone();
                changed[index] += change;
                (values[5] + values[6]) * elstm(&changed, None)[0][0]
            };
            assert_derivative("by weight, projection, cell", index, found, derivative(energy));
        }
    }
}

#[test]
#[should_panic(expected = "components is 3 where 1 or 2 are possible")]
fn a_third_component_is_refused() {
    Level::detect().run(UnitBackward::<f32> {
        components: 3,
        units: 0,
        active: &[],
        decay: Strided { data: &[], stride: 0 },
        influence: Strided { data: &[], stride: 0 },
        immediate: &[],
        signal: &[],
        carried: &mut [],
        delta: &mut [],
        gradient: &mut [],
    });
}
