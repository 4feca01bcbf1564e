//! E-prop step by step: feed an input, get the output, learn if there is something to learn. No sequence in sight.

use eligibility_kernels::Level;

use crate::affine::Scalar;
use crate::cells::LstmState;
use crate::error::{Error, check_nonempty, check_size};
use crate::extensions::Extensions;
use crate::feedback::Feedback;
use crate::learner::traces::TraceRows;
use crate::learner::{EpropOptions, Stream};
use crate::network::{Network, Shape};
use crate::online::OnlineGradients;
use crate::readout::{Score, Target, check_targets};

/// The step-by-step face of streaming e-prop, for `rows` parallel streams (usually one).
///
/// State and traces are carried until a reset; weights may change between any two calls. Memory never grows, and no
/// call allocates.
///
/// Gradient: approximate, drops the paths through h_{t-1}; after a change of the weights the traces still hold the
/// influence of the old ones, as in every online rule.
///
/// ```
/// use eligibility::{EpropOptions, EpropStream, Init, Loss, Lstm, Network, Optimizer, Readout, Sgd, Target};
/// use rand::{SeedableRng, rngs::StdRng};
/// let mut rng = StdRng::seed_from_u64(1);
/// let mut network: Network<f32> =
///     Init::default().network(Lstm::new(1, 8)?, Readout::new(1, Loss::SquaredError)?, &mut rng)?;
/// let mut stream = EpropStream::new(&network, 1, EpropOptions::default())?;
/// let mut sgd = Sgd::new(&network, 0.01)?;
/// let mut gradient = network.zero_gradient();
/// for t in 0..100 {
///     let x = (0.1 * t as f32).sin();
///     let next = (0.1 * (t + 1) as f32).sin();
///     let output = stream.step(&network, &[x], &[t == 0])?[0]; // x starts an episode only at t = 0
///     assert!(output.is_finite());
///     gradient.fill(0.0);
///     stream.learn(&network, &[Target::Values(&[next])], &mut gradient)?;
///     sgd.update(network.parameters_mut(), &gradient)?;
/// }
/// # Ok::<(), eligibility::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct EpropStream<T: Scalar> {
    shape: Shape,
    feedback: Feedback<T>,
    level: Level,
    traces: TraceRows<T>,
    started: bool,
}

impl<T: Scalar> EpropStream<T> {
    /// For networks of this network's sizes and `rows` parallel streams. The schedule of `options` is not used: a
    /// stream is streaming.
    ///
    /// # Errors
    ///
    /// As [`Eprop::new`](crate::Eprop::new).
    pub fn new(network: &Network<T>, rows: usize, options: EpropOptions<T>) -> Result<Self, Error> {
        check_nonempty("number of streams", rows)?;
        let shape = network.shape();
        shape.check_lstms("e-prop")?;
        options.feedback.check(&shape)?;
        let extensions = Extensions::new(options.echo, options.scaling)?;
        let level = options.level.map_or_else(Level::from_env, Ok)?;
        let traces = TraceRows::zeros(shape.clone(), rows, rows, 1, extensions)?;
        Ok(Self { shape, feedback: options.feedback, level, traces, started: false })
    }

    /// Takes x_t `[rows, input]` and returns y_t `[rows, output]` (before the softmax, if that is the loss).
    ///
    /// `is_first` `[rows]`: x_t starts a new episode of that stream, so its state and traces are zeroed before it.
    ///
    /// # Errors
    ///
    /// If a size is wrong; nothing was changed then.
    pub fn step(&mut self, network: &Network<T>, input: &[T], is_first: &[bool]) -> Result<&[T], Error> {
        network.check_same_shape(&self.shape)?;
        let rows = self.traces.rows();
        check_size("input", rows * self.shape.layout.lstms()[0].lstm.input(), input.len())?;
        check_size("is_first", rows, is_first.len())?;
        self.traces.settle(self.level);
        self.traces.step(self.level, network.parameters(), input, Some(is_first));
        self.started = true;
        Ok(self.traces.outputs(network.parameters()))
    }

