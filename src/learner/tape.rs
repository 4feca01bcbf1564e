//! A tape of some steps of a network of cells that are no LSTMs: forward over them, and back.
//!
//! ```text
//! (1) a_t = [x_t; 1]      p_t = W a_t      s_t, y_t = cell(p_t, s_{t-1})          layer after layer; y_t is the next x_t
//! (2) dE/dy_t of the top layer: from the readout       dE/dx_t = W^T dE/dp_t: the dE/dy_t of the layer below
//! (3) dE/dW += sum over t of dE/dp_t a_t^T
//! ```
//!
//! A cell leaves its local factors on the tape; how far back dE/dp_t looks is the learner's choice:
//!
//! | learner | dE/dp_t | steps on the tape |
//! |---|---|---|
//! | BPTT | of all that follows on the tape | all |
//! | truncated BPTT | of the last L steps before a target | L and some |
//! | RTRL | of what follows in the block, and the traces carried into it; dE/dx_t of the step alone | a block |
//!
//! A *slot* is a place on the tape, a *cell* a row at a slot: `slot * rows + row`. Cells of rows that have ended are zero
//! wherever they could be read.

use std::ops::Range;

use eligibility_kernels::Level;

use crate::affine::Scalar;
use crate::buffer::Buffer;
use crate::error::{Error, checked_product};
use crate::learner::output::Outputs;
use crate::network::Shape;

mod deltas;
mod dense;
mod diagonal;
mod gru;
mod io;
mod layer;
mod marks;
mod polar;
mod prepared;
mod rnn;
mod run;
mod stream;
mod tapes;

use layer::LayerTape;
use marks::Marks;
pub(crate) use prepared::Prepared;
pub(crate) use stream::{TapeStream, stream_methods};
pub(crate) use tapes::{Form, Tapes};

/// What a tape is for, hence what it must hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// Outputs only.
    Forward,
    /// Back through all steps on the tape.
    Time,
    /// Back through some steps from each target, added up.
    Window,
    /// Back through a block, with traces for what came before.
    Traces,
    /// The same with all steps in one block, before which nothing came.
    Step,
}

impl Purpose {
    /// Whether a recurrent layer hands down the error of each step alone.
    fn passes_down_the_step(self) -> bool {
        matches!(self, Self::Traces | Self::Step)
    }
}

/// A way back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    /// There are no learning signals: only the traces take their steps.
    Settle,
    /// Traces take their steps, learning signals go back.
    Learn,
    /// Other learning signals for the only step, which the traces have taken already.
    Again,
}

impl Way {
    fn learns(self) -> bool {
        self != Self::Settle
    }
}

/// What does not change while some rows go through a tape.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Context<'a, T: Scalar> {
    pub(crate) level: Level,
    pub(crate) parameters: &'a [T],
    /// One for each layer.
    pub(crate) prepared: &'a [Prepared<T>],
}

/// The tape of some batch rows.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Tape<T: Scalar> {
    shape: Shape,
    rows: usize,
    slots: usize,
    purpose: Purpose,
    layers: Vec<LayerTape<T>>,
    marks: Marks,
    pub(crate) outputs: Outputs<T>,
    /// `[slots, rows, input]`: dE/dx_t; empty unless asked for.
    pub(crate) input_gradient: Buffer<T>,
}

impl<T: Scalar> Tape<T> {
    /// Of `slots` steps of `rows` rows of a batch of `batch`.
    pub(crate) fn zeros(
        shape: &Shape,
        rows: usize,
        batch: usize,
        slots: usize,
        purpose: Purpose,
    ) -> Result<Self, Error> {
        let layer = |layer| LayerTape::zeros(layer, rows, slots, purpose);
        Ok(Self {
            layers: shape.layout.layers().iter().map(layer).collect::<Result<_, _>>()?,
            marks: Marks::zeros(rows, slots),
            outputs: Outputs::zeros(shape, slots, rows, batch)?,
            input_gradient: Buffer::zeros(0),
            shape: shape.clone(),
            rows,
            slots,
            purpose,
        })
    }

    /// Makes room for dE/dx_t.
    pub(crate) fn with_input_gradient(self) -> Result<Self, Error> {
        let sizes = [self.slots, self.rows, self.shape.layout.input()];
        let length = checked_product("the learner's memory", &sizes)?;
        Ok(Self { input_gradient: Buffer::zeros(length), ..self })
    }

    /// Rows.
    pub(crate) fn rows(&self) -> usize {
        self.rows
    }

    /// Forgets state and traces.
    pub(crate) fn start(&mut self) {
        self.layers.iter_mut().for_each(LayerTape::start);
    }

    /// (1) for steps whose marks and inputs are set.
    fn forward(&mut self, context: Context<'_, T>, slots: Range<usize>) {
        for index in 0..self.layers.len() {
            let (below, layers) = self.layers.split_at_mut(index);
            if let Some(below) = below.last() {
                layers[0].io.take(slots.clone(), &self.marks, below.io.outputs(slots.clone()));
            }
            layers[0].forward(context, index, &self.marks, slots.clone());
        }
    }

    /// (2) from the top layer's learning signals; dE/dp_t of all layers is left on the tape, and traces take their part.
    fn back(&mut self, context: Context<'_, T>, slots: Range<usize>, way: Way, gradient: &mut [T]) {
        for index in (0..self.layers.len()).rev() {
            let (below, layers) = self.layers.split_at_mut(index);
            let target = match below.last_mut() {
                Some(below) => below.io.signals_mut(slots.clone()),
                None if self.input_gradient.is_empty() => &mut [],
                None => {
                    let per_slot = self.rows * self.shape.layout.input();
                    &mut self.input_gradient[slots.start * per_slot..slots.end * per_slot]
                }
            };
            layers[0].back(context, index, &self.marks, slots.clone(), way, gradient, target);
        }
    }

    /// (3), and what else waits to be added to the gradient.
    fn add_gradient(&mut self, slots: Range<usize>, gradient: &mut [T]) {
        for layer in &mut self.layers {
            layer.add_gradient(slots.clone(), gradient);
        }
    }

    /// Back from the learning signals at `slot` over `window` slots; dE/dp_t is added up on the tape.
    fn back_from(&mut self, context: Context<'_, T>, slot: usize, window: usize, gradient: &mut [T]) {
        let slots = (slot + 1).saturating_sub(window)..slot + 1;
        let top = &mut self.layers.last_mut().expect("a network has a layer").io;
        top.signals_mut(slots.start..slot).fill(T::ZERO);
        self.back(context, slots, Way::Learn, gradient);
    }

    /// Moves the last `kept` slots in use to the front. Returns their number.
    fn move_to_front(&mut self, kept: usize, used: usize) -> usize {
        self.marks.shift(used - kept..used);
        self.layers.iter_mut().for_each(|layer| layer.shift(used - kept..used));
        kept
    }
}
