//! The options of studies, and the list of runs they ask for.

use std::num::NonZeroUsize;
use std::path::PathBuf;

use clap::Args;

use super::super::args::{Words, given};
use super::super::run::Run;
use super::conditions::{Lists, StudyKind};
use super::{Cell, Plan, options, runtime};
use crate::conditioning::floor::least_msre;
use crate::failure::Failure;
use crate::options::size;

/// Options of `conditioning-table`.
#[derive(Clone, Debug, Args)]
pub(crate) struct StudyArgs {
    /// What is compared
    #[arg(value_enum)]
    study: StudyKind,
    /// Runs of each condition and rate, seeds 1 to this
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..=10_000))]
    seeds: u64,
    /// Steps of each run [default: 2000000; 20000 for runtime]
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..))]
    steps: Option<u64>,
    /// Steps from the onset of the CS to that of the US, in the middle; 1 - 1 / ISI is the discount
    #[arg(long, default_value_t = 20)]
    isi: u64,
    /// Decay of TD's trace, from 0 to 1
    #[arg(long, default_value_t = 0.9, allow_negative_numbers = true)]
    lambda: f64,
    /// Learning rates of Adam, with commas between them [default: 0.0003,0.001,0.003; 0.00001 to 0.01 where they are compared]
    #[arg(long, value_delimiter = ',', allow_negative_numbers = true)]
    rates: Vec<f64>,
    /// Units, with commas between them [default: by study]
    #[arg(long, value_delimiter = ',', value_parser = size)]
    hidden: Vec<usize>,
    /// Steps that truncated BPTT goes back, with commas between them [default: 1,2,5,10,15,25,40; 10 for parameters]
    #[arg(long, value_delimiter = ',', value_parser = size)]
    truncations: Vec<usize>,
    /// Recurrent parameters, or FLOPs per step, with commas between them [default: 2500 for parameters, 30000 for compute]
    #[arg(long, value_delimiter = ',')]
    budget: Vec<u64>,
    /// Only these conditions, or all of a series, with commas between them
    #[arg(long, value_delimiter = ',')]
    conditions: Vec<String>,
    /// Steps per record in the log [default: 10000, at most a tenth of --steps]
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..))]
    log_every: Option<u64>,
    /// Steps of an episode [default: that of trace-conditioning]
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..))]
    episode: Option<u64>,
    /// Runs at a time [default: as many as there are cores]
    #[arg(long)]
    jobs: Option<NonZeroUsize>,
    /// Directory of the runs and the table [default: runs/conditioning-<study>]
    #[arg(long)]
    out: Option<PathBuf>,
    /// Only collect what is there; run nothing
    #[arg(long)]
    report: bool,
}

/// Each once, in rising order.
fn rising<T: Copy + PartialOrd>(given: &[T]) -> Vec<T> {
    let mut values = given.to_vec();
    values.sort_by(|a, b| a.partial_cmp(b).unwrap_or(std::cmp::Ordering::Equal));
    values.dedup();
    values
}

/// As typed: `1,2,5`, or nothing.
fn joined<T: ToString>(values: &[T]) -> Option<String> {
    (!values.is_empty()).then(|| values.iter().map(T::to_string).collect::<Vec<_>>().join(","))
}

/// Puts what was given in a default's place. What the study has no use for is an error.
fn take<T: Copy + PartialOrd>(
    study: StudyKind,
    option: &str,
    given: &[T],
    list: &mut Vec<T>,
) -> Result<(), Failure> {
    if !given.is_empty() && list.is_empty() {
        return Err(Failure::new(format!(
            "--{option} is no option of the study {}: leave it out",
            study.name()
        )));
    }
    if !given.is_empty() {
        *list = rising(given);
    }
    Ok(())
}

impl StudyArgs {
    /// Runs the study.
    pub(crate) fn run(&self) -> Result<(), Failure> {
        let lists = self.lists()?;
        let out = self
            .out
            .clone()
            .unwrap_or_else(|| PathBuf::from("runs").join(format!("conditioning-{}", self.study.name())));
        if self.study == StudyKind::Runtime {
            return runtime::run(&lists, self.steps.unwrap_or(20_000), &out);
        }
        self.plan(&lists, out)?.run()
    }

