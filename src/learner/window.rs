//! Some batch rows going forward over a window of steps and back over it: backpropagation through time, and e-prop
//! in blocks or as a whole.
//!
//! ```text
//! (1) dE/dh_t = L_t + U^T dE/dz_{t+1}     through everything (BPTT);   dE/dh_t = L_t     through the cell only (e-prop)
//! (2) dE/dc_t = dE/dh_t dh_t/dc_t + f_{t+1} dE/dc_{t+1}
//! (3) dE/dz_t = dE/dc_t s_t for i, f, g;  dE/dh_t s_o for o
//! (4) dE/dW   = sum over t of dE/dz_t presynaptic_t^T
//! ```
//!
//! (2) and (3) are one kernel; (4) is one matrix product over many steps and rows; U is the recurrent part of W. With
//! the right-hand side of (1) for e-prop, (2) to (4) are the sum that streaming traces evaluate forward in time (Hoyer
//! et al. 2022, eq. 3 to 9), summed in the other order. A window as long as the sequence needs nothing else. Shorter
//! windows carry the traces over (`crate::learner::carried`): what a window's learning signals do with the steps before
//! it is (f_{t+1} dE/dc_{t+1} at its first step) times the trace carried into it.

use std::ops::Range;

use eligibility_kernels::Level;
use eligibility_kernels::lstm_gates::{GATES, LstmGatesBackward};

use crate::affine::{Rect, Scalar, add_transposed_times};
use crate::buffer::Buffer;
use crate::error::{Error, checked_product};
use crate::feedback::Feedback;
use crate::learner::carried::Carried;
use crate::learner::forward::{Factors, Forward};
use crate::learner::output::Outputs;
use crate::learner::packed::{PackedBack, Weights};
use crate::network::Shape;
use crate::readout::{Score, weights};
use crate::sequences::{Rows, Sequences};

/// Cells, i.e. rows at steps, whose signals and weight gradients are one matrix product: enough for its full rate, few
/// enough to stay in L2.
const CELLS: usize = 256;

/// What the scan back goes through.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Through<'a, T: Scalar> {
    /// Cell and these recurrent weights: the exact gradient.
    Everything(&'a PackedBack<T>),
    /// The cell only, with learning signals through these feedback weights: the e-prop gradient.
    Cell(&'a Feedback<T>),
}

/// What a pass over sequences reads.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pass<'a, T: Scalar> {
    pub(crate) level: Level,
    pub(crate) parameters: &'a [T],
    pub(crate) weights: Weights<'a, T>,
    pub(crate) sequences: &'a Sequences<'a, T>,
    pub(crate) rows: Rows,
}

/// The window of some batch rows.
#[derive(Clone, Debug)]
pub(crate) struct Window<T: Scalar> {
    shape: Shape,
    /// Rows, some of which may stay idle.
    rows: usize,
    /// Most steps.
    steps: usize,
    /// Steps whose signals and weight gradients are one matrix product.
    chunk: usize,
    forward: Forward<T>,
    output: Outputs<T>,
    factors: Factors<T>,
    carried: Option<Carried<T>>,
    /// `[steps, rows, output]`: dE/dy_t, where there is a target at every step.
    errors: Buffer<T>,
    /// `[chunk, rows, hidden]`: h_t on the way forward, L_t on the way back.
    hidden: Buffer<T>,
    /// `[rows, hidden]`: dE/dh_t.
    hidden_gradient: Buffer<T>,
    /// `[rows, hidden]`: f_{t+1} dE/dc_{t+1}.
    cell_gradient: Buffer<T>,
    /// `[rows]`: step of the window with which the row's episode begins.
    episode: Vec<usize>,
    /// `[rows]`: whether the episode began before the window and a learning signal of the window may reach back to it.
    reaches_back: Vec<bool>,
}

