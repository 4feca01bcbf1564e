//! An affine map with the matrix packed in panels of rows: the preactivations of a step.
//!
//! ```text
//! (1) y_r = b + W x_r        for every batch row r
//! ```
//!
//! In a panel the weights of one column lie side by side, so that a few vectors of outputs are sums over the columns in
//! registers, and panel after panel is one forward stream. A single row reads every weight once for two FLOPs: then the
//! map is bound by reading the weights, usually from L2, which narrow panels of eight vectors do at full rate. Several
//! rows share what was read: six rows by two vectors, or eight by three where there are registers for it, are the
//! accumulators that keep the multiply-adds busy. Fewer rows go with more vectors.

use crate::instances::run_by;
use crate::lanes::Lanes;
use crate::level::{Kernel, Level};
use crate::real::Real;
use crate::strided::Strided;

/// Most rows of a register tile with sixteen registers, and with twice as many.
const TILE_ROWS: [usize; 2] = [6, 8];
/// Vectors of a tile of 1, 2, 3 and so on rows, and of a panel's column: as many as leave room for the operands. (Four by
/// three would fill sixteen registers to the last, and the compiler spills.)
const VECTORS: [&[usize]; 2] = [&[8, 6, 4, 2, 2, 2], &[8, 8, 8, 6, 4, 4, 3, 3]];

/// Batch rows in groups as equal as can be, each of them the rows of a tile: small tiles do not keep the multiply-adds busy.
#[inline(always)]
fn groups<V: Lanes>(rows: usize) -> usize {
    rows.div_ceil(TILE_ROWS[usize::from(V::REGISTERS >= 32)])
}

/// The affine map of some rows, equation (1).
///
/// Accuracy: one multiply-add a column, in the order of the columns, rounded once where the level fuses.
///
/// # Panics
///
/// [`Level::run`](crate::Level::run) panics if the lengths do not fit each other.
///
/// Cost: 2 FLOPs per weight and row.
///
/// ```
/// use eligibility_kernels::{Level, Strided, affine::{Affine, Start, panel_rows}};
/// let level = Level::detect();
/// let mut output = [0.0_f32; 2];
/// level.run(Affine {
///     rows: 1,
///     columns: 2,
///     panel: panel_rows::<f32>(level, 1),
///     panels: &[1.0, 3.0, 2.0, 4.0], // of the matrix [[1, 2], [3, 4]]: fewer rows than one panel has
///     start: Start::Each(&[10.0, 20.0]),
///     input: Strided { data: &[1.0, 1.0], stride: 2 },
///     output: &mut output,
/// });
/// assert_eq!(output, [13.0, 27.0]);
/// ```
#[derive(Debug)]
pub struct Affine<'a, T> {
    /// Batch rows.
    pub rows: usize,
    /// Columns of W.
    pub columns: usize,
    /// Rows of W in a panel; the last panel has what is left. Fastest with [`panel_rows`].
    pub panel: usize,
    /// `[panels, columns, panel]`: W, panel after panel; the last is as narrow as its rows.
    pub panels: &'a [T],
    /// b.
    pub start: Start<'a, T>,
    /// x: `[columns]` a row.
    pub input: Strided<'a, T>,
    /// `[rows, rows of W]`: y.
    pub output: &'a mut [T],
}

/// What the products are added to.
#[derive(Clone, Copy, Debug)]
pub enum Start<'a, T> {
    /// What the output holds.
    Output,
    /// `[rows of W]`: the same for every batch row.
    Each(&'a [T]),
}

/// Rows of a panel with which `level` is fastest, for so many batch rows.
#[must_use]
pub fn panel_rows<T: Real>(level: Level, rows: usize) -> usize {
    /// The rows of a panel for so many batch rows.
    struct PanelRows(usize);

    impl<T: Real> Kernel<T> for PanelRows {
        type Output = usize;

        #[inline(always)]
        fn run<V: Lanes<Element = T>>(self, _: V::Token) -> usize {
            let rows = self.0.max(1);
            VECTORS[usize::from(V::REGISTERS >= 32)][rows.div_ceil(groups::<V>(rows)) - 1] * V::WIDTH
        }
    }
    level.run::<T, _>(PanelRows(rows))
}

impl<T> Affine<'_, T> {
    /// Rows of W.
    ///
    /// # Panics
    ///
    /// If the lengths do not fit each other.
    #[track_caller]
    pub(crate) fn outputs(&self) -> usize {
        let (output, rows, columns) = (self.output.len(), self.rows, self.columns);
        let outputs = output.checked_div(rows).unwrap_or(0);
        assert!(outputs * rows == output, "output has {output} elements, which {rows} rows do not divide");
        let found = self.panels.len();
        assert!(
            found == outputs * columns,
            "panels has {found} elements for {outputs} rows of {columns} columns"
        );
        assert!(self.panel > 0, "a panel needs at least one row");
        if let Start::Each(start) = self.start {
            let found = start.len();
            assert!(found == outputs, "start has {found} elements for {outputs} rows of W");
        }
        self.input.check("input", rows, columns);
        outputs
    }
}

