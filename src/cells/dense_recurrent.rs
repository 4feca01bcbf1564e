//! Cells with one kind of state and a dense recurrent matrix: the GRU and the vanilla RNN.
//!
//! ```text
//! (1) GRU:  a = W_ih x_t + b_ih      b = W_hh h_{t-1} + b_hh                 gates in the order r, z, n
//!           r = sigma(a_r + b_r)     z = sigma(a_z + b_z)     n = tanh(a_n + r b_n)     h_t = (1 - z) n + z h_{t-1}
//! (2) RNN:  h_t = phi(W_ih x_t + W_hh h_{t-1} + b)                    b: `PyTorch`'s b_ih + b_hh
//! ```
//!
//! (1): Cho et al. 2014 in `PyTorch`'s form.

use eligibility_kernels::activation::Nonlinearity;

use crate::cells::{Blocks, PartOf, Which};
use crate::error::{Error, check_nonempty};

/// A gated recurrent unit, equation (1), with `PyTorch`'s parameters.
///
/// Gradient: exact with [`Bptt`](crate::Bptt), else approximate. [`Eprop`](crate::Eprop) keeps the path z h_{t-1} and drops
/// those through the recurrent weights.
///
/// ```
/// use eligibility::Gru;
/// let cell = Gru::new(12, 64)?;
/// assert_eq!((cell.input(), cell.output()), (12, 64));
/// # Ok::<(), eligibility::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gru {
    input: usize,
    units: usize,
}

/// A vanilla recurrent network, equation (2).
///
/// Gradient: exact with [`Bptt`](crate::Bptt), else approximate. All paths from step to step are through the recurrent
/// weights, so [`Eprop`](crate::Eprop) has the gradient of each step alone.
///
/// ```
/// use eligibility::{Nonlinearity, Rnn};
/// let cell = Rnn::new(12, 64)?;
/// assert_eq!((cell.input(), cell.output(), cell.nonlinearity()), (12, 64, Nonlinearity::Tanh));
/// # Ok::<(), eligibility::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rnn {
    input: usize,
    units: usize,
    nonlinearity: Nonlinearity,
}

impl Gru {
    /// `units` units.
    ///
    /// # Errors
    ///
    /// If a size is zero.
    pub fn new(input: usize, units: usize) -> Result<Self, Error> {
        check_nonempty("input size", input)?;
        check_nonempty("number of units", units)?;
        Ok(Self { input, units })
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
    /// Outputs: the units.
    #[must_use]
    pub fn output(&self) -> usize {
        self.units
    }
    pub(crate) fn blocks(&self) -> Blocks {
        let rows = self.units.saturating_mul(3);
        let (bias_ih, bias_hh) = (self.input, self.units);
        let parts = vec![
            PartOf::weights("weight_ih", 0..rows, 0..bias_ih),
            PartOf { of: Which::Recurrent, ..PartOf::weights("weight_hh", 0..rows, 0..bias_hh) },
            PartOf::weights("bias_ih", 0..rows, bias_ih..bias_ih.saturating_add(1)),
            PartOf {
                of: Which::Recurrent,
                ..PartOf::weights("bias_hh", 0..rows, bias_hh..bias_hh.saturating_add(1))
            },
        ];
        let columns = [self.input, self.units].map(|size| size.saturating_add(1));
        Blocks { weights: [rows, columns[0]], recurrent: Some([rows, columns[1]]), unit: None, parts }
    }
}

impl Rnn {
    /// `units` units, phi = tanh.
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
    /// Units.
    #[must_use]
    pub fn units(&self) -> usize {
        self.units
    }
    /// Outputs: the units.
    #[must_use]
    pub fn output(&self) -> usize {
        self.units
    }
    /// phi.
    #[must_use]
    pub fn nonlinearity(&self) -> Nonlinearity {
        self.nonlinearity
    }
    pub(crate) fn blocks(&self) -> Blocks {
        let (rows, bias) = (self.units, self.input.saturating_add(self.units));
        let columns = bias.saturating_add(1);
        let parts = vec![
            PartOf::weights("weight_ih", 0..rows, 0..self.input),
            PartOf::weights("weight_hh", 0..rows, self.input..bias),
            PartOf::weights("bias", 0..rows, bias..columns),
        ];
        Blocks { weights: [rows, columns], recurrent: None, unit: None, parts }
    }
}
