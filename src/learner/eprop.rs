//! E-prop, for any cell: traces forward in time, cut at the recurrent weights.
//!
//! ```text
//! (1) eps_t = A_t eps_{t-1} + u_t presynaptic_t^T           forward in time           (Hoyer et al. 2022, eq. 6)
//! (2) dE/dW  = sum_t (L_t dy_t/ds_t) eps_t                  L_t = B^T dE/dy_t          (eq. 3, 10, 11)
//! ```
//!
//! Of the LSTM A is the forget gate, of the GRU its update gate, of an RNN zero; of cells whose units do not read each other
//! it is all of ds_t/ds_{t-1}, and the gradient is exact.

use eligibility_kernels::Level;

use crate::error::Error;
use crate::extensions::{Echo, Extensions, TraceScaling};
use crate::feedback::Feedback;
use crate::learner::engine::{Batch, Cut, Run, Setting, Streams};
use crate::network::Network;
use crate::scalar::Scalar;
use crate::schedule::Schedule;

/// The choices of [`Eprop`] and [`EpropStream`].
#[derive(Clone, Debug, Default)]
pub struct EpropOptions<T: Scalar> {
    /// Where the learning signal comes from.
    pub feedback: Feedback<T>,
    /// How the sum over time is evaluated; a stream does not use it.
    pub schedule: Schedule,
    /// What else a learning signal is multiplied with.
    pub echo: Echo,
    /// Factors in the computation of the traces.
    pub scaling: TraceScaling,
    /// Whether dE/dx_t is computed as well: of the step alone.
    pub input_gradient: bool,
    /// The instruction-set level; `None`: what `ELIGIBILITY_LEVEL` says, or the best.
    pub level: Option<Level>,
}

impl<T: Scalar> EpropOptions<T> {
    fn setting(&self, run: Run) -> Result<Setting, Error> {
        let extensions = Extensions::new(self.echo, self.scaling)?;
        let setting = Setting::new(run, Cut::Recurrence, self.level)?;
        Ok(Setting { extensions, input_gradient: self.input_gradient, ..setting })
    }
}

/// E-prop over batches of sequences. Owns traces (or a tape) for a fixed number of batch rows.
///
/// Gradient: approximate for cells with a dense recurrence, drops the paths through h_{t-1}; in layers below another one with
/// a state also those through later steps of the layers above. Else exact: [`Learner::exactness`](crate::Learner::exactness) says which.
///
/// Memory, blocked or streaming: a trace for each weight that has one (of an LSTM 3 x units x (input + units + 1)) per batch
/// row, for up to 8 rows per thread (rows of larger batches take turns), whatever the number of steps. No allocation after
/// construction on one thread; handing shards to threads may allocate.
///
/// ```
/// use eligibility::{Eprop, EpropOptions, Init, Learner, Loss, Lstm, Network, Readout, Sequences, Targets};
/// use rand::{SeedableRng, rngs::StdRng};
/// let mut rng = StdRng::seed_from_u64(1);
/// let network: Network<f32> =
///     Init::default().network(Lstm::new(1, 8)?, Readout::new(2, Loss::CrossEntropy)?, &mut rng)?;
/// let mut eprop = Eprop::new(&network, 1, EpropOptions::default())?;
/// let mut gradient = network.zero_gradient();
/// let score = eprop.gradient(
///     &network,
///     &Sequences::new(4, 1, &[0.1, 0.2, 0.3, 0.4], Targets::LastClass(&[1]))?,
///     &mut gradient,
/// )?;
/// assert!(score.mean_loss() > 0.0);
/// # Ok::<(), eligibility::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Eprop<T: Scalar> {
    pub(super) engine: Batch<T>,
}

impl<T: Scalar> Eprop<T> {
    /// For networks of this network's sizes and at most `batch` rows.
    ///
    /// # Errors
    ///
    /// If the batch or a block is empty, the feedback matrix has the wrong size, an echo's or a scaling's factor is not
    /// finite, the scaling's decay is not in [0, 1], the memory would be too large, or
    /// `ELIGIBILITY_LEVEL` names no level of this machine.
    pub fn new(network: &Network<T>, batch: usize, options: EpropOptions<T>) -> Result<Self, Error> {
        let setting = options.setting(Run::of(options.schedule))?;
        Ok(Self { engine: Batch::new(network, batch, setting, options.feedback, false)? })
    }
}

/// E-prop step by step, for `rows` parallel streams (usually one): feed an input, get the output, learn if there is something
/// to learn. No sequence in sight.
///
/// State and traces are carried until a reset; weights may change between any two calls. Memory never grows, and no
/// call allocates.
///
/// Gradient: as [`Eprop`]'s; after a change of the weights the traces still hold the influence of the old ones, as in every
/// online rule.
///
/// ```
/// use eligibility::{EpropOptions, EpropStream, Init, Loss, Lstm, Network, Optimizer, Readout, Sgd, Stream, Target};
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
///     stream.learn(&network, &[Target::Values(&[next])], &mut gradient)?;
///     sgd.update(network.parameters_mut(), &gradient)?;
/// }
/// # Ok::<(), eligibility::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct EpropStream<T: Scalar> {
    pub(super) engine: Streams<T>,
}

impl<T: Scalar> EpropStream<T> {
    /// For networks of this network's sizes and `rows` parallel streams. The schedule of `options` is not used: a
    /// stream is streaming.
    ///
    /// # Errors
    ///
    /// As [`Eprop::new`].
    pub fn new(network: &Network<T>, rows: usize, options: EpropOptions<T>) -> Result<Self, Error> {
        let setting = options.setting(Run::Block(1))?;
        Ok(Self { engine: Streams::new(network, rows, setting, options.feedback)? })
    }
}

macro_rules! with_feedback {
    ($($kind:ident),+) => {
        $(impl<T: Scalar> $kind<T> {
            /// The feedback weights as they are.
            #[must_use]
            pub fn feedback(&self) -> &Feedback<T> {
                &self.engine.feedback
            }
            /// Other feedback weights, for instance those of a checkpoint.
            ///
            /// # Errors
            ///
            /// If their size is wrong; nothing was changed then.
            pub fn set_feedback(&mut self, feedback: Feedback<T>) -> Result<(), Error> {
                feedback.check(&self.engine.shape)?;
                self.engine.feedback = feedback;
                Ok(())
            }
        })+
    };
}

with_feedback!(Eprop, EpropStream);
