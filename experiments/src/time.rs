//! `experiments time`: cases timed as a user would run them, one JSON object a line.

use clap::Args;

use crate::failure::Failure;
use crate::options::ScheduleKind;
use crate::timing::{Case, Op, time};

/// Arguments of `time`.
#[derive(Clone, Debug, Args)]
pub(crate) struct TimeArgs {
    /// Cases, named b<batch>_t<steps>_i<input>_h<hidden>_<f32|f64>
    #[arg(required = true, value_name = "CASE")]
    cases: Vec<Case>,
    /// Operations, with commas between them [default: all; online only for batch 1]
    #[arg(long, value_enum, value_delimiter = ',')]
    ops: Vec<Op>,
    /// How e-prop's sum over time is evaluated: streaming, blocked:K or whole
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
        let all = [Op::Fwd, Op::FwdbwdFinal, Op::FwdbwdAll, Op::EpropFinal, Op::EpropAll, Op::Online];
        for &case in &self.cases {
            let asked = if self.ops.is_empty() { &all[..] } else { &self.ops };
            let skips = |op: &&Op| !(self.ops.is_empty() && **op == Op::Online && case.batch > 1);
            for &op in asked.iter().filter(skips) {
                let timing = in_pool(self.threads.into(), || time(case, op, self.schedule, self.seed))?;
                println!(
                    "{}",
                    serde_json::to_string(&timing).map_err(|error| Failure::new(error.to_string()))?
                );
            }
        }
        Ok(())
    }
}

/// Runs `body` in a pool of so many threads.
pub(crate) fn in_pool<R: Send>(
    threads: usize,
    body: impl FnOnce() -> Result<R, Failure> + Send,
) -> Result<R, Failure> {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
    pool.map_err(|error| Failure::new(format!("cannot start {threads} threads: {error}")))?.install(body)
}
