//! E-prop for an LSTM over whole batches of sequences.
//!
//! ```text
//! (1) eps_t = f_t eps_{t-1} + s_t presynaptic_t^T           forward in time           (Hoyer et al. 2022, eq. 6)
//! (2) dE/dW  = sum_t (L_t dh_t/dc_t) eps_t                  L_t = B^T dE/dy_t          (eq. 3, 10, 11)
//! ```
//!
//! Gradient: approximate, drops the paths through h_{t-1}. It is exact when the recurrent weights are zero.

use eligibility_kernels::Level;

use crate::affine::Scalar;
use crate::buffer::Buffer;
use crate::error::{Error, check_nonempty};
use crate::feedback::Feedback;
use crate::learner::tape::{Tape, Through};
use crate::learner::traces::TraceRows;
use crate::learner::{Learner, add_in_order, check_call, for_each_shard, shards};
use crate::network::{Network, Shape};
use crate::readout::Score;
use crate::sequences::{Rows, Sequences};

/// How the sum over time is evaluated: the same gradient, up to rounding.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Schedule {
    /// A trace per weight, carried forward; memory does not depend on the number of steps.
    #[default]
    Streaming,
    /// No traces: one scan back over a tape of at most `max_steps` steps. Memory grows with the steps, as for BPTT,
    /// but nothing is propagated through the recurrent weights. The oracle for the other schedule.
    WholeSequence {
        /// Steps to reserve memory for.
        max_steps: usize,
    },
}

/// The choices of [`Eprop`].
#[derive(Clone, Debug, Default)]
pub struct EpropOptions<T: Scalar> {
    /// Where the learning signal comes from.
    pub feedback: Feedback<T>,
    /// How the sum over time is evaluated.
    pub schedule: Schedule,
    /// The instruction-set level; `None`: what `ELIGIBILITY_LEVEL` says, or the best.
    pub level: Option<Level>,
}

/// E-prop over batches of sequences. Owns traces (or a tape) for a fixed number of batch rows.
///
/// Gradient: approximate, drops the paths through h_{t-1}.
///
/// Memory, streaming: 3 x hidden x (input + hidden + 1) elements per batch row, whatever the number of steps. No
/// allocation after construction on one thread; handing shards to threads may allocate.
///
/// ```
/// use eligibility::{Eprop, EpropOptions, Init, Learner, Loss, Lstm, Network, Readout, Sequences, Targets};
/// use rand::{SeedableRng, rngs::StdRng};
/// let mut rng = StdRng::seed_from_u64(1);
/// let network: Network<f32> =
///     Init::default().network(Lstm::new(1, 8)?, Readout::new(2, Loss::CrossEntropy)?, &mut rng)?;
/// let mut eprop = Eprop::new(&network, 1, EpropOptions::default())?;
/// let mut gradient = network.zero_gradient();
/// let score = eprop.gradient(
///     &network,
///     &Sequences::new(4, 1, &[0.1, 0.2, 0.3, 0.4], Targets::LastClass(&[1]))?,
///     &mut gradient,
/// )?;
/// assert!(score.mean_loss() > 0.0);
/// # Ok::<(), eligibility::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Eprop<T: Scalar> {
    shape: Shape,
    batch: usize,
    feedback: Feedback<T>,
    level: Level,
    engine: Engine<T>,
}

#[derive(Clone, Debug)]
enum Engine<T: Scalar> {
    Streaming(Vec<Shard<T>>),
    WholeSequence(Tape<T>),
}

#[derive(Clone, Debug)]
struct Shard<T: Scalar> {
    rows: Rows,
    traces: TraceRows<T>,
    gradient: Buffer<T>,
}

impl<T: Scalar> Eprop<T> {
    /// For networks of this network's sizes and `batch` rows.
    ///
    /// # Errors
    ///
    /// If the batch is empty, the feedback matrix has the wrong size, the memory would be too large, or
    /// `ELIGIBILITY_LEVEL` names no level of this machine.
    pub fn new(network: &Network<T>, batch: usize, options: EpropOptions<T>) -> Result<Self, Error> {
        check_nonempty("batch", batch)?;
        let EpropOptions { feedback, schedule, level } = options;
        let shape = network.shape();
        feedback.check(&shape)?;
        let level = level.map_or_else(Level::from_env, Ok)?;
        let engine = match schedule {
            Schedule::Streaming => {
                let shard = |rows: Rows| {
                    let traces = TraceRows::zeros(shape, rows, batch)?;
                    Ok(Shard { rows, traces, gradient: network.zero_gradient() })
                };
                Engine::Streaming(shards(batch).map(shard).collect::<Result<_, Error>>()?)
            }
            Schedule::WholeSequence { max_steps } => {
                Engine::WholeSequence(Tape::new(shape, batch, max_steps)?)
            }
        };
        Ok(Self { shape, batch, feedback, level, engine })
    }
    /// The instruction-set level in use.
    #[must_use]
    pub fn level(&self) -> Level {
        self.level
    }
}

impl<T: Scalar> Learner<T> for Eprop<T> {
    fn gradient(
        &mut self,
        network: &Network<T>,
        sequences: &Sequences<'_, T>,
        gradient: &mut [T],
    ) -> Result<Score, Error> {
        check_call(&self.shape, self.batch, network, sequences, gradient)?;
        let Self { shape, batch, feedback, level, engine } = self;
        let parameters = network.parameters();
        match engine {
            Engine::Streaming(shards) => {
                let work = *batch * sequences.steps() * shape.layout.len();
                let score =
                    for_each_shard(shards, work, |shard| shard.run(*level, parameters, sequences, feedback));
                add_in_order(gradient, shards.iter().map(|shard| &shard.gradient[..]));
                Ok(score)
            }
            Engine::WholeSequence(tape) => {
                tape.gradient(*level, parameters, sequences, Through::Cell(feedback), gradient)
            }
        }
    }
}

impl<T: Scalar> Shard<T> {
    fn run(
        &mut self,
        level: Level,
        parameters: &[T],
        sequences: &Sequences<'_, T>,
        feedback: &Feedback<T>,
    ) -> Score {
        let Self { rows, traces, gradient } = self;
        let rows = *rows;
        gradient.fill(T::ZERO);
        traces.clear_traces();
        traces.forward.start(sequences, rows);
        let mut score = Score::default();
        for step in 0..sequences.steps() {
            traces.settle(level);
            traces.forward.activate(sequences, rows, step);
            traces.step(level, parameters, sequences.input(step, rows), sequences.is_first(step, rows));
            if sequences.every_step() {
                let hidden = &traces.forward.state.hidden;
                traces.output.score_step(parameters, hidden, sequences, step, &mut score);
                traces.output.add_gradient(hidden, gradient);
                traces.learn(level, parameters, feedback, gradient);
            }
        }
        if !sequences.every_step() {
            // Rows that ended earlier still hold the state, the factors and the traces of their last step.
            traces.settle(level);
            traces.forward.active.fill(true);
            let hidden = &traces.forward.state.hidden;
            traces.output.score_last(parameters, hidden, sequences, &mut score);
            traces.output.add_gradient(hidden, gradient);
            traces.learn(level, parameters, feedback, gradient);
        }
        score
    }
}
