//! Which cell predicts and which learner trains it: what can be asked for, and what goes together.
//!
//! | learner | cells |
//! |---|---|
//! | rtrl | rtu, lru, block, mingru, elstm: their units do not read each other |
//! | eprop | all; those of rtrl get the same derivative |
//! | truncated | all |
//!
//! A prediction comes from a recurrent layer, a dense layer above it if `--projection` asks for one, and one linear output.
//! The five architectures of Elelimy et al. 2024:
//!
//! ```text
//! (a) linear recurrence                           --recurrence linear --nonlinearity identity
//! (b) the same, nonlinear output                  --recurrence linear --nonlinearity relu
//! (c) nonlinear recurrence                        --recurrence nonlinear --nonlinearity relu
//! (d) linear recurrence, nonlinear projection     (a) with --projection N --projection-nonlinearity relu
//! (e) linear recurrence, linear projection        (a) with --projection N --projection-nonlinearity identity
//! ```

use clap::Args;
use serde::Serialize;

pub(crate) use super::kinds::{
    CellKind, NonlinearityKind, OnlineLearnerKind, ParameterisationKind, RecurrenceKind,
};
use crate::failure::Failure;
use crate::options::size;

/// Cell and learner, as typed.
#[derive(Clone, Debug, Args)]
pub(crate) struct PredictorArgs {
    /// Recurrent cell that predicts
    #[arg(long, value_enum, default_value = "lstm")]
    cell: CellKind,
    /// Rule that computes the derivative of a prediction [default: rtrl, where the cell allows it; eprop for lstm,
    /// truncated for gru and rnn]
    #[arg(long, value_enum)]
    learner: Option<OnlineLearnerKind>,
    /// Steps that truncated goes back [default: 10]
    #[arg(long, value_parser = size)]
    truncation: Option<usize>,
    /// Units: complex ones of rtu and lru, pairs of block
    #[arg(long, default_value_t = 32, value_parser = size)]
    hidden: usize,
    /// Where an rtu's nonlinearity stands [default: linear]
    #[arg(long, value_enum)]
    recurrence: Option<RecurrenceKind>,
    /// Nonlinearity of rtu, block or rnn [default: relu for rtu, tanh for the others]
    #[arg(long, value_enum)]
    nonlinearity: Option<NonlinearityKind>,
    /// What the parameters of an rtu's radius and angle are [default: exp-exp]
    #[arg(long, value_enum)]
    parameterisation: Option<ParameterisationKind>,
    /// Whether an lru also passes its inputs on [default: false]
    #[arg(long, num_args = 0..=1, default_missing_value = "true")]
    skip: Option<bool>,
    /// Units of a dense layer between the recurrent layer and the output [default: none]
    #[arg(long, value_parser = size)]
    projection: Option<usize>,
    /// Its nonlinearity [default: identity]
    #[arg(long, value_enum)]
    projection_nonlinearity: Option<NonlinearityKind>,
    /// For comparisons: leave out the factor theta of an exp-exp rtu's gradient, as the code of Elelimy et al. 2024 does
    /// [default: false]
    #[arg(long, num_args = 0..=1, default_missing_value = "true")]
    authors_theta_gradient: Option<bool>,
    /// Raise the initial biases of an LSTM's forget gate by this much [default: 1.8]
    #[arg(long, allow_negative_numbers = true)]
    forget_bias: Option<f64>,
}

/// What is built, complete; options of other cells and learners are left out.
#[derive(Clone, Copy, Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct Predictor {
    pub(crate) cell: CellKind,
    pub(crate) learner: OnlineLearnerKind,
    pub(crate) hidden: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) truncation: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) recurrence: Option<RecurrenceKind>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) nonlinearity: Option<NonlinearityKind>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) parameterisation: Option<ParameterisationKind>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) skip: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) projection: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) projection_nonlinearity: Option<NonlinearityKind>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) authors_theta_gradient: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) forget_bias: Option<f64>,
}

impl PredictorArgs {
    /// Fills in the defaults.
    pub(crate) fn resolve(&self) -> Result<Predictor, Failure> {
        use NonlinearityKind::{Identity, Relu, Tanh};
        let cell = self.cell;
        let learner = self.learner.unwrap_or(cell.default_learner());
        self.check(learner)?;
        let [lstm, rtu, lru] = [CellKind::Lstm, CellKind::Rtu, CellKind::Lru].map(|kind| cell == kind);
        let nonlinear = rtu || matches!(cell, CellKind::Block | CellKind::Rnn);
        let nonlinearity = self.nonlinearity.unwrap_or(if rtu { Relu } else { Tanh });
        Ok(Predictor {
            cell,
            learner,
            hidden: self.hidden,
            truncation: (learner == OnlineLearnerKind::Truncated).then_some(self.truncation.unwrap_or(10)),
            recurrence: rtu.then_some(self.recurrence.unwrap_or(RecurrenceKind::Linear)),
            nonlinearity: nonlinear.then_some(nonlinearity),
            parameterisation: rtu.then_some(self.parameterisation.unwrap_or(ParameterisationKind::ExpExp)),
            skip: lru.then_some(self.skip.unwrap_or(false)),
            projection: self.projection,
            projection_nonlinearity: self
                .projection
                .map(|_| self.projection_nonlinearity.unwrap_or(Identity)),
            authors_theta_gradient: self.authors_theta_gradient.filter(|&wanted| wanted),
            forget_bias: lstm.then_some(self.forget_bias.unwrap_or(1.8)),
        })
    }

