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
use crate::error::{Error, check_nonempty};
use crate::extensions::{Echo, Extensions, TraceScaling};
use crate::feedback::Feedback;
use crate::learner::packed::Packed;
use crate::learner::shards::{ROWS_WITH_TRACES, ROWS_WITHOUT_TRACES, Shards};
use crate::learner::traces::TraceRows;
use crate::learner::window::{Pass, Through, Window};
use crate::learner::{Learner, check_call, check_steps};
use crate::network::{Network, Shape};
use crate::readout::Score;
use crate::sequences::Sequences;

/// How the sum over time is evaluated: the same gradient, up to rounding.
///
/// | schedule | memory | bound by |
/// |---|---|---|
/// | streaming | traces | memory: every trace is read and written at every step |
/// | blocked | traces and a block of steps | arithmetic |
/// | whole sequence | all steps, no traces | arithmetic, a quarter less of it |
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Schedule {
    /// A trace per weight, carried forward step by step.
    Streaming,
    /// A trace per weight, carried forward over so many steps at a time: a small matrix product with the trace in
    /// registers. Fastest where memory must not grow with the steps.
    Blocked(usize),
    /// No traces: one scan back over a tape of at most `max_steps` steps. Memory grows with the steps, as for BPTT,
    /// but nothing is propagated through the recurrent weights. The oracle for the other schedules.
    WholeSequence {
        /// Steps to reserve memory for.
        max_steps: usize,
    },
}

impl Default for Schedule {
    /// Blocks of 32 steps.
    ///
    /// Of 8, 16, 32, 48 and 64 steps, 32 was the fastest or within a few per cent of it for 32 to 256 units and batches of
    /// 1 to 128. Shorter blocks read and write the traces more often; longer ones leave the caches (eight rows of 128
    /// units and 32 steps leave 0.9 MB of factors) and need more memory.
    fn default() -> Self {
        Self::Blocked(DEFAULT_BLOCK)
    }
}

/// Steps of a block unless told otherwise.
const DEFAULT_BLOCK: usize = 32;

impl std::fmt::Display for Schedule {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Streaming => write!(f, "streaming"),
            Self::Blocked(steps) => write!(f, "blocked:{steps}"),
            Self::WholeSequence { .. } => write!(f, "whole"),
        }
    }
}

/// The choices of [`Eprop`].
#[derive(Clone, Debug, Default)]
pub struct EpropOptions<T: Scalar> {
    /// Where the learning signal comes from.
    pub feedback: Feedback<T>,
    /// How the sum over time is evaluated.
    pub schedule: Schedule,
    /// What else a learning signal is multiplied with.
    pub echo: Echo,
    /// Factors in the computation of the traces.
    pub scaling: TraceScaling,
    /// The instruction-set level; `None`: what `ELIGIBILITY_LEVEL` says, or the best.
    pub level: Option<Level>,
}

/// E-prop over batches of sequences. Owns traces (or a tape) for a fixed number of batch rows.
///
/// Gradient: approximate, drops the paths through h_{t-1}; in layers below the top one also those through later steps of
/// the layers above.
///
/// Memory, blocked or streaming: 3 x hidden x (input + hidden + 1) elements per batch row, for up to 8 rows per thread
/// (rows of larger batches take turns), whatever the number of steps. No allocation after construction on one thread;
/// handing shards to threads may allocate.
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
    schedule: Schedule,
    level: Level,
    packed: Vec<Packed<T>>,
    engine: Engine<T>,
}

#[derive(Clone, Debug)]
enum Engine<T: Scalar> {
    Streaming(Shards<TraceRows<T>, T>),
    Windows(Shards<Window<T>, T>),
}

