//! Outputs and errors of the places that have a target: the readout at work. What no target refers to is not looked at.
//!
//! ```text
//! (1) y = W_out [h; 1], or h itself without a readout
//! (2) dE/dh = B^T dE/dy                 dE/dW_out = sum of dE/dy [h; 1]^T
//! ```
//!
//! E and dE/dy: `crate::readout`.

use std::ops::Range;

use eligibility_kernels::Level;

use crate::affine::{Beta, Rect, add_transposed_times, times, times_transposed};
use crate::block::Block;
use crate::buffer::Buffer;
use crate::error::{Error, checked_product};
use crate::network::Shape;
use crate::readout::{Goal, Score, evaluate, weights};
use crate::scalar::Scalar;
use crate::sequences::{Rows, Sequences};
use crate::slots::{Mask, Slots, runs};

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Outputs<T: Scalar> {
    readout: Option<Block>,
    features: usize,
    width: usize,
    rows: usize,
    /// The places looked at, in rising order, of which the first buffers below are rows: `[places, output]`.
    places: Vec<usize>,
    pub(crate) output: Buffer<T>,
    error: Buffer<T>,
    /// `[slots, rows, output]`: dE/dy_t, zero where there is no target; and where it is not zero.
    errors: Slots<T>,
    pub(crate) heard: Mask,
    /// Whether a target counts even if its error is zero.
    counts_all: bool,
}

impl<T: Scalar> Outputs<T> {
    /// For `chunk` of `slots` slots at a time.
    pub(crate) fn zeros(
        shape: &Shape,
        [slots, chunk, rows]: [usize; 3],
        counts_all: bool,
    ) -> Result<Self, Error> {
        let outputs = shape.output();
        let length = checked_product("the learner's memory", &[chunk, rows, outputs])?;
        Ok(Self {
            readout: shape.layout.readout(),
            features: shape.layout.features(),
            width: outputs,
            rows,
            places: Vec::with_capacity(chunk * rows),
            output: Buffer::zeros(length),
            error: Buffer::zeros(length),
            errors: Slots::zeros(slots, rows, outputs)?,
            heard: Mask::new(slots, rows),
            counts_all,
        })
    }

    /// (1) of `[places, features]`, as many as there are.
    pub(crate) fn forward(&mut self, level: Level, parameters: &[T], hidden: &[T]) -> &mut [T] {
        let places = hidden.len() / self.features;
        let output = &mut self.output[..places * self.width];
        let Some(block) = self.readout else {
            output.copy_from_slice(hidden);
            return output;
        };
        let bias = block.columns() - 1;
        for row in output.chunks_exact_mut(self.width) {
            for (unit, y) in row.iter_mut().enumerate() {
                *y = parameters[block.index(unit, bias)];
            }
        }
        let target = Rect::dense(&mut *output, places, self.width);
        let hidden = Rect::dense(hidden, places, bias);
        times_transposed(level, target, Beta::Add, hidden, weights(block, parameters));
        output
    }

