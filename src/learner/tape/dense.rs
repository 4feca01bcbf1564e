//! A dense layer on a tape.
//!
//! ```text
//! (1) y_t = phi(p_t)      dE/dp_t = phi'(p_t) dE/dy_t
//! ```

use std::ops::Range;

use eligibility_kernels::activation::Nonlinear;

use crate::affine::Scalar;
use crate::buffer::Buffer;
use crate::cells::Dense;
use crate::error::{Error, checked_product};
use crate::learner::tape::deltas::Deltas;
use crate::learner::tape::io::Io;
use crate::learner::tape::marks::Marks;
use crate::learner::tape::{Context, Purpose};

#[derive(Clone, Debug, PartialEq)]
pub(super) struct DenseTape<T: Scalar> {
    cell: Dense,
    /// Elements of a slot: rows x outputs.
    width: usize,
    /// `[slots, rows, output]`: p_t, then phi'(p_t).
    projection: Buffer<T>,
    slope: Buffer<T>,
    delta: Deltas<T>,
}

impl<T: Scalar> DenseTape<T> {
    pub(super) fn zeros(cell: Dense, rows: usize, slots: usize, purpose: Purpose) -> Result<Self, Error> {
        let width = checked_product("the learner's memory", &[rows, cell.output()])?;
        let length = checked_product("the learner's memory", &[slots, width])?;
        let (projection, slope) = (Buffer::zeros(length), Buffer::zeros(length));
        Ok(Self { cell, width, projection, slope, delta: Deltas::zeros(width, slots, purpose)? })
    }
    #[expect(clippy::unused_self, reason = "it has no state, as others have")]
    pub(super) fn start(&mut self) {}

    fn range(&self, slots: Range<usize>) -> Range<usize> {
        slots.start * self.width..slots.end * self.width
    }

    pub(super) fn forward(
        &mut self,
        context: Context<'_, T>,
        io: &mut Io<T>,
        marks: &Marks,
        slots: Range<usize>,
    ) {
        let range = self.range(slots.clone());
        io.project(context.parameters, slots.clone(), &mut self.projection[range.clone()]);
        context.level.run(Nonlinear {
            nonlinearity: self.cell.nonlinearity(),
            input: &self.projection[range.clone()],
            output: io.outputs_mut(slots.clone()),
            slope: &mut self.slope[range],
        });
        for slot in slots {
            marks.clear_ended(slot, io.outputs_mut(slot..slot + 1));
        }
    }

    pub(super) fn back(
        &mut self,
        context: Context<'_, T>,
        io: &mut Io<T>,
        slots: Range<usize>,
        below: &mut [T],
    ) {
        let slope = &self.slope[self.range(slots.clone())];
        let factors = io.signals(slots.clone()).iter().zip(slope);
        for (delta, (&signal, &slope)) in self.delta.last_mut(slots.clone()).iter_mut().zip(factors) {
            *delta = slope * signal;
        }
        io.pass_down(context.parameters, self.delta.last(slots.clone()), below);
        self.delta.add_up(slots);
    }

    pub(super) fn add_gradient(&mut self, io: &Io<T>, slots: Range<usize>, gradient: &mut [T]) {
        self.delta.take(slots.clone(), |delta| io.add_gradient(slots, delta, gradient));
    }
    /// Zeros what could be read of a row before slot `begin`.
    pub(super) fn forget(&mut self, row: usize, begin: usize) {
        let (rows, width) = (self.width / self.cell.output(), self.cell.output());
        for cell in (0..begin).map(|slot| slot * rows + row) {
            self.slope[cell * width..(cell + 1) * width].fill(T::ZERO);
        }
    }
    pub(super) fn shift(&mut self, slots: Range<usize>) {
        let range = self.range(slots.clone());
        self.slope.copy_within(range, 0);
        self.delta.shift(slots);
    }
}
