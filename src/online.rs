//! Learning at every step: where a stream and an optimiser meet in one sweep over the weights.
//!
//! ```text
//! for each part of the parameters:        gradient as it is made -> averages -> weights
//! ```

use crate::error::Error;
use crate::learner::{EpropStream, OverStreams, RtrlStream, Stream};
use crate::network::Network;
use crate::optimizer::Optimizer;
use crate::readout::{Score, Target};
use crate::scalar::Scalar;

/// A stream that can learn and update in one sweep: [`EpropStream`] and [`RtrlStream`].
pub trait OnlineStream<T: Scalar>: Stream<T> {
    /// [`Stream::learn`], the optimiser's update and [`Stream::after_update`], in one sweep: trace, gradient, averages and
    /// weights are read and written once, and no gradient is stored. The same result to the bit.
    ///
    /// For a single stream without an echo, and for the first learning signal after a step.
    ///
    /// # Errors
    ///
    /// As [`Stream::learn`]; if there are several streams, the optimiser was made for a network of another size or is none of
    /// this library's, or the step was learned from already. Nothing was changed then.
    ///
    /// ```
    /// use eligibility::{Init, Loss, Network, OnlineStream, Readout, RmsProp, RtrlOptions, RtrlStream, Rtu, Stream, Target};
    /// # use rand::{SeedableRng, rngs::StdRng};
    /// # let mut rng = StdRng::seed_from_u64(1);
    /// # let mut network: Network<f32> =
    /// #     Init::default().network(Rtu::linear(1, 8)?, Readout::new(1, Loss::SquaredError)?, &mut rng)?;
    /// let mut stream = RtrlStream::new(&network, 1, RtrlOptions::default())?;
    /// let mut rmsprop = RmsProp::new(&network, 0.001)?;
    /// for t in 0..100 {
    ///     let (x, next) = ((0.1 * t as f32).sin(), (0.1 * (t + 1) as f32).sin());
    ///     stream.step(&network, &[x], &[t == 0])?;
    ///     stream.learn_and_update(&mut network, &[Target::Values(&[next])], &mut rmsprop)?;
    /// }
    /// # Ok::<(), eligibility::Error>(())
    /// ```
    fn learn_and_update(
        &mut self,
        network: &mut Network<T>,
        targets: &[Target<'_, T>],
        optimizer: &mut dyn Optimizer<T>,
    ) -> Result<Score, Error>;
}

macro_rules! online {
    ($stream:ident) => {
        impl<T: Scalar> OnlineStream<T> for $stream<T> {
            fn learn_and_update(
                &mut self,
                network: &mut Network<T>,
                targets: &[Target<'_, T>],
                optimizer: &mut dyn Optimizer<T>,
            ) -> Result<Score, Error> {
                let Some(optimizer) = optimizer.fused() else {
                    return Err(Error::NotFused { what: "an optimiser that is not this library's" });
                };
                let streams = self.streams_mut();
                let score = streams.begin_online(network, targets, optimizer.length())?;
                optimizer.begin();
                let parameters = network.parameters_mut();
                streams.take_online(&mut |range, gradient| optimizer.sweep(parameters, range, gradient));
                self.after_update(network)?;
                Ok(score)
            }
        }
    };
}

online!(EpropStream);
online!(RtrlStream);
