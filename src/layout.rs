//! Where each weight lies: one flat layout for parameters, gradients and optimiser state.
//!
//! The same index means the same weight in all of them, so every stage after the gradient is a zip of flat slices.
//! A block is a row-major matrix, one row per unit over its presynaptic activity; rows are padded with zeros to whole
//! cache lines, so no kernel has a tail and padding takes part in nothing (its activity, hence its gradient, is zero).
//!
//! | block | rows | columns |
//! |---|---|---|
//! | lstm, layer by layer from the input up | 4 x hidden: gates i, f, g, o | input + hidden + 1: `[x_t; h_{t-1}; 1]` |
//! | readout | output | hidden + 1: `[h_t; 1]` of the top layer |

use std::ops::Range;

use crate::affine::{Rect, Scalar};
use crate::buffer::padded;
use crate::error::{Error, check_nonempty, check_size, checked_product};
use crate::lstm::Lstm;
use crate::readout::Readout;

/// A gate of the LSTM, in the order of the parameters (`PyTorch`'s: i, f, g, o).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Gate {
    /// i
    Input = 0,
    /// f
    Forget = 1,
    /// g, the cell candidate.
    Candidate = 2,
    /// o
    Output = 3,
}

/// One padded row-major matrix inside the flat slice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Block {
    offset: usize,
    rows: usize,
    columns: usize,
    stride: usize,
}

impl Block {
    fn new<T: Scalar>(what: &'static str, offset: usize, rows: usize, columns: usize) -> Result<Self, Error> {
        checked_product(what, &[rows.saturating_add(1), columns.saturating_add(64)])?;
        Ok(Self { offset, rows, columns, stride: padded::<T>(columns) })
    }
    /// Rows: units.
    #[must_use]
    pub fn rows(&self) -> usize {
        self.rows
    }
    /// Columns without padding: presynaptic activities, the last of which is the constant 1 of the bias.
    #[must_use]
    pub fn columns(&self) -> usize {
        self.columns
    }
    /// Elements from one row to the next.
    #[must_use]
    pub fn stride(&self) -> usize {
        self.stride
    }
    /// The block's place in the flat slice, padding included.
    #[must_use]
    pub fn range(&self) -> Range<usize> {
        self.offset..self.offset + self.rows * self.stride
    }
    /// Flat index of one weight.
    #[must_use]
    pub fn index(&self, row: usize, column: usize) -> usize {
        self.offset + row * self.stride + column
    }
    pub(crate) fn matrix<'a, T>(&self, flat: &'a [T]) -> Rect<&'a [T]> {
        Rect::padded(&flat[self.range()], self.rows, self.columns, self.stride)
    }
    pub(crate) fn matrix_mut<'a, T>(&self, flat: &'a mut [T]) -> Rect<&'a mut [T]> {
        Rect::padded(&mut flat[self.range()], self.rows, self.columns, self.stride)
    }
}

/// The blocks of a [`Network`](crate::Network).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layout {
    layers: Vec<Layer>,
    readout: Block,
}

/// An LSTM layer: its sizes, and the place of its weights.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Layer {
    pub(crate) lstm: Lstm,
    pub(crate) block: Block,
}

/// The LSTM's weights as `PyTorch` keeps them, without padding, gates in the order i, f, g, o.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct LstmBlocks<T> {
    /// `[4 * hidden, input]`, row-major.
    pub weight_ih: Vec<T>,
    /// `[4 * hidden, hidden]`, row-major.
    pub weight_hh: Vec<T>,
    /// `[4 * hidden]`: `PyTorch`'s `bias_ih + bias_hh`.
    pub bias: Vec<T>,
}

/// The readout's weights without padding.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ReadoutBlocks<T> {
    /// `[output, hidden]`, row-major.
    pub weight: Vec<T>,
    /// `[output]`.
    pub bias: Vec<T>,
}

impl Layout {
    /// For layers of which each takes what the one before gives.
    pub(crate) fn new<T: Scalar>(lstms: &[Lstm], readout: &Readout) -> Result<Self, Error> {
        check_nonempty("number of layers", lstms.len())?;
        let mut layers: Vec<Layer> = Vec::with_capacity(lstms.len());
        for &lstm in lstms {
            let below = layers.last();
            check_size(
                "layer's input size",
                below.map_or(lstm.input(), |below| below.lstm.hidden()),
                lstm.input(),
            )?;
            let rows = checked_product("hidden size", &[4, lstm.hidden()])?;
            let columns = lstm.input().checked_add(lstm.hidden()).and_then(|sum| sum.checked_add(1));
            let columns = columns.ok_or(Error::TooLarge { what: "input size + hidden size" })?;
            let offset = below.map_or(0, |below| below.block.range().end);
            layers.push(Layer {
                lstm,
                block: Block::new::<T>("the LSTM's weight matrix", offset, rows, columns)?,
            });
        }
        let top = layers[layers.len() - 1];
        let (end, columns) = (top.block.range().end, top.lstm.hidden() + 1);
        let readout = Block::new::<T>("the readout's weight matrix", end, readout.output(), columns)?;
        Ok(Self { layers, readout })
    }
    /// Every layer, from the input up.
    pub(crate) fn layers(&self) -> &[Layer] {
        &self.layers
    }
    /// The layer that the readout reads.
    pub(crate) fn top(&self) -> Layer {
        self.layers[self.layers.len() - 1]
    }
    /// Elements of a flat slice, padding included.
    #[must_use]
    #[expect(clippy::len_without_is_empty, reason = "a layout is never empty")]
    pub fn len(&self) -> usize {
        self.readout.range().end
    }
    /// Weights without padding.
    #[must_use]
    pub fn parameter_count(&self) -> usize {
        let blocks = self.layers.iter().map(|layer| layer.block).chain([self.readout]);
        blocks.map(|block| block.rows * block.columns).sum()
    }
    /// An LSTM layer's block; layer 0 is the one that takes the inputs.
    ///
    /// # Panics
    ///
    /// If there is no such layer, as indexing does.
    #[must_use]
    pub fn lstm(&self, layer: usize) -> Block {
        self.layers[layer].block
    }
    /// The readout's block.
    #[must_use]
    pub fn readout(&self) -> Block {
        self.readout
    }
    /// Rows of one gate inside a layer's block.
    ///
    /// # Panics
    ///
    /// If there is no such layer, as indexing does.
    #[must_use]
    pub fn gate_rows(&self, layer: usize, gate: Gate) -> Range<usize> {
        let hidden = self.layers[layer].lstm.hidden();
        gate as usize * hidden..(gate as usize + 1) * hidden
    }

