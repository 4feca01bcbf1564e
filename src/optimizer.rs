//! Optimisers: what turns a gradient into a change of the weights. All sweep flat slices of the network's layout.
//!
//! ```text
//! (1) Sgd       w <- w - eta g
//! (2) RmsProp   v <- rho v + (1 - rho) g^2                       w <- w - eta g / (sqrt(v) + eps)
//! (3) Adam      m <- b1 m + (1 - b1) g    v <- b2 v + (1 - b2) g^2
//!               w <- w - eta (m / (1 - b1^n)) / (sqrt(v / (1 - b2^n)) + eps)      n = number of updates so far
//! (4) clipping  g <- g min(1, limit / |g|)                       |g| over all weights
//! ```
//!
//! (2): Tieleman & Hinton 2012, `PyTorch`'s placement of eps. (3): Kingma & Ba 2015.

use eligibility_kernels::Level;

use crate::buffer::Buffer;
use crate::error::{Error, check_setting, check_size};
use crate::network::Network;
use crate::scalar::Scalar;

mod fused;

use fused::Fused;

/// A rule that changes parameters along a gradient.
pub trait Optimizer<T: Scalar> {
    /// Changes `parameters` along `gradient`; both have the layout of the network the optimiser was made for.
    ///
    /// A non-finite gradient gives non-finite parameters; [`clip_global_norm`] is the place to notice one.
    ///
    /// # Errors
    ///
    /// If a size is wrong; nothing was changed then.
    fn update(&mut self, parameters: &mut [T], gradient: &[T]) -> Result<(), Error>;
    /// Changes the learning rate.
    ///
    /// # Errors
    ///
    /// If it is not finite in `T` or negative; nothing was changed then.
    fn set_learning_rate(&mut self, learning_rate: f64) -> Result<(), Error>;
    /// The learning rate as it is now: a part of the state for whoever changes it.
    fn learning_rate(&self) -> f64;
    /// Updates made so far.
    fn updates(&self) -> u64;
    /// Running averages, named, for a checkpoint: with [`Optimizer::updates`] and [`Optimizer::learning_rate`] they are all that
    /// changes; what the optimiser was made with is the rest of it.
    fn averages(&self) -> Vec<(&'static str, &[T])>;
    /// The same, to restore from a checkpoint, together with the number of updates.
    fn averages_mut(&mut self) -> (&mut u64, Vec<(&'static str, &mut [T])>);
    /// The optimisers of this library can take their step in the sweep that makes the gradient
    /// ([`OnlineStream::learn_and_update`](crate::OnlineStream::learn_and_update)).
    #[doc(hidden)]
    fn fused(&mut self) -> Option<&mut dyn Fused<T>> {
        None
    }
}

/// Scales `gradient` down to a Euclidean norm of at most `limit` over all weights, and returns the norm it had.
///
/// A gradient of which an element is not finite is left alone: the returned norm, which is not finite either, tells. Squares that
/// leave the range of `f64` do no harm.
///
/// # Errors
///
/// If `limit` is not finite and positive; nothing was changed then.
///
/// ```
/// let mut gradient = [3.0_f32, 4.0];
/// assert_eq!(eligibility::clip_global_norm(&mut gradient, 1.0)?, 5.0);
/// assert_eq!(gradient, [0.6, 0.8]);
/// # Ok::<(), eligibility::Error>(())
/// ```
pub fn clip_global_norm<T: Scalar>(gradient: &mut [T], limit: f64) -> Result<f64, Error> {
    check_setting("clipping norm", "finite and positive", limit, |x| x > 0.0)?;
    let elements = || gradient.iter().map(|g| g.to_f64());
    let squares = |unit: f64| elements().map(|g| (g / unit) * (g / unit)).sum::<f64>();
    let mut unit = 1.0;
    let mut sum = squares(unit);
    if !sum.is_normal() {
        let largest = elements().fold(0.0, |largest: f64, g| largest.max(g.abs()));
        if largest > 0.0 && largest.is_finite() {
            unit = largest;
            sum = squares(unit);
        }
    }
    let (root, norm) = (sum.sqrt(), unit * sum.sqrt());
    if root.is_finite() && norm > limit {
        for g in gradient {
            *g = T::from_f64(g.to_f64() / unit * (limit / root));
        }
    }
    Ok(norm)
}

// Settings are checked as what they become in the network's type: 1e39 is infinite in `f32`, 1e-46 is zero, 0.99999999 is one.

fn check_rate<T: Scalar>(learning_rate: f64) -> Result<f64, Error> {
    let accept = |x: f64| x >= 0.0 && T::from_f64(x).to_f64().is_finite();
    check_setting("learning rate", "finite and not negative in the network's type", learning_rate, accept)?;
    Ok(learning_rate)
}

fn check_decay<T: Scalar>(what: &'static str, decay: f64) -> Result<f64, Error> {
    let accept = |x: f64| (0.0..1.0).contains(&x) && T::from_f64(x) < T::ONE;
    check_setting(what, "in [0, 1) in the network's type", decay, accept)?;
    Ok(decay)
}

fn check_epsilon<T: Scalar>(epsilon: f64) -> Result<f64, Error> {
    let accept = |x: f64| T::from_f64(x) > T::ZERO && T::from_f64(x).to_f64().is_finite();
    check_setting("epsilon", "finite and positive in the network's type", epsilon, accept)?;
    Ok(epsilon)
}

fn check_sizes<T>(length: usize, parameters: &[T], gradient: &[T]) -> Result<(), Error> {
    check_size("parameters", length, parameters.len())?;
    check_size("gradient", length, gradient.len())
}

/// Stochastic gradient descent, equation (1).
///
/// ```
/// use eligibility::{Loss, Lstm, Network, Optimizer, Readout, Sgd};
/// let mut network = Network::<f64>::zeros(Lstm::new(1, 1)?, Readout::new(1, Loss::SquaredError)?)?;
/// let mut gradient = network.zero_gradient();
/// gradient[0] = 2.0;
/// Sgd::new(&network, 0.5)?.update(network.parameters_mut(), &gradient)?;
/// assert_eq!(network.parameters()[0], -1.0);
/// assert!(Sgd::new(&network, f64::NAN).is_err());
/// # Ok::<(), eligibility::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Sgd {
    level: Level,
    learning_rate: f64,
    length: usize,
    updates: u64,
}

impl Sgd {
    /// For networks of this network's sizes.
    ///
    /// # Errors
    ///
    /// If the learning rate is not finite in `T` or negative, or `ELIGIBILITY_LEVEL` names no level of this machine.
    pub fn new<T: Scalar>(network: &Network<T>, learning_rate: f64) -> Result<Self, Error> {
        let (level, length) = (Level::from_env()?, network.layout().len());
        Ok(Self { level, learning_rate: check_rate::<T>(learning_rate)?, length, updates: 0 })
    }
}

impl<T: Scalar> Optimizer<T> for Sgd {
    fn update(&mut self, parameters: &mut [T], gradient: &[T]) -> Result<(), Error> {
        check_sizes(self.length, parameters, gradient)?;
        let (level, all) = (self.level, 0..self.length);
        level.run(self.rule(all, gradient, parameters));
        self.updates += 1;
        Ok(())
    }
    fn set_learning_rate(&mut self, learning_rate: f64) -> Result<(), Error> {
        self.learning_rate = check_rate::<T>(learning_rate)?;
        Ok(())
    }
    fn learning_rate(&self) -> f64 {
        self.learning_rate
    }
    fn updates(&self) -> u64 {
        self.updates
    }
    fn averages(&self) -> Vec<(&'static str, &[T])> {
        Vec::new()
    }
    fn averages_mut(&mut self) -> (&mut u64, Vec<(&'static str, &mut [T])>) {
        (&mut self.updates, Vec::new())
    }
    fn fused(&mut self) -> Option<&mut dyn Fused<T>> {
        Some(self)
    }
}

/// `RMSProp`, equation (2).
///
/// ```
/// use eligibility::{Loss, Lstm, Network, Optimizer, Readout, RmsProp};
/// let mut network = Network::<f64>::zeros(Lstm::new(1, 1)?, Readout::new(1, Loss::SquaredError)?)?;
/// let mut gradient = network.zero_gradient();
/// gradient[0] = 2.0;
/// RmsProp::new(&network, 0.01)?.with_decay(0.75)?.update(network.parameters_mut(), &gradient)?;
/// assert!((network.parameters()[0] - -0.02).abs() < 1e-9); // v = 0.25 * 4 = 1
/// # Ok::<(), eligibility::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct RmsProp<T: Scalar> {
    level: Level,
    learning_rate: f64,
    decay: f64,
    epsilon: f64,
    updates: u64,
    square: Buffer<T>,
}

impl<T: Scalar> RmsProp<T> {
    /// For networks of this network's sizes, with decay 0.9 and epsilon 1e-8.
    ///
    /// # Errors
    ///
    /// If the learning rate is not finite in `T` or negative, or `ELIGIBILITY_LEVEL` names no level of this machine.
    pub fn new(network: &Network<T>, learning_rate: f64) -> Result<Self, Error> {
        let (learning_rate, square) = (check_rate::<T>(learning_rate)?, network.zero_gradient());
        Ok(Self { level: Level::from_env()?, learning_rate, decay: 0.9, epsilon: 1e-8, updates: 0, square })
    }
    /// With another rho.
    ///
    /// # Errors
    ///
    /// If it is not in [0, 1), or becomes 1 in `T`.
    pub fn with_decay(self, decay: f64) -> Result<Self, Error> {
        Ok(Self { decay: check_decay::<T>("RMSProp decay", decay)?, ..self })
    }
    /// With another eps.
    ///
    /// # Errors
    ///
    /// If it is not finite and positive, or becomes 0 or infinite in `T`.
    pub fn with_epsilon(self, epsilon: f64) -> Result<Self, Error> {
        Ok(Self { epsilon: check_epsilon::<T>(epsilon)?, ..self })
    }
}

impl<T: Scalar> Optimizer<T> for RmsProp<T> {
    fn update(&mut self, parameters: &mut [T], gradient: &[T]) -> Result<(), Error> {
        check_sizes(self.square.len(), parameters, gradient)?;
        let (level, all) = (self.level, 0..self.square.len());
        level.run(self.rule(all, gradient, parameters));
        self.updates += 1;
        Ok(())
    }
    fn set_learning_rate(&mut self, learning_rate: f64) -> Result<(), Error> {
        self.learning_rate = check_rate::<T>(learning_rate)?;
        Ok(())
    }
    fn learning_rate(&self) -> f64 {
        self.learning_rate
    }
    fn updates(&self) -> u64 {
        self.updates
    }
    fn averages(&self) -> Vec<(&'static str, &[T])> {
        vec![("square", &self.square)]
    }
    fn averages_mut(&mut self) -> (&mut u64, Vec<(&'static str, &mut [T])>) {
        (&mut self.updates, vec![("square", &mut self.square)])
    }
    fn fused(&mut self) -> Option<&mut dyn Fused<T>> {
        Some(self)
    }
}

/// Adam, equation (3).
///
/// ```
/// use eligibility::{Adam, Loss, Lstm, Network, Optimizer, Readout};
/// let mut network = Network::<f64>::zeros(Lstm::new(1, 1)?, Readout::new(1, Loss::SquaredError)?)?;
/// let mut gradient = network.zero_gradient();
/// gradient[0] = 2.0;
/// Adam::new(&network, 0.01)?.update(network.parameters_mut(), &gradient)?;
/// assert!((network.parameters()[0] - -0.01).abs() < 1e-9); // the first step has the size of the learning rate
/// # Ok::<(), eligibility::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Adam<T: Scalar> {
    level: Level,
    learning_rate: f64,
    decays: [f64; 2],
    epsilon: f64,
    updates: u64,
    mean: Buffer<T>,
    square: Buffer<T>,
}

impl<T: Scalar> Adam<T> {
    /// For networks of this network's sizes, with decays 0.9 and 0.999 and epsilon 1e-8.
    ///
    /// # Errors
    ///
    /// If the learning rate is not finite in `T` or negative, or `ELIGIBILITY_LEVEL` names no level of this machine.
    pub fn new(network: &Network<T>, learning_rate: f64) -> Result<Self, Error> {
        let (mean, square) = (network.zero_gradient(), network.zero_gradient());
        let learning_rate = check_rate::<T>(learning_rate)?;
        let (level, decays) = (Level::from_env()?, [0.9, 0.999]);
        Ok(Self { level, learning_rate, decays, epsilon: 1e-8, updates: 0, mean, square })
    }
    /// With other b1, b2.
    ///
    /// # Errors
    ///
    /// If one is not in [0, 1), or becomes 1 in `T`.
    pub fn with_decays(self, mean: f64, square: f64) -> Result<Self, Error> {
        let decays = [
            check_decay::<T>("Adam's decay of the mean", mean)?,
            check_decay::<T>("Adam's decay of the square", square)?,
        ];
        Ok(Self { decays, ..self })
    }
    /// With another eps.
    ///
    /// # Errors
    ///
    /// If it is not finite and positive, or becomes 0 or infinite in `T`.
    pub fn with_epsilon(self, epsilon: f64) -> Result<Self, Error> {
        Ok(Self { epsilon: check_epsilon::<T>(epsilon)?, ..self })
    }
}

impl<T: Scalar> Optimizer<T> for Adam<T> {
    fn update(&mut self, parameters: &mut [T], gradient: &[T]) -> Result<(), Error> {
        check_sizes(self.mean.len(), parameters, gradient)?;
        self.updates += 1;
        let (level, all) = (self.level, 0..self.square.len());
        level.run(self.rule(all, gradient, parameters));
        Ok(())
    }
    fn set_learning_rate(&mut self, learning_rate: f64) -> Result<(), Error> {
        self.learning_rate = check_rate::<T>(learning_rate)?;
        Ok(())
    }
    fn learning_rate(&self) -> f64 {
        self.learning_rate
    }
    fn updates(&self) -> u64 {
        self.updates
    }
    fn averages(&self) -> Vec<(&'static str, &[T])> {
        vec![("mean", &self.mean), ("square", &self.square)]
    }
    fn averages_mut(&mut self) -> (&mut u64, Vec<(&'static str, &mut [T])>) {
        (&mut self.updates, vec![("mean", &mut self.mean), ("square", &mut self.square)])
    }
    fn fused(&mut self) -> Option<&mut dyn Fused<T>> {
        Some(self)
    }
}
