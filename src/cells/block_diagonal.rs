//! An RNN whose recurrent matrix consists of free 2 x 2 blocks.
//!
//! ```text
//! (1) p_t = A_j h_{t-1} + [W_1; W_2] x_t      A_j = [[a11, a12], [a21, a22]] of unit j      h_t = phi(p_t)
//! ```
//!
//! An RTU is this with A_j a rotation times a radius, and its input normalised.

use eligibility_kernels::activation::Nonlinearity;

use crate::cells::{Blocks, PartOf, pair_weights};
use crate::error::{Error, check_nonempty};

/// A block-diagonal RNN, equation (1).
///
/// Gradient: exact with [`Rtrl`](crate::Rtrl), in memory that does not grow with the steps.
///
/// ```
/// use eligibility::BlockDiagonal;
/// let cell = BlockDiagonal::new(12, 64)?;
/// assert_eq!((cell.input(), cell.units(), cell.output()), (12, 64, 128));
/// # Ok::<(), eligibility::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BlockDiagonal {
    input: usize,
    units: usize,
    nonlinearity: Nonlinearity,
}

impl BlockDiagonal {
    /// `units` pairs of numbers, phi = tanh.
    ///
    /// # Errors
    ///
    /// If a size is zero.
    pub fn new(input: usize, units: usize) -> Result<Self, Error> {
        check_nonempty("input size", input)?;
        check_nonempty("number of units", units)?;
        Ok(Self { input, units, nonlinearity: Nonlinearity::Tanh })
    }
    /// With another phi.
    #[must_use]
    pub fn with_nonlinearity(self, nonlinearity: Nonlinearity) -> Self {
        Self { nonlinearity, ..self }
    }
    /// Inputs.
    #[must_use]
    pub fn input(&self) -> usize {
        self.input
    }
    /// Units of two numbers each, n.
    #[must_use]
    pub fn units(&self) -> usize {
        self.units
    }
    /// Outputs, 2n: all first numbers, then all second ones.
    #[must_use]
    pub fn output(&self) -> usize {
        self.units.saturating_mul(2)
    }
    /// phi.
    #[must_use]
    pub fn nonlinearity(&self) -> Nonlinearity {
        self.nonlinearity
    }
    pub(crate) fn blocks(&self) -> Blocks {
        let mut parts = pair_weights(["w1", "w2"], self.units, self.input);
        parts.extend(PartOf::unit(&["a11", "a12", "a21", "a22"], self.units));
        Blocks {
            weights: [self.units.saturating_mul(2), self.input],
            recurrent: None,
            unit: Some([4, self.units]),
            parts,
        }
    }
}
