//! Some batch rows going forward over a window of steps and back over it: backpropagation through time, and e-prop
//! in blocks or as a whole.
//!
//! ```text
//! (1) dE/dh_t = L_t + U^T dE/dz_{t+1}     through everything (BPTT);   dE/dh_t = L_t     through the cell only (e-prop)
//! (2) dE/dc_t = dE/dh_t dh_t/dc_t + f_{t+1} dE/dc_{t+1}
//! (3) dE/dz_t = dE/dc_t s_t for i, f, g;  dE/dh_t s_o for o
//! (4) dE/dW   = sum over t of dE/dz_t presynaptic_t^T
//! (5) L_t     = W_x^T dE/dz_t of the layer above; for e-prop with what dE/dz_t is at the step alone
//! ```
//!
//! (2) and (3) are one kernel; (4) is one matrix product over many steps and rows; U is the recurrent part of W, W_x that
//! of the inputs. With the right-hand side of (1) for e-prop, (2) to (4) are the sum that streaming traces evaluate
//! forward in time (Hoyer et al. 2022, eq. 3 to 9), summed in the other order. A window as long as the sequence needs
//! nothing else. Shorter windows carry the traces over (`crate::learner::carried`): what a window's learning signals do
//! with the steps before it is (f_{t+1} dE/dc_{t+1} at its first step) times the trace carried into it.

use eligibility_kernels::Level;

use crate::affine::Scalar;
use crate::buffer::Buffer;
use crate::error::{Error, checked_product};
use crate::extensions::Extensions;
use crate::feedback::Feedback;
use crate::learner::output::Outputs;
use crate::learner::packed::{Packed, PackedBack};
use crate::network::Shape;
use crate::readout::Score;
use crate::sequences::{Rows, Sequences};

mod back;
mod layer;

use layer::LayerWindow;

/// Cells, i.e. rows at steps, whose signals and weight gradients are one matrix product: enough for its full rate, few
/// enough to stay in L2.
const CELLS: usize = 256;

/// What the scan back goes through.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Through<'a, T: Scalar> {
    /// Cell and these recurrent weights, of each layer: the exact gradient.
    Everything(&'a [PackedBack<T>]),
    /// The cell only, with learning signals through these feedback weights: the e-prop gradient.
    Cell(&'a Feedback<T>),
}

/// What a pass over sequences reads.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pass<'a, T: Scalar> {
    pub(crate) level: Level,
    pub(crate) parameters: &'a [T],
    /// Of each layer.
    pub(crate) weights: &'a [Packed<T>],
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
    /// From the input up.
    layers: Vec<LayerWindow<T>>,
    output: Outputs<T>,
    extensions: Extensions,
    /// `[steps, rows, output]`: dE/dy_t, where there is a target at every step.
    errors: Buffer<T>,
    /// `[rows]`: step of the window with which the row's episode begins.
    episode: Vec<usize>,
    /// `[rows]`: whether the episode began before the window and a learning signal of the window may reach back to it.
    reaches_back: Vec<bool>,
}

