//! A vanilla RNN on a tape.
//!
//! ```text
//! (1) h_t = phi(p_t + W_hh h_{t-1})       dE/dp_t = phi' dE/dh_t       dE/dh_{t-1} = W_hh^T dE/dp_t
//! (2) dE/dW_hh += sum over t of dE/dp_t h_{t-1}^T
//! ```

use std::ops::Range;

use eligibility_kernels::activation::Nonlinear;

use crate::affine::{Beta, Rect, Scalar, add_transposed_times, times, times_transposed};
use crate::buffer::Buffer;
use crate::cells::Rnn;
use crate::error::{Error, checked_product};
use crate::layout::{Block, Layer};
use crate::learner::tape::deltas::Deltas;
use crate::learner::tape::io::Io;
use crate::learner::tape::marks::Marks;
use crate::learner::tape::{Context, Purpose};

#[derive(Clone, Debug, PartialEq)]
pub(super) struct RnnTape<T: Scalar> {
    cell: Rnn,
    recurrent: Block,
    rows: usize,
    units: usize,
    /// `[slots, rows, units]`: p_t + W_hh h_{t-1}.
    projection: Buffer<T>,
    /// `[slots, rows, units]`: phi'.
    slope: Buffer<T>,
    /// `[slots, rows, units]`: h_{t-1}.
    before: Buffer<T>,
    /// `[rows, units]`: h_t of the last step.
    state: Buffer<T>,
    /// `[rows, units]`: dE/dh_t on the way back.
    hidden_gradient: Buffer<T>,
    deltas: Deltas<T>,
}

impl<T: Scalar> RnnTape<T> {
    pub(super) fn zeros(
        layer: &Layer,
        cell: Rnn,
        rows: usize,
        slots: usize,
        purpose: Purpose,
    ) -> Result<Self, Error> {
        let recurrent = layer.recurrent.unwrap_or(layer.weights);
        let units = cell.output();
        let width = checked_product("the learner's memory", &[rows, units])?;
        let length = checked_product("the learner's memory", &[slots, width])?;
        Ok(Self {
            cell,
            recurrent,
            rows,
            units,
            projection: Buffer::zeros(length),
            slope: Buffer::zeros(length),
            before: Buffer::zeros(length),
            state: Buffer::zeros(width),
            hidden_gradient: Buffer::zeros(width),
            deltas: Deltas::zeros(width, slots, purpose)?,
        })
    }
    pub(super) fn start(&mut self) {
        self.state.fill(T::ZERO);
    }
    fn range(&self, slots: Range<usize>) -> Range<usize> {
        let width = self.rows * self.units;
        slots.start * width..slots.end * width
    }

    pub(super) fn forward(
        &mut self,
        context: Context<'_, T>,
        io: &mut Io<T>,
        marks: &Marks,
        slots: Range<usize>,
    ) {
        let range = self.range(slots.clone());
        io.project(context.parameters, slots.clone(), &mut self.projection[range]);
        for slot in slots {
            let range = self.range(slot..slot + 1);
            marks.clear_first(slot, &mut self.state);
            // What a row holds that has ended takes part in nothing.
            marks.clear_ended(slot, &mut self.state);
            self.before[range.clone()].copy_from_slice(&self.state);
            let projection = &mut self.projection[range.clone()];
            times_transposed(
                Rect::dense(&mut *projection, self.rows, self.units),
                Beta::Add,
                Rect::dense(&self.state[..], self.rows, self.units),
                self.recurrent.matrix(context.parameters),
            );
            let outputs = io.outputs_mut(slot..slot + 1);
            context.level.run(Nonlinear {
                nonlinearity: self.cell.nonlinearity(),
                input: projection,
                output: &mut *outputs,
                slope: &mut self.slope[range],
            });
            marks.clear_ended(slot, outputs);
            self.state.copy_from_slice(outputs);
        }
    }

    pub(super) fn back(
        &mut self,
        context: Context<'_, T>,
        io: &mut Io<T>,
        marks: &Marks,
        slots: Range<usize>,
        below: &mut [T],
    ) {
        self.hidden_gradient.fill(T::ZERO);
        for slot in slots.clone().rev() {
            let slope = &self.slope[self.range(slot..slot + 1)];
            let delta = self.deltas.last_mut(slot..slot + 1);
            let signals = io.signals(slot..slot + 1).iter().zip(&self.hidden_gradient[..]);
            for ((delta, &slope), (&signal, &carried)) in delta.iter_mut().zip(slope).zip(signals) {
                *delta = slope * (signal + carried);
            }
            marks.clear_ended(slot, delta);
            times(
                Rect::dense(&mut self.hidden_gradient[..], self.rows, self.units),
                Beta::Replace,
                Rect::dense(&*delta, self.rows, self.units),
                self.recurrent.matrix(context.parameters),
            );
            marks.clear_first(slot, &mut self.hidden_gradient);
        }
        io.pass_down(context.parameters, self.deltas.last(slots.clone()), below);
        self.deltas.add_up(slots);
    }

    pub(super) fn add_gradient(&mut self, io: &Io<T>, slots: Range<usize>, gradient: &mut [T]) {
        let (block, cells, units) = (self.recurrent, slots.len() * self.rows, self.units);
        let before = Rect::dense(&self.before[self.range(slots.clone())], cells, units);
        self.deltas.take(slots.clone(), |delta| {
            io.add_gradient(slots, delta, gradient);
            add_transposed_times(block.matrix_mut(gradient), Rect::dense(delta, cells, units), before);
        });
    }

    /// Zeros what could be read of a row before slot `begin`.
    pub(super) fn forget(&mut self, row: usize, begin: usize) {
        let (rows, width) = (self.rows, self.units);
        for cell in (0..begin).map(|slot| slot * rows + row) {
            self.before[cell * width..(cell + 1) * width].fill(T::ZERO);
        }
    }
    pub(super) fn shift(&mut self, slots: Range<usize>) {
        let range = self.range(slots.clone());
        self.slope.copy_within(range.clone(), 0);
        self.before.copy_within(range, 0);
        self.deltas.shift(slots);
    }
}
