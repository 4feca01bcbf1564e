//! Which cell predicts and which learner trains it: the one place that knows them by name.
//!
//! A prediction comes from a recurrent cell with one linear output. To add a pair, add its names and its arm of [`build`].

use clap::ValueEnum;
use eligibility::{EpropOptions, EpropStream, Init, Loss, Lstm, Network, Readout, Stream};
use serde::Serialize;

use crate::checkpoint::Element;
use crate::failure::Failure;
use crate::seeds::{Purpose, rng};

/// The recurrent cell.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum CellKind {
    /// Long short-term memory.
    Lstm,
}

/// The rule that computes the derivative of a prediction, step by step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum OnlineLearnerKind {
    /// Eligibility traces; approximate.
    Eprop,
}

/// What is built, complete.
#[derive(Clone, Copy, Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct Predictor {
    pub(crate) cell: CellKind,
    pub(crate) learner: OnlineLearnerKind,
    pub(crate) hidden: usize,
    /// Of an LSTM.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) forget_bias: Option<f64>,
}

impl Predictor {
    /// With the cell's defaults filled in; options of other cells stay empty.
    pub(crate) fn new(
        cell: CellKind,
        learner: OnlineLearnerKind,
        hidden: usize,
        forget_bias: Option<f64>,
    ) -> Self {
        let forget_bias = match cell {
            CellKind::Lstm => Some(forget_bias.unwrap_or(1.8)),
        };
        Self { cell, learner, hidden, forget_bias }
    }

    /// Cell and learner, as in file names: `lstm-eprop`.
    pub(crate) fn name(&self) -> &'static str {
        match (self.cell, self.learner) {
            (CellKind::Lstm, OnlineLearnerKind::Eprop) => "lstm-eprop",
        }
    }
}

/// A network of one output with weights drawn by `seed`, and what feeds it and differentiates its output.
pub(crate) type Built<T> = (Network<T>, Box<dyn Stream<T>>);

/// Builds a predictor that takes `inputs` inputs.
pub(crate) fn build<T: Element>(
    predictor: &Predictor,
    inputs: usize,
    seed: u64,
) -> Result<Built<T>, Failure> {
    let mut rng = rng(seed, Purpose::Weights, 0);
    // The loss is never asked for: TD gives its own error.
    let readout = Readout::new(1, Loss::SquaredError)?;
    match (predictor.cell, predictor.learner) {
        (CellKind::Lstm, OnlineLearnerKind::Eprop) => {
            let init = Init { forget_bias_offset: predictor.forget_bias.unwrap_or_default() };
            let network = init.network(Lstm::new(inputs, predictor.hidden)?, readout, &mut rng)?;
            let stream = EpropStream::new(&network, 1, EpropOptions::default())?;
            Ok((network, Box::new(stream)))
        }
    }
}