    /// *Adds* the gradient of the loss at the last step to `gradient`: the mean over the streams, of which those whose
    /// target is [`Target::Absent`] have no loss.
    ///
    /// `targets` is `[rows]`. May be called not at all, once or several times after a step.
    ///
    /// # Errors
    ///
    /// If a size is wrong, a class is out of range, the kind of target does not go with the loss, or there was no
    /// step yet; nothing was changed then.
    pub fn learn(
        &mut self,
        network: &Network<T>,
        targets: &[Target<'_, T>],
        gradient: &mut [T],
    ) -> Result<Score, Error> {
        check_size("gradient", self.shape.layout.len(), gradient.len())?;
        let score = self.score(network, targets)?;
        self.add_gradient(network, gradient);
        Ok(score)
    }

    /// The gradient of the loss at the last step as it is to be made, block by block of the parameters.
    pub(crate) fn learn_online(
        &mut self,
        network: &Network<T>,
        targets: &[Target<'_, T>],
    ) -> Result<(Score, OnlineGradients<'_, T>), Error> {
        let streams = self.traces.rows();
        if streams > 1 {
            let what = "streams of a fused update";
            return Err(Error::Capacity { what, reserved: 1, found: streams });
        }
        if self.traces.echoes() {
            return Err(Error::NotFused { what: "a trace echo" });
        }
        if self.shape.layout.lstms().len() > 1 {
            return Err(Error::NotFused { what: "a second layer" });
        }
        self.check_learn(network)?;
        if !self.traces.pending() {
            return Err(Error::AlreadyLearned);
        }
        let score = self.score(network, targets)?;
        self.feedback.before_update(&self.shape, network.parameters());
        Ok((score, self.traces.online_gradients(network.parameters(), &self.feedback)))
    }

    /// Scores the outputs of the last step and keeps their errors.
    fn score(&mut self, network: &Network<T>, targets: &[Target<'_, T>]) -> Result<Score, Error> {
        let rows = self.traces.rows();
        self.check_learn(network)?;
        check_size("targets", rows, targets.len())?;
        check_targets(&self.shape.readout, targets)?;
        let mut score = Score::default();
        for (row, target) in targets.iter().enumerate() {
            self.traces.output.score(row, *target, &mut score);
        }
        Ok(score)
    }

    /// *Adds* the gradient for a given dE/dy_t `[rows, output]`: for losses of your own, such as a TD error on the
    /// action taken. Nothing is averaged.
    ///
    /// # Errors
    ///
    /// As [`EpropStream::learn`].
    pub fn learn_from_error(
        &mut self,
        network: &Network<T>,
        output_error: &[T],
        gradient: &mut [T],
    ) -> Result<(), Error> {
        self.check_learn(network)?;
        check_size("gradient", self.shape.layout.len(), gradient.len())?;
        check_size("output error", self.traces.output.error.len(), output_error.len())?;
        self.traces.output.set_errors(output_error);
        self.add_gradient(network, gradient);
        Ok(())
    }

    /// Begins anew from the `states` of the layers: traces are zeroed, and the next step needs no reset mask.
    ///
    /// # Errors
    ///
    /// If a size is wrong; nothing was changed then.
    pub fn start_from(&mut self, states: &[LstmState<T>]) -> Result<(), Error> {
        let layers = self.traces.layers_mut();
        check_size("states (one for each layer)", layers.len(), states.len())?;
        for (layer, state) in layers.iter().zip(states) {
            check_size("cell state", layer.forward.state.cell.len(), state.cell.len())?;
            check_size("hidden state", layer.forward.state.hidden.len(), state.hidden.len())?;
        }
        for (layer, state) in layers.iter_mut().zip(states) {
            layer.forward.state.clone_from(state);
        }
        self.traces.clear_traces();
        self.started = false;
        Ok(())
    }

    /// To be called after an optimiser has changed the weights along a gradient, if feedback is adaptive;
    /// [`EpropStream::learn_and_update`] does it itself. As [`Learner::after_update`](crate::Learner::after_update).
    ///
    /// # Errors
    ///
    /// If the network does not have the sizes the stream was made for. Nothing was changed then.
    pub fn after_update(&mut self, network: &mut Network<T>) -> Result<(), Error> {
        network.check_same_shape(&self.shape)?;
        self.feedback.after_update(&self.shape, network);
        Ok(())
    }

    /// The feedback weights as they are.
    #[must_use]
    pub fn feedback(&self) -> &Feedback<T> {
        &self.feedback
    }

    /// A layer's cell and hidden state after the last step; layer 0 is the one that takes the inputs.
    ///
    /// # Panics
    ///
    /// If there is no such layer, as indexing does.
    #[must_use]
    pub fn state(&self, layer: usize) -> &LstmState<T> {
        &self.traces.layer(layer).forward.state
    }

    fn check_learn(&self, network: &Network<T>) -> Result<(), Error> {
        network.check_same_shape(&self.shape)?;
        if self.started { Ok(()) } else { Err(Error::NoStep) }
    }

    fn add_gradient(&mut self, network: &Network<T>, gradient: &mut [T]) {
        self.feedback.before_update(&self.shape, network.parameters());
        self.traces.learn(self.level, network.parameters(), &self.feedback, gradient);
    }
}

impl<T: Scalar> Stream<T> for EpropStream<T> {
    fn step(&mut self, network: &Network<T>, input: &[T], is_first: &[bool]) -> Result<&[T], Error> {
        Self::step(self, network, input, is_first)
    }
    fn learn_from_error(
        &mut self,
        network: &Network<T>,
        output_error: &[T],
        gradient: &mut [T],
    ) -> Result<(), Error> {
        Self::learn_from_error(self, network, output_error, gradient)
    }
}
