//! The affine maps: matrix products of row-major matrices, by `faer`, or, for so few rows that its calls would cost more than
//! the product, by loops of our own.
//!
//! ```text
//! (1) C = A B^T        gates of a batch: rows of presynaptic activity times rows of weights
//! (2) C = A B          back through the weights
//! (3) C += A^T B       gradient: the sum of outer products over rows
//! ```

use std::hint::black_box;

use eligibility_kernels::lanes::{Lanes, MAX_WIDTH};
use eligibility_kernels::row_dot::RowDot;
use eligibility_kernels::{Kernel, Level, Real, Strided};
use faer::linalg::matmul::matmul;
use faer::{Accum, MatMut, MatRef, Par};

use crate::scalar::Scalar;

/// A row-major matrix in a slice: row `r` is `data[r * stride..][..columns]`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rect<D> {
    pub(crate) data: D,
    pub(crate) rows: usize,
    pub(crate) columns: usize,
    pub(crate) stride: usize,
}

impl<D> Rect<D> {
    /// Rows without padding.
    pub(crate) fn dense(data: D, rows: usize, columns: usize) -> Self {
        Self { data, rows, columns, stride: columns }
    }
    /// Rows at a stride.
    pub(crate) fn padded(data: D, rows: usize, columns: usize, stride: usize) -> Self {
        Self { data, rows, columns, stride }
    }
}

fn view<T>(m: Rect<&[T]>) -> MatRef<'_, T> {
    MatRef::from_row_major_slice_with_stride(m.data, m.rows, m.columns, m.stride)
}

/// The transpose, which is column-major: what `faer` prefers to write.
fn transposed_mut<T>(m: Rect<&mut [T]>) -> MatMut<'_, T> {
    MatMut::from_column_major_slice_with_stride_mut(m.data, m.columns, m.rows, m.stride)
}

fn product<T: Scalar>(c: MatMut<'_, T>, accumulate: Accum, a: MatRef<'_, T>, b: MatRef<'_, T>) {
    matmul(c, accumulate, a, b, T::ONE, Par::Seq);
    // `faer` takes the instructions it finds, whatever level is asked for, and leaves the upper halves of the vector registers
    // dirty, after which code for SSE, the portable level's for one, takes up to five times as long. The end of a function with
    // AVX, where the machine has it, cleans them.
    Level::detect().run(EndOfVectorCode([T::ONE; MAX_WIDTH]));
}

struct EndOfVectorCode<T>([T; MAX_WIDTH]);

impl<T: Real> Kernel<T> for EndOfVectorCode<T> {
    type Output = T;
    #[inline(always)]
    fn run<V: Lanes<Element = T>>(mut self, token: V::Token) -> T {
        let ones = V::load(token, &black_box(&self.0)[..V::WIDTH]);
        (ones + ones).store(&mut self.0[..V::WIDTH]);
        black_box(self.0[0])
    }
}

/// So many rows, times the rows of b, are products of a matrix and a vector each.
const FEW_ROWS: usize = 2;
/// So many rows are added with their factors one after the other.
const FEW_TERMS: usize = 4;

/// So many outer products are added up at a time: `faer` copies both factors before it begins, and copies of 64 stay in the
/// caches. With 256 it has 0.8 to 0.9 of the rate.
const TERMS: usize = 64;

/// (1) `c = a b^T`, or `c += a b^T`.
pub(crate) fn times_transposed<T: Scalar>(
    level: Level,
    c: Rect<&mut [T]>,
    beta: Beta,
    a: Rect<&[T]>,
    b: Rect<&[T]>,
) {
    if a.rows <= FEW_ROWS {
        let weights = Strided { data: b.data, stride: b.stride };
        for row in 0..a.rows {
            let input = &a.data[row * a.stride..][..a.columns];
            let output = &mut c.data[row * c.stride..][..b.rows];
            level.run(RowDot { weights, input, add: matches!(beta, Beta::Add), output });
        }
        return;
    }
    product(transposed_mut(c), beta.into(), view(b), view(a).transpose());
}

