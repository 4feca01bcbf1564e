//! `experiments three-state`: a vanilla RNN of three tanh units on the three-state chain, and whether what it learns is a
//! rotation.
//!
//! ```text
//! (1) accuracy = correct predictions / predictions, where s_t = s3, on fresh walks
//! (2) complex eigenvalues of W_hh: 2 if |Im| > 1e-6, else 0
//! (3) B = W_hh - tr(W_hh) / 3 I has eigenvalues t with  t^3 + p t + q = 0,  p = -tr(B^2) / 2,  q = -det B
//! (4) D = q^2 / 4 + p^3 / 27 > 0:  u, v = cbrt(-q / 2 ± sqrt D),  u v = -p / 3,  one root u + v and a pair with
//!     |Im| = sqrt(3) / 2 |u - v|;   else all roots are real
//! ```
//!
//! Cross-entropy of the next state at s3, truncated BPTT, Adam; both measures at regular checkpoints, of which the mean is
//! reported. A seed takes seconds: a report is made anew, not resumed.

use std::num::NonZeroUsize;
use std::path::PathBuf;

use clap::Args;
use eligibility::{
    Adam, BpttOptions, Evaluator, EvaluatorOptions, Init, Learner, Loss, Network, Optimizer, Readout, Rnn,
    TruncatedBptt,
};
use rayon::prelude::*;
use serde::Serialize;
use serde_json::json;

use crate::checkpoint::replace;
use crate::failure::Failure;
use crate::options::size;
use crate::plot::{Curve, Scale, linear};
use crate::progress::say;
use crate::run_dir::revision;
use crate::seeds::{Purpose, rng};
use crate::summary::table;
use crate::tables::spread::show_as;
use crate::three_state::{Batch, STATES};
use crate::time::in_pool;

/// What (3) is for.
const UNITS: usize = 3;
/// A smaller imaginary part is taken for a rounding error.
const IMAGINARY: f64 = 1e-6;
/// Steps and rows of the walks that are scored.
const SCORED: [usize; 2] = [100, 100];

/// Arguments of `three-state`.
#[derive(Clone, Debug, Args, Serialize)]
pub(crate) struct ThreeStateArgs {
    /// Seeds, from 1 to this
    #[arg(long, default_value_t = 30, value_parser = clap::value_parser!(u64).range(1..=10_000))]
    seeds: u64,
    /// Updates
    #[arg(long, default_value_t = 3000, value_parser = clap::value_parser!(u64).range(1..))]
    updates: u64,
    /// Updates from one checkpoint to the next
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u64).range(1..))]
    every: u64,
    /// Steps of a walk
    #[arg(long, default_value_t = 50, value_parser = size)]
    steps: usize,
    /// Walks per update
    #[arg(long, default_value_t = 16, value_parser = size)]
    batch: usize,
    /// Steps that an error goes back
    #[arg(long, default_value_t = 10, value_parser = size)]
    truncation: usize,
    /// Learning rate
    #[arg(long, default_value_t = 0.01, allow_negative_numbers = true)]
    lr: f64,
    /// Seeds at a time [default: as many as there are cores]
    #[arg(long)]
    #[serde(skip)]
    jobs: Option<NonZeroUsize>,
    /// Directory for cells.jsonl, table.md and three-state.svg
    #[arg(long, default_value = "runs/three-state")]
    #[serde(skip)]
    out: PathBuf,
}

/// One checkpoint of one seed.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
struct Checkpoint {
    seed: u64,
    update: u64,
    /// (1)
    accuracy: f64,
    mean_loss: f64,
    /// (2)
    complex_eigenvalues: u8,
    /// (4)
    imaginary_part: f64,
}

impl ThreeStateArgs {
    /// Trains, measures, writes.
    pub(crate) fn run(&self) -> Result<(), Failure> {
        let cores = rayon::current_num_threads();
        let jobs = self.jobs.map_or(cores, NonZeroUsize::get);
        let seeds: Vec<Vec<Checkpoint>> =
            in_pool(jobs, || (1..=self.seeds).into_par_iter().map(|seed| self.measure(seed)).collect())?;
        let lines: Vec<String> =
            seeds.iter().flatten().map(|checkpoint| format!("{}\n", json!(checkpoint))).collect();
        let text = self.markdown(&seeds);
        std::fs::create_dir_all(&self.out).map_err(Failure::io("create", &self.out))?;
        replace(&self.out.join("cells.jsonl"), lines.concat().as_bytes())?;
        replace(&self.out.join("table.md"), text.as_bytes())?;
        self.draw(&seeds)?;
        say(format_args!("{text}\neverything is in {}", self.out.display()));
        Ok(())
    }

