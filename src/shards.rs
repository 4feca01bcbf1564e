//! A batch in shards of rows, on one thread or several, with the same result to the bit.
//!
//! The shards of a batch are fixed, each has a gradient of its own, and the gradients are added up in the order of the
//! shards: nothing depends on who computed what. There are as many workers as threads, not as shards, so that memory
//! does not grow with the batch. A worker takes the next shard as soon as it is free, and need not wait for a slower one:
//! a gradient whose turn to be added has not come is put aside.

use std::mem;
use std::sync::{Mutex, PoisonError};

use crate::buffer::Buffer;
use crate::error::Error;
use crate::readout::Score;
use crate::scalar::Scalar;
use crate::sequences::Rows;

/// Most rows of a shard whose traces are carried: few enough for them, and for what a block of steps leaves behind, to
/// stay in L2 and L3.
const ROWS_WITH_TRACES: usize = 8;

/// Most rows of a shard without traces: enough for matrix products at full rate; and with weights that L2 does not hold,
/// which come from L3 at every step of every shard.
const ROWS_WITHOUT_TRACES: [usize; 2] = [16, 32];

/// Bytes of weights that L2 holds.
const L2: usize = 2 << 20;

/// Most rows of a shard, of networks with so many bytes of weights. It depends on no machine: so does no result.
pub(crate) fn most_rows(traces: bool, bytes: usize) -> usize {
    if traces { ROWS_WITH_TRACES } else { ROWS_WITHOUT_TRACES[usize::from(bytes > L2)] }
}

/// Work below which a batch is not worth waking threads for, in weights times rows times steps: from here on, about a
/// fifth of a millisecond, two threads were faster than one at every size measured (`docs/performance.md`).
#[cfg(feature = "rayon")]
const PARALLEL_WORK: usize = 1 << 21;

/// Gradients put aside for each worker but one: so many shards can a worker do while another does one.
const AHEAD: usize = 3;

/// The shards of a batch and the workers that process them, each with a `W` of its own.
#[derive(Clone, Debug)]
pub(crate) struct Shards<W, T: Scalar> {
    /// Most rows of a batch, and of a shard.
    batch: usize,
    rows: usize,
    workers: Vec<Worker<W, T>>,
    aside: Vec<Aside<T>>,
}

#[derive(Clone, Debug)]
struct Worker<W, T: Scalar> {
    own: W,
    /// Gradient of one shard; empty if there is never more than one, which has the caller's.
    gradient: Buffer<T>,
}

/// Room for the gradient of a shard whose turn has not come.
#[derive(Clone, Debug)]
struct Aside<T: Scalar> {
    gradient: Buffer<T>,
    /// None: the room is free.
    score: Option<Score>,
}

impl<W: Send, T: Scalar> Shards<W, T> {
    /// For batches of at most `batch` rows in shards of at most `most`, and gradients of `gradient` elements; `make` makes a
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
        let worker = |_| Ok(Worker { own: make(rows)?, gradient: Buffer::zeros(gradient) });
        let workers = (0..count.min(threads())).map(worker).collect::<Result<Vec<_>, Error>>()?;
        let aside = |_| Aside { gradient: Buffer::zeros(gradient), score: None };
        let aside = (0..AHEAD * (workers.len() - 1)).map(aside).collect();
        Ok(Self { batch, rows, workers, aside })
    }

    /// Most rows of a batch.
    pub(crate) fn batch(&self) -> usize {
        self.batch
    }
    /// Most rows of a shard.
    pub(crate) fn rows(&self) -> usize {
        self.rows
    }

    /// Runs `body` on every shard of `batch` rows, on several threads if the `work` is worth it. `body` adds to a gradient that is zero;
    /// their sum replaces `gradient`.
    pub(crate) fn run(
        &mut self,
        batch: usize,
        work: usize,
        gradient: &mut [T],
        body: impl Fn(&mut W, Rows, &mut [T]) -> Score + Sync,
    ) -> Score {
        gradient.fill(T::ZERO);
        let count = batch.div_ceil(self.rows);
        let rows = batch.div_ceil(count);
        let shard = |index: usize| Rows { start: index * rows, count: rows.min(batch - index * rows) };
        if count == 1 {
            return body(&mut self.workers[0].own, shard(0), gradient);
        }
        let threads = if worth_threads(work) { self.workers.len() } else { 1 };
        let sum = Mutex::new(Sum::new(count, gradient, &mut self.aside));
        let next = || sum.lock().unwrap_or_else(PoisonError::into_inner).next();
        for_each(&mut self.workers[..threads], |Worker { own, gradient }| {
            while let Some(index) = next() {
                gradient.fill(T::ZERO);
                let score = body(own, shard(index), gradient);
                sum.lock().unwrap_or_else(PoisonError::into_inner).add(index, score, gradient);
            }
        });
        sum.into_inner().unwrap_or_else(PoisonError::into_inner).score
    }
}

