//! `experiments time`: cases timed as a user would run them, one JSON object a line.

use std::str::FromStr;
use std::sync::{Mutex, PoisonError};
use std::thread;

use clap::Args;

use crate::failure::Failure;
use crate::options::ScheduleKind;
use crate::progress::{say, warn};
use crate::timing::{self, Case, Op, Timing, time};
use crate::timing_rtu::{self, RtuCase};

/// What can be timed.
#[derive(Clone, Copy, Debug)]
enum Subject {
    Lstm(Case),
    Rtu(RtuCase),
}

impl FromStr for Subject {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        if text.starts_with("rtu") { text.parse().map(Self::Rtu) } else { text.parse().map(Self::Lstm) }
    }
}

impl Subject {
    /// What is timed unless something else is asked for.
    fn usual(self) -> &'static [Op] {
        match self {
            Self::Lstm(case) if case.batch > 1 => {
                &[Op::Fwd, Op::FwdbwdFinal, Op::FwdbwdAll, Op::EpropFinal, Op::EpropAll]
            }
            Self::Lstm(_) => {
                &[Op::Fwd, Op::FwdbwdFinal, Op::FwdbwdAll, Op::EpropFinal, Op::EpropAll, Op::Online]
            }
            Self::Rtu(_) => &[Op::Step, Op::ScanStep],
        }
    }
    fn time(self, op: Op, schedule: ScheduleKind, seed: u64) -> Result<Timing, Failure> {
        match self {
            Self::Lstm(case) => time(case, op, schedule, seed),
            Self::Rtu(case) => timing_rtu::time(case, op, schedule, seed),
        }
    }
}

/// Arguments of `time`.
#[derive(Clone, Debug, Args)]
pub(crate) struct TimeArgs {
    /// Cases: LSTMs, named b<batch>_t<steps>_i<input>_h<hidden>_<f32|f64>, and recurrent trace units, named
    /// rtu_<linear|nonlinear>_b<batch>_d<input>_n<units>_<f32|f64>, whose times are those of one step
    #[arg(required = true, value_name = "CASE")]
    cases: Vec<Subject>,
    /// Operations, with commas between them [default: all of the case's; online only for batch 1]
    #[arg(long, value_enum, value_delimiter = ',')]
    ops: Vec<Op>,
    /// How the sum over time of e-prop and RTRL is evaluated: streaming, blocked:K or whole
    #[arg(long, default_value_t)]
    schedule: ScheduleKind,
    /// Threads
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=1024))]
    threads: u16,
    /// Seed of weights and data
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

impl TimeArgs {
    /// Times all cases in order.
    pub(crate) fn run(&self) -> Result<(), Failure> {
        let (threads, cpus) = (usize::from(self.threads), timing::cpus());
        if threads > cpus {
            let note =
                format!("note: {threads} threads share the {cpus} processor(s) that this process may use");
            warn(note);
        }
        for &case in &self.cases {
            let asked = if self.ops.is_empty() { case.usual() } else { &self.ops };
            for &op in asked {
                let timing = in_pool(threads, || case.time(op, self.schedule, self.seed))?;
                say(serde_json::to_string(&timing).map_err(|error| Failure::new(error.to_string()))?);
            }
        }
        Ok(())
    }
}

/// Runs `body` in a pool of so many threads, which have ended when it returns: a thread frees its workspace of matrix products
/// at its very end, and who measures memory next would find less than there was.
pub(crate) fn in_pool<R: Send>(
    threads: usize,
    body: impl FnOnce() -> Result<R, Failure> + Send,
) -> Result<R, Failure> {
    let started = Mutex::new(Vec::new());
    let spawn = |thread: rayon::ThreadBuilder| {
        let handle = thread::Builder::new().spawn(|| thread.run())?;
        started.lock().unwrap_or_else(PoisonError::into_inner).push(handle);
        Ok(())
    };
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).spawn_handler(spawn).build();
    let result = pool
        .map_err(|error| Failure::new(format!("cannot start {threads} threads: {error}")))
        .and_then(|pool| pool.install(body));
    for handle in started.into_inner().unwrap_or_else(PoisonError::into_inner) {
        // A thread of a pool hands the panics of its work to whoever installed it.
        drop(handle.join());
    }
    result
}
