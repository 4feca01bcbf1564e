//! Where each weight lies: one flat layout for parameters, gradients and optimiser state.
//!
//! The same index means the same weight in all of them, so every stage after the gradient is a zip of flat slices.
//! A block is a row-major matrix, one row per unit over its presynaptic activity; rows are padded with zeros to whole
//! cache lines, so no kernel has a tail and padding takes part in nothing (its activity, hence its gradient, is zero).
//!
//! | block | rows | columns |
//! |---|---|---|
//! | layer | as its cell says; LSTM: 4 x units, gates i, f, g, o | the presynaptic activity, or a column per unit |
//! | readout | output | features + 1: `[h_t; 1]` of the top layer |
//!
//! Layers lie one after the other, from the input up.

use std::ops::Range;

use crate::block::{Block, Part};
use crate::cells::{Cell, PartOf, Which};
use crate::error::{Error, check_nonempty, check_size};
use crate::readout::Readout;
use crate::scalar::Scalar;

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

/// Where the weights of a [`Network`](crate::Network) lie.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layout {
    layers: Vec<Layer>,
    readout: Option<Block>,
    features: usize,
}

/// A layer: its cell, and the places of its weights.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Layer {
    pub(crate) cell: Cell,
    pub(crate) weights: Block,
    pub(crate) recurrent: Option<Block>,
    pub(crate) unit: Option<Block>,
}

impl Layout {
    /// For layers of which each takes what the one before gives.
    pub(crate) fn new<T: Scalar>(cells: &[Cell], readout: Option<&Readout>) -> Result<Self, Error> {
        check_nonempty("number of layers", cells.len())?;
        let (mut layers, mut end) = (Vec::with_capacity(cells.len()), 0);
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
            below = Some(cell);
        }
        let features = layers[layers.len() - 1].cell.output();
        let block = |readout: &Readout| {
            let columns = features.saturating_add(1);
            Block::new::<T>("the readout's weight matrix", end, readout.output(), columns)
        };
        Ok(Self { layers, readout: readout.map(block).transpose()?, features })
    }
    /// Every layer, from the input up.
    pub(crate) fn layers(&self) -> &[Layer] {
        &self.layers
    }
    /// Inputs.
    pub(crate) fn input(&self) -> usize {
        self.layers[0].cell.input()
    }
    /// What the readout takes: outputs of the top layer.
    pub(crate) fn features(&self) -> usize {
        self.features
    }
    /// The readout's block.
    pub(crate) fn readout(&self) -> Option<Block> {
        self.readout
    }
    /// Elements of a flat slice, padding included.
    #[must_use]
    #[expect(clippy::len_without_is_empty, reason = "a layout is never empty")]
    pub fn len(&self) -> usize {
        self.range(self.layers.len()).end
    }
    /// Where a layer's weights lie in a flat slice, padding included; after the last layer, where the readout's do.
    ///
    /// # Panics
    ///
    /// If there is no such layer, as indexing does.
    #[must_use]
    pub fn range(&self, layer: usize) -> Range<usize> {
        let end = |layer: &Layer| layer.blocks().map(|block| block.range().end).max().unwrap_or(0);
        if layer == self.layers.len() {
            let start = self.layers.last().map_or(0, end);
            return start..self.readout.map_or(start, |block| block.range().end);
        }
        let layer = &self.layers[layer];
        layer.weights.range().start..end(layer)
    }
    /// Weights without padding.
    #[must_use]
    pub fn parameter_count(&self) -> usize {
        let blocks = self.layers.iter().flat_map(Layer::blocks).chain(self.readout);
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
    /// One of them by its name, for instance `weight_ih`.
    ///
    /// ```
    /// use eligibility::{Loss, Lstm, Network, Readout};
    /// let mut network = Network::<f32>::zeros(Lstm::new(2, 3)?, Readout::new(1, Loss::SquaredError)?)?;
    /// let bias = network.layout().part(0, "bias")?;
    /// bias.write(network.parameters_mut(), &[0.5; 4 * 3])?;
    /// assert!(network.layout().part(0, "biases").unwrap_err().to_string().contains("weight_hh"));
    /// # Ok::<(), eligibility::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// If there is no such layer or part.
    pub fn part(&self, layer: usize, name: &str) -> Result<Part, Error> {
        let parts = self.parts(layer)?;
        let names = || parts.iter().map(Part::name).collect::<Vec<_>>().join(", ");
        let found = parts.iter().find(|part| part.name == name).cloned();
        found.ok_or_else(|| Error::NoPart { found: name.into(), expected: names() })
    }
    /// The named parts of the readout's weights: `readout.weight` and `readout.bias`; none without a readout.
    #[must_use]
    pub fn readout_parts(&self) -> Vec<Part> {
        let Some(block) = self.readout else { return Vec::new() };
        let (rows, bias) = (0..block.rows, self.features);
        let part = |(name, columns)| Part { name, block, rows: rows.clone(), columns };
        [("readout.weight", 0..bias), ("readout.bias", bias..bias + 1)].map(part).into()
    }
    /// Rows of one gate inside the parts of an LSTM layer.
    ///
    /// # Errors
    ///
    /// If there is no such layer or it is no LSTM.
    pub fn gate_rows(&self, layer: usize, gate: Gate) -> Result<Range<usize>, Error> {
        self.parts(layer)?;
        let Cell::Lstm(lstm) = self.layers[layer].cell else {
            let found = self.layers[layer].cell.name();
            return Err(Error::Cell { learner: "a gate's rows", expected: "LSTM layers", found });
        };
        Ok(gate as usize * lstm.units()..(gate as usize + 1) * lstm.units())
    }
}

impl Layer {
    /// Every block of the layer.
    pub(crate) fn blocks(&self) -> impl Iterator<Item = Block> {
        [Some(self.weights), self.recurrent, self.unit].into_iter().flatten()
    }
}
