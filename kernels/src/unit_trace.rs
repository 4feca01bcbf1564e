//! Traces of scalar parameters of each unit: the recursion and its contraction.
//!
//! With S components of state per unit, the local factors A_t (S x S) and I_q of the step, and k, l <= S:
//!
//! ```text
//! (1) e_q,k <- sum_l A_kl e_q,l + I_qk                = dh_t,k/dq
//! (2) G_q   += sum_k c_k e_q,k                        c_k = dE/dh_t,k, summed over the rows
//! ```
//!
//! Real-time recurrent learning, exact within the layer because units do not meet: Elelimy et al. 2024, Irie et al. 2023.
//! Small traces are rounded to whole multiples of [`Real::TRACE_QUANTUM`].

use crate::instances::run_by;
use crate::lanes::Lanes;
use crate::level::Kernel;
use crate::planes::{Part, PerUnit, check_lengths, sweep};
use crate::quantized::{quantized, rounder};
use crate::real::Real;
use crate::strided::Strided;

/// One step of the traces, equation (1), for a batch of rows.
///
/// Shapes, row-major, with `rows = active.len()`, S = `components` and P scalar parameters per unit: see the fields. No two
/// slices overlap. Rows that are not active are neither read nor written.
///
/// Accuracy: a multiply-add for each component and a sum, the product of the other component first. Small elements
/// are rounded to whole multiples of [`Real::TRACE_QUANTUM`]; NaN and infinities stay.
///
/// # Panics
///
/// [`Level::run`](crate::Level::run) panics if `components` is neither 1 nor 2, or a slice does not have the length its
/// shape says.
///
/// Cost: 2 P (S = 1) or 8 P (S = 2) FLOPs per unit; reads S * S + 2 S P, writes S P elements.
///
/// ```
/// use eligibility_kernels::{Level, Strided, unit_trace::UnitTraceStep};
/// let mut trace = [4.0_f32, 8.0];
/// Level::detect().run(UnitTraceStep {
///     components: 2,
///     units: 1,
///     active: &[true],
///     decay: Strided { data: &[0.0, -0.5, 0.5, 0.0], stride: 0 },
///     immediate: &[1.0, 2.0],
///     trace: &mut trace,
/// });
/// assert_eq!(trace, [-3.0, 4.0]);
/// ```
#[derive(Debug)]
pub struct UnitTraceStep<'a, T> {
    /// S: components of a unit's state, 1 or 2.
    pub components: usize,
    /// Units per row.
    pub units: usize,
    /// `[rows]`: rows to step; the others keep their traces.
    pub active: &'a [bool],
    /// By row `[S * S, units]`: A_t (S = 2: A_11, A_12, A_21, A_22); stride 0 if the same for all rows.
    pub decay: Strided<'a, T>,
    /// `[rows, P, S, units]`: I_q.
    pub immediate: &'a [T],
    /// `[rows, P, S, units]`: in and out e_q.
    pub trace: &'a mut [T],
}

/// The contraction with the learning signal, equation (2), for a batch of rows.
///
/// Shapes, row-major, with `rows = active.len()`, S = `components` and P scalar parameters per unit: see the fields. Rows
/// that are not active are not read.
///
/// Accuracy: a multiply-add for each row and component, in this order. What is not finite gives a gradient that is not
/// finite, never a panic.
///
/// # Panics
///
/// [`Level::run`](crate::Level::run) panics if `components` is neither 1 nor 2, or a slice does not have the length its
/// shape says.
///
/// Cost: 2 S P FLOPs per unit; reads S + S P + P, writes P elements.
///
/// ```
/// use eligibility_kernels::{Level, unit_trace::UnitTraceContract};
/// let mut gradient = [1.0_f32];
/// Level::detect().run(UnitTraceContract {
///     components: 2,
///     units: 1,
///     active: &[true],
///     signal: &[2.0, 0.5],
///     trace: &[-3.0, 4.0],
///     gradient: &mut gradient,
/// });
/// assert_eq!(gradient, [-3.0]);
/// ```
#[derive(Debug)]
pub struct UnitTraceContract<'a, T> {
    /// S: components of a unit's state, 1 or 2.
    pub components: usize,
    /// Units per row.
    pub units: usize,
    /// `[rows]`: rows that contribute.
    pub active: &'a [bool],
    /// `[rows, S, units]`: c.
    pub signal: &'a [T],
    /// `[rows, P, S, units]`: e_q.
    pub trace: &'a [T],
    /// `[P, units]`: G, added to in the order of the rows.
    pub gradient: &'a mut [T],
}

#[track_caller]
fn check_components(components: usize) {
    assert!(matches!(components, 1 | 2), "components is {components} where 1 or 2 are possible");
}

