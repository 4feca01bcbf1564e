//! A control: the readout learns, the recurrent layer stays as it was initialised.
//!
//! ```text
//! dE/dW_out  = sum over targets of dE/dy_t [h_t; 1]^T
//! dE/dW_lstm = 0
//! ```
//!
//! What a rule for recurrent weights reaches beyond this, it reaches by learning recurrent weights.

use eligibility_kernels::Level;

use crate::affine::Scalar;
use crate::error::Error;
use crate::learner::forward_only::ForwardOnly;
use crate::learner::{Learner, check_call};
use crate::network::Network;
use crate::readout::Score;
use crate::sequences::Sequences;

/// A frozen recurrent layer with a trained readout: the baseline that any learning of recurrent weights must beat.
///
/// Gradient: exact for the readout, zero for all layers, so that no optimiser of this library moves its weights.
///
/// Memory: the state of up to 16 rows per thread (rows of larger batches take turns), whatever the number of steps. No
/// allocation after construction on one thread; handing shards to threads may allocate.
///
/// ```
/// use eligibility::{Init, Learner, Loss, Lstm, Network, Optimizer, Readout, ReadoutOnly, Sequences, Sgd, Targets};
/// use rand::{SeedableRng, rngs::StdRng};
/// let mut rng = StdRng::seed_from_u64(1);
/// let mut network: Network<f32> =
///     Init::default().network(Lstm::new(1, 8)?, Readout::new(2, Loss::CrossEntropy)?, &mut rng)?;
/// let lstm = network.layout().unpack_lstm(0, network.parameters())?;
/// let mut readout_only = ReadoutOnly::new(&network, 1)?;
/// let mut sgd = Sgd::new(&network, 0.1)?;
/// let mut gradient = network.zero_gradient();
/// let sequences = Sequences::new(2, 1, &[0.1, 0.2], Targets::LastClass(&[1]))?;
/// let before = readout_only.gradient(&network, &sequences, &mut gradient)?;
/// sgd.update(network.parameters_mut(), &gradient)?;
/// let after = readout_only.gradient(&network, &sequences, &mut gradient)?;
/// assert!(after.loss < before.loss);
/// assert_eq!(network.layout().unpack_lstm(0, network.parameters())?, lstm);
/// # Ok::<(), eligibility::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct ReadoutOnly<T: Scalar>(ForwardOnly<T>);

impl<T: Scalar> ReadoutOnly<T> {
    /// For networks of this network's sizes and `batch` rows.
    ///
    /// # Errors
    ///
    /// If the batch is empty or `ELIGIBILITY_LEVEL` names no level of this machine.
    pub fn new(network: &Network<T>, batch: usize) -> Result<Self, Error> {
        ForwardOnly::zeros(network, batch, network.layout().len()).map(Self)
    }
    /// At another instruction-set level.
    #[must_use]
    pub fn with_level(self, level: Level) -> Self {
        Self(self.0.with_level(level))
    }
    /// The instruction-set level in use.
    #[must_use]
    pub fn level(&self) -> Level {
        self.0.level
    }
}

impl<T: Scalar> Learner<T> for ReadoutOnly<T> {
    fn gradient(
        &mut self,
        network: &Network<T>,
        sequences: &Sequences<'_, T>,
        gradient: &mut [T],
    ) -> Result<Score, Error> {
        check_call(&self.0.shape, self.0.batch, network, sequences, gradient)?;
        Ok(self.0.run(network, sequences, gradient))
    }
}
