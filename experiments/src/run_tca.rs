//! `experiments tca`: training on the temporal credit assignment task, a fresh batch for every update.
//!
//! ```text
//! (1) m_n = 0.999 m_{n-1} + 0.001 error_n       m_0 = 0
//! (2) running error = m_n / (1 - 0.999^n)       unbiased from the first update on
//! ```
//!
//! Also reported: the plain mean over the last 1,000 updates.

use std::collections::VecDeque;
use std::path::PathBuf;
use std::time::Instant;

use clap::Args;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::checkpoint::{Checkpoint, Element};
use crate::failure::Failure;
use crate::options::{Defaults, LearnerKind, OptimizerKind, RunArgs, Training, TrainingArgs, TypeKind};
use crate::plot::{Curve, learning_curve};
use crate::progress::Terminal;
use crate::run_dir::{Identity, RunDir};
use crate::seeds::{Purpose, rng};
use crate::summary::{bytes, duration, percent, table};
use crate::tca::{Batch, CHANNELS, CLASSES, Delay};
use crate::trainer::{Sizes, Trainer};

/// Of the running error (1).
const DECAY: f64 = 0.999;
/// Updates in the plain mean.
const RECENT: usize = 1000;
const CHECKPOINT_EVERY: u64 = 1000;

/// The paper's 32 units and batch of 64; e-prop with `RMSProp` at 0.01, BPTT with Adam, whose rate is not in the paper:
/// at delay 20, 0.003 did better than 0.001, and 0.01 did not learn.
const DEFAULTS: Defaults = Defaults {
    hidden: 32,
    batch: 64,
    optimizer: |learner| match learner {
        LearnerKind::Eprop | LearnerKind::Readout => OptimizerKind::Rmsprop,
        LearnerKind::Bptt | LearnerKind::Truncated => OptimizerKind::Adam,
    },
    rmsprop_rate: |learner| match learner {
        LearnerKind::Eprop | LearnerKind::Readout => 0.01,
        LearnerKind::Bptt | LearnerKind::Truncated => 0.001,
    },
    adam_rate: 0.003,
};

/// The command's options.
#[derive(Clone, Debug, Args)]
pub(crate) struct TcaArgs {
    /// Steps from the last possible cue to the answer: a number, or `random` (uniform in 10 to 20)
    #[arg(long, default_value = "20")]
    pub(crate) delay: Delay,
    /// Updates
    #[arg(long, default_value_t = 50_000, value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) updates: u64,
    /// Updates per record in the log
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) log_every: u64,
    #[command(flatten)]
    pub(crate) training: TrainingArgs,
    #[command(flatten)]
    pub(crate) run: RunArgs,
}

#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct Options<'a> {
    delay: Delay,
    updates: u64,
    log_every: u64,
    #[serde(flatten)]
    training: &'a Training,
}

/// Sums over the updates since the last record.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
struct Interval {
    updates: u64,
    loss: f64,
    error: f64,
}

/// Counters and means: with weights and averages, all that a run needs to go on.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct State {
    pub(crate) update: u64,
    biased_error: f64,
    recent: VecDeque<f64>,
    interval: Interval,
    pub(crate) seconds: f64,
    data_seconds: f64,
    pub(crate) learner_bytes: usize,
}

impl State {
    /// (2)
    pub(crate) fn running_error(&self) -> f64 {
        self.biased_error / (1.0 - DECAY.powf(self.update as f64))
    }
    /// Mean over the last `count` updates, at most 1,000.
    pub(crate) fn recent_error(&self, count: usize) -> f64 {
        let count = count.min(self.recent.len());
        self.recent.iter().rev().take(count).sum::<f64>() / count as f64
    }
    /// Wall-clock seconds of one update without the making of its data.
    pub(crate) fn seconds_per_update(&self) -> f64 {
        (self.seconds - self.data_seconds) / self.update as f64
    }
    fn count(&mut self, loss: f64, error: f64) {
        self.update += 1;
        self.biased_error = DECAY * self.biased_error + (1.0 - DECAY) * error;
        self.recent.push_back(error);
        if self.recent.len() > RECENT {
            self.recent.pop_front();
        }
        self.interval.updates += 1;
        self.interval.loss += loss;
        self.interval.error += error;
    }
}

/// Training without anything around it.
pub(crate) struct TcaTraining<T: Element> {
    pub(crate) trainer: Trainer<T>,
    pub(crate) state: State,
    batch: Batch<T>,
    seed: u64,
}

impl<T: Element> TcaTraining<T> {
    pub(crate) fn new(delay: Delay, options: &Training) -> Result<Self, Failure> {
        let sizes = Sizes { input: CHANNELS, output: CLASSES, max_steps: delay.max_steps() };
        Ok(Self {
            trainer: Trainer::new(options, sizes)?,
            state: State::default(),
            batch: Batch::new(delay, options.batch),
            seed: options.seed,
        })
    }

    fn restore(&mut self, checkpoint: &Checkpoint) -> Result<(), Failure> {
        self.state = checkpoint.restore(&mut self.trainer)?;
        Ok(())
    }

    /// One update on a fresh batch, which depends on seed and update only.
    pub(crate) fn step(&mut self) -> Result<(), Failure> {
        let start = Instant::now();
        self.batch.generate(&mut rng(self.seed, Purpose::Data, self.state.update));
        let generated = start.elapsed();
        let score = self.trainer.update(&self.batch.sequences()?)?;
        self.state.count(score.mean_loss(), score.error_rate());
        self.state.seconds += start.elapsed().as_secs_f64();
        self.state.data_seconds += generated.as_secs_f64();
        self.state.learner_bytes = self.state.learner_bytes.max(self.trainer.learner_bytes());
        Ok(())
    }

