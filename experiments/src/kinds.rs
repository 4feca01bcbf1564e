//! What options can be: the kinds of learner, feedback, schedule, echo, optimiser and number.

use std::fmt::{self, Display};
use std::str::FromStr;

use clap::ValueEnum;
use eligibility::Schedule;
use serde::{Serialize, Serializer};

/// The rule that computes the gradient.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum LearnerKind {
    /// Eligibility traces, forward in time.
    Eprop,
    /// Backpropagation through time.
    Bptt,
    /// The same through the last steps only.
    Truncated,
    /// Only the readout learns; the recurrent layer stays as it was drawn.
    Readout,
}

impl LearnerKind {
    /// The name in file names and tables.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Eprop => "eprop",
            Self::Bptt => "bptt",
            Self::Truncated => "truncated",
            Self::Readout => "readout",
        }
    }
}

/// Feedback weights of e-prop.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum FeedbackKind {
    /// The readout's own weights.
    Symmetric,
    /// Fixed, drawn once like the network's weights.
    Random,
    /// Drawn once, then updated like the readout's weights.
    Adaptive,
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

/// Trace echo: `off`, `modulated`, `modulated:A`, `literal` or `literal:A`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum EchoKind {
    /// None.
    Off,
    /// The learning signal also meets A times the sum of all traces.
    Modulated(f64),
    /// A times the sum of all traces is added to the gradient.
    Literal(f64),
}

impl FromStr for EchoKind {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let (kind, factor) = text.split_once(':').map_or((text, None), |(kind, factor)| (kind, Some(factor)));
        let factor = match factor.map(str::parse::<f64>) {
            None => None,
            Some(Ok(factor)) if factor.is_finite() => Some(factor),
            Some(_) => {
                return Err("the factor of the echo should be a finite number, as in modulated:0.1".into());
            }
        };
        match (kind, factor) {
            ("off", None) => Ok(Self::Off),
            ("modulated", factor) => Ok(Self::Modulated(factor.unwrap_or(0.1))),
            ("literal", factor) => Ok(Self::Literal(factor.unwrap_or(1e-5))),
            _ => Err("expected off, modulated, modulated:A, literal or literal:A (A: the factor)".into()),
        }
    }
}

impl Display for EchoKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Off => f.write_str("off"),
            Self::Modulated(factor) => write!(f, "modulated:{factor}"),
            Self::Literal(factor) => write!(f, "literal:{factor}"),
        }
    }
}

impl Serialize for EchoKind {
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
pub(crate) fn size(text: &str) -> Result<usize, String> {
    const LARGEST: usize = 4096;
    match text.parse() {
        Ok(size) if (1..=LARGEST).contains(&size) => Ok(size),
        _ => Err(format!("expected a whole number from 1 to {LARGEST}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_echo_reads_as_it_is_written() {
        for text in ["off", "modulated:0.25", "literal:-0.001"] {
            assert_eq!(text.parse::<EchoKind>().unwrap().to_string(), text);
        }
        assert_eq!("modulated".parse(), Ok(EchoKind::Modulated(0.1)));
        assert_eq!("literal".parse(), Ok(EchoKind::Literal(1e-5)));
        for wrong in ["", "loud", "off:1", "modulated:", "modulated:NaN", "literal:inf"] {
            assert!(wrong.parse::<EchoKind>().is_err(), "{wrong}");
        }
    }
}
