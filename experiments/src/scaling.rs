//! `experiments scaling`: time per step and peak memory over the number of steps, e-prop beside BPTT, as SVG.

use std::path::PathBuf;

use clap::Args;

use crate::failure::Failure;
use crate::options::{ScheduleKind, TypeKind};
use crate::plot::{Curve, Scale, log_log};
use crate::progress::say;
use crate::time::in_pool;
use crate::timing::{Case, Op, time};

/// Arguments of `scaling`.
#[derive(Clone, Debug, Args)]
pub(crate) struct ScalingArgs {
    /// Directory for scaling-time.svg and scaling-memory.svg
    #[arg(long, default_value = "docs")]
    out: PathBuf,
    /// Steps, with commas between them
    #[arg(long, value_delimiter = ',', default_value = "49,98,196,392,784,1568,3136")]
    steps: Vec<usize>,
    /// Batches, with commas between them
    #[arg(long, value_delimiter = ',', default_value = "1,32")]
    batches: Vec<usize>,
    /// Units
    #[arg(long, default_value_t = 128)]
    hidden: usize,
}

impl ScalingArgs {
    /// Measures, prints a JSON object a line, and draws.
    pub(crate) fn run(&self) -> Result<(), Failure> {
        let (mut times, mut memories) = (Vec::new(), Vec::new());
        for &batch in &self.batches {
            for (op, name) in [(Op::EpropFinal, "e-prop"), (Op::FwdbwdFinal, "BPTT")] {
                let (mut seconds, mut megabytes) = (Vec::new(), Vec::new());
                for &steps in &self.steps {
                    let case = Case { batch, steps, input: 1, hidden: self.hidden, kind: TypeKind::F32 };
                    let timing = in_pool(1, || time(case, op, ScheduleKind::default(), 1))?;
                    say(serde_json::to_string(&timing).map_err(|error| Failure::new(error.to_string()))?);
                    let cells = (steps * batch) as f64;
                    seconds.push((steps as f64, timing.median_s / cells * 1e6));
                    megabytes.push((steps as f64, timing.peak_mb));
                }
                let name = format!("{name}, batch {batch}");
                times.push(Curve::new(&name, seconds));
                memories.push(Curve::new(name, megabytes));
            }
        }
        std::fs::create_dir_all(&self.out).map_err(Failure::io("create", &self.out))?;
        let title = format!("LSTM, {} units, one input, f32, one thread", self.hidden);
        let time = Scale { title: &title, x: "steps", y: "time per step and row (us)" };
        log_log(&self.out.join("scaling-time.svg"), time, &times)?;
        let memory = Scale { title: &title, x: "steps", y: "peak memory of learner and gradient (MB)" };
        log_log(&self.out.join("scaling-memory.svg"), memory, &memories)
    }
}
