//! Learners: what turns sequences into a gradient. A learner owns traces or tapes, never weights.
//!
//! | learner | gradient of a layer | memory grows with steps |
//! |---|---|---|
//! | [`Bptt`] | exact | yes |
//! | [`Eprop`], [`EpropStream`] | exact if its units do not read each other, else drops the paths through the recurrent weights | no |
//! | [`Eprop`] of the whole sequence | the same sum, evaluated backwards | yes |
//! | [`Rtrl`], [`RtrlStream`] | e-prop's, for networks all of whose cells have units that do not read each other: any other is an error | no |
//! | [`TruncatedBptt`], [`TruncatedStream`] | exact for the last L steps before a target, drops longer paths | no |
//! | [`ReadoutOnly`] | exact for the readout, zero for all layers | no |
//!
//! Every cell goes with every learner, [`Rtrl`] excepted, and layers stack in any order. Learners that go forward in time pass
//! the error down at the step alone, `dE/dx_t = W_x^T dE/dp_t` with nothing from later steps: a layer below another one
//! with a state also loses the paths through later steps of that one. [`Learner::exactness`] says what is exact, layer by layer.
//!
//! The loss is the mean over batch rows of the sum over a row's targets.

use eligibility_kernels::Level;

use crate::error::{Error, check_size};
use crate::network::Network;
use crate::readout::{Score, Target};
use crate::scalar::Scalar;
use crate::sequences::Sequences;
use crate::state::{Carry, State};

mod bptt;
mod engine;
mod eprop;
mod evaluator;
mod exactness;
mod readout_only;
mod rtrl;
mod truncated;

pub use bptt::{Bptt, BpttOptions};
pub use eprop::{Eprop, EpropOptions, EpropStream};
pub use evaluator::{Evaluator, EvaluatorOptions};
pub use exactness::Exactness;
pub use readout_only::ReadoutOnly;
pub use rtrl::{Rtrl, RtrlOptions, RtrlStream};
pub use truncated::{TruncatedBptt, TruncatedStream};

use engine::{Batch, Leaves, Streams};

/// A rule that turns a batch of sequences into a gradient: a training loop reads the same with any.
///
/// ```
/// use eligibility::{Bptt, BpttOptions, Eprop, EpropOptions, Learner, Network, Optimizer, Sequences, Sgd};
/// # use eligibility::{Init, Loss, Lstm, Readout, Targets};
/// # use rand::{SeedableRng, rngs::StdRng};
/// fn train(
///     network: &mut Network<f32>,
///     learner: &mut dyn Learner<f32>,
///     optimizer: &mut dyn Optimizer<f32>,
///     batches: &[Sequences<'_, f32>],
/// ) -> Result<f64, eligibility::Error> {
///     let mut gradient = network.zero_gradient();
///     let mut loss = f64::NAN;
///     for batch in batches {
///         loss = learner.gradient(network, batch, &mut gradient)?.mean_loss();
///         optimizer.update(network.parameters_mut(), &gradient)?;
///     }
///     Ok(loss)
/// }
/// # let mut network: Network<f32> = Init::default().network(
/// #     Lstm::new(1, 4)?, Readout::new(2, Loss::CrossEntropy)?, &mut StdRng::seed_from_u64(1))?;
/// # let inputs = [0.5, -0.5, 1.0];
/// # let batches = [Sequences::new(3, 1, &inputs, Targets::LastClass(&[1]))?];
/// let mut eprop = Eprop::new(&network, 1, EpropOptions::default())?;
/// let mut bptt = Bptt::new(&network, 1, 3, BpttOptions::default())?;
/// let mut sgd = Sgd::new(&network, 0.1)?;
/// train(&mut network, &mut eprop, &mut sgd, &batches)?;
/// train(&mut network, &mut bptt, &mut sgd, &batches)?;
/// # Ok::<(), eligibility::Error>(())
/// ```
pub trait Learner<T: Scalar> {
    /// Overwrites `gradient` with the gradient of the mean loss over the batch, and returns the score of the outputs
    /// on the way.
    ///
    /// `gradient` has the shape of the network's parameters ([`Network::zero_gradient`]). The batch may have fewer rows than
    /// the learner was made for.
    ///
    /// # Errors
    ///
    /// If the network, the batch or the gradient does not have the sizes the learner was made for, or the targets do
    /// not go with the loss. Nothing was changed then.
    fn gradient(
        &mut self,
        network: &Network<T>,
        sequences: &Sequences<'_, T>,
        gradient: &mut [T],
    ) -> Result<Score, Error>;