    /// All checkpoints of a seed, the initial weights first.
    fn measure(&self, seed: u64) -> Result<Vec<Checkpoint>, Failure> {
        let readout = Readout::new(STATES, Loss::CrossEntropy)?;
        let mut weights = rng(seed, Purpose::Weights, 0);
        let mut network: Network<f64> =
            Init::default().network(Rnn::new(STATES, UNITS)?, readout, &mut weights)?;
        let mut learner = TruncatedBptt::new(&network, self.batch, self.truncation, BpttOptions::default())?;
        let mut adam = Adam::new(&network, self.lr)?;
        let mut gradient = network.zero_gradient();
        let mut batch = Batch::new(self.steps, self.batch);
        let mut checkpoints = vec![check(&network, seed, 0)?];
        for update in 1..=self.updates {
            batch.generate(&mut rng(seed, Purpose::Data, update));
            learner.gradient(&network, &batch.sequences()?, &mut gradient)?;
            adam.update(network.parameters_mut(), &gradient)?;
            if update.is_multiple_of(self.every) || update == self.updates {
                checkpoints.push(check(&network, seed, update)?);
            }
        }
        Ok(checkpoints)
    }

    fn markdown(&self, seeds: &[Vec<Checkpoint>]) -> String {
        let last = seeds.iter().filter_map(|seed| seed.last());
        let accuracy: Vec<f64> = last.clone().map(|checkpoint| checkpoint.accuracy).collect();
        let solved = accuracy.iter().filter(|&&accuracy| accuracy > 0.999).count();
        let mean = |of: &dyn Fn(&Checkpoint) -> f64| -> Vec<f64> {
            seeds.iter().map(|seed| seed.iter().map(of).sum::<f64>() / seed.len() as f64).collect()
        };
        let percent = |values: &[f64]| show_as(values, 0, &|x| format!("{:.2} %", 100.0 * x));
        let plain = |values: &[f64]| show_as(values, 0, &|x| format!("{x:.2}"));
        let count = |checkpoint: &Checkpoint| f64::from(checkpoint.complex_eigenvalues);
        let rows = [
            ["accuracy at s3, at the end", &percent(&accuracy)],
            ["seeds above 99.9 % at the end", &format!("{solved} of {}", seeds.len())],
            ["accuracy at s3, mean over checkpoints", &percent(&mean(&|checkpoint| checkpoint.accuracy))],
            ["complex eigenvalues, mean over checkpoints", &plain(&mean(&count))],
            ["the same at the start", &plain(&seeds.iter().map(|seed| count(&seed[0])).collect::<Vec<_>>())],
            ["the same at the end", &plain(&last.map(count).collect::<Vec<_>>())],
        ];
        let rows = rows.map(|[name, value]| vec![name.to_owned(), value.to_owned()]);
        let Self { seeds, updates, every, steps, batch, truncation, lr, .. } = self;
        format!(
            "# The three-state chain: a vanilla RNN of three units\n\nMean ± sample standard deviation over seeds (n); of at \
             most two complex eigenvalues, |Im| > {IMAGINARY:e}.\n\n{}\n`experiments three-state --seeds {seeds} --updates \
             {updates} --every {every} --steps {steps} --batch {batch} --truncation {truncation} --lr {lr}`\n\nRevision {}.\n",
            table(&["", ""], &rows),
            revision(),
        )
    }

    fn draw(&self, seeds: &[Vec<Checkpoint>]) -> Result<(), Failure> {
        let curve = |name: &str, of: fn(&Checkpoint) -> f64| {
            let checkpoints = 0..seeds.first().map_or(0, Vec::len);
            let mean = |i: usize| seeds.iter().map(|seed| of(&seed[i])).sum::<f64>() / seeds.len() as f64;
            let points = checkpoints.map(|i| (seeds[0][i].update as f64, mean(i))).collect();
            Curve::new(name, points)
        };
        let curves = [
            curve("accuracy at s3", |checkpoint| checkpoint.accuracy),
            curve("complex eigenvalues", |checkpoint| f64::from(checkpoint.complex_eigenvalues)),
        ];
        let title = format!("three-state chain, mean of {} seeds", seeds.len());
        let scale = Scale { title: &title, x: "update", y: "fraction, and number" };
        linear(&self.out.join("three-state.svg"), scale, 2.0, &curves)
    }
}

