//! Trace conditioning (an animal-learning task): a stimulus, an empty interval, an outcome, and distractors all the while.
//!
//! ```text
//! observation       [US, CS, distractor 1, .., distractor k], each 0 or 1
//! trial n           starts at t_n; t_0 = 0;   t_{n+1} = t_n + ISI_n + ITI_n
//! CS                on at t_n .. t_n + cs_length - 1
//! US                on at t_n + ISI_n .. t_n + ISI_n + us_length - 1
//! ISI_n, ITI_n      uniform whole numbers of their ranges; ISI by default from m - floor(m / 3) to m + floor(m / 3)
//! distractor i      when off, switches on with probability 1 / (10 i), and stays on for 4 steps
//! cumulant          C_t = US at t
//! ```
//!
//! What is to be predicted at t is the discounted sum of the cumulants from t + 1 on ([`returns`]); between CS and US
//! nothing but memory says how near the US is.
//!
//! After the benchmark of Rafiee et al. 2023, *From eye-blinks to state construction*. Intervals are drawn from a
//! generator keyed by the trial, distractors from one keyed by the step: the stream goes on from its [`Clock`] alone.

use eligibility::Scalar;
use rand::RngExt;
use serde::{Deserialize, Serialize};

use crate::failure::Failure;
use crate::seeds::{Purpose, rng};

pub(crate) mod args;
pub(crate) mod build;
pub(crate) mod cells;
mod cost;
pub(crate) mod floor;
mod kinds;
pub(crate) mod returns;
mod span;
pub(crate) mod td;

pub(crate) use span::{LONGEST, Span};

/// Steps that a distractor stays on.
const DISTRACTOR_LENGTH: u32 = 4;
/// More are taken for a typing error.
pub(crate) const MOST_DISTRACTORS: usize = 100;

/// The law of the stream.
#[derive(Clone, Copy, Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct Protocol {
    /// From the onset of the CS to that of the US.
    pub(crate) isi_range: Span,
    /// From the onset of the US to that of the next CS.
    pub(crate) iti: Span,
    pub(crate) cs_length: u64,
    pub(crate) us_length: u64,
    pub(crate) distractors: usize,
}

impl Protocol {
    /// Inputs of one step.
    pub(crate) fn inputs(&self) -> usize {
        2 + self.distractors
    }

    /// `Ok` if a pulse is over before the next of its kind begins.
    pub(crate) fn check(&self) -> Result<(), Failure> {
        if self.us_length > self.iti.first {
            return Err(Failure::new(format!(
                "--us-length {} should be at most the shortest --iti, {}: the next trial begins then",
                self.us_length, self.iti.first
            )));
        }
        let shortest = self.isi_range.first + self.iti.first;
        if self.cs_length >= shortest {
            return Err(Failure::new(format!(
                "--cs-length {} should be less than the shortest trial, {shortest} steps",
                self.cs_length
            )));
        }
        Ok(())
    }
}

/// A stream of observations; where it is, is a [`Clock`].
#[derive(Clone, Copy, Debug)]
pub(crate) struct Conditioning {
    protocol: Protocol,
    seed: u64,
}

/// Where a stream is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Clock {
    /// t of the next observation.
    step: u64,
    trial: Trial,
    /// Steps that each distractor was still on for, after the last observation that one included.
    distractors: Vec<u32>,
}

/// The onsets of a trial.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Trial {
    index: u64,
    cs: u64,
    us: u64,
    next: u64,
}

impl Conditioning {
    pub(crate) fn new(protocol: Protocol, seed: u64) -> Result<Self, Failure> {
        protocol.check()?;
        Ok(Self { protocol, seed })
    }

    /// Before the first step, all distractors off.
    pub(crate) fn start(&self) -> Clock {
        Clock { step: 0, trial: self.trial(0, 0), distractors: vec![0; self.protocol.distractors] }
    }

    /// Writes the next observation `[inputs]` and returns its cumulant. The same for `f32` and `f64`.
    ///
    /// # Panics
    ///
    /// If the size of `observation` is wrong.
    pub(crate) fn observe<T: Scalar>(&self, clock: &mut Clock, observation: &mut [T]) -> bool {
        assert_eq!(observation.len(), self.protocol.inputs(), "size of the observation");
        let t = clock.step;
        if t == clock.trial.next {
            clock.trial = self.trial(clock.trial.index + 1, t);
        }
        let within = |onset: u64, length: u64| (onset..onset + length).contains(&t);
        let us = within(clock.trial.us, self.protocol.us_length);
        let write = |x: &mut T, on: bool| *x = if on { T::ONE } else { T::ZERO };
        let (stimuli, distractors) = observation.split_at_mut(2);
        write(&mut stimuli[0], us);
        write(&mut stimuli[1], within(clock.trial.cs, self.protocol.cs_length));
        if !distractors.is_empty() {
            let mut rng = rng(self.seed, Purpose::Distractors, t);
            for (i, (x, left)) in (1..).zip(distractors.iter_mut().zip(&mut clock.distractors)) {
                *left = left.saturating_sub(1);
                if *left == 0 && rng.random_ratio(1, 10 * i) {
                    *left = DISTRACTOR_LENGTH;
                }
                write(x, *left > 0);
            }
        }
        clock.step += 1;
        us
    }

