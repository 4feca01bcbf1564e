//! Backpropagation through time: the exact gradient, on a tape as long as the sequence.
//!
//! Equations and scan: `crate::learner::tape`.

use eligibility_kernels::Level;

use crate::affine::Scalar;
use crate::error::Error;
use crate::learner::tape::{Tape, Through};
use crate::learner::{Learner, check_call};
use crate::network::{Network, Shape};
use crate::readout::Score;
use crate::sequences::Sequences;

/// Backpropagation through time over batches of sequences of at most a fixed number of steps.
///
/// Gradient: exact.
///
/// Memory: 7 x hidden + input + 1 elements per step and batch row, reserved at construction. No allocation after
/// that on one thread; handing shards to threads may allocate.
///
/// ```
/// use eligibility::{Bptt, Init, Learner, Loss, Lstm, Network, Readout, Sequences, Targets};
/// use rand::{SeedableRng, rngs::StdRng};
/// let mut rng = StdRng::seed_from_u64(1);
/// let network: Network<f64> =
///     Init::default().network(Lstm::new(1, 8)?, Readout::new(1, Loss::SquaredError)?, &mut rng)?;
/// let mut bptt = Bptt::new(&network, 1, 4)?;
/// let mut gradient = network.zero_gradient();
/// let (inputs, target) = ([0.1, 0.2, 0.3, 0.4], [1.0]);
/// bptt.gradient(&network, &Sequences::new(4, 1, &inputs, Targets::LastValues(&target))?, &mut gradient)?;
/// # assert!(gradient.iter().any(|&g| g != 0.0));
/// # Ok::<(), eligibility::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Bptt<T: Scalar> {
    shape: Shape,
    batch: usize,
    level: Level,
    tape: Tape<T>,
}

impl<T: Scalar> Bptt<T> {
    /// For networks of this network's sizes, `batch` rows and at most `max_steps` steps.
    ///
    /// # Errors
    ///
    /// If a size is zero, the tape would be too large, or `ELIGIBILITY_LEVEL` names no level of this machine.
    pub fn new(network: &Network<T>, batch: usize, max_steps: usize) -> Result<Self, Error> {
        let shape = network.shape();
        Ok(Self { shape, batch, level: Level::from_env()?, tape: Tape::new(shape, batch, max_steps)? })
    }
    /// At another instruction-set level.
    #[must_use]
    pub fn with_level(self, level: Level) -> Self {
        Self { level, ..self }
    }
    /// The instruction-set level in use.
    #[must_use]
    pub fn level(&self) -> Level {
        self.level
    }
}

impl<T: Scalar> Learner<T> for Bptt<T> {
    fn gradient(
        &mut self,
        network: &Network<T>,
        sequences: &Sequences<'_, T>,
        gradient: &mut [T],
    ) -> Result<Score, Error> {
        check_call(&self.shape, self.batch, network, sequences, gradient)?;
        self.tape.gradient(self.level, network.parameters(), sequences, Through::Everything, gradient)
    }
}
