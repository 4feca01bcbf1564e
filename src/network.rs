//! A network: layers of cells with a readout, and the one flat slice of parameters that all of them read.

use crate::affine::Scalar;
use crate::buffer::Buffer;
use crate::cells::Cell;
use crate::error::{Error, check_size};
use crate::layout::{Layout, LstmBlocks, ReadoutBlocks};
use crate::readout::Readout;

/// A layer, or several of them stacked, with a readout on what the top one gives.
///
/// Parameters are one flat slice in the order of [`Layout`]; a gradient and an optimiser's state have the same shape.
///
/// ```
/// use eligibility::{Loss, Lstm, Network, Readout};
/// let network = Network::<f32>::zeros(Lstm::new(2, 8)?, Readout::new(3, Loss::CrossEntropy)?)?;
/// assert_eq!(network.layout().parameter_count(), 4 * 8 * (2 + 8 + 1) + 3 * (8 + 1));
/// # Ok::<(), eligibility::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Network<T: Scalar> {
    cells: Vec<Cell>,
    shape: Shape,
    parameters: Buffer<T>,
}

impl<T: Scalar> Network<T> {
    /// A network whose weights are all zero; see [`Init`](crate::Init) for random ones.
    ///
    /// # Errors
    ///
    /// If the sizes are too large for memory.
    pub fn zeros(cell: impl Into<Cell>, readout: Readout) -> Result<Self, Error> {
        Self::stacked(&[cell.into()], readout)
    }
    /// The same with several layers, from the input up: each takes what the one below gives at the same step. LSTM
    /// layers stack among themselves, all others with each other.
    ///
    /// Gradient: exact with BPTT; approximate with the learners that go forward in time, which pass the error down at the
    /// step alone.
    ///
    /// ```
    /// use eligibility::{Cell, Loss, Lstm, Network, Readout};
    /// let layers = [Lstm::new(2, 8)?, Lstm::new(8, 5)?];
    /// let network = Network::<f32>::stacked(&layers, Readout::new(3, Loss::CrossEntropy)?)?;
    /// assert_eq!(network.layers(), layers.map(Cell::from));
    /// # Ok::<(), eligibility::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// If there is no layer, a layer's input size is not the output size of the one below, LSTM layers are mixed with
    /// others, or the sizes are too large for memory.
    pub fn stacked<C: Copy + Into<Cell>>(layers: &[C], readout: Readout) -> Result<Self, Error> {
        let cells: Vec<Cell> = layers.iter().map(|&cell| cell.into()).collect();
        let layout = Layout::new::<T>(&cells, &readout)?;
        let parameters = Buffer::zeros(layout.len());
        Ok(Self { cells, shape: Shape { readout, layout }, parameters })
    }
    /// The layers, from the input up.
    #[must_use]
    pub fn layers(&self) -> &[Cell] {
        &self.cells
    }
    /// The output layer.
    #[must_use]
    pub fn readout(&self) -> &Readout {
        &self.shape.readout
    }
    /// Where each weight lies.
    #[must_use]
    pub fn layout(&self) -> &Layout {
        &self.shape.layout
    }
    /// All weights: `[layout.len()]`, padding included.
    #[must_use]
    pub fn parameters(&self) -> &[T] {
        &self.parameters
    }
    /// All weights, for an optimiser. Padding must stay zero.
    pub fn parameters_mut(&mut self) -> &mut [T] {
        &mut self.parameters
    }
    /// A zero gradient of this network's shape.
    #[must_use]
    pub fn zero_gradient(&self) -> Buffer<T> {
        Buffer::zeros(self.shape.layout.len())
    }
    /// Sets an LSTM layer's weights, for instance to `PyTorch`'s. For other cells: [`Layout::parts`].
    ///
    /// # Errors
    ///
    /// If there is no such LSTM layer or a size is wrong; nothing is changed then.
    pub fn set_lstm(&mut self, layer: usize, blocks: &LstmBlocks<T>) -> Result<(), Error> {
        self.shape.layout.pack_lstm(layer, &mut self.parameters, blocks)
    }
    /// Sets the readout's weights.
    ///
    /// # Errors
    ///
    /// If a size is wrong; nothing is changed then.
    pub fn set_readout(&mut self, blocks: &ReadoutBlocks<T>) -> Result<(), Error> {
        self.shape.layout.pack_readout(&mut self.parameters, blocks)
    }
    /// `Ok` if this network has the sizes and form of `shape`.
    pub(crate) fn check_same_shape(&self, shape: &Shape) -> Result<(), Error> {
        let (expected, found) = (shape.layout.layers(), self.shape.layout.layers());
        check_size("network's number of layers", expected.len(), found.len())?;
        for (expected, found) in expected.iter().zip(found) {
            check_size("network's input size", expected.cell.input(), found.cell.input())?;
            check_size("network's layer size", expected.cell.output(), found.cell.output())?;
            if expected.cell != found.cell {
                return Err(Error::Form { what: "cell (its kind, nonlinearity or parameters)" });
            }
        }
        check_size("network's output size", shape.readout.output(), self.readout().output())?;
        if shape.readout.loss() != self.readout().loss() {
            return Err(Error::Form { what: "loss" });
        }
        Ok(())
    }
    /// The sizes, without the weights.
    pub(crate) fn shape(&self) -> Shape {
        self.shape.clone()
    }
}

/// The sizes of a network: what a learner remembers of the one it was made for.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Shape {
    pub(crate) readout: Readout,
    pub(crate) layout: Layout,
}

impl Shape {
    /// `Ok` if all layers are LSTMs, which is all that `learner` trains.
    pub(crate) fn check_lstms(&self, learner: &'static str) -> Result<(), Error> {
        if self.layout.lstms().is_empty() {
            let found = self.layout.layers()[0].cell.name();
            return Err(Error::Cell { learner, expected: "LSTM layers", found });
        }
        Ok(())
    }
}
