//! A gradient that is made where it is used: what a learner hands to an optimiser instead of a slice.
//!
//! ```text
//! e <- A e + u a        g = c e        w <- w - (step of the optimiser along g)
//! ```
//!
//! A stream knows how its gradient is to be made, an optimiser what to do with it; neither knows the other.

use std::ops::Range;

use eligibility_kernels::Level;
use eligibility_kernels::update::{OuterUpdate, PairTraceUpdate, Store, TraceUpdate, Update};

use crate::scalar::Scalar;

/// A gradient that is made where it is used. Shapes: `eligibility_kernels::update`.
#[derive(Debug)]
pub enum OnlineGradient<'a, T> {
    /// Of traces that take a step on the way.
    Traces { decay: &'a [T], influence: &'a [T], presynaptic: &'a [T], signal: &'a [T], trace: &'a mut [T] },
    /// Of traces of units with two components, likewise.
    PairTraces {
        units: usize,
        decay: &'a [T],
        influence: &'a [T],
        presynaptic: &'a [T],
        signal: &'a [T],
        trace: [&'a mut [T]; 2],
    },
    /// An outer product.
    Outer { signal: &'a [T], presynaptic: &'a [T] },
    /// As it is; of the weights behind it there is none.
    Plain(&'a [T]),
    /// None.
    Zero,
}

impl<T: Scalar> OnlineGradient<'_, T> {
    /// Runs `update` along a gradient that is not stored; the others are whoever's has the averages.
    pub(crate) fn run<U: Update<T>>(self, level: Level, update: U) {
        match self {
            Self::Traces { decay, influence, presynaptic, signal, trace } => {
                level.run(TraceUpdate { decay, influence, presynaptic, signal, trace, update });
            }
            Self::PairTraces { units, decay, influence, presynaptic, signal, trace } => {
                level.run(PairTraceUpdate { units, decay, influence, presynaptic, signal, trace, update });
            }
            Self::Outer { signal, presynaptic } => level.run(OuterUpdate { signal, presynaptic, update }),
            Self::Plain(_) | Self::Zero => {}
        }
    }
    /// Stores it in its range of `gradient`.
    pub(crate) fn store(self, level: Level, gradient: &mut [T], range: Range<usize>) {
        let gradient = &mut gradient[range];
        match self {
            Self::Plain(plain) => {
                let (own, others) = gradient.split_at_mut(plain.len());
                own.copy_from_slice(plain);
                others.fill(T::ZERO);
            }
            Self::Zero => gradient.fill(T::ZERO),
            made => made.run(level, Store { gradient }),
        }
    }
}
