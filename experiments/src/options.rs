//! The options that every task shares: as typed, and as they hold once the task's defaults are filled in.

use std::fmt::{self, Display};
use std::str::FromStr;

use clap::{Args, ValueEnum};
use eligibility::Schedule;
use serde::{Serialize, Serializer};

use crate::failure::Failure;

/// The rule that computes the gradient.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum LearnerKind {
    /// Eligibility traces, forward in time.
    Eprop,
    /// Backpropagation through time.
    Bptt,
}

/// Feedback weights of e-prop.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum FeedbackKind {
    /// The readout's own weights.
    Symmetric,
    /// Fixed, drawn once like the network's weights.
    Random,
}

/// How e-prop's sum over time is evaluated: `streaming`, `blocked:K` (`blocked` for the library's own K) or `whole`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ScheduleKind {
    /// Traces, carried forward step by step.
    Streaming,
    /// Traces, carried forward so many steps at a time.
    Blocked(usize),
    /// One scan back over a tape: the same gradient up to rounding.
    Whole,
}

impl ScheduleKind {
    /// The schedule, for sequences of at most `max_steps` steps.
    pub(crate) fn schedule(self, max_steps: usize) -> Schedule {
        match self {
            Self::Streaming => Schedule::Streaming,
            Self::Blocked(steps) => Schedule::Blocked(steps),
            Self::Whole => Schedule::WholeSequence { max_steps },
        }
    }
}

impl Default for ScheduleKind {
    fn default() -> Self {
        match Schedule::default() {
            Schedule::Streaming => Self::Streaming,
            Schedule::Blocked(steps) => Self::Blocked(steps),
            Schedule::WholeSequence { .. } => Self::Whole,
        }
    }
}

impl FromStr for ScheduleKind {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let steps = text.strip_prefix("blocked:").map(size);
        match (text, steps) {
            ("streaming", _) => Ok(Self::Streaming),
            ("blocked", _) => Ok(Self::default()),
            ("whole", _) => Ok(Self::Whole),
            (_, Some(steps)) => Ok(Self::Blocked(steps?)),
            _ => Err("expected streaming, blocked, blocked:K (K steps at a time) or whole".into()),
        }
    }
}

impl Display for ScheduleKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Streaming => f.write_str("streaming"),
            Self::Blocked(steps) => write!(f, "blocked:{steps}"),
            Self::Whole => f.write_str("whole"),
        }
    }
}

impl Serialize for ScheduleKind {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// The rule that turns gradients into updates.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum OptimizerKind {
    /// Gradient descent.
    Sgd,
    /// Gradient over its running root mean square, epsilon 1e-8.
    Rmsprop,
    /// Adam, decays 0.9 and 0.999, epsilon 1e-8.
    Adam,
}

/// The floating-point type.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum TypeKind {
    /// 32 bits.
    F32,
    /// 64 bits.
    F64,
}

/// Sizes are checked at the door, so that a slip of the finger is a sentence and not an abort for want of memory.
fn size(text: &str) -> Result<usize, String> {
    const LARGEST: usize = 4096;
    match text.parse() {
        Ok(size) if (1..=LARGEST).contains(&size) => Ok(size),
        _ => Err(format!("expected a whole number from 1 to {LARGEST}")),
    }
}

/// Options of training, as typed.
#[derive(Clone, Debug, Args)]
pub(crate) struct TrainingArgs {
    /// Rule that computes the gradient
    #[arg(long, value_enum, default_value = "eprop")]
    pub(crate) learner: LearnerKind,
    /// E-prop's feedback weights [default: symmetric]
    #[arg(long, value_enum)]
    feedback: Option<FeedbackKind>,
    /// How e-prop's sum over time is evaluated: streaming, blocked:K or whole [default: blocked]
    #[arg(long)]
    schedule: Option<ScheduleKind>,
    /// Raise the forget gate's initial biases by this much (0: off)
    #[arg(long, default_value_t = 1.8, allow_negative_numbers = true)]
    forget_bias: f64,
    /// Units [default: 32 for tca, 128 for MNIST]
    #[arg(long, value_parser = size)]
    hidden: Option<usize>,
    /// Sequences per update [default: 64 for tca, 128 for MNIST]
    #[arg(long, value_parser = size)]
    batch: Option<usize>,
    /// [default: rmsprop; adam for tca with bptt]
    #[arg(long, value_enum)]
    optimizer: Option<OptimizerKind>,
    /// Learning rate [default: by task, learner and optimizer; printed at the start]
    #[arg(long, allow_negative_numbers = true)]
    lr: Option<f64>,
    /// Decay of rmsprop's running mean square
    #[arg(long, default_value_t = 0.9, allow_negative_numbers = true)]
    rmsprop_decay: f64,
    /// Largest global norm of the gradient [default: no clipping]
    #[arg(long, allow_negative_numbers = true)]
    clip: Option<f64>,
    /// Seed of weights, data and order
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Floating-point type
    #[arg(long = "type", value_enum, default_value = "f32")]
    kind: TypeKind,
}

