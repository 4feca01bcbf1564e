//! `experiments smnist` and `experiments psmnist`: MNIST, one pixel per step, the digit told at the last of 784.
//!
//! Protocol (Hoyer et al. 2022; batch size, decay and pixel scale are not in the paper and are proposals): 128 units,
//! softmax over 10 digits, batch 128, `RMSProp` with decay 0.9 at 0.001 for e-prop and 0.0005 for BPTT, all 60,000
//! training images in a new order in every epoch, then the test set. Permuted: one fixed permutation of the pixels.
//!
//! The last batch of an epoch is smaller if the batch size does not divide the number of images: it is trained on, too.

use std::path::PathBuf;
use std::time::Instant;

use clap::Args;
use eligibility::{Evaluator, EvaluatorOptions, Network, Score};
use rand::seq::SliceRandom;
use serde::Serialize;

use crate::checkpoint::Element;
use crate::epochs::{State, close_epoch, finish};
use crate::failure::Failure;
use crate::mnist::{Batch, CLASSES, Dataset, PIXELS};
use crate::options::{Defaults, LearnerKind, OptimizerKind, RunArgs, Training, TrainingArgs, TypeKind};
use crate::progress::Terminal;
use crate::run_dir::{Identity, RunDir};
use crate::seeds::{Purpose, rng};
use crate::summary::percent;
use crate::trainer::{Sizes, Trainer};

const CHECKPOINT_EVERY: u64 = 100;

const DEFAULTS: Defaults = Defaults {
    hidden: 128,
    batch: 128,
    optimizer: |_| OptimizerKind::Rmsprop,
    rmsprop_rate: |learner| match learner {
        LearnerKind::Eprop | LearnerKind::Readout => 0.001,
        LearnerKind::Bptt | LearnerKind::Truncated => 0.0005,
    },
    adam_rate: 0.001,
};

/// The options of both commands.
#[derive(Clone, Debug, Args)]
pub(crate) struct MnistArgs {
    /// Directory of the four MNIST files, packed (.gz) or not
    #[arg(long, default_value = "data/mnist")]
    data: PathBuf,
    /// Passes over the training images (the paper: 350)
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..))]
    epochs: u64,
    /// Quick look: train on this many images only, chosen at random once
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..))]
    train_limit: Option<u64>,
    /// Quick look: test on the first images only
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..))]
    test_limit: Option<u64>,
    #[command(flatten)]
    training: TrainingArgs,
    #[command(flatten)]
    pub(crate) run: RunArgs,
}

/// The options of the permuted task.
#[derive(Clone, Debug, Args)]
pub(crate) struct PermutedArgs {
    /// Seed of the permutation of the pixels
    #[arg(long, default_value_t = 1)]
    permutation_seed: u64,
    #[command(flatten)]
    pub(crate) mnist: MnistArgs,
}

#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct Options<'a> {
    epochs: u64,
    train_limit: Option<u64>,
    test_limit: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    permutation_seed: Option<u64>,
    #[serde(flatten)]
    training: &'a Training,
}

/// What is trained and tested on.
struct Data {
    train: Dataset,
    test: Dataset,
    /// Images trained on.
    chosen: Vec<usize>,
    /// Images tested on.
    tested: Vec<usize>,
    permutation: Vec<usize>,
}

impl PermutedArgs {
    /// Trains, tests, records, draws.
    pub(crate) fn run(&self) -> Result<(), Failure> {
        self.mnist.run_task("psmnist", Some(self.permutation_seed))
    }

    /// What the run is, data left aside.
    pub(crate) fn identity(&self) -> Result<Identity, Failure> {
        let options = self.mnist.training.resolve(&DEFAULTS)?;
        self.mnist.identity_of("psmnist", &options, Some(self.permutation_seed))
    }
}

impl MnistArgs {
    /// Trains, tests, records, draws.
    pub(crate) fn run(&self) -> Result<(), Failure> {
        self.run_task("smnist", None)
    }

    /// What the run is, data left aside.
    pub(crate) fn identity(&self) -> Result<Identity, Failure> {
        self.identity_of("smnist", &self.training.resolve(&DEFAULTS)?, None)
    }

    fn identity_of(
        &self,
        task: &'static str,
        options: &Training,
        permutation_seed: Option<u64>,
    ) -> Result<Identity, Failure> {
        let recorded = Options {
            epochs: self.epochs,
            train_limit: self.train_limit,
            test_limit: self.test_limit,
            permutation_seed,
            training: options,
        };
        let out = PathBuf::from(format!("runs/{task}-{}-seed{}", options.learner.name(), options.seed));
        Identity::new(task, &recorded, out)
    }

    fn run_task(&self, task: &'static str, permutation_seed: Option<u64>) -> Result<(), Failure> {
        let options = self.training.resolve(&DEFAULTS)?;
        match options.kind {
            TypeKind::F32 => self.train::<f32>(task, &options, permutation_seed),
            TypeKind::F64 => self.train::<f64>(task, &options, permutation_seed),
        }
    }

