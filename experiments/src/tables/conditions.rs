//! What the tables and figures of Hoyer et al. 2022 compare, and the values they report.
//!
//! | condition | what is on |
//! |---|---|
//! | plain | e-prop alone |
//! | bias | forget gate's initial biases raised |
//! | echo | trace echo |
//! | extended | both |
//!
//! Extensions are e-prop's: BPTT goes without. Conditions without a value of the paper are our own controls.

use crate::tca::Delay;

/// Where the learning rate comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rate {
    /// E-prop's, which the extensions allow: `--lr`.
    Eprop,
    /// Plain e-prop's on temporal credit assignment: `--plain-lr`.
    Plain,
    /// BPTT's, with Adam or `RMSProp`: `--bptt-lr`, `--bptt-rmsprop-lr`.
    Bptt,
}

/// A row of a table.
#[derive(Debug)]
pub(super) struct Condition {
    pub(super) name: &'static str,
    /// Learner and feedback, as typed.
    pub(super) words: &'static str,
    pub(super) bias: bool,
    pub(super) echo: bool,
    pub(super) rate: Rate,
    /// Column (a delay, or nothing) and value in per cent.
    pub(super) paper: &'static [(&'static str, f64)],
}

/// A table or figure.
#[derive(Debug)]
pub(crate) struct Spec {
    pub(super) name: &'static str,
    pub(super) title: &'static str,
    pub(super) task: &'static str,
    /// Under `runs/`: figures share the runs of their table.
    pub(super) folder: &'static str,
    pub(super) conditions: &'static [Condition],
    /// How many of them are run unless asked for others.
    pub(super) by_default: &'static [&'static str],
    pub(super) delays: &'static [Delay],
    /// Updates or epochs.
    pub(super) length: u64,
    /// The paper's.
    pub(super) paper_length: u64,
    pub(super) seeds: u64,
    /// Whether the table is written, not only the figure.
    pub(super) writes_table: bool,
    /// The SVG's name.
    pub(super) figure: &'static str,
    /// The last update or epoch that is drawn.
    pub(super) drawn: u64,
}

const SYMMETRIC: &str = "--learner eprop --feedback symmetric";
const RANDOM: &str = "--learner eprop --feedback random";
const BPTT: &str = "--learner bptt";
/// Whether bias and echo are on.
const PLAIN: [bool; 2] = [false, false];
const BIAS: [bool; 2] = [true, false];
const ECHO: [bool; 2] = [false, true];
const EXTENDED: [bool; 2] = [true, true];

const fn row(
    name: &'static str,
    words: &'static str,
    [bias, echo]: [bool; 2],
    rate: Rate,
    paper: &'static [(&'static str, f64)],
) -> Condition {
    Condition { name, words, bias, echo, rate, paper }
}

const TABLE1_ROWS: &[Condition] = &[
    row("random-plain", RANDOM, PLAIN, Rate::Eprop, &[("", 88.77)]),
    row("random-bias", RANDOM, BIAS, Rate::Eprop, &[("", 58.30)]),
    row("random-echo", RANDOM, ECHO, Rate::Eprop, &[("", 65.99)]),
    row("random-extended", RANDOM, EXTENDED, Rate::Eprop, &[("", 70.69)]),
    row("symmetric-plain", SYMMETRIC, PLAIN, Rate::Eprop, &[("", 92.76)]),
    row("symmetric-bias", SYMMETRIC, BIAS, Rate::Eprop, &[("", 93.49)]),
    row("symmetric-echo", SYMMETRIC, ECHO, Rate::Eprop, &[("", 91.37)]),
    row("symmetric-extended", SYMMETRIC, EXTENDED, Rate::Eprop, &[("", 92.49)]),
    row("bptt-plain", BPTT, PLAIN, Rate::Bptt, &[("", 98.92)]),
];

const FIGURE2_ROWS: &[Condition] = &[
    row("symmetric-plain", SYMMETRIC, PLAIN, Rate::Eprop, &[("", 84.83)]),
    row("symmetric-extended", SYMMETRIC, EXTENDED, Rate::Eprop, &[("", 85.36)]),
    row("bptt-plain", BPTT, PLAIN, Rate::Bptt, &[("", 91.55)]),
];

const TABLE2_ROWS: &[Condition] = &[
    row("bptt", BPTT, PLAIN, Rate::Bptt, &[("random", 0.72), ("10", 0.62), ("15", 0.64), ("20", 21.37)]),
    row(
        "eprop-extended",
        SYMMETRIC,
        EXTENDED,
        Rate::Eprop,
        &[("random", 1.79), ("10", 2.03), ("15", 1.79), ("20", 2.02)],
    ),
];

