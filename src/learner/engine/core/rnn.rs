//! The vanilla RNN's core.
//!
//! ```text
//! (1) p_t = W [x_t; h_{t-1}; 1]        h_t = phi(p_t)
//! (2) A_t = 0                          u_t = phi'(p_t)         h_{t-1} held fixed: a unit keeps nothing of its own
//! (3) dE/dh_{t-1} = U^T dE/dp_t        only if the way back is not cut
//! ```
//!
//! With (2), e-prop of an RNN is what one step knows of its own weights.

use std::ops::Range;

use eligibility_kernels::activation::Nonlinear;

use super::lstm::{project_ahead, recurrent_map, recurrent_map_back, steps_ahead, take_hidden};
use super::{Activity, Core, StepBack, StepForward, Weights};
use crate::affine::Beta;
use crate::block::Block;
use crate::buffer::Buffer;
use crate::cells::Rnn;
use crate::error::Error;
use crate::layout::Layer;
use crate::learner::engine::setting::{Cut, Setting};
use crate::scalar::Scalar;
use crate::slots::{Local, Slots, Visit, show};

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct RnnCore<T: Scalar> {
    cell: Rnn,
    block: Block,
    /// `[ahead, rows, units]`: p of slots that are projected together.
    preactivation: Slots<T>,
    ahead: usize,
    /// `[slots, rows, units]`: phi'.
    slope: Slots<T>,
    /// `[rows, units]`: A_t.
    nothing: Buffer<T>,
}

impl<T: Scalar> RnnCore<T> {
    pub(crate) fn zeros(cell: Rnn, layer: &Layer, rows: usize, setting: &Setting) -> Result<Self, Error> {
        let units = cell.units();
        let ahead = steps_ahead(rows, setting);
        Ok(Self {
            cell,
            block: layer.weights,
            preactivation: Slots::zeros(ahead, rows, units)?,
            ahead,
            slope: Slots::zeros(setting.factor_slots(rows), rows, units)?,
            nothing: Buffer::zeros(if setting.traces() { rows * units } else { 0 }),
        })
    }
}

impl<T: Scalar> Core<T> for RnnCore<T> {
    fn ahead(&self) -> usize {
        self.ahead
    }
    fn project(&mut self, weights: Weights<'_, T>, activity: &Activity<T>, slots: Range<usize>) {
        project_ahead(weights, self.cell.input(), activity, slots, &mut self.preactivation);
    }

    fn forward(&mut self, weights: Weights<'_, T>, mut step: StepForward<'_, T>) {
        step.forget();
        let StepForward { slot, factors, projected, marks, state, activity, output } = step;
        let (active, activity) = (marks.active.at(slot), activity[0].at_mut(slot));
        let [(_, state)] = &mut state.parts[..] else { return };
        take_hidden(activity, active, state, self.cell.input(), self.block.stride());
        let z = self.preactivation.at_mut(projected);
        recurrent_map(weights, self.block, activity, state, z);
        let (nonlinearity, slope) = (self.cell.nonlinearity(), self.slope.at_mut(factors));
        weights.level.run(Nonlinear { nonlinearity, input: z, output: &mut *output, slope });
        let units = self.cell.units();
        let rows = state.chunks_exact_mut(units).zip(output.chunks_exact(units)).zip(active);
        for ((state, output), _) in rows.filter(|(_, active)| **active) {
            state.copy_from_slice(output);
        }
    }

    fn back(&mut self, weights: Weights<'_, T>, mut step: StepBack<'_, T>) {
        step.add_signal();
        let StepBack { slot, rows, live, cut, goes_on, carried, deltas: [delta, _], .. } = step;
        let units = self.cell.units();
        let factors = carried.chunks_exact(units).zip(self.slope.rows(slot, rows).chunks_exact(units));
        for ((delta, (carried, slope)), &live) in delta.chunks_exact_mut(units).zip(factors).zip(live) {
            if !live {
                delta.fill(T::ZERO);
                continue;
            }
            for (delta, (&carried, &slope)) in delta.iter_mut().zip(carried.iter().zip(slope)) {
                *delta = slope * carried;
            }
        }
        // (3)
        if cut == Cut::None && goes_on {
            recurrent_map_back(weights, (self.block, self.cell.input()), Beta::Replace, delta, carried);
        } else {
            carried.fill(T::ZERO);
        }
    }

    fn local<'a>(&'a self, _weights: Weights<'a, T>, _block: usize) -> Option<[Local<'a, T>; 2]> {
        let nothing = Local::of_rows(&self.nothing, self.cell.units());
        Some([nothing, self.slope.local()])
    }

    fn visit(&mut self, visit: Visit<'_, T>) {
        show(visit, "slope", &mut self.slope);
    }
}
