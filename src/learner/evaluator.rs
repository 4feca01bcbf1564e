//! Forward only: outputs scored, nothing learned.

use eligibility_kernels::Level;

use crate::affine::Scalar;
use crate::error::{Error, check_nonempty};
use crate::learner::forward::{Factors, Forward};
use crate::learner::output::OutputRows;
use crate::learner::{for_each_shard, shards};
use crate::network::{Network, Shape};
use crate::readout::Score;
use crate::sequences::{Rows, Sequences};

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
    shards: Vec<Shard<T>>,
}

#[derive(Clone, Debug)]
struct Shard<T: Scalar> {
    rows: Rows,
    forward: Forward<T>,
    output: OutputRows<T>,
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
        let shape = network.shape();
        let shard = |rows: Rows| {
            Ok(Shard {
                rows,
                forward: Forward::zeros(shape, rows.count)?,
                output: OutputRows::zeros(&shape, rows, batch)?,
                factors: Factors::zeros(&shape, rows.count, 1)?,
            })
        };
        let shards = shards(batch).map(shard).collect::<Result<_, Error>>()?;
        Ok(Self { shape, batch, level: Level::from_env()?, shards })
    }

    /// At another instruction-set level.
    #[must_use]
    pub fn with_level(self, level: Level) -> Self {
        Self { level, ..self }
    }

    /// Scores the outputs against the targets.
    ///
    /// # Errors
    ///
    /// As [`Learner::gradient`](crate::Learner::gradient).
    pub fn score(&mut self, network: &Network<T>, sequences: &Sequences<'_, T>) -> Result<Score, Error> {
        network.check_same_shape(&self.shape)?;
        sequences.check(&self.shape, self.batch)?;
        let work = self.batch * sequences.steps() * self.shape.layout.len();
        let (level, parameters) = (self.level, network.parameters());
        Ok(for_each_shard(&mut self.shards, work, |shard| {
            let Shard { rows, forward, output, factors } = shard;
            let rows = *rows;
            let mut score = Score::default();
            forward.start(sequences, rows);
            for step in 0..sequences.steps() {
                forward.activate(sequences, rows, step);
                let (input, is_first) = (sequences.input(step, rows), sequences.is_first(step, rows));
                forward.step(level, parameters, input, is_first, &mut factors.at(0));
                if sequences.every_step() {
                    let hidden = &forward.state.hidden;
                    output.score_step(parameters, hidden, sequences, step, &mut score);
                }
            }
            if !sequences.every_step() {
                output.score_last(parameters, &forward.state.hidden, sequences, &mut score);
            }
            score
        }))
    }
}
