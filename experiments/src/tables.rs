//! `experiments table1`, `table2`, `table3`, `figure1` to `figure4`: what Hoyer et al. 2022 compare, run and collected.
//!
//! A table is a list of conditions x delays x seeds. Each is an ordinary run of `tca`, `smnist` or `psmnist`, in a
//! directory of its own, `<out>/<condition>[-delay<D>]-seed<S>`, as if its command had been typed: it resumes after an
//! interruption, and is not run again once it has reached its length. A run that failed (diverged) is not run again
//! either, since it would fail in the same way; the table says so.

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use indicatif::MultiProgress;

mod args;
mod cell;
mod conditions;
mod protocol;
mod report;
mod spread;

use crate::cli::TaskRun;
use crate::failure::Failure;
use crate::progress::{Terminal, say, warn};
use crate::time::in_pool;
pub(crate) use args::{MnistTableArgs, TcaTableArgs};
use cell::{Cell, Found, Status};
use conditions::{Condition, Spec};
pub(crate) use conditions::{FIGURE1, FIGURE2, FIGURE3, FIGURE4, TABLE1, TABLE2, TABLE3};

/// What was asked for, complete.
#[derive(Debug)]
struct Plan {
    spec: &'static Spec,
    length: u64,
    out: PathBuf,
    cells: Vec<Cell>,
    /// Repeats it.
    command: String,
    jobs: Option<NonZeroUsize>,
    report: bool,
}

/// The runs of one condition in one column.
#[derive(Debug)]
struct Row {
    condition: &'static Condition,
    column: String,
    runs: Vec<(Cell, Found)>,
}

impl Row {
    /// The table's values, and those beside them.
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
}

impl Plan {
    /// Runs what is missing, and writes the table.
    fn run(&self) -> Result<(), Failure> {
        let mut failures = Vec::new();
        if !self.report {
            let missing = self.missing()?;
            if !missing.is_empty() {
                failures = self.run_cells(&missing);
            }
        }
        let rows = self.write()?;
        if self.spec.writes_table {
            say(report::markdown(self.spec, self.length, &self.command, &rows));
        }
        say(format_args!("everything is in {}", self.out.display()));
        match failures.len() {
            0 => Ok(()),
            count => Err(Failure::new(format!(
                "{count} of {} runs have no result ({}); the same command tries again what can go on",
                self.cells.len(),
                failures.join("; ")
            ))),
        }
    }

    /// The runs that have not reached their length. A directory with another run is an error before anything starts.
    fn missing(&self) -> Result<Vec<&Cell>, Failure> {
        let mut missing = Vec::new();
        for cell in &self.cells {
            match cell.find()?.status {
                Status::Missing | Status::Unfinished(_) => missing.push(cell),
                Status::Finished(_) | Status::Failed(_) => {}
                Status::Other(what) => {
                    return Err(Failure::new(format!(
                        "{} holds {what}. Use the recorded value, or give another --out",
                        cell.path.display()
                    )));
                }
            }
        }
        Ok(missing)
    }

    /// Runs them, several at a time, and returns what went wrong.
    fn run_cells(&self, missing: &[&Cell]) -> Vec<String> {
        let cores = rayon::current_num_threads();
        let jobs = self.jobs.map_or(cores, NonZeroUsize::get).min(missing.len());
        let threads = (cores / jobs).max(1);
        say(format_args!(
            "{}: {} of {} runs to do, {jobs} at a time, threads for each: {threads}\n",
            self.spec.name,
            missing.len(),
            self.cells.len()
        ));
        for cell in missing {
            say(format_args!("experiments {}", cell.words.join(" ")));
        }
        say("");
        let bars = MultiProgress::new();
        let queue = Mutex::new(missing.iter());
        let failures = Mutex::new(Vec::new());
        let work = || {
            loop {
                let next = queue.lock().unwrap_or_else(PoisonError::into_inner).next();
                let Some(cell) = next else { break };
                let terminal = Terminal::shared(cell.name(), &bars);
                let outcome = in_pool(threads, || TaskRun::parse(&cell.words)?.run(terminal.clone()));
                // The table grows with every run; one at a time.
                let mut failures = failures.lock().unwrap_or_else(PoisonError::into_inner);
                match outcome {
                    Ok(()) => terminal.say("finished"),
                    Err(failure) => {
                        bars.suspend(|| warn(format_args!("{}: {failure}", cell.name())));
                        failures.push(format!("{}: {failure}", cell.name()));
                    }
                }
                if let Err(failure) = self.write() {
                    failures.push(failure.to_string());
                }
            }
        };
        std::thread::scope(|scope| {
            for _ in 0..jobs {
                scope.spawn(work);
            }
        });
        failures.into_inner().unwrap_or_else(PoisonError::into_inner)
    }

    /// Collects what there is, and writes it.
    fn write(&self) -> Result<Vec<Row>, Failure> {
        let mut rows: Vec<Row> = Vec::new();
        for cell in &self.cells {
            let (cell, found) = (cell.clone(), cell.find()?);
            let column = cell.column();
            match rows
                .iter_mut()
                .find(|row| row.condition.name == cell.condition.name && row.column == column)
            {
                Some(row) => row.runs.push((cell, found)),
                None => rows.push(Row { condition: cell.condition, column, runs: vec![(cell, found)] }),
            }
        }
        report::write(self.spec, self.length, &self.command, &self.out, &rows)?;
        Ok(rows)
    }
}
