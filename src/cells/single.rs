//! Diagonal cells with one real number of state per unit: minGRU and eLSTM.
//!
//! ```text
//! (1) minGRU:  u = sigma(W_u x_t)     h_t = (1 - u) h_{t-1} + u (W_h x_t)
//! (2) eLSTM:   z = tanh(Z [x_t; 1] + w_z c_{t-1})     f = sigma(F [x_t; 1] + w_f c_{t-1})     c_t = f c_{t-1} + (1 - f) z
//! ```
//!
//! (1): Feng et al. 2024. (2): Irie et al. 2023; the state is the output.

use crate::cells::{Blocks, PartOf, pair_weights};
use crate::error::{Error, check_nonempty};

/// A minimal gated recurrent unit, equation (1).
///
/// Gradient: exact with [`Rtrl`](crate::Rtrl), in memory that does not grow with the steps.
///
/// ```
/// use eligibility::MinGru;
/// let cell = MinGru::new(12, 64)?;
/// assert_eq!((cell.input(), cell.output()), (12, 64));
/// # Ok::<(), eligibility::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MinGru {
    input: usize,
    units: usize,
}

/// An element-wise LSTM, equation (2).
///
/// Gradient: exact with [`Rtrl`](crate::Rtrl), in memory that does not grow with the steps.
///
/// ```
/// use eligibility::Elstm;
/// let cell = Elstm::new(12, 64)?;
/// assert_eq!((cell.input(), cell.output()), (12, 64));
/// # Ok::<(), eligibility::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Elstm {
    input: usize,
    units: usize,
}

macro_rules! sizes {
    ($cell:ident) => {
        impl $cell {
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
        }
    };
}

sizes!(MinGru);
sizes!(Elstm);

impl MinGru {
    pub(crate) fn blocks(&self) -> Blocks {
        let parts = pair_weights(["w_h", "w_u"], self.units, self.input);
        Blocks { weights: [self.units.saturating_mul(2), self.input], recurrent: None, unit: None, parts }
    }
}

impl Elstm {
    pub(crate) fn blocks(&self) -> Blocks {
        let (units, bias, columns) = (self.units, self.input, self.input.saturating_add(1));
        let mut parts = pair_weights(["weight_z", "weight_f"], units, self.input);
        parts.push(PartOf::weights("bias_z", 0..units, bias..columns));
        parts.push(PartOf::weights("bias_f", units..units.saturating_mul(2), bias..columns));
        parts.extend(PartOf::unit(&["w_z", "w_f"], units));
        Blocks { weights: [units.saturating_mul(2), columns], recurrent: None, unit: Some([2, units]), parts }
    }
}
