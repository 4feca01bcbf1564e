//! The LSTM cell: sizes and form.
//!
//! ```text
//! (1) z = W [x_t; h_{t-1}; 1]                          gates in the order i, f, g, o
//! (2) i, f, o = sigma(z_i, z_f, z_o)   g = tanh(z_g)
//! (3) c_t = f c_{t-1} + i g            h_t = o phi(c_t)
//! ```
//!
//! No peepholes. (1) is one affine map (`crate::affine`), (2) and (3) one kernel
//! (`eligibility_kernels::lstm_gates`), which also gives every local factor a learner needs.

use eligibility_kernels::activation::Nonlinearity;

use crate::cells::{Blocks, PartOf};
use crate::error::{Error, check_nonempty};

/// An LSTM layer's sizes and form; its weights live in a [`Network`](crate::Network).
///
/// ```
/// use eligibility::{Lstm, Nonlinearity};
/// let lstm = Lstm::new(4, 32)?.with_nonlinearity(Nonlinearity::Identity);
/// assert_eq!((lstm.input(), lstm.units()), (4, 32));
/// assert!(Lstm::new(4, 0).is_err());
/// # Ok::<(), eligibility::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lstm {
    input: usize,
    units: usize,
    nonlinearity: Nonlinearity,
}

impl Lstm {
    /// `input` inputs, `units` units, `h = o tanh(c)`.
    ///
    /// # Errors
    ///
    /// If a size is zero.
    pub fn new(input: usize, units: usize) -> Result<Self, Error> {
        check_nonempty("input size", input)?;
        check_nonempty("number of units", units)?;
        Ok(Self { input, units, nonlinearity: Nonlinearity::Tanh })
    }
    /// With another phi in `h = o phi(c)`.
    #[must_use]
    pub fn with_nonlinearity(self, nonlinearity: Nonlinearity) -> Self {
        Self { nonlinearity, ..self }
    }
    /// Inputs.
    #[must_use]
    pub fn input(&self) -> usize {
        self.input
    }
    /// Units.
    #[must_use]
    pub fn units(&self) -> usize {
        self.units
    }
    /// Outputs: the hidden state.
    #[must_use]
    pub fn output(&self) -> usize {
        self.units
    }
    pub(crate) fn blocks(&self) -> Blocks {
        let (rows, bias) = (self.units.saturating_mul(4), self.input.saturating_add(self.units));
        let columns = bias.saturating_add(1);
        let parts = vec![
            PartOf::weights("weight_ih", 0..rows, 0..self.input),
            PartOf::weights("weight_hh", 0..rows, self.input..bias),
            PartOf::weights("bias", 0..rows, bias..columns),
        ];
        Blocks { weights: [rows, columns], recurrent: None, unit: None, parts }
    }
    /// phi in `h = o phi(c)`.
    #[must_use]
    pub fn nonlinearity(&self) -> Nonlinearity {
        self.nonlinearity
    }
}