    /// The lists that the study is made from.
    fn lists(&self) -> Result<Lists, Failure> {
        let Lists { mut hidden, mut truncations, mut budgets } = self.study.defaults();
        take(self.study, "hidden", &self.hidden, &mut hidden)?;
        take(self.study, "truncations", &self.truncations, &mut truncations)?;
        take(self.study, "budget", &self.budget, &mut budgets)?;
        if self.study == StudyKind::Runtime && (self.report || !self.rates.is_empty()) {
            return Err(Failure::new("the study runtime trains nothing: leave --report and --rates out"));
        }
        Ok(Lists { hidden, truncations, budgets })
    }

    fn plan(&self, lists: &Lists, out: PathBuf) -> Result<Plan, Failure> {
        let steps = self.steps.unwrap_or(2_000_000);
        let rates = rising(if self.rates.is_empty() { self.study.default_rates() } else { &self.rates });
        if let Some(rate) = rates.iter().find(|&&rate| !(rate > 0.0 && rate.is_finite())) {
            return Err(Failure::new(format!("--rates should be positive numbers, but one is {rate}")));
        }
        let log_every = self.log_every.unwrap_or_else(|| (steps / 10).clamp(1, 10_000));
        let common = [
            given("isi", Some(self.isi)),
            given("lambda", Some(self.lambda)),
            given("steps", Some(steps)),
            given("log-every", Some(log_every)),
            given("episode", self.episode),
        ]
        .concat();
        let mut conditions = Vec::new();
        for condition in self.study.conditions(lists)? {
            let options = options(&format!("{} {}", common.join(" "), condition.words))?;
            let size = options.predictor.size(options.protocol.inputs())?;
            conditions.push((condition, size));
        }
        let names: Vec<&str> = conditions.iter().map(|(condition, _)| condition.series.as_str()).collect();
        let known = |wanted: &String| {
            conditions.iter().any(|(condition, _)| condition.series == *wanted || condition.name() == *wanted)
        };
        if let Some(unknown) = self.conditions.iter().find(|wanted| !known(wanted)) {
            let mut names = names;
            names.sort_unstable();
            names.dedup();
            return Err(Failure::new(format!(
                "{} has no condition `{unknown}`; --conditions takes some of {}",
                self.study.name(),
                names.join(", ")
            )));
        }
        conditions.retain(|(condition, _)| {
            self.conditions.is_empty()
                || self.conditions.iter().any(|name| *name == condition.series || *name == condition.name())
        });
        let mut cells = Vec::new();
        for seed in 1..=self.seeds {
            for (index, (condition, _)) in conditions.iter().enumerate() {
                for &rate in &rates {
                    let name = format!("{}-lr{rate}-seed{seed}", condition.name());
                    let path = out.join(&name);
                    let words: Words = [
                        vec!["trace-conditioning".to_owned()],
                        common.clone(),
                        condition.words.split_whitespace().map(str::to_owned).collect(),
                        given("lr", Some(rate)),
                        given("seed", Some(seed)),
                        given("out", Some(path.display())),
                    ]
                    .concat();
                    let run = Run { name, seed, length: steps, path, words };
                    cells.push(Cell { condition: index, rate, run });
                }
            }
        }
        let command = [
            vec!["experiments".to_owned(), "conditioning-table".to_owned(), self.study.name().to_owned()],
            given("seeds", Some(self.seeds)),
            common.clone(),
            given("rates", joined(&rates)),
            given("hidden", joined(&lists.hidden)),
            given("truncations", joined(&lists.truncations)),
            given("budget", joined(&lists.budgets)),
            given("conditions", joined(&self.conditions)),
        ];
        let options = options(&common.join(" "))?;
        let least = least_msre(&options.protocol, options.gamma);
        let (command, jobs) = (command.concat().join(" "), self.jobs);
        Ok(Plan {
            kind: self.study,
            conditions,
            cells,
            steps,
            least,
            out,
            command,
            jobs,
            report: self.report,
        })
    }
}
