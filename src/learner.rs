//! Learners: what turns sequences into a gradient. A learner owns traces or tapes, never weights.
//!
//! | learner | gradient | memory grows with steps |
//! |---|---|---|
//! | [`Eprop`], blocked or streaming | approximate: drops the paths through h_{t-1} | no |
//! | [`Eprop`], whole sequence | the same, up to rounding | yes |
//! | [`EpropStream`] | the same, step by step | no |
//! | [`Bptt`] | exact | yes |
//! | [`Rtrl`], [`RtrlStream`] | exact, for cells whose units do not read each other | no |
//! | [`TruncatedBptt`] | exact for the last L steps before a target, approximate beyond | no |
//! | [`ReadoutOnly`] | exact for the readout, zero for the LSTM | no |
//!
//! In a stack of layers ([`Network::stacked`]) every learner goes through all of them. E-prop passes the error down at the
//! step alone, `L_t = W_x^T dE/dz_t` of the layer above with nothing from later steps: below the top layer its gradient
//! also drops the paths through the cells above. It is exact for the network in which all h_{t-1} are frozen, and c_{t-1}
//! in the layers above; how far that is from the true gradient, layer by layer, is in the crate's README.
//!
//! The loss is the mean over batch rows of the sum over a row's targets.

use crate::affine::Scalar;
use crate::error::{Error, check_size};
use crate::network::{Network, Shape};
use crate::readout::Score;
use crate::sequences::Sequences;

mod bptt;
mod carried;
mod eprop;
mod evaluator;
mod forward;
mod forward_only;
mod output;
mod packed;
mod readout_only;
mod rolling;
mod rtrl;
mod shards;
mod stream;
mod tape;
mod targeted;
mod traces;
mod truncated;
mod window;

pub use bptt::Bptt;
pub use eprop::{Eprop, EpropOptions, Schedule};
pub use evaluator::Evaluator;
pub use readout_only::ReadoutOnly;
pub use rtrl::{Rtrl, RtrlOptions, RtrlStream};
pub use stream::EpropStream;
pub use truncated::{TruncatedBptt, TruncatedStream};

/// A rule that turns a batch of sequences into a gradient: a training loop reads the same with any.
///
/// ```
/// use eligibility::{Bptt, Eprop, EpropOptions, Learner, Network, Optimizer, Sequences, Sgd};
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
/// let mut bptt = Bptt::new(&network, 1, 3)?;
/// let mut sgd = Sgd::new(&network, 0.1)?;
/// train(&mut network, &mut eprop, &mut sgd, &batches)?;
/// train(&mut network, &mut bptt, &mut sgd, &batches)?;
/// # Ok::<(), eligibility::Error>(())
/// ```
pub trait Learner<T: Scalar> {
    /// Overwrites `gradient` with the gradient of the mean loss over the batch, and returns the score of the outputs
    /// on the way.
    ///
    /// `gradient` has the shape of the network's parameters ([`Network::zero_gradient`]).
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

    /// What the learner has to do after an optimiser has changed the weights along a gradient: only adaptive feedback
    /// ([`Feedback::Adaptive`](crate::Feedback::Adaptive)) does anything, and it also lets the readout's weights decay.
    ///
    /// # Errors
    ///
    /// If the network does not have the sizes the learner was made for. Nothing was changed then.
    fn after_update(&mut self, network: &mut Network<T>) -> Result<(), Error> {
        let _ = network;
        Ok(())
    }
}

/// A learner fed step by step, for an agent that learns while it acts: a training loop reads the same with any.
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
///     derivative.fill(0.0);
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

    /// *Adds* the gradient for a given dE/dy_t `[rows, output]` of the last step. Nothing is averaged.
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
}

/// `Ok` if network, batch and gradient have the sizes that a learner was made for.
fn check_call<T: Scalar>(
    shape: &Shape,
    batch: usize,
    network: &Network<T>,
    sequences: &Sequences<'_, T>,
    gradient: &[T],
) -> Result<(), Error> {
    network.check_same_shape(shape)?;
    sequences.check(shape, batch)?;
    check_size("gradient", shape.layout.len(), gradient.len())
}

/// `Ok` if a window of `most` steps holds the sequences.
fn check_steps<T: Scalar>(most: usize, sequences: &Sequences<'_, T>) -> Result<(), Error> {
    let (reserved, found) = (most, sequences.steps());
    if found > reserved {
        Err(Error::Capacity { what: "steps on the tape", reserved, found })
    } else {
        Ok(())
    }
}

/// Threads that there are.
fn threads() -> usize {
    #[cfg(feature = "rayon")]
    return rayon::current_num_threads();
    #[cfg(not(feature = "rayon"))]
    1
}

/// Runs `body` on every item, each on a thread of its own if there are several.
fn for_each<W: Send>(items: &mut [W], body: impl Fn(&mut W) + Sync) {
    #[cfg(feature = "rayon")]
    if items.len() > 1 {
        use rayon::prelude::*;
        items.par_iter_mut().for_each(&body);
        return;
    }
    items.iter_mut().for_each(body);
}
