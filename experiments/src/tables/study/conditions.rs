//! What the studies compare: lists of conditions, each the options of a run of trace conditioning.
//!
//! | study | conditions | over |
//! |---|---|---|
//! | architectures | RTU and LRU, linear, and with nonlinear and linear projection; RTU with nonlinear output or recurrence | units |
//! | parameters | RTU with RTRL, GRU and LRU with truncated BPTT, of equally many recurrent parameters | budget |
//! | compute | the same of equally many FLOPs per step | steps back |
//! | truncation | RTU with RTRL and with truncated BPTT | steps back |
//! | parameterisations | RTU: exp-exp, exp, direct | learning rate |
//! | rates | RTU of several sizes | learning rate |
//! | cells | RTU linear and nonlinear, LRU, block-diagonal, minGRU, eLSTM with RTRL | units |
//!
//! A projection has as many units as the recurrent layer. An LRU has no nonlinearity of its own: its output is Re(C h), and a
//! nonlinear one is its nonlinear projection.

use clap::ValueEnum;

use super::fit::{Budget, fit};
use crate::failure::Failure;

/// What is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum StudyKind {
    /// The five architectures of RTU and LRU, against the number of units
    Architectures,
    /// RTRL and truncated BPTT at equally many recurrent parameters
    Parameters,
    /// RTRL and truncated BPTT at equally many FLOPs per step
    Compute,
    /// RTU with RTRL and with truncated BPTT, against the steps back
    Truncation,
    /// Parameterisations of an RTU's eigenvalues, against the learning rate
    Parameterisations,
    /// RTU of several sizes, against the learning rate
    Rates,
    /// All cells that RTRL can train
    Cells,
    /// Time per step of RTRL and truncated BPTT: no training
    Runtime,
}

/// A condition: what predicts, and where it lies on the axis over which the study goes.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Condition {
    /// Conditions of one curve.
    pub(super) series: String,
    /// None: everywhere.
    pub(super) x: Option<u64>,
    /// Its name on the axis: `h32`.
    tag: char,
    /// Options of `trace-conditioning`.
    pub(super) words: String,
}

/// The lists that conditions are made from.
#[derive(Clone, Debug)]
pub(super) struct Lists {
    pub(super) hidden: Vec<usize>,
    pub(super) truncations: Vec<usize>,
    pub(super) budgets: Vec<u64>,
}

impl Condition {
    fn new(series: &str, tag: char, x: Option<u64>, words: String) -> Self {
        Self { series: series.into(), x, tag, words }
    }

    /// Names directory and row.
    pub(super) fn name(&self) -> String {
        let place = self.x.map_or(String::new(), |x| format!("-{}{x}", self.tag));
        format!("{}{place}", self.series)
    }
}

const LINEAR: &str = "--recurrence linear --nonlinearity identity";
/// Series, options without the units, and nonlinearity of a projection.
const ARCHITECTURES: [(&str, &str, &str, Option<&str>); 8] = [
    ("rtu-linear", "rtu", LINEAR, None),
    ("rtu-nonlinear-output", "rtu", "--recurrence linear --nonlinearity relu", None),
    ("rtu-nonlinear-recurrence", "rtu", "--recurrence nonlinear --nonlinearity relu", None),
    ("rtu-nonlinear-projection", "rtu", LINEAR, Some("relu")),
    ("rtu-linear-projection", "rtu", LINEAR, Some("identity")),
    ("lru-linear", "lru", "", None),
    ("lru-nonlinear-projection", "lru", "", Some("relu")),
    ("lru-linear-projection", "lru", "", Some("identity")),
];
const CELLS: [(&str, &str); 6] = [
    ("rtu-linear", "--cell rtu --recurrence linear"),
    ("rtu-nonlinear", "--cell rtu --recurrence nonlinear"),
    ("lru", "--cell lru"),
    ("block", "--cell block"),
    ("mingru", "--cell mingru"),
    ("elstm", "--cell elstm"),
];
/// Trained by truncated BPTT, beside the RTU with RTRL.
const TRUNCATED: [(&str, &str); 2] = [("gru-tbptt", "gru"), ("lru-tbptt", "lru")];

