//! The options that every task shares: as typed, and as they hold once the task's defaults are filled in.

use clap::Args;
use serde::Serialize;

use crate::failure::Failure;
pub(crate) use crate::kinds::{
    EchoKind, FeedbackKind, LearnerKind, OptimizerKind, ScheduleKind, TypeKind, size,
};
use crate::progress::Terminal;

/// A network of more layers is taken for a typing error.
fn layers(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(layers @ 1..=8) => Ok(layers),
        _ => Err("expected a number of layers from 1 to 8".into()),
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
    /// Trace echo: off, modulated[:A] (A = 0.1: the traces' sum, A times, meets the learning signal) or literal[:A]
    /// (A = 1e-5: it is added to the gradient) [default: off]
    #[arg(long)]
    echo: Option<EchoKind>,
    /// Factor of all traces where they meet the learning signal [default: 1]
    #[arg(long, allow_negative_numbers = true)]
    trace_scale: Option<f64>,
    /// Factor of the traces' memory from step to step, 0 to 1 [default: 1]
    #[arg(long, allow_negative_numbers = true)]
    trace_decay: Option<f64>,
    /// Decay of adaptive feedback and of the readout's weights [default: 0.001]
    #[arg(long, allow_negative_numbers = true)]
    feedback_decay: Option<f64>,
    /// Steps that truncated goes back
    #[arg(long, value_parser = size)]
    truncation: Option<usize>,
    /// Recurrent layers [default: 1]
    #[arg(long, value_parser = layers)]
    layers: Option<usize>,
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
    /// Updates from one checkpoint to the next [default: 1000 for tca, 100 for MNIST, --episode for trace-conditioning]
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) checkpoint_every: Option<u64>,
    /// Pause after this many updates in all, with a checkpoint: the same command goes on from there
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) stop_after: Option<u64>,
    /// Where the run reports.
    #[arg(skip)]
    pub(crate) terminal: Terminal,
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
    // What follows is left out of the record where it is not in use: runs recorded before it existed can go on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) echo: Option<EchoKind>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) trace_scale: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) trace_decay: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) feedback_decay: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) truncation: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) layers: Option<usize>,
}

impl TrainingArgs {
    /// Fills in the defaults of a task.
    pub(crate) fn resolve(&self, defaults: &Defaults) -> Result<Training, Failure> {
        self.check()?;
        let eprop = self.learner == LearnerKind::Eprop;
        let adaptive = self.feedback == Some(FeedbackKind::Adaptive);
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
            echo: self.echo.filter(|&echo| echo != EchoKind::Off),
            trace_scale: self.trace_scale.filter(|&scale| scale != 1.0),
            trace_decay: self.trace_decay.filter(|&decay| decay != 1.0),
            feedback_decay: adaptive.then_some(self.feedback_decay.unwrap_or(1e-3)),
            truncation: self.truncation,
            layers: self.layers.filter(|&layers| layers != 1),
        })
    }

    /// `Ok` if options and learner go together.
    fn check(&self) -> Result<(), Failure> {
        let learner = self.learner.name();
        let of_eprop = [
            ("feedback", self.feedback.is_some()),
            ("schedule", self.schedule.is_some()),
            ("echo", self.echo.is_some()),
            ("trace-scale", self.trace_scale.is_some()),
            ("trace-decay", self.trace_decay.is_some()),
            ("feedback-decay", self.feedback_decay.is_some()),
        ];
        if let Some((option, _)) = of_eprop.iter().find(|(_, given)| *given && learner != "eprop") {
            return Err(Failure::new(format!(
                "--{option} is an option of e-prop, but the learner is {learner}: leave it out"
            )));
        }
        if self.feedback_decay.is_some() && self.feedback != Some(FeedbackKind::Adaptive) {
            return Err(Failure::new(
                "--feedback-decay is an option of --feedback adaptive: give both or none",
            ));
        }
        if self.truncation.is_some() != (self.learner == LearnerKind::Truncated) {
            return Err(Failure::new(format!(
                "--learner truncated and --truncation STEPS go together, but the learner is {learner} and {} were \
                 given: give both or none",
                self.truncation.map_or("no steps".into(), |steps| format!("{steps} steps")),
            )));
        }
        for (option, expected, value, good) in [
            ("trace-scale", "finite", self.trace_scale, f64::is_finite as fn(f64) -> bool),
            ("trace-decay", "from 0 to 1", self.trace_decay, |x| (0.0..=1.0).contains(&x)),
            ("feedback-decay", "at least 0 and below 1", self.feedback_decay, |x| (0.0..1.0).contains(&x)),
        ] {
            if let Some(value) = value.filter(|&value| !good(value)) {
                return Err(Failure::new(format!("--{option} should be {expected}, but is {value}")));
            }
        }
        Ok(())
    }
}