    /// [`Learner::gradient`], and dE/dx_t of every step into `input_gradient` `[steps, batch, input]`, zero for steps beyond a
    /// row's length: through as many later steps as the learner goes back over, or of the step alone if it goes forward in
    /// time.
    ///
    /// # Errors
    ///
    /// As [`Learner::gradient`]; if a size is wrong or the learner was not made for it (`input_gradient` of its options).
    fn gradient_with_inputs(
        &mut self,
        network: &Network<T>,
        sequences: &Sequences<'_, T>,
        gradient: &mut [T],
        input_gradient: &mut [T],
    ) -> Result<Score, Error>;

    /// What the learner has to do after an optimiser has changed the weights along a gradient: only adaptive feedback
    /// ([`Feedback::Adaptive`](crate::Feedback::Adaptive)) does anything, and it also lets the readout's weights decay.
    ///
    /// # Errors
    ///
    /// If the network does not have the sizes the learner was made for. Nothing was changed then.
    fn after_update(&mut self, network: &mut Network<T>) -> Result<(), Error>;

    /// Whether a layer's gradient is that of the loss, for symmetric feedback and without extensions. Layer 0 takes the inputs;
    /// behind the last layer, the readout's.
    fn exactness(&self, layer: usize) -> Exactness;
}

/// A learner fed step by step, for an agent that learns while it acts: a training loop reads the same with any. A value: what
/// it carries of a row can be saved, restored to the bit, and replayed.
///
/// State, and traces or a tape, are carried from step to step until a reset; weights may change between any two calls.
///
/// ```
/// use eligibility::{EpropOptions, EpropStream, Error, Network, Stream};
/// # use eligibility::{Init, Loss, Lstm, Readout};
/// # use rand::{SeedableRng, rngs::StdRng};
/// /// The prediction for `x`, and its derivative by the weights.
/// fn predict(
///     stream: &mut dyn Stream<f32>,
///     network: &Network<f32>,
///     x: &[f32],
///     derivative: &mut [f32],
/// ) -> Result<f32, Error> {
///     let prediction = stream.step(network, x, &[false])?[0];
///     stream.learn_from_error(network, &[1.0], derivative)?;
///     Ok(prediction)
/// }
/// # let network: Network<f32> = Init::default().network(
/// #     Lstm::new(1, 4)?, Readout::new(1, Loss::SquaredError)?, &mut StdRng::seed_from_u64(1))?;
/// let mut stream = EpropStream::new(&network, 1, EpropOptions::default())?;
/// let mut derivative = network.zero_gradient();
/// predict(&mut stream, &network, &[0.5], &mut derivative)?;
/// # assert!(derivative.iter().any(|&d| d != 0.0));
/// # Ok::<(), Error>(())
/// ```
pub trait Stream<T: Scalar> {
    /// Takes x_t `[rows, input]` and returns y_t `[rows, output]` (before the softmax, if that is the loss).
    ///
    /// `is_first` `[rows]`: x_t starts a new episode of that row, so its state and its past are forgotten before it.
    ///
    /// # Errors
    ///
    /// If a size is wrong; nothing was changed then.
    fn step(&mut self, network: &Network<T>, input: &[T], is_first: &[bool]) -> Result<&[T], Error>;