impl<T: Scalar> Window<T> {
    /// Of `steps` steps for `rows` rows of a batch of `batch`; with traces if sequences may be longer.
    pub(crate) fn zeros(
        shape: Shape,
        rows: usize,
        batch: usize,
        steps: usize,
        traces: bool,
    ) -> Result<Self, Error> {
        // Rows with a trace are scanned back one by one, over the whole window.
        let chunk = if traces { steps } else { steps.min(CELLS.div_ceil(rows)) };
        let units = rows * shape.lstm.hidden();
        let length = |per_row: usize| checked_product("the learner's memory", &[steps, rows, per_row]);
        Ok(Self {
            shape,
            rows,
            steps,
            chunk,
            forward: Forward::zeros(shape, rows, steps)?,
            output: Outputs::zeros(&shape, chunk, rows, batch)?,
            factors: Factors::zeros(&shape, rows, steps)?,
            carried: traces.then(|| Carried::zeros(&shape, rows, steps)).transpose()?,
            errors: Buffer::zeros(length(shape.readout.output())?),
            hidden: Buffer::zeros(chunk * units),
            hidden_gradient: Buffer::zeros(units),
            cell_gradient: Buffer::zeros(units),
            episode: vec![0; rows],
            reaches_back: vec![false; rows],
        })
    }

    /// Adds the gradient of the rows' part of the loss; scores their outputs on the way.
    pub(crate) fn run(&mut self, pass: Pass<'_, T>, through: Through<'_, T>, gradient: &mut [T]) -> Score {
        let mut score = Score::default();
        self.forward.start(pass.sequences, pass.rows);
        for first in (0..pass.sequences.steps()).step_by(self.steps) {
            let steps = self.steps.min(pass.sequences.steps() - first);
            self.scan_forward(pass, first, steps, &mut score, gradient);
            match through {
                Through::Everything(recurrent) => {
                    self.back_through_everything(pass, first, steps, recurrent, gradient);
                }
                Through::Cell(feedback) => {
                    let feedback = feedback.matrix(&self.shape, pass.parameters);
                    self.back_through_cell(pass, first, steps, feedback, gradient);
                }
            }
        }
        score
    }

    /// Records the factors of every step; scores the outputs and adds the readout's gradient.
    fn scan_forward(
        &mut self,
        pass: Pass<'_, T>,
        first: usize,
        steps: usize,
        score: &mut Score,
        gradient: &mut [T],
    ) {
        let Pass { level, parameters, weights, sequences, rows } = pass;
        let units = self.rows * self.shape.lstm.hidden();
        self.episode.fill(0);
        self.reaches_back.fill(first > 0);
        for step in 0..steps {
            self.forward.activate(sequences, rows, first + step);
            self.forget_left_episodes(pass, first, step);
            let mut factors = self.factors.at(step);
            for row in (0..self.rows).filter(|&row| !self.forward.active[row]) {
                factors.forget(row, self.rows);
            }
            self.forward.advance(level, weights, sequences, rows, first + step, &mut factors);
            if sequences.every_step() {
                let at = step % self.chunk;
                self.hidden[at * units..(at + 1) * units].copy_from_slice(&self.forward.state.hidden);
                if at + 1 == self.chunk || step + 1 == steps {
                    let hidden = &self.hidden[..(at + 1) * units];
                    self.output.score_steps(parameters, hidden, sequences, rows, first + step - at, score);
                    self.output.add_gradient(hidden, gradient);
                    let per_step = self.rows * self.shape.readout.output();
                    self.errors[(step - at) * per_step..(step + 1) * per_step]
                        .copy_from_slice(&self.output.error[..(at + 1) * per_step]);
                }
            }
        }
        if !sequences.every_step() && ends(pass, first, steps) {
            let hidden = &self.forward.state.hidden;
            self.output.score_ended(parameters, hidden, sequences, rows, first..first + steps, score);
            self.output.add_gradient(hidden, gradient);
        }
    }

    /// Takes note of the rows that begin an episode at `step`. If nothing can have been learned from the one they leave,
    /// it is forgotten, so that what was not finite in it ends with it.
    fn forget_left_episodes(&mut self, pass: Pass<'_, T>, first: usize, step: usize) {
        let Some(is_first) = pass.sequences.is_first(first + step, pass.rows) else { return };
        let every_step = pass.sequences.every_step();
        for row in (0..is_first.len()).filter(|&row| is_first[row] && self.forward.active[row]) {
            if !every_step {
                for left in self.episode[row]..step {
                    self.factors.at(left).forget(row, self.rows);
                }
            }
            self.episode[row] = step;
            self.reaches_back[row] &= every_step && step > 0;
        }
    }

