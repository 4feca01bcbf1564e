//! The temporal credit assignment task (Hoyer et al. 2022): which of two sides won more often, told after a delay.
//!
//! ```text
//! channel 0, 1    uniform in [0, 1) at every step: left and right
//! channel 2       1 with probability 1/2 at each of the first 15 steps (a cue), then 0
//! channel 3       1 at the last step (go), else 0
//! steps           15 + delay; the go step is the last one of the delay
//! target          at the last step: 0 if left was larger at more cues than right, 1 if right was
//! ```
//!
//! A draw without a winner (14.4 % of all) is drawn again: the paper's figures rule out that ties were kept.

use std::fmt;
use std::ops::RangeInclusive;
use std::str::FromStr;

use eligibility::{Scalar, Sequences, Targets};
use rand::{Rng, RngExt};
use serde::{Serialize, Serializer};

/// Inputs of one step.
pub(crate) const CHANNELS: usize = 4;
/// Classes: left, right.
pub(crate) const CLASSES: usize = 2;
/// Steps that may hold a cue.
pub(crate) const CUE_STEPS: usize = 15;
/// Delays of `--delay random`.
const RANDOM_DELAYS: RangeInclusive<usize> = 10..=20;
/// A delay beyond this is taken for a typing error.
const LONGEST_DELAY: usize = 10_000;

/// Steps from the last possible cue to the answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Delay {
    /// The same for all sequences.
    Fixed(usize),
    /// Uniform in 10 to 20, drawn for each sequence.
    Random,
}

impl Delay {
    /// Steps of the longest sequence.
    pub(crate) fn max_steps(self) -> usize {
        CUE_STEPS
            + match self {
                Self::Fixed(delay) => delay,
                Self::Random => *RANDOM_DELAYS.end(),
            }
    }
}

impl FromStr for Delay {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        match text.parse() {
            Ok(delay) if (1..=LONGEST_DELAY).contains(&delay) => Ok(Self::Fixed(delay)),
            _ if text == "random" => Ok(Self::Random),
            _ => {
                Err(format!("a delay is a number of steps from 1 to {LONGEST_DELAY}, or `random` (10 to 20)"))
            }
        }
    }
}

impl fmt::Display for Delay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fixed(delay) => delay.fmt(f),
            Self::Random => f.write_str("random"),
        }
    }
}

impl Serialize for Delay {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// A batch of sequences, generated in place.
#[derive(Clone, Debug)]
pub(crate) struct Batch<T> {
    delay: Delay,
    steps: usize,
    /// `[steps, rows, 4]`
    inputs: Vec<T>,
    /// `[rows]`
    lengths: Vec<usize>,
    /// `[rows]`
    classes: Vec<usize>,
}

impl<T: Scalar> Batch<T> {
    pub(crate) fn new(delay: Delay, rows: usize) -> Self {
        let steps = delay.max_steps();
        let inputs = vec![T::ZERO; steps * rows * CHANNELS];
        Self { delay, steps, inputs, lengths: vec![steps; rows], classes: vec![0; rows] }
    }

    /// Draws all sequences anew. The same generator gives the same numbers for `f32` and `f64`.
    pub(crate) fn generate(&mut self, rng: &mut impl Rng) {
        let rows = self.lengths.len();
        if self.delay == Delay::Random {
            for length in &mut self.lengths {
                *length = CUE_STEPS + rng.random_range(RANDOM_DELAYS);
            }
            self.steps = self.lengths.iter().copied().max().unwrap_or(CUE_STEPS);
            self.inputs.fill(T::ZERO);
        }
        for (row, (class, &length)) in self.classes.iter_mut().zip(&self.lengths).enumerate() {
            let mut write = |step: usize, [left, right]: [f32; 2], cue: bool| {
                let channels = [left, right, f32::from(cue), f32::from(step + 1 == length)];
                self.inputs[(step * rows + row) * CHANNELS..][..CHANNELS]
                    .copy_from_slice(&channels.map(|x| T::from_f64(f64::from(x))));
            };
            let (sides, cues, winner) = draw_cues(rng);
            *class = winner;
            for (step, sides) in sides.into_iter().enumerate() {
                write(step, sides, cues >> step & 1 == 1);
            }
            for step in CUE_STEPS..length {
                write(step, rng.random(), false);
            }
        }
    }

    /// The batch as a learner takes it.
    pub(crate) fn sequences(&self) -> Result<Sequences<'_, T>, eligibility::Error> {
        let rows = self.lengths.len();
        let inputs = &self.inputs[..self.steps * rows * CHANNELS];
        let sequences = Sequences::new(self.steps, rows, inputs, Targets::LastClass(&self.classes))?;
        match self.delay {
            Delay::Fixed(_) => Ok(sequences),
            Delay::Random => sequences.with_lengths(&self.lengths),
        }
    }
}

