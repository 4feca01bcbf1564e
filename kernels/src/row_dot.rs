//! A matrix that lies row by row times one vector: weights that change at every step are read where they lie.
//!
//! ```text
//! (1) y_r = sum over c of W_rc x_c          or  y_r += that sum
//! ```
//!
//! Several rows at a time, a vector of columns after the other, so that there are as many sums as the multiply-adds need to
//! stay busy, and x is loaded once for all of them. What their lanes hold is added in a fixed order: the upper half of a
//! vector to the lower until one number is left, for a vector's worth of rows at once. A row's bits depend on nothing but
//! its own weights and x.

use crate::instances::run_by;
use crate::lanes::{Lanes, MAX_WIDTH};
use crate::level::Kernel;
use crate::real::Real;
use crate::strided::Strided;

/// The product of the rows of a matrix with a vector, equation (1).
///
/// Accuracy: multiply-adds in order within a lane, then log2 of the width sums; where the columns are no whole vectors the
/// last ones follow all others. What is not finite, in W or x, gives something that is not finite.
///
/// # Panics
///
/// [`Level::run`](crate::Level::run) panics if the weights are too few.
///
/// Cost: 2 FLOPs per weight, which is read once; bound by reading the weights.
///
/// ```
/// use eligibility_kernels::{Level, Strided, row_dot::RowDot};
/// let mut output = [100.0_f32, 200.0];
/// let weights = Strided { data: &[1.0, 2.0, 0.0, 3.0, 4.0, 0.0], stride: 3 };
/// Level::detect().run(RowDot { weights, input: &[1.0, 10.0], add: false, output: &mut output });
/// assert_eq!(output, [21.0, 43.0]);
/// ```
#[derive(Debug)]
pub struct RowDot<'a, T> {
    /// W: a row for each output.
    pub weights: Strided<'a, T>,
    /// `[columns]`: x.
    pub input: &'a [T],
    /// Whether the sums are added to what the output holds.
    pub add: bool,
    /// `[rows]`: y.
    pub output: &'a mut [T],
}

/// Rows at a time: latency times multiply-adds per cycle of recent cores, or a vector's worth.
const ROWS: usize = 8;

impl<T: Real> Kernel<T> for RowDot<'_, T> {
    type Output = ();

    run_by!(row_dot);

    #[inline(always)]
    fn run<V: Lanes<Element = T>>(self, token: V::Token) {
        self.weights.check("weights", self.output.len(), self.input.len());
        if V::WIDTH > ROWS {
            self.sums::<V, MAX_WIDTH>(token);
        } else {
            self.sums::<V, ROWS>(token);
        }
    }
}

impl<T: Real> RowDot<'_, T> {
    /// (1), `COUNT` rows at a time: a multiple of the width.
    #[inline(always)]
    fn sums<V: Lanes<Element = T>, const COUNT: usize>(self, token: V::Token) {
        let Self { weights, input, add, output } = self;
        let columns = input.len();
        let last = End::new::<V>(token, input);
        let mut first = 0;
        while first < output.len() {
            let here = COUNT.min(output.len() - first);
            let mut rows = [input; COUNT];
            for (index, row) in rows.iter_mut().enumerate() {
                // Beyond the last row that one again; nobody takes the result.
                *row = weights.at(first + index.min(here - 1), 0..columns);
            }
            let mut sums = [V::splat(token, T::ZERO); COUNT];
            let mut at = 0;
            while at + V::WIDTH <= columns {
                let x = V::load(token, &input[at..at + V::WIDTH]);
                for (sum, row) in sums.iter_mut().zip(&rows) {
                    *sum = V::load(token, &row[at..at + V::WIDTH]).mul_add(x, *sum);
                }
                at += V::WIDTH;
            }
            if at < columns {
                last.add::<V, COUNT>(token, &rows, &mut sums);
            }
            // What is cut up lies in memory: one by one, so that the sums themselves stay in registers.
            let mut ends = [V::splat(token, T::ZERO); COUNT];
            for (end, &sum) in ends.iter_mut().zip(&sums) {
                *end = sum;
            }
            let target = &mut output[first..first + here];
            if here == COUNT {
                for (group, target) in ends.chunks_exact_mut(V::WIDTH).zip(target.chunks_exact_mut(V::WIDTH))
                {
                    finish::<V, true>(token, group, add, target);
                }
            } else {
                for (group, target) in ends.chunks_exact_mut(V::WIDTH).zip(target.chunks_mut(V::WIDTH)) {
                    finish::<V, false>(token, group, add, target);
                }
            }
            first += COUNT;
        }
    }
}

/// The columns behind the last whole vector.
struct End<T> {
    /// Where the last vector that lies within a row begins; none if a row is shorter.
    start: Option<usize>,
    /// x there; zero in columns that have been added before.
    input: [T; MAX_WIDTH],
}

impl<T: Real> End<T> {
    #[inline(always)]
    fn new<V: Lanes<Element = T>>(_: V::Token, x: &[T]) -> Self {
        let left = x.len() % V::WIDTH;
        let mut input = [T::ZERO; MAX_WIDTH];
        let start = x.len().checked_sub(V::WIDTH);
        let place = if start.is_some() { V::WIDTH - left } else { 0 };
        input[place..place + left].copy_from_slice(&x[x.len() - left..]);
        Self { start, input }
    }
    #[inline(always)]
    fn add<V: Lanes<Element = T>, const COUNT: usize>(
        &self,
        token: V::Token,
        rows: &[&[T]; COUNT],
        sums: &mut [V; COUNT],
    ) {
        let x = V::load(token, &self.input[..V::WIDTH]);
        for (sum, row) in sums.iter_mut().zip(rows) {
            let w = match self.start {
                Some(start) => V::load(token, &row[start..][..V::WIDTH]),
                None => V::load_head(token, row),
            };
            *sum = w.mul_add(x, *sum);
        }
    }
}

/// The lanes of as many sums as a vector has elements, added up; the halves of a vector onto each other.
#[inline(always)]
fn finish<V: Lanes, const FULL: bool>(token: V::Token, sums: &mut [V], add: bool, target: &mut [V::Element]) {
    let mut count = V::WIDTH;
    while count > 1 {
        count /= 2;
        for index in 0..count {
            let [low, high] = sums[index].interleave(sums[index + count]);
            sums[index] = low + high;
        }
    }
    let start = if add { V::load_part::<FULL>(token, target) } else { V::splat(token, V::Element::ZERO) };
    (start + sums[0]).store_part::<FULL>(target);
}
