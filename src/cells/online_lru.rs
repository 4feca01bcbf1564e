//! The linear recurrent unit as it is trained online: a complex-diagonal linear recurrence with a free normaliser.
//!
//! ```text
//! (1) lambda = e^{-e^w_nu + i w_theta}      gamma = e^w_gamma
//! (2) h_t = lambda h_{t-1} + gamma (B_re + i B_im) x_t
//! (3) y_t = Re(C h_t) + D x_t = [Re C, Im C, D] [Re h_t; -Im h_t; x_t]
//! ```
//!
//! Orvieto et al. 2023 (LRU); trained with exact traces by Zucchet et al. 2023 (online LRU).

use crate::cells::{Blocks, Cell, Dense, PartOf, pair_weights};
use crate::error::{Error, check_nonempty};

/// A layer of linear recurrent units, equations (1) and (2). It gives `[Re h_t; -Im h_t]`, and x_t behind that if D is
/// wanted: the matrix of the layer above, or of the readout, is then `[Re C, Im C, D]` of equation (3).
///
/// Gradient: exact with [`Rtrl`](crate::Rtrl), in memory that does not grow with the steps.
///
/// ```
/// use eligibility::{Loss, Network, OnlineLru, Readout};
/// let lru = OnlineLru::new(12, 64)?.with_skip();
/// assert_eq!(lru.output(), 2 * 64 + 12);
/// let layers = lru.projected(32)?; // C and D as a dense layer
/// let network = Network::<f32>::stacked(&layers, Readout::new(1, Loss::SquaredError)?)?;
/// # assert_eq!(network.layers().len(), 2);
/// # Ok::<(), eligibility::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OnlineLru {
    input: usize,
    units: usize,
    skip: bool,
}

impl OnlineLru {
    /// `units` complex units, without D.
    ///
    /// # Errors
    ///
    /// If a size is zero.
    pub fn new(input: usize, units: usize) -> Result<Self, Error> {
        check_nonempty("input size", input)?;
        check_nonempty("number of units", units)?;
        Ok(Self { input, units, skip: false })
    }
    /// With D: x_t is passed on as well.
    #[must_use]
    pub fn with_skip(self) -> Self {
        Self { skip: true, ..self }
    }
    /// This layer and the dense one that holds C, D and a bias, with `output` outputs.
    ///
    /// # Errors
    ///
    /// If `output` is zero.
    pub fn projected(self, output: usize) -> Result<[Cell; 2], Error> {
        Ok([self.into(), Dense::new(self.output(), output)?.into()])
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
    /// Whether x_t is passed on.
    #[must_use]
    pub fn skip(&self) -> bool {
        self.skip
    }
    /// Outputs: 2n, and the inputs if they are passed on.
    #[must_use]
    pub fn output(&self) -> usize {
        self.units.saturating_mul(2).saturating_add(if self.skip { self.input } else { 0 })
    }
    pub(crate) fn blocks(&self) -> Blocks {
        let mut parts = pair_weights(["b_re", "b_im"], self.units, self.input);
        parts.extend(PartOf::unit(&["nu", "theta", "gamma_log"], self.units));
        Blocks {
            weights: [self.units.saturating_mul(2), self.input],
            recurrent: None,
            unit: Some([3, self.units]),
            parts,
        }
    }
}
