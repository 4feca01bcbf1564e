//! The three-state chain: a prediction that needs one step of memory, and linear memory with complex eigenvalues
//! (Elelimy et al. 2024).
//!
//! ```text
//! from s1 or s2     to s1, s2 or s3, with probability 1/3 each
//! from s3           to the state it was entered from: s1 or s2
//! input at t        one-hot s_t
//! target at t       s_{t+1}, counted only where s_t = s3: nothing else can be known
//! ```
//!
//! A walk starts in s1 or s2, with probability 1/2 each.

use eligibility::{Error, Scalar, Sequences, Targets};
use rand::{Rng, RngExt};

/// States, inputs and classes.
pub(crate) const STATES: usize = 3;
/// s3, counted from zero.
const MEMORY: usize = 2;

/// A walk: where it is and, in s3, where it came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Walk {
    state: usize,
    /// The last of s1 and s2 that was visited, the present one included.
    origin: usize,
}

impl Walk {
    /// In s1 or s2.
    pub(crate) fn start(rng: &mut impl Rng) -> Self {
        let state = rng.random_range(0..MEMORY);
        Self { state, origin: state }
    }

    /// 0, 1 or 2 for s1, s2 or s3.
    pub(crate) fn state(self) -> usize {
        self.state
    }

    /// One transition.
    pub(crate) fn step(&mut self, rng: &mut impl Rng) {
        self.state = if self.state == MEMORY { self.origin } else { rng.random_range(0..STATES) };
        if self.state != MEMORY {
            self.origin = self.state;
        }
    }
}

/// A batch of walks, generated in place.
#[derive(Clone, Debug)]
pub(crate) struct Batch<T> {
    steps: usize,
    rows: usize,
    /// `[steps, rows, 3]`: one-hot s_t
    inputs: Vec<T>,
    /// `[steps, rows]`: s_{t+1}
    classes: Vec<usize>,
    /// `[steps, rows]`: whether s_t = s3
    counted: Vec<bool>,
}

impl<T: Scalar> Batch<T> {
    pub(crate) fn new(steps: usize, rows: usize) -> Self {
        let cells = steps * rows;
        let inputs = vec![T::ZERO; cells * STATES];
        Self { steps, rows, inputs, classes: vec![0; cells], counted: vec![false; cells] }
    }

    /// Draws all walks anew. The same generator gives the same walks for `f32` and `f64`.
    pub(crate) fn generate(&mut self, rng: &mut impl Rng) {
        self.inputs.fill(T::ZERO);
        for row in 0..self.rows {
            let mut walk = Walk::start(rng);
            for cell in (row..self.steps * self.rows).step_by(self.rows) {
                let state = walk.state();
                self.inputs[cell * STATES + state] = T::ONE;
                self.counted[cell] = state == MEMORY;
                walk.step(rng);
                self.classes[cell] = walk.state();
            }
        }
    }

    /// The batch as a learner takes it: scores count transitions out of s3 alone.
    pub(crate) fn sequences(&self) -> Result<Sequences<'_, T>, Error> {
        let targets = Targets::EveryClass(&self.classes);
        Sequences::new(self.steps, self.rows, &self.inputs, targets)?.with_target_mask(&self.counted)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seeds::{Purpose, rng};
    use eligibility::{Evaluator, EvaluatorOptions, Init, Loss, Lstm, Network, Readout};

    fn batch<T: Scalar>(steps: usize, rows: usize) -> Batch<T> {
        let mut batch = Batch::new(steps, rows);
        for update in 0..2 {
            batch.generate(&mut rng(1, Purpose::Data, update));
        }
        batch
    }

    /// s_0, .., s_steps of a row, read from the inputs and the last class.
    fn states(batch: &Batch<f64>, row: usize) -> Vec<usize> {
        let cells = || (row..batch.steps * batch.rows).step_by(batch.rows);
        let state = |cell: usize| {
            let x = &batch.inputs[cell * STATES..][..STATES];
            assert_eq!(x.iter().sum::<f64>(), 1.0);
            x.iter().position(|&x| x == 1.0).unwrap()
        };
        cells().map(state).chain(cells().next_back().map(|cell| batch.classes[cell])).collect()
    }

    #[test]
    fn s3_goes_back_and_the_others_go_anywhere() {
        let (steps, rows) = (50, 400);
        let batch = batch(steps, rows);
        let mut counts = [[0_u32; STATES]; STATES];
        let mut starts = [0_u32; STATES];
        for row in 0..rows {
            let states = states(&batch, row);
            starts[states[0]] += 1;
            for t in 0..steps {
                assert_eq!(batch.classes[t * rows + row], states[t + 1]);
                assert_eq!(batch.counted[t * rows + row], states[t] == MEMORY);
                if states[t] == MEMORY {
                    assert_eq!(states[t + 1], states[t - 1]);
                } else {
                    counts[states[t]][states[t + 1]] += 1;
                }
            }
        }
        assert!(starts[0] > 150 && starts[1] > 150 && starts[MEMORY] == 0, "{starts:?}");
        for row in &counts[..MEMORY] {
            let total = f64::from(row.iter().sum::<u32>());
            for &count in row {
                // Five standard deviations of a fraction of one third.
                let tolerance = 5.0 * (2.0 / 9.0 / total).sqrt();
                assert!((f64::from(count) / total - 1.0 / 3.0).abs() < tolerance, "{counts:?}");
            }
        }
    }

    #[test]
    fn f32_and_f64_get_the_same_walks() {
        let (single, double) = (batch::<f32>(7, 5), batch::<f64>(7, 5));
        assert!(single.inputs.iter().zip(&double.inputs).all(|(&a, &b)| f64::from(a) == b));
        assert_eq!((single.classes, single.counted), (double.classes, double.counted));
    }

    #[test]
    fn only_what_can_be_known_is_scored() {
        let batch = batch::<f64>(20, 30);
        let readout = Readout::new(STATES, Loss::CrossEntropy).unwrap();
        let lstm = Lstm::new(STATES, 4).unwrap();
        let network: Network<f64> =
            Init::default().network(lstm, readout, &mut rng(1, Purpose::Weights, 0)).unwrap();
        let mut evaluator = Evaluator::new(&network, 30, EvaluatorOptions::default()).unwrap();
        let score = evaluator.score(&network, &batch.sequences().unwrap()).unwrap();
        assert_eq!(score.targets, batch.counted.iter().filter(|&&counted| counted).count());
        assert!(score.targets > 0);
    }
}
