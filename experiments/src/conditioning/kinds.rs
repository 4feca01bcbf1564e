//! Cells, learners and what else has a name: as typed, and as recorded.

use clap::ValueEnum;
use eligibility::{Nonlinearity, Parameterisation};
use serde::Serialize;

/// The recurrent cell.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum CellKind {
    /// Long short-term memory.
    Lstm,
    /// Recurrent trace units: complex diagonal.
    Rtu,
    /// Linear recurrent units: complex diagonal, with a free normaliser.
    Lru,
    /// Free 2 x 2 blocks.
    Block,
    /// Minimal gated recurrent units.
    Mingru,
    /// Element-wise LSTM.
    Elstm,
    /// Gated recurrent units.
    Gru,
    /// Vanilla recurrent network.
    Rnn,
}

/// The rule that computes the derivative of a prediction, step by step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum OnlineLearnerKind {
    /// Eligibility traces; approximate where units read each other, else the same as rtrl.
    Eprop,
    /// Real-time recurrent learning; exact.
    Rtrl,
    /// Backpropagation through the last steps.
    Truncated,
}

/// Where an RTU's nonlinearity stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum RecurrenceKind {
    /// At the output.
    Linear,
    /// In the recurrence.
    Nonlinear,
}

/// A nonlinearity.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum NonlinearityKind {
    /// x
    Identity,
    /// max(x, 0)
    Relu,
    /// tanh x
    Tanh,
}

impl From<NonlinearityKind> for Nonlinearity {
    fn from(kind: NonlinearityKind) -> Self {
        match kind {
            NonlinearityKind::Identity => Self::Identity,
            NonlinearityKind::Relu => Self::Relu,
            NonlinearityKind::Tanh => Self::Tanh,
        }
    }
}

/// What the parameters of an RTU's radius and angle are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum ParameterisationKind {
    /// r = exp(-exp(w)), theta = exp(w)
    ExpExp,
    /// r = exp(-w), theta = w
    Exp,
    /// r = w, theta = w
    Direct,
}

impl From<ParameterisationKind> for Parameterisation {
    fn from(kind: ParameterisationKind) -> Self {
        match kind {
            ParameterisationKind::ExpExp => Self::ExpExp,
            ParameterisationKind::Exp => Self::Exp,
            ParameterisationKind::Direct => Self::Direct,
        }
    }
}

impl CellKind {
    /// As typed.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Lstm => "lstm",
            Self::Rtu => "rtu",
            Self::Lru => "lru",
            Self::Block => "block",
            Self::Mingru => "mingru",
            Self::Elstm => "elstm",
            Self::Gru => "gru",
            Self::Rnn => "rnn",
        }
    }

    pub(super) fn default_learner(self) -> OnlineLearnerKind {
        match self {
            Self::Lstm => OnlineLearnerKind::Eprop,
            Self::Gru | Self::Rnn => OnlineLearnerKind::Truncated,
            Self::Rtu | Self::Lru | Self::Block | Self::Mingru | Self::Elstm => OnlineLearnerKind::Rtrl,
        }
    }

    /// The learners that can train it, its own first.
    pub(super) fn learners(self) -> &'static [OnlineLearnerKind] {
        use OnlineLearnerKind::{Eprop, Rtrl, Truncated};
        match self.default_learner() {
            Rtrl => &[Rtrl, Eprop, Truncated],
            Truncated => &[Truncated, Eprop],
            Eprop => &[Eprop, Truncated],
        }
    }
}

impl OnlineLearnerKind {
    /// As typed.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Eprop => "eprop",
            Self::Rtrl => "rtrl",
            Self::Truncated => "truncated",
        }
    }
}
