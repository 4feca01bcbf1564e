//! `experiments trace-conditioning`: predicting the return of trace conditioning, learning at every step.
//!
//! ```text
//! at every step t: observation x_t and cumulant C_t;  TD(lambda) makes the prediction v_t and one update;  v_t is scored
//! once its return is known
//! ```
//!
//! A stream's state and traces are in no checkpoint. So they start anew from zero every `--episode` steps, in every run, and
//! checkpoints are written only there (and at the very end): a resumed run is the same to the bit. What is observed, and
//! the returns, go on through an episode's end.

use std::time::Instant;

use eligibility::{Network, Optimizer, Stream};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::checkpoint::{Checkpoint, Element, Trained};
use crate::conditioning::args::{ConditioningArgs, Options};
use crate::conditioning::build::{Size, build};
use crate::conditioning::floor::least_msre;
use crate::conditioning::returns::{Errors, Pending, Returns, last_tenth};
use crate::conditioning::td::Td;
use crate::conditioning::{Clock, Conditioning};
use crate::failure::Failure;
use crate::options::TypeKind;
use crate::plot::{Curve, Scale, linear};
use crate::progress::Terminal;
use crate::run_dir::{Identity, RunDir};
use crate::summary::{duration, table};
use crate::trainer::optimizer;

/// Steps between two looks at clock and progress.
const CHUNK: u64 = 256;

/// With weights and averages, all that a run needs to go on from the end of an episode.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct State {
    /// Steps made: t of the next one.
    step: u64,
    clock: Clock,
    pending: Pending,
    /// Since the last record.
    interval: Errors,
    seconds: f64,
}

/// Training without anything around it.
struct Training<T: Element> {
    network: Network<T>,
    stream: Box<dyn Stream<T>>,
    optimizer: Box<dyn Optimizer<T>>,
    td: Td<T>,
    conditioning: Conditioning,
    returns: Returns,
    observation: Vec<T>,
    episode: u64,
    state: State,
}

impl<T: Element> Training<T> {
    fn new(options: &Options) -> Result<Self, Failure> {
        let inputs = options.protocol.inputs();
        let (network, stream) = build(&options.predictor, inputs, options.seed)?;
        let conditioning = Conditioning::new(options.protocol, options.seed)?;
        let returns = Returns::new(options.gamma, options.horizon);
        let (clock, pending) = (conditioning.start(), returns.start());
        Ok(Self {
            optimizer: optimizer(options.optimizer, options.lr, options.rmsprop_decay, &network)?,
            td: Td::new(&network, options.gamma, options.lambda, options.clip)?,
            network,
            stream,
            conditioning,
            returns,
            observation: vec![T::ZERO; inputs],
            episode: options.episode,
            state: State { step: 0, clock, pending, interval: Errors::default(), seconds: 0.0 },
        })
    }

    fn restore(&mut self, checkpoint: &Checkpoint) -> Result<(), Failure> {
        self.state = checkpoint.restore(self)?;
        Ok(())
    }

    /// One observation, one prediction, one update.
    fn step(&mut self) -> Result<(), Failure> {
        let t = self.state.step;
        let us = self.conditioning.observe(&mut self.state.clock, &mut self.observation);
        let cumulant = if us { T::ONE } else { T::ZERO };
        let prediction = self.td.step(
            self.stream.as_mut(),
            &mut self.network,
            self.optimizer.as_mut(),
            (&self.observation, cumulant),
            t.is_multiple_of(self.episode),
        )?;
        let (prediction, cumulant) = (prediction.to_f64(), cumulant.to_f64());
        if !prediction.is_finite() {
            return Err(Failure::new(format!(
                "training diverged: the prediction at step {t} is {prediction}; try a smaller --lr, or --clip"
            )));
        }
        let State { pending, interval, .. } = &mut self.state;
        self.returns.step(pending, cumulant, prediction, interval);
        self.state.step += 1;
        Ok(())
    }

    fn advance_to(&mut self, step: u64) -> Result<(), Failure> {
        let start = Instant::now();
        while self.state.step < step {
            self.step()?;
        }
        self.state.seconds += start.elapsed().as_secs_f64();
        Ok(())
    }

    fn message(&self) -> String {
        let interval = &self.state.interval;
        format!("MSRE {:.4} (of 0: {:.4})", interval.msre(), interval.zero_msre())
    }

    fn record(&mut self) -> Value {
        let interval = std::mem::take(&mut self.state.interval);
        json!({
            "event": "progress",
            "step": self.state.step,
            "scored": interval.scored,
            "msre": interval.msre(),
            "zero_msre": interval.zero_msre(),
            "seconds": self.state.seconds,
        })
    }
}

impl<T: Element> Trained<T> for Training<T> {
    fn network(&self) -> &Network<T> {
        &self.network
    }
    fn optimizer(&self) -> &dyn Optimizer<T> {
        self.optimizer.as_ref()
    }
    fn parts_mut(&mut self) -> (&mut Network<T>, &mut dyn Optimizer<T>) {
        (&mut self.network, self.optimizer.as_mut())
    }
}

