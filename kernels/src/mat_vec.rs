//! A matrix times a vector, the matrix packed in panels of rows: the recurrent map of a single sequence.
//!
//! ```text
//! (1) y <- y + W x
//! ```
//!
//! One step of one sequence reads every weight once and does two FLOPs with it, so the product is bound by reading the
//! weights from where they lie, usually L2. In a panel the weights of one column lie side by side, panel after panel
//! is one forward stream, and its sums stay in registers: that reads at the rate of L2, where row-major weights and
//! whole columns stay below it (below).

use crate::lanes::Lanes;
use crate::level::{Kernel, Level};
use crate::real::Real;

/// Vectors in a panel's column: so many accumulators keep the multiply-adds busy.
const VECTORS: usize = 8;

/// Matrix times vector added to a vector, equation (1).
///
/// Accuracy: one multiply-add a column, in the order of the columns, rounded once where the level fuses.
///
/// # Panics
///
/// [`Level::run`](crate::Level::run) panics if the lengths do not fit each other.
///
/// Cost: 2 FLOPs and one read per weight.
///
/// ```
/// use eligibility_kernels::{Level, mat_vec::{MatVec, panel_rows}};
/// let level = Level::detect();
/// let mut output = [10.0_f32, 20.0];
/// level.run(MatVec {
///     panel: panel_rows::<f32>(level),
///     panels: &[1.0, 3.0, 2.0, 4.0], // of the matrix [[1, 2], [3, 4]]: fewer rows than one panel has
///     input: &[1.0, 1.0],
///     output: &mut output,
/// });
/// assert_eq!(output, [13.0, 27.0]);
/// ```
#[derive(Debug)]
pub struct MatVec<'a, T> {
    /// Rows of a panel; the last panel has what is left. Fastest with [`panel_rows`].
    pub panel: usize,
    /// `[panels, columns, panel]`: W, panel after panel; the last is as narrow as its rows.
    pub panels: &'a [T],
    /// `[columns]`: x.
    pub input: &'a [T],
    /// `[rows]`: y.
    pub output: &'a mut [T],
}

/// Rows of a panel whose sums fill the registers of `level`.
#[must_use]
pub fn panel_rows<T: Real>(level: Level) -> usize {
    VECTORS * level.width::<T>()
}

impl<T> MatVec<'_, T> {
    /// Rows and columns.
    ///
    /// # Panics
    ///
    /// If the lengths do not fit each other.
    #[track_caller]
    pub(crate) fn sizes(&self) -> (usize, usize) {
        let (rows, columns) = (self.output.len(), self.input.len());
        let found = self.panels.len();
        assert!(found == rows * columns, "panels has {found} elements for {rows} rows of {columns} columns");
        assert!(self.panel > 0, "a panel needs at least one row");
        (rows, columns)
    }
}

impl<T: Real> Kernel<T> for MatVec<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<V: Lanes<Element = T>>(self, token: V::Token) {
        let (_, columns) = self.sizes();
        if columns == 0 {
            return;
        }
        let Self { panel, panels, input, output } = self;
        for (weights, sums) in panels.chunks(panel * columns).zip(output.chunks_mut(panel)) {
            let width = sums.len();
            let mut start = 0;
            while start + VECTORS * V::WIDTH <= width {
                add::<V, VECTORS, true>(token, &weights[start..], width, input, &mut sums[start..], V::WIDTH);
                start += VECTORS * V::WIDTH;
            }
            while start + V::WIDTH <= width {
                add::<V, 1, true>(token, &weights[start..], width, input, &mut sums[start..], V::WIDTH);
                start += V::WIDTH;
            }
            if start < width {
                let rest = width - start;
                add::<V, 1, false>(token, &weights[start..], width, input, &mut sums[start..], rest);
            }
        }
    }
}

/// (1) for `N` vectors of rows, each of `width` elements: fewer than a whole vector only if not `FULL`.
#[inline(always)]
fn add<V: Lanes, const N: usize, const FULL: bool>(
    token: V::Token,
    weights: &[V::Element],
    stride: usize,
    input: &[V::Element],
    output: &mut [V::Element],
    width: usize,
) {
    let width = if FULL { V::WIDTH } else { width };
    let output = &mut output[..N * width];
    let mut sums = [V::splat(token, V::Element::ZERO); N];
    for vector in 0..N {
        sums[vector] = V::load_part::<FULL>(token, &output[vector * width..][..width]);
    }
    let mut at = 0;
    for &x in input {
        let x = V::splat(token, x);
        let column = &weights[at..][..N * width];
        at += stride;
        for vector in 0..N {
            let w = V::load_part::<FULL>(token, &column[vector * width..][..width]);
            sums[vector] = w.mul_add(x, sums[vector]);
        }
    }
    for vector in 0..N {
        sums[vector].store_part::<FULL>(&mut output[vector * width..][..width]);
    }
}
