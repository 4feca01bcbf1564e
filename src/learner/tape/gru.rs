//! A GRU on a tape. Equations: `eligibility_kernels::gru_gates`.
//!
//! ```text
//! (1) dE/dh_{t-1} = z dE/dh_t + W_hh^T dE/db_t        b_t = W_hh h_{t-1} + b_hh
//! (2) dE/dW_hh += sum over t of dE/db_t [h_{t-1}; 1]^T
//! ```

use std::ops::Range;

use eligibility_kernels::gru_gates::{GruGates, GruGatesBackward};

use crate::affine::{Beta, Rect, Scalar, add_transposed_times, times, times_transposed};
use crate::buffer::Buffer;
use crate::error::{Error, checked_product};
use crate::layout::{Block, Layer};
use crate::learner::tape::deltas::Deltas;
use crate::learner::tape::io::Io;
use crate::learner::tape::marks::Marks;
use crate::learner::tape::{Context, Purpose};

/// r, z, n, h_n and h_{t-1} of every cell.
const SAVED: usize = 5;
const GATES: usize = 3;

#[derive(Clone, Debug, PartialEq)]
pub(super) struct GruTape<T: Scalar> {
    recurrent: Block,
    rows: usize,
    units: usize,
    /// `[slots, rows, 3, units]`: a_t.
    projection: Buffer<T>,
    /// `[rows, 3, units]`: b_t.
    recurrent_projection: Buffer<T>,
    /// `[slots, rows, 5, units]`
    saved: Buffer<T>,
    /// `[slots, rows, stride]`: `[h_{t-1}; 1]`.
    before: Buffer<T>,
    /// `[rows, units]`: h_t of the last step.
    state: Buffer<T>,
    /// `[rows, units]`: dE/dh_t on the way back.
    hidden_gradient: Buffer<T>,
    /// dE/da_t and dE/db_t.
    deltas: [Deltas<T>; 2],
}

impl<T: Scalar> GruTape<T> {
    pub(super) fn zeros(layer: &Layer, rows: usize, slots: usize, purpose: Purpose) -> Result<Self, Error> {
        let recurrent = layer.recurrent.unwrap_or(layer.weights);
        let units = layer.cell.output();
        let width = checked_product("the learner's memory", &[rows, units])?;
        let zeros = |factor: usize| {
            let length = checked_product("the learner's memory", &[slots, width, factor])?;
            Ok::<_, Error>(Buffer::zeros(length))
        };
        let before = checked_product("the learner's memory", &[slots, rows, recurrent.stride()])?;
        let delta = || Deltas::zeros(GATES * width, slots, purpose);
        Ok(Self {
            recurrent,
            rows,
            units,
            projection: zeros(GATES)?,
            recurrent_projection: Buffer::zeros(GATES * width),
            saved: zeros(SAVED)?,
            before: Buffer::zeros(before),
            state: Buffer::zeros(width),
            hidden_gradient: Buffer::zeros(width),
            deltas: [delta()?, delta()?],
        })
    }
    pub(super) fn start(&mut self) {
        self.state.fill(T::ZERO);
    }
    fn width(&self) -> usize {
        self.rows * self.units
    }

    pub(super) fn forward(
        &mut self,
        context: Context<'_, T>,
        io: &mut Io<T>,
        marks: &Marks,
        slots: Range<usize>,
    ) {
        let (width, units, stride) = (self.width(), self.units, self.recurrent.stride());
        let cells = GATES * width * slots.start..GATES * width * slots.end;
        io.project(context.parameters, slots.clone(), &mut self.projection[cells]);
        for slot in slots {
            marks.clear_first(slot, &mut self.state);
            let before = &mut self.before[slot * self.rows * stride..(slot + 1) * self.rows * stride];
            for (target, h) in before.chunks_exact_mut(stride).zip(self.state.chunks_exact(units)) {
                target[..units].copy_from_slice(h);
                target[units] = T::ONE;
            }
            marks.clear_ended(slot, before);
            times_transposed(
                Rect::dense(&mut self.recurrent_projection[..], self.rows, GATES * units),
                Beta::Replace,
                Rect::padded(&*before, self.rows, units + 1, stride),
                self.recurrent.matrix(context.parameters),
            );
            context.level.run(GruGates {
                units,
                active: marks.active(slot),
                input: &self.projection[slot * GATES * width..(slot + 1) * GATES * width],
                recurrent: &self.recurrent_projection,
                state: &mut self.state,
                saved: &mut self.saved[slot * SAVED * width..(slot + 1) * SAVED * width],
            });
            let outputs = io.outputs_mut(slot..slot + 1);
            outputs.copy_from_slice(&self.state);
            marks.clear_ended(slot, outputs);
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
        let (width, units) = (self.width(), self.units);
        let [input, recurrent] = &mut self.deltas;
        self.hidden_gradient.fill(T::ZERO);
        for slot in slots.clone().rev() {
            for (dh, &signal) in self.hidden_gradient.iter_mut().zip(io.signals(slot..slot + 1)) {
                *dh += signal;
            }
            context.level.run(GruGatesBackward {
                units,
                active: marks.active(slot),
                saved: &self.saved[slot * SAVED * width..(slot + 1) * SAVED * width],
                hidden_gradient: &mut self.hidden_gradient,
                input_gradient: input.last_mut(slot..slot + 1),
                recurrent_gradient: recurrent.last_mut(slot..slot + 1),
            });
            // (1)
            times(
                Rect::dense(&mut self.hidden_gradient[..], self.rows, units),
                Beta::Add,
                Rect::dense(recurrent.last(slot..slot + 1), self.rows, GATES * units),
                Rect { columns: units, ..self.recurrent.matrix(context.parameters) },
            );
            marks.clear_first(slot, &mut self.hidden_gradient);
        }
        io.pass_down(context.parameters, input.last(slots.clone()), below);
        input.add_up(slots.clone());
        recurrent.add_up(slots);
    }

    pub(super) fn add_gradient(&mut self, io: &Io<T>, slots: Range<usize>, gradient: &mut [T]) {
        let [input, recurrent] = &mut self.deltas;
        input.take(slots.clone(), |delta| io.add_gradient(slots.clone(), delta, gradient));
        // (2)
        let (cells, stride) = (slots.len() * self.rows, self.recurrent.stride());
        let before = &self.before[slots.start * self.rows * stride..slots.end * self.rows * stride];
        let (block, width) = (self.recurrent, GATES * self.units);
        recurrent.take(slots, |delta| {
            add_transposed_times(
                block.matrix_mut(gradient),
                Rect::dense(delta, cells, width),
                Rect::padded(before, cells, block.columns(), stride),
            );
        });
    }

    /// Zeros what could be read of a row before slot `begin`.
    pub(super) fn forget(&mut self, row: usize, begin: usize) {
        let (rows, width) = (self.rows, self.recurrent.stride());
        for cell in (0..begin).map(|slot| slot * rows + row) {
            self.before[cell * width..(cell + 1) * width].fill(T::ZERO);
        }
    }
    pub(super) fn shift(&mut self, slots: Range<usize>) {
        let (saved, before) = (SAVED * self.width(), self.rows * self.recurrent.stride());
        self.saved.copy_within(slots.start * saved..slots.end * saved, 0);
        self.before.copy_within(slots.start * before..slots.end * before, 0);
        self.deltas.iter_mut().for_each(|delta| delta.shift(slots.clone()));
    }
}
