//! Many steps of the traces of one batch row in one pass: a rank-K update with the traces in registers.
//!
//! With P_s = A_K A_{K-1} ... A_{s+1}, 2x2 products (so P_K is the identity), unit by unit:
//!
//! ```text
//! (3)  E^m_K = P_0 E^m_0 + sum over s = 1..K of (P_s e_m u_m(s)) z_s^T            E^m: two rows, e_m: unit vector m
//! (4)  G^1 += omega_1 E^1_1 + omega_2 E^1_2        G^2 += omega_1 E^2_1 + omega_2 E^2_2          with E = E_0
//! (4') G^1 += omega_1 E_1 + omega_2 E_2            G^2 += omega_2 E_1 - omega_1 E_2              with one gate
//! ```
//!
//! (3) is K steps of the recursion (1), unrolled. (4) is what a block's learning signals do with the traces that were
//! carried into it: omega = A_1^T lambda_1 with lambda_s = c(s) + A_{s+1}^T lambda_{s+1}. The block's own part of (2) is a
//! matrix product and needs no trace.

use crate::instances::run_by;
use crate::lanes::Lanes;
use crate::level::Kernel;
use crate::real::Real;
use crate::strided::Strided;

mod scan;
mod tile;

use scan::scan;
use tile::Sweep;

/// The factors of a block, backwards over its steps: P_s e_m u_m(s) and P_0 of equation (3).
///
/// Accuracy: at most 3 `steps` roundings on each path through the products. Small elements of a product
/// are rounded to whole multiples of [`Real::TRACE_QUANTUM`].
///
/// # Panics
///
/// [`Level::run`](crate::Level::run) panics if the lengths do not fit each other, or `gates` is neither 1 nor 2.
///
/// Cost: 12 FLOPs and 2 `gates` products a unit and step.
///
/// ```
/// use eligibility_kernels::{Level, Strided, trace::pair::PairTraceFactors};
/// let mut factors = [0.0_f32; 8];
/// Level::detect().run(PairTraceFactors {
///     steps: 2,
///     units: 1,
///     gates: 1,
///     decay: Strided { data: &[0.5, -1.0, 1.0, 0.5], stride: 0 },
///     influence: Strided { data: &[4.0, 2.0], stride: 1 },
///     factors: &mut factors,
/// });
/// assert_eq!(factors, [2.0, 4.0, 2.0, 0.0, -0.75, -1.0, 1.0, -0.75]); // A e_1 u(1), e_1 u(2), A A
/// ```
#[derive(Debug)]
pub struct PairTraceFactors<'a, T> {
    /// K.
    pub steps: usize,
    /// Units, each with two components.
    pub units: usize,
    /// 1 or 2.
    pub gates: usize,
    /// A(s): `[4, units]` a step, the planes A_11, A_12, A_21, A_22, shared by the gates; with stride 0 by the steps too.
    pub decay: Strided<'a, T>,
    /// u(s): `[gates, units]` a step; with stride 0 shared by the steps.
    pub influence: Strided<'a, T>,
    /// `[steps, gates, 2, units]`: out the two components of P_s e_m u_m(s); and after these `[4, units]`: P_0.
    pub factors: &'a mut [T],
}

/// `steps` steps of the traces of one batch row, equation (3).
///
/// The same sum as so many [`PairTraceStep`](super::PairTraceStep)s, up to rounding; compute-bound where those are bound
/// by memory. A reset is a decay of 0: where P_0 is zero for all units, what the traces held is not used, so that nothing
/// non-finite survives. With one gate and with two the first gate's traces are the same to the bit.
///
/// Accuracy: `steps + 2` multiply-adds per element, each rounded once where the level fuses. Small traces
/// are rounded to whole multiples of [`Real::TRACE_QUANTUM`].
///
/// # Panics
///
/// [`Level::run`](crate::Level::run) panics if the lengths do not fit each other, or `gates` is neither 1 nor 2.
///
/// Cost: 2 (steps + 2) FLOPs, one read and one write per trace element.
///
/// ```
/// use eligibility_kernels::{Level, Strided, trace::pair::PairTraceBlock};
/// let (mut first, mut second) = ([4.0_f32, 8.0], [0.0, 4.0]);
/// Level::detect().run(PairTraceBlock {
///     steps: 2,
///     columns: 2,
///     units: 1,
///     gates: 1,
///     presynaptic: Strided { data: &[1.0, 10.0, 4.0, 6.0], stride: 2 },
///     // Of the decay 0.5 + i and the influences 4, 2.
///     factors: &[2.0, 4.0, 2.0, 0.0, -0.75, -1.0, 1.0, -0.75],
///     trace: [&mut first, &mut second],
/// });
/// assert_eq!((first, second), ([7.0, 22.0], [8.0, 45.0]));
/// ```
#[derive(Debug)]
pub struct PairTraceBlock<'a, T> {
    /// K.
    pub steps: usize,
    /// Presynaptic inputs per unit that take part. A trace row may be longer; its elements up to the next whole
    /// vector are stepped too, the others are left alone.
    pub columns: usize,
    /// Units, each with two components.
    pub units: usize,
    /// 1 or 2.
    pub gates: usize,
    /// z(s): a step is as long as a trace row, and starts `stride` after the one before.
    pub presynaptic: Strided<'a, T>,
    /// `[steps, gates, 2, units]` and `[4, units]`: what [`PairTraceFactors`] gives.
    pub factors: &'a [T],
    /// E_1 and E_2, each `[gates, units, row]`: in before, out after the steps; a row has at least `columns` elements.
    pub trace: [&'a mut [T]; 2],
}