    /// Overwrites `gradient` with the gradient of the loss at the last step: the mean over the rows, of which those whose
    /// target is [`Target::Absent`] have no loss and take no part.
    ///
    /// `targets` is `[rows]`. May be called not at all, once or several times after a step.
    ///
    /// # Errors
    ///
    /// If a size is wrong, a class is out of range, the kind of target does not go with the loss, or there was no
    /// step yet; nothing was changed then.
    fn learn(
        &mut self,
        network: &Network<T>,
        targets: &[Target<'_, T>],
        gradient: &mut [T],
    ) -> Result<Score, Error>;

    /// The same for a given dE/dy_t `[rows, output]` of the last step: for losses of one's own, such as a TD error on the
    /// action taken. Nothing is averaged; a row whose errors are all zero takes no part.
    ///
    /// # Errors
    ///
    /// If a size is wrong or there was no step yet; nothing was changed then.
    fn learn_from_error(
        &mut self,
        network: &Network<T>,
        output_error: &[T],
        gradient: &mut [T],
    ) -> Result<(), Error>;

    /// To be called after an optimiser has changed the weights along a gradient, if feedback is adaptive. As
    /// [`Learner::after_update`].
    ///
    /// # Errors
    ///
    /// If the network does not have the sizes the stream was made for. Nothing was changed then.
    fn after_update(&mut self, network: &mut Network<T>) -> Result<(), Error>;

    /// `[rows, output]`: y_t of the last step; empty before the first.
    fn output(&self) -> &[T];
    /// `[rows, features]`: what the top layer gave at the last step, for heads of one's own; empty before the first.
    fn features(&self) -> &[T];
    /// `[rows, input]`: dE/dx_t of the last learning signal and the last step; empty unless the options asked for it.
    fn input_gradient(&self) -> &[T];

    /// A layer's state after the last step; layer 0 is the one that takes the inputs.
    ///
    /// # Errors
    ///
    /// If there is no such layer.
    fn state(&self, layer: usize) -> Result<&State<T>, Error>;
    /// Begins anew from the `states` of the layers: traces are zeroed, and the next step needs no reset mask.
    ///
    /// # Errors
    ///
    /// If a size is wrong; nothing was changed then.
    fn start_from(&mut self, states: &[State<T>]) -> Result<(), Error>;

    /// Room for what the stream carries of a row.
    fn carry(&self) -> Carry<T>;
    /// Writes what the stream carries of a row. All traces take the last step first, so that a fused update of it is no longer
    /// possible.
    ///
    /// # Errors
    ///
    /// If there is no such row, or the carry is not one of such a stream; nothing was changed then.
    fn save(&mut self, row: usize, carry: &mut Carry<T>) -> Result<(), Error>;
    /// Goes on with a row as if it had just been saved: the same outputs and gradients to the bit, for the same weights.
    ///
    /// # Errors
    ///
    /// As [`Stream::save`].
    fn restore(&mut self, row: usize, carry: &Carry<T>) -> Result<(), Error>;

    /// As [`Learner::exactness`].
    fn exactness(&self, layer: usize) -> Exactness;
}

/// A learner that is a setting of the engine.
pub(crate) trait OverBatch<T: Scalar> {
    fn batch(&self) -> &Batch<T>;
    fn batch_mut(&mut self) -> &mut Batch<T>;
}

impl<T: Scalar, L: OverBatch<T>> Learner<T> for L {
    fn gradient(
        &mut self,
        network: &Network<T>,
        sequences: &Sequences<'_, T>,
        gradient: &mut [T],
    ) -> Result<Score, Error> {
        network.check_same_shape(&self.batch().shape)?;
        check_size("gradient", network.layout().len(), gradient.len())?;
        self.batch_mut().run(network, sequences, Leaves { gradient, ..Leaves::default() })
    }
    fn gradient_with_inputs(
        &mut self,
        network: &Network<T>,
        sequences: &Sequences<'_, T>,
        gradient: &mut [T],
        input_gradient: &mut [T],
    ) -> Result<Score, Error> {
        network.check_same_shape(&self.batch().shape)?;
        check_size("gradient", network.layout().len(), gradient.len())?;
        let setting = self.batch().setting;
        if !setting.learns() {
            let what = "an input gradient of a learner of the readout alone";
            return Err(Error::Meaningless { what, why: "nothing goes back through the layers" });
        }
        let made_for_it = usize::from(setting.input_gradient);
        let places = sequences.steps() * sequences.batch() * made_for_it;
        check_size("input gradient", places * network.layout().input(), input_gradient.len())?;
        self.batch_mut().run(network, sequences, Leaves { gradient, input_gradient, ..Leaves::default() })
    }
    fn after_update(&mut self, network: &mut Network<T>) -> Result<(), Error> {
        self.batch_mut().after_update(network)
    }
    fn exactness(&self, layer: usize) -> Exactness {
        exactness::exactness(&self.batch().shape.layout, layer, &self.batch().setting)
    }
}

/// A stream that is a setting of the engine.
pub(crate) trait OverStreams<T: Scalar> {
    fn streams(&self) -> &Streams<T>;
    fn streams_mut(&mut self) -> &mut Streams<T>;
}

impl<T: Scalar, S: OverStreams<T>> Stream<T> for S {
    fn step(&mut self, network: &Network<T>, input: &[T], is_first: &[bool]) -> Result<&[T], Error> {
        self.streams_mut().step(network, input, is_first)
    }
    fn learn(
        &mut self,
        network: &Network<T>,
        targets: &[Target<'_, T>],
        gradient: &mut [T],
    ) -> Result<Score, Error> {
        self.streams_mut().learn(network, targets, gradient)
    }
    fn learn_from_error(
        &mut self,
        network: &Network<T>,
        output_error: &[T],
        gradient: &mut [T],
    ) -> Result<(), Error> {
        self.streams_mut().learn_from_error(network, output_error, gradient)
    }
    fn after_update(&mut self, network: &mut Network<T>) -> Result<(), Error> {
        self.streams_mut().after_update(network)
    }
    fn output(&self) -> &[T] {
        self.streams().output()
    }
    fn features(&self) -> &[T] {
        self.streams().features()
    }
    fn input_gradient(&self) -> &[T] {
        self.streams().input_gradient()
    }
    fn state(&self, layer: usize) -> Result<&State<T>, Error> {
        self.streams().state(layer)
    }
    fn start_from(&mut self, states: &[State<T>]) -> Result<(), Error> {
        self.streams_mut().start_from(states)
    }
    fn carry(&self) -> Carry<T> {
        self.streams().carry()
    }
    fn save(&mut self, row: usize, carry: &mut Carry<T>) -> Result<(), Error> {
        self.streams_mut().save(row, carry)
    }
    fn restore(&mut self, row: usize, carry: &Carry<T>) -> Result<(), Error> {
        self.streams_mut().restore(row, carry)
    }
    fn exactness(&self, layer: usize) -> Exactness {
        exactness::exactness(&self.streams().shape.layout, layer, self.streams().setting())
    }
}

macro_rules! settings_of_the_engine {
    ($over:ident, $engine:ident, [$get:ident, $get_mut:ident], $($kind:ident),+) => {
        $(impl<T: Scalar> $kind<T> {
            /// The instruction-set level in use.
            #[must_use]
            pub fn level(&self) -> Level {
                self.engine.setting().level
            }
        }
        impl<T: Scalar> $over<T> for $kind<T> {
            fn $get(&self) -> &$engine<T> {
                &self.engine
            }
            fn $get_mut(&mut self) -> &mut $engine<T> {
                &mut self.engine
            }
        })+
    };
}

settings_of_the_engine!(OverBatch, Batch, [batch, batch_mut], Eprop, Rtrl, Bptt, TruncatedBptt, ReadoutOnly);
settings_of_the_engine!(
    OverStreams,
    Streams,
    [streams, streams_mut],
    EpropStream,
    RtrlStream,
    TruncatedStream
);
