//! Feedback weights: the matrix B that turns the output error into a learning signal, `L = B^T dE/dy`.

use crate::affine::{Rect, Scalar};
use crate::buffer::Buffer;
use crate::error::{Error, check_size};
use crate::network::Shape;
use crate::readout::weights;

/// Where B comes from (Hoyer et al. 2022, eq. 10).
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Feedback<T: Scalar> {
    /// The readout's own weights, as they are at each step.
    #[default]
    Symmetric,
    /// `[output, hidden]`: fixed. [`Feedback::random`] draws one.
    Random(Buffer<T>),
}

impl<T: Scalar> Feedback<T> {
    pub(crate) fn check(&self, shape: &Shape) -> Result<(), Error> {
        match self {
            Self::Symmetric => Ok(()),
            Self::Random(matrix) => check_size(
                "feedback weights",
                shape.readout.output() * shape.layout.top().lstm.hidden(),
                matrix.len(),
            ),
        }
    }
    pub(crate) fn matrix<'a>(&'a self, shape: &Shape, parameters: &'a [T]) -> Rect<&'a [T]> {
        match self {
            Self::Symmetric => weights(shape.layout.readout(), parameters),
            Self::Random(matrix) => {
                Rect::dense(&matrix[..], shape.readout.output(), shape.layout.top().lstm.hidden())
            }
        }
    }
}
