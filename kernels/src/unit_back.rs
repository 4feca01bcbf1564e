//! The step back through a cell whose units do not meet: from the state to projection, scalar parameters and the step before.
//!
//! With S components of state per unit, the local factors A_t (S x S), s and I_q of the step, and k, l, m <= S:
//!
//! ```text
//! (1) lambda_k = dE/dh_t,k + (A_{t+1}^T lambda_{t+1})_k
//! (2) dE/dx_m  = s_m lambda_m                       (S = 1: s_m lambda for m = 1, 2)
//! (3) (A_t^T lambda)_l = sum_k A_kl lambda_k
//! (4) G_q     += sum_k I_qk lambda_k                summed over the rows
//! ```
//!
//! Backpropagation through time of every cell of `pair_cell`, `min_gru` and `elstm`: the chain rule, exact. The backward
//! form of what `unit_trace` does forward in time. Small values of (3) are rounded to whole multiples of
//! [`Real::TRACE_QUANTUM`].

use crate::instances::run_by;
use crate::lanes::Lanes;
use crate::level::Kernel;
use crate::planes::{Part, PerUnit, check_lengths, sweep};
use crate::quantized::{quantized, rounder};
use crate::real::Real;
use crate::strided::Strided;

/// One step back, equations (1) to (4), for a batch of rows.
///
/// Shapes, row-major, with `rows = active.len()`, S = `components` and P scalar parameters per unit: see the fields. No two
/// slices overlap. Of rows that are not active nothing is read; their `delta` and `carried` become zero.
///
/// Accuracy: one rounding per sum and product, multiply-adds fused where the level has it; (3) starts with the product of
/// the other component. What is not finite gives results that are not finite, never a panic.
///
/// # Panics
///
/// [`Level::run`](crate::Level::run) panics if `components` is neither 1 nor 2, or a slice does not have the length its
/// shape says.
///
/// Cost: 4 + 2 P (S = 1) or 10 + 4 P (S = 2) FLOPs per unit; reads 5 + 2 P or 10 + 3 P, writes 3 + P or 4 + P elements.
///
/// ```
/// use eligibility_kernels::{Level, Strided, unit_back::UnitBackward};
/// let (mut carried, mut delta, mut gradient) = ([1.0_f32], [0.0; 2], [0.5]);
/// Level::detect().run(UnitBackward {
///     components: 1,
///     units: 1,
///     active: &[true],
///     decay: Strided { data: &[0.5], stride: 1 },
///     influence: Strided { data: &[2.0, 3.0], stride: 2 },
///     immediate: &[4.0],
///     signal: &[1.0],
///     carried: &mut carried,
///     delta: &mut delta,
///     gradient: &mut gradient,
/// });
/// assert_eq!((carried, delta, gradient), ([1.0], [4.0, 6.0], [8.5])); // lambda = 2
/// ```
#[derive(Debug)]
pub struct UnitBackward<'a, T> {
    /// S: components of a unit's state, 1 or 2.
    pub components: usize,
    /// Units per row.
    pub units: usize,
    /// `[rows]`: rows to step back; the others carry nothing.
    pub active: &'a [bool],
    /// By row `[S * S, units]`: A_t (S = 2: A_11, A_12, A_21, A_22); stride 0 if the same for all rows.
    pub decay: Strided<'a, T>,
    /// By row `[2, units]`: s_1, s_2; stride 0 if the same for all rows.
    pub influence: Strided<'a, T>,
    /// `[rows, P, S, units]`: I_q.
    pub immediate: &'a [T],
    /// `[rows, S, units]`: dE/dh_t.
    pub signal: &'a [T],
    /// `[rows, S, units]`: in `A_{t+1}^T lambda_{t+1}`, out `A_t^T lambda_t`.
    pub carried: &'a mut [T],
    /// `[rows, 2, units]`: out dE/dx.
    pub delta: &'a mut [T],
    /// `[P, units]`: G, added to in the order of the rows.
    pub gradient: &'a mut [T],
}

