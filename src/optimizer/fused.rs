//! An optimiser's step fused with the trace and its contraction: learning at every step without a stored gradient.

use std::ops::Range;

use eligibility_kernels::update;

use super::{Adam, Optimizer, RmsProp, Sgd};
use crate::affine::Scalar;
use crate::online::OnlineGradient;

/// An optimiser that can take its step in the same sweep in which a stream steps its traces: [`Sgd`], [`RmsProp`] and
/// [`Adam`].
///
/// Used by [`EpropStream::learn_and_update`](crate::EpropStream::learn_and_update); its methods are not for calling.
pub trait FusedOptimizer<T: Scalar>: Optimizer<T> {
    /// Counts one update.
    #[doc(hidden)]
    fn begin(&mut self);
    /// Elements of the parameters it was made for.
    #[doc(hidden)]
    fn length(&self) -> usize;
    /// Updates the weights `range` of `parameters`.
    #[doc(hidden)]
    fn sweep(&mut self, parameters: &mut [T], range: Range<usize>, gradient: OnlineGradient<'_, T>);
}

impl<T: Scalar> FusedOptimizer<T> for Sgd {
    fn begin(&mut self) {
        self.updates += 1;
    }
    fn length(&self) -> usize {
        self.length
    }
    fn sweep(&mut self, parameters: &mut [T], range: Range<usize>, gradient: OnlineGradient<'_, T>) {
        gradient.run(self.level, self.rule(&[], &mut parameters[range]));
    }
}

impl<T: Scalar> FusedOptimizer<T> for RmsProp<T> {
    fn begin(&mut self) {
        self.updates += 1;
    }
    fn length(&self) -> usize {
        self.square.len()
    }
    fn sweep(&mut self, parameters: &mut [T], range: Range<usize>, gradient: OnlineGradient<'_, T>) {
        gradient.run(self.level, self.rule(range.clone(), &[], &mut parameters[range]));
    }
}

impl<T: Scalar> FusedOptimizer<T> for Adam<T> {
    fn begin(&mut self) {
        self.updates += 1;
    }
    fn length(&self) -> usize {
        self.square.len()
    }
    fn sweep(&mut self, parameters: &mut [T], range: Range<usize>, gradient: OnlineGradient<'_, T>) {
        gradient.run(self.level, self.rule(range.clone(), &[], &mut parameters[range]));
    }
}

impl Sgd {
    pub(super) fn rule<'a, T: Scalar>(
        &self,
        gradient: &'a [T],
        parameters: &'a mut [T],
    ) -> update::Sgd<'a, T> {
        update::Sgd { rate: T::from_f64(self.learning_rate), gradient, parameters }
    }
}

impl<T: Scalar> RmsProp<T> {
    pub(super) fn rule<'a>(
        &'a mut self,
        range: Range<usize>,
        gradient: &'a [T],
        parameters: &'a mut [T],
    ) -> update::RmsProp<'a, T> {
        let [rate, decay, epsilon] = [self.learning_rate, self.decay, self.epsilon].map(T::from_f64);
        update::RmsProp { rate, decay, epsilon, gradient, square: &mut self.square[range], parameters }
    }
}

impl<T: Scalar> Adam<T> {
    /// For the update that was counted last.
    pub(super) fn rule<'a>(
        &'a mut self,
        range: Range<usize>,
        gradient: &'a [T],
        parameters: &'a mut [T],
    ) -> update::Adam<'a, T> {
        let (n, [b1, b2]) = (self.updates as f64, self.decays);
        update::Adam {
            // The two corrections are the same for all weights: one goes into the rate, one under the root.
            rate: T::from_f64(self.learning_rate / (1.0 - b1.powf(n))),
            correction: T::from_f64(1.0 / (1.0 - b2.powf(n))),
            decays: [b1, b2].map(T::from_f64),
            epsilon: T::from_f64(self.epsilon),
            gradient,
            mean: &mut self.mean[range.clone()],
            square: &mut self.square[range],
            parameters,
        }
    }
}
