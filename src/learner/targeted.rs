//! The rows that have a target at a step: their outputs, errors and learning signals, and those of no other row.
//!
//! ```text
//! E_t = sum over rows with a target of E(y_t)        dE/dW_out += dE/dy_t [h_t; 1]^T        L_t = W_out^T dE/dy_t
//! ```
//!
//! What is not finite in a row without a target reaches nothing. Equations of the readout: `crate::learner::output`.

use crate::affine::Scalar;
use crate::buffer::Buffer;
use crate::error::Error;
use crate::learner::output::Outputs;
use crate::network::Shape;
use crate::readout::{Score, weights};
use crate::sequences::{Rows, Sequences};

/// The rows with a target at the last step looked at, of some batch rows.
#[derive(Clone, Debug)]
pub(crate) struct Targeted<T: Scalar> {
    /// Units of the top layer.
    units: usize,
    /// Which rows, in rising order.
    pub(crate) rows: Vec<usize>,
    /// `[rows, hidden]`: h_t of those rows, side by side; room for all.
    hidden: Buffer<T>,
    output: Outputs<T>,
}

impl<T: Scalar> Targeted<T> {
    /// Of `count` rows of a batch of `batch`.
    pub(crate) fn zeros(shape: &Shape, count: usize, batch: usize) -> Result<Self, Error> {
        let units = shape.layout.features();
        let hidden = Buffer::zeros(count * units);
        let output = Outputs::zeros(shape, 1, count, batch)?;
        Ok(Self { units, rows: Vec::with_capacity(count), hidden, output })
    }

    /// Scores the outputs of the rows with a target at `step`, whose hidden states are in `hidden` `[count, hidden]`.
    /// Returns whether there are any.
    pub(crate) fn score(
        &mut self,
        parameters: &[T],
        hidden: &[T],
        sequences: &Sequences<'_, T>,
        rows: Rows,
        step: usize,
        total: &mut Score,
    ) -> bool {
        self.rows.clear();
        self.rows.extend((0..rows.count).filter(|&row| sequences.has_target(step, rows.start + row)));
        if self.rows.is_empty() {
            return false;
        }
        let units = self.units;
        for (target, &row) in self.hidden.chunks_exact_mut(units).zip(&self.rows) {
            target.copy_from_slice(&hidden[row * units..(row + 1) * units]);
        }
        self.output.forward(parameters, &self.hidden[..self.rows.len() * units]);
        for (cell, &row) in self.rows.iter().enumerate() {
            self.output.score(cell, sequences.target(step, rows.start + row), total);
        }
        true
    }

    /// Adds the readout's gradient.
    pub(crate) fn add_gradient(&self, gradient: &mut [T]) {
        let units = self.rows.len() * self.units;
        self.output.add_gradient(&self.hidden[..units], gradient);
    }

    /// L_t of those rows, side by side, into the first elements of `signal`.
    pub(crate) fn signal(&self, parameters: &[T], signal: &mut [T]) {
        let units = self.rows.len() * self.units;
        self.output.signal(&mut signal[..units], weights(self.output.block, parameters));
    }
}