/// [`PairTraceBlock`] and the contraction of the traces carried in, equations (3) and (4) or (4'), in one pass.
///
/// # Panics
///
/// [`Level::run`](crate::Level::run) panics if the lengths do not fit each other, or `gates` is neither 1 nor 2.
///
/// Cost: that of the block and 8 FLOPs per unit and column, whose gradients are read and written once.
///
/// ```
/// use eligibility_kernels::{Level, Strided, trace::pair::{PairTraceBlock, PairTraceBlockContract}};
/// let (mut first, mut second, mut gradient) = ([4.0_f32, 8.0], [0.0, 4.0], [0.0; 4]);
/// let block = PairTraceBlock {
///     steps: 1,
///     columns: 2,
///     units: 1,
///     gates: 1,
///     presynaptic: Strided { data: &[1.0, 10.0], stride: 2 },
///     factors: &[3.0, 0.0, 0.5, -1.0, 1.0, 0.5],
///     trace: [&mut first, &mut second],
/// };
/// Level::detect().run(PairTraceBlockContract { block, carried_signal: &[1.0, 2.0], gradient: &mut gradient });
/// assert_eq!((first, second), ([5.0, 30.0], [4.0, 10.0]));
/// assert_eq!(gradient, [4.0, 16.0, 8.0, 12.0]);
/// ```
#[derive(Debug)]
pub struct PairTraceBlockContract<'a, T> {
    /// Equation (3).
    pub block: PairTraceBlock<'a, T>,
    /// `[2, units]`: omega_1, omega_2.
    pub carried_signal: &'a [T],
    /// `[2, units, row]`: G^1, G^2, added to.
    pub gradient: &'a mut [T],
}

/// # Panics
///
/// If there are not one or two gates, or the factors of these are not so many.
#[track_caller]
fn check_factors(found: usize, [steps, units, gates]: [usize; 3]) {
    assert!(matches!(gates, 1 | 2), "gates is {gates} where 1 or 2 are possible");
    let expected = (2 * steps * gates + 4) * units;
    assert!(
        found == expected,
        "factors has {found} elements where {steps} steps x {gates} gates x 2 components x {units} units \
         and 4 x {units} are {expected}"
    );
}

impl<T> PairTraceFactors<'_, T> {
    /// # Panics
    ///
    /// If the lengths do not fit each other.
    #[track_caller]
    pub(crate) fn check(&self) {
        let Self { steps, units, gates, .. } = *self;
        check_factors(self.factors.len(), [steps, units, gates]);
        self.decay.check("decay", steps, 4 * units);
        self.influence.check("influence", steps, gates * units);
    }
}

impl<T> PairTraceBlock<'_, T> {
    /// Elements of a trace row.
    ///
    /// # Panics
    ///
    /// If the lengths do not fit each other.
    #[track_caller]
    pub(crate) fn row(&self) -> usize {
        let Self { steps, columns, units, gates, .. } = *self;
        check_factors(self.factors.len(), [steps, units, gates]);
        let found = [self.trace[0].len(), self.trace[1].len()];
        let row = found[0].checked_div(gates * units).unwrap_or(0);
        assert!(
            found == [gates * units * row; 2] && (columns <= row || units == 0),
            "trace has {} and {} elements for {gates} gates x {units} units of at least {columns} columns",
            found[0],
            found[1]
        );
        self.presynaptic.check("presynaptic", steps, row);
        row
    }
}

impl<T> PairTraceBlockContract<'_, T> {
    /// As [`PairTraceBlock::row`].
    ///
    /// # Panics
    ///
    /// If the lengths do not fit each other.
    #[track_caller]
    pub(crate) fn row(&self) -> usize {
        let (row, units) = (self.block.row(), self.block.units);
        let (found, expected) = (self.carried_signal.len(), 2 * units);
        assert!(
            found == expected,
            "carried_signal has {found} elements where 2 components x {units} units are {expected}"
        );
        let (found, expected) = (self.gradient.len(), 2 * units * row);
        assert!(
            found == expected,
            "gradient has {found} elements where 2 gates x {units} units x {row} columns are {expected}"
        );
        row
    }
}

impl<T: Real> Kernel<T> for PairTraceFactors<'_, T> {
    type Output = ();

    run_by!(pair_trace_factors);

    #[inline(always)]
    fn run<V: Lanes<Element = T>>(self, token: V::Token) {
        self.check();
        scan::<V>(token, self);
    }
}

impl<T: Real> Kernel<T> for PairTraceBlock<'_, T> {
    type Output = ();

    run_by!(pair_trace_block);

    #[inline(always)]
    fn run<V: Lanes<Element = T>>(self, token: V::Token) {
        let row = self.row();
        Sweep::<V>::new(token, &self, row, &[]).gates::<0>(self.trace, &mut []);
    }
}

impl<T: Real> Kernel<T> for PairTraceBlockContract<'_, T> {
    type Output = ();

    run_by!(pair_trace_block_contract);

    #[inline(always)]
    fn run<V: Lanes<Element = T>>(self, token: V::Token) {
        let row = self.row();
        let sweep = Sweep::<V>::new(token, &self.block, row, self.carried_signal);
        if self.block.gates == 1 {
            sweep.gates::<2>(self.block.trace, self.gradient);
        } else {
            sweep.gates::<1>(self.block.trace, self.gradient);
        }
    }
}
