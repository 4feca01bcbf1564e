//! What goes into a layer and what comes out, on the way forward and on the way back.

use std::ops::Range;

use crate::affine::{Beta, Rect, Scalar, add_transposed_times, times, times_transposed};
use crate::buffer::Buffer;
use crate::error::{Error, checked_product};
use crate::layout::{Block, Layer};
use crate::learner::tape::marks::Marks;

/// The presynaptic activity, outputs and learning signals of a layer.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Io<T: Scalar> {
    rows: usize,
    /// Of the layer's weights.
    weights: Block,
    input: usize,
    output: usize,
    /// `[slots, rows, stride of the weights]`: a_t = `[x_t; 1]`, or x_t where there is no bias.
    presynaptic: Buffer<T>,
    /// `[slots, rows, output]`: y_t.
    outputs: Buffer<T>,
    /// `[slots, rows, output]`: dE/dy_t.
    signals: Buffer<T>,
}

impl<T: Scalar> Io<T> {
    pub(super) fn zeros(layer: &Layer, rows: usize, slots: usize, learns: bool) -> Result<Self, Error> {
        let (weights, output) = (layer.weights, layer.cell.output());
        let length = |width| checked_product("the learner's memory", &[slots, rows, width]);
        Ok(Self {
            rows,
            weights,
            input: layer.cell.input(),
            output,
            presynaptic: Buffer::zeros(length(weights.stride())?),
            outputs: Buffer::zeros(length(output)?),
            signals: Buffer::zeros(if learns { length(output)? } else { 0 }),
        })
    }

    fn range(&self, slots: Range<usize>, width: usize) -> Range<usize> {
        slots.start * self.rows * width..slots.end * self.rows * width
    }
    /// `[slots, rows, output]`
    pub(super) fn outputs(&self, slots: Range<usize>) -> &[T] {
        &self.outputs[self.range(slots, self.output)]
    }
    pub(super) fn outputs_mut(&mut self, slots: Range<usize>) -> &mut [T] {
        let range = self.range(slots, self.output);
        &mut self.outputs[range]
    }
    /// a_t `[rows, stride]` and y_t `[rows, output]` of one slot.
    pub(super) fn inputs_and_outputs_mut(&mut self, slot: usize) -> (&[T], &mut [T]) {
        let inputs = self.range(slot..slot + 1, self.weights.stride());
        let outputs = self.range(slot..slot + 1, self.output);
        (&self.presynaptic[inputs], &mut self.outputs[outputs])
    }
    /// `[slots, rows, output]`
    pub(super) fn signals(&self, slots: Range<usize>) -> &[T] {
        &self.signals[self.range(slots, self.output)]
    }
    pub(super) fn signals_mut(&mut self, slots: Range<usize>) -> &mut [T] {
        let range = self.range(slots, self.output);
        &mut self.signals[range]
    }
    /// `[slots, rows, stride]`
    pub(super) fn presynaptic(&self, slots: Range<usize>) -> &[T] {
        &self.presynaptic[self.range(slots, self.weights.stride())]
    }
    /// Elements from a row's a_t to the next row's.
    pub(super) fn stride(&self) -> usize {
        self.weights.stride()
    }

    /// Takes x_t `[slots, rows, input]`. What rows hold that have ended is not read.
    pub(super) fn take(&mut self, slots: Range<usize>, marks: &Marks, inputs: &[T]) {
        let per_slot = self.rows * self.input;
        for (slot, inputs) in slots.zip(inputs.chunks_exact(per_slot)) {
            self.take_padded(slot, marks, inputs);
        }
    }
    /// The same for one slot, where the last rows may be missing.
    pub(super) fn take_padded(&mut self, slot: usize, marks: &Marks, inputs: &[T]) {
        let (stride, input) = (self.weights.stride(), self.input);
        let range = self.range(slot..slot + 1, stride);
        let targets = self.presynaptic[range].chunks_exact_mut(stride).zip(marks.active(slot)).enumerate();
        for (row, (target, &active)) in targets {
            if active {
                target[..input].copy_from_slice(&inputs[row * input..(row + 1) * input]);
                // The bias's activity, where there is a bias.
                target[input..self.weights.columns()].fill(T::ONE);
            } else {
                target.fill(T::ZERO);
            }
        }
    }

    /// Zeros what a row had before slot `begin`.
    pub(super) fn forget(&mut self, row: usize, begin: usize) {
        let stride = self.weights.stride();
        for cell in (0..begin).map(|slot| slot * self.rows + row) {
            self.presynaptic[cell * stride..(cell + 1) * stride].fill(T::ZERO);
            self.outputs[cell * self.output..(cell + 1) * self.output].fill(T::ZERO);
        }
    }

    /// p_t = W a_t: `[slots, rows, rows of W]`.
    pub(super) fn project(&self, parameters: &[T], slots: Range<usize>, projection: &mut [T]) {
        let cells = slots.len() * self.rows;
        times_transposed(
            Rect::dense(projection, cells, self.weights.rows()),
            Beta::Replace,
            self.activity(slots),
            self.weights.matrix(parameters),
        );
    }
    /// dE/dx_t = W^T dE/dp_t `[slots, rows, input]`, unless nobody wants it.
    pub(super) fn pass_down(&self, parameters: &[T], delta: &[T], target: &mut [T]) {
        if target.is_empty() {
            return;
        }
        let cells = delta.len() / self.weights.rows();
        times(
            Rect::dense(target, cells, self.input),
            Beta::Replace,
            Rect::dense(delta, cells, self.weights.rows()),
            Rect { columns: self.input, ..self.weights.matrix(parameters) },
        );
    }
    /// dE/dW += sum over t of dE/dp_t a_t^T.
    pub(super) fn add_gradient(&self, slots: Range<usize>, delta: &[T], gradient: &mut [T]) {
        let cells = slots.len() * self.rows;
        let delta = Rect::dense(delta, cells, self.weights.rows());
        add_transposed_times(self.weights.matrix_mut(gradient), delta, self.activity(slots));
    }
    fn activity(&self, slots: Range<usize>) -> Rect<&[T]> {
        let cells = slots.len() * self.rows;
        Rect::padded(self.presynaptic(slots), cells, self.weights.columns(), self.weights.stride())
    }

    /// Moves some slots to the front.
    pub(super) fn shift(&mut self, slots: Range<usize>) {
        let (presynaptic, outputs) =
            (self.range(slots.clone(), self.weights.stride()), self.range(slots, self.output));
        self.presynaptic.copy_within(presynaptic, 0);
        self.outputs.copy_within(outputs, 0);
    }
}
