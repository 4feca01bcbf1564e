//! The options of tables and figures, and the list of runs they ask for.

use std::num::NonZeroUsize;
use std::path::PathBuf;

use clap::Args;

use super::Plan;
use super::cell::{self, Cell};
use super::conditions::{Condition, Rate, Spec};
use super::run::Run;
use crate::failure::Failure;
use crate::options::{EchoKind, ScheduleKind, size};
use crate::tca::Delay;

/// The options of every table and figure.
#[derive(Clone, Debug, Args)]
struct TableArgs {
    /// Runs of each condition, seeds 1 to this [default: the paper's, 10 for tca, 5 for MNIST]
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..=10_000))]
    seeds: Option<u64>,
    /// Only these conditions, with commas between them
    #[arg(long, value_delimiter = ',')]
    conditions: Vec<String>,
    /// Runs at a time [default: as many as there are cores]
    #[arg(long)]
    jobs: Option<NonZeroUsize>,
    /// Directory of the runs and the table [default: runs/<table>]
    #[arg(long)]
    out: Option<PathBuf>,
    /// Only collect what is there; run nothing
    #[arg(long)]
    report: bool,
    /// Sequences per update [default: 64 for tca, 128 for MNIST]
    #[arg(long, value_parser = size)]
    batch: Option<usize>,
    /// How e-prop's sum over time is evaluated: streaming, blocked:K or whole [default: blocked]
    #[arg(long)]
    schedule: Option<ScheduleKind>,
    /// Units [default: 32 for tca, 128 for MNIST]
    #[arg(long, value_parser = size)]
    hidden: Option<usize>,
    /// Decay of rmsprop's running mean square [default: 0.9]
    #[arg(long)]
    rmsprop_decay: Option<f64>,
    /// Largest global norm of the gradient [default: no clipping]
    #[arg(long)]
    clip: Option<f64>,
    /// Offset of the forget gate's initial biases, where a condition has it [default: 1.8]
    #[arg(long, allow_negative_numbers = true)]
    forget_bias: Option<f64>,
    /// Trace echo, where a condition has it [default: modulated:0.1]
    #[arg(long)]
    echo: Option<EchoKind>,
    /// Learning rate of e-prop [default: 0.01 for tca, 0.001 for MNIST]
    #[arg(long)]
    lr: Option<f64>,
    /// Learning rate of BPTT [default: 0.003 with Adam for tca, 0.0005 with RMSProp for MNIST]
    #[arg(long)]
    bptt_lr: Option<f64>,
}

/// The options of tables of temporal credit assignment.
#[derive(Clone, Debug, Args)]
pub(crate) struct TcaTableArgs {
    /// Updates of each run [default: the paper's, 90000 for table 2, 50000 for table 3]
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..))]
    updates: Option<u64>,
    /// Delays, with commas between them [default: random,10,15,20 for table 2, 10,20 for table 3]
    #[arg(long, value_delimiter = ',')]
    delays: Vec<Delay>,
    /// Learning rate of plain e-prop [default: 0.001]
    #[arg(long)]
    plain_lr: Option<f64>,
    /// Learning rate of BPTT at delay 20, with RMSProp [default: 0.001]
    #[arg(long)]
    bptt_rmsprop_lr: Option<f64>,
    #[command(flatten)]
    table: TableArgs,
}

/// The options of tables of sequential MNIST.
#[derive(Clone, Debug, Args)]
pub(crate) struct MnistTableArgs {
    /// Directory of the four MNIST files, packed (.gz) or not
    #[arg(long, default_value = "data/mnist")]
    data: PathBuf,
    /// Passes over the training images [default: the paper's 350; 120 for figure 1]
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..))]
    epochs: Option<u64>,
    /// Quick look: train on this many images only
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..))]
    train_limit: Option<u64>,
    /// Quick look: test on the first images only
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..))]
    test_limit: Option<u64>,
    #[command(flatten)]
    table: TableArgs,
}

/// Rates of a task.
#[derive(Clone, Copy, Debug)]
struct Rates {
    eprop: f64,
    plain: f64,
    bptt: f64,
    bptt_rmsprop: f64,
}

/// Options as words: those of the table's command line, or of every run's.
pub(super) type Words = Vec<String>;

impl TcaTableArgs {
    /// Runs the table or figure.
    pub(crate) fn run(&self, spec: &'static Spec) -> Result<(), Failure> {
        let delays = if self.delays.is_empty() { spec.delays } else { &self.delays };
        let rates = Rates {
            eprop: self.table.lr.unwrap_or(0.01),
            plain: self.plain_lr.unwrap_or(0.001),
            bptt: self.table.bptt_lr.unwrap_or(0.003),
            bptt_rmsprop: self.bptt_rmsprop_lr.unwrap_or(0.001),
        };
        let length = self.updates.unwrap_or(spec.length);
        let names: Vec<String> = delays.iter().map(Delay::to_string).collect();
        let mut command = given("delays", Some(names.join(",")));
        command.extend(given("plain-lr", self.plain_lr));
        command.extend(given("bptt-rmsprop-lr", self.bptt_rmsprop_lr));
        let delays: Vec<Option<Delay>> = delays.iter().copied().map(Some).collect();
        self.table.plan(spec, &delays, ("updates", length), rates, command, &[])?.run()
    }
}

