//! The GRU's core. Equations of the gates: `eligibility_kernels::gru_gates`.
//!
//! ```text
//! (1) a_t = W_ih x_t + b_ih      b_t = W_hh h_{t-1} + b_hh      h_t = gates(a_t, b_t, h_{t-1})
//! (2) A_t = z_t        u_t = dh_t/da_t, dh_t/db_t               h_{t-1} inside b_t held fixed
//! (3) dE/dh_{t-1} = z_t dE/dh_t + W_hh^T dE/db_t                the second term only if the way back is not cut
//! ```

use std::ops::Range;

use eligibility_kernels::gru_gates::{GRU_GATES, GRU_SAVED, GruGates, GruGatesBackward};

use super::lstm::{recurrent_map, recurrent_map_back, take_hidden};
use super::{Activity, Core, StepBack, StepForward, Weights, project};
use crate::affine::Beta;
use crate::block::Block;
use crate::cells::Gru;
use crate::error::Error;
use crate::layout::Layer;
use crate::learner::engine::setting::{Cut, Setting};
use crate::scalar::Scalar;
use crate::slots::{Local, Marks, Slots, Visit, clear, scale, show};

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct GruCore<T: Scalar> {
    units: usize,
    blocks: [Block; 2],
    /// `[chunk, rows, 3, units]`: a_t of slots that are projected together.
    projection: Slots<T>,
    /// `[rows, 3, units]`: b_t.
    recurrent: Slots<T>,
    /// `[slots, rows, 5, units]`: r, z, n, h_n, h_{t-1}.
    saved: Slots<T>,
    /// Of e-prop with traces, `[slots, rows, units]` and `[slots, rows, 3, units]`: A_t; u_t of both blocks.
    decay: Slots<T>,
    influence: [Slots<T>; 2],
    trace_decay: T,
}

impl<T: Scalar> GruCore<T> {
    pub(crate) fn zeros(cell: Gru, layer: &Layer, rows: usize, setting: &Setting) -> Result<Self, Error> {
        let (units, slots) = (cell.units(), setting.factor_slots(rows));
        let traced = if setting.traces() { slots } else { 0 };
        let influence = || Slots::zeros(traced, rows, GRU_GATES * units);
        Ok(Self {
            units,
            blocks: [layer.weights, layer.recurrent.unwrap_or(layer.weights)],
            projection: Slots::zeros(setting.chunk(rows), rows, GRU_GATES * units)?,
            recurrent: Slots::zeros(1, rows, GRU_GATES * units)?,
            saved: Slots::zeros(slots, rows, GRU_SAVED * units)?,
            decay: Slots::zeros(traced, rows, units)?,
            influence: [influence()?, influence()?],
            trace_decay: T::from_f64(setting.extensions.scaling.decay),
        })
    }
    /// A_t and u_t: the way back for a gradient of 1.
    fn leave_factors(&mut self, weights: Weights<'_, T>, marks: &Marks, slot: usize) {
        if self.decay.is_empty() {
            return;
        }
        let decay = self.decay.at_mut(slot);
        decay.fill(T::ONE);
        let [input, recurrent] = &mut self.influence;
        weights.level.run(GruGatesBackward {
            units: self.units,
            active: marks.active.at(slot),
            saved: self.saved.at(slot),
            hidden_gradient: &mut *decay,
            input_gradient: input.at_mut(slot),
            recurrent_gradient: recurrent.at_mut(slot),
        });
        clear(marks.first.at(slot), true, decay);
        if self.trace_decay != T::ONE {
            scale(decay, self.trace_decay);
        }
    }
}

impl<T: Scalar> Core<T> for GruCore<T> {
    fn project(&mut self, weights: Weights<'_, T>, activity: &Activity<T>, slots: Range<usize>) {
        project(weights, self.blocks[0], &activity[0], slots, &mut self.projection);
    }

    fn forward(&mut self, weights: Weights<'_, T>, mut step: StepForward<'_, T>) {
        step.forget();
        let StepForward { slot, factors, projected, marks, state, activity, output } = step;
        let [(_, state)] = &mut state.parts[..] else { return };
        // (1)
        let (active, block, z) = (marks.active.at(slot), self.blocks[1], self.recurrent.at_mut(0));
        let before = activity[1].at_mut(slot);
        take_hidden(before, active, state, 0, block.stride());
        clear(active, false, before);
        recurrent_map(weights, block, before, state, z);
        weights.level.run(GruGates {
            units: self.units,
            active,
            input: self.projection.at(projected),
            recurrent: z,
            state,
            saved: self.saved.at_mut(factors),
        });
        output.copy_from_slice(state);
        self.leave_factors(weights, marks, slot);
    }

    fn back(&mut self, weights: Weights<'_, T>, mut step: StepBack<'_, T>) {
        step.add_signal();
        let StepBack { slot, rows, live, cut, goes_on, carried, deltas: [input, recurrent], .. } = step;
        weights.level.run(GruGatesBackward {
            units: self.units,
            active: live,
            saved: self.saved.rows(slot, rows),
            hidden_gradient: &mut *carried,
            input_gradient: input,
            recurrent_gradient: &mut *recurrent,
        });
        // (3)
        if cut == Cut::None && goes_on {
            recurrent_map_back(weights, (self.blocks[1], 0), Beta::Add, recurrent, carried);
        } else if self.trace_decay != T::ONE {
            scale(carried, self.trace_decay);
        }
    }

    fn local<'a>(&'a self, _weights: Weights<'a, T>, block: usize) -> Option<[Local<'a, T>; 2]> {
        Some([self.decay.local(), self.influence[block].local()])
    }

    fn visit(&mut self, visit: Visit<'_, T>) {
        show(visit, "saved", &mut self.saved);
        show(visit, "decay", &mut self.decay);
        let [input, recurrent] = &mut self.influence;
        show(visit, "input influence", input);
        show(visit, "recurrent influence", recurrent);
    }
}
