//! Where each weight lies: one flat layout for parameters, gradients and optimiser state.
//!
//! The same index means the same weight in all of them, so every stage after the gradient is a zip of flat slices.
//! A block is a row-major matrix, one row per unit over its presynaptic activity; rows are padded with zeros to whole
//! cache lines, so no kernel has a tail and padding takes part in nothing (its activity, hence its gradient, is zero).
//!
//! | block | rows | columns |
//! |---|---|---|
//! | LSTM layer | 4 x hidden: gates i, f, g, o | input + hidden + 1: `[x_t; h_{t-1}; 1]` |
//! | other layers | as their cells say | the presynaptic activity, or a column per unit |
//! | readout | output | features + 1: `[h_t; 1]` of the top layer |
//!
//! Layers lie one after the other, from the input up.

use std::ops::Range;

use crate::affine::{Rect, Scalar};
use crate::cells::{Cell, Lstm, PartOf, Which};
use crate::error::{Error, check_nonempty, check_size};
use crate::readout::Readout;

mod block;

pub use block::{Block, Part};

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

/// The blocks of a [`Network`](crate::Network).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layout {
    layers: Vec<Layer>,
    /// The same layers if all are LSTMs, else none.
    lstms: Vec<LstmLayer>,
    readout: Block,
}

/// A layer: its cell, and the places of its weights.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Layer {
    pub(crate) cell: Cell,
    pub(crate) weights: Block,
    pub(crate) recurrent: Option<Block>,
    pub(crate) unit: Option<Block>,
}

