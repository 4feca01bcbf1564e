//! The local factors of a diagonal cell on a tape.
//!
//! A_t and u_t of a recurrence without phi are constants of the layer; they are kept with what was prepared of its
//! parameters, and nothing of them is on the tape.

use std::ops::Range;

use eligibility_kernels::Strided;
use eligibility_kernels::activation::Nonlinearity;

use crate::affine::Scalar;
use crate::buffer::Buffer;
use crate::cells::Cell;
use crate::error::{Error, checked_product};
use crate::layout::Layer;
use crate::learner::tape::prepared::{Prepared, nonlinearities};

/// Of every cell of a tape; cells of rows that have ended hold what they held before.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Factors<T: Scalar> {
    rows: usize,
    /// S.
    pub(super) components: usize,
    pub(super) units: usize,
    /// P.
    pub(super) parameters: usize,
    /// `[slots, rows, S * S, units]`: A_t; empty if constant.
    decay: Buffer<T>,
    /// `[slots, rows, 2, units]`: u_t; empty if constant.
    influence: Buffer<T>,
    /// `[slots, rows, P, S, units]`: I_t.
    immediate: Buffer<T>,
}

impl<T: Scalar> Factors<T> {
    pub(super) fn zeros(layer: &Layer, rows: usize, slots: usize) -> Result<Self, Error> {
        let single = matches!(layer.cell, Cell::MinGru(_) | Cell::Elstm(_));
        let components = if single { 1 } else { 2 };
        let units = layer.weights.rows() / 2;
        let parameters = layer.unit.map_or(0, |block| block.rows());
        let constant = !single && nonlinearities(layer.cell)[0] == Nonlinearity::Identity;
        let zeros = |planes: usize| {
            let length = checked_product("the learner's memory", &[slots, rows, planes, units])?;
            Ok::<_, Error>(Buffer::zeros(length))
        };
        Ok(Self {
            rows,
            components,
            units,
            parameters,
            decay: zeros(if constant { 0 } else { components * components })?,
            influence: zeros(if constant { 0 } else { 2 })?,
            immediate: zeros(parameters * components)?,
        })
    }

    /// Elements of a slot in the three buffers.
    fn widths(&self) -> [usize; 3] {
        let constant = self.decay.is_empty();
        let planes = [
            if constant { 0 } else { self.components * self.components },
            if constant { 0 } else { 2 },
            self.parameters * self.components,
        ];
        planes.map(|planes| planes * self.rows * self.units)
    }

    /// Where a step leaves its factors: A_t, u_t, I_t.
    pub(super) fn at_mut(&mut self, slot: usize) -> (&mut [T], &mut [T], &mut [T]) {
        let [decay, influence, immediate] = self.widths();
        (
            &mut self.decay[slot * decay..(slot + 1) * decay],
            &mut self.influence[slot * influence..(slot + 1) * influence],
            &mut self.immediate[slot * immediate..(slot + 1) * immediate],
        )
    }

    /// A_t of the rows of a slot.
    pub(super) fn decay<'a>(&'a self, prepared: &'a Prepared<T>, slot: usize) -> Strided<'a, T> {
        let [width, ..] = self.widths();
        if width == 0 {
            return Strided { data: &prepared.decay, stride: 0 };
        }
        Strided { data: &self.decay[slot * width..(slot + 1) * width], stride: width / self.rows }
    }
    /// u_t of the rows of a slot.
    pub(super) fn influence<'a>(&'a self, prepared: &'a Prepared<T>, slot: usize) -> Strided<'a, T> {
        let [_, width, _] = self.widths();
        if width == 0 {
            return Strided { data: &prepared.gain, stride: 0 };
        }
        Strided { data: &self.influence[slot * width..(slot + 1) * width], stride: width / self.rows }
    }
    /// `[rows, P, S, units]`: I_t of a slot.
    pub(super) fn immediate(&self, slot: usize) -> &[T] {
        let [.., width] = self.widths();
        &self.immediate[slot * width..(slot + 1) * width]
    }
    /// A_t of one row from a slot on.
    pub(super) fn decay_of_row<'a>(
        &'a self,
        prepared: &'a Prepared<T>,
        row: usize,
        first: usize,
    ) -> Strided<'a, T> {
        let [width, ..] = self.widths();
        if width == 0 {
            return Strided { data: &prepared.decay, stride: 0 };
        }
        Strided { data: &self.decay[first * width + row * (width / self.rows)..], stride: width }
    }
    /// u_t of one row from a slot on.
    pub(super) fn influence_of_row<'a>(
        &'a self,
        prepared: &'a Prepared<T>,
        row: usize,
        first: usize,
    ) -> Strided<'a, T> {
        let [_, width, _] = self.widths();
        if width == 0 {
            return Strided { data: &prepared.gain, stride: 0 };
        }
        Strided { data: &self.influence[first * width + row * (width / self.rows)..], stride: width }
    }

    /// Moves some slots to the front.
    pub(super) fn shift(&mut self, slots: Range<usize>) {
        let widths = self.widths();
        let buffers = [&mut self.decay, &mut self.influence, &mut self.immediate];
        for (buffer, width) in buffers.into_iter().zip(widths) {
            buffer.copy_within(slots.start * width..slots.end * width, 0);
        }
    }
}
