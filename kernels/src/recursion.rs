//! A step of an eligibility trace, in registers: what every sweep over traces does to each vector.
//!
//! ```text
//! (1) e <- A e + u z                                                                     units with one component
//! (2) e_k <- sum over l of A_kl e_l + [k = m] u z       k = 1, 2                         with two, for gate m
//! (3) g_1 <- g_1 + c_1 e_1 + c_2 e_2                    g_2 <- g_2 + c_2 e_1 - c_1 e_2
//! ```
//!
//! Traces come out rounded to whole multiples of [`Real::TRACE_QUANTUM`](crate::Real::TRACE_QUANTUM), see `quantized`.

use crate::lanes::Lanes;
use crate::quantized::{rounder, rounders};

/// `(1)` for one vector.
#[inline(always)]
pub(crate) fn next<V: Lanes>(token: V::Token, decay: V, trace: V, influence: V, presynaptic: V) -> V {
    let rounder = rounder(token);
    influence.mul_add(presynaptic, decay.mul_add(trace, rounder)) - rounder
}

/// What steps a unit's trace of gate `GATE` with two components, in all lanes.
#[derive(Clone, Copy)]
pub(crate) struct PairStep<V, const GATE: usize> {
    /// A_11, A_12, A_21, A_22.
    decay: [V; 4],
    influence: V,
    rounders: [V; 2],
}

impl<V: Lanes, const GATE: usize> PairStep<V, GATE> {
    #[inline(always)]
    pub(crate) fn new(token: V::Token, decay: [V; 4], influence: V) -> Self {
        Self { decay, influence, rounders: rounders(token, GATE) }
    }

    /// `(2)`: first the other component, then a component's own, then what is new. In this order the second gate's trace
    /// is the first's, turned, to the bit.
    #[inline(always)]
    pub(crate) fn next(self, [first, second]: [V; 2], presynaptic: V) -> [V; 2] {
        let ([a11, a12, a21, a22], [r1, r2]) = (self.decay, self.rounders);
        let mut next =
            [a11.mul_add(first, a12.mul_add(second, r1)), a22.mul_add(second, a21.mul_add(first, r2))];
        next[GATE] = self.influence.mul_add(presynaptic, next[GATE]);
        [next[0] - r1, next[1] - r2]
    }
}

/// What adds a unit's trace with two components to gradients: c_1, c_2, in all lanes.
#[derive(Clone, Copy)]
pub(crate) struct PairSignal<V>(pub(crate) [V; 2]);

impl<V: Lanes> PairSignal<V> {
    /// `(3)` for as many sums as there are; the second in the order in which the first would add the turned trace.
    #[inline(always)]
    pub(crate) fn add<const SUMS: usize>(self, [first, second]: [V; 2], totals: &mut [V; SUMS]) {
        let [c1, c2] = self.0;
        for (index, total) in totals.iter_mut().enumerate() {
            *total = if index == 0 {
                c2.mul_add(second, c1.mul_add(first, *total))
            } else {
                c2.mul_add(first, (-c1).mul_add(second, *total))
            };
        }
    }
}
