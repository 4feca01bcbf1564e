//! `experiments conditioning-table STUDY`: what Elelimy et al. 2024 compare on trace conditioning, run and collected.
//!
//! A study is a list of conditions x learning rates x seeds, each an ordinary run of `trace-conditioning` in a directory of its
//! own, `<out>/<condition>-lr<rate>-seed<S>`, as in every other table. Every condition is run at the same few rates, and the
//! rate with the least mean error stands for it, chosen on the seeds that are reported: slightly flattering, alike for all.
//! A rate at which a run diverged is not chosen. Studies over the learning rate show them all.

use std::num::NonZeroUsize;
use std::path::PathBuf;

mod args;
mod conditions;
mod fit;
mod report;
mod runtime;

use super::queue::Queue;
use super::run::{Found, Run, Status};
use super::spread::Spread;
use crate::cli::TaskRun;
use crate::conditioning::args::Options;
use crate::conditioning::build::Size;
use crate::failure::Failure;
use crate::progress::say;
pub(crate) use args::StudyArgs;
use conditions::{Condition, StudyKind};

/// What was asked for, complete.
#[derive(Debug)]
struct Plan {
    kind: StudyKind,
    /// With their sizes.
    conditions: Vec<(Condition, Size)>,
    cells: Vec<Cell>,
    steps: u64,
    /// The MSRE below which none can be.
    least: f64,
    out: PathBuf,
    /// Repeats it.
    command: String,
    jobs: Option<NonZeroUsize>,
    report: bool,
}

/// One run.
#[derive(Debug)]
struct Cell {
    /// Index of its condition.
    condition: usize,
    rate: f64,
    run: Run,
}

/// The runs of one condition at one rate.
#[derive(Debug)]
struct Row<'a> {
    condition: usize,
    rate: f64,
    runs: Vec<(&'a Run, Found)>,
}

impl Row<'_> {
    /// MSREs, and those of the constant 0, of the finished runs.
    fn values(&self) -> (Vec<f64>, Vec<f64>) {
        let numbers = self.runs.iter().filter_map(|(_, found)| match &found.status {
            Status::Finished(numbers) => Some((numbers.value, numbers.beside)),
            _ => None,
        });
        numbers.unzip()
    }

    fn failed(&self) -> usize {
        self.runs.iter().filter(|(_, found)| matches!(found.status, Status::Failed(_))).count()
    }

    /// The mean MSRE, if there is one and no run failed.
    fn mean(&self) -> Option<f64> {
        let mean = Spread::of(&self.values().0)?.mean;
        (mean.is_finite() && self.failed() == 0).then_some(mean)
    }
}

/// The row of the least mean; the first if no row has one.
fn best<'a, 'b>(rows: &'a [Row<'b>], condition: usize) -> Option<&'a Row<'b>> {
    let rows = || rows.iter().filter(|row| row.condition == condition);
    let means = rows().filter_map(|row| Some((row.mean()?, row)));
    means.min_by(|a, b| a.0.total_cmp(&b.0)).map(|(_, row)| row).or_else(|| rows().next())
}

/// The options of a run of trace conditioning with these words.
fn options(words: &str) -> Result<Options, Failure> {
    let words: Vec<String> =
        std::iter::once("trace-conditioning").chain(words.split_whitespace()).map(str::to_owned).collect();
    TaskRun::parse(&words)?.conditioning()
}

impl Plan {
    /// Runs what is missing, and writes the table.
    fn run(&self) -> Result<(), Failure> {
        let runs = self.cells.iter().map(|cell| &cell.run).collect();
        let queue = Queue { name: self.kind.name(), runs, jobs: self.jobs };
        let collect = || report::write(self, &self.rows()?);
        let failures = if self.report { Vec::new() } else { queue.work(collect)? };
        let rows = self.rows()?;
        report::write(self, &rows)?;
        say(report::markdown(self, &rows));
        say(format_args!("everything is in {}", self.out.display()));
        queue.outcome(&failures)
    }

    /// What there is, in the order of conditions and rates.
    fn rows(&self) -> Result<Vec<Row<'_>>, Failure> {
        let mut rows: Vec<Row<'_>> = Vec::new();
        for Cell { condition, rate, run } in &self.cells {
            let found = run.find()?;
            match rows.iter_mut().find(|row| row.condition == *condition && row.rate == *rate) {
                Some(row) => row.runs.push((run, found)),
                None => rows.push(Row { condition: *condition, rate: *rate, runs: vec![(run, found)] }),
            }
        }
        Ok(rows)
    }
}

#[cfg(test)]
mod tests {
    use super::super::run::Numbers;
    use super::*;
    use serde_json::Value;

    #[test]
    fn the_rate_of_the_least_mean_stands_for_a_condition_unless_a_run_failed_at_it() {
        let run = Run { name: String::new(), seed: 1, length: 1, path: PathBuf::new(), words: Vec::new() };
        let finished = |value: f64| Status::Finished(Numbers { value, beside: 1.0, seconds: 1.0 });
        let failed = || Status::Failed("diverged".into());
        let row = |condition: usize, rate: f64, statuses: Vec<Status>| Row {
            condition,
            rate,
            runs: statuses
                .into_iter()
                .map(|status| (&run, Found { status, recorded: Value::Null, records: Vec::new() }))
                .collect(),
        };
        let rows = [
            row(0, 1.0, vec![finished(0.5), finished(0.25)]),
            row(0, 2.0, vec![finished(0.25), finished(0.25)]),
            row(0, 3.0, vec![finished(0.125), failed()]),
            row(0, 4.0, vec![finished(f64::NAN), finished(0.0)]),
            row(1, 1.0, vec![failed()]),
        ];
        assert_eq!(best(&rows, 0).map(|row| row.rate), Some(2.0));
        assert_eq!(best(&rows, 1).map(|row| row.rate), Some(1.0));
        assert!(best(&rows, 2).is_none());
    }
}
