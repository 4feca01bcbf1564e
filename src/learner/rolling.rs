//! Some batch rows going forward with their last L steps at hand, and back over those from every target.
//!
//! ```text
//! for a target at t, over s = t, t - 1, ..., t - L + 1, ending early where the row's episode begins:
//! (1) dE_t/dh_s = L_t if s = t, else U^T dE_t/dz_{s+1};   below the top layer W_x^T dE_t/dz_s of the layer above is added,
//!     and there is no L_t
//! (2) dE_t/dc_s = dE_t/dh_s dh_s/dc_s + f_{s+1} dE_t/dc_{s+1}
//! (3) dE_t/dz_s = dE_t/dc_s s_s for i, f, g;  dE_t/dh_s s_o for o
//!
//! for every step, once:
//! (4) dE/dz_s = sum over t of dE_t/dz_s                                 t = s, ..., s + L - 1
//! (5) dE/dW   = sum over s of dE/dz_s presynaptic_s^T
//! ```
//!
//! The last L steps lie in a ring. (2) and (3) are one kernel on a copy of the influences, which later targets need
//! again; (4) is complete when a step leaves the ring, and (5) is done then. Only rows with a target go back, and only
//! what went back is in (5): rows that have ended, and what is not finite in an episode that was left, reach nothing.

use std::ops::Range;

use eligibility_kernels::Level;
use eligibility_kernels::lstm_gates::{GATES, LstmGatesBackward};

use crate::affine::{Beta, Rect, Scalar, add_transposed_times, times};
use crate::buffer::Buffer;
use crate::error::{Error, checked_product};
use crate::layout::LstmLayer;
use crate::learner::forward::{Factors, Forward, StepInput};
use crate::learner::packed::{PackedBack, Weights};
use crate::learner::targeted::Targeted;
use crate::learner::window::Pass;
use crate::network::Shape;
use crate::readout::Score;

/// The ring of some batch rows. A cell is a row at a step: `slot * rows + row`, where a step's slot is its remainder by L.
#[derive(Clone, Debug)]
pub(crate) struct Rolling<T: Scalar> {
    rows: usize,
    /// L.
    slots: usize,
    /// From the input up.
    layers: Vec<LayerRing<T>>,
    targeted: Targeted<T>,
    /// `[slots, rows]`: whether a target has added to dE/dz_s.
    reached: Vec<bool>,
    /// `[rows]`: the step with which the row's episode began.
    episode: Vec<usize>,
}

/// A layer's part of the ring.
#[derive(Clone, Debug)]
struct LayerRing<T: Scalar> {
    layer: LstmLayer,
    forward: Forward<T>,
    /// Of the last L steps.
    factors: Factors<T>,
    /// `[slots, rows, 4, hidden]`: dE/dz_s as far as targets have added to it.
    sum: Buffer<T>,
    /// `[rows with a target, hidden]`: dE_t/dh_s.
    hidden_gradient: Buffer<T>,
    /// `[rows with a target, hidden]`: f_{s+1} dE_t/dc_{s+1}.
    cell_gradient: Buffer<T>,
    /// `[rows with a target, 4, hidden]`: dE_t/dz_s.
    preactivation_gradient: Buffer<T>,
}

impl<T: Scalar> Rolling<T> {
    /// Of `slots` steps for `rows` rows of a batch of `batch`.
    pub(crate) fn zeros(shape: &Shape, rows: usize, batch: usize, slots: usize) -> Result<Self, Error> {
        let layers = shape.layout.lstms().iter().enumerate();
        let layers = layers.map(|(index, &layer)| LayerRing::zeros(layer, index > 0, rows, slots));
        Ok(Self {
            rows,
            slots,
            layers: layers.collect::<Result<_, _>>()?,
            targeted: Targeted::zeros(shape, rows, batch)?,
            reached: vec![false; slots * rows],
            episode: vec![0; rows],
        })
    }

    /// Adds the gradient of the rows' part of the loss; scores their outputs on the way.
    pub(crate) fn run(
        &mut self,
        pass: Pass<'_, T>,
        recurrent: &[PackedBack<T>],
        gradient: &mut [T],
    ) -> Score {
        let Pass { parameters, sequences, rows, .. } = pass;
        let (mut score, top) = (Score::default(), self.layers.len() - 1);
        for (index, layer) in self.layers.iter_mut().enumerate() {
            layer.forward.start(sequences.initial(index), rows);
        }
        self.episode.fill(0);
        for step in 0..sequences.steps() {
            let slot = step % self.slots;
            self.add_weight_gradient(slot..slot + 1, gradient);
            if let Some(is_first) = sequences.is_first(step, rows) {
                for (episode, _) in self.episode.iter_mut().zip(is_first).filter(|(_, first)| **first) {
                    *episode = step;
                }
            }
            for (index, weights) in pass.weights.iter().enumerate() {
                let (below, layers) = self.layers.split_at_mut(index);
                let below = below.last().map(|below| &below.forward.state.hidden[..]);
                let LayerRing { forward, factors, .. } = &mut layers[0];
                forward.activate(sequences, rows, step);
                let input = StepInput { sequences, rows, step, below };
                forward.advance(pass.level, Weights::Packed(weights), input, &mut factors.at(slot));
            }
            let hidden = &self.layers[top].forward.state.hidden;
            if self.targeted.score(parameters, hidden, sequences, rows, step, &mut score) {
                self.targeted.add_gradient(gradient);
                self.targeted.signal(parameters, &mut self.layers[top].hidden_gradient);
                self.scan_back(pass, step, recurrent);
            }
        }
        self.add_weight_gradient(0..self.slots.min(sequences.steps()), gradient);
        score
    }

