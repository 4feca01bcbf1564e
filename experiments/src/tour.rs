//! The tour: e-prop and BPTT on the same task from the same weights and data, seen learning in the terminal.
//!
//! Temporal credit assignment with delay 20, 35 steps (`crate::tca`). Both lines of options are printed;
//! nothing is written to disk.

use clap::{Args, Parser};

use crate::failure::Failure;
use crate::options::{LearnerKind, Training};
use crate::progress::{Progress, say};
use crate::run_dir::Identity;
use crate::run_tca::{TcaArgs, TcaTraining};
use crate::summary::{bytes, duration, percent, table};
use crate::text_plot::plot;

/// Updates per point of the plot are a 72nd of all, the plot's width.
const POINTS: u64 = 72;

/// The tour's options.
#[derive(Clone, Debug, Args)]
pub(crate) struct TourArgs {
    /// Tour: updates of each learner
    #[arg(long, default_value_t = 6000, value_parser = clap::value_parser!(u64).range(100..))]
    updates: u64,
    /// Tour: seed of weights and data
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

/// One learner's way through the task.
struct Leg {
    curve: Vec<(f64, f64)>,
    error: f64,
    seconds_per_update: f64,
    learner_bytes: usize,
}

/// Parses options like those of `experiments tca`, so that the tour trains what that command would.
#[derive(Parser)]
struct Tca {
    #[command(flatten)]
    args: TcaArgs,
}

impl TourArgs {
    /// Trains both learners and compares them.
    pub(crate) fn run(&self) -> Result<(), Failure> {
        say(
            "An LSTM sees up to 15 cues, waits 20 steps and must tell which side won more of them. It is trained twice,\n\
             from the same weights on the same data: with e-prop (traces carried forward, memory independent of the\n\
             number of steps) and with backpropagation through time (BPTT). This takes a minute or two.\n",
        );
        let eprop = self.leg(LearnerKind::Eprop)?;
        let bptt = self.leg(LearnerKind::Bptt)?;
        say("\nTraining error: e = e-prop, b = BPTT, * = both; 50 % is guessing\n");
        let curves = [('e', &eprop.curve[..]), ('b', &bptt.curve[..])];
        say(plot(&curves, "updates", self.updates as f64, 0.6));
        let row = |name: &str, value: fn(&Leg) -> String| vec![name.to_owned(), value(&eprop), value(&bptt)];
        let rows = [
            row("error, last 500 updates", |leg| percent(leg.error)),
            row("time per update", |leg| duration(leg.seconds_per_update)),
            row("learner's memory at its peak", |leg| bytes(leg.learner_bytes)),
        ];
        say(table(&["", "e-prop", "BPTT"], &rows));
        say(
            "Memory is what the learner itself holds, without the workspace that matrix products keep per thread for\n\
             either. BPTT's grows with the number of steps, e-prop's does not: try `experiments tca --delay 200` with\n\
             `--learner eprop` and `--learner bptt`. On real digits: `experiments smnist --data DIR`. All commands:\n\
             `experiments --help`.",
        );
        Ok(())
    }

    fn leg(&self, learner: LearnerKind) -> Result<Leg, Failure> {
        let (updates, seed) = (self.updates.to_string(), self.seed.to_string());
        let words =
            ["tca", "--delay", "20", "--updates", &updates, "--seed", &seed, "--learner", learner.name()];
        let args = Tca::try_parse_from(words).map_err(|error| Failure::new(error.to_string()))?.args;
        let options: Training = args.resolve()?;
        say(format_args!(
            "tca --delay 20 --updates {updates} {}",
            Identity::new("tca", &options, "".into())?.line()
        ));
        let mut training = TcaTraining::<f32>::new(args.delay, &options)?;
        let mut progress = Progress::new(learner.name(), "updates", 0, self.updates);
        let window = (self.updates / POINTS).max(1);
        let mut curve = Vec::new();
        while training.state.update < self.updates {
            training.step()?;
            progress.advance(1, || training.message());
            if training.state.update.is_multiple_of(window) {
                let middle = training.state.update as f64 - 0.5 * window as f64;
                let [_, error] = training.close_interval();
                curve.push((middle, error));
            }
        }
        let state = &training.state;
        Ok(Leg {
            curve,
            error: state.recent_error(500),
            seconds_per_update: state.seconds_per_update(),
            learner_bytes: state.learner_bytes,
        })
    }
}
