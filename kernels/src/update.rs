//! Optimiser updates on flat slices: one sweep over weights, gradient and running averages.
//!
//! ```text
//! (1) Sgd       w <- w - eta g
//! (2) RmsProp   v <- rho v + (1 - rho) g^2       w <- w - eta g / (sqrt(v) + eps)
//! (3) Adam      m <- b1 m + (1 - b1) g           v <- b2 v + (1 - b2) g^2
//!               w <- w - eta m / (sqrt(kappa v) + eps)
//! ```
//!
//! In (3) the bias corrections, the same for all weights, are the caller's: `eta = rate / (1 - b1^n)` and
//! `kappa = 1 / (1 - b2^n)` at update n. (2): Tieleman & Hinton 2012; (3): Kingma & Ba 2015.

use core::ops::Range;

use crate::instances::{fused_by, run_by};
use crate::lanes::Lanes;
use crate::level::{Kernel, Level};
use crate::quantized::{rounder, square_rounder};
use crate::real::Real;

mod online;
mod pair;

pub use online::{OuterUpdate, TraceUpdate};
pub use pair::PairTraceUpdate;

/// What a running average keeps of itself at an update, and what it takes of the new value: rho and 1 - rho.
///
/// Each is rounded once from `f64`. The difference of the rounded rho from 1 would be wrong by half its last digit: of 0.999999 in
/// `f32` by 1.3 %, of 0.99999999 altogether.
///
/// ```
/// use eligibility_kernels::update::Decay;
/// let decay = Decay::<f32>::new(0.999999);
/// assert_eq!(decay.rest(), 1e-6);
/// assert_ne!(1.0 - decay.kept(), 1e-6);
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Decay<T> {
    kept: T,
    rest: T,
}

impl<T: Real> Decay<T> {
    /// Of rho.
    #[must_use]
    pub fn new(rho: f64) -> Self {
        Self { kept: T::from_f64(rho), rest: T::from_f64(1.0 - rho) }
    }
    /// rho
    #[must_use]
    pub fn kept(self) -> T {
        self.kept
    }
    /// 1 - rho
    #[must_use]
    pub fn rest(self) -> T {
        self.rest
    }
    #[inline(always)]
    fn splat<V: Lanes<Element = T>>(self, token: V::Token) -> [V; 2] {
        [V::splat(token, self.kept), V::splat(token, self.rest)]
    }
}

/// Stochastic gradient descent, equation (1).
///
/// All slices have the same length and may not overlap. Accuracy: two roundings per element, one where the level
/// fuses. Non-finite gradients give non-finite weights.
///
/// # Panics
///
/// [`Level::run`](crate::Level::run) panics if the lengths differ.
///
/// Cost: 2 FLOPs, two reads and one write per weight.
///
/// ```
/// use eligibility_kernels::{Level, update::Sgd};
/// let mut parameters = [1.0_f32];
/// Level::detect().run(Sgd { rate: 0.5, gradient: &[2.0], parameters: &mut parameters });
/// assert_eq!(parameters, [0.0]);
/// ```
#[derive(Debug)]
pub struct Sgd<'a, T> {
    /// eta
    pub rate: T,
    /// g
    pub gradient: &'a [T],
    /// w
    pub parameters: &'a mut [T],
}

/// `RMSProp`, equation (2). Conventions as for [`Sgd`]. Small averages are rounded to whole multiples of
/// [`Real::SQUARE_QUANTUM`].
///
/// # Panics
///
/// [`Level::run`](crate::Level::run) panics if the lengths differ.
///
/// Cost: 9 FLOPs with a division and a root, three reads and two writes per weight.
///
/// ```
/// use eligibility_kernels::{Level, update::{Decay, RmsProp}};
/// let (mut parameters, mut square) = ([1.0_f64], [0.0]);
/// Level::detect().run(RmsProp {
///     rate: 0.5, decay: Decay::new(0.75), epsilon: 0.0,
///     gradient: &[2.0], square: &mut square, parameters: &mut parameters,
/// });
/// assert_eq!((parameters, square), ([0.0], [1.0]));
/// ```
#[derive(Debug)]
pub struct RmsProp<'a, T> {
    /// eta
    pub rate: T,
    /// rho
    pub decay: Decay<T>,
    /// eps
    pub epsilon: T,
    /// g
    pub gradient: &'a [T],
    /// v
    pub square: &'a mut [T],
    /// w
    pub parameters: &'a mut [T],
}

