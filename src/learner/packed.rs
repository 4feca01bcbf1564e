//! The weights of the affine map, copied once a gradient into the order in which it reads them fastest.
//!
//! ```text
//! (1) z_t = W [x_t; h_{t-1}; 1]                                   many rows: one matrix product a step
//! (2) z_t = (W_x x_t + b) + U h_{t-1}                             one row: the bracket for many steps at once
//! ```
//!
//! (1) wants W by columns: `faer` then reaches 80 GFLOP/s at 16 rows where row-major weights give it 67. (2) is bound by
//! reading U from L2, which panels do at full rate (`eligibility_kernels::mat_vec`). Whoever changes weights at every
//! step reads them where they lie instead.

use eligibility_kernels::Level;
use eligibility_kernels::mat_vec::panel_rows;

use crate::affine::{Beta, Rect, Scalar, times};
use crate::buffer::Buffer;
use crate::network::Shape;

/// The affine map of a step.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Affine<'a, T: Scalar> {
    /// The weights where they lie.
    InPlace(&'a [T]),
    /// A copy of them.
    Packed(&'a Packed<T>),
}

/// A copy of the weights.
#[derive(Clone, Debug)]
pub(crate) enum Packed<T: Scalar> {
    /// For (1): `[columns, 4 * hidden]`.
    Columns(Buffer<T>),
    /// For (2).
    Panels(Panels<T>),
}

/// The weights of one row's map.
#[derive(Clone, Debug)]
pub(crate) struct Panels<T: Scalar> {
    /// Rows of a panel.
    pub(crate) panel: usize,
    /// `[panels, hidden, panel]`: U.
    pub(crate) recurrent: Buffer<T>,
    /// `[input, 4 * hidden]`: W_x by columns.
    input: Buffer<T>,
    /// `[4 * hidden]`
    bias: Buffer<T>,
}

impl<T: Scalar> Packed<T> {
    /// For batches that are processed `slots` rows at a time.
    pub(crate) fn zeros(shape: &Shape, slots: usize, level: Level) -> Self {
        let block = shape.layout.lstm();
        if slots > 1 {
            return Self::Columns(Buffer::zeros(block.columns() * block.rows()));
        }
        let (input, hidden) = (shape.lstm.input(), shape.lstm.hidden());
        Self::Panels(Panels {
            panel: panel_rows::<T>(level),
            recurrent: Buffer::zeros(block.rows() * hidden),
            input: Buffer::zeros(block.rows() * input),
            bias: Buffer::zeros(block.rows()),
        })
    }

    /// Copies the weights anew.
    pub(crate) fn refresh(&mut self, shape: &Shape, parameters: &[T]) {
        let block = shape.layout.lstm();
        let weights = block.matrix(parameters);
        let (input, bias) = (shape.lstm.input(), block.columns() - 1);
        match self {
            Self::Columns(columns) => transpose(weights, columns, block.rows()),
            Self::Panels(panels) => {
                let recurrent =
                    Rect { data: &weights.data[input..], columns: shape.lstm.hidden(), ..weights };
                transpose(recurrent, &mut panels.recurrent, panels.panel);
                transpose(Rect { columns: input, ..weights }, &mut panels.input, block.rows());
                transpose(
                    Rect { data: &weights.data[bias..], columns: 1, ..weights },
                    &mut panels.bias,
                    block.rows(),
                );
            }
        }
    }
}

impl<T: Scalar> Panels<T> {
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