    /// L_t of the steps `chunk` into `hidden`, where there is a target at every step.
    fn signals(&mut self, chunk: Range<usize>, feedback: Rect<&[T]>) {
        let per_step = self.rows * self.shape.readout.output();
        let errors = &self.errors[chunk.start * per_step..chunk.end * per_step];
        self.output.error[..errors.len()].copy_from_slice(errors);
        let units = self.rows * self.shape.lstm.hidden();
        self.output.signal(&mut self.hidden[..chunk.len() * units], feedback);
    }

    /// (4) for the steps `chunk` and the gates `gates`.
    fn add_weight_gradient(&self, chunk: Range<usize>, gates: Range<usize>, gradient: &mut [T]) {
        let (block, hidden) = (self.shape.layout.lstm(), self.shape.lstm.hidden());
        let cells = chunk.len() * self.rows;
        let (width, stride) = (GATES * hidden, block.stride());
        let first = chunk.start * self.rows;
        let dz = &self.factors.influence[first * width + gates.start * hidden..];
        let presynaptic = &self.factors.presynaptic[first * stride..];
        let gradient =
            &mut gradient[block.range()][gates.start * hidden * stride..gates.end * hidden * stride];
        add_transposed_times(
            Rect::padded(gradient, gates.len() * hidden, block.columns(), stride),
            Rect::padded(dz, cells, gates.len() * hidden, width),
            Rect::padded(presynaptic, cells, block.columns(), stride),
        );
    }

    /// (1) to (4) for BPTT, from the last step to the first.
    fn back_through_everything(
        &mut self,
        pass: Pass<'_, T>,
        first: usize,
        steps: usize,
        recurrent: &PackedBack<T>,
        gradient: &mut [T],
    ) {
        let Pass { level, parameters, sequences, rows, .. } = pass;
        let shape = self.shape;
        let hidden = shape.lstm.hidden();
        let units = self.rows * hidden;
        let readout = weights(&shape.layout, parameters);
        if !sequences.every_step() {
            self.output.signal(&mut self.hidden[..units], readout);
        }
        self.hidden_gradient.fill(T::ZERO);
        self.cell_gradient.fill(T::ZERO);
        for start in (0..steps).step_by(self.chunk).rev() {
            let chunk = start..steps.min(start + self.chunk);
            if sequences.every_step() {
                self.signals(chunk.clone(), readout);
            }
            for step in chunk.clone().rev() {
                // (1)
                let at = if sequences.every_step() { (step - start) * units } else { 0 };
                let signals = self.hidden[at..at + units].chunks_exact(hidden);
                let pairs = signals.zip(self.hidden_gradient.chunks_exact_mut(hidden)).take(rows.count);
                for (row, (signal, dh)) in pairs.enumerate() {
                    if sequences.every_step() || sequences.length(rows.start + row) == first + step + 1 {
                        for (dh, &signal) in dh.iter_mut().zip(signal) {
                            *dh += signal;
                        }
                    }
                }
                // (2) and (3): the factors become dE/dz
                let factors = self.factors.at(step);
                level.run(LstmGatesBackward {
                    rows: self.rows,
                    hidden_gradient: &self.hidden_gradient,
                    forget_gate: factors.forget_gate,
                    dhidden_dcell: factors.dhidden_dcell,
                    cell_gradient: &mut self.cell_gradient,
                    influence: &mut *factors.influence,
                });
                if step > 0 {
                    recurrent.map(level, self.rows, factors.influence, &mut self.hidden_gradient);
                }
                if let Some(is_first) = sequences.is_first(first + step, rows) {
                    let resets = self.hidden_gradient.chunks_exact_mut(hidden).zip(is_first);
                    for (dh, _) in resets.filter(|(_, first)| **first) {
                        dh.fill(T::ZERO);
                    }
                }
            }
            self.add_weight_gradient(chunk, 0..GATES, gradient);
        }
    }