    fn trial(&self, index: u64, onset: u64) -> Trial {
        let mut rng = rng(self.seed, Purpose::Trial, index);
        let mut draw = |span: Span| rng.random_range(span.range());
        let us = onset + draw(self.protocol.isi_range);
        Trial { index, cs: onset, us, next: us + draw(self.protocol.iti) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::ops::RangeInclusive;

    const STEPS: usize = 200_000;

    fn protocol() -> Protocol {
        let iti = Span { first: 80, last: 120 };
        Protocol { isi_range: Span::around(20), iti, cs_length: 4, us_length: 2, distractors: 10 }
    }

    fn observe<T: Scalar>(conditioning: &Conditioning, clock: &mut Clock, steps: usize) -> Vec<Vec<T>> {
        let mut x = vec![T::ZERO; conditioning.protocol.inputs()];
        let mut all = Vec::new();
        for _ in 0..steps {
            let cumulant = conditioning.observe(clock, &mut x);
            assert_eq!(x[0] == T::ONE, cumulant);
            all.push(x.clone());
        }
        all
    }

    fn stream(seed: u64, steps: usize) -> Vec<Vec<f64>> {
        let conditioning = Conditioning::new(protocol(), seed).unwrap();
        observe(&conditioning, &mut conditioning.start(), steps)
    }

    /// Onset and length of every whole pulse of an input.
    fn pulses(stream: &[Vec<f64>], input: usize) -> Vec<(usize, usize)> {
        let mut pulses = Vec::new();
        let mut onset = None;
        for (t, x) in stream.iter().enumerate() {
            match (onset, x[input] == 1.0) {
                (None, true) => onset = Some(t),
                (Some(first), false) => {
                    pulses.push((first, t - first));
                    onset = None;
                }
                _ => assert!(x[input] == 0.0 || x[input] == 1.0),
            }
        }
        pulses
    }

    #[test]
    fn pulses_last_and_intervals_reach_both_ends_and_go_no_further() {
        let stream = stream(1, STEPS);
        let (us, cs) = (pulses(&stream, 0), pulses(&stream, 1));
        assert_eq!(cs[0].0, 0);
        assert!(us.len() > 1500 && us.iter().all(|pulse| pulse.1 == 2));
        assert!(cs.len() >= us.len() && cs.iter().all(|pulse| pulse.1 == 4));
        let check = |intervals: Vec<usize>, range: RangeInclusive<usize>| {
            for length in range.clone() {
                // 1,500 draws among at most 41: the chance to miss one is below 41 (1 - 1/41)^1500 < 1e-14.
                assert!(intervals.contains(&length), "{length} was never drawn");
            }
            assert!(intervals.iter().all(|length| range.contains(length)));
        };
        check(us.iter().zip(&cs).map(|(us, cs)| us.0 - cs.0).collect(), 14..=26);
        check(cs[1..].iter().zip(&us).map(|(cs, us)| cs.0 - us.0).collect(), 80..=120);
    }

    #[test]
    fn distractors_are_on_as_often_as_their_law_says() {
        let stream = stream(2, STEPS);
        for i in 1..=10 {
            let p = 1.0 / (10 * i) as f64;
            // On for 4 steps, then off for (1 - p) / p in the mean.
            let expected = 4.0 / (4.0 + (1.0 - p) / p);
            let found = stream.iter().map(|x| x[1 + i]).sum::<f64>() / STEPS as f64;
            // Pulses of 4 steps, their number n at most as variable as a Poisson number: of 4 n / steps the standard
            // deviation is at most sqrt(4 expected / steps). Five of them.
            let tolerance = 5.0 * (4.0 * expected / STEPS as f64).sqrt();
            assert!((found - expected).abs() < tolerance, "distractor {i}: {found}, not {expected}");
            assert!(pulses(&stream, 1 + i).iter().all(|pulse| pulse.1.is_multiple_of(4)));
        }
    }

    #[test]
    fn a_stream_depends_on_its_seed_alone_and_goes_on_from_its_clock() {
        assert_eq!(stream(3, 3000), stream(3, 3000));
        assert_ne!(stream(3, 3000), stream(4, 3000));
        let conditioning = Conditioning::new(protocol(), 3).unwrap();
        let mut clock = conditioning.start();
        let mut parts: Vec<Vec<f64>> = observe(&conditioning, &mut clock, 1234);
        let saved = serde_json::to_string(&clock).unwrap();
        let mut clock = serde_json::from_str(&saved).unwrap();
        parts.extend(observe(&conditioning, &mut clock, 3000 - 1234));
        assert_eq!(parts, stream(3, 3000));
    }

    #[test]
    fn f32_and_f64_get_the_same_stream() {
        let conditioning = Conditioning::new(protocol(), 5).unwrap();
        let single: Vec<Vec<f32>> = observe(&conditioning, &mut conditioning.start(), 2000);
        let double: Vec<Vec<f64>> = stream(5, 2000);
        let widened: Vec<Vec<f64>> = single.iter().map(|x| x.iter().map(|&x| x.into()).collect()).collect();
        assert_eq!(widened, double);
    }

    #[test]
    fn pulses_must_end_before_the_next() {
        assert!(Protocol { us_length: 81, ..protocol() }.check().is_err());
        assert!(Protocol { cs_length: 94, ..protocol() }.check().is_err());
    }
}
