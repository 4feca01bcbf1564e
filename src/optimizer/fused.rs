//! An optimiser's step fused with whatever makes the gradient: learning at every step without a stored one.

use std::ops::Range;

use eligibility_kernels::update;

use super::{Adam, RmsProp, Sgd};
use crate::online_gradient::OnlineGradient;
use crate::scalar::Scalar;

/// An optimiser that can take its step in the sweep that makes the gradient.
pub trait Fused<T: Scalar> {
    /// Counts one update.
    fn begin(&mut self);
    /// Elements of the parameters it was made for.
    fn length(&self) -> usize;
    /// Updates the weights `range` of `parameters`.
    fn sweep(&mut self, parameters: &mut [T], range: Range<usize>, gradient: OnlineGradient<'_, T>);
}

/// Runs a rule along a gradient: `$plain` of an optimiser, a slice of its weights and a stored gradient of them.
macro_rules! sweep {
    ($self:ident, $parameters:ident, $range:ident, $gradient:ident, $rule:expr) => {
        let rule = $rule;
        match $gradient {
            OnlineGradient::Plain(gradient) => {
                let (level, own) = ($self.level, $range.start..$range.start + gradient.len());
                level.run(rule($self, own.clone(), gradient, &mut $parameters[own]));
            }
            OnlineGradient::Zero => {
                let zeros = [T::ZERO; ZEROS];
                for start in $range.clone().step_by(ZEROS) {
                    let part = start..$range.end.min(start + ZEROS);
                    let level = $self.level;
                    level.run(rule($self, part.clone(), &zeros[..part.len()], &mut $parameters[part]));
                }
            }
            made => {
                let level = $self.level;
                made.run(level, rule($self, $range.clone(), &[], &mut $parameters[$range]));
            }
        }
    };
}

/// Weights at a time where there is no gradient.
const ZEROS: usize = 256;

impl<T: Scalar> Fused<T> for Sgd {
    fn begin(&mut self) {
        self.updates += 1;
    }
    fn length(&self) -> usize {
        self.length
    }
    fn sweep(&mut self, parameters: &mut [T], range: Range<usize>, gradient: OnlineGradient<'_, T>) {
        sweep!(self, parameters, range, gradient, Sgd::rule);
    }
}

impl<T: Scalar> Fused<T> for RmsProp<T> {
    fn begin(&mut self) {
        self.updates += 1;
    }
    fn length(&self) -> usize {
        self.square.len()
    }
    fn sweep(&mut self, parameters: &mut [T], range: Range<usize>, gradient: OnlineGradient<'_, T>) {
        sweep!(self, parameters, range, gradient, RmsProp::rule);
    }
}

impl<T: Scalar> Fused<T> for Adam<T> {
    fn begin(&mut self) {
        self.updates += 1;
    }
    fn length(&self) -> usize {
        self.square.len()
    }
    fn sweep(&mut self, parameters: &mut [T], range: Range<usize>, gradient: OnlineGradient<'_, T>) {
        sweep!(self, parameters, range, gradient, Adam::rule);
    }
}

impl Sgd {
    pub(super) fn rule<'a, T: Scalar>(
        &mut self,
        _range: Range<usize>,
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
        let [rate, epsilon] = [self.learning_rate, self.epsilon].map(T::from_f64);
        let decay = update::Decay::new(self.decay);
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
            decays: [b1, b2].map(update::Decay::new),
            epsilon: T::from_f64(self.epsilon),
            gradient,
            mean: &mut self.mean[range.clone()],
            square: &mut self.square[range],
            parameters,
        }
    }
}
