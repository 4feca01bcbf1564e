//! Forward only: outputs scored, nothing learned.
//!
//! ```text
//! E = sum over targets of E(y_t)        y_t = W_out [h_t; 1]
//! ```

use eligibility_kernels::Level;

use crate::affine::Scalar;
use crate::error::Error;
use crate::learner::forward_only::ForwardOnly;
use crate::network::Network;
use crate::readout::Score;
use crate::sequences::Sequences;

/// Scores batches of sequences without learning: test error, validation loss.
///
/// ```
/// use eligibility::{Evaluator, Init, Loss, Lstm, Network, Readout, Sequences, Targets};
/// use rand::{SeedableRng, rngs::StdRng};
/// let mut rng = StdRng::seed_from_u64(1);
/// let network: Network<f32> =
///     Init::default().network(Lstm::new(1, 8)?, Readout::new(2, Loss::CrossEntropy)?, &mut rng)?;
/// let mut evaluator = Evaluator::new(&network, 1)?;
/// let score = evaluator.score(&network, &Sequences::new(2, 1, &[0.1, 0.2], Targets::LastClass(&[1]))?)?;
/// assert_eq!(score.targets, 1);
/// # Ok::<(), eligibility::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Evaluator<T: Scalar>(ForwardOnly<T>);

impl<T: Scalar> Evaluator<T> {
    /// For networks of this network's sizes and `batch` rows.
    ///
    /// # Errors
    ///
    /// If the batch is empty or `ELIGIBILITY_LEVEL` names no level of this machine.
    pub fn new(network: &Network<T>, batch: usize) -> Result<Self, Error> {
        ForwardOnly::zeros(network, batch, 0).map(Self)
    }
    /// At another instruction-set level.
    #[must_use]
    pub fn with_level(self, level: Level) -> Self {
        Self(self.0.with_level(level))
    }
    /// Scores the outputs against the targets.
    ///
    /// # Errors
    ///
    /// As [`Learner::gradient`](crate::Learner::gradient).
    pub fn score(&mut self, network: &Network<T>, sequences: &Sequences<'_, T>) -> Result<Score, Error> {
        network.check_same_shape(&self.0.shape)?;
        sequences.check(&self.0.shape, self.0.batch)?;
        Ok(self.0.run(network, sequences, &mut []))
    }
}