impl MnistTableArgs {
    /// Runs the table or figure.
    pub(crate) fn run(&self, spec: &'static Spec) -> Result<(), Failure> {
        let (eprop, bptt) = (self.table.lr.unwrap_or(0.001), self.table.bptt_lr.unwrap_or(0.0005));
        let rates = Rates { eprop, plain: eprop, bptt, bptt_rmsprop: bptt };
        let length = self.epochs.unwrap_or(spec.length);
        let mut limits = given("train-limit", self.train_limit);
        limits.extend(given("test-limit", self.test_limit));
        // Where the files are is of no interest to others.
        let command = [given("data", Some("DIR")), limits.clone()].concat();
        let words = [given("data", Some(self.data.display())), limits].concat();
        self.table.plan(spec, &[None], ("epochs", length), rates, command, &words)?.run()
    }
}

/// `--name value`, if there is one.
pub(super) fn given(name: &str, value: Option<impl ToString>) -> Words {
    value.map_or(Vec::new(), |value| vec![format!("--{name}"), value.to_string()])
}

impl TableArgs {
    /// The list of runs. `command` and `words` are what the table's and the runs' commands have on top.
    fn plan(
        &self,
        spec: &'static Spec,
        delays: &[Option<Delay>],
        (unit, length): (&str, u64),
        rates: Rates,
        command: Words,
        words: &[String],
    ) -> Result<Plan, Failure> {
        let conditions = self.chosen(spec)?;
        let seeds = self.seeds.unwrap_or(spec.seeds);
        let out = self.out.clone().unwrap_or_else(|| PathBuf::from("runs").join(spec.folder));
        let mut cells = Vec::new();
        for seed in 1..=seeds {
            for &condition in &conditions {
                for &delay in delays {
                    let name = cell::name(condition, delay, seed);
                    let path = out.join(&name);
                    let words = [
                        vec![spec.task.to_owned()],
                        given("delay", delay),
                        given(unit, Some(length)),
                        words.to_vec(),
                        self.words_of(spec, condition, delay, rates),
                        given("seed", Some(seed)),
                        given("out", Some(path.display())),
                    ]
                    .concat();
                    let run = Run { name, seed, length, path, words };
                    cells.push(Cell { condition, delay, run });
                }
            }
        }
        let names = (!self.conditions.is_empty()).then(|| self.conditions.join(","));
        let command = [
            vec!["experiments".to_owned(), spec.name.to_owned()],
            given("seeds", Some(seeds)),
            given(unit, Some(length)),
            command,
            given("conditions", names),
            self.sizes(),
            given("schedule", self.schedule),
            given("forget-bias", self.forget_bias),
            given("echo", self.echo),
            given("lr", self.lr),
            given("bptt-lr", self.bptt_lr),
        ];
        let command = command.concat().join(" ");
        Ok(Plan { spec, length, out, cells, command, jobs: self.jobs, report: self.report })
    }

    /// The conditions asked for, in the order of the table.
    fn chosen(&self, spec: &'static Spec) -> Result<Vec<&'static Condition>, Failure> {
        let known: Vec<&str> = spec.conditions.iter().map(|condition| condition.name).collect();
        if let Some(unknown) = self.conditions.iter().find(|name| !known.contains(&name.as_str())) {
            return Err(Failure::new(format!(
                "{} has no condition `{unknown}`; --conditions takes some of {}",
                spec.name,
                known.join(", ")
            )));
        }
        let wanted = |condition: &&Condition| match self.conditions.as_slice() {
            [] => spec.by_default.contains(&condition.name),
            names => names.iter().any(|name| name == condition.name),
        };
        Ok(spec.conditions.iter().filter(wanted).collect())
    }

    /// Options that table and runs have in common.
    fn sizes(&self) -> Words {
        [
            given("batch", self.batch),
            given("hidden", self.hidden),
            given("rmsprop-decay", self.rmsprop_decay),
            given("clip", self.clip),
        ]
        .concat()
    }

    /// The options that make a condition.
    fn words_of(&self, spec: &Spec, condition: &Condition, delay: Option<Delay>, rates: Rates) -> Words {
        let (optimizer, rate) = match (condition.rate, delay) {
            (Rate::Eprop, _) => ("rmsprop", rates.eprop),
            (Rate::Plain, _) => ("rmsprop", rates.plain),
            // At delay 20 the paper found RMSProp better.
            (Rate::Bptt, Some(delay)) if delay != Delay::Fixed(20) => ("adam", rates.bptt),
            (Rate::Bptt, _) if spec.task == "tca" => ("rmsprop", rates.bptt_rmsprop),
            (Rate::Bptt, _) => ("rmsprop", rates.bptt),
        };
        let bias = if condition.bias { self.forget_bias.unwrap_or(1.8) } else { 0.0 };
        let schedule = self.schedule.filter(|_| condition.is_eprop());
        let echo = condition.echo.then_some(self.echo.unwrap_or(EchoKind::Modulated(0.1)));
        [
            condition.words.split_whitespace().map(str::to_owned).collect(),
            given("forget-bias", Some(bias)),
            given("schedule", schedule),
            given("echo", echo),
            given("optimizer", Some(optimizer)),
            given("lr", Some(rate)),
            self.sizes(),
        ]
        .concat()
    }
}
