//! Claim: the step back through cells whose units do not meet agrees with its scalar twin at every level, for every length
//! and value; rows that are not active get zeros and are not read; fed with a cell's local factors, it is the transposed
//! derivative of the twin's step forward.
//!
//! Tolerance: every term is a product of a factor with a sum of two, so off by 1 epsilon at most, and each sum of terms adds
//! half an epsilon of the magnitudes in it: 2 epsilon, and 1 for each row that a gradient was added to from.

use crate::common::assert_quantized;
use crate::common::case::{Case, Draw, Shape, cases, in_both_types, run};
use crate::common::derivative::{assert_derivative, derivative, moderate};
use crate::common::{config, lengths, smallest};
use eligibility_kernels::activation::Nonlinearity;
use eligibility_kernels::elstm::Elstm;
use eligibility_kernels::pair_cell::{PairCell, PairParameters};
use eligibility_kernels::unit_back::UnitBackward;
use eligibility_kernels::{Level, Real, Strided, reference};
use proptest::prelude::*;

#[derive(Clone, Copy, Debug)]
struct Form {
    components: usize,
    units: usize,
    parameters: usize,
    /// One set of local factors for all rows.
    shared: bool,
}

/// Everything the kernel reads and writes.
type Step<T> = Case<T, Form, 7>;

impl Form {
    fn shapes(self) -> [Shape; 7] {
        let Self { components, units, parameters, shared } = self;
        let factors = if shared { Shape::shared } else { Shape::rows };
        [
            factors("decay", components * components, units),
            factors("influence", 2, units),
            Shape::rows("immediate", parameters * components, units),
            Shape::rows("signal", components, units),
            Shape::cleared("carried", components, units),
            Shape::cleared("delta", 2, units),
            Shape::sum("gradient", parameters, units),
        ]
    }
    fn stride(self, planes: usize) -> usize {
        if self.shared { 0 } else { planes * self.units }
    }
}

fn all_steps<T: Real>(draw: Draw<T>) -> impl Strategy<Value = Step<T>> {
    let forms = (1..3_usize, lengths(), 0..4_usize, any::<bool>());
    forms.prop_flat_map(move |(components, units, parameters, shared)| {
        let form = Form { components, units, parameters, shared };
        cases(form, form.shapes(), draw)
    })
}

fn back<T: Real>(step: &mut Step<T>, level: Option<Level>) {
    let (form @ Form { components, units, .. }, active) = (step.form, &step.active);
    let [decay, influence, immediate, signal, carried, delta, gradient] = &mut step.slices;
    let decay = Strided { data: &*decay, stride: form.stride(components * components) };
    let influence = Strided { data: &*influence, stride: form.stride(2) };
    let op = UnitBackward {
        components,
        units,
        active,
        decay,
        influence,
        immediate,
        signal,
        carried,
        delta,
        gradient,
    };
    run!(level, reference::unit_backward, op);
}

fn agrees<T: Real>(before: &Step<T>, level: Level) {
    let outcome = before.outcome(back, level);
    let Form { components: s, units, parameters, .. } = before.form;
    let magnitude = |x: T| x.to_f64().abs();
    let lambda = |row: usize, k: usize, j: usize| {
        let at = (s * row + k) * units + j;
        magnitude(before["signal"][at]) + magnitude(before["carried"][at])
    };
    let allowed = |scale: f64, floor: f64| 2.0 * T::EPSILON.to_f64() * scale + floor;
    // The sum is rounded to half a quantum, and the twin's.
    let (subnormal, quantum) = (4.0 * smallest::<T>(), 1.001 * T::TRACE_QUANTUM.to_f64());
    for place in (0..before.active.len() * units).filter(|place| before.active[place / units]) {
        let (row, j) = (place / units, place % units);
        for m in 0..2 {
            let (at, factor) =
                ((2 * row + m) * units + j, before["influence"][row * before.form.stride(2) + m * units + j]);
            let tolerance = allowed(magnitude(factor) * lambda(row, m.min(s - 1), j), subnormal);
            outcome.check("delta", at, tolerance);
        }
        for l in 0..s {
            let a = |k: usize| {
                magnitude(before["decay"][row * before.form.stride(s * s) + (s * k + l) * units + j])
            };
            let (at, scale) = ((s * row + l) * units + j, (0..s).map(|k| a(k) * lambda(row, k, j)).sum());
            outcome.check("carried", at, allowed(scale, quantum));
            assert_quantized("carried", at, outcome.found["carried"][at]);
        }
    }
    for index in 0..parameters * units {
        let (q, j) = (index / units, index % units);
        let terms = (0..before.active.len()).filter(|&row| before.active[row]).map(|row| {
            let immediate =
                |k: usize| magnitude(before["immediate"][((parameters * row + q) * s + k) * units + j]);
            (0..s).map(|k| immediate(k) * lambda(row, k, j)).sum::<f64>()
        });
        let scale = magnitude(before["gradient"][index]) + terms.sum::<f64>();
        let tolerance = allowed((1.0 + before.active.len() as f64) * scale, subnormal);
        outcome.check("gradient", index, tolerance);
    }
}

in_both_types!(all_steps, agrees);

proptest! {
    #![proptest_config(config())]

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
            run!(level, reference::pair_cell, op);
            [state, decay_out, influence, immediate]
        };
        let [_, decay, influence, immediate] = pair(&values, Some(level));
        let (signal, carried) = (values[8..10].to_vec(), values[10..].to_vec());
        let (mut carried, mut delta, mut gradient) = (carried, [0.0; 2], [0.0; 4]);
        level.run(UnitBackward {
            components: 2,
            units: 1,
            active: &[true],
            decay: Strided { data: &decay, stride: 0 },
            influence: Strided { data: &influence, stride: 0 },
            immediate: &immediate,
            signal: &signal,
            carried: &mut carried,
            delta: &mut delta,
            gradient: &mut gradient,
        });
        for (index, found) in gradient.into_iter().chain(delta).chain(carried).enumerate() {
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
            run!(level, reference::elstm, op);
            [state, decay, influence, immediate]
        };
        let [_, decay, influence, immediate] = elstm(&values, Some(level));
        let (signal, carried) = (vec![values[5]], vec![values[6]]);
        let (mut carried, mut delta, mut gradient) = (carried, [0.0; 2], [0.0; 2]);
        level.run(UnitBackward {
            components: 1,
            units: 1,
            active: &[true],
            decay: Strided { data: &decay, stride: 0 },
            influence: Strided { data: &influence, stride: 0 },
            immediate: &immediate,
            signal: &signal,
            carried: &mut carried,
            delta: &mut delta,
            gradient: &mut gradient,
        });
        for (index, found) in gradient.into_iter().chain(delta).chain(carried).enumerate() {
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
fn wrong_lengths_are_named() {
    for (components, shared) in [(1, false), (2, true)] {
        let form = Form { components, units: 3, parameters: 2, shared };
        Step::<f32>::ones(form, form.shapes(), 2).assert_lengths_are_named(back, &[]);
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
