//! Forward only: outputs, scored or handed out; nothing learned.
//!
//! ```text
//! E = sum over targets of E(y_t)        y_t = W_out [h_t; 1]
//! ```

use eligibility_kernels::Level;

use crate::error::{Error, check_size};
use crate::feedback::Feedback;
use crate::learner::engine::{Batch, Cut, Leaves, Run, Setting};
use crate::network::Network;
use crate::readout::Score;
use crate::scalar::Scalar;
use crate::sequences::Sequences;

/// The choices of [`Evaluator`] and [`ReadoutOnly`](crate::ReadoutOnly).
#[derive(Clone, Copy, Debug, Default)]
pub struct EvaluatorOptions {
    /// The instruction-set level; `None`: what `ELIGIBILITY_LEVEL` says, or the best.
    pub level: Option<Level>,
}

impl EvaluatorOptions {
    pub(super) fn batch<T: Scalar>(
        self,
        network: &Network<T>,
        batch: usize,
        learns_readout: bool,
    ) -> Result<Batch<T>, Error> {
        let setting = Setting::new(Run::Forward, Cut::None, self.level)?;
        Batch::new(network, batch, setting, Feedback::Symmetric, learns_readout)
    }
}

/// Goes over batches of sequences without learning: test error, validation loss, predictions.
///
/// ```
/// use eligibility::{Evaluator, EvaluatorOptions, Init, Loss, Lstm, Network, Readout, Sequences, Targets};
/// use rand::{SeedableRng, rngs::StdRng};
/// let mut rng = StdRng::seed_from_u64(1);
/// let network: Network<f32> =
///     Init::default().network(Lstm::new(1, 8)?, Readout::new(2, Loss::CrossEntropy)?, &mut rng)?;
/// let mut evaluator = Evaluator::new(&network, 1, EvaluatorOptions::default())?;
/// let score = evaluator.score(&network, &Sequences::new(2, 1, &[0.1, 0.2], Targets::LastClass(&[1]))?)?;
/// assert_eq!(score.targets, 1);
/// let mut outputs = [0.0; 2 * 1 * 2];
/// evaluator.outputs(&network, &Sequences::new(2, 1, &[0.1, 0.2], Targets::None)?, &mut outputs)?;
/// assert!(outputs.iter().all(|&y| y != 0.0));
/// # Ok::<(), eligibility::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Evaluator<T: Scalar>(Batch<T>);

impl<T: Scalar> Evaluator<T> {
    /// For networks of this network's sizes and at most `batch` rows.
    ///
    /// # Errors
    ///
    /// If the batch is empty or `ELIGIBILITY_LEVEL` names no level of this machine.
    pub fn new(network: &Network<T>, batch: usize, options: EvaluatorOptions) -> Result<Self, Error> {
        options.batch(network, batch, false).map(Self)
    }
    /// The instruction-set level in use.
    #[must_use]
    pub fn level(&self) -> Level {
        self.0.setting.level
    }
    /// Scores the outputs against the targets.
    ///
    /// # Errors
    ///
    /// As [`Learner::gradient`](crate::Learner::gradient).
    pub fn score(&mut self, network: &Network<T>, sequences: &Sequences<'_, T>) -> Result<Score, Error> {
        self.0.run(network, sequences, Leaves::default())
    }
    /// The same, and y_t of every step into `outputs` `[steps, batch, output]` (before the softmax, if that is the loss). Zero
    /// for steps beyond a row's length.
    ///
    /// # Errors
    ///
    /// As [`Evaluator::score`]; if the size of `outputs` is wrong.
    pub fn outputs(
        &mut self,
        network: &Network<T>,
        sequences: &Sequences<'_, T>,
        outputs: &mut [T],
    ) -> Result<Score, Error> {
        let places = sequences.steps() * sequences.batch();
        check_size("outputs", places * network.output(), outputs.len())?;
        self.0.run(network, sequences, Leaves { outputs, ..Leaves::default() })
    }
}