/// Both sides of the first 15 steps, the cues as bits, and the winner; drawn until there is one.
fn draw_cues(rng: &mut impl Rng) -> ([[f32; 2]; CUE_STEPS], u16, usize) {
    loop {
        let cues: u16 = rng.random();
        let sides: [[f32; 2]; CUE_STEPS] = rng.random();
        let lead: i32 = (sides.iter().enumerate())
            .filter(|(step, _)| cues >> step & 1 == 1)
            .map(|(_, [left, right])| i32::from(left > right) - i32::from(right > left))
            .sum();
        if lead != 0 {
            return (sides, cues, usize::from(lead < 0));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seeds::{Purpose, rng};

    /// `[row][step]` of a generated batch.
    fn generate(delay: Delay, rows: usize) -> (Batch<f64>, Vec<Vec<[f64; CHANNELS]>>) {
        let mut batch = Batch::new(delay, rows);
        for update in 0..2 {
            batch.generate(&mut rng(3, Purpose::Data, update));
        }
        let cell = |row: usize, step: usize| {
            let start = (step * rows + row) * CHANNELS;
            [0, 1, 2, 3].map(|channel| batch.inputs[start + channel])
        };
        let sequences = (0..rows).map(|row| (0..batch.lengths[row]).map(|step| cell(row, step)).collect());
        let sequences = sequences.collect();
        (batch, sequences)
    }

    #[test]
    fn the_label_is_the_side_that_won_more_cues_and_there_is_no_tie() {
        let (batch, sequences) = generate(Delay::Fixed(10), 500);
        for (sequence, &class) in sequences.iter().zip(&batch.classes) {
            let cues = || sequence.iter().filter(|x| x[2] == 1.0);
            let left = cues().filter(|x| x[0] > x[1]).count();
            let right = cues().filter(|x| x[1] > x[0]).count();
            assert_ne!(left, right);
            assert_eq!(class, usize::from(right > left));
        }
    }

    #[test]
    fn cues_come_at_half_of_the_first_15_steps_and_go_at_the_last() {
        let rows = 2000;
        let (batch, sequences) = generate(Delay::Fixed(20), rows);
        let mut cues = 0;
        for sequence in &sequences {
            assert_eq!(sequence.len(), 35);
            for (step, x) in sequence.iter().enumerate() {
                assert!((0.0..1.0).contains(&x[0]) && (0.0..1.0).contains(&x[1]));
                assert!(x[2] == 0.0 || x[2] == 1.0 && step < CUE_STEPS);
                assert_eq!(x[3], f64::from(step == 34));
                cues += usize::from(x[2] == 1.0);
            }
        }
        // Redrawing ties favours more cues a little: without a cue there is always a tie.
        let fraction = cues as f64 / (rows * CUE_STEPS) as f64;
        assert!((0.49..0.53).contains(&fraction), "{fraction}");
        let right = batch.classes.iter().sum::<usize>() as f64 / rows as f64;
        assert!((0.46..0.54).contains(&right), "{right}");
        let mean = sequences.iter().flatten().map(|x| x[0] + x[1]).sum::<f64>() / (rows * 35) as f64;
        assert!((0.99..1.01).contains(&mean), "{mean}");
    }

    #[test]
    fn random_delays_are_10_to_20_and_steps_after_the_end_are_zero() {
        let rows = 300;
        let (batch, sequences) = generate(Delay::Random, rows);
        let mut seen = [false; 36];
        for (row, sequence) in sequences.iter().enumerate() {
            seen[sequence.len()] = true;
            assert_eq!(sequence.iter().filter(|x| x[3] == 1.0).count(), 1);
            assert_eq!(sequence[sequence.len() - 1][3], 1.0);
            for step in sequence.len()..35 {
                assert_eq!(batch.inputs[(step * rows + row) * CHANNELS..][..CHANNELS], [0.0; CHANNELS]);
            }
        }
        assert!(seen.iter().enumerate().all(|(length, &seen)| seen == (25..=35).contains(&length)));
        assert_eq!(batch.sequences().unwrap().steps(), 35);
    }

    #[test]
    fn f32_and_f64_get_the_same_numbers() {
        let (mut single, mut double) =
            (Batch::<f32>::new(Delay::Random, 5), Batch::<f64>::new(Delay::Random, 5));
        single.generate(&mut rng(1, Purpose::Data, 7));
        double.generate(&mut rng(1, Purpose::Data, 7));
        assert!(single.inputs.iter().zip(&double.inputs).all(|(&a, &b)| f64::from(a) == b));
        assert_eq!(single.classes, double.classes);
    }

    #[test]
    fn a_delay_is_a_number_or_the_word_random() {
        assert_eq!("10".parse(), Ok(Delay::Fixed(10)));
        assert_eq!("random".parse(), Ok(Delay::Random));
        for wrong in ["0", "-1", "10001", "", "often"] {
            assert!(wrong.parse::<Delay>().unwrap_err().contains("from 1 to"));
        }
    }
}