impl ConditioningArgs {
    /// Trains, records, draws.
    pub(crate) fn run(&self) -> Result<(), Failure> {
        let options = self.resolve()?;
        match options.kind {
            TypeKind::F32 => self.train::<f32>(&options),
            TypeKind::F64 => self.train::<f64>(&options),
        }
    }

    fn train<T: Element>(&self, options: &Options) -> Result<(), Failure> {
        let identity = self.identity()?;
        let terminal = &self.run.terminal;
        let mut training = Training::<T>::new(options)?;
        let (mut dir, checkpoint) = RunDir::open(&identity, &self.run)?;
        terminal.detail(format_args!(
            "trace-conditioning {}\nwriting to {}",
            identity.line(),
            dir.path().display()
        ));
        if let Some(checkpoint) = &checkpoint {
            training.restore(checkpoint)?;
            let done = training.state.step;
            check_goes_on(done, options)?;
            terminal.say(format_args!("going on after step {done} (--fresh starts over)"));
        }
        let end = self.run.stop_after.map_or(options.steps, |stop| stop.min(options.steps));
        let checkpoint_every = self.run.checkpoint_every.unwrap_or(options.episode);
        let mut progress =
            terminal.progress("trace-conditioning", "steps", training.state.step, options.steps);
        while training.state.step < end {
            let done = training.state.step;
            let next = [options.log_every, checkpoint_every, CHUNK].map(|every| (done / every + 1) * every);
            let next = next.into_iter().fold(end, u64::min);
            training.advance_to(next).or_else(|reason| dir.failed_at("step", training.state.step, reason))?;
            progress.advance(next - done, || training.message());
            if next.is_multiple_of(options.log_every) || next == options.steps {
                dir.log(&training.record())?;
            }
            if next.is_multiple_of(checkpoint_every) || next == end {
                dir.checkpoint(&training, &training.state)?;
            }
        }
        drop(progress);
        if training.state.step < options.steps {
            terminal.say(format_args!(
                "paused after step {}: the same command goes on from here",
                training.state.step
            ));
            return Ok(());
        }
        let least = least_msre(&options.protocol, options.gamma);
        let size = options.predictor.size(options.protocol.inputs())?;
        finish(&mut dir, &identity, &training.state, (least, size), terminal)
    }
}

/// The checkpoint of a finished run may lie within an episode: a longer run cannot go on from there.
fn check_goes_on(done: u64, options: &Options) -> Result<(), Failure> {
    if done < options.steps && !done.is_multiple_of(options.episode) {
        return Err(Failure::new(format!(
            "the run ended after step {done}, within an episode of {} steps, and cannot be made longer: start over with \
             --fresh, or give another --out",
            options.episode
        )));
    }
    Ok(())
}

/// The last record, the summary and the curve; `least` is the MSRE below which none can be.
fn finish(
    dir: &mut RunDir,
    identity: &Identity,
    state: &State,
    (least, size): (f64, Size),
    terminal: &Terminal,
) -> Result<(), Failure> {
    let records = dir.records()?;
    let curve = |name: &str, key: &str| {
        let points =
            records.iter().filter_map(|record| Some((record["step"].as_f64()?, record[key].as_f64()?)));
        Curve::new(name, points.collect())
    };
    let [msre, zero] = last_tenth(&records, state.step).unwrap_or([f64::NAN; 2]);
    dir.log(&json!({
        "event": "end",
        "step": state.step,
        "msre_last_tenth": msre,
        "zero_msre_last_tenth": zero,
        "least_msre": least,
        "seconds": state.seconds,
    }))?;
    let option = |key: &str| identity.options[key].as_str().unwrap_or("?");
    let title = format!(
        "trace conditioning, ISI {}, {} distractors: {} with {}",
        option("isi-range"),
        identity.options["distractors"],
        option("cell"),
        option("learner")
    );
    let scale = Scale { title: &title, x: "step", y: "mean squared return error" };
    let curves = [
        curve("MSRE", "msre"),
        curve("of the constant 0", "zero_msre"),
        Curve::new("the least there can be", vec![(0.0, least), (state.step as f64, least)]),
    ];
    linear(&dir.curve(), scale, 0.1, &curves)?;
    let rows = [
        ["MSRE over the last tenth".into(), format!("{msre:.5}")],
        ["the same of the constant 0".into(), format!("{zero:.5}")],
        ["the least that any predictor can have".into(), format!("{least:.5}")],
        ["parameters".into(), size.parameters.to_string()],
        ["those of the recurrent layer".into(), size.recurrent_parameters.to_string()],
        ["FLOPs per step, forward and learning".into(), size.flops.to_string()],
        ["steps".into(), state.step.to_string()],
        ["time per step".into(), duration(state.seconds / state.step as f64)],
        ["total time".into(), duration(state.seconds)],
    ];
    let text = format!(
        "# {title}\n\n{}\n`experiments trace-conditioning {}`\n",
        table(&["", ""], &rows.map(Vec::from)),
        identity.line()
    );
    dir.summary(&text)?;
    terminal.detail(format_args!("\n{text}\ncurve: {}", dir.curve().display()));
    Ok(())
}