const TABLE3_ROWS: &[Condition] = &[
    row("bptt", BPTT, PLAIN, Rate::Bptt, &[("10", 0.94), ("20", 31.19)]),
    row("eprop-plain", SYMMETRIC, PLAIN, Rate::Plain, &[("10", 16.35), ("20", 50.10)]),
    row("eprop-plain-fast", SYMMETRIC, PLAIN, Rate::Eprop, &[]),
    row("eprop-bias", SYMMETRIC, BIAS, Rate::Eprop, &[]),
    row("eprop-echo", SYMMETRIC, ECHO, Rate::Eprop, &[("10", 4.82), ("20", 3.32)]),
    row("eprop-extended", SYMMETRIC, EXTENDED, Rate::Eprop, &[("10", 3.0), ("20", 3.07)]),
    // Each differs in one thing from eprop-bias (immediate, readout) or from bptt (truncated).
    row("immediate", "--learner eprop --feedback symmetric --trace-decay 0", BIAS, Rate::Eprop, &[]),
    row("readout", "--learner readout", BIAS, Rate::Eprop, &[]),
    row("truncated", "--learner truncated --truncation 5", PLAIN, Rate::Bptt, &[]),
];

pub(crate) const TABLE1: Spec = Spec {
    name: "table1",
    title: "Table 1: sequential MNIST",
    task: "smnist",
    folder: "table1",
    conditions: TABLE1_ROWS,
    by_default: &[
        "random-plain",
        "random-bias",
        "random-echo",
        "random-extended",
        "symmetric-plain",
        "symmetric-bias",
        "symmetric-echo",
        "symmetric-extended",
        "bptt-plain",
    ],
    delays: &[],
    length: 350,
    paper_length: 350,
    seeds: 5,
    writes_table: true,
    figure: "table1",
    drawn: u64::MAX,
};

pub(crate) const FIGURE1: Spec = Spec {
    name: "figure1",
    title: "Figure 1: sequential MNIST, symmetric e-prop",
    by_default: &["symmetric-plain", "symmetric-bias", "symmetric-echo", "symmetric-extended"],
    length: 120,
    writes_table: false,
    figure: "figure1",
    drawn: 120,
    ..TABLE1
};

pub(crate) const FIGURE2: Spec = Spec {
    name: "figure2",
    title: "Figure 2: permuted sequential MNIST",
    task: "psmnist",
    folder: "figure2",
    conditions: FIGURE2_ROWS,
    by_default: &["symmetric-plain", "symmetric-extended", "bptt-plain"],
    figure: "figure2",
    ..TABLE1
};

pub(crate) const TABLE2: Spec = Spec {
    name: "table2",
    title: "Table 2: temporal credit assignment",
    task: "tca",
    folder: "table2",
    conditions: TABLE2_ROWS,
    by_default: &["bptt", "eprop-extended"],
    delays: &[Delay::Random, Delay::Fixed(10), Delay::Fixed(15), Delay::Fixed(20)],
    length: 90_000,
    paper_length: 90_000,
    seeds: 10,
    writes_table: true,
    figure: "figure3",
    drawn: u64::MAX,
};

pub(crate) const FIGURE3: Spec =
    Spec { name: "figure3", title: "Figure 3: temporal credit assignment", writes_table: false, ..TABLE2 };

pub(crate) const TABLE3: Spec = Spec {
    name: "table3",
    title: "Table 3: temporal credit assignment, extension by extension",
    folder: "table3",
    conditions: TABLE3_ROWS,
    by_default: &["bptt", "eprop-plain", "eprop-plain-fast", "eprop-bias", "eprop-echo", "eprop-extended"],
    delays: &[Delay::Fixed(10), Delay::Fixed(20)],
    length: 50_000,
    paper_length: 50_000,
    figure: "table3",
    ..TABLE2
};

pub(crate) const FIGURE4: Spec = Spec {
    name: "figure4",
    title: "Figure 4: temporal credit assignment, extension by extension",
    by_default: &["eprop-plain", "eprop-echo", "eprop-extended"],
    writes_table: false,
    figure: "figure4",
    ..TABLE3
};

impl Condition {
    /// Whether e-prop learns.
    pub(super) fn is_eprop(&self) -> bool {
        self.words.starts_with("--learner eprop")
    }

    /// The paper's value of a column, in per cent.
    pub(super) fn paper(&self, column: &str) -> Option<f64> {
        self.paper.iter().find(|(name, _)| *name == column).map(|&(_, value)| value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_conditions_run_by_default_exist() {
        for spec in [TABLE1, TABLE2, TABLE3, FIGURE1, FIGURE2, FIGURE3, FIGURE4] {
            for name in spec.by_default {
                assert!(spec.conditions.iter().any(|condition| condition.name == *name), "{name}");
            }
        }
    }
}
