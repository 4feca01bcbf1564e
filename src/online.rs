//! Learning at every step: where a stream and an optimiser meet in one sweep over the weights.
//!
//! ```text
//! e <- f e + s z        g = l e        w <- w - (step of the optimiser along g)
//! ```
//!
//! A stream knows how its gradient is to be made, an optimiser what to do with it; neither knows the other.

use std::ops::Range;

use eligibility_kernels::Level;
use eligibility_kernels::update::{OuterUpdate, TraceUpdate, Update};

use crate::affine::Scalar;
use crate::error::{Error, check_size};
use crate::learner::EpropStream;
use crate::network::Network;
use crate::optimizer::FusedOptimizer;
use crate::readout::{Score, Target};

/// A gradient for each range of the flat parameters.
pub(crate) type OnlineGradients<'a, T> = [(Range<usize>, OnlineGradient<'a, T>); 3];

/// A gradient that is made where it is used. Shapes: `eligibility_kernels::update`.
#[doc(hidden)]
#[derive(Debug)]
pub enum OnlineGradient<'a, T> {
    /// Of traces that take a step on the way.
    Traces { decay: &'a [T], influence: &'a [T], presynaptic: &'a [T], signal: &'a [T], trace: &'a mut [T] },
    /// An outer product.
    Outer { signal: &'a [T], presynaptic: &'a [T] },
}

impl<T: Scalar> OnlineGradient<'_, T> {
    pub(crate) fn run<U: Update<T>>(self, level: Level, update: U) {
        match self {
            Self::Traces { decay, influence, presynaptic, signal, trace } => {
                level.run(TraceUpdate { decay, influence, presynaptic, signal, trace, update });
            }
            Self::Outer { signal, presynaptic } => level.run(OuterUpdate { signal, presynaptic, update }),
        }
    }
}

impl<T: Scalar> EpropStream<T> {
    /// [`EpropStream::learn`] onto a zero gradient and the optimiser's update, in one sweep: trace, gradient, averages
    /// and weights are read and written once, and no gradient is stored. The same result to the bit.
    ///
    /// For a single stream, and for the first learning signal after a step.
    ///
    /// # Errors
    ///
    /// As [`EpropStream::learn`]; if there are several streams, the optimiser was made for a network of another size, or
    /// the step was learned from already. Nothing was changed then.
    ///
    /// ```
    /// # use eligibility::{EpropOptions, EpropStream, Init, Loss, Lstm, Network, Readout, RmsProp, Target};
    /// # use rand::{SeedableRng, rngs::StdRng};
    /// # let mut rng = StdRng::seed_from_u64(1);
    /// # let mut network: Network<f32> =
    /// #     Init::default().network(Lstm::new(1, 8)?, Readout::new(1, Loss::SquaredError)?, &mut rng)?;
    /// let mut stream = EpropStream::new(&network, 1, EpropOptions::default())?;
    /// let mut rmsprop = RmsProp::new(&network, 0.001)?;
    /// for t in 0..100 {
    ///     let (x, next) = ((0.1 * t as f32).sin(), (0.1 * (t + 1) as f32).sin());
    ///     stream.step(&network, &[x], &[t == 0])?;
    ///     stream.learn_and_update(&mut network, &[Target::Values(&[next])], &mut rmsprop)?;
    /// }
    /// # Ok::<(), eligibility::Error>(())
    /// ```
    pub fn learn_and_update(
        &mut self,
        network: &mut Network<T>,
        targets: &[Target<'_, T>],
        optimizer: &mut dyn FusedOptimizer<T>,
    ) -> Result<Score, Error> {
        check_size("optimiser", network.layout().len(), optimizer.length())?;
        let (score, gradients) = self.learn_online(network, targets)?;
        optimizer.begin();
        for (range, gradient) in gradients {
            optimizer.sweep(network.parameters_mut(), range, gradient);
        }
        self.after_update(network)?;
        Ok(score)
    }
}
