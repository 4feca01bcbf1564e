//! Forward only: outputs scored, nothing learned.

use eligibility_kernels::Level;

use crate::affine::Scalar;
use crate::error::{Error, check_nonempty};
use crate::learner::forward::{Factors, Forward};
use crate::learner::output::Outputs;
use crate::learner::packed::{Packed, Weights};
use crate::learner::shards::{ROWS_WITHOUT_TRACES, Shards};
use crate::network::{Network, Shape};
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
pub struct Evaluator<T: Scalar> {
    shape: Shape,
    batch: usize,
    level: Level,
    packed: Packed<T>,
    shards: Shards<Scoring<T>, T>,
}

#[derive(Clone, Debug)]
struct Scoring<T: Scalar> {
    forward: Forward<T>,
    output: Outputs<T>,
    factors: Factors<T>,
}

impl<T: Scalar> Evaluator<T> {
    /// For networks of this network's sizes and `batch` rows.
    ///
    /// # Errors
    ///
    /// If the batch is empty or `ELIGIBILITY_LEVEL` names no level of this machine.
    pub fn new(network: &Network<T>, batch: usize) -> Result<Self, Error> {
        check_nonempty("batch", batch)?;
        let (shape, level) = (network.shape(), Level::from_env()?);
        let scoring = |rows| {
            Ok(Scoring {
                forward: Forward::zeros(shape, rows, usize::MAX)?,
                output: Outputs::zeros(&shape, 1, rows, batch)?,
                factors: Factors::zeros(&shape, rows, 1)?,
            })
        };
        let shards = Shards::new(batch, ROWS_WITHOUT_TRACES, 0, scoring)?;
        let packed = Packed::zeros(&shape, shards.rows(), level);
        Ok(Self { shape, batch, level, packed, shards })
    }

    /// At another instruction-set level.
    #[must_use]
    pub fn with_level(self, level: Level) -> Self {
        let packed = Packed::zeros(&self.shape, self.shards.rows(), level);
        Self { level, packed, ..self }
    }

    /// Scores the outputs against the targets.
    ///
    /// # Errors
    ///
    /// As [`Learner::gradient`](crate::Learner::gradient).
    pub fn score(&mut self, network: &Network<T>, sequences: &Sequences<'_, T>) -> Result<Score, Error> {
        network.check_same_shape(&self.shape)?;
        sequences.check(&self.shape, self.batch)?;
        let Self { ref shape, batch, level, ref mut packed, ref mut shards } = *self;
        let parameters = network.parameters();
        packed.refresh(shape, parameters);
        let weights = Weights::Packed(packed);
        let work = batch * sequences.steps() * shape.layout.len();
        Ok(shards.run(work, &mut [], |Scoring { forward, output, factors }, rows, _| {
            let mut score = Score::default();
            forward.start(sequences, rows);
            for step in 0..sequences.steps() {
                forward.activate(sequences, rows, step);
                forward.advance(level, weights, sequences, rows, step, &mut factors.at(0));
                if sequences.every_step() {
                    let hidden = &forward.state.hidden;
                    output.score_steps(parameters, hidden, sequences, rows, step, &mut score);
                }
            }
            if !sequences.every_step() {
                let (hidden, all) = (&forward.state.hidden, 0..sequences.steps());
                output.score_ended(parameters, hidden, sequences, rows, all, &mut score);
            }
            score
        }))
    }
}