    /// What a progress bar says.
    pub(crate) fn message(&self) -> String {
        let Interval { updates, loss, .. } = self.state.interval;
        format!("loss {:.3}, error {:.1} %", loss / updates as f64, 100.0 * self.state.recent_error(100))
    }

    /// Mean loss and error since the last call.
    pub(crate) fn close_interval(&mut self) -> [f64; 2] {
        let Interval { updates, loss, error } = std::mem::take(&mut self.state.interval);
        [loss, error].map(|sum| sum / updates as f64)
    }

    fn record(&mut self) -> Value {
        let [loss, error] = self.close_interval();
        json!({
            "event": "progress",
            "update": self.state.update,
            "loss": loss,
            "error": error,
            "running_error": self.state.running_error(),
            "error_last_1000": self.state.recent_error(RECENT),
            "seconds": self.state.seconds,
        })
    }
}

impl TcaArgs {
    /// The options of training, complete.
    pub(crate) fn resolve(&self) -> Result<Training, Failure> {
        self.training.resolve(&DEFAULTS)
    }

    /// Trains, records, draws.
    pub(crate) fn run(&self) -> Result<(), Failure> {
        let options = self.resolve()?;
        match options.kind {
            TypeKind::F32 => self.train::<f32>(&options),
            TypeKind::F64 => self.train::<f64>(&options),
        }
    }

    /// What the run is.
    pub(crate) fn identity(&self) -> Result<Identity, Failure> {
        let options = self.resolve()?;
        let out = PathBuf::from(format!("runs/tca-{}-seed{}", options.learner.name(), options.seed));
        let (delay, updates, log_every) = (self.delay, self.updates, self.log_every);
        Identity::new("tca", &Options { delay, updates, log_every, training: &options }, out)
    }

    fn train<T: Element>(&self, options: &Training) -> Result<(), Failure> {
        let identity = self.identity()?;
        let terminal = &self.run.terminal;
        let mut training = TcaTraining::<T>::new(self.delay, options)?;
        let (mut dir, checkpoint) = RunDir::open(&identity, &self.run)?;
        terminal.detail(format_args!("tca {}\nwriting to {}", identity.line(), dir.path().display()));
        if let Some(checkpoint) = &checkpoint {
            training.restore(checkpoint)?;
            terminal
                .say(format_args!("going on after update {} (--fresh starts over)", training.state.update));
        }
        let end = self.run.stop_after.map_or(self.updates, |stop| stop.min(self.updates));
        let checkpoint_every = self.run.checkpoint_every.unwrap_or(CHECKPOINT_EVERY);
        let mut progress = terminal.progress("tca", "updates", training.state.update, self.updates);
        while training.state.update < end {
            training.step().or_else(|failure| dir.failed(training.state.update, failure))?;
            progress.advance(1, || training.message());
            let update = training.state.update;
            if update.is_multiple_of(self.log_every) || update == self.updates {
                dir.log(&training.record())?;
            }
            if update.is_multiple_of(checkpoint_every) || update == end {
                dir.checkpoint(&training.trainer, &training.state)?;
            }
        }
        drop(progress);
        if training.state.update < self.updates {
            terminal.say(format_args!(
                "paused after update {}: the same command goes on from here",
                training.state.update
            ));
            return Ok(());
        }
        finish(&mut dir, &identity, &training.state, terminal)
    }
}

/// The last record, the summary and the curve.
fn finish(dir: &mut RunDir, identity: &Identity, state: &State, terminal: &Terminal) -> Result<(), Failure> {
    let records = dir.records()?;
    let curve = |name: &str, key: &str| {
        let points =
            records.iter().filter_map(|record| Some((record["update"].as_f64()?, record[key].as_f64()?)));
        Curve::new(name, points.collect())
    };
    let curves = [curve("training error", "error"), curve("running mean", "running_error")];
    let (running, recent) = (state.running_error(), state.recent_error(RECENT));
    // The allocator counts for the whole process: of several runs at a time, nobody knows whose memory it is.
    let learner_bytes = terminal.is_alone().then_some(state.learner_bytes);
    dir.log(&json!({
        "event": "end",
        "update": state.update,
        "running_error": running,
        "error_last_1000": recent,
        "seconds": state.seconds,
        "data_seconds": state.data_seconds,
        "learner_bytes": learner_bytes,
    }))?;
    let learner = identity.options["learner"].as_str().unwrap_or("?");
    let title = format!("tca, delay {}: {learner}", identity.options["delay"].as_str().unwrap_or("?"));
    learning_curve(&dir.curve(), &title, "update", &curves)?;
    let rows = [
        ["running error (decay 0.999)".into(), percent(running)],
        ["error, mean of the last 1,000 updates".into(), percent(recent)],
        ["updates".into(), state.update.to_string()],
        ["time per update".into(), duration(state.seconds_per_update())],
        ["making of data, of all time".into(), percent(state.data_seconds / state.seconds)],
        ["total time".into(), duration(state.seconds)],
        ["learner's memory at its peak".into(), learner_bytes.map_or("not known".into(), bytes)],
    ];
    let text = format!(
        "# {title}\n\n{}\n`experiments tca {}`\n",
        table(&["", ""], &rows.map(Vec::from)),
        identity.line()
    );
    dir.summary(&text)?;
    terminal.detail(format_args!("\n{text}\ncurve: {}", dir.curve().display()));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_running_error_of_a_constant_is_that_constant_from_the_start() {
        let mut state = State::default();
        for _ in 0..1500 {
            state.count(1.0, 0.25);
            assert!((state.running_error() - 0.25).abs() < 1e-12);
            assert_eq!(state.recent_error(RECENT), 0.25);
        }
        assert_eq!(state.recent.len(), RECENT);
    }
}
