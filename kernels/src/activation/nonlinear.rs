//! The nonlinearity of a recurrent cell with its slope.
//!
//! ```text
//! (1) y = phi(x)      y' = phi'(x)
//!     identity  x              1
//!     relu      max(x, 0)      1 where x > 0, else 0
//!     tanh      tanh x         1 - y^2
//! ```

use core::fmt;

use super::{tanh, tanh_slope};
use crate::instances::run_by;
use crate::lanes::Lanes;
use crate::level::Kernel;
use crate::planes::{Part, PerUnit, check_lengths, sweep_side_by_side};
use crate::real::Real;

/// The function phi of a recurrent cell.
///
/// ```
/// use eligibility_kernels::activation::Nonlinearity;
/// assert_eq!(Nonlinearity::Relu.to_string(), "relu");
/// assert_eq!(Nonlinearity::default(), Nonlinearity::Identity);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Nonlinearity {
    /// `x`: a linear recurrence.
    #[default]
    Identity,
    /// `max(x, 0)`, slope 0 at 0.
    Relu,
    /// `tanh x`.
    Tanh,
}

impl fmt::Display for Nonlinearity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Identity => "identity",
            Self::Relu => "relu",
            Self::Tanh => "tanh",
        })
    }
}

/// A [`Nonlinearity`] as a type, so that a kernel is compiled for each.
pub(crate) trait Phi {
    /// Whether the slope is 1 everywhere.
    const LINEAR: bool = false;
    /// `(phi(x), phi'(x))`, lane by lane.
    fn with_slope<V: Lanes>(token: V::Token, x: V) -> (V, V);
}

/// [`Nonlinearity::Identity`].
pub(crate) struct IdentityPhi;
/// [`Nonlinearity::Relu`].
pub(crate) struct ReluPhi;
/// [`Nonlinearity::Tanh`].
pub(crate) struct TanhPhi;

impl Phi for IdentityPhi {
    const LINEAR: bool = true;
    #[inline(always)]
    fn with_slope<V: Lanes>(token: V::Token, x: V) -> (V, V) {
        (x, V::splat(token, V::Element::ONE))
    }
}

impl Phi for ReluPhi {
    #[inline(always)]
    fn with_slope<V: Lanes>(token: V::Token, x: V) -> (V, V) {
        let (zero, one) = (V::splat(token, V::Element::ZERO), V::splat(token, V::Element::ONE));
        (x.less_select(zero, zero, x), zero.less_select(x, one, zero))
    }
}

impl Phi for TanhPhi {
    #[inline(always)]
    fn with_slope<V: Lanes>(token: V::Token, x: V) -> (V, V) {
        let y = tanh(token, x);
        (y, tanh_slope(token, y))
    }
}

/// A nonlinearity of a slice and its slope, equation (1).
///
/// - Shapes: all slices have one length, any (0 too).
/// - Aliasing: none (`output` and `slope` are written, never read).
/// - Accuracy: exact, but for tanh, which has at most 1.5 ULP; its slope, taken from the output, is off by at most
///   4 epsilon.
/// - Limits: NaN gives NaN in `output` (relu's slope is 0 there).
/// - Panics: if the lengths differ, before anything is written.
/// - Cost: one read and two writes per element; for tanh a division and 29 other operations per vector with FMA. No
///   allocation.
///
/// ```
/// use eligibility_kernels::{Level, activation::{Nonlinear, Nonlinearity}};
/// let (mut output, mut slope) = ([0.0_f32; 3], [0.0; 3]);
/// Level::detect().run(Nonlinear {
///     nonlinearity: Nonlinearity::Relu,
///     input: &[-1.0, 0.0, 2.0],
///     output: &mut output,
///     slope: &mut slope,
/// });
/// assert_eq!((output, slope), ([0.0, 0.0, 2.0], [0.0, 0.0, 1.0]));
/// ```
#[derive(Debug)]
pub struct Nonlinear<'a, T> {
    /// phi.
    pub nonlinearity: Nonlinearity,
    /// Arguments.
    pub input: &'a [T],
    /// As many: out phi(x).
    pub output: &'a mut [T],
    /// As many: out phi'(x).
    pub slope: &'a mut [T],
}

impl<T: Real> Nonlinear<'_, T> {
    /// # Panics
    ///
    /// If the lengths differ.
    #[track_caller]
    pub(crate) fn check(&self) {
        let units = self.input.len();
        check_lengths(1, units, &[("output", self.output.len(), units), ("slope", self.slope.len(), units)]);
    }
}

impl<T: Real> Kernel<T> for Nonlinear<'_, T> {
    type Output = ();

    run_by!(nonlinear);

    #[inline(always)]
    fn run<V: Lanes<Element = T>>(self, token: V::Token) {
        self.check();
        let units = self.input.len();
        match self.nonlinearity {
            Nonlinearity::Identity => sweep_side_by_side::<V>(token, units, &mut Slices(self, IdentityPhi)),
            Nonlinearity::Relu => sweep_side_by_side::<V>(token, units, &mut Slices(self, ReluPhi)),
            Nonlinearity::Tanh => sweep_side_by_side::<V>(token, units, &mut Slices(self, TanhPhi)),
        }
    }
}

/// The slices and the function.
struct Slices<'a, T, N>(Nonlinear<'a, T>, N);

impl<T: Real, N: Phi> PerUnit<T> for Slices<'_, T, N> {
    #[inline(always)]
    fn step<V: Lanes<Element = T>, const FULL: bool>(&mut self, token: V::Token, part: Part<FULL>) {
        let (y, slope) = N::with_slope::<V>(token, part.load(token, self.0.input, 0));
        part.store(y, self.0.output, 0);
        part.store(slope, self.0.slope, 0);
    }
}