    /// `Ok` if cell, learner and options go together.
    fn check(&self, learner: OnlineLearnerKind) -> Result<(), Failure> {
        let Self { cell, .. } = *self;
        if !cell.learners().contains(&learner) {
            let names: Vec<&str> = cell.learners().iter().map(|learner| learner.name()).collect();
            return Err(Failure::new(format!(
                "--learner {} does not go with --cell {}: it is for cells whose units do not read each other; ask for {}",
                learner.name(),
                cell.name(),
                names.join(" or "),
            )));
        }
        let is = |kinds: &[CellKind]| kinds.contains(&cell);
        let exp_exp = self.parameterisation.is_none_or(|kind| kind == ParameterisationKind::ExpExp);
        let (rtu, rtrl) = (is(&[CellKind::Rtu]), learner == OnlineLearnerKind::Rtrl);
        let wrong = [
            (
                "truncation",
                self.truncation.is_some(),
                learner == OnlineLearnerKind::Truncated,
                "of --learner truncated",
            ),
            ("recurrence", self.recurrence.is_some(), rtu, "of --cell rtu"),
            (
                "nonlinearity",
                self.nonlinearity.is_some(),
                is(&[CellKind::Rtu, CellKind::Block, CellKind::Rnn]),
                "of --cell rtu, block or rnn",
            ),
            ("parameterisation", self.parameterisation.is_some(), rtu, "of --cell rtu"),
            ("skip", self.skip.is_some(), is(&[CellKind::Lru]), "of --cell lru"),
            (
                "projection-nonlinearity",
                self.projection_nonlinearity.is_some(),
                self.projection.is_some(),
                "that goes with --projection",
            ),
            (
                "authors-theta-gradient",
                self.authors_theta_gradient.is_some(),
                rtu && rtrl && exp_exp,
                "of --cell rtu --learner rtrl --parameterisation exp-exp",
            ),
            ("forget-bias", self.forget_bias.is_some(), is(&[CellKind::Lstm]), "of --cell lstm"),
        ];
        match wrong.iter().find(|(_, given, fits, _)| *given && !fits) {
            None => Ok(()),
            Some((option, _, _, whose)) => Err(Failure::new(format!(
                "--{option} is an option {whose}, but this is --cell {} with --learner {}: leave it out",
                cell.name(),
                learner.name(),
            ))),
        }
    }
}

impl Predictor {
    /// Cell and learner, as in file names: `lstm-eprop`, `gru-truncated10`.
    pub(crate) fn name(&self) -> String {
        let steps = self.truncation.map_or(String::new(), |steps| steps.to_string());
        format!("{}-{}{steps}", self.cell.name(), self.learner.name())
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        predictor: PredictorArgs,
    }

    fn resolve(line: &str) -> Result<Predictor, Failure> {
        let words = std::iter::once("experiments").chain(line.split_whitespace());
        Line::try_parse_from(words).unwrap().predictor.resolve()
    }

    /// As on the command line.
    pub(in crate::conditioning) fn predictor(line: &str) -> Predictor {
        resolve(line).unwrap()
    }

    #[test]
    fn every_cell_has_a_learner_and_says_which_others_it_takes() {
        for (cell, own) in [
            ("lstm", "eprop"),
            ("rtu", "rtrl"),
            ("lru", "rtrl"),
            ("block", "rtrl"),
            ("mingru", "rtrl"),
            ("elstm", "rtrl"),
            ("gru", "truncated"),
            ("rnn", "truncated"),
        ] {
            assert_eq!(predictor(&format!("--cell {cell}")).learner.name(), own);
            for learner in ["eprop", "rtrl", "truncated"] {
                let refused = learner == "rtrl" && own != "rtrl";
                match resolve(&format!("--cell {cell} --learner {learner}")) {
                    Ok(_) => assert!(!refused, "{cell} {learner}"),
                    Err(failure) => {
                        let sentence = failure.to_string();
                        assert!(refused && sentence.contains(&format!("ask for {own}")), "{sentence}");
                    }
                }
            }
        }
    }

    #[test]
    fn an_option_of_another_cell_is_named() {
        for (line, named) in [
            ("--cell rtu --truncation 3", "--truncation is an option of --learner truncated"),
            ("--cell lru --recurrence linear", "--recurrence is an option of --cell rtu"),
            ("--cell gru --nonlinearity relu", "--nonlinearity is an option of --cell rtu, block or rnn"),
            ("--cell rtu --skip", "--skip is an option of --cell lru"),
            ("--cell rtu --projection-nonlinearity relu", "goes with --projection"),
            ("--cell rtu --parameterisation exp --authors-theta-gradient", "exp-exp"),
            ("--cell rtu --learner truncated --authors-theta-gradient", "--learner rtrl"),
            ("--cell rtu --forget-bias 1", "--forget-bias is an option of --cell lstm"),
        ] {
            let sentence = resolve(line).err().map(|failure| failure.to_string()).unwrap_or_default();
            assert!(sentence.contains(named), "{line}: {sentence}");
        }
    }
}