/// Adam, equation (3). Conventions as for [`Sgd`]. Small averages are rounded to whole multiples of
/// [`Real::TRACE_QUANTUM`], those of squares of [`Real::SQUARE_QUANTUM`].
///
/// # Panics
///
/// [`Level::run`](crate::Level::run) panics if the lengths differ.
///
/// Cost: 14 FLOPs with a division and a root, four reads and three writes per weight.
///
/// ```
/// use eligibility_kernels::{Level, update::{Adam, Decay}};
/// let (mut parameters, mut mean, mut square) = ([1.0_f64], [0.0], [0.0]);
/// Level::detect().run(Adam {
///     rate: 1.0, correction: 4.0, decays: [0.5, 0.75].map(Decay::new), epsilon: 0.0,
///     gradient: &[2.0], mean: &mut mean, square: &mut square, parameters: &mut parameters,
/// });
/// assert_eq!((parameters, mean, square), ([0.5], [1.0], [1.0]));
/// ```
#[derive(Debug)]
pub struct Adam<'a, T> {
    /// eta, corrected for the start of the mean.
    pub rate: T,
    /// kappa, the correction for the start of the square.
    pub correction: T,
    /// b1, b2
    pub decays: [Decay<T>; 2],
    /// eps
    pub epsilon: T,
    /// g
    pub gradient: &'a [T],
    /// m
    pub mean: &'a mut [T],
    /// v
    pub square: &'a mut [T],
    /// w
    pub parameters: &'a mut [T],
}

/// No update at all: `w <- g`, for a gradient that somebody else uses. What the fused kernels make is written once, and nothing
/// is read before.
///
/// # Panics
///
/// [`Level::run`](crate::Level::run) panics if the lengths do not fit each other.
///
/// ```
/// use eligibility_kernels::{Level, update::{OuterUpdate, Store}};
/// let mut gradient = [f32::NAN; 2];
/// let update = Store { gradient: &mut gradient };
/// Level::detect().run(OuterUpdate { signal: &[2.0], presynaptic: &[1.0, 10.0], update });
/// assert_eq!(gradient, [2.0, 20.0]);
/// ```
#[derive(Debug)]
pub struct Store<'a, T> {
    /// Out g.
    pub gradient: &'a mut [T],
}

/// An update of weights by one of the rules of this module.
///
/// Implemented by [`Sgd`], [`RmsProp`], [`Adam`] and [`Store`]; a bound for the fused kernels, not to be called.
pub trait Update<T: Real>: Sized {
    /// # Panics
    ///
    /// If the slices are not of this many weights; the gradient is not looked at.
    #[doc(hidden)]
    fn check(&self, weights: usize);
    /// Updates the weights `lanes` with the gradient `g`: a whole vector if `FULL`.
    #[doc(hidden)]
    fn apply<V: Lanes<Element = T>, const FULL: bool>(&mut self, token: V::Token, lanes: Range<usize>, g: V);
    /// Runs the kernels that are fused with it.
    #[doc(hidden)]
    fn traces(kernel: TraceUpdate<'_, T, Self>, level: Level);
    #[doc(hidden)]
    fn pairs(kernel: PairTraceUpdate<'_, T, Self>, level: Level);
    #[doc(hidden)]
    fn outer(kernel: OuterUpdate<'_, T, Self>, level: Level);
}

#[track_caller]
fn check(what: &str, found: usize, weights: usize) {
    assert!(found == weights, "{what} has {found} elements where there are {weights} weights");
}

/// Updates all weights along `gradient`.
///
/// # Panics
///
/// If a length differs from that of the gradient.
#[inline(always)]
#[track_caller]
fn sweep<V: Lanes>(token: V::Token, mut update: impl Update<V::Element>, gradient: &[V::Element]) {
    update.check(gradient.len());
    let body = gradient.len() - gradient.len() % V::WIDTH;
    for start in (0..body).step_by(V::WIDTH) {
        let lanes = start..start + V::WIDTH;
        update.apply::<V, true>(token, lanes.clone(), V::load(token, &gradient[lanes]));
    }
    if body < gradient.len() {
        let g = V::load_part::<false>(token, &gradient[body..]);
        update.apply::<V, false>(token, body..gradient.len(), g);
    }
}

impl<T: Real> Kernel<T> for Sgd<'_, T> {
    type Output = ();

    run_by!(sgd);

    #[inline(always)]
    fn run<V: Lanes<Element = T>>(self, token: V::Token) {
        let gradient = self.gradient;
        sweep::<V>(token, self, gradient);
    }
}

impl<T: Real> Update<T> for Sgd<'_, T> {
    fused_by!(sgd_traces, sgd_pairs, sgd_outer);

    fn check(&self, weights: usize) {
        check("parameters", self.parameters.len(), weights);
    }
    #[inline(always)]
    fn apply<V: Lanes<Element = T>, const FULL: bool>(&mut self, token: V::Token, lanes: Range<usize>, g: V) {
        // (1)
        let w = &mut self.parameters[lanes];
        g.mul_add(V::splat(token, -self.rate), V::load_part::<FULL>(token, w)).store_part::<FULL>(w);
    }
}

impl<T: Real> Update<T> for Store<'_, T> {
    fused_by!(store_traces, store_pairs, store_outer);

