//! A control: the readout learns, all layers stay as they were initialised.
//!
//! ```text
//! dE/dW_out  = sum over targets of dE/dy_t [h_t; 1]^T        dE/dW of every layer = 0
//! ```
//!
//! What a rule for recurrent weights reaches beyond this, it reaches by learning recurrent weights.

use crate::error::Error;
use crate::learner::engine::Batch;
use crate::learner::evaluator::EvaluatorOptions;
use crate::network::Network;
use crate::scalar::Scalar;

/// Frozen layers with a trained readout: the baseline that any learning of recurrent weights must beat.
///
/// Gradient: exact for the readout, zero for all layers, so that no optimiser of this library moves its weights.
///
/// Memory: the state of up to 16 rows per thread (32 with more than 2 MB of weights; rows of larger batches take turns), whatever the
/// number of steps. No allocation after construction on one thread; handing shards to threads may allocate.
///
/// ```
/// use eligibility::{EvaluatorOptions, Init, Learner, Loss, Lstm, Network, Optimizer, Readout, ReadoutOnly, Sequences, Sgd};
/// # use eligibility::Targets;
/// use rand::{SeedableRng, rngs::StdRng};
/// let mut rng = StdRng::seed_from_u64(1);
/// let mut network: Network<f32> =
///     Init::default().network(Lstm::new(1, 8)?, Readout::new(2, Loss::CrossEntropy)?, &mut rng)?;
/// let lstm = network.layout().range(0);
/// let before = network.parameters()[lstm.clone()].to_vec();
/// let mut readout_only = ReadoutOnly::new(&network, 1, EvaluatorOptions::default())?;
/// let mut sgd = Sgd::new(&network, 0.1)?;
/// let mut gradient = network.zero_gradient();
/// let sequences = Sequences::new(2, 1, &[0.1, 0.2], Targets::LastClass(&[1]))?;
/// let first = readout_only.gradient(&network, &sequences, &mut gradient)?;
/// sgd.update(network.parameters_mut(), &gradient)?;
/// let second = readout_only.gradient(&network, &sequences, &mut gradient)?;
/// assert!(second.loss < first.loss);
/// assert_eq!(network.parameters()[lstm], before);
/// # Ok::<(), eligibility::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct ReadoutOnly<T: Scalar> {
    pub(super) engine: Batch<T>,
}

impl<T: Scalar> ReadoutOnly<T> {
    /// For networks of this network's sizes and at most `batch` rows.
    ///
    /// # Errors
    ///
    /// If the network has no readout, the batch is empty or `ELIGIBILITY_LEVEL` names no level of this machine.
    pub fn new(network: &Network<T>, batch: usize, options: EvaluatorOptions) -> Result<Self, Error> {
        if network.readout().is_none() {
            return Err(Error::NoReadout { what: "learners of the readout alone" });
        }
        Ok(Self { engine: options.batch(network, batch, true)? })
    }
}
