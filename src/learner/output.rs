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

use crate::affine::{Beta, Rect, Scalar, add_transposed_times, times, times_transposed};
use crate::buffer::Buffer;
use crate::error::{Error, checked_product};
use crate::layout::Layout;
use crate::network::Shape;
use crate::readout::{Readout, Score, Target, weights};
use crate::sequences::{Rows, Sequences};

/// Outputs and errors of a batch of rows: the buffers of the equations above.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct OutputRows<T: Scalar> {
    readout: Readout,
    layout: Layout,
    rows: Rows,
    /// What a row's loss counts in the loss of the batch.
    weight: T,
    /// `[rows, output]`: y.
    pub(crate) output: Buffer<T>,
    /// `[rows, output]`: dE/dy, zero for rows that are not scored.
    pub(crate) error: Buffer<T>,
}

impl<T: Scalar> OutputRows<T> {
    /// For some rows of a batch of `batch`, over which the loss is averaged.
    pub(crate) fn zeros(shape: &Shape, rows: Rows, batch: usize) -> Result<Self, Error> {
        let Shape { readout, layout, .. } = *shape;
        let length = checked_product("the learner's memory", &[rows.count, readout.output()])?;
        let weight = T::from_f64(1.0 / batch as f64);
        let (output, error) = (Buffer::zeros(length), Buffer::zeros(length));
        Ok(Self { readout, layout, rows, weight, output, error })
    }

    /// Outputs of `step`, where there is a target at every step: scores the active rows and sets their errors to
    /// `weight * dE/dy`, those of the others to zero.
    pub(crate) fn score_step(
        &mut self,
        parameters: &[T],
        hidden: &[T],
        sequences: &Sequences<'_, T>,
        step: usize,
        total: &mut Score,
    ) {
        self.forward(parameters, hidden);
        for row in 0..self.rows.count {
            if step < sequences.length(self.rows.start + row) {
                self.score(row, sequences.target(step, self.rows.start + row), total);
            } else {
                self.skip(row);
            }
        }
    }

    /// Outputs of every row's last step, whose hidden state the rows still hold: scores them all.
    pub(crate) fn score_last(
        &mut self,
        parameters: &[T],
        hidden: &[T],
        sequences: &Sequences<'_, T>,
        total: &mut Score,
    ) {
        self.forward(parameters, hidden);
        for row in 0..self.rows.count {
            let last = sequences.length(self.rows.start + row) - 1;
            self.score(row, sequences.target(last, self.rows.start + row), total);
        }
    }

    /// (1) for all rows.
    pub(crate) fn forward(&mut self, parameters: &[T], hidden: &[T]) {
        let (outputs, block) = (self.readout.output(), self.layout.readout());
        let bias = block.columns() - 1;
        for row in self.output.chunks_exact_mut(outputs) {
            for (unit, y) in row.iter_mut().enumerate() {
                *y = parameters[block.index(unit, bias)];
            }
        }
        let weights = weights(&self.layout, parameters);
        let hidden = Rect::dense(hidden, self.rows.count, bias);
        times_transposed(
            Rect::dense(&mut self.output[..], self.rows.count, outputs),
            Beta::Add,
            hidden,
            weights,
        );
    }

    /// (2) or (3): scores the output of `row` and sets its error to `weight * dE/dy`.
    pub(crate) fn score(&mut self, row: usize, target: Target<'_, T>, total: &mut Score) {
        let range = row * self.readout.output()..(row + 1) * self.readout.output();
        let (output, error) = (&self.output[range.clone()], &mut self.error[range]);
        total.targets += 1;
        match target {
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

    /// Marks `row` as not scored.
    fn skip(&mut self, row: usize) {
        self.error[row * self.readout.output()..(row + 1) * self.readout.output()].fill(T::ZERO);
    }

    /// Adds the readout's gradient, `sum over rows of dE/dy [h; 1]^T`.
    pub(crate) fn add_gradient(&self, hidden: &[T], gradient: &mut [T]) {
        let block = self.layout.readout();
        let bias = block.columns() - 1;
        let errors = Rect::dense(&self.error[..], self.rows.count, self.readout.output());
        let target = Rect { columns: bias, ..block.matrix_mut(gradient) };
        add_transposed_times(target, errors, Rect::dense(hidden, self.rows.count, bias));
        for row in self.error.chunks_exact(self.readout.output()) {
            for (unit, &error) in row.iter().enumerate() {
                gradient[block.index(unit, bias)] += error;
            }
        }
    }

    /// (4): `signal [rows, hidden] = error B` with the feedback matrix B `[output, hidden]`.
    pub(crate) fn signal(&self, signal: &mut [T], feedback: Rect<&[T]>) {
        let errors = Rect::dense(&self.error[..], self.rows.count, self.readout.output());
        times(Rect::dense(signal, self.rows.count, feedback.columns), Beta::Replace, errors, feedback);
    }
}
