//! The core of cells whose units do not read each other: S = 1 or 2 numbers of state per unit.
//!
//! ```text
//! (1) s_t = cell(W a_t, s_{t-1})      A_t = ds_t/ds_{t-1} [S, S]    u_t = ds_t/dp_t    I_t = ds_t/dq, q a parameter per unit
//! (2) linear RTU  y = phi(s)          online LRU  y = [s_1; -s_2; x]          others  y = s
//! (3) lambda_t = D_t^T dE/dy_t + A_{t+1}^T lambda_{t+1}       dE/dp_t = u_t lambda_t       dE/dq += I_t . lambda_t
//! ```
//!
//! (1) and (3) are kernels (`pair_cell`, `min_gru`, `elstm`, `unit_back`). A_t and u_t of a recurrence without phi are
//! constants of the layer; they are kept with what was prepared of its parameters, and nothing of them is on the tape.

use std::ops::Range;

use eligibility_kernels::activation::{Nonlinear, Nonlinearity};
use eligibility_kernels::elstm::Elstm;
use eligibility_kernels::min_gru::MinGru;
use eligibility_kernels::pair_cell::PairCell;
use eligibility_kernels::unit_back::UnitBackward;

use super::{Activity, Core, StepBack, StepForward, Weights, project};
use crate::buffer::Buffer;
use crate::cells::Cell;
use crate::error::Error;
use crate::layout::Layer;
use crate::learner::engine::setting::Setting;
use crate::prepared::{Prepared, nonlinearities};
use crate::scalar::Scalar;
use crate::slots::{Local, Slots, Visit, clear, scale, show};

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct DiagonalCore<T: Scalar> {
    layer: Layer,
    units: usize,
    /// S.
    components: usize,
    /// `[chunk, rows, 2, units]`: p_t of slots that are projected together.
    projection: Slots<T>,
    /// `[slots, rows, S * S, units]`: A_t; empty if constant.
    decay: Slots<T>,
    /// `[slots, rows, 2, units]`: u_t; empty if constant.
    influence: Slots<T>,
    /// `[slots, rows, P, S, units]`: I_t.
    immediate: Slots<T>,
    /// `[slots, rows, 2, units]`: dy_t/ds_t, where phi is at the output.
    slope: Slots<T>,
    /// `[P, units]`: dE/dq so far.
    unit_gradient: Buffer<T>,
    trace_decay: T,
}

impl<T: Scalar> DiagonalCore<T> {
    pub(crate) fn zeros(layer: &Layer, rows: usize, setting: &Setting) -> Result<Self, Error> {
        let single = matches!(layer.cell, Cell::MinGru(_) | Cell::Elstm(_));
        let components = if single { 1 } else { 2 };
        let (units, parameters) = (layer.weights.rows() / 2, layer.unit.map_or(0, |block| block.rows()));
        let [inside, at_output] = nonlinearities(layer.cell);
        let constant = !single && inside == Nonlinearity::Identity;
        let slots = setting.factor_slots(rows);
        let planes =
            |there: bool, planes: usize| Slots::zeros(slots, rows, usize::from(there) * planes * units);
        Ok(Self {
            layer: *layer,
            units,
            components,
            projection: Slots::zeros(setting.chunk(rows), rows, 2 * units)?,
            decay: planes(!constant, components * components)?,
            influence: planes(!constant, 2)?,
            immediate: planes(true, parameters * components)?,
            slope: planes(at_output != Nonlinearity::Identity, 2)?,
            unit_gradient: Buffer::zeros(parameters * units),
            trace_decay: T::from_f64(setting.extensions.scaling.decay),
        })
    }

    /// y_t of s_t.
    fn give(&mut self, weights: Weights<'_, T>, at: usize, [state, inputs]: [&[T]; 2], output: &mut [T]) {
        let units = self.units;
        if let Cell::OnlineLru(lru) = self.layer.cell {
            let stride = self.layer.weights.stride();
            let rows = output.chunks_exact_mut(lru.output()).zip(state.chunks_exact(2 * units));
            for ((y, s), x) in rows.zip(inputs.chunks_exact(stride)) {
                y[..units].copy_from_slice(&s[..units]);
                for (y, &s) in y[units..2 * units].iter_mut().zip(&s[units..]) {
                    *y = -s;
                }
                // x_t behind them, if it is passed on.
                let skipped = y.len() - 2 * units;
                y[2 * units..].copy_from_slice(&x[..skipped]);
            }
        } else if self.slope.is_empty() {
            output.copy_from_slice(state);
        } else {
            let [_, nonlinearity] = nonlinearities(self.layer.cell);
            weights.level.run(Nonlinear { nonlinearity, input: state, output, slope: self.slope.at_mut(at) });
        }
    }
}

/// A and u of a recurrence without phi.
fn constants<T: Scalar>(prepared: &Prepared<T>) -> [Local<'_, T>; 2] {
    [Local::constant(prepared.trace_decay()), Local::constant(&prepared.gain)]
}

