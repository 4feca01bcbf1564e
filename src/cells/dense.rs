//! A layer without memory: an encoder below a recurrent layer, or a projection above one.
//!
//! ```text
//! (1) y_t = phi(W [x_t; 1])
//! ```

use eligibility_kernels::activation::Nonlinearity;

use crate::cells::{Blocks, PartOf};
use crate::error::{Error, check_nonempty};

/// A dense layer, equation (1).
///
/// Gradient: that of the step alone. Above recurrent layers it is exact; below one, a learner that goes forward in time
/// drops what x_t does to later steps.
///
/// ```
/// use eligibility::{Dense, Nonlinearity};
/// let encoder = Dense::new(12, 64)?.with_nonlinearity(Nonlinearity::Tanh);
/// assert_eq!((encoder.input(), encoder.output()), (12, 64));
/// # Ok::<(), eligibility::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Dense {
    input: usize,
    units: usize,
    nonlinearity: Nonlinearity,
}

impl Dense {
    /// `input` inputs, `units` units, linear.
    ///
    /// # Errors
    ///
    /// If a size is zero.
    pub fn new(input: usize, units: usize) -> Result<Self, Error> {
        check_nonempty("input size", input)?;
        check_nonempty("number of units", units)?;
        Ok(Self { input, units, nonlinearity: Nonlinearity::Identity })
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
        let columns = self.input.saturating_add(1);
        let parts = vec![
            PartOf::weights("weight", 0..self.units, 0..self.input),
            PartOf::weights("bias", 0..self.units, self.input..columns),
        ];
        Blocks { weights: [self.units, columns], recurrent: None, unit: None, parts }
    }
}
