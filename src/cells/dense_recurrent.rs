//! Cells whose recurrent matrix is dense, for backpropagation through time: the GRU and the vanilla RNN.
//!
//! ```text
//! (1) GRU:  a = W_ih x_t + b_ih      b = W_hh h_{t-1} + b_hh                 gates in the order r, z, n
//!           r = sigma(a_r + b_r)     z = sigma(a_z + b_z)     n = tanh(a_n + r b_n)     h_t = (1 - z) n + z h_{t-1}
//! (2) RNN:  h_t = phi(W_ih x_t + b_ih + W_hh h_{t-1})
//! ```
//!
//! (1): Cho et al. 2014 in `PyTorch`'s form.

use eligibility_kernels::activation::Nonlinearity;

use crate::cells::{Blocks, PartOf, Which};
use crate::error::{Error, check_nonempty};

/// A gated recurrent unit, equation (1), with `PyTorch`'s parameters.
///
/// Gradient: exact with [`Bptt`](crate::Bptt), approximate with [`TruncatedBptt`](crate::TruncatedBptt).
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
    hidden: usize,
}

/// A vanilla recurrent network, equation (2).
///
/// Gradient: exact with [`Bptt`](crate::Bptt), approximate with [`TruncatedBptt`](crate::TruncatedBptt).
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
    hidden: usize,
    nonlinearity: Nonlinearity,
}

impl Gru {
    /// `hidden` units.
    ///
    /// # Errors
    ///
    /// If a size is zero.
    pub fn new(input: usize, hidden: usize) -> Result<Self, Error> {
        check_nonempty("input size", input)?;
        check_nonempty("hidden size", hidden)?;
        Ok(Self { input, hidden })
    }
    /// Inputs.
    #[must_use]
    pub fn input(&self) -> usize {
        self.input
    }
    /// Outputs: the units.
    #[must_use]
    pub fn output(&self) -> usize {
        self.hidden
    }
    pub(crate) fn blocks(&self) -> Blocks {
        let rows = self.hidden.saturating_mul(3);
        let (bias_ih, bias_hh) = (self.input, self.hidden);
        let parts = vec![
            PartOf::weights("weight_ih", 0..rows, 0..bias_ih),
            PartOf { of: Which::Recurrent, ..PartOf::weights("weight_hh", 0..rows, 0..bias_hh) },
            PartOf::weights("bias_ih", 0..rows, bias_ih..bias_ih.saturating_add(1)),
            PartOf {
                of: Which::Recurrent,
                ..PartOf::weights("bias_hh", 0..rows, bias_hh..bias_hh.saturating_add(1))
            },
        ];
        let columns = [self.input, self.hidden].map(|size| size.saturating_add(1));
        Blocks { weights: [rows, columns[0]], recurrent: Some([rows, columns[1]]), unit: None, parts }
    }
}

impl Rnn {
    /// `hidden` units, phi = tanh.
    ///
    /// # Errors
    ///
    /// If a size is zero.
    pub fn new(input: usize, hidden: usize) -> Result<Self, Error> {
        check_nonempty("input size", input)?;
        check_nonempty("hidden size", hidden)?;
        Ok(Self { input, hidden, nonlinearity: Nonlinearity::Tanh })
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
    /// Outputs: the units.
    #[must_use]
    pub fn output(&self) -> usize {
        self.hidden
    }
    /// phi.
    #[must_use]
    pub fn nonlinearity(&self) -> Nonlinearity {
        self.nonlinearity
    }
    pub(crate) fn blocks(&self) -> Blocks {
        let (rows, bias) = (self.hidden, self.input);
        let parts = vec![
            PartOf::weights("weight_ih", 0..rows, 0..bias),
            PartOf { of: Which::Recurrent, ..PartOf::weights("weight_hh", 0..rows, 0..rows) },
            PartOf::weights("bias_ih", 0..rows, bias..bias.saturating_add(1)),
        ];
        let weights = [rows, self.input.saturating_add(1)];
        Blocks { weights, recurrent: Some([rows, rows]), unit: None, parts }
    }
}
