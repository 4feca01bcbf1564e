//! A network: layers of cells with a readout, and the one flat slice of parameters that all of them read.

use crate::buffer::Buffer;
use crate::cells::Cell;
use crate::error::{Error, check_size};
use crate::layout::Layout;
use crate::readout::Readout;
use crate::scalar::Scalar;

/// A layer, or several of them stacked in any order, with a readout on what the top one gives, or without one: then the
/// outputs are what the top layer gives, for whoever composes networks.
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
    /// The same with several layers of any cells, from the input up: each takes what the one below gives at the same step.
    ///
    /// Gradient: exact with BPTT; approximate with the learners that go forward in time, which pass the error down at the
    /// step alone.
    ///
    /// ```
    /// use eligibility::{Cell, Dense, Loss, Lstm, Network, Readout, Rtu};
    /// let layers = [Cell::from(Dense::new(2, 4)?), Lstm::new(4, 8)?.into(), Rtu::linear(8, 5)?.into()];
    /// let network = Network::<f32>::stacked(&layers, Readout::new(3, Loss::CrossEntropy)?)?;
    /// assert_eq!(network.layers(), layers);
    /// # Ok::<(), eligibility::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// If there is no layer, a layer's input size is not the output size of the one below, or the sizes are too large for
    /// memory.
    pub fn stacked<C: Copy + Into<Cell>>(layers: &[C], readout: Readout) -> Result<Self, Error> {
        Self::new(layers, Some(readout))
    }
    /// The same without a readout: the outputs are the features, what the top layer gives, and their error dE/dfeatures is
    /// whoever's takes them: an encoder, a torso or a head of several networks.
    ///
    /// ```
    /// use eligibility::{Network, Rtu};
    /// let torso = Network::<f32>::without_readout(&[Rtu::linear(4, 8)?])?;
    /// assert_eq!((torso.readout(), torso.output()), (None, 16));
    /// # Ok::<(), eligibility::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// As [`Network::stacked`].
    pub fn without_readout<C: Copy + Into<Cell>>(layers: &[C]) -> Result<Self, Error> {
        Self::new(layers, None)
    }
    pub(crate) fn new<C: Copy + Into<Cell>>(layers: &[C], readout: Option<Readout>) -> Result<Self, Error> {
        let cells: Vec<Cell> = layers.iter().map(|&cell| cell.into()).collect();
        let layout = Layout::new::<T>(&cells, readout.as_ref())?;
        let parameters = Buffer::zeros(layout.len());
        Ok(Self { cells, shape: Shape { readout, layout }, parameters })
    }
    /// The layers, from the input up.
    #[must_use]
    pub fn layers(&self) -> &[Cell] {
        &self.cells
    }
    /// The output layer, if there is one.
    #[must_use]
    pub fn readout(&self) -> Option<&Readout> {
        self.shape.readout.as_ref()
    }
    /// Outputs: the readout's, or what the top layer gives.
    #[must_use]
    pub fn output(&self) -> usize {
        self.shape.output()
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
        check_size("network's output size", shape.output(), self.output())?;
        if shape.readout != self.shape.readout {
            return Err(Error::Form { what: "readout or loss" });
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
    pub(crate) readout: Option<Readout>,
    pub(crate) layout: Layout,
}

impl Shape {
    /// Outputs.
    pub(crate) fn output(&self) -> usize {
        self.readout.map_or(self.layout.features(), |readout| readout.output())
    }
}