    fn check(&self, weights: usize) {
        check("gradient", self.gradient.len(), weights);
    }
    #[inline(always)]
    fn apply<V: Lanes<Element = T>, const FULL: bool>(
        &mut self,
        _token: V::Token,
        lanes: Range<usize>,
        g: V,
    ) {
        g.store_part::<FULL>(&mut self.gradient[lanes]);
    }
}

impl<T: Real> Kernel<T> for RmsProp<'_, T> {
    type Output = ();

    run_by!(rms_prop);

    #[inline(always)]
    fn run<V: Lanes<Element = T>>(self, token: V::Token) {
        let gradient = self.gradient;
        sweep::<V>(token, self, gradient);
    }
}

impl<T: Real> Update<T> for RmsProp<'_, T> {
    fused_by!(rms_prop_traces, rms_prop_pairs, rms_prop_outer);

    fn check(&self, weights: usize) {
        check("parameters", self.parameters.len(), weights);
        check("square", self.square.len(), weights);
    }
    #[inline(always)]
    fn apply<V: Lanes<Element = T>, const FULL: bool>(&mut self, token: V::Token, lanes: Range<usize>, g: V) {
        // (2)
        let [decay, rest] = self.decay.splat::<V>(token);
        let v = &mut self.square[lanes.clone()];
        let rounder = square_rounder(token);
        // The square of a tiny gradient is subnormal by itself, but not in a sum with R.
        let square = (rest * g).mul_add(g, decay.mul_add(V::load_part::<FULL>(token, v), rounder)) - rounder;
        square.store_part::<FULL>(v);
        let w = &mut self.parameters[lanes];
        let step = V::splat(token, self.rate) * g / (square.sqrt() + V::splat(token, self.epsilon));
        (V::load_part::<FULL>(token, w) - step).store_part::<FULL>(w);
    }
}

impl<T: Real> Kernel<T> for Adam<'_, T> {
    type Output = ();

    run_by!(adam);

    #[inline(always)]
    fn run<V: Lanes<Element = T>>(self, token: V::Token) {
        let gradient = self.gradient;
        sweep::<V>(token, self, gradient);
    }
}

impl<T: Real> Update<T> for Adam<'_, T> {
    fused_by!(adam_traces, adam_pairs, adam_outer);

    fn check(&self, weights: usize) {
        check("parameters", self.parameters.len(), weights);
        check("mean", self.mean.len(), weights);
        check("square", self.square.len(), weights);
    }
    #[inline(always)]
    fn apply<V: Lanes<Element = T>, const FULL: bool>(&mut self, token: V::Token, lanes: Range<usize>, g: V) {
        // (3)
        let [[b1, rest1], [b2, rest2]] = self.decays.map(|decay| decay.splat::<V>(token));
        let m = &mut self.mean[lanes.clone()];
        let rounder = rounder(token);
        let mean = rest1.mul_add(g, b1.mul_add(V::load_part::<FULL>(token, m), rounder)) - rounder;
        mean.store_part::<FULL>(m);
        let v = &mut self.square[lanes.clone()];
        let rounder = square_rounder(token);
        let square = (rest2 * g).mul_add(g, b2.mul_add(V::load_part::<FULL>(token, v), rounder)) - rounder;
        square.store_part::<FULL>(v);
        let root = (square * V::splat(token, self.correction)).sqrt();
        let w = &mut self.parameters[lanes];
        let step = V::splat(token, self.rate) * mean / (root + V::splat(token, self.epsilon));
        (V::load_part::<FULL>(token, w) - step).store_part::<FULL>(w);
    }
}