    /// (1) to (4) for the rows with a target at step `last`, whose learning signals the top layer has.
    fn scan_back(&mut self, pass: Pass<'_, T>, last: usize, recurrent: &[PackedBack<T>]) {
        let rows = &self.targeted.rows;
        let earliest = rows.iter().map(|&row| self.episode[row]).min().unwrap_or(last);
        let first = earliest.max((last + 1).saturating_sub(self.slots));
        let top = self.layers.len() - 1;
        for (index, layer) in self.layers.iter_mut().enumerate() {
            layer.cell_gradient.fill(T::ZERO);
            if index < top {
                layer.hidden_gradient.fill(T::ZERO);
            }
        }
        for step in (first..=last).rev() {
            let slot = step % self.slots;
            for &row in rows.iter().filter(|&&row| step >= self.episode[row]) {
                self.reached[slot * self.rows + row] = true;
            }
            for index in (0..=top).rev() {
                let (below, layers) = self.layers.split_at_mut(index);
                layers[0].step_back(pass.level, slot, rows, |row| step >= self.episode[row]);
                // (1)
                if let Some(below) = below.last_mut() {
                    layers[0].pass_down(pass.parameters, rows.len(), &mut below.hidden_gradient);
                }
                if step > first {
                    layers[0].map_back(pass.level, rows.len(), &recurrent[index]);
                }
            }
        }
    }

    /// (5) for the steps in `slots`, which leave the ring.
    fn add_weight_gradient(&mut self, slots: Range<usize>, gradient: &mut [T]) {
        let cells = slots.start * self.rows..slots.end * self.rows;
        let reached = &mut self.reached[cells.clone()];
        if reached.contains(&true) {
            for layer in &mut self.layers {
                layer.add_weight_gradient(cells.clone(), reached, gradient);
            }
            reached.fill(false);
        }
    }
}

impl<T: Scalar> LayerRing<T> {
    fn zeros(layer: LstmLayer, above: bool, rows: usize, slots: usize) -> Result<Self, Error> {
        let units = rows * layer.lstm.hidden();
        let sum = checked_product("the learner's memory", &[slots, GATES, units])?;
        Ok(Self {
            layer,
            forward: Forward::zeros(layer, rows, if above { 1 } else { usize::MAX })?,
            factors: Factors::zeros(&layer, rows, slots)?,
            sum: Buffer::zeros(sum),
            hidden_gradient: Buffer::zeros(units),
            cell_gradient: Buffer::zeros(units),
            preactivation_gradient: Buffer::zeros(GATES * units),
        })
    }

    /// (2) to (4) for the step in `slot` and those of `rows` that the error `reaches`.
    fn step_back(&mut self, level: Level, slot: usize, rows: &[usize], reaches: impl Fn(usize) -> bool) {
        let hidden = self.layer.lstm.hidden();
        let (width, all) = (GATES * hidden, self.forward.active.len());
        let factors = self.factors.at(slot);
        for (index, &row) in rows.iter().enumerate() {
            let dz = &mut self.preactivation_gradient[index * width..(index + 1) * width];
            if !reaches(row) {
                dz.fill(T::ZERO);
                continue;
            }
            // (2) and (3)
            let (target, source) = (index * hidden..(index + 1) * hidden, row * hidden..(row + 1) * hidden);
            dz.copy_from_slice(&factors.influence[row * width..(row + 1) * width]);
            level.run(LstmGatesBackward {
                active: &[true],
                hidden_gradient: &self.hidden_gradient[target.clone()],
                forget_gate: &factors.forget_gate[source.clone()],
                dhidden_dcell: &factors.dhidden_dcell[source],
                cell_gradient: &mut self.cell_gradient[target],
                influence: &mut *dz,
            });
            // (4)
            let cell = slot * all + row;
            for (sum, &mut dz) in self.sum[cell * width..(cell + 1) * width].iter_mut().zip(dz) {
                *sum += dz;
            }
        }
    }

    /// Adds to dE_t/dh_s of the layer below.
    fn pass_down(&self, parameters: &[T], rows: usize, below: &mut [T]) {
        let (width, input) = (self.layer.block.rows(), self.layer.lstm.input());
        let dz = Rect::dense(&self.preactivation_gradient[..rows * width], rows, width);
        let below = Rect::dense(&mut below[..rows * input], rows, input);
        times(below, Beta::Add, dz, self.layer.input_weights(parameters));
    }

    /// dE_t/dh of the step before.
    fn map_back(&mut self, level: Level, rows: usize, recurrent: &PackedBack<T>) {
        let units = rows * self.layer.lstm.hidden();
        let dz = &self.preactivation_gradient[..GATES * units];
        recurrent.map(level, rows, dz, &mut self.hidden_gradient[..units]);
    }

    /// (5) for some cells, of which nothing that was not `reached` is read.
    fn add_weight_gradient(&mut self, cells: Range<usize>, reached: &[bool], gradient: &mut [T]) {
        let (block, width, count) = (self.layer.block, self.layer.block.rows(), cells.len());
        let presynaptic = &mut self.factors.presynaptic[cells.start * block.stride()..];
        let presynaptic = &mut presynaptic[..count * block.stride()];
        let unread = presynaptic.chunks_exact_mut(block.stride()).zip(reached);
        for (presynaptic, _) in unread.filter(|(_, reached)| !**reached) {
            presynaptic.fill(T::ZERO);
        }
        let sum = &mut self.sum[cells.start * width..cells.end * width];
        add_transposed_times(
            block.matrix_mut(gradient),
            Rect::dense(&*sum, count, width),
            Rect::padded(&*presynaptic, count, block.columns(), block.stride()),
        );
        sum.fill(T::ZERO);
    }
}
