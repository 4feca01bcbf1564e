//! Backpropagation through time: the exact gradient, on a tape as long as the sequence.
//!
//! ```text
//! lambda_t = dE/dy_t dy_t/ds_t + A_{t+1}^T lambda_{t+1} + U^T dE/dp_{t+1}         dE/dW = sum over t of dE/dp_t a_t^T
//! ```

use eligibility_kernels::Level;

use crate::error::Error;
use crate::feedback::Feedback;
use crate::learner::engine::{Batch, Cut, Run, Setting};
use crate::network::Network;
use crate::scalar::Scalar;

/// The choices of [`Bptt`], [`TruncatedBptt`](crate::TruncatedBptt) and [`TruncatedStream`](crate::TruncatedStream).
#[derive(Clone, Copy, Debug, Default)]
pub struct BpttOptions {
    /// Whether dE/dx_t is computed as well.
    pub input_gradient: bool,
    /// The instruction-set level; `None`: what `ELIGIBILITY_LEVEL` says, or the best.
    pub level: Option<Level>,
}

impl BpttOptions {
    pub(super) fn setting(self, run: Run) -> Result<Setting, Error> {
        let setting = Setting::new(run, Cut::None, self.level)?;
        Ok(Setting { input_gradient: self.input_gradient, ..setting })
    }
}

/// Backpropagation through time over batches of sequences of at most a fixed number of steps.
///
/// Gradient: exact, for every cell; by the inputs too.
///
/// Memory of an LSTM layer: 7 x units + input + 1 elements per step and batch row, for up to 16 rows per thread (32 with more than
/// 2 MB of weights; rows of larger batches take turns), reserved at construction. No allocation after that on one thread;
/// handing shards to threads may allocate.
///
/// ```
/// use eligibility::{Bptt, BpttOptions, Init, Learner, Loss, Lstm, Network, Readout, Sequences, Targets};
/// use rand::{SeedableRng, rngs::StdRng};
/// let mut rng = StdRng::seed_from_u64(1);
/// let network: Network<f64> =
///     Init::default().network(Lstm::new(1, 8)?, Readout::new(1, Loss::SquaredError)?, &mut rng)?;
/// let mut bptt = Bptt::new(&network, 1, 4, BpttOptions::default())?;
/// let mut gradient = network.zero_gradient();
/// let (inputs, target) = ([0.1, 0.2, 0.3, 0.4], [1.0]);
/// bptt.gradient(&network, &Sequences::new(4, 1, &inputs, Targets::LastValues(&target))?, &mut gradient)?;
/// # assert!(gradient.iter().any(|&g| g != 0.0));
/// # Ok::<(), eligibility::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Bptt<T: Scalar> {
    pub(super) engine: Batch<T>,
}

impl<T: Scalar> Bptt<T> {
    /// For networks of this network's sizes, at most `batch` rows and at most `max_steps` steps.
    ///
    /// # Errors
    ///
    /// If a size is zero, the tape would be too large, or `ELIGIBILITY_LEVEL` names no level of this machine.
    pub fn new(
        network: &Network<T>,
        batch: usize,
        max_steps: usize,
        options: BpttOptions,
    ) -> Result<Self, Error> {
        let setting = options.setting(Run::Whole(max_steps))?;
        Ok(Self { engine: Batch::new(network, batch, setting, Feedback::Symmetric, false)? })
    }
}
