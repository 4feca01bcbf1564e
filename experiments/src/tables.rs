//! `experiments table1`, `table2`, `table3`, `figure1` to `figure4`: what Hoyer et al. 2022 compare, run and collected.
//!
//! A table is a list of conditions x delays x seeds. Each is an ordinary run of `tca`, `smnist` or `psmnist`, in a
//! directory of its own, `<out>/<condition>[-delay<D>]-seed<S>`, as if its command had been typed: it resumes after an
//! interruption, and is not run again once it has reached its length. A run that failed (diverged) is not run again
//! either, since it would fail in the same way; the table says so. [`study`] makes tables of trace conditioning the same way.

use std::num::NonZeroUsize;
use std::path::PathBuf;

mod args;
mod cell;
mod conditions;
mod protocol;
mod queue;
mod report;
mod run;
pub(crate) mod spread;
pub(crate) mod study;

use crate::failure::Failure;
use crate::progress::say;
pub(crate) use args::{MnistTableArgs, TcaTableArgs};
use cell::Cell;
use conditions::{Condition, Spec};
pub(crate) use conditions::{FIGURE1, FIGURE2, FIGURE3, FIGURE4, TABLE1, TABLE2, TABLE3};
use queue::Queue;
use run::{Found, Status};

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
        let runs = self.cells.iter().map(|cell| &cell.run).collect();
        let queue = Queue { name: self.spec.name, runs, jobs: self.jobs };
        let failures = if self.report { Vec::new() } else { queue.work(|| self.write().map(|_rows| ()))? };
        let rows = self.write()?;
        if self.spec.writes_table {
            say(report::markdown(self.spec, self.length, &self.command, &rows));
        }
        say(format_args!("everything is in {}", self.out.display()));
        queue.outcome(&failures)
    }

    /// Collects what there is, and writes it.
    fn write(&self) -> Result<Vec<Row>, Failure> {
        let mut rows: Vec<Row> = Vec::new();
        for cell in &self.cells {
            let (cell, found) = (cell.clone(), cell.run.find()?);
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
