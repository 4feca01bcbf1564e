//! Forward only: outputs scored, nothing learned.

use eligibility_kernels::Level;

use crate::affine::Scalar;
use crate::error::{Error, check_nonempty};
use crate::learner::forward::{Factors, Forward};
use crate::learner::output::Outputs;
use crate::learner::packed::Packed;
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
    packed: Vec<Packed<T>>,
    shards: Shards<Scoring<T>, T>,
}

#[derive(Clone, Debug)]
struct Scoring<T: Scalar> {
    layers: Vec<(Forward<T>, Factors<T>)>,
    output: Outputs<T>,
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
                layers: Forward::of_layers(&shape.layout, rows)?,
                output: Outputs::zeros(&shape, 1, rows, batch)?,
            })
        };
        let shards = Shards::new(batch, ROWS_WITHOUT_TRACES, 0, scoring)?;
        let packed = Packed::of_layers(&shape.layout, shards.rows(), level);
        Ok(Self { shape, batch, level, packed, shards })
    }

    /// At another instruction-set level.
    #[must_use]
    pub fn with_level(self, level: Level) -> Self {
        let packed = Packed::of_layers(&self.shape.layout, self.shards.rows(), level);
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
        let weights = Packed::refresh_layers(packed, &shape.layout, parameters);
        let work = batch * sequences.steps() * shape.layout.len();
        Ok(shards.run(work, &mut [], |Scoring { layers, output }, rows, _| {
            let mut score = Score::default();
            for (index, (forward, _)) in layers.iter_mut().enumerate() {
                forward.start(sequences.initial(index), rows);
            }
            for step in 0..sequences.steps() {
                let hidden = Forward::advance_layers(layers, level, weights, sequences, rows, step);
                if sequences.every_step() {
                    output.score_steps(parameters, hidden, sequences, rows, step, &mut score);
                }
            }
            if !sequences.every_step() {
                let (hidden, all) = (&layers[layers.len() - 1].0.state.hidden, 0..sequences.steps());
                output.score_ended(parameters, hidden, sequences, rows, all, &mut score);
            }
            score
        }))
    }
}