/// (2) `c = a b`, or `c += a b`.
pub(crate) fn times<T: Scalar>(c: Rect<&mut [T]>, beta: Beta, a: Rect<&[T]>, b: Rect<&[T]>) {
    if a.rows * a.columns <= FEW_TERMS {
        for row in 0..a.rows {
            let target = &mut c.data[row * c.stride..][..b.columns];
            if matches!(beta, Beta::Replace) {
                target.fill(T::ZERO);
            }
            for (term, &factor) in a.data[row * a.stride..][..a.columns].iter().enumerate() {
                add_multiple(target, factor, &b.data[term * b.stride..]);
            }
        }
        return;
    }
    product(transposed_mut(c), beta.into(), view(b).transpose(), view(a).transpose());
}

/// (3) `c += a^T b`.
pub(crate) fn add_transposed_times<'a, T: Scalar>(c: Rect<&mut [T]>, a: Rect<&'a [T]>, b: Rect<&'a [T]>) {
    if a.rows * a.columns <= FEW_TERMS {
        for (row, source) in b.data.chunks(b.stride).take(a.rows).enumerate() {
            for (index, &factor) in a.data[row * a.stride..][..a.columns].iter().enumerate() {
                add_multiple(&mut c.data[index * c.stride..][..b.columns], factor, source);
            }
        }
        return;
    }
    let Rect { data, rows, columns, stride } = c;
    for first in (0..a.rows).step_by(TERMS) {
        let part = |m: Rect<&'a [T]>| Rect {
            data: &m.data[first * m.stride..],
            rows: TERMS.min(m.rows - first),
            ..m
        };
        let c = Rect { data: &mut *data, rows, columns, stride };
        product(transposed_mut(c), Accum::Add, view(part(b)).transpose(), view(part(a)));
    }
}

/// `target += factor source`, as long as the target is.
fn add_multiple<T: Scalar>(target: &mut [T], factor: T, source: &[T]) {
    for (target, &source) in target.iter_mut().zip(source) {
        *target += factor * source;
    }
}

/// Makes `faer` allocate this thread's workspace (once per thread, at its first large enough product), so that no
/// later step does.
pub(crate) fn reserve_workspace<T: Scalar>(level: Level) {
    const SIZE: usize = 32;
    let mut c = [T::ZERO; SIZE * SIZE];
    let zeros = c;
    let zeros = Rect::dense(&zeros[..], SIZE, SIZE);
    times_transposed(level, Rect::dense(&mut c[..], SIZE, SIZE), Beta::Replace, zeros, zeros);
}

/// What happens to the old content of the result.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Beta {
    Replace,
    Add,
}

impl From<Beta> for Accum {
    fn from(beta: Beta) -> Self {
        match beta {
            Beta::Replace => Accum::Replace,
            Beta::Add => Accum::Add,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn products_follow_their_equations() {
        let a = [1.0, 2.0, 9.0, 3.0, 4.0, 9.0]; // 2 x 2 at stride 3
        let b = [5.0, 6.0, 7.0, 8.0];
        let (a, b) = (Rect::padded(&a[..], 2, 2, 3), Rect::dense(&b[..], 2, 2));
        let mut c = [1.0; 4];
        let level = Level::detect();
        times_transposed(level, Rect::dense(&mut c[..], 2, 2), Beta::Replace, a, b);
        assert_eq!(c, [17.0, 23.0, 39.0, 53.0]);
        times(Rect::dense(&mut c[..], 2, 2), Beta::Replace, a, b);
        assert_eq!(c, [19.0, 22.0, 43.0, 50.0]);
        add_transposed_times(Rect::dense(&mut c[..], 2, 2), a, b);
        assert_eq!(c, [19.0 + 26.0, 22.0 + 30.0, 43.0 + 38.0, 50.0 + 44.0]);
    }
}