/// The sum of the shards' gradients and scores, added in the order of the shards.
struct Sum<'a, T: Scalar> {
    count: usize,
    /// The next shard to be taken, and the next to be added.
    taken: usize,
    added: usize,
    score: Score,
    gradient: &'a mut [T],
    /// That of shard i at i modulo their number; shards from `added + 1` to `added + aside.len()` can be there.
    aside: &'a mut [Aside<T>],
}

impl<'a, T: Scalar> Sum<'a, T> {
    fn new(count: usize, gradient: &'a mut [T], aside: &'a mut [Aside<T>]) -> Self {
        // A panic may have left something behind.
        for room in aside.iter_mut() {
            room.score = None;
        }
        Self { count, taken: 0, added: 0, score: Score::default(), gradient, aside }
    }

    /// The next shard for a worker; none if all are taken, or if there would be no room for it: who is so far ahead leaves
    /// the rest to the others.
    fn next(&mut self) -> Option<usize> {
        let index = self.taken;
        let there = index < self.count && index <= self.added + self.aside.len();
        self.taken += usize::from(there);
        there.then_some(index)
    }

    /// Adds a shard and all that waited for it, or puts it aside, in exchange for another buffer.
    fn add(&mut self, index: usize, score: Score, gradient: &mut Buffer<T>) {
        if index != self.added {
            let room = self.aside.len();
            let aside = &mut self.aside[index % room];
            mem::swap(&mut aside.gradient, gradient);
            aside.score = Some(score);
            return;
        }
        add(self.gradient, gradient);
        self.score.add(&score);
        self.added += 1;
        let room = self.aside.len().max(1);
        while let Some(aside) = self.aside.get_mut(self.added % room) {
            let Some(score) = aside.score.take() else { return };
            add(self.gradient, &aside.gradient);
            self.score.add(&score);
            self.added += 1;
        }
    }
}

fn add<T: Scalar>(sum: &mut [T], terms: &[T]) {
    for (sum, &term) in sum.iter_mut().zip(terms) {
        *sum += term;
    }
}

/// Threads that there are.
fn threads() -> usize {
    #[cfg(feature = "rayon")]
    return rayon::current_num_threads();
    #[cfg(not(feature = "rayon"))]
    1
}

/// Runs `body` on every item, each on a thread of its own if there are several.
fn for_each<W: Send>(items: &mut [W], body: impl Fn(&mut W) + Sync) {
    #[cfg(feature = "rayon")]
    if items.len() > 1 {
        use rayon::prelude::*;
        items.par_iter_mut().for_each(&body);
        return;
    }
    items.iter_mut().for_each(body);
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
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn shards_cover_the_batch_once_and_are_as_equal_as_can_be() {
        for batch in 1..200 {
            let most = 1 + batch % 17;
            let shards = Shards::<(), f32>::new(batch, most, 3, |_| Ok(()));
            let mut covered = vec![0; batch];
            let seen = Mutex::new(&mut covered);
            let score = shards.unwrap().run(batch, 0, &mut [0.0; 3], |(), rows, gradient| {
                assert!((1..=most).contains(&rows.count) && gradient == [0.0; 3]);
                for covered in &mut seen.lock().unwrap()[rows.start..rows.start + rows.count] {
                    *covered += 1;
                }
                Score { targets: rows.count, ..Score::default() }
            });
            assert_eq!((covered, score.targets), (vec![1; batch], batch));
        }
    }

    proptest! {
        /// Workers that end in any order: each shard is added once, in the order of the shards.
        #[test]
        fn the_sum_does_not_depend_on_who_is_faster(
            workers in 1..6_usize,
            terms in prop::collection::vec([0.0..1.0_f32, 0.0..1.0_f32], 2..24),
            who in prop::collection::vec(any::<prop::sample::Index>(), 24),
        ) {
            let room = || Aside { gradient: Buffer::zeros(2), score: None };
            let mut aside: Vec<_> = (0..AHEAD * (workers - 1)).map(|_| room()).collect();
            let mut gradient = [0.0_f32; 2];
            let mut sum = Sum::new(terms.len(), &mut gradient, &mut aside);
            let mut at_work: Vec<usize> = (0..workers).filter_map(|_| sum.next()).collect();
            let mut who = who.iter();
            while !at_work.is_empty() {
                let worker = who.next().expect("a shard is taken once").index(at_work.len());
                let index = at_work[worker];
                let mut own = Buffer::zeros(2);
                own.copy_from_slice(&terms[index]);
                let score = Score { targets: 1, loss: f64::from(terms[index][0]), ..Score::default() };
                sum.add(index, score, &mut own);
                // Who has left does not come back.
                match sum.next() {
                    Some(next) => at_work[worker] = next,
                    None => drop(at_work.swap_remove(worker)),
                }
            }
            let score = sum.score;
            let mut expected = [0.0_f32; 2];
            let mut loss = 0.0;
            for term in &terms {
                add(&mut expected, term);
                loss += f64::from(term[0]);
            }
            prop_assert_eq!((gradient, score.targets, score.loss), (expected, terms.len(), loss));
        }
    }
}
