//! A batch in shards of rows, on one thread or several, with the same result to the bit.
//!
//! The shards of a batch are fixed, each has a gradient of its own, and the gradients are added up in the order of the
//! shards: nothing depends on who computed what. There are as many workers as threads, not as shards, so that memory
//! does not grow with the batch; the shards go through them in waves.

use crate::affine::Scalar;
use crate::buffer::Buffer;
use crate::error::Error;
use crate::readout::Score;
use crate::sequences::Rows;

/// Most rows of a shard whose traces are carried: few enough for them, and for what a block of steps leaves behind, to
/// stay in L2 and L3.
pub(crate) const ROWS_WITH_TRACES: usize = 8;

/// Most rows of a shard without traces: enough for matrix products at full rate.
pub(crate) const ROWS_WITHOUT_TRACES: usize = 16;

/// Work below which a batch is not worth waking threads for, in weights times rows times steps: from here on, about a
/// fifth of a millisecond, two threads were faster than one at every size measured (`docs/performance.md`).
#[cfg(feature = "rayon")]
const PARALLEL_WORK: usize = 1 << 21;

/// The shards of a batch and the workers that process them, each with a `W` of its own.
#[derive(Clone, Debug)]
pub(crate) struct Shards<W, T: Scalar> {
    batch: usize,
    /// Rows of every shard but the last, which may have fewer.
    rows: usize,
    count: usize,
    workers: Vec<Worker<W, T>>,
}

#[derive(Clone, Debug)]
struct Worker<W, T: Scalar> {
    own: W,
    /// Gradient of one shard; empty if there is only one, which has the caller's.
    gradient: Buffer<T>,
    score: Score,
}

impl<W: Send, T: Scalar> Shards<W, T> {
    /// For a batch of `batch` rows in shards of at most `most`, and gradients of `gradient` elements; `make` makes a
    /// worker's own part for shards of at most so many rows.
    pub(crate) fn new(
        batch: usize,
        most: usize,
        gradient: usize,
        make: impl Fn(usize) -> Result<W, Error>,
    ) -> Result<Self, Error> {
        let count = batch.div_ceil(most);
        // As equal as can be.
        let rows = batch.div_ceil(count);
        let gradient = if count > 1 { gradient } else { 0 };
        let worker =
            |_| Ok(Worker { own: make(rows)?, gradient: Buffer::zeros(gradient), score: Score::default() });
        let workers = (0..count.min(super::threads())).map(worker).collect::<Result<_, Error>>()?;
        Ok(Self { batch, rows, count, workers })
    }

    /// Rows of every shard but the last, which may have fewer.
    pub(crate) fn rows(&self) -> usize {
        self.rows
    }

    /// Runs `body` on every shard, on several threads if the `work` is worth it. `body` adds to a gradient that is zero;
    /// their sum replaces `gradient`.
    pub(crate) fn run(
        &mut self,
        work: usize,
        gradient: &mut [T],
        body: impl Fn(&mut W, Rows, &mut [T]) -> Score + Sync,
    ) -> Score {
        gradient.fill(T::ZERO);
        let (batch, rows, count) = (self.batch, self.rows, self.count);
        let shard = |index: usize| Rows { start: index * rows, count: rows.min(batch - index * rows) };
        if count == 1 {
            return body(&mut self.workers[0].own, shard(0), gradient);
        }
        let threads = if worth_threads(work) { self.workers.len() } else { 1 };
        let mut total = Score::default();
        for first in (0..count).step_by(threads) {
            let wave = &mut self.workers[..threads.min(count - first)];
            super::for_each(wave, |index, worker| {
                worker.gradient.fill(T::ZERO);
                worker.score = body(&mut worker.own, shard(first + index), &mut worker.gradient);
            });
            for worker in wave {
                total.add(&worker.score);
                for (sum, &term) in gradient.iter_mut().zip(&worker.gradient[..]) {
                    *sum += term;
                }
            }
        }
        total
    }
}

#[cfg(feature = "rayon")]
fn worth_threads(work: usize) -> bool {
    work >= PARALLEL_WORK
}
#[cfg(not(feature = "rayon"))]
fn worth_threads(_work: usize) -> bool {
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shards_cover_the_batch_once_and_are_as_equal_as_can_be() {
        for batch in 1..200 {
            let most = 1 + batch % 17;
            let shards = Shards::<(), f32>::new(batch, most, 3, |_| Ok(()));
            let mut covered = vec![0; batch];
            let seen = std::sync::Mutex::new(&mut covered);
            let score = shards.unwrap().run(0, &mut [0.0; 3], |(), rows, gradient| {
                assert!((1..=most).contains(&rows.count) && gradient == [0.0; 3]);
                for covered in &mut seen.lock().unwrap()[rows.start..rows.start + rows.count] {
                    *covered += 1;
                }
                Score { targets: rows.count, ..Score::default() }
            });
            assert_eq!((covered, score.targets), (vec![1; batch], batch));
        }
    }
}
