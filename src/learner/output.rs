//! Outputs and errors of a batch of rows: the readout at work.
//!
//! ```text
//! (1) y = W_out [h; 1]
//! (2) E = -log softmax(y)[class]        dE/dy = softmax(y) - onehot(class)
//! (3) E = 1/2 |y - target|^2            dE/dy = y - target
//! (4) L = B^T dE/dy                     dE/dW_out = sum over rows of dE/dy [h; 1]^T
//! ```
//!
//! (2) subtracts the largest y before exp, so it cannot overflow.

use std::ops::Range;

use crate::affine::{Beta, Rect, Scalar, add_transposed_times, times, times_transposed};
use crate::buffer::Buffer;
use crate::error::{Error, checked_product};
use crate::layout::Block;
use crate::network::Shape;
use crate::readout::{Readout, Score, Target, weights};
use crate::sequences::{Rows, Sequences};

/// Outputs and errors of some cells, each a row at a step: the buffers of the equations above.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Outputs<T: Scalar> {
    readout: Readout,
    pub(crate) block: Block,
    /// Rows of a step.
    rows: usize,
    /// What a row's loss counts in the loss of the batch.
    pub(crate) weight: T,
    /// `[cells]`: the same for a cell that was scored, zero for others.
    pub(crate) weights: Vec<T>,
    /// `[cells, output]`: y.
    pub(crate) output: Buffer<T>,
    /// `[cells, output]`: dE/dy, zero for cells that are not scored.
    pub(crate) error: Buffer<T>,
}

impl<T: Scalar> Outputs<T> {
    /// For `steps` steps of `rows` rows of a batch of `batch`, over which the loss is averaged.
    pub(crate) fn zeros(shape: &Shape, steps: usize, rows: usize, batch: usize) -> Result<Self, Error> {
        let (readout, block) = (shape.readout, shape.layout.readout());
        let length = checked_product("the learner's memory", &[steps, rows, readout.output()])?;
        let weight = T::from_f64(1.0 / batch as f64);
        let (output, error) = (Buffer::zeros(length), Buffer::zeros(length));
        Ok(Self { readout, block, rows, weight, weights: vec![T::ZERO; steps * rows], output, error })
    }

    /// Outputs of the steps from `first` on, whose hidden states are `hidden` `[steps, rows, hidden]`. Scores the rows
    /// that have a target and sets their errors to `weight * dE/dy`, those of the others to zero.
    pub(crate) fn score_steps(
        &mut self,
        parameters: &[T],
        hidden: &[T],
        sequences: &Sequences<'_, T>,
        rows: Rows,
        first: usize,
        total: &mut Score,
    ) {
        self.forward(parameters, hidden);
        for cell in 0..self.cells(hidden) {
            let (step, row) = (first + cell / self.rows, cell % self.rows);
            let there = row < rows.count;
            let target = if there { sequences.target(step, rows.start + row) } else { Target::Absent };
            self.score(cell, target, total);
        }
    }

    /// Outputs of the rows whose last step is one of `steps`, and whose last hidden state is in `hidden`
    /// `[rows, hidden]`: scores them; the errors of the others become zero.
    pub(crate) fn score_ended(
        &mut self,
        parameters: &[T],
        hidden: &[T],
        sequences: &Sequences<'_, T>,
        rows: Rows,
        steps: Range<usize>,
        total: &mut Score,
    ) {
        self.forward(parameters, hidden);
        for row in 0..self.rows {
            let last = if row < rows.count { sequences.length(rows.start + row) - 1 } else { usize::MAX };
            let ends = steps.contains(&last);
            let target = if ends { sequences.target(last, rows.start + row) } else { Target::Absent };
            self.score(row, target, total);
        }
    }

    /// Cells of so many hidden states.
    fn cells(&self, hidden: &[T]) -> usize {
        hidden.len() / (self.block.columns() - 1)
    }

    /// (1) for as many cells as there are hidden states.
    pub(crate) fn forward(&mut self, parameters: &[T], hidden: &[T]) {
        let (cells, outputs, block) = (self.cells(hidden), self.readout.output(), self.block);
        let bias = block.columns() - 1;
        let output = &mut self.output[..cells * outputs];
        for row in output.chunks_exact_mut(outputs) {
            for (unit, y) in row.iter_mut().enumerate() {
                *y = parameters[block.index(unit, bias)];
            }
        }
        let weights = weights(self.block, parameters);
        let hidden = Rect::dense(hidden, cells, bias);
        times_transposed(Rect::dense(output, cells, outputs), Beta::Add, hidden, weights);
    }

    /// (2) or (3): scores the output of `cell` and sets its error to `weight * dE/dy`, or to zero without a target.
    pub(crate) fn score(&mut self, cell: usize, target: Target<'_, T>, total: &mut Score) {
        let range = cell * self.readout.output()..(cell + 1) * self.readout.output();
        let (output, error) = (&self.output[range.clone()], &mut self.error[range]);
        let there = target != Target::Absent;
        total.targets += usize::from(there);
        self.weights[cell] = if there { self.weight } else { T::ZERO };
        match target {
            Target::Absent => error.fill(T::ZERO),
            Target::Class(class) => {
                let largest = output.iter().fold(f64::NEG_INFINITY, |largest, y| largest.max(y.to_f64()));
                let sum: f64 = output.iter().map(|y| (y.to_f64() - largest).exp()).sum();
                for (index, (error, y)) in error.iter_mut().zip(output).enumerate() {
                    let probability = (y.to_f64() - largest).exp() / sum;
                    let onehot = f64::from(u8::from(index == class));
                    *error = self.weight * T::from_f64(probability - onehot);
                }
                total.loss += largest + sum.ln() - output[class].to_f64();
                let first_largest = output.iter().position(|y| y.to_f64() >= largest);
                total.correct += usize::from(first_largest == Some(class));
            }
            Target::Values(values) => {
                let mut squares = 0.0;
                for ((error, &y), &value) in error.iter_mut().zip(output).zip(values) {
                    let difference = y - value;
                    squares += difference.to_f64() * difference.to_f64();
                    *error = self.weight * difference;
                }
                total.loss += 0.5 * squares;
            }
        }
    }

    /// Takes errors of the first cells that somebody else computed, as they are.
    pub(crate) fn set_errors(&mut self, errors: &[T]) {
        self.error[..errors.len()].copy_from_slice(errors);
        self.weights.fill(T::ONE);
    }

    /// Adds the readout's gradient, `sum over cells of dE/dy [h; 1]^T`.
    pub(crate) fn add_gradient(&self, hidden: &[T], gradient: &mut [T]) {
        let (cells, outputs, block) = (self.cells(hidden), self.readout.output(), self.block);
        let bias = block.columns() - 1;
        let errors = &self.error[..cells * outputs];
        let target = Rect { columns: bias, ..block.matrix_mut(gradient) };
        let hidden = Rect::dense(hidden, cells, bias);
        add_transposed_times(target, Rect::dense(errors, cells, outputs), hidden);
        for row in errors.chunks_exact(outputs) {
            for (unit, &error) in row.iter().enumerate() {
                gradient[block.index(unit, bias)] += error;
            }
        }
    }

    /// (4): `signal [cells, hidden] = errors B` with the feedback matrix B `[output, hidden]`.
    pub(crate) fn signal(&self, signal: &mut [T], feedback: Rect<&[T]>) {
        let (cells, outputs) = (self.cells(signal), self.readout.output());
        let errors = Rect::dense(&self.error[..cells * outputs], cells, outputs);
        times(Rect::dense(signal, cells, feedback.columns), Beta::Replace, errors, feedback);
    }
}
