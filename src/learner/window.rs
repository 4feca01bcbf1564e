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

use eligibility_kernels::Level;

use crate::affine::Scalar;
use crate::buffer::Buffer;
use crate::error::{Error, checked_product};
use crate::extensions::Extensions;
use crate::feedback::Feedback;
use crate::learner::carried::Carried;
use crate::learner::forward::{Factors, Forward};
use crate::learner::output::Outputs;
use crate::learner::packed::{PackedBack, Weights};
use crate::learner::traces::TRACED;
use crate::network::Shape;
use crate::readout::Score;
use crate::sequences::{Rows, Sequences};

mod back;

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
    extensions: Extensions,
    /// `[rows, hidden]`: what a trace echo adds to the learning signals of a step; empty without an echo.
    echo: Buffer<T>,
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
        extensions: Extensions,
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
            forward: Forward::zeros(shape, rows, steps)?.with_trace_decay(extensions.scaling.decay),
            output: Outputs::zeros(&shape, chunk, rows, batch)?,
            factors: Factors::zeros(&shape, rows, steps)?,
            carried: traces.then(|| Carried::zeros(&shape, rows, steps, extensions)).transpose()?,
            extensions,
            echo: Buffer::zeros(if extensions.echoes() { units } else { 0 }),
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
        if self.extensions.scaling.output != 1.0 {
            // All of the gradient of gates with a trace is linear in what their traces are multiplied with.
            let block = self.shape.layout.lstm();
            let traced = TRACED * self.shape.lstm.hidden() * block.stride();
            let factor = T::from_f64(self.extensions.scaling.output);
            gradient[block.range()][..traced].iter_mut().for_each(|g| *g *= factor);
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
