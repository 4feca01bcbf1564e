//! Streaming e-prop for some batch rows: layers with their traces, the outputs, and what a learning signal does with
//! them.
//!
//! ```text
//! (1) L_t = B^T dE/dy_t                                    top layer               (Hoyer et al. 2022, eq. 10)
//! (2) L_t = W_x^T dE/dz_t  of the layer above              at the step alone: instantaneous
//! ```
//!
//! What a layer does with its signal: `layer`. Gradient: approximate, drops the paths through h_{t-1}, and in layers
//! below the top one also those through the cells above at later steps.

use eligibility_kernels::Level;

use crate::affine::Scalar;
use crate::buffer::Buffer;
use crate::error::Error;
use crate::extensions::Extensions;
use crate::feedback::Feedback;
use crate::learner::forward::StepInput;
use crate::learner::output::Outputs;
use crate::learner::packed::{Packed, Weights};
use crate::network::Shape;
use crate::online::{OnlineGradient, OnlineGradients};
use crate::readout::Score;
use crate::sequences::{Rows, Sequences};

mod layer;

use layer::LayerTraces;

/// Gates that have a trace: i, f, g.
pub(crate) const TRACED: usize = 3;

/// Everything some batch rows need to learn while going forward.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct TraceRows<T: Scalar> {
    shape: Shape,
    extensions: Extensions,
    /// From the input up.
    layers: Vec<LayerTraces<T>>,
    pub(crate) output: Outputs<T>,
    /// `[readout stride]`: `[h_t; 1]` of a single row.
    readout_input: Buffer<T>,
    /// The last step has not reached the traces yet: it waits so that it can be fused with a contraction.
    pending: bool,
}

impl<T: Scalar> TraceRows<T> {
    /// For `count` rows of a batch of `batch`, and sequences of which up to `ahead` steps are known ahead.
    pub(crate) fn zeros(
        shape: Shape,
        count: usize,
        batch: usize,
        ahead: usize,
        extensions: Extensions,
    ) -> Result<Self, Error> {
        let layer = |(index, &layer)| LayerTraces::zeros(layer, index > 0, count, ahead, extensions);
        let layers = shape.layout.lstms().iter().enumerate().map(layer).collect::<Result<_, _>>()?;
        Ok(Self {
            extensions,
            layers,
            output: Outputs::zeros(&shape, 1, count, batch)?,
            readout_input: Buffer::zeros(shape.layout.readout().stride()),
            pending: false,
            shape,
        })
    }

    /// Rows.
    pub(crate) fn rows(&self) -> usize {
        self.layers[0].forward.active.len()
    }
    /// Whether there is a trace echo.
    pub(crate) fn echoes(&self) -> bool {
        self.extensions.echoes()
    }
    /// Whether the last step has not reached the traces yet.
    pub(crate) fn pending(&self) -> bool {
        self.pending
    }
    /// A layer's part.
    pub(crate) fn layer(&self, index: usize) -> &LayerTraces<T> {
        &self.layers[index]
    }
    /// All layers' parts, from the input up.
    pub(crate) fn layers_mut(&mut self) -> &mut [LayerTraces<T>] {
        &mut self.layers
    }
    fn top(&self) -> &LayerTraces<T> {
        &self.layers[self.layers.len() - 1]
    }

    /// Forgets all traces. The state of the layers is the caller's to set.
    pub(crate) fn clear_traces(&mut self) {
        self.layers.iter_mut().for_each(LayerTraces::clear);
        self.pending = false;
    }

    /// One forward step, after [`TraceRows::settle`]. The traces follow when they are next needed.
    pub(crate) fn step(&mut self, level: Level, parameters: &[T], input: &[T], is_first: Option<&[bool]>) {
        for index in 0..self.layers.len() {
            let (below, layers) = self.layers.split_at_mut(index);
            let input = below.last().map_or(input, |below| &below.forward.state.hidden[..]);
            layers[0].forget(is_first);
            let (forward, mut factors) = layers[0].forward_and_factors();
            forward.step(level, Weights::InPlace(parameters), 0, input, is_first, &mut factors);
        }
        self.pending = true;
    }