impl<T: Real> UnitTraceStep<'_, T> {
    /// P.
    ///
    /// # Panics
    ///
    /// If the components are neither 1 nor 2, or a slice does not have the length its shape says.
    #[track_caller]
    pub(crate) fn parameter_count(&self) -> usize {
        let (rows, units, components) = (self.active.len(), self.units, self.components);
        check_components(components);
        let state = rows * components * units;
        let count = self.trace.len().checked_div(state).unwrap_or(0);
        self.decay.check("decay", rows, components * components * units);
        check_lengths(
            rows,
            units,
            &[
                ("trace", self.trace.len(), count * state),
                ("immediate", self.immediate.len(), self.trace.len()),
            ],
        );
        count
    }

    #[inline(always)]
    fn step<V: Lanes<Element = T>, const S: usize>(self, token: V::Token) {
        let (units, count) = (self.units, self.parameter_count());
        for index in 0..self.active.len() {
            if !self.active[index] {
                continue;
            }
            let mut row = StepRow::<T, S> {
                count,
                decay: self.decay.at(index, 0..S * S * units),
                immediate: &self.immediate[index * count * S * units..][..count * S * units],
                trace: &mut self.trace[index * count * S * units..][..count * S * units],
            };
            sweep::<V>(token, units, &mut row);
        }
    }
}

impl<T: Real> UnitTraceContract<'_, T> {
    /// P.
    ///
    /// # Panics
    ///
    /// If the components are neither 1 nor 2, or a slice does not have the length its shape says.
    #[track_caller]
    pub(crate) fn parameter_count(&self) -> usize {
        let (rows, units, components) = (self.active.len(), self.units, self.components);
        check_components(components);
        let count = self.gradient.len().checked_div(units).unwrap_or(0);
        check_lengths(
            rows,
            units,
            &[
                ("gradient", self.gradient.len(), count * units),
                ("signal", self.signal.len(), rows * components * units),
                ("trace", self.trace.len(), rows * count * components * units),
            ],
        );
        count
    }

    #[inline(always)]
    fn contract<V: Lanes<Element = T>, const S: usize>(self, token: V::Token) {
        let (units, count) = (self.units, self.parameter_count());
        for index in 0..self.active.len() {
            if !self.active[index] {
                continue;
            }
            let mut row = ContractRow::<T, S> {
                count,
                signal: &self.signal[index * S * units..][..S * units],
                trace: &self.trace[index * count * S * units..][..count * S * units],
                gradient: self.gradient,
            };
            sweep::<V>(token, units, &mut row);
        }
    }
}

impl<T: Real> Kernel<T> for UnitTraceStep<'_, T> {
    type Output = ();

    run_by!(unit_trace_step);

    #[inline(always)]
    fn run<V: Lanes<Element = T>>(self, token: V::Token) {
        if self.components == 2 { self.step::<V, 2>(token) } else { self.step::<V, 1>(token) }
    }
}

impl<T: Real> Kernel<T> for UnitTraceContract<'_, T> {
    type Output = ();

    run_by!(unit_trace_contract);

    #[inline(always)]
    fn run<V: Lanes<Element = T>>(self, token: V::Token) {
        if self.components == 2 { self.contract::<V, 2>(token) } else { self.contract::<V, 1>(token) }
    }
}

/// The slices of one batch row of a step.
struct StepRow<'a, T, const S: usize> {
    count: usize,
    decay: &'a [T],
    immediate: &'a [T],
    trace: &'a mut [T],
}

impl<T: Real, const S: usize> PerUnit<T> for StepRow<'_, T, S> {
    /// (1)
    #[inline(always)]
    fn step<V: Lanes<Element = T>, const FULL: bool>(&mut self, token: V::Token, part: Part<FULL>) {
        let rounder = rounder(token);
        let a_11: V = part.load(token, self.decay, 0);
        if S == 1 {
            for q in 0..self.count {
                let e: V = part.load(token, self.trace, q);
                let e = a_11.mul_add(e, part.load(token, self.immediate, q));
                part.store(quantized(rounder, e), self.trace, q);
            }
            return;
        }
        let a_12: V = part.load(token, self.decay, 1);
        let a_21: V = part.load(token, self.decay, 2);
        let a_22: V = part.load(token, self.decay, 3);
        for q in 0..self.count {
            let e_1: V = part.load(token, self.trace, 2 * q);
            let e_2: V = part.load(token, self.trace, 2 * q + 1);
            let next_1 = a_11.mul_add(e_1, a_12 * e_2) + part.load(token, self.immediate, 2 * q);
            let next_2 = a_22.mul_add(e_2, a_21 * e_1) + part.load(token, self.immediate, 2 * q + 1);
            part.store(quantized(rounder, next_1), self.trace, 2 * q);
            part.store(quantized(rounder, next_2), self.trace, 2 * q + 1);
        }
    }
}

/// The slices of one batch row of a contraction, and the gradient.
struct ContractRow<'a, T, const S: usize> {
    count: usize,
    signal: &'a [T],
    trace: &'a [T],
    gradient: &'a mut [T],
}

impl<T: Real, const S: usize> PerUnit<T> for ContractRow<'_, T, S> {
    /// (2)
    #[inline(always)]
    fn step<V: Lanes<Element = T>, const FULL: bool>(&mut self, token: V::Token, part: Part<FULL>) {
        let first: V = part.load(token, self.signal, 0);
        let second: V = if S == 2 { part.load(token, self.signal, 1) } else { first };
        for q in 0..self.count {
            let mut sum: V = part.load(token, self.gradient, q);
            sum = part.load::<V>(token, self.trace, S * q).mul_add(first, sum);
            if S == 2 {
                sum = part.load::<V>(token, self.trace, S * q + 1).mul_add(second, sum);
            }
            part.store(sum, self.gradient, q);
        }
    }
}
