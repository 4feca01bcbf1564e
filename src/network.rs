//! A network: an LSTM with a readout, and the one flat slice of parameters that both read.

use crate::affine::Scalar;
use crate::buffer::Buffer;
use crate::error::{Error, check_size};
use crate::layout::{Layout, LstmBlocks, ReadoutBlocks};
use crate::lstm::Lstm;
use crate::readout::Readout;

/// An LSTM with a readout on its hidden state.
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
    lstm: Lstm,
    readout: Readout,
    layout: Layout,
    parameters: Buffer<T>,
}

impl<T: Scalar> Network<T> {
    /// A network whose weights are all zero; see [`Init`](crate::Init) for random ones.
    ///
    /// # Errors
    ///
    /// If the sizes are too large for memory.
    pub fn zeros(lstm: Lstm, readout: Readout) -> Result<Self, Error> {
        let layout = Layout::new::<T>(&lstm, &readout)?;
        Ok(Self { lstm, readout, layout, parameters: Buffer::zeros(layout.len()) })
    }
    /// The cell.
    #[must_use]
    pub fn lstm(&self) -> &Lstm {
        &self.lstm
    }
    /// The output layer.
    #[must_use]
    pub fn readout(&self) -> &Readout {
        &self.readout
    }
    /// Where each weight lies.
    #[must_use]
    pub fn layout(&self) -> &Layout {
        &self.layout
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
        Buffer::zeros(self.layout.len())
    }
    /// Sets the LSTM's weights, for instance to `PyTorch`'s.
    ///
    /// # Errors
    ///
    /// If a size is wrong; nothing is changed then.
    pub fn set_lstm(&mut self, blocks: &LstmBlocks<T>) -> Result<(), Error> {
        self.layout.pack_lstm(&mut self.parameters, blocks)
    }
    /// Sets the readout's weights.
    ///
    /// # Errors
    ///
    /// If a size is wrong; nothing is changed then.
    pub fn set_readout(&mut self, blocks: &ReadoutBlocks<T>) -> Result<(), Error> {
        self.layout.pack_readout(&mut self.parameters, blocks)
    }
    /// `Ok` if `other` has the sizes and form of this network.
    pub(crate) fn check_same_shape(&self, shape: &Shape) -> Result<(), Error> {
        check_size("network's input size", shape.lstm.input(), self.lstm.input())?;
        check_size("network's hidden size", shape.lstm.hidden(), self.lstm.hidden())?;
        check_size("network's output size", shape.readout.output(), self.readout.output())?;
        if shape.lstm.output_nonlinearity() != self.lstm.output_nonlinearity() {
            return Err(Error::Form { what: "output nonlinearity" });
        }
        if shape.readout.loss() != self.readout.loss() {
            return Err(Error::Form { what: "loss" });
        }
        Ok(())
    }
    /// The sizes, without the weights.
    pub(crate) fn shape(&self) -> Shape {
        Shape { lstm: self.lstm, readout: self.readout, layout: self.layout }
    }
}

/// The sizes of a network: what a learner remembers of the one it was made for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Shape {
    pub(crate) lstm: Lstm,
    pub(crate) readout: Readout,
    pub(crate) layout: Layout,
}