/// Options of one invocation: they do not change what is computed.
#[derive(Clone, Debug, Args)]
pub(crate) struct RunArgs {
    /// Directory for everything that is written [default: runs/<task>-<learner>-seed<seed>]
    #[arg(long)]
    pub(crate) out: Option<std::path::PathBuf>,
    /// Start over, even if there is a checkpoint to go on from
    #[arg(long)]
    pub(crate) fresh: bool,
    /// Updates from one checkpoint to the next [default: 1000 for tca, 100 for MNIST]
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) checkpoint_every: Option<u64>,
    /// Pause after this many updates in all, with a checkpoint: the same command goes on from there
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) stop_after: Option<u64>,
}

/// What differs from task to task.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Defaults {
    pub(crate) hidden: usize,
    pub(crate) batch: usize,
    pub(crate) optimizer: fn(LearnerKind) -> OptimizerKind,
    pub(crate) rmsprop_rate: fn(LearnerKind) -> f64,
    pub(crate) adam_rate: f64,
}

/// Options of training, complete. Serialised, they are what a resumed run must have in common with its beginning.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct Training {
    pub(crate) learner: LearnerKind,
    pub(crate) feedback: Option<FeedbackKind>,
    pub(crate) schedule: Option<ScheduleKind>,
    pub(crate) forget_bias: f64,
    pub(crate) hidden: usize,
    pub(crate) batch: usize,
    pub(crate) optimizer: OptimizerKind,
    pub(crate) lr: f64,
    pub(crate) rmsprop_decay: Option<f64>,
    pub(crate) clip: Option<f64>,
    pub(crate) seed: u64,
    #[serde(rename = "type")]
    pub(crate) kind: TypeKind,
}

impl TrainingArgs {
    /// Fills in the defaults of a task.
    pub(crate) fn resolve(&self, defaults: &Defaults) -> Result<Training, Failure> {
        let eprop = self.learner == LearnerKind::Eprop;
        for (option, given) in [("feedback", self.feedback.is_some()), ("schedule", self.schedule.is_some())]
        {
            if given && !eprop {
                return Err(Failure::new(format!(
                    "--{option} is an option of e-prop, but the learner is bptt: leave it out"
                )));
            }
        }
        let optimizer = self.optimizer.unwrap_or((defaults.optimizer)(self.learner));
        let rate = match optimizer {
            OptimizerKind::Sgd => 0.1,
            OptimizerKind::Adam => defaults.adam_rate,
            OptimizerKind::Rmsprop => (defaults.rmsprop_rate)(self.learner),
        };
        Ok(Training {
            learner: self.learner,
            feedback: eprop.then_some(self.feedback.unwrap_or(FeedbackKind::Symmetric)),
            schedule: eprop.then_some(self.schedule.unwrap_or_default()),
            forget_bias: self.forget_bias,
            hidden: self.hidden.unwrap_or(defaults.hidden),
            batch: self.batch.unwrap_or(defaults.batch),
            optimizer,
            lr: self.lr.unwrap_or(rate),
            rmsprop_decay: (optimizer == OptimizerKind::Rmsprop).then_some(self.rmsprop_decay),
            clip: self.clip,
            seed: self.seed,
            kind: self.kind,
        })
    }
}

impl LearnerKind {
    /// The name in file names and tables.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Eprop => "eprop",
            Self::Bptt => "bptt",
        }
    }
}
