//! The weights of a recurrent map, copied once a gradient into the order in which it reads them fastest.
//!
//! ```text
//! (1) z_t = W [x_t; h_{t-1}] + b                                  several rows: all of it, step by step
//! (2) z_t = (W_x x_t + b) + U h_{t-1}                             one row: the bracket for many steps at once
//! ```
//!
//! Panels: `eligibility_kernels::affine`. With several rows the map is bound by arithmetic, and inputs projected ahead
//! would only take room in the caches; with one it is bound by reading weights, and (2) reads W_x once for many steps.
//! Whoever changes weights at every step reads them where they lie instead.

use eligibility_kernels::affine::{Affine, Start, panel_rows};
use eligibility_kernels::{Level, Strided};

use crate::affine::{Beta, Rect, times};
use crate::block::Block;
use crate::buffer::Buffer;
use crate::scalar::Scalar;

/// A copy of the weights of a block with the columns `[x; h; 1]`, or `[h; 1]` where there are no inputs.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Packed<T: Scalar> {
    block: Block,
    /// Columns of the panels: inputs and units, or units alone where inputs are projected ahead.
    columns: usize,
    /// Rows of a panel.
    panel: usize,
    /// `[panels, columns, panel]`
    panels: Buffer<T>,
    /// `[input, rows of W]`: W_x by columns; empty unless inputs are projected ahead.
    input: Buffer<T>,
    /// `[rows of W]`
    bias: Buffer<T>,
}

impl<T: Scalar> Packed<T> {
    /// For batches that are processed `rows` rows at a time; `input` of the columns are inputs.
    pub(crate) fn zeros(block: Block, input: usize, rows: usize, level: Level) -> Self {
        let (outputs, bias) = (block.rows(), block.columns() - 1);
        let ahead = if rows == 1 { input } else { 0 };
        Self {
            block,
            columns: bias - ahead,
            panel: panel_rows::<T>(level, rows),
            panels: Buffer::zeros(outputs * (bias - ahead)),
            input: Buffer::zeros(outputs * ahead),
            bias: Buffer::zeros(outputs),
        }
    }

    /// Copies the weights anew.
    pub(crate) fn refresh(&mut self, parameters: &[T]) {
        let weights = self.block.matrix(parameters);
        let part = |first: usize, columns: usize| Rect { data: &weights.data[first..], columns, ..weights };
        let (bias, outputs) = (self.block.columns() - 1, self.block.rows());
        transpose(part(bias - self.columns, self.columns), &mut self.panels, self.panel);
        transpose(part(bias, 1), &mut self.bias, outputs);
        transpose(part(0, bias - self.columns), &mut self.input, outputs);
    }

    /// Whether (2) is used.
    pub(crate) fn projects_ahead(&self) -> bool {
        !self.input.is_empty()
    }

    /// The bracket of (2) for as many steps as `inputs` has rows, into `z` `[steps, rows of W]`.
    pub(crate) fn project(&self, inputs: Rect<&[T]>, z: &mut [T]) {
        let outputs = self.bias.len();
        for z in z.chunks_exact_mut(outputs) {
            z.copy_from_slice(&self.bias);
        }
        let weights = Rect::dense(&self.input[..], inputs.columns, outputs);
        times(Rect::dense(z, inputs.rows, outputs), Beta::Add, inputs, weights);
    }

    /// (1), or the rest of (2) added to the bracket in `z` `[rows, rows of W]`. A row of `input` begins with
    /// `[x_t; h_{t-1}]`, or with `h_{t-1}` for (2).
    pub(crate) fn map(&self, level: Level, rows: usize, input: Strided<'_, T>, z: &mut [T]) {
        let start = if self.projects_ahead() { Start::Output } else { Start::Each(&self.bias) };
        let Self { columns, panel, ref panels, .. } = *self;
        level.run(Affine { rows, columns, panel, panels, start, input, output: z });
    }
}

/// The recurrent weights for the way back, `dE/dh = U^T dE/dz`.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct PackedBack<T: Scalar> {
    block: Block,
    /// The first of U's columns.
    first: usize,
    /// Units of a panel.
    panel: usize,
    /// `[panels, rows of W, panel]`: columns of U side by side.
    panels: Buffer<T>,
    /// `[units]`
    zeros: Buffer<T>,
}

impl<T: Scalar> PackedBack<T> {
    /// For batches that are processed `rows` rows at a time; U begins behind `first` columns of the block.
    pub(crate) fn zeros(block: Block, first: usize, rows: usize, level: Level) -> Self {
        let (outputs, units) = (block.rows(), block.columns() - 1 - first);
        let panels = Buffer::zeros(outputs * units);
        Self { block, first, panel: panel_rows::<T>(level, rows), panels, zeros: Buffer::zeros(units) }
    }

    /// Copies the weights anew.
    pub(crate) fn refresh(&mut self, parameters: &[T]) {
        let (weights, units) = (self.block.matrix(parameters), self.zeros.len());
        for (index, target) in self.panels.chunks_mut(self.panel * weights.rows).enumerate() {
            let first = self.first + index * self.panel;
            let width = self.panel.min(units - index * self.panel);
            for (row, target) in target.chunks_exact_mut(width).enumerate() {
                target.copy_from_slice(&weights.data[row * weights.stride + first..][..width]);
            }
        }
    }

    /// `dh` `[rows, units]` from `dz` `[rows, rows of W]`; added to what is there, or instead of it.
    pub(crate) fn map(&self, level: Level, beta: Beta, dz: &[T], dh: &mut [T]) {
        let columns = self.block.rows();
        level.run(Affine {
            rows: dz.len() / columns,
            columns,
            panel: self.panel,
            panels: &self.panels,
            start: if let Beta::Add = beta { Start::Output } else { Start::Each(&self.zeros) },
            input: Strided { data: dz, stride: columns },
            output: dh,
        });
    }
}

/// `target`: the rows of `source` in panels of `panel` rows, each panel by columns.
fn transpose<T: Scalar>(source: Rect<&[T]>, target: &mut [T], panel: usize) {
    /// Rows whose cache lines are read side by side.
    const GROUP: usize = 8;
    if source.columns == 0 {
        return;
    }
    for (index, target) in target.chunks_mut(panel * source.columns).enumerate() {
        let width = panel.min(source.rows - index * panel);
        for first in (0..width).step_by(GROUP) {
            let last = width.min(first + GROUP);
            let rows = &source.data[(index * panel + first) * source.stride..];
            for (column, target) in target.chunks_exact_mut(width).enumerate() {
                for (row, target) in target[first..last].iter_mut().enumerate() {
                    *target = rows[row * source.stride + column];
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panel_holds_its_rows_by_columns() {
        let source = [1.0, 2.0, 0.0, 3.0, 4.0, 0.0, 5.0, 6.0, 0.0]; // 3 x 2 at stride 3
        let mut target = [0.0; 6];
        transpose(Rect::padded(&source[..], 3, 2, 3), &mut target, 2);
        assert_eq!(target, [1.0, 3.0, 2.0, 4.0, 5.0, 6.0]);
        transpose(Rect::padded(&source[..], 3, 2, 3), &mut target, 3);
        assert_eq!(target, [1.0, 3.0, 5.0, 2.0, 4.0, 6.0]);
    }
}