    /// A layer's part of a flat slice (parameters, gradient, optimiser state) as three matrices.
    ///
    /// # Errors
    ///
    /// If there is no such layer or `flat` does not have [`Layout::len`] elements.
    pub fn unpack_lstm<T: Scalar>(&self, layer: usize, flat: &[T]) -> Result<LstmBlocks<T>, Error> {
        let layer = self.checked_layer(layer)?;
        check_size("flat slice", self.len(), flat.len())?;
        let [weight_ih, weight_hh, bias] = layer.columns().map(|columns| gather(flat, layer.block, columns));
        Ok(LstmBlocks { weight_ih, weight_hh, bias })
    }
    /// Writes three matrices into a layer's part of a flat slice.
    ///
    /// # Errors
    ///
    /// If there is no such layer or a size is wrong; nothing is written then.
    pub fn pack_lstm<T: Scalar>(
        &self,
        layer: usize,
        flat: &mut [T],
        blocks: &LstmBlocks<T>,
    ) -> Result<(), Error> {
        let layer = self.checked_layer(layer)?;
        check_size("flat slice", self.len(), flat.len())?;
        let sources = [&blocks.weight_ih, &blocks.weight_hh, &blocks.bias];
        let names = ["input weights", "recurrent weights", "bias"];
        for ((columns, source), what) in layer.columns().into_iter().zip(sources).zip(names) {
            check_size(what, layer.block.rows * columns.len(), source.len())?;
        }
        for (columns, source) in layer.columns().into_iter().zip(sources) {
            scatter(flat, layer.block, columns, source);
        }
        Ok(())
    }
    /// The readout's part of a flat slice as two matrices.
    ///
    /// # Errors
    ///
    /// If `flat` does not have [`Layout::len`] elements.
    pub fn unpack_readout<T: Scalar>(&self, flat: &[T]) -> Result<ReadoutBlocks<T>, Error> {
        check_size("flat slice", self.len(), flat.len())?;
        let [weight, bias] = self.readout_columns().map(|columns| gather(flat, self.readout, columns));
        Ok(ReadoutBlocks { weight, bias })
    }
    /// Writes two matrices into the readout's part of a flat slice.
    ///
    /// # Errors
    ///
    /// If a size is wrong; nothing is written then.
    pub fn pack_readout<T: Scalar>(&self, flat: &mut [T], blocks: &ReadoutBlocks<T>) -> Result<(), Error> {
        check_size("flat slice", self.len(), flat.len())?;
        let sources = [&blocks.weight, &blocks.bias];
        for ((columns, source), what) in
            self.readout_columns().into_iter().zip(sources).zip(["readout weights", "readout bias"])
        {
            check_size(what, self.readout.rows * columns.len(), source.len())?;
        }
        for (columns, source) in self.readout_columns().into_iter().zip(sources) {
            scatter(flat, self.readout, columns, source);
        }
        Ok(())
    }

    fn checked_layer(&self, index: usize) -> Result<Layer, Error> {
        let largest = self.layers.len() - 1;
        let layer = self.layers.get(index).copied();
        layer.ok_or(Error::OutOfRange { what: "layer", index: 0, largest, found: index })
    }
    fn readout_columns(&self) -> [Range<usize>; 2] {
        let bias = self.readout.columns - 1;
        [0..bias, bias..bias + 1]
    }
}

impl Layer {
    /// W_x: `[4 * hidden, input]`.
    pub(crate) fn input_weights<'a, T: Scalar>(&self, parameters: &'a [T]) -> Rect<&'a [T]> {
        Rect { columns: self.lstm.input(), ..self.block.matrix(parameters) }
    }
    /// Where the weights of the gates that have a trace lie in a flat slice: i, f, g.
    pub(crate) fn traced(&self) -> Range<usize> {
        let start = self.block.offset;
        start..start + Gate::Output as usize * self.lstm.hidden() * self.block.stride
    }
    /// Input weights, recurrent weights, bias.
    fn columns(&self) -> [Range<usize>; 3] {
        let (input, bias) = (self.lstm.input(), self.block.columns - 1);
        [0..input, input..bias, bias..bias + 1]
    }
}

fn gather<T: Copy>(flat: &[T], block: Block, columns: Range<usize>) -> Vec<T> {
    flat[block.range()].chunks_exact(block.stride).flat_map(|row| &row[columns.clone()]).copied().collect()
}

fn scatter<T: Copy>(flat: &mut [T], block: Block, columns: Range<usize>, source: &[T]) {
    let rows = flat[block.range()].chunks_exact_mut(block.stride);
    for (row, source) in rows.zip(source.chunks_exact(columns.len().max(1))) {
        row[columns.clone()].copy_from_slice(source);
    }
}