impl StudyKind {
    /// As typed.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Architectures => "architectures",
            Self::Parameters => "parameters",
            Self::Compute => "compute",
            Self::Truncation => "truncation",
            Self::Parameterisations => "parameterisations",
            Self::Rates => "rates",
            Self::Cells => "cells",
            Self::Runtime => "runtime",
        }
    }

    pub(super) fn title(self) -> &'static str {
        match self {
            Self::Architectures => "Trace conditioning: architectures of RTU and LRU, RTRL",
            Self::Parameters => "Trace conditioning: equally many recurrent parameters",
            Self::Compute => "Trace conditioning: equally many FLOPs per step",
            Self::Truncation => "Trace conditioning: RTU with RTRL and with truncated BPTT",
            Self::Parameterisations => "Trace conditioning: parameterisations of the RTU, RTRL",
            Self::Rates => "Trace conditioning: learning rates of the RTU, RTRL",
            Self::Cells => "Trace conditioning: cells with exact RTRL",
            Self::Runtime => "Time per step of RTRL and truncated BPTT",
        }
    }

    /// Whether the axis is the learning rate: then every rate is a row, not only the best.
    pub(super) fn is_over_rates(self) -> bool {
        matches!(self, Self::Parameterisations | Self::Rates)
    }

    /// What the axis is.
    pub(super) fn axis(self) -> &'static str {
        match self {
            Self::Architectures | Self::Cells => "units",
            Self::Parameters => "recurrent parameters",
            Self::Compute | Self::Truncation | Self::Runtime => "steps back",
            Self::Parameterisations | Self::Rates => "learning rate",
        }
    }

    /// Lists unless told otherwise; an empty one is not used.
    pub(super) fn defaults(self) -> Lists {
        let truncations = vec![1, 2, 5, 10, 15, 25, 40];
        let of = |hidden: &[usize], truncations, budgets: &[u64]| Lists {
            hidden: hidden.to_vec(),
            truncations,
            budgets: budgets.to_vec(),
        };
        match self {
            Self::Architectures => of(&[10, 20, 40, 80], vec![], &[]),
            Self::Parameters => of(&[], vec![10], &[2500]),
            Self::Compute => of(&[], truncations, &[30_000]),
            Self::Truncation | Self::Runtime => of(&[32], truncations, &[]),
            Self::Parameterisations => of(&[80], vec![], &[]),
            Self::Rates => of(&[8, 32, 128], vec![], &[]),
            Self::Cells => of(&[32], vec![], &[]),
        }
    }

    /// Learning rates unless told otherwise.
    pub(super) fn default_rates(self) -> &'static [f64] {
        if self.is_over_rates() { &[1e-5, 3e-5, 1e-4, 3e-4, 1e-3, 3e-3, 1e-2] } else { &[3e-4, 1e-3, 3e-3] }
    }

    /// All conditions; those of [`StudyKind::Runtime`] are the ones of which steps are timed.
    pub(super) fn conditions(self, lists: &Lists) -> Result<Vec<Condition>, Failure> {
        let mut conditions = Vec::new();
        let mut add = |series: &str, tag, x: Option<u64>, words: String| {
            conditions.push(Condition::new(series, tag, x, words));
        };
        match self {
            Self::Architectures => {
                for &n in &lists.hidden {
                    for (series, cell, options, projection) in ARCHITECTURES {
                        let above = projection.map_or(String::new(), |phi| {
                            format!(" --projection {n} --projection-nonlinearity {phi}")
                        });
                        let words = format!("--cell {cell} --hidden {n} {options}{above}");
                        add(series, 'h', Some(n as u64), words);
                    }
                }
            }
            Self::Cells => {
                for &n in &lists.hidden {
                    for (series, words) in CELLS {
                        add(series, 'h', Some(n as u64), format!("{words} --hidden {n}"));
                    }
                }
            }
            Self::Parameters => {
                for &budget in &lists.budgets {
                    let limit = Budget::RecurrentParameters(budget);
                    add("rtu-rtrl", 'p', Some(budget), fit("--cell rtu", limit)?);
                    for (series, cell) in TRUNCATED {
                        for &l in &lists.truncations {
                            let words = format!("--cell {cell} --learner truncated --truncation {l}");
                            add(&format!("{series}{l}"), 'p', Some(budget), fit(&words, limit)?);
                        }
                    }
                }
            }
            Self::Compute => {
                for &budget in &lists.budgets {
                    // With one budget, its name says nothing.
                    let named = |series: &str| match lists.budgets.len() {
                        1 => series.to_owned(),
                        _ => format!("{series}-f{budget}"),
                    };
                    let limit = Budget::Flops(budget);
                    add(&named("rtu-rtrl"), 't', None, fit("--cell rtu", limit)?);
                    for &l in &lists.truncations {
                        for (series, cell) in TRUNCATED {
                            let words = format!("--cell {cell} --learner truncated --truncation {l}");
                            add(&named(series), 't', Some(l as u64), fit(&words, limit)?);
                        }
                    }
                }
            }
            Self::Truncation | Self::Runtime => {
                let others: &[(&str, &str)] = if self == Self::Runtime { &TRUNCATED } else { &[] };
                for &n in &lists.hidden {
                    let named = |series: &str| match lists.hidden.len() {
                        1 => series.to_owned(),
                        _ => format!("{series}-h{n}"),
                    };
                    add(&named("rtu-rtrl"), 't', None, format!("--cell rtu --hidden {n}"));
                    if self == Self::Runtime {
                        add(&named("lru-rtrl"), 't', None, format!("--cell lru --hidden {n}"));
                    }
                    for &(series, cell) in [("rtu-tbptt", "rtu")].iter().chain(others) {
                        for &l in &lists.truncations {
                            let words =
                                format!("--cell {cell} --hidden {n} --learner truncated --truncation {l}");
                            add(&named(series), 't', Some(l as u64), words);
                        }
                    }
                }
            }
            Self::Parameterisations => {
                for &n in &lists.hidden {
                    for kind in ["exp-exp", "exp", "direct"] {
                        let words = format!("--cell rtu --hidden {n} --parameterisation {kind}");
                        add(&format!("{kind}-h{n}"), 'h', None, words);
                    }
                }
            }
            Self::Rates => {
                for &n in &lists.hidden {
                    add(&format!("rtu-h{n}"), 'h', None, format!("--cell rtu --hidden {n}"));
                }
            }
        }
        Ok(conditions)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_study_has_conditions_of_different_names_that_can_be_run() {
        for &kind in StudyKind::value_variants() {
            let conditions = kind.conditions(&kind.defaults()).unwrap();
            assert!(conditions.len() > 2, "{kind:?}");
            let mut names: Vec<String> = conditions.iter().map(Condition::name).collect();
            names.sort();
            names.dedup();
            assert_eq!(names.len(), conditions.len(), "{names:?}");
            for condition in conditions {
                super::super::options(&condition.words).unwrap();
            }
        }
    }

    #[test]
    fn the_axis_is_in_the_name() {
        let words = String::new();
        assert_eq!(Condition::new("gru-tbptt", 't', Some(5), words.clone()).name(), "gru-tbptt-t5");
        assert_eq!(Condition::new("rtu-rtrl", 't', None, words).name(), "rtu-rtrl");
    }
}