/// An LSTM layer: its sizes, and the place of its weights.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct LstmLayer {
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
    pub(crate) fn new<T: Scalar>(cells: &[Cell], readout: &Readout) -> Result<Self, Error> {
        check_nonempty("number of layers", cells.len())?;
        let (mut layers, mut lstms, mut end) = (Vec::with_capacity(cells.len()), Vec::new(), 0);
        let mut below: Option<Cell> = None;
        for &cell in cells {
            let expected = below.map_or(cell.input(), |below| below.output());
            check_size("layer's input size", expected, cell.input())?;
            let blocks = cell.blocks();
            let mut block = |what, [rows, columns]: [usize; 2]| {
                let block = Block::new::<T>(what, end, rows, columns)?;
                end = block.range().end;
                Ok::<_, Error>(block)
            };
            let weights = block("a layer's weight matrix", blocks.weights)?;
            let recurrent =
                blocks.recurrent.map(|sizes| block("a layer's recurrent matrix", sizes)).transpose()?;
            let unit = blocks.unit.map(|sizes| block("a layer's parameters per unit", sizes)).transpose()?;
            layers.push(Layer { cell, weights, recurrent, unit });
            if let Cell::Lstm(lstm) = cell {
                lstms.push(LstmLayer { lstm, block: weights });
            }
            below = Some(cell);
        }
        if !lstms.is_empty() && lstms.len() < layers.len() {
            return Err(Error::MixedStack);
        }
        let columns = layers[layers.len() - 1].cell.output() + 1;
        let readout = Block::new::<T>("the readout's weight matrix", end, readout.output(), columns)?;
        Ok(Self { layers, lstms, readout })
    }
    /// Every layer, from the input up.
    pub(crate) fn layers(&self) -> &[Layer] {
        &self.layers
    }
    /// Every layer of a network of LSTM layers, from the input up; empty for other networks.
    pub(crate) fn lstms(&self) -> &[LstmLayer] {
        &self.lstms
    }
    /// Inputs.
    pub(crate) fn input(&self) -> usize {
        self.layers[0].cell.input()
    }
    /// What the readout takes: outputs of the top layer.
    pub(crate) fn features(&self) -> usize {
        self.readout.columns - 1
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
        let blocks = self.layers.iter().flat_map(Layer::blocks).chain([self.readout]);
        blocks.map(|block| block.rows * block.columns).sum()
    }
    /// The named parts of a layer's weights, padding left aside; layer 0 is the one that takes the inputs.
    ///
    /// # Errors
    ///
    /// If there is no such layer.
    pub fn parts(&self, layer: usize) -> Result<Vec<Part>, Error> {
        let largest = self.layers.len() - 1;
        let found = self.layers.get(layer);
        let layer = found.ok_or(Error::OutOfRange { what: "layer", index: 0, largest, found: layer })?;
        let part = |part: PartOf| {
            let block = match part.of {
                Which::Weights => Some(layer.weights),
                Which::Recurrent => layer.recurrent,
                Which::Unit => layer.unit,
            };
            block.map(|block| Part { name: part.name, block, rows: part.rows, columns: part.columns })
        };
        Ok(layer.cell.blocks().parts.into_iter().filter_map(part).collect())
    }
    /// The named parts of the readout's weights: `readout.weight` and `readout.bias`.
    #[must_use]
    pub fn readout_parts(&self) -> [Part; 2] {
        let (block, rows, bias) = (self.readout, 0..self.readout.rows, self.features());
        [("readout.weight", 0..bias), ("readout.bias", bias..bias + 1)].map(|(name, columns)| Part {
            name,
            block,
            rows: rows.clone(),
            columns,
        })
    }
    /// The block of an LSTM layer; layer 0 is the one that takes the inputs.
    ///
    /// # Panics
    ///
    /// If there is no such layer, as indexing does.
    #[must_use]
    pub fn lstm(&self, layer: usize) -> Block {
        self.lstms[layer].block
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
        let hidden = self.lstms[layer].lstm.hidden();
        gate as usize * hidden..(gate as usize + 1) * hidden
    }

    /// An LSTM layer's part of a flat slice (parameters, gradient, optimiser state) as three matrices.
    ///
    /// # Errors
    ///
    /// If there is no such LSTM layer or `flat` does not have [`Layout::len`] elements.
    pub fn unpack_lstm<T: Scalar>(&self, layer: usize, flat: &[T]) -> Result<LstmBlocks<T>, Error> {
        let [weight_ih, weight_hh, bias] = self.lstm_parts(layer)?;
        check_size("flat slice", self.len(), flat.len())?;
        Ok(LstmBlocks {
            weight_ih: weight_ih.read(flat),
            weight_hh: weight_hh.read(flat),
            bias: bias.read(flat),
        })
    }
    /// Writes three matrices into an LSTM layer's part of a flat slice.
    ///
    /// # Errors
    ///
    /// If there is no such LSTM layer or a size is wrong; nothing is written then.
    pub fn pack_lstm<T: Scalar>(
        &self,
        layer: usize,
        flat: &mut [T],
        blocks: &LstmBlocks<T>,
    ) -> Result<(), Error> {
        let parts = self.lstm_parts(layer)?;
        write_parts(self.len(), flat, &parts, [&blocks.weight_ih, &blocks.weight_hh, &blocks.bias])
    }
    /// The readout's part of a flat slice as two matrices.
    ///
    /// # Errors
    ///
    /// If `flat` does not have [`Layout::len`] elements.
    pub fn unpack_readout<T: Scalar>(&self, flat: &[T]) -> Result<ReadoutBlocks<T>, Error> {
        check_size("flat slice", self.len(), flat.len())?;
        let [weight, bias] = self.readout_parts();
        Ok(ReadoutBlocks { weight: weight.read(flat), bias: bias.read(flat) })
    }
    /// Writes two matrices into the readout's part of a flat slice.
    ///
    /// # Errors
    ///
    /// If a size is wrong; nothing is written then.
    pub fn pack_readout<T: Scalar>(&self, flat: &mut [T], blocks: &ReadoutBlocks<T>) -> Result<(), Error> {
        write_parts(self.len(), flat, &self.readout_parts(), [&blocks.weight, &blocks.bias])
    }

    fn lstm_parts(&self, index: usize) -> Result<[Part; 3], Error> {
        let largest = self.layers.len() - 1;
        let parts = self.lstms.get(index).and_then(|_| self.parts(index).ok()?.try_into().ok());
        parts.ok_or(Error::OutOfRange { what: "LSTM layer", index: 0, largest, found: index })
    }
}

/// Writes every source into its part; nothing if a size is wrong.
fn write_parts<T: Scalar, const N: usize>(
    length: usize,
    flat: &mut [T],
    parts: &[Part; N],
    sources: [&Vec<T>; N],
) -> Result<(), Error> {
    check_size("flat slice", length, flat.len())?;
    for (part, source) in parts.iter().zip(sources) {
        check_size(part.name, part.rows() * part.columns(), source.len())?;
    }
    parts.iter().zip(sources).try_for_each(|(part, source)| part.write(flat, source))
}

impl Layer {
    /// Every block of the layer.
    pub(crate) fn blocks(&self) -> impl Iterator<Item = Block> {
        [Some(self.weights), self.recurrent, self.unit].into_iter().flatten()
    }
}

impl LstmLayer {
    /// W_x: `[4 * hidden, input]`.
    pub(crate) fn input_weights<'a, T: Scalar>(&self, parameters: &'a [T]) -> Rect<&'a [T]> {
        Rect { columns: self.lstm.input(), ..self.block.matrix(parameters) }
    }
    /// Where the weights of the gates that have a trace lie in a flat slice: i, f, g.
    pub(crate) fn traced(&self) -> Range<usize> {
        let start = self.block.offset;
        start..start + Gate::Output as usize * self.lstm.hidden() * self.block.stride
    }
}
