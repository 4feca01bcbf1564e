//! Runs what is missing of a table, several runs at a time.

use std::num::NonZeroUsize;
use std::sync::{Mutex, PoisonError};

use indicatif::MultiProgress;

use super::run::{Run, Status};
use crate::cli::TaskRun;
use crate::failure::Failure;
use crate::progress::{Terminal, say, warn};
use crate::time::in_pool;

/// The runs of a table.
#[derive(Debug)]
pub(super) struct Queue<'a> {
    /// The table's name.
    pub(super) name: &'a str,
    pub(super) runs: Vec<&'a Run>,
    pub(super) jobs: Option<NonZeroUsize>,
}

impl Queue<'_> {
    /// Runs what is missing, calls `collect` after each, and returns what went wrong. A directory with another run is an
    /// error before anything starts.
    pub(super) fn work(
        &self,
        collect: impl Fn() -> Result<(), Failure> + Sync,
    ) -> Result<Vec<String>, Failure> {
        let missing = self.missing()?;
        if missing.is_empty() { Ok(Vec::new()) } else { Ok(self.run(&missing, collect)) }
    }

    /// `Ok` if nothing went wrong.
    pub(super) fn outcome(&self, failures: &[String]) -> Result<(), Failure> {
        match failures.len() {
            0 => Ok(()),
            count => Err(Failure::new(format!(
                "{count} of {} runs have no result ({}); the same command tries again what can go on",
                self.runs.len(),
                failures.join("; ")
            ))),
        }
    }

    /// The runs that have not reached their length.
    fn missing(&self) -> Result<Vec<&Run>, Failure> {
        let mut missing = Vec::new();
        for &run in &self.runs {
            match run.find()?.status {
                Status::Missing | Status::Unfinished(_) => missing.push(run),
                Status::Finished(_) | Status::Failed(_) => {}
                Status::Other(what) => {
                    return Err(Failure::new(format!(
                        "{} holds {what}. Use the recorded value, or give another --out",
                        run.path.display()
                    )));
                }
            }
        }
        Ok(missing)
    }

    fn run(&self, missing: &[&Run], collect: impl Fn() -> Result<(), Failure> + Sync) -> Vec<String> {
        let cores = rayon::current_num_threads();
        let jobs = self.jobs.map_or(cores, NonZeroUsize::get).min(missing.len());
        let threads = (cores / jobs).max(1);
        say(format_args!(
            "{}: {} of {} runs to do, {jobs} at a time, threads for each: {threads}\n",
            self.name,
            missing.len(),
            self.runs.len()
        ));
        for run in missing {
            say(format_args!("experiments {}", run.words.join(" ")));
        }
        say("");
        let bars = MultiProgress::new();
        let queue = Mutex::new(missing.iter());
        let failures = Mutex::new(Vec::new());
        let work = || {
            loop {
                let next = queue.lock().unwrap_or_else(PoisonError::into_inner).next();
                let Some(run) = next else { break };
                let terminal = Terminal::shared(&run.name, &bars);
                let outcome = in_pool(threads, || TaskRun::parse(&run.words)?.run(terminal.clone()));
                // The table grows with every run; one at a time.
                let mut failures = failures.lock().unwrap_or_else(PoisonError::into_inner);
                match outcome {
                    Ok(()) => terminal.say("finished"),
                    Err(failure) => {
                        bars.suspend(|| warn(format_args!("{}: {failure}", run.name)));
                        failures.push(format!("{}: {failure}", run.name));
                    }
                }
                if let Err(failure) = collect() {
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
}