    /// The same for the rows of `sequences` that are still running.
    pub(crate) fn advance(
        &mut self,
        level: Level,
        weights: &[Packed<T>],
        sequences: &Sequences<'_, T>,
        rows: Rows,
        step: usize,
    ) {
        for (index, weights) in weights.iter().enumerate() {
            let (below, layers) = self.layers.split_at_mut(index);
            let below = below.last().map(|below| &below.forward.state.hidden[..]);
            layers[0].forward.activate(sequences, rows, step);
            layers[0].forget(sequences.is_first(step, rows));
            let (forward, mut factors) = layers[0].forward_and_factors();
            let input = StepInput { sequences, rows, step, below };
            forward.advance(level, Weights::Packed(weights), input, &mut factors);
        }
        self.pending = true;
    }

    /// Lets the last step reach the traces. Must precede a change of `forward.active`.
    pub(crate) fn settle(&mut self, level: Level) {
        if std::mem::take(&mut self.pending) {
            self.layers.iter_mut().for_each(|layer| layer.settle(level));
        }
    }

    /// Outputs of the last step.
    pub(crate) fn outputs(&mut self, parameters: &[T]) -> &[T] {
        let top = &self.layers[self.layers.len() - 1];
        self.output.forward(parameters, &top.forward.state.hidden);
        &self.output.output
    }

    /// Outputs of the last step, `step`, scored against its targets.
    pub(crate) fn score_step(
        &mut self,
        parameters: &[T],
        sequences: &Sequences<'_, T>,
        rows: Rows,
        step: usize,
        score: &mut Score,
    ) {
        let hidden = &self.layers[self.layers.len() - 1].forward.state.hidden;
        self.output.score_steps(parameters, hidden, sequences, rows, step, score);
    }

    /// Outputs of every row's last step, after all of them, scored against the only targets.
    pub(crate) fn score_ended(
        &mut self,
        parameters: &[T],
        sequences: &Sequences<'_, T>,
        rows: Rows,
        score: &mut Score,
    ) {
        let hidden = &self.layers[self.layers.len() - 1].forward.state.hidden;
        self.output.score_ended(parameters, hidden, sequences, rows, 0..sequences.steps(), score);
    }

    /// The gradient of all that has errors in `output`, added to `gradient`; the last step reaches the traces on the
    /// way, if it has not yet.
    pub(crate) fn learn(
        &mut self,
        level: Level,
        parameters: &[T],
        feedback: &Feedback<T>,
        gradient: &mut [T],
    ) {
        if self.echoes() {
            self.settle(level);
        }
        let pending = std::mem::take(&mut self.pending);
        self.output.add_gradient(&self.top().forward.state.hidden, gradient);
        self.signal_top(parameters, feedback);
        for index in (0..self.layers.len()).rev() {
            let (below, layers) = self.layers.split_at_mut(index);
            if let Some(below) = below.last_mut() {
                layers[0].pass_down(level, parameters, &mut below.signal);
            }
            layers[0].prepare_signals(&self.output.weights);
            layers[0].learn(level, pending, &self.output.weights, gradient);
        }
    }

    /// (1)
    fn signal_top(&mut self, parameters: &[T], feedback: &Feedback<T>) {
        let top = self.layers.len() - 1;
        self.output.signal(&mut self.layers[top].signal, feedback.matrix(&self.shape, parameters));
    }

    /// The gradient of a single pending row and a single layer, to be made by whoever takes it: a part for each range of
    /// the parameters.
    pub(crate) fn online_gradients(
        &mut self,
        parameters: &[T],
        feedback: &Feedback<T>,
    ) -> OnlineGradients<'_, T> {
        self.signal_top(parameters, feedback);
        self.pending = false;
        let Self { shape, layers, output, readout_input, .. } = self;
        let layer = &mut layers[0];
        layer.prepare_signals(&output.weights);
        let hidden = shape.layout.features();
        readout_input[..hidden].copy_from_slice(&layer.forward.state.hidden);
        readout_input[hidden] = T::ONE;
        let [traced, output_gate] = layer.online_gradients();
        let errors = OnlineGradient::Outer { signal: &output.error, presynaptic: readout_input };
        [traced, output_gate, (shape.layout.readout().range(), errors)]
    }
}