impl<T: Scalar> Eprop<T> {
    /// For networks of this network's sizes and `batch` rows.
    ///
    /// # Errors
    ///
    /// If the batch or a block is empty, the feedback matrix has the wrong size, an echo's or a scaling's factor is not
    /// finite, the scaling's decay is not in [0, 1], the memory would be too large, or
    /// `ELIGIBILITY_LEVEL` names no level of this machine.
    pub fn new(network: &Network<T>, batch: usize, options: EpropOptions<T>) -> Result<Self, Error> {
        check_nonempty("batch", batch)?;
        let EpropOptions { feedback, schedule, echo, scaling, level } = options;
        let extensions = Extensions::new(echo, scaling)?;
        let shape = network.shape();
        shape.check_lstms("e-prop")?;
        feedback.check(&shape)?;
        let level = level.map_or_else(Level::from_env, Ok)?;
        let gradient = shape.layout.len();
        let windows = |steps, traces| {
            let window = |rows| Window::zeros(shape.clone(), rows, batch, steps, traces, extensions);
            let most = if traces { ROWS_WITH_TRACES } else { ROWS_WITHOUT_TRACES };
            Ok(Engine::Windows(Shards::new(batch, most, gradient, window)?))
        };
        let engine = match schedule {
            Schedule::Streaming => {
                let traces = |rows| TraceRows::zeros(shape.clone(), rows, batch, usize::MAX, extensions);
                Ok::<_, Error>(Engine::Streaming(Shards::new(batch, ROWS_WITH_TRACES, gradient, traces)?))
            }
            Schedule::Blocked(steps) => {
                check_nonempty("block of steps", steps)?;
                windows(steps, true)
            }
            Schedule::WholeSequence { max_steps } => {
                check_nonempty("number of steps", max_steps)?;
                windows(max_steps, false)
            }
        }?;
        let rows = match &engine {
            Engine::Streaming(shards) => shards.rows(),
            Engine::Windows(shards) => shards.rows(),
        };
        let packed = Packed::of_layers(&shape.layout, rows, level);
        Ok(Self { shape, batch, feedback, schedule, level, packed, engine })
    }
    /// The instruction-set level in use.
    #[must_use]
    pub fn level(&self) -> Level {
        self.level
    }
    /// The feedback weights as they are.
    #[must_use]
    pub fn feedback(&self) -> &Feedback<T> {
        &self.feedback
    }
    /// The schedule in use.
    #[must_use]
    pub fn schedule(&self) -> Schedule {
        self.schedule
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
        if let Schedule::WholeSequence { max_steps } = self.schedule {
            check_steps(max_steps, sequences)?;
        }
        self.feedback.before_update(&self.shape, network.parameters());
        let Self { ref shape, batch, ref feedback, level, ref mut packed, ref mut engine, .. } = *self;
        let parameters = network.parameters();
        let weights = Packed::refresh_layers(packed, &shape.layout, parameters);
        let work = batch * sequences.steps() * shape.layout.len();
        Ok(match engine {
            Engine::Streaming(shards) => shards.run(work, gradient, |traces, rows, gradient| {
                stream(traces, Pass { level, parameters, weights, sequences, rows }, feedback, gradient)
            }),
            Engine::Windows(shards) => shards.run(work, gradient, |window, rows, gradient| {
                let pass = Pass { level, parameters, weights, sequences, rows };
                window.run(pass, Through::Cell(feedback), gradient)
            }),
        })
    }

    fn after_update(&mut self, network: &mut Network<T>) -> Result<(), Error> {
        network.check_same_shape(&self.shape)?;
        self.feedback.after_update(&self.shape, network);
        Ok(())
    }
}

/// Adds the gradient of the rows' part of the loss, step by step.
fn stream<T: Scalar>(
    traces: &mut TraceRows<T>,
    pass: Pass<'_, T>,
    feedback: &Feedback<T>,
    gradient: &mut [T],
) -> Score {
    let Pass { level, parameters, weights, sequences, rows } = pass;
    traces.clear_traces();
    for (index, layer) in traces.layers_mut().iter_mut().enumerate() {
        layer.forward.start(sequences.initial(index), rows);
    }
    let mut score = Score::default();
    for step in 0..sequences.steps() {
        traces.settle(level);
        traces.advance(level, weights, sequences, rows, step);
        let targets = || (0..rows.count).any(|row| sequences.has_target(step, rows.start + row));
        if sequences.every_step() && targets() {
            traces.score_step(parameters, sequences, rows, step, &mut score);
            traces.learn(level, parameters, feedback, gradient);
        }
    }
    if !sequences.every_step() {
        // Rows that ended earlier still hold the state, the factors and the traces of their last step.
        traces.settle(level);
        traces.layers_mut().iter_mut().for_each(|layer| layer.forward.active.fill(true));
        traces.score_ended(parameters, sequences, rows, &mut score);
        traces.learn(level, parameters, feedback, gradient);
    }
    score
}