impl<T: Scalar> Core<T> for DiagonalCore<T> {
    fn project(&mut self, weights: Weights<'_, T>, activity: &Activity<T>, slots: Range<usize>) {
        project(weights, self.layer.weights, &activity[0], slots, &mut self.projection);
    }

    fn forward(&mut self, weights: Weights<'_, T>, mut step: StepForward<'_, T>) {
        step.forget();
        let StepForward { slot, factors, projected, marks, state, activity, output } = step;
        let (units, active, prepared) = (self.units, marks.active.at(slot), weights.prepared);
        let [(_, state)] = &mut state.parts[..] else { return };
        let projection = self.projection.at(projected);
        let (decay, influence) = (self.decay.at_mut(factors), self.influence.at_mut(factors));
        let immediate = self.immediate.at_mut(factors);
        match self.layer.cell {
            Cell::MinGru(_) => {
                let op = MinGru { units, active, projection, state, decay: &mut *decay, influence };
                weights.level.run(op);
            }
            Cell::Elstm(_) => weights.level.run(Elstm {
                units,
                active,
                projection,
                weights: prepared.parameters(),
                state,
                decay: &mut *decay,
                influence,
                immediate,
            }),
            _ => weights.level.run(PairCell {
                nonlinearity: nonlinearities(self.layer.cell)[0],
                units,
                active,
                decay: &prepared.decay,
                gain: &prepared.gain[..units],
                parameters: prepared.pair_parameters(),
                projection,
                state,
                decay_out: &mut *decay,
                influence,
                immediate,
            }),
        }
        if self.trace_decay != T::ONE {
            scale(decay, self.trace_decay);
        }
        self.give(weights, factors, [&*state, activity[0].at(slot)], output);
        clear(active, false, output);
    }

    fn back(&mut self, weights: Weights<'_, T>, step: StepBack<'_, T>) {
        let StepBack { slot, rows, heard, live, signal, carried, deltas: [delta, _], .. } = step;
        let (own, learns) = (step.state_signal, step.learns);
        self.state_signal(slot, rows.clone(), signal, own);
        clear(heard, false, own);
        let gradient = if learns { self.unit_gradient.len() } else { 0 };
        let immediate = if learns { self.immediate.rows(slot, rows.clone()) } else { &[] };
        let [decay, influence] = if self.decay.is_empty() {
            constants(weights.prepared)
        } else {
            [self.decay.local(), self.influence.local()]
        };
        weights.level.run(UnitBackward {
            components: self.components,
            units: self.units,
            active: live,
            decay: decay.rows(slot, rows.start),
            influence: influence.rows(slot, rows.start),
            immediate,
            signal: own,
            carried,
            delta,
            gradient: &mut self.unit_gradient[..gradient],
        });
    }

    fn state_signal(&self, slot: usize, rows: Range<usize>, signal: &[T], target: &mut [T]) {
        let units = self.units;
        if let Cell::OnlineLru(lru) = self.layer.cell {
            let signals = signal.chunks_exact(lru.output());
            for (target, signal) in target.chunks_exact_mut(2 * units).zip(signals) {
                target[..units].copy_from_slice(&signal[..units]);
                for (target, &signal) in target[units..].iter_mut().zip(&signal[units..2 * units]) {
                    *target = -signal;
                }
            }
        } else if self.slope.is_empty() {
            target.copy_from_slice(signal);
        } else {
            let slope = self.slope.rows(slot, rows);
            for (target, (&signal, &slope)) in target.iter_mut().zip(signal.iter().zip(slope)) {
                *target = slope * signal;
            }
        }
    }
    fn slope(&self) -> Option<&Slots<T>> {
        (!self.slope.is_empty()).then_some(&self.slope)
    }
    fn local<'a>(&'a self, weights: Weights<'a, T>, _block: usize) -> Option<[Local<'a, T>; 2]> {
        Some(if self.decay.is_empty() {
            constants(weights.prepared)
        } else {
            [self.decay.local(), self.influence.local()]
        })
    }
    fn immediate(&self) -> Option<&Slots<T>> {
        (!self.immediate.is_empty()).then_some(&self.immediate)
    }
    fn unit_gradient(&mut self) -> &mut [T] {
        &mut self.unit_gradient
    }
    fn pass_skip(&self, signal: &[T], heard: &[bool], below: &mut [T]) {
        let Cell::OnlineLru(lru) = self.layer.cell else { return };
        if !lru.skip() {
            return;
        }
        let rows = below.chunks_exact_mut(lru.input()).zip(signal.chunks_exact(lru.output())).zip(heard);
        for ((below, signal), _) in rows.filter(|(_, heard)| **heard) {
            for (below, &signal) in below.iter_mut().zip(&signal[2 * self.units..]) {
                *below += signal;
            }
        }
    }

    fn visit(&mut self, visit: Visit<'_, T>) {
        show(visit, "decay", &mut self.decay);
        show(visit, "influence", &mut self.influence);
        show(visit, "immediate", &mut self.immediate);
        show(visit, "slope", &mut self.slope);
    }
}
