//! Options of `experiments trace-conditioning`: as typed, and as they hold once defaults are filled in.

use std::path::PathBuf;

use clap::Args;
use serde::Serialize;

use super::cells::{Predictor, PredictorArgs};
use super::returns::default_horizon;
use super::{LONGEST, MOST_DISTRACTORS, Protocol, Span};
use crate::failure::Failure;
use crate::options::{OptimizerKind, RunArgs, TypeKind};
use crate::run_dir::Identity;

/// Between CS and US, unless told otherwise.
const ISI: u64 = 20;

fn interval() -> clap::builder::RangedU64ValueParser {
    clap::value_parser!(u64).range(1..=LONGEST)
}

fn positive() -> clap::builder::RangedU64ValueParser {
    clap::value_parser!(u64).range(1..)
}

/// A longer horizon is taken for a typing error: every step's return is summed over it.
fn horizon(text: &str) -> Result<usize, String> {
    const LONGEST: usize = 1_000_000;
    match text.parse() {
        Ok(horizon) if (1..=LONGEST).contains(&horizon) => Ok(horizon),
        _ => Err(format!("expected a number of steps from 1 to {LONGEST}")),
    }
}

fn distractors(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(count) if count <= MOST_DISTRACTORS => Ok(count),
        _ => Err(format!("expected a number of distractors from 0 to {MOST_DISTRACTORS}")),
    }
}

/// The command's options.
#[derive(Clone, Debug, Args)]
pub(crate) struct ConditioningArgs {
    /// Steps from the onset of the CS to that of the US, in the middle [default: 20, or the middle of --isi-range]
    #[arg(long, value_parser = interval())]
    isi: Option<u64>,
    /// Shortest and longest of them [default: ISI - floor(ISI / 3) to ISI + floor(ISI / 3)]
    #[arg(long)]
    isi_range: Option<Span>,
    /// Shortest and longest interval from the onset of the US to that of the next CS
    #[arg(long, default_value = "80-120")]
    iti: Span,
    /// Steps that the CS stays on
    #[arg(long, default_value_t = 4, value_parser = interval())]
    cs_length: u64,
    /// Steps that the US stays on
    #[arg(long, default_value_t = 2, value_parser = interval())]
    us_length: u64,
    /// Distractors: number i switches on with probability 1 / (10 i), for 4 steps
    #[arg(long, default_value_t = 10, value_parser = distractors)]
    distractors: usize,
    /// Discount of the return, from 0 to below 1 [default: 1 - 1 / ISI]
    #[arg(long, allow_negative_numbers = true)]
    gamma: Option<f64>,
    /// Decay of TD's trace, from 0 to 1
    #[arg(long, default_value_t = 0.9, allow_negative_numbers = true)]
    lambda: f64,
    /// Steps after which a return counts as known [default: until gamma^horizon < 1e-6, at least 100]
    #[arg(long, value_parser = horizon)]
    horizon: Option<usize>,
    /// Steps, an update at each
    #[arg(long, default_value_t = 2_000_000, value_parser = positive())]
    pub(crate) steps: u64,
    /// Steps of an episode: then state and traces start anew from zero, so that a run can go on from there
    #[arg(long, default_value_t = 200_000, value_parser = positive())]
    episode: u64,
    /// Steps per record in the log; a tenth of --steps, or a fraction of that, makes the error over the last tenth exact
    #[arg(long, default_value_t = 10_000, value_parser = positive())]
    log_every: u64,
    #[command(flatten)]
    predictor: PredictorArgs,
    /// Optimiser
    #[arg(long, value_enum, default_value = "adam")]
    optimizer: OptimizerKind,
    /// Learning rate
    #[arg(long, default_value_t = 0.001, allow_negative_numbers = true)]
    lr: f64,
    /// Decay of rmsprop's running mean square [default: 0.9]
    #[arg(long, allow_negative_numbers = true)]
    rmsprop_decay: Option<f64>,
    /// Largest global norm of a step's gradient [default: no clipping]
    #[arg(long, allow_negative_numbers = true)]
    clip: Option<f64>,
    /// Seed of weights and stream
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Floating-point type
    #[arg(long = "type", value_enum, default_value = "f32")]
    kind: TypeKind,
    #[command(flatten)]
    pub(crate) run: RunArgs,
}