impl<T: Real> UnitBackward<'_, T> {
    /// P.
    ///
    /// # Panics
    ///
    /// If the components are neither 1 nor 2, or a slice does not have the length its shape says.
    #[track_caller]
    pub(crate) fn parameter_count(&self) -> usize {
        let (rows, units, components) = (self.active.len(), self.units, self.components);
        assert!(matches!(components, 1 | 2), "components is {components} where 1 or 2 are possible");
        let count = self.gradient.len().checked_div(units).unwrap_or(0);
        self.decay.check("decay", rows, components * components * units);
        self.influence.check("influence", rows, 2 * units);
        check_lengths(
            rows,
            units,
            &[
                ("gradient", self.gradient.len(), count * units),
                ("immediate", self.immediate.len(), rows * count * components * units),
                ("signal", self.signal.len(), rows * components * units),
                ("carried", self.carried.len(), rows * components * units),
                ("delta", self.delta.len(), 2 * rows * units),
            ],
        );
        count
    }

    #[inline(always)]
    fn back<V: Lanes<Element = T>, const S: usize>(self, token: V::Token) {
        let (units, count) = (self.units, self.parameter_count());
        for index in 0..self.active.len() {
            let carried = &mut self.carried[index * S * units..][..S * units];
            let delta = &mut self.delta[index * 2 * units..][..2 * units];
            if !self.active[index] {
                carried.fill(T::ZERO);
                delta.fill(T::ZERO);
                continue;
            }
            let mut row = Row::<T, S> {
                count,
                decay: self.decay.at(index, 0..S * S * units),
                influence: self.influence.at(index, 0..2 * units),
                immediate: &self.immediate[index * count * S * units..][..count * S * units],
                signal: &self.signal[index * S * units..][..S * units],
                carried,
                delta,
                gradient: self.gradient,
            };
            sweep::<V>(token, units, &mut row);
        }
    }
}

impl<T: Real> Kernel<T> for UnitBackward<'_, T> {
    type Output = ();

    run_by!(unit_backward);

    #[inline(always)]
    fn run<V: Lanes<Element = T>>(self, token: V::Token) {
        if self.components == 2 { self.back::<V, 2>(token) } else { self.back::<V, 1>(token) }
    }
}

/// The slices of one batch row, and the gradient.
struct Row<'a, T, const S: usize> {
    count: usize,
    decay: &'a [T],
    influence: &'a [T],
    immediate: &'a [T],
    signal: &'a [T],
    carried: &'a mut [T],
    delta: &'a mut [T],
    gradient: &'a mut [T],
}

impl<T: Real, const S: usize> PerUnit<T> for Row<'_, T, S> {
    #[inline(always)]
    fn step<V: Lanes<Element = T>, const FULL: bool>(&mut self, token: V::Token, part: Part<FULL>) {
        let rounder = rounder(token);
        // (1); with one component, both projections meet the same lambda.
        let first = part.load::<V>(token, self.signal, 0) + part.load(token, self.carried, 0);
        let second = if S == 2 {
            part.load::<V>(token, self.signal, 1) + part.load(token, self.carried, 1)
        } else {
            first
        };
        // (2)
        part.store(part.load::<V>(token, self.influence, 0) * first, self.delta, 0);
        part.store(part.load::<V>(token, self.influence, 1) * second, self.delta, 1);
        // (3)
        let a_11: V = part.load(token, self.decay, 0);
        if S == 2 {
            let a_12: V = part.load(token, self.decay, 1);
            let a_21: V = part.load(token, self.decay, 2);
            let a_22: V = part.load(token, self.decay, 3);
            part.store(quantized(rounder, a_11.mul_add(first, a_21 * second)), self.carried, 0);
            part.store(quantized(rounder, a_22.mul_add(second, a_12 * first)), self.carried, 1);
        } else {
            part.store(quantized(rounder, a_11 * first), self.carried, 0);
        }
        // (4)
        for q in 0..self.count {
            let mut sum: V = part.load(token, self.gradient, q);
            sum = part.load::<V>(token, self.immediate, S * q).mul_add(first, sum);
            if S == 2 {
                sum = part.load::<V>(token, self.immediate, S * q + 1).mul_add(second, sum);
            }
            part.store(sum, self.gradient, q);
        }
    }
}