    /// Scores the places of some slots, the first of which is step `first`, and keeps their errors; `hidden` `[slots, rows,
    /// features]` is used up. Adds the readout's gradient, unless that is empty. Returns whether there was a target.
    pub(crate) fn score(
        &mut self,
        level: Level,
        parameters: &[T],
        hidden: &mut [T],
        (sequences, rows): (&Sequences<'_, T>, Rows),
        (first, slots): (usize, Range<usize>),
        (total, gradient): (&mut Score, &mut [T]),
    ) -> bool {
        let (features, outputs) = (self.features, self.width);
        self.places.clear();
        for slot in slots.clone() {
            let step = first + slot - slots.start;
            let places = (slot - slots.start) * self.rows;
            let has_target = |&row: &usize| sequences.has_target(step, rows.start + row);
            self.places.extend((0..rows.count).filter(has_target).map(|row| places + row));
        }
        if !self.errors.is_empty() {
            self.errors.range_mut(slots.clone()).fill(T::ZERO);
            self.heard.range_mut(slots.clone()).fill(false);
        }
        if self.places.is_empty() {
            return false;
        }
        for (index, &place) in self.places.iter().enumerate().filter(|(index, place)| index != *place) {
            hidden.copy_within(place * features..(place + 1) * features, index * features);
        }
        let hidden = &hidden[..self.places.len() * features];
        self.forward(level, parameters, hidden);
        let weight = T::from_f64(1.0 / sequences.batch() as f64);
        for (index, &place) in self.places.iter().enumerate() {
            let (step, row) = (first + place / self.rows, rows.start + place % self.rows);
            let span = index * outputs..(index + 1) * outputs;
            let (output, error) = (&self.output[span.clone()], &mut self.error[span]);
            let Some(goal) = sequences.goal(step, row) else { continue };
            evaluate(goal, weight, output, error, total);
            if !self.errors.is_empty() {
                let (slot, row) = (slots.start + place / self.rows, place % self.rows);
                self.errors.rows_mut(slot, row..row + 1).copy_from_slice(error);
                self.heard.at_mut(slot)[row] = self.counts_all || error.iter().any(|&e| e != T::ZERO);
            }
        }
        if !gradient.is_empty() {
            let error = &self.error[..self.places.len() * outputs];
            add_gradient(self.readout, error, hidden, gradient);
        }
        true
    }

    /// Scores the rows of one slot, whose outputs are known.
    pub(crate) fn score_rows<'t>(
        &mut self,
        slot: usize,
        goals: impl Iterator<Item = Option<Goal<'t, T>>>,
        weight: T,
        total: &mut Score,
    ) where
        T: 't,
    {
        let errors = self.errors.at_mut(slot).chunks_exact_mut(self.width);
        let rows = self.output.chunks_exact(self.width).zip(errors);
        for (((output, error), heard), goal) in rows.zip(self.heard.at_mut(slot)).zip(goals) {
            error.fill(T::ZERO);
            let there = goal.map(|goal| evaluate(goal, weight, output, error, total)).is_some();
            *heard = there && (self.counts_all || error.iter().any(|&e| e != T::ZERO));
        }
    }
    /// Takes errors of one slot that somebody else computed. A row whose errors are all zero has none.
    pub(crate) fn set_errors(&mut self, slot: usize, errors: &[T]) {
        self.errors.at_mut(slot).copy_from_slice(errors);
        for (heard, error) in self.heard.at_mut(slot).iter_mut().zip(errors.chunks_exact(self.width)) {
            *heard = error.iter().any(|&e| e != T::ZERO);
        }
    }
    /// Adds the readout's gradient for the rows of one slot that have an error; `hidden` `[rows, features]`.
    pub(crate) fn add_gradient_of_rows(&mut self, slot: usize, hidden: &[T], gradient: &mut [T]) {
        for rows in runs(self.heard.at(slot)) {
            let hidden = &hidden[rows.start * self.features..rows.end * self.features];
            add_gradient(self.readout, self.errors.rows(slot, rows), hidden, gradient);
        }
    }
    /// dE/dy of the rows of one slot.
    pub(crate) fn errors_of_rows(&self, slot: usize) -> &[T] {
        self.errors.at(slot)
    }

    /// (2): dE/dh `[slots, rows, features]` of some slots, with the feedback matrix B `[output, features]` if there is a
    /// readout; meaningful where there is an error.
    pub(crate) fn signals(&self, feedback: Option<Rect<&[T]>>, slots: Range<usize>, signals: &mut [T]) {
        let Some(feedback) = feedback else {
            signals.copy_from_slice(self.errors.range(slots));
            return;
        };
        let errors = self.errors.matrix(slots, self.width);
        times(Rect::dense(signals, errors.rows, self.features), Beta::Replace, errors, feedback);
    }
}

/// Adds `sum over places of dE/dy [h; 1]^T`.
fn add_gradient<T: Scalar>(readout: Option<Block>, errors: &[T], hidden: &[T], gradient: &mut [T]) {
    let Some(block) = readout else { return };
    let (outputs, bias) = (block.rows(), block.columns() - 1);
    let places = errors.len() / outputs;
    let target = Rect { columns: bias, ..block.matrix_mut(gradient) };
    let hidden = Rect::dense(hidden, places, bias);
    add_transposed_times(target, Rect::dense(errors, places, outputs), hidden);
    for row in errors.chunks_exact(outputs) {
        for (unit, &error) in row.iter().enumerate() {
            gradient[block.index(unit, bias)] += error;
        }
    }
}
