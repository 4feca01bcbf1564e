//! Recurrent trace units: a complex-diagonal recurrence whose exact RTRL costs as much as its forward step.
//!
//! ```text
//! (1) lambda = r e^{i theta}      gamma = sqrt(1 - r^2)
//! (2) p_t = lambda h_{t-1} + gamma (W_1 + i W_2) x_t                 h, p complex
//! (3) linear:     h_t = p_t            y_t = [phi(Re h_t); phi(Im h_t)]
//!     nonlinear:  h_t = phi(Re p_t) + i phi(Im p_t)                  y_t = [Re h_t; Im h_t]
//! (4) exp-exp:  r = e^{-e^w_nu}, theta = e^w_theta    exp:  r = e^{-w_nu}, theta = w_theta    direct:  r = w_nu, theta = w_theta
//! ```
//!
//! Elelimy et al. 2024 (RTUs), whose code adds 1e-8 to gamma. gamma is a function of r, not a parameter.

use eligibility_kernels::activation::Nonlinearity;

use crate::cells::{Blocks, PartOf, pair_weights};
use crate::error::{Error, check_nonempty};

/// Where phi stands in equation (3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Recurrence {
    /// At the output only.
    Linear,
    /// In the recurrence.
    Nonlinear,
}

/// What the parameters of r and theta are, equation (4).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Parameterisation {
    /// `r = e^{-e^w}`, always in (0, 1); `theta = e^w`.
    #[default]
    ExpExp,
    /// `r = e^{-w}`, `theta = w`. r is clamped to at most 1: beyond, its gradient is zero.
    Exp,
    /// `r = w`, `theta = w`. r is clamped to [1e-6, 1]: outside, its gradient is zero.
    Direct,
}

/// A layer of recurrent trace units, equations (1) to (4).
///
/// Gradient: exact with [`Rtrl`](crate::Rtrl), in memory that does not grow with the steps.
///
/// ```
/// use eligibility::{Nonlinearity, Parameterisation, Rtu};
/// let rtu = Rtu::linear(12, 64)?.with_parameterisation(Parameterisation::Direct);
/// assert_eq!((rtu.input(), rtu.units(), rtu.output()), (12, 64, 128));
/// assert_eq!(rtu.nonlinearity(), Nonlinearity::Relu);
/// # Ok::<(), eligibility::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rtu {
    input: usize,
    units: usize,
    recurrence: Recurrence,
    nonlinearity: Nonlinearity,
    parameterisation: Parameterisation,
}

impl Rtu {
    /// `units` complex units with a linear recurrence and phi = relu at the output.
    ///
    /// # Errors
    ///
    /// If a size is zero.
    pub fn linear(input: usize, units: usize) -> Result<Self, Error> {
        Self::new(input, units, Recurrence::Linear)
    }
    /// `units` complex units with phi = relu in the recurrence.
    ///
    /// # Errors
    ///
    /// If a size is zero.
    pub fn nonlinear(input: usize, units: usize) -> Result<Self, Error> {
        Self::new(input, units, Recurrence::Nonlinear)
    }
    fn new(input: usize, units: usize, recurrence: Recurrence) -> Result<Self, Error> {
        check_nonempty("input size", input)?;
        check_nonempty("number of units", units)?;
        let (nonlinearity, parameterisation) = (Nonlinearity::Relu, Parameterisation::default());
        Ok(Self { input, units, recurrence, nonlinearity, parameterisation })
    }
    /// With another phi.
    #[must_use]
    pub fn with_nonlinearity(self, nonlinearity: Nonlinearity) -> Self {
        Self { nonlinearity, ..self }
    }
    /// With other parameters of r and theta.
    #[must_use]
    pub fn with_parameterisation(self, parameterisation: Parameterisation) -> Self {
        Self { parameterisation, ..self }
    }
    /// Inputs.
    #[must_use]
    pub fn input(&self) -> usize {
        self.input
    }
    /// Complex units, n.
    #[must_use]
    pub fn units(&self) -> usize {
        self.units
    }
    /// Outputs, 2n.
    #[must_use]
    pub fn output(&self) -> usize {
        self.units.saturating_mul(2)
    }
    /// Where phi stands.
    #[must_use]
    pub fn recurrence(&self) -> Recurrence {
        self.recurrence
    }
    /// phi.
    #[must_use]
    pub fn nonlinearity(&self) -> Nonlinearity {
        self.nonlinearity
    }
    /// What the parameters of r and theta are.
    #[must_use]
    pub fn parameterisation(&self) -> Parameterisation {
        self.parameterisation
    }
    pub(crate) fn blocks(&self) -> Blocks {
        let mut parts = pair_weights(["w1", "w2"], self.units, self.input);
        parts.extend(PartOf::unit(&["nu", "theta"], self.units));
        Blocks {
            weights: [self.units.saturating_mul(2), self.input],
            recurrent: None,
            unit: Some([2, self.units]),
            parts,
        }
    }
}
