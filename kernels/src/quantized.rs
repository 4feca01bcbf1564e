//! Recursions that decay as whole multiples of a quantum: what keeps silent ones off subnormal numbers.
//!
//! ```text
//! (x + R) - R        R = 1.5 q / epsilon, q = the quantum: below q / (2 epsilon), the nearest multiple of q
//! ```
//!
//! The sum has R's exponent, whose last digit is worth q; the difference is exact. What is larger changes by at most one ULP.
//!
//! Whatever a kernel multiplies by a decay and keeps for the next step is rounded so: traces (`recursion`, `trace`,
//! `unit_trace`), what is carried back (`unit_back`, `lstm_gates`, `gru_gates`), states (`pair_cell`, `min_gru`, `elstm`,
//! `lstm_gates`, `gru_gates`) and the averages of `update`, those of squares with a quantum of their own; and so is what goes
//! into a layer of `eligibility`. A sum that is made of multiply-adds begins with R, and the rule costs one subtraction.

use crate::lanes::Lanes;
use crate::real::Real;

/// R: [`Real::TRACE_ROUNDER`] in all lanes. What adds it to a sum as its first term has rounded when it takes it away.
#[inline(always)]
pub(crate) fn rounder<V: Lanes>(token: V::Token) -> V {
    V::splat(token, V::Element::TRACE_ROUNDER)
}

/// R for the two components of what starts from the one or the other. With the sign turned, what is the other's negative
/// stays so to the bit.
#[inline(always)]
pub(crate) fn rounders<V: Lanes>(token: V::Token, start: usize) -> [V; 2] {
    let rounder = rounder::<V>(token);
    if start == 0 { [rounder; 2] } else { [-rounder, rounder] }
}

/// Rounds to whole multiples of [`Real::TRACE_QUANTUM`] what is small.
#[inline(always)]
pub(crate) fn quantized<V: Lanes>(rounder: V, value: V) -> V {
    (value + rounder) - rounder
}

/// [`Real::SQUARE_ROUNDER`] in all lanes: R for averages of squares.
#[inline(always)]
pub(crate) fn square_rounder<V: Lanes>(token: V::Token) -> V {
    V::splat(token, V::Element::SQUARE_ROUNDER)
}