/// Options, complete. Serialised, they are what a resumed run must have in common with its beginning.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct Options {
    pub(crate) isi: u64,
    #[serde(flatten)]
    pub(crate) protocol: Protocol,
    pub(crate) gamma: f64,
    pub(crate) lambda: f64,
    pub(crate) horizon: usize,
    pub(crate) steps: u64,
    pub(crate) episode: u64,
    pub(crate) log_every: u64,
    #[serde(flatten)]
    pub(crate) predictor: Predictor,
    pub(crate) optimizer: OptimizerKind,
    pub(crate) lr: f64,
    pub(crate) rmsprop_decay: Option<f64>,
    pub(crate) clip: Option<f64>,
    pub(crate) seed: u64,
    #[serde(rename = "type")]
    pub(crate) kind: TypeKind,
}

impl ConditioningArgs {
    /// Fills in the defaults.
    pub(crate) fn resolve(&self) -> Result<Options, Failure> {
        let middle = self.isi_range.map_or(ISI, |range| range.first.midpoint(range.last));
        let isi = self.isi.unwrap_or(middle);
        let gamma = self.gamma.unwrap_or(1.0 - 1.0 / isi as f64);
        if !(0.0..1.0).contains(&gamma) {
            return Err(Failure::new(format!("--gamma should be at least 0 and below 1, but is {gamma}")));
        }
        if !(0.0..=1.0).contains(&self.lambda) {
            return Err(Failure::new(format!("--lambda should be from 0 to 1, but is {}", self.lambda)));
        }
        let rmsprop = self.optimizer == OptimizerKind::Rmsprop;
        if self.rmsprop_decay.is_some() && !rmsprop {
            return Err(Failure::new(
                "--rmsprop-decay is an option of --optimizer rmsprop: give both or none",
            ));
        }
        self.check_pauses()?;
        let protocol = Protocol {
            isi_range: self.isi_range.unwrap_or_else(|| Span::around(isi)),
            iti: self.iti,
            cs_length: self.cs_length,
            us_length: self.us_length,
            distractors: self.distractors,
        };
        protocol.check()?;
        Ok(Options {
            isi,
            protocol,
            gamma,
            lambda: self.lambda,
            horizon: self.horizon.unwrap_or_else(|| default_horizon(gamma)),
            steps: self.steps,
            episode: self.episode,
            log_every: self.log_every,
            predictor: self.predictor.resolve()?,
            optimizer: self.optimizer,
            lr: self.lr,
            rmsprop_decay: rmsprop.then_some(self.rmsprop_decay.unwrap_or(0.9)),
            clip: self.clip,
            seed: self.seed,
            kind: self.kind,
        })
    }

    /// A run can go on only from the end of an episode.
    fn check_pauses(&self) -> Result<(), Failure> {
        let pauses = [
            ("checkpoint-every", self.run.checkpoint_every),
            ("stop-after", self.run.stop_after.filter(|&stop| stop < self.steps)),
        ];
        for (option, steps) in pauses {
            if let Some(steps) = steps.filter(|steps| !steps.is_multiple_of(self.episode)) {
                return Err(Failure::new(format!(
                    "--{option} {steps} should be a multiple of --episode {}: a run goes on from the end of an episode",
                    self.episode
                )));
            }
        }
        Ok(())
    }

    /// What the run is.
    pub(crate) fn identity(&self) -> Result<Identity, Failure> {
        let options = self.resolve()?;
        let name = options.predictor.name();
        let out = PathBuf::from(format!("runs/trace-conditioning-{name}-seed{}", options.seed));
        let mut identity = Identity::new("trace-conditioning", &options, out)?;
        let size = options.predictor.size(options.protocol.inputs())?;
        identity.about.insert("parameters".into(), size.parameters.into());
        identity.about.insert("recurrent-parameters".into(), size.recurrent_parameters.into());
        identity.about.insert("flops-per-step".into(), size.flops.into());
        Ok(identity)
    }
}