impl<T: Real> Kernel<T> for Affine<'_, T> {
    type Output = ();

    run_by!(affine);

    #[inline(always)]
    fn run<V: Lanes<Element = T>>(self, token: V::Token) {
        let outputs = self.outputs();
        if outputs == 0 {
            return;
        }
        let Self { rows, columns, panel, panels, start, input, output } = self;
        let (groups, mut first) = (groups::<V>(rows), 0);
        let (size, larger) = (rows / groups, rows % groups);
        let mut panel_start = 0;
        while panel_start < outputs {
            let width = panel.min(outputs - panel_start);
            let weights = &panels[panel_start * columns..][..width * columns];
            for group in 0..groups {
                let size = size + usize::from(group < larger);
                let mut tile =
                    Tile { token, columns, outputs, weights, width, panel_start, first, start, input };
                // Which vectors go with which rows: see `VECTORS`.
                if V::REGISTERS >= 32 {
                    match size {
                        1 => tile.panel::<V, 1, 8>(output),
                        2 => tile.panel::<V, 2, 8>(output),
                        3 => tile.panel::<V, 3, 8>(output),
                        4 => tile.panel::<V, 4, 6>(output),
                        5 => tile.panel::<V, 5, 4>(output),
                        6 => tile.panel::<V, 6, 4>(output),
                        7 => tile.panel::<V, 7, 3>(output),
                        _ => tile.panel::<V, 8, 3>(output),
                    }
                } else {
                    match size {
                        1 => tile.panel::<V, 1, 8>(output),
                        2 => tile.panel::<V, 2, 6>(output),
                        3 => tile.panel::<V, 3, 4>(output),
                        4 => tile.panel::<V, 4, 2>(output),
                        5 => tile.panel::<V, 5, 2>(output),
                        _ => tile.panel::<V, 6, 2>(output),
                    }
                }
                first += size;
            }
            first = 0;
            panel_start += width;
        }
    }
}

/// One panel for some batch rows.
struct Tile<'a, T, K> {
    token: K,
    columns: usize,
    outputs: usize,
    /// `[columns, width]`
    weights: &'a [T],
    width: usize,
    /// First row of W in the panel.
    panel_start: usize,
    /// First batch row.
    first: usize,
    start: Start<'a, T>,
    input: Strided<'a, T>,
}

impl<T: Real, K: Copy> Tile<'_, T, K> {
    /// (1) for `ROWS` batch rows: `N` vectors at a time, then fewer.
    #[inline(always)]
    fn panel<V: Lanes<Element = T, Token = K>, const ROWS: usize, const N: usize>(
        &mut self,
        output: &mut [T],
    ) {
        let mut at = 0;
        while at + N * V::WIDTH <= self.width {
            self.sums::<V, ROWS, N, true>(at, V::WIDTH, output);
            at += N * V::WIDTH;
        }
        if N > 3 {
            while at + 3 * V::WIDTH <= self.width {
                self.sums::<V, ROWS, 3, true>(at, V::WIDTH, output);
                at += 3 * V::WIDTH;
            }
        }
        if N > 2 && at + 2 * V::WIDTH <= self.width {
            self.sums::<V, ROWS, 2, true>(at, V::WIDTH, output);
            at += 2 * V::WIDTH;
        }
        if at + V::WIDTH <= self.width {
            self.sums::<V, ROWS, 1, true>(at, V::WIDTH, output);
            at += V::WIDTH;
        }
        if at < self.width {
            self.sums::<V, ROWS, 1, false>(at, self.width - at, output);
        }
    }

    /// (1) for `ROWS` batch rows by `N` vectors from row `at` of the panel on, each of `width` elements: fewer than a
    /// whole vector only if not `FULL`.
    #[inline(always)]
    fn sums<V: Lanes<Element = T, Token = K>, const ROWS: usize, const N: usize, const FULL: bool>(
        &self,
        at: usize,
        width: usize,
        output: &mut [T],
    ) {
        let token = self.token;
        let width = if FULL { V::WIDTH } else { width };
        let place = |row: usize| (self.first + row) * self.outputs + self.panel_start + at;
        let mut sums = [[V::splat(token, T::ZERO); N]; ROWS];
        for (row, sums) in sums.iter_mut().enumerate() {
            let start = match self.start {
                Start::Output => &output[place(row)..][..N * width],
                Start::Each(start) => &start[self.panel_start + at..][..N * width],
            };
            for (vector, sum) in sums.iter_mut().enumerate() {
                *sum = V::load_part::<FULL>(token, &start[vector * width..][..width]);
            }
        }
        let columns = self.columns;
        let mut inputs = [&self.input.data[..0]; ROWS];
        for (row, input) in inputs.iter_mut().enumerate() {
            *input = self.input.at(self.first + row, 0..columns);
        }
        for (column, source) in (0..columns).zip(self.weights.chunks_exact(self.width)) {
            let source = &source[at..at + N * width];
            if N > ROWS {
                let mut x = [V::splat(token, T::ZERO); ROWS];
                for (x, input) in x.iter_mut().zip(&inputs) {
                    *x = V::splat(token, input[column]);
                }
                for vector in 0..N {
                    let w = V::load_part::<FULL>(token, &source[vector * width..][..width]);
                    for (sums, &x) in sums.iter_mut().zip(&x) {
                        sums[vector] = w.mul_add(x, sums[vector]);
                    }
                }
            } else {
                let mut weights = [V::splat(token, T::ZERO); N];
                for (vector, w) in weights.iter_mut().enumerate() {
                    *w = V::load_part::<FULL>(token, &source[vector * width..][..width]);
                }
                for (sums, input) in sums.iter_mut().zip(&inputs) {
                    let x = V::splat(token, input[column]);
                    for (sum, &w) in sums.iter_mut().zip(&weights) {
                        *sum = w.mul_add(x, *sum);
                    }
                }
            }
        }
        for (row, sums) in sums.iter().enumerate() {
            let target = &mut output[place(row)..][..N * width];
            for (vector, &sum) in sums.iter().enumerate() {
                sum.store_part::<FULL>(&mut target[vector * width..][..width]);
            }
        }
    }
}
