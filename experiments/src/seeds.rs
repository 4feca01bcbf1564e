//! Random numbers by purpose: a fresh generator for each (seed, purpose, index), so that nothing depends on what was
//! drawn before and no generator state has to be saved.
//!
//! The three numbers side by side are the generator's 256-bit key: different triples, different streams.

use rand::SeedableRng;
use rand::rngs::StdRng;

/// What numbers are drawn for. The discriminants are part of every result: never change one.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Purpose {
    /// Initial weights.
    Weights = 1,
    /// The fixed matrix of random feedback.
    Feedback = 2,
    /// Generated sequences; the index is the update.
    Data = 3,
    /// The order of a data set; the index is the epoch.
    Order = 4,
    /// Which examples a limited data set keeps.
    Subset = 5,
    /// The fixed permutation of the pixels.
    Permutation = 6,
    /// Data to time with.
    Timing = 7,
    /// Data on which gradients are compared.
    Comparison = 8,
    /// Intervals of a trial of conditioning; the index is the trial.
    Trial = 9,
    /// Distractors of conditioning; the index is the step.
    Distractors = 10,
}

/// The generator for one purpose.
pub(crate) fn rng(seed: u64, purpose: Purpose, index: u64) -> StdRng {
    let mut key = [0; 32];
    for (part, number) in key.chunks_exact_mut(8).zip([seed, purpose as u64, index]) {
        part.copy_from_slice(&number.to_le_bytes());
    }
    StdRng::from_seed(key)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::RngExt;

    #[test]
    fn a_stream_depends_on_seed_purpose_and_index_and_on_nothing_else() {
        let first = |seed, purpose, index| rng(seed, purpose, index).random::<u64>();
        let reference = first(1, Purpose::Data, 2);
        assert_eq!(reference, first(1, Purpose::Data, 2));
        assert_ne!(reference, first(2, Purpose::Data, 2));
        assert_ne!(reference, first(1, Purpose::Order, 2));
        assert_ne!(reference, first(1, Purpose::Data, 3));
    }
}
