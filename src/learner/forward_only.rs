//! A pass forward over a batch that scores outputs, and learns the readout if there is a gradient for it.
//!
//! ```text
//! dE/dW_out = sum over targets of dE/dy_t [h_t; 1]^T        dE/dW_lstm is not looked at
//! ```

use eligibility_kernels::Level;

use crate::affine::Scalar;
use crate::error::{Error, check_nonempty};
use crate::learner::forward::{Factors, Forward};
use crate::learner::packed::Packed;
use crate::learner::shards::{ROWS_WITHOUT_TRACES, Shards};
use crate::learner::tape::{Form, Purpose, Tapes};
use crate::learner::targeted::Targeted;
use crate::network::{Network, Shape};
use crate::readout::Score;
use crate::sequences::Sequences;

/// Whoever goes forward only.
#[derive(Clone, Debug)]
pub(crate) struct ForwardOnly<T: Scalar> {
    pub(crate) shape: Shape,
    pub(crate) batch: usize,
    pub(crate) level: Level,
    engine: Engine<T>,
}

#[derive(Clone, Debug)]
enum Engine<T: Scalar> {
    Lstms { packed: Vec<Packed<T>>, shards: Shards<Scoring<T>, T> },
    Others(Tapes<T>),
}

/// Steps of other cells that are taken at a time.
const BLOCK: usize = 32;

/// Some batch rows.
#[derive(Clone, Debug)]
struct Scoring<T: Scalar> {
    layers: Vec<(Forward<T>, Factors<T>)>,
    targeted: Targeted<T>,
}

impl<T: Scalar> ForwardOnly<T> {
    /// For networks of this network's sizes, `batch` rows and gradients of `gradient` elements, none if 0.
    pub(crate) fn zeros(network: &Network<T>, batch: usize, gradient: usize) -> Result<Self, Error> {
        check_nonempty("batch", batch)?;
        let (shape, level) = (network.shape(), Level::from_env()?);
        let engine = if shape.layout.lstms().is_empty() {
            let form = Form { gradient: gradient > 0, ..Form::new(BLOCK, Purpose::Forward) };
            Engine::Others(Tapes::new(&shape, batch, form)?)
        } else {
            let scoring = |rows| {
                Ok(Scoring {
                    layers: Forward::of_layers(&shape.layout, rows)?,
                    targeted: Targeted::zeros(&shape, rows, batch)?,
                })
            };
            let shards = Shards::new(batch, ROWS_WITHOUT_TRACES, gradient, scoring)?;
            Engine::Lstms { packed: Packed::of_layers(&shape.layout, shards.rows(), level), shards }
        };
        Ok(Self { shape, batch, level, engine })
    }

    /// At another instruction-set level.
    pub(crate) fn with_level(mut self, level: Level) -> Self {
        if let Engine::Lstms { packed, shards } = &mut self.engine {
            *packed = Packed::of_layers(&self.shape.layout, shards.rows(), level);
        }
        Self { level, ..self }
    }

    /// Scores the outputs; overwrites `gradient`, unless it is empty, with the readout's gradient and zeros elsewhere.
    /// Sizes have been checked.
    pub(crate) fn run(
        &mut self,
        network: &Network<T>,
        sequences: &Sequences<'_, T>,
        gradient: &mut [T],
    ) -> Score {
        let Self { ref shape, batch, level, ref mut engine } = *self;
        let parameters = network.parameters();
        let (packed, shards) = match engine {
            Engine::Lstms { packed, shards } => (packed, shards),
            Engine::Others(tapes) => {
                return tapes.gradient(level, parameters, sequences, gradient, &mut []);
            }
        };
        let weights = Packed::refresh_layers(packed, &shape.layout, parameters);
        let work = batch * sequences.steps() * shape.layout.len();
        shards.run(work, gradient, |Scoring { layers, targeted }, rows, gradient| {
            let mut score = Score::default();
            for (index, (forward, _)) in layers.iter_mut().enumerate() {
                forward.start(sequences.initial(index), rows);
            }
            for step in 0..sequences.steps() {
                let hidden = Forward::advance_layers(layers, level, weights, sequences, rows, step);
                let any = targeted.score(parameters, hidden, sequences, rows, step, &mut score);
                if any && !gradient.is_empty() {
                    targeted.add_gradient(gradient);
                }
            }
            score
        })
    }
}