/// (1) and (2).
fn check(network: &Network<f64>, seed: u64, update: u64) -> Result<Checkpoint, Failure> {
    let [steps, rows] = SCORED;
    let mut walks = Batch::new(steps, rows);
    walks.generate(&mut rng(seed, Purpose::Comparison, update));
    let mut evaluator = Evaluator::new(network, rows, EvaluatorOptions::default())?;
    let score = evaluator.score(network, &walks.sequences()?)?;
    let matrix = network.layout().part(0, "weight_hh")?.read(network.parameters());
    let imaginary_part = imaginary_part(&matrix);
    let complex_eigenvalues = if imaginary_part > IMAGINARY { 2 } else { 0 };
    let (accuracy, mean_loss) = (1.0 - score.error_rate(), score.mean_loss());
    Ok(Checkpoint { seed, update, accuracy, mean_loss, complex_eigenvalues, imaginary_part })
}

/// (4): |Im| of the complex pair of a 3 x 3 matrix, row-major; 0 if all eigenvalues are real.
fn imaginary_part(matrix: &[f64]) -> f64 {
    let mean = (matrix[0] + matrix[4] + matrix[8]) / 3.0;
    let b: [[f64; 3]; 3] =
        std::array::from_fn(|i| std::array::from_fn(|j| matrix[3 * i + j] - if i == j { mean } else { 0.0 }));
    let p = -0.5 * (0..9).map(|ij| b[ij / 3][ij % 3] * b[ij % 3][ij / 3]).sum::<f64>();
    let minor = |i: usize, j: usize| b[1][i] * b[2][j] - b[1][j] * b[2][i];
    let q = -(b[0][0] * minor(1, 2) - b[0][1] * minor(0, 2) + b[0][2] * minor(0, 1));
    let d = q * q / 4.0 + p * p * p / 27.0;
    if d <= 0.0 {
        return 0.0;
    }
    // The one of u and v in which nothing cancels; never 0, since d is not.
    let u = (-q / 2.0 - d.sqrt().copysign(q)).cbrt();
    let v = -p / 3.0 / u;
    0.75_f64.sqrt() * (u - v).abs()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pair_of_a_rotation_and_the_real_eigenvalues_of_symmetric_matrices_are_found() {
        let angle: f64 = 2.0;
        let (c, s) = (0.9 * angle.cos(), 0.9 * angle.sin());
        // Triangular blocks: eigenvalues 0.9 e^{±2i} and 5, or shifted by 7.
        for shift in [0.0, 7.0] {
            let matrix = [c + shift, -s, 3.0, s, c + shift, -4.0, 0.0, 0.0, 5.0 + shift];
            assert!((imaginary_part(&matrix) - s).abs() < 1e-13, "{}", imaginary_part(&matrix));
        }
        // The cyclic permutation: the three roots of 1.
        let cycle = [0.0, 1.0, 0.0, 0.0, 0.0, 1.0, 1.0, 0.0, 0.0];
        assert!((imaginary_part(&cycle) - 0.75_f64.sqrt()).abs() < 1e-15);
        for real in [
            [0.0; 9],
            [1.0, 2.0, 3.0, 2.0, -4.0, 5.0, 3.0, 5.0, 6.0],
            [1.0, 9.0, 9.0, 0.0, 2.0, 9.0, 0.0, 0.0, 3.0],
        ] {
            assert_eq!(imaginary_part(&real), 0.0, "{real:?}");
        }
    }

    #[test]
    fn a_seed_is_measured_at_its_checkpoints() {
        let args = ThreeStateArgs {
            seeds: 1,
            updates: 5,
            every: 2,
            steps: 8,
            batch: 3,
            truncation: 3,
            lr: 0.01,
            jobs: None,
            out: PathBuf::new(),
        };
        let checkpoints = args.measure(1).unwrap();
        assert_eq!(checkpoints.iter().map(|checkpoint| checkpoint.update).collect::<Vec<_>>(), [0, 2, 4, 5]);
        assert!(checkpoints.iter().all(|checkpoint| (0.0..=1.0).contains(&checkpoint.accuracy)));
        assert_eq!(checkpoints, args.measure(1).unwrap());
        assert!(args.markdown(&[checkpoints]).contains("--truncation 3"));
    }
}
