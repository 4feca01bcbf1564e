//! The extensions of e-prop: trace echo and trace scaling (Hoyer et al. 2022, eq. 12 and 13).
//!
//! ```text
//! (1) e_t = beta (dh_t/dc_t) eps_t               eps_t = d f_t eps_{t-1} + dc_t/dW       scaling: beta `output`, d `decay`
//! (2) dE/dW += L_t (e_t + alpha sum over s <= t of e_s)                                  echo, modulated
//! (3) dE/dW += L_t e_t + alpha sum over s of e_s                                         echo, literal
//! ```
//!
//! All over the gates that have a trace (i, f, g), within an episode. The public text of the paper does not contain its
//! equations; both readings of the echo follow its prose. (2) is e-prop with the learning signals
//! `L_s + alpha sum over t >= s of L_t`, (3) with `L_s + alpha`, and that is how schedules without traces evaluate them.

use crate::error::{Error, check_setting};

/// Trace echo: what else than the present trace a learning signal is multiplied with.
///
/// | reading | for a target at the last step T |
/// |---|---|
/// | [`Echo::Modulated`] | `dE/dW = L_T (e_T + alpha sum over s of e_s)` |
/// | [`Echo::Literal`] | `dE/dW = L_T e_T + alpha sum over s of e_s` |
///
/// With several targets, the modulated echo gives each learning signal the sum of all traces of its episode up to its
/// step. The literal one adds every trace once, with the first learning signal of the episode at or after its step; traces
/// after an episode's last target belong to none. Gradient: as approximate as e-prop's, plus the echo.
///
/// Cost: a second trace per weight, and about twice the work on traces, when streaming or blocked; nothing worth
/// mentioning for the whole sequence.
///
/// ```
/// use eligibility::{Echo, Eprop, EpropOptions, Loss, Lstm, Network, Readout};
/// # let network = Network::<f32>::zeros(Lstm::new(4, 32)?, Readout::new(2, Loss::CrossEntropy)?)?;
/// let options = EpropOptions { echo: Echo::Modulated { alpha: 0.1 }, ..EpropOptions::default() };
/// let eprop = Eprop::new(&network, 64, options)?;
/// # Ok::<(), eligibility::Error>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum Echo {
    /// None.
    #[default]
    Off,
    /// The sum of traces, times the learning signal. On the paper's temporal-credit task, alpha of 0.01 to 1 does the same.
    Modulated {
        /// alpha.
        alpha: f64,
    },
    /// The sum of traces itself, without any learning signal: an activity penalty on h, averaged over the batch like
    /// the loss.
    Literal {
        /// alpha; of either sign. The sum of traces is large: of the order of 1e-5 is a start.
        alpha: f64,
    },
}

impl Echo {
    /// alpha; 0 if off.
    pub(crate) fn alpha(self) -> f64 {
        match self {
            Self::Off => 0.0,
            Self::Modulated { alpha } | Self::Literal { alpha } => alpha,
        }
    }
}

/// Trace scaling: factors in the computation of the eligibility traces.
///
/// ```text
/// eps_t = decay f_t eps_{t-1} + dc_t/dW        e_t = output (dh_t/dc_t) eps_t
/// ```
///
/// `decay` shortens the memory of the traces and leaves the cell alone; with 0 only immediate derivatives remain, the
/// control that has no trace at all. A factor on the whole recursion, `eps_t = b (f_t eps_{t-1} + dc_t/dW)`, is `decay: b,
/// output: b`. An optimiser that divides by the gradient's size (Adam, `RMSProp`) undoes most of `output`.
///
/// ```
/// use eligibility::{EpropOptions, TraceScaling};
/// let options: EpropOptions<f32> =
///     EpropOptions { scaling: TraceScaling { output: 0.1, decay: 0.9 }, ..EpropOptions::default() };
/// # assert_eq!(options.scaling.decay, 0.9);
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TraceScaling {
    /// beta: what traces are multiplied with where they are used; finite.
    pub output: f64,
    /// d: what the forget gate is multiplied with in the recursion, in [0, 1].
    pub decay: f64,
}

impl Default for TraceScaling {
    /// No scaling.
    fn default() -> Self {
        Self { output: 1.0, decay: 1.0 }
    }
}

/// Both, as a learner holds them.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Extensions {
    pub(crate) echo: Echo,
    pub(crate) scaling: TraceScaling,
}

impl Extensions {
    pub(crate) fn new(echo: Echo, scaling: TraceScaling) -> Result<Self, Error> {
        check_setting("trace echo's alpha", "finite", echo.alpha(), |_| true)?;
        check_setting("trace scaling's output", "finite", scaling.output, |_| true)?;
        check_setting("trace scaling's decay", "in [0, 1]", scaling.decay, |d| (0.0..=1.0).contains(&d))?;
        Ok(Self { echo, scaling })
    }
    /// Whether there is an echo.
    pub(crate) fn echoes(&self) -> bool {
        self.echo != Echo::Off
    }
}
