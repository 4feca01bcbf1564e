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

use crate::lanes::Lanes;
use crate::level::Kernel;
use crate::real::Real;

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

/// `RMSProp`, equation (2). Conventions as for [`Sgd`].
///
/// # Panics
///
/// [`Level::run`](crate::Level::run) panics if the lengths differ.
///
/// Cost: 8 FLOPs with a division and a root, three reads and two writes per weight.
///
/// ```
/// use eligibility_kernels::{Level, update::RmsProp};
/// let (mut parameters, mut square) = ([1.0_f64], [0.0]);
/// Level::detect().run(RmsProp {
///     rate: 0.5, decay: 0.75, epsilon: 0.0, gradient: &[2.0], square: &mut square, parameters: &mut parameters,
/// });
/// assert_eq!((parameters, square), ([0.0], [1.0]));
/// ```
#[derive(Debug)]
pub struct RmsProp<'a, T> {
    /// eta
    pub rate: T,
    /// rho
    pub decay: T,
    /// eps
    pub epsilon: T,
    /// g
    pub gradient: &'a [T],
    /// v
    pub square: &'a mut [T],
    /// w
    pub parameters: &'a mut [T],
}

/// Adam, equation (3). Conventions as for [`Sgd`].
///
/// # Panics
///
/// [`Level::run`](crate::Level::run) panics if the lengths differ.
///
/// Cost: 11 FLOPs with a division and a root, four reads and three writes per weight.
///
/// ```
/// use eligibility_kernels::{Level, update::Adam};
/// let (mut parameters, mut mean, mut square) = ([1.0_f64], [0.0], [0.0]);
/// Level::detect().run(Adam {
///     rate: 1.0, correction: 4.0, decays: [0.5, 0.75], epsilon: 0.0,
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
    pub decays: [T; 2],
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

/// # Panics
///
/// If a length differs from that of the parameters.
#[track_caller]
fn check(expected: usize, others: [(&str, usize); 3]) {
    for (what, found) in others {
        assert!(found == expected, "{what} has {found} elements where parameters has {expected}");
    }
}

impl<T: Real> Kernel<T> for Sgd<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<V: Lanes<Element = T>>(self, token: V::Token) {
        let gradient = self.gradient.len();
        check(self.parameters.len(), [("gradient", gradient); 3]);
        let rate = V::splat(token, -self.rate);
        let chunks = self.parameters.chunks_mut(V::WIDTH).zip(self.gradient.chunks(V::WIDTH));
        for (w, g) in chunks {
            // (1)
            V::load_head(token, g).mul_add(rate, V::load_head(token, w)).store_head(w);
        }
    }
}

impl<T: Real> Kernel<T> for RmsProp<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<V: Lanes<Element = T>>(self, token: V::Token) {
        let (gradient, square) = (self.gradient.len(), self.square.len());
        check(self.parameters.len(), [("gradient", gradient), ("square", square), ("square", square)]);
        let [rate, decay, epsilon] = [self.rate, self.decay, self.epsilon].map(|x| V::splat(token, x));
        let rest = V::splat(token, T::ONE - self.decay);
        let averages = self.square.chunks_mut(V::WIDTH);
        let chunks = self.parameters.chunks_mut(V::WIDTH).zip(self.gradient.chunks(V::WIDTH)).zip(averages);
        for ((w, g), v) in chunks {
            // (2)
            let gradient = V::load_head(token, g);
            let square = decay.mul_add(V::load_head(token, v), rest * (gradient * gradient));
            square.store_head(v);
            (V::load_head(token, w) - rate * gradient / (square.sqrt() + epsilon)).store_head(w);
        }
    }
}

impl<T: Real> Kernel<T> for Adam<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<V: Lanes<Element = T>>(self, token: V::Token) {
        let (gradient, mean, square) = (self.gradient.len(), self.mean.len(), self.square.len());
        check(self.parameters.len(), [("gradient", gradient), ("mean", mean), ("square", square)]);
        let [rate, correction, epsilon] =
            [self.rate, self.correction, self.epsilon].map(|x| V::splat(token, x));
        let [b1, b2] = self.decays.map(|x| V::splat(token, x));
        let [rest1, rest2] = self.decays.map(|x| V::splat(token, T::ONE - x));
        let averages = self.mean.chunks_mut(V::WIDTH).zip(self.square.chunks_mut(V::WIDTH));
        let chunks = self.parameters.chunks_mut(V::WIDTH).zip(self.gradient.chunks(V::WIDTH)).zip(averages);
        for ((w, g), (m, v)) in chunks {
            // (3)
            let gradient = V::load_head(token, g);
            let mean = b1.mul_add(V::load_head(token, m), rest1 * gradient);
            let square = b2.mul_add(V::load_head(token, v), rest2 * (gradient * gradient));
            mean.store_head(m);
            square.store_head(v);
            (V::load_head(token, w) - rate * mean / ((square * correction).sqrt() + epsilon)).store_head(w);
        }
    }
}