/// Steps of a window within a sequence.
#[derive(Clone, Copy, Debug)]
struct Span {
    first: usize,
    steps: usize,
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
        let errors = checked_product("the learner's memory", &[steps, rows, shape.readout.output()])?;
        let layer =
            |(index, &layer)| LayerWindow::zeros(layer, index > 0, rows, [steps, chunk], traces, extensions);
        Ok(Self {
            rows,
            steps,
            chunk,
            layers: shape.layout.lstms().iter().enumerate().map(layer).collect::<Result<_, _>>()?,
            output: Outputs::zeros(&shape, chunk, rows, batch)?,
            extensions,
            errors: Buffer::zeros(errors),
            episode: vec![0; rows],
            reaches_back: vec![false; rows],
            shape,
        })
    }

    /// Adds the gradient of the rows' part of the loss; scores their outputs on the way.
    pub(crate) fn run(&mut self, pass: Pass<'_, T>, through: Through<'_, T>, gradient: &mut [T]) -> Score {
        let mut score = Score::default();
        for (index, layer) in self.layers.iter_mut().enumerate() {
            layer.forward.start(pass.sequences.initial(index), pass.rows);
        }
        for first in (0..pass.sequences.steps()).step_by(self.steps) {
            let span = Span { first, steps: self.steps.min(pass.sequences.steps() - first) };
            self.scan_forward(pass, span, &mut score, gradient);
            match through {
                Through::Everything(recurrent) => {
                    self.back_through_everything(pass, span, recurrent, gradient);
                }
                Through::Cell(feedback) => self.back_through_cell(pass, span, feedback, gradient),
            }
        }
        self.scale_traces(gradient);
        score
    }

    /// All of the gradient of gates with a trace is linear in what their traces are multiplied with.
    fn scale_traces(&self, gradient: &mut [T]) {
        let factor = self.extensions.scaling.output;
        if factor != 1.0 {
            for layer in self.shape.layout.lstms() {
                let traced = &mut gradient[layer.traced()];
                for g in traced {
                    *g *= T::from_f64(factor);
                }
            }
        }
    }

    /// Records the factors of every step; scores the outputs and adds the readout's gradient.
    fn scan_forward(&mut self, pass: Pass<'_, T>, span: Span, score: &mut Score, gradient: &mut [T]) {
        let Pass { parameters, sequences, rows, .. } = pass;
        let Span { first, steps } = span;
        let top = self.layers.len() - 1;
        self.episode.fill(0);
        self.reaches_back.fill(first > 0);
        for step in 0..steps {
            for layer in &mut self.layers {
                layer.forward.activate(sequences, rows, first + step);
            }
            self.forget_left_episodes(pass, first, step);
            for index in 0..=top {
                let (below, layers) = self.layers.split_at_mut(index);
                let below = below.last().map(|below| &below.forward.state.hidden[..]);
                layers[0].advance(pass, &pass.weights[index], below, span, step);
            }
            if sequences.every_step() {
                let (at, units) = (step % self.chunk, self.layers[top].units());
                let layer = &mut self.layers[top];
                // h_t on the way forward, L_t on the way back.
                layer.signal[at * units..(at + 1) * units].copy_from_slice(&layer.forward.state.hidden);
                if at + 1 == self.chunk || step + 1 == steps {
                    let hidden = &layer.signal[..(at + 1) * units];
                    self.output.score_steps(parameters, hidden, sequences, rows, first + step - at, score);
                    self.output.add_gradient(hidden, gradient);
                    let per_step = self.rows * self.shape.readout.output();
                    self.errors[(step - at) * per_step..(step + 1) * per_step]
                        .copy_from_slice(&self.output.error[..(at + 1) * per_step]);
                }
            }
        }
        if !sequences.every_step() && ends(pass, span) {
            let units = self.layers[top].units();
            let LayerWindow { forward, signal, .. } = &mut self.layers[top];
            // What a row that goes on holds takes part in nothing, not even times zero.
            let hidden = &mut signal[..units];
            let rows_of_hidden = hidden.chunks_exact_mut(units / self.rows).enumerate();
            for ((row, hidden), state) in
                rows_of_hidden.zip(forward.state.hidden.chunks_exact(units / self.rows))
            {
                if last(pass, span, row).is_some() {
                    hidden.copy_from_slice(state);
                } else {
                    hidden.fill(T::ZERO);
                }
            }
            self.output.score_ended(parameters, hidden, sequences, rows, first..first + steps, score);
            self.output.add_gradient(hidden, gradient);
        }
    }

    /// Takes note of the rows that begin an episode at `step`. If nothing can have been learned from the one they leave,
    /// it is forgotten, so that what was not finite in it ends with it.
    fn forget_left_episodes(&mut self, pass: Pass<'_, T>, first: usize, step: usize) {
        let Some(is_first) = pass.sequences.is_first(first + step, pass.rows) else { return };
        let every_step = pass.sequences.every_step();
        for (row, _) in is_first.iter().enumerate().filter(|(_, first)| **first) {
            if !self.layers[0].forward.active[row] {
                continue;
            }
            if !every_step {
                for layer in &mut self.layers {
                    layer.forget(row, self.episode[row]..step);
                }
            }
            self.episode[row] = step;
            self.reaches_back[row] &= every_step && step > 0;
        }
    }
}

/// Whether a row ends in the window.
fn ends<T: Scalar>(pass: Pass<'_, T>, span: Span) -> bool {
    (0..pass.rows.count).any(|row| last(pass, span, row).is_some())
}

/// The step of the window that is the row's last.
fn last<T: Scalar>(pass: Pass<'_, T>, span: Span, row: usize) -> Option<usize> {
    let end = if row < pass.rows.count { pass.sequences.length(pass.rows.start + row) } else { 0 };
    (span.first < end && end <= span.first + span.steps).then(|| end - 1 - span.first)
}
