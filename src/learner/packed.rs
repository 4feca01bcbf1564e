//! The weights of the affine map, copied once a gradient into the order in which it reads them fastest.
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

use crate::affine::{Beta, Rect, Scalar, times};
use crate::buffer::Buffer;
use crate::layout::{Layout, LstmLayer};

/// The weights of a step's affine map.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Weights<'a, T: Scalar> {
    /// Where they lie.
    InPlace(&'a [T]),
    /// A copy of them.
    Packed(&'a Packed<T>),
}

/// A copy of the weights.
#[derive(Clone, Debug)]
pub(crate) struct Packed<T: Scalar> {
    /// Columns of the panels: inputs and units, or units alone where inputs are projected ahead.
    columns: usize,
    /// Rows of a panel.
    panel: usize,
    /// `[panels, columns, panel]`
    panels: Buffer<T>,
    /// `[input, 4 * hidden]`: W_x by columns; empty unless inputs are projected ahead.
    input: Buffer<T>,
    /// `[4 * hidden]`
    bias: Buffer<T>,
}

impl<T: Scalar> Packed<T> {
    /// For batches that are processed `rows` rows at a time.
    pub(crate) fn zeros(layer: &LstmLayer, rows: usize, level: Level) -> Self {
        let outputs = layer.block.rows();
        let (input, hidden) = (layer.lstm.input(), layer.lstm.hidden());
        let (columns, ahead) = if rows == 1 { (hidden, input) } else { (input + hidden, 0) };
        Self {
            columns,
            panel: panel_rows::<T>(level, rows),
            panels: Buffer::zeros(outputs * columns),
            input: Buffer::zeros(outputs * ahead),
            bias: Buffer::zeros(outputs),
        }
    }

    /// The same for every layer.
    pub(crate) fn of_layers(layout: &Layout, rows: usize, level: Level) -> Vec<Self> {
        layout.lstms().iter().map(|layer| Self::zeros(layer, rows, level)).collect()
    }

    /// Copies the weights of every layer anew.
    pub(crate) fn refresh_layers<'a>(
        packed: &'a mut [Self],
        layout: &Layout,
        parameters: &[T],
    ) -> &'a [Self] {
        for (packed, layer) in packed.iter_mut().zip(layout.lstms()) {
            packed.refresh(layer, parameters);
        }
        packed
    }

    /// Copies the weights anew.
    fn refresh(&mut self, layer: &LstmLayer, parameters: &[T]) {
        let block = layer.block;
        let weights = block.matrix(parameters);
        let part = |first: usize, columns: usize| Rect { data: &weights.data[first..], columns, ..weights };
        let bias = block.columns() - 1;
        transpose(part(bias - self.columns, self.columns), &mut self.panels, self.panel);
        transpose(part(bias, 1), &mut self.bias, block.rows());
        if self.projects_ahead() {
            transpose(part(0, layer.lstm.input()), &mut self.input, block.rows());
        }
    }

    /// Whether (2) is used.
    pub(crate) fn projects_ahead(&self) -> bool {
        !self.input.is_empty()
    }

    /// The bracket of (2) for as many steps as `inputs` `[steps, input]` has, into `z` `[steps, 4 * hidden]`.
    pub(crate) fn project(&self, inputs: &[T], z: &mut [T]) {
        let (rows, columns) = (self.bias.len(), self.input.len() / self.bias.len());
        let steps = inputs.len() / columns;
        for z in z[..steps * rows].chunks_exact_mut(rows) {
            z.copy_from_slice(&self.bias);
        }
        let inputs = Rect::dense(inputs, steps, columns);
        let weights = Rect::dense(&self.input[..], columns, rows);
        times(Rect::dense(&mut z[..steps * rows], steps, rows), Beta::Add, inputs, weights);
    }

    /// (1), or the rest of (2) added to the bracket in `z` `[rows, 4 * hidden]`. A row of `input` begins with
    /// `[x_t; h_{t-1}]`, or with `h_{t-1}` for (2).
    pub(crate) fn map(&self, level: Level, rows: usize, input: Strided<'_, T>, z: &mut [T]) {
        let start = if self.projects_ahead() { Start::Output } else { Start::Each(&self.bias) };
        let Self { columns, panel, panels, .. } = self;
        let (columns, panel) = (*columns, *panel);
        level.run(Affine { rows, columns, panel, panels, start, input, output: z });
    }
}

/// The recurrent weights for the way back, `dE/dh = U^T dE/dz`.
#[derive(Clone, Debug)]
pub(crate) struct PackedBack<T: Scalar> {
    /// Units of a panel.
    panel: usize,
    /// `[panels, 4 * hidden, panel]`: columns of U side by side.
    panels: Buffer<T>,
    /// `[hidden]`
    zeros: Buffer<T>,
}

impl<T: Scalar> PackedBack<T> {
    /// For batches that are processed `rows` rows at a time.
    pub(crate) fn zeros(layer: &LstmLayer, rows: usize, level: Level) -> Self {
        let (outputs, hidden) = (layer.block.rows(), layer.lstm.hidden());
        let panels = Buffer::zeros(outputs * hidden);
        Self { panel: panel_rows::<T>(level, rows), panels, zeros: Buffer::zeros(hidden) }
    }

    /// The same for every layer.
    pub(crate) fn of_layers(layout: &Layout, rows: usize, level: Level) -> Vec<Self> {
        layout.lstms().iter().map(|layer| Self::zeros(layer, rows, level)).collect()
    }

    /// Copies the weights of every layer anew.
    pub(crate) fn refresh_layers<'a>(
        packed: &'a mut [Self],
        layout: &Layout,
        parameters: &[T],
    ) -> &'a [Self] {
        for (packed, layer) in packed.iter_mut().zip(layout.lstms()) {
            packed.refresh(layer, parameters);
        }
        packed
    }

    /// Copies the weights anew.
    fn refresh(&mut self, layer: &LstmLayer, parameters: &[T]) {
        let (block, hidden) = (layer.block, layer.lstm.hidden());
        let weights = block.matrix(parameters);
        for (index, target) in self.panels.chunks_mut(self.panel * weights.rows).enumerate() {
            let first = layer.lstm.input() + index * self.panel;
            let width = self.panel.min(hidden - index * self.panel);
            for (row, target) in target.chunks_exact_mut(width).enumerate() {
                target.copy_from_slice(&weights.data[row * weights.stride + first..][..width]);
            }
        }
    }

    /// `dh` `[rows, hidden]` from `dz` `[rows, 4, hidden]`.
    pub(crate) fn map(&self, level: Level, rows: usize, dz: &[T], dh: &mut [T]) {
        let columns = self.panels.len() / self.zeros.len();
        level.run(Affine {
            rows,
            columns,
            panel: self.panel,
            panels: &self.panels,
            start: Start::Each(&self.zeros),
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