    /// (1) to (4) for e-prop, row by row, from the last step to the first; the traces go on to the next window.
    fn back_through_cell(
        &mut self,
        pass: Pass<'_, T>,
        first: usize,
        steps: usize,
        feedback: Rect<&[T]>,
        gradient: &mut [T],
    ) {
        let (every_step, ends) = (pass.sequences.every_step(), ends(pass, first, steps));
        let units = self.rows * self.shape.lstm.hidden();
        if !every_step && ends {
            self.output.signal(&mut self.hidden[..units], feedback);
        }
        self.cell_gradient.fill(T::ZERO);
        for start in (0..steps).step_by(self.chunk).rev() {
            let chunk = start..steps.min(start + self.chunk);
            if every_step {
                self.signals(chunk.clone(), feedback);
            }
            for row in 0..pass.rows.count {
                let last = last(pass, first, steps, row);
                let goes_on = pass.sequences.length(pass.rows.start + row) > first + steps;
                if let Some(carried) = self.carried.as_mut().filter(|_| goes_on) {
                    carried.prepare(pass.level, &self.factors, row, steps, first == 0);
                }
                let learns = every_step || last.is_some();
                if learns {
                    self.scan_row_back(pass.level, row, chunk.clone(), every_step, last);
                } else if ends {
                    // Its factors are not gradients, and (4) is for all rows.
                    for step in chunk.clone() {
                        let width = GATES * self.shape.lstm.hidden();
                        self.factors.at(step).influence[row * width..(row + 1) * width].fill(T::ZERO);
                    }
                }
                if let Some(carried) = &mut self.carried {
                    let signal = (learns && self.reaches_back[row])
                        .then(|| &self.cell_gradient[row * units / self.rows..(row + 1) * units / self.rows]);
                    carried.advance(pass.level, &self.factors, row, steps, goes_on, signal, gradient);
                }
            }
            if every_step {
                self.add_weight_gradient(chunk, 0..GATES, gradient);
            } else if ends {
                self.add_weight_gradient(chunk.clone(), 0..GATES - 1, gradient);
                for step in chunk {
                    let ends_here = (0..self.rows).any(|row| last(pass, first, steps, row) == Some(step));
                    if ends_here {
                        self.add_weight_gradient(step..step + 1, GATES - 1..GATES, gradient);
                    }
                }
            }
        }
    }

    /// (1) to (3) of one row over the steps `chunk`: its factors become dE/dz.
    fn scan_row_back(
        &mut self,
        level: Level,
        row: usize,
        chunk: Range<usize>,
        every_step: bool,
        last: Option<usize>,
    ) {
        let (hidden, units) = (self.shape.lstm.hidden(), self.rows * self.shape.lstm.hidden());
        let part = |per_unit: usize| row * per_unit * hidden..(row + 1) * per_unit * hidden;
        let silent = &mut self.hidden_gradient[..hidden];
        silent.fill(T::ZERO);
        for step in chunk.clone().rev() {
            let hidden_gradient = if every_step {
                &self.hidden[(step - chunk.start) * units..][part(1)]
            } else if last == Some(step) {
                &self.hidden[part(1)]
            } else {
                &*silent
            };
            let factors = self.factors.at(step);
            level.run(LstmGatesBackward {
                rows: 1,
                hidden_gradient,
                forget_gate: &factors.forget_gate[part(1)],
                dhidden_dcell: &factors.dhidden_dcell[part(1)],
                cell_gradient: &mut self.cell_gradient[part(1)],
                influence: &mut factors.influence[part(GATES)],
            });
        }
    }
}

/// Whether a row ends in the window of `steps` steps from `first` on.
fn ends<T: Scalar>(pass: Pass<'_, T>, first: usize, steps: usize) -> bool {
    (0..pass.rows.count).any(|row| last(pass, first, steps, row).is_some())
}

/// The step of that window that is the row's last.
fn last<T: Scalar>(pass: Pass<'_, T>, first: usize, steps: usize, row: usize) -> Option<usize> {
    let end = if row < pass.rows.count { pass.sequences.length(pass.rows.start + row) } else { 0 };
    (first < end && end <= first + steps).then(|| end - 1 - first)
}
