//! The dense layer's core: no state.
//!
//! ```text
//! (1) p_t = W [x_t; 1]      y_t = phi(p_t)      dE/dp_t = phi'(p_t) dE/dy_t
//! ```

use std::ops::Range;

use eligibility_kernels::activation::Nonlinear;

use super::{Activity, Core, StepBack, StepForward, Weights, project};
use crate::block::Block;
use crate::cells::Dense;
use crate::error::Error;
use crate::layout::Layer;
use crate::learner::engine::setting::Setting;
use crate::scalar::Scalar;
use crate::slots::{Slots, Visit, clear, show};

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct DenseCore<T: Scalar> {
    cell: Dense,
    block: Block,
    /// `[chunk, rows, units]`: p_t of slots that are projected together.
    projection: Slots<T>,
    /// `[slots, rows, units]`: phi'.
    slope: Slots<T>,
}

impl<T: Scalar> DenseCore<T> {
    pub(crate) fn zeros(cell: Dense, layer: &Layer, rows: usize, setting: &Setting) -> Result<Self, Error> {
        Ok(Self {
            cell,
            block: layer.weights,
            projection: Slots::zeros(setting.chunk(rows), rows, cell.units())?,
            slope: Slots::zeros(setting.factor_slots(rows), rows, cell.units())?,
        })
    }
}

impl<T: Scalar> Core<T> for DenseCore<T> {
    fn project(&mut self, weights: Weights<'_, T>, activity: &Activity<T>, slots: Range<usize>) {
        project(weights, self.block, &activity[0], slots, &mut self.projection);
    }

    fn forward(&mut self, weights: Weights<'_, T>, step: StepForward<'_, T>) {
        let StepForward { slot, factors, projected, marks, output, .. } = step;
        let (nonlinearity, slope) = (self.cell.nonlinearity(), self.slope.at_mut(factors));
        let input = self.projection.at(projected);
        weights.level.run(Nonlinear { nonlinearity, input, output: &mut *output, slope });
        clear(marks.active.at(slot), false, output);
    }

    fn back(&mut self, _weights: Weights<'_, T>, step: StepBack<'_, T>) {
        let StepBack { slot, rows, heard, signal, deltas: [delta, _], .. } = step;
        let units = self.cell.units();
        let factors = signal.chunks_exact(units).zip(self.slope.rows(slot, rows).chunks_exact(units));
        for ((delta, (signal, slope)), &heard) in delta.chunks_exact_mut(units).zip(factors).zip(heard) {
            if !heard {
                delta.fill(T::ZERO);
                continue;
            }
            for (delta, (&signal, &slope)) in delta.iter_mut().zip(signal.iter().zip(slope)) {
                *delta = slope * signal;
            }
        }
    }

    fn visit(&mut self, visit: Visit<'_, T>) {
        show(visit, "slope", &mut self.slope);
    }
}