    fn load(&self, seed: u64, permutation_seed: Option<u64>) -> Result<Data, Failure> {
        let (train, test) = (Dataset::load(&self.data, "train")?, Dataset::load(&self.data, "t10k")?);
        let limit = |limit: Option<u64>, count: usize| {
            limit.map_or(count, |limit| usize::try_from(limit).map_or(count, |limit| limit.min(count)))
        };
        let mut chosen: Vec<usize> = (0..train.len()).collect();
        if self.train_limit.is_some() {
            chosen.shuffle(&mut rng(seed, Purpose::Subset, 0));
            chosen.truncate(limit(self.train_limit, train.len()));
        }
        let mut permutation: Vec<usize> = (0..PIXELS).collect();
        if let Some(seed) = permutation_seed {
            permutation.shuffle(&mut rng(seed, Purpose::Permutation, 0));
        }
        let tested = (0..limit(self.test_limit, test.len())).collect();
        Ok(Data { train, test, chosen, tested, permutation })
    }

    fn train<T: Element>(
        &self,
        task: &'static str,
        options: &Training,
        permutation_seed: Option<u64>,
    ) -> Result<(), Failure> {
        let mut identity = self.identity_of(task, options, permutation_seed)?;
        let terminal = &self.run.terminal;
        let sizes = Sizes { input: 1, output: CLASSES, max_steps: PIXELS };
        let mut trainer = Trainer::<T>::new(options, sizes)?;
        let data = self.load(options.seed, permutation_seed)?;
        let line = identity.line();
        let fingerprint = data.train.fingerprint() ^ data.test.fingerprint().rotate_left(1);
        identity.options.insert("data (fingerprint)".into(), format!("{fingerprint:016x}").into());
        identity.about.insert("data".into(), self.data.display().to_string().into());
        let (mut dir, checkpoint) = RunDir::open(&identity, &self.run)?;
        terminal.detail(format_args!("{task} {line}\nwriting to {}", dir.path().display()));
        terminal.detail(format_args!(
            "{} of {} training images, {} of {} test images",
            data.chosen.len(),
            data.train.len(),
            data.tested.len(),
            data.test.len()
        ));
        let mut state = State::default();
        if let Some(checkpoint) = &checkpoint {
            state = checkpoint.restore(&mut trainer)?;
            terminal.say(format_args!(
                "going on after {} epochs and {} updates (--fresh starts over)",
                state.epoch, state.updates
            ));
        }
        let mut batch = Batch::new(data.permutation.clone());
        while state.epoch < self.epochs {
            let whole = self.train_epoch(options, &data, &mut batch, &mut trainer, &mut state, &mut dir)?;
            if !whole {
                terminal.say(format_args!(
                    "paused after update {}: the same command goes on from here",
                    state.updates
                ));
                return Ok(());
            }
            let test = evaluate(&trainer.network, options.batch, &data, &mut batch, terminal)?;
            close_epoch(&mut state, &test, &mut dir, terminal)?;
            dir.checkpoint(&trainer, &state)?;
        }
        finish(&mut dir, &identity, &line, &state, terminal)
    }

    /// Trains on what is left of an epoch; false if paused within it.
    fn train_epoch<T: Element>(
        &self,
        options: &Training,
        data: &Data,
        batch: &mut Batch<T>,
        trainer: &mut Trainer<T>,
        state: &mut State,
        dir: &mut RunDir,
    ) -> Result<bool, Failure> {
        let mut order = data.chosen.clone();
        order.shuffle(&mut rng(options.seed, Purpose::Order, state.epoch));
        let label = format!("epoch {}/{}", state.epoch + 1, self.epochs);
        let mut progress =
            self.run.terminal.progress(&label, "sequences", state.images as u64, order.len() as u64);
        let every = self.run.checkpoint_every.unwrap_or(CHECKPOINT_EVERY);
        for indices in order.chunks(options.batch).skip(state.batch) {
            if self.run.stop_after.is_some_and(|stop| state.updates >= stop) {
                dir.checkpoint(trainer, state)?;
                return Ok(false);
            }
            let start = Instant::now();
            batch.assemble(&data.train, indices);
            let score =
                trainer.update(&batch.sequences()?).or_else(|failure| dir.failed(state.updates, failure))?;
            state.seconds += start.elapsed().as_secs_f64();
            state.batch += 1;
            state.updates += 1;
            state.loss += score.loss;
            state.images += score.targets;
            state.correct += score.correct;
            state.learner_bytes = state.learner_bytes.max(trainer.learner_bytes());
            progress.advance(indices.len() as u64, || {
                let (loss, images) = (state.loss, state.images as f64);
                format!("loss {:.4}, error {}", loss / images, percent(1.0 - state.correct as f64 / images))
            });
            if state.updates.is_multiple_of(every) {
                dir.checkpoint(trainer, state)?;
            }
        }
        Ok(true)
    }
}

/// Scores the test images.
fn evaluate<T: Element>(
    network: &Network<T>,
    rows: usize,
    data: &Data,
    batch: &mut Batch<T>,
    terminal: &Terminal,
) -> Result<Score, Failure> {
    let mut progress = terminal.progress("test", "sequences", 0, data.tested.len() as u64);
    let mut total = Score::default();
    let mut evaluator = Evaluator::new(network, rows, EvaluatorOptions::default())?;
    for indices in data.tested.chunks(rows) {
        batch.assemble(&data.test, indices);
        total.add(&evaluator.score(network, &batch.sequences()?)?);
        progress.advance(indices.len() as u64, || format!("loss {:.4}", total.mean_loss()));
    }
    Ok(total)
}
