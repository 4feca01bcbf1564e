//! `experiments depth`: how far e-prop's gradient is from BPTT's, layer by layer, in stacks of LSTM layers.
//!
//! ```text
//! (1) cosine = <g, b> / (|g| |b|)        relative error = |g - b| / |b|
//! ```
//!
//! g is the e-prop gradient (symmetric, no extensions), b the BPTT gradient of the same weights on the same batch, each of
//! one layer's weights. Networks are those of `experiments tca --layers N`, trained by e-prop; the mean is over seeds.

use std::path::PathBuf;

use clap::{Args, Parser};
use eligibility::{Bptt, BpttOptions, Eprop, EpropOptions, Learner};
use serde::Serialize;
use serde_json::json;

use crate::checkpoint::replace;
use crate::failure::Failure;
use crate::progress::say;
use crate::run_dir::revision;
use crate::run_tca::{TcaArgs, TcaTraining};
use crate::seeds::{Purpose, rng};
use crate::summary::table;
use crate::tca::Batch;

/// Arguments of `depth`.
#[derive(Clone, Debug, Args, Serialize)]
pub(crate) struct DepthArgs {
    /// Most layers
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u64).range(1..=8))]
    layers: u64,
    /// Updates after which gradients are compared, with commas between them
    #[arg(long, value_delimiter = ',', default_value = "0,1000,5000")]
    updates: Vec<u64>,
    /// Seeds, from 1 to this
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..))]
    seeds: u64,
    /// Delay of the task
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..=1000))]
    delay: u64,
    /// Directory for depth.jsonl and table.md
    #[arg(long, default_value = "runs/depth")]
    #[serde(skip)]
    out: PathBuf,
}

/// Parses options like those of `experiments tca`, so that what is trained is what that command would train.
#[derive(Parser)]
struct Tca {
    #[command(flatten)]
    args: TcaArgs,
}

/// (1), of one layer.
#[derive(Clone, Copy, Debug)]
struct Distance {
    cosine: f64,
    relative_error: f64,
}

impl Distance {
    fn new(g: &[f64], b: &[f64]) -> Self {
        let dot = |x: &[f64], y: &[f64]| x.iter().zip(y).map(|(x, y)| x * y).sum::<f64>();
        let difference: Vec<f64> = g.iter().zip(b).map(|(g, b)| g - b).collect();
        Self {
            cosine: dot(g, b) / (dot(g, g) * dot(b, b)).sqrt(),
            relative_error: (dot(&difference, &difference) / dot(b, b)).sqrt(),
        }
    }
}

impl DepthArgs {
    /// Trains, compares, writes.
    pub(crate) fn run(&self) -> Result<(), Failure> {
        let (mut lines, mut rows) = (Vec::new(), Vec::new());
        for layers in 1..=self.layers {
            // One list of distances for every count of updates and layer.
            let mut found = vec![vec![Vec::new(); layers as usize]; self.updates.len()];
            for seed in 1..=self.seeds {
                let measured = self.measure(layers, seed)?;
                for ((&updates, distances), found) in self.updates.iter().zip(measured).zip(&mut found) {
                    for (layer, (distance, found)) in distances.into_iter().zip(found).enumerate() {
                        let Distance { cosine, relative_error } = distance;
                        let line = json!({
                            "layers": layers, "layer": layer + 1, "updates": updates, "seed": seed,
                            "cosine": cosine, "relative_error": relative_error,
                        });
                        lines.push(format!("{line}\n"));
                        found.push(distance);
                    }
                }
                say(format_args!("{layers} layers, seed {seed}: compared"));
            }
            for (updates, found) in self.updates.iter().zip(&found) {
                for (layer, distances) in found.iter().enumerate() {
                    let mean = |of: fn(&Distance) -> f64| {
                        distances.iter().map(of).sum::<f64>() / distances.len() as f64
                    };
                    rows.push(vec![
                        layers.to_string(),
                        (layer + 1).to_string(),
                        updates.to_string(),
                        format!("{:.3}", mean(|distance| distance.cosine)),
                        format!("{:.3}", mean(|distance| distance.relative_error)),
                    ]);
                }
            }
        }
        let header = ["layers", "layer, from the input", "updates", "cosine", "relative error"];
        let (options, revision) = (json!(self), revision());
        let text = format!(
            "# E-prop's gradient beside BPTT's in stacks of LSTM layers\n\n{}\nTemporal credit assignment, 32 units a layer, \
             target at the last step; means over seeds 1 to {}. Options {options}, revision {revision}.\n\n`experiments depth \
             --layers {} --updates {} --seeds {} --delay {}`\n",
            table(&header, &rows),
            self.seeds,
            self.layers,
            self.updates.iter().map(u64::to_string).collect::<Vec<_>>().join(","),
            self.seeds,
            self.delay,
        );
        std::fs::create_dir_all(&self.out).map_err(Failure::io("create", &self.out))?;
        replace(&self.out.join("depth.jsonl"), lines.concat().as_bytes())?;
        replace(&self.out.join("table.md"), text.as_bytes())?;
        say(&text);
        Ok(())
    }

    /// The distances of every layer, for every count of updates.
    fn measure(&self, layers: u64, seed: u64) -> Result<Vec<Vec<Distance>>, Failure> {
        let [delay, layers, seed_word] = [self.delay, layers, seed].map(|number| number.to_string());
        let words = ["tca", "--delay", &delay, "--layers", &layers, "--seed", &seed_word, "--type", "f64"];
        let args = Tca::try_parse_from(words).map_err(|error| Failure::new(error.to_string()))?.args;
        let options = args.resolve()?;
        let mut training = TcaTraining::<f64>::new(args.delay, &options)?;
        let mut batch = Batch::<f64>::new(args.delay, options.batch);
        batch.generate(&mut rng(seed, Purpose::Comparison, 0));
        let mut counts = Vec::new();
        for &updates in &self.updates {
            if updates < training.state.update {
                return Err(Failure::new(format!(
                    "--updates must rise, but {updates} comes after {}: sort them",
                    training.state.update
                )));
            }
            while training.state.update < updates {
                training.step()?;
            }
            let network = &training.trainer.network;
            let mut learners: [Box<dyn Learner<f64>>; 2] = [
                Box::new(Eprop::new(network, options.batch, EpropOptions::default())?),
                Box::new(Bptt::new(network, options.batch, args.delay.max_steps(), BpttOptions::default())?),
            ];
            let mut gradients = [network.zero_gradient(), network.zero_gradient()];
            for (learner, gradient) in learners.iter_mut().zip(&mut gradients) {
                learner.gradient(network, &batch.sequences()?, gradient)?;
            }
            let [eprop, bptt] = &gradients;
            let layer = |index| {
                let range = network.layout().range(index);
                Distance::new(&eprop[range.clone()], &bptt[range])
            };
            counts.push((0..network.layers().len()).map(layer).collect());
        }
        Ok(counts)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances_follow_their_equation() {
        let Distance { cosine, relative_error } = Distance::new(&[1.0, 1.0], &[2.0, 0.0]);
        assert!((cosine - 0.5_f64.sqrt()).abs() < 1e-15);
        assert!((relative_error - 0.5_f64.sqrt()).abs() < 1e-15);
    }
}
