//! Truncated backpropagation through time: every target's error goes back L steps, and no further.
//!
//! ```text
//! dE_t/dW = sum over s of dE_t/dp_s a_s^T        s = t - L + 1, ..., t;  the state before is a constant
//! ```
//!
//! With L = 1 this is the instantaneous gradient, with L as long as the sequence that of [`Bptt`](crate::Bptt).

use crate::error::Error;
use crate::feedback::Feedback;
use crate::learner::bptt::BpttOptions;
use crate::learner::engine::{Batch, Run, Streams};
use crate::network::Network;
use crate::scalar::Scalar;

/// Truncated backpropagation through time with a rolling window of L steps: the error of every target is propagated back
/// through everything for at most L steps, its own included. A learning signal at each target, as in e-prop, each with
/// the same horizon.
///
/// Gradient: exact for the last L steps before each target (the state before them is taken as a constant), approximate
/// beyond: drops the paths longer than that. A reset or the start of a sequence ends a path earlier. The same of dE/dx_t.
///
/// Memory of an LSTM layer: 11 x units + input + 1 elements per step of L, and of a few more, and batch row, for up to 16 rows
/// per thread (32 with more than 2 MB of weights; rows of larger batches take turns), reserved at construction, whatever the
/// number of steps. No allocation after that on one thread; handing shards to threads may allocate.
///
/// Cost: L times the way back of a step per target.
///
/// ```
/// use eligibility::{BpttOptions, Init, Learner, Loss, Lstm, Network, Readout, Sequences, Targets, TruncatedBptt};
/// use rand::{SeedableRng, rngs::StdRng};
/// let mut rng = StdRng::seed_from_u64(1);
/// let network: Network<f64> =
///     Init::default().network(Lstm::new(1, 8)?, Readout::new(1, Loss::SquaredError)?, &mut rng)?;
/// let mut truncated = TruncatedBptt::new(&network, 1, 2, BpttOptions::default())?; // back over two steps
/// let mut gradient = network.zero_gradient();
/// let (inputs, targets) = ([0.1, 0.2, 0.3, 0.4], [1.0, -1.0, 1.0, -1.0]);
/// truncated.gradient(&network, &Sequences::new(4, 1, &inputs, Targets::EveryValues(&targets))?, &mut gradient)?;
/// # assert!(gradient.iter().any(|&g| g != 0.0));
/// # Ok::<(), eligibility::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct TruncatedBptt<T: Scalar> {
    pub(super) engine: Batch<T>,
}

impl<T: Scalar> TruncatedBptt<T> {
    /// For networks of this network's sizes and at most `batch` rows; errors go back at most `steps` steps, L.
    ///
    /// # Errors
    ///
    /// If a size is zero, the window would be too large, or `ELIGIBILITY_LEVEL` names no level of this machine.
    pub fn new(
        network: &Network<T>,
        batch: usize,
        steps: usize,
        options: BpttOptions,
    ) -> Result<Self, Error> {
        let setting = options.setting(Run::Window(steps))?;
        Ok(Self { engine: Batch::new(network, batch, setting, Feedback::Symmetric, false)? })
    }
}

/// Truncated backpropagation through time step by step, for `rows` parallel streams (usually one): what an agent that learns
/// at every step does without traces.
///
/// Gradient: as [`TruncatedBptt`]'s. After a change of the weights the way back goes through the weights as they are now, with
/// the activities as they were then, as in every online rule.
///
/// Memory: a window of L steps. No call allocates. Cost: L times the way back of a step for each learning signal.
///
/// ```
/// use eligibility::{BpttOptions, Gru, Init, Loss, Network, Readout, Stream, Target, TruncatedStream};
/// use rand::{SeedableRng, rngs::StdRng};
/// let mut rng = StdRng::seed_from_u64(1);
/// let network: Network<f32> =
///     Init::default().network(Gru::new(1, 8)?, Readout::new(1, Loss::SquaredError)?, &mut rng)?;
/// let mut stream = TruncatedStream::new(&network, 1, 10, BpttOptions::default())?; // back over ten steps
/// let mut gradient = network.zero_gradient();
/// for t in 0..100 {
///     let (x, next) = ((0.1 * t as f32).sin(), (0.1 * (t + 1) as f32).sin());
///     stream.step(&network, &[x], &[t == 0])?;
///     stream.learn(&network, &[Target::Values(&[next])], &mut gradient)?;
/// }
/// # assert!(gradient.iter().any(|&g| g != 0.0));
/// # Ok::<(), eligibility::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct TruncatedStream<T: Scalar> {
    pub(super) engine: Streams<T>,
}

impl<T: Scalar> TruncatedStream<T> {
    /// For networks of this network's sizes and `rows` parallel streams; errors go back at most `steps` steps, L.
    ///
    /// # Errors
    ///
    /// If a size is zero, the window would be too large, or `ELIGIBILITY_LEVEL` names no level of this machine.
    pub fn new(network: &Network<T>, rows: usize, steps: usize, options: BpttOptions) -> Result<Self, Error> {
        let setting = options.setting(Run::Window(steps))?;
        Ok(Self { engine: Streams::new(network, rows, setting, Feedback::Symmetric)? })
    }
}
