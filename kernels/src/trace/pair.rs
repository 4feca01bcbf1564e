//! The eligibility trace of units with a state of two components: the recursion with a complex or a real 2x2 decay and
//! its contraction, step by step, or many steps in one pass (equations (3) and (4), in the file `block`).
//!
//! The weights W_1 and W_2 of a unit feed its components h_1 and h_2. For every batch row, weight matrix ("gate") m and
//! unit j, over the presynaptic activity z_t of that row, with [k = m] = 1 if k is m, else 0:
//!
//! ```text
//! (1)  E^m_k[j, :] <- sum over l of A_kl[j] E^m_l[j, :] + [k = m] u_m[j] z[:]       k = 1, 2
//! (2)  G^m[j, :]   += c_1[j] E^m_1[j, :] + c_2[j] E^m_2[j, :]                        summed over the rows
//! ```
//!
//! E^m_k is dh_k/dW_m, so (1) is exact real-time recurrent learning (RTRL) of units that are not connected to each other:
//! recurrent trace units (Elelimy et al. 2024), linear recurrent units (Zucchet et al. 2023), and recurrent networks whose
//! weights are 2x2 blocks. c_k is the learning signal dL/dh_k.
//!
//! **Half the memory.** Where A is a rotation times a radius (A_22 = A_11, A_12 = -A_21: a complex number), u_1 = u_2, and
//! the traces start at zero, the second gate's trace is E^2_1 = -E^1_2 and E^2_2 = E^1_1 at every step. Then the first gate
//! alone is stored, and gives both gradients:
//!
//! ```text
//! (2') G^1[j, :] += c_1[j] E_1[j, :] + c_2[j] E_2[j, :]          G^2[j, :] += c_2[j] E_1[j, :] - c_1[j] E_2[j, :]
//! ```
//!
//! All kernels here take one gate or two, and give the same gradients with one as with two, to the bit: each adds to what
//! it stores in an order that turning the second gate's trace leaves alone. Whether A is such a rotation they do not check.
//!
//! Small traces are rounded to whole multiples of [`Real::TRACE_QUANTUM`].

use crate::instances::run_by;
use crate::lanes::Lanes;
use crate::level::Kernel;
use crate::real::Real;
use crate::strided::Strided;

mod block;
mod sweep;

pub use block::{PairTraceBlock, PairTraceBlockContract, PairTraceFactors};

/// One streaming step of the traces, equation (1), for a batch of rows.
///
/// Shapes, row-major, with `rows = active.len()`: see the fields; the number of gates, 1 or 2, and the columns follow from
/// the lengths. Rows that are not active keep their traces.
///
/// Accuracy: each term passes at most three roundings, so 1.5 ULP of the sum of the terms' magnitudes. Small
/// elements are rounded to whole multiples of [`Real::TRACE_QUANTUM`]; NaN and infinities stay, and reach the other component.
///
/// # Panics
///
/// [`Level::run`](crate::Level::run) panics if the lengths do not fit each other.
///
/// Cost: 4 FLOPs per trace element (3 without u z), each read and written once; bound by memory bandwidth.
///
/// ```
/// use eligibility_kernels::{Level, Strided, trace::pair::PairTraceStep};
/// let (mut first, mut second) = ([4.0_f32, 8.0], [1.0, 2.0]);
/// Level::detect().run(PairTraceStep {
///     active: &[true],
///     units: 1,
///     decay: Strided { data: &[0.5, -1.0, 1.0, 0.5], stride: 0 }, // 0.5 + i
///     influence: Strided { data: &[3.0], stride: 0 },
///     presynaptic: &[1.0, 10.0],
///     trace: [&mut first, &mut second],
/// });
/// assert_eq!((first, second), ([4.0, 32.0], [4.5, 9.0])); // (0.5 + i) (4 + i) + 3 and so on
/// ```
#[derive(Debug)]
pub struct PairTraceStep<'a, T> {
    /// `[rows]`: rows to step.
    pub active: &'a [bool],
    /// Units, each with two components.
    pub units: usize,
    /// A: `[4, units]` a row, the planes A_11, A_12, A_21, A_22, shared by the gates; with stride 0 by the rows too.
    pub decay: Strided<'a, T>,
    /// u: `[gates, units]` a row; with stride 0 shared by the rows.
    pub influence: Strided<'a, T>,
    /// `[rows, columns]`: z.
    pub presynaptic: &'a [T],
    /// E_1 and E_2, each `[rows, gates, units, columns]`: stepped in place.
    pub trace: [&'a mut [T]; 2],
}

/// A streaming step fused with the contraction, equations (1) and (2) or (2'): the trace is read and written once.
///
/// The same, to the bit, as [`PairTraceStep`] and then [`PairTraceContract`].
///
/// # Panics
///
/// [`Level::run`](crate::Level::run) panics if the lengths do not fit each other.
///
/// Cost: with one gate 15 FLOPs, with two 22, per unit and column; 4 or 6 elements read and written. Bound by memory
/// bandwidth.
///
/// ```
/// use eligibility_kernels::{Level, Strided, trace::pair::{PairTraceStep, PairTraceStepContract}};
/// let (mut first, mut second, mut gradient) = ([4.0_f32, 8.0], [1.0, 2.0], [0.0; 4]);
/// let step = PairTraceStep {
///     active: &[true],
///     units: 1,
///     decay: Strided { data: &[0.5, -1.0, 1.0, 0.5], stride: 0 },
///     influence: Strided { data: &[3.0], stride: 0 },
///     presynaptic: &[1.0, 10.0],
///     trace: [&mut first, &mut second], // of one gate, out [4, 32] and [4.5, 9]
/// };
/// Level::detect().run(PairTraceStepContract { step, signal: &[1.0, 2.0], gradient: &mut gradient });
/// assert_eq!(gradient, [13.0, 50.0, 3.5, 55.0]);
/// ```
#[derive(Debug)]
pub struct PairTraceStepContract<'a, T> {
    /// Equation (1).
    pub step: PairTraceStep<'a, T>,
    /// `[rows, 2, units]`: c_1, c_2.
    pub signal: &'a [T],
    /// `[2, units, columns]`: G^1, G^2, added to in the order of the rows.
    pub gradient: &'a mut [T],
}

/// The contraction alone, equation (2) or (2'): for a learning signal that comes after the traces were stepped.
///
/// Accuracy: two multiply-adds per row and element of the gradient, each rounded once where the level fuses.
///
/// # Panics
///
/// [`Level::run`](crate::Level::run) panics if the lengths do not fit each other.
///
/// Cost: 8 FLOPs per unit and column; with one gate 2 elements read, with two 4, and 2 of the gradient read and written.
///
/// ```
/// use eligibility_kernels::{Level, trace::pair::PairTraceContract};
/// let mut gradient = [0.0_f32; 4];
/// Level::detect().run(PairTraceContract {
///     active: &[true],
///     units: 1,
///     columns: 2,
///     signal: &[1.0, 2.0],
///     trace: [&[4.0, 32.0], &[4.5, 9.0]], // one gate
///     gradient: &mut gradient,
/// });
/// assert_eq!(gradient, [13.0, 50.0, 3.5, 55.0]);
/// ```
#[derive(Debug)]
pub struct PairTraceContract<'a, T> {
    /// `[rows]`: rows that contribute.
    pub active: &'a [bool],
    /// Units, each with two components.
    pub units: usize,
    /// Presynaptic inputs per unit.
    pub columns: usize,
    /// `[rows, 2, units]`: c_1, c_2.
    pub signal: &'a [T],
    /// E_1 and E_2, each `[rows, gates, units, columns]`.
    pub trace: [&'a [T]; 2],
    /// `[2, units, columns]`: G^1, G^2, added to in the order of the rows.
    pub gradient: &'a mut [T],
}

/// Sizes of a step's slices.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Sizes {
    /// 1 or 2, and 0 where there are no traces at all.
    pub(crate) gates: usize,
    pub(crate) units: usize,
    pub(crate) columns: usize,
}

impl Sizes {
    /// # Panics
    ///
    /// If two components of `found` elements are not those of one or two gates.
    #[track_caller]
    fn of(rows: usize, units: usize, columns: usize, found: [usize; 2]) -> Self {
        let gates = found[0].checked_div(rows * units * columns).unwrap_or(0);
        let possible = if rows * units * columns == 0 { 0..=0 } else { 1..=2 };
        assert!(
            possible.contains(&gates) && found == [gates * rows * units * columns; 2],
            "trace has {} and {} elements for {rows} rows of 1 or 2 gates x {units} units x {columns} columns",
            found[0],
            found[1]
        );
        Self { gates, units, columns }
    }
    /// # Panics
    ///
    /// If the signals of `rows` rows or the gradient are of other lengths.
    #[track_caller]
    fn check<T>(self, rows: usize, signal: &[T], gradient: &[T]) {
        let Self { units, columns, .. } = self;
        let (found, expected) = (signal.len(), rows * 2 * units);
        assert!(
            found == expected,
            "signal has {found} elements where {rows} rows x 2 components x {units} units are {expected}"
        );
        let (found, expected) = (gradient.len(), 2 * units * columns);
        assert!(
            rows == 0 || found == expected,
            "gradient has {found} elements where 2 gates x {units} units x {columns} columns are {expected}"
        );
    }
}

impl<T> PairTraceStep<'_, T> {
    /// # Panics
    ///
    /// If the lengths do not fit each other.
    #[track_caller]
    pub(crate) fn sizes(&self) -> Sizes {
        let (rows, units, presynaptic) = (self.active.len(), self.units, self.presynaptic.len());
        let columns = presynaptic.checked_div(rows).unwrap_or(0);
        assert!(
            columns * rows == presynaptic,
            "presynaptic has {presynaptic} elements, which {rows} rows do not divide"
        );
        let sizes = Sizes::of(rows, units, columns, [self.trace[0].len(), self.trace[1].len()]);
        self.decay.check("decay", rows, 4 * units);
        self.influence.check("influence", rows, sizes.gates * units);
        sizes
    }
}

impl<T> PairTraceStepContract<'_, T> {
    /// # Panics
    ///
    /// If the lengths do not fit each other.
    #[track_caller]
    pub(crate) fn sizes(&self) -> Sizes {
        let sizes = self.step.sizes();
        sizes.check(self.step.active.len(), self.signal, self.gradient);
        sizes
    }
}

impl<T> PairTraceContract<'_, T> {
    /// # Panics
    ///
    /// If the lengths do not fit each other.
    #[track_caller]
    pub(crate) fn sizes(&self) -> Sizes {
        let rows = self.active.len();
        let sizes = Sizes::of(rows, self.units, self.columns, [self.trace[0].len(), self.trace[1].len()]);
        sizes.check(rows, self.signal, self.gradient);
        sizes
    }
}

impl<T: Real> Kernel<T> for PairTraceStep<'_, T> {
    type Output = ();

    run_by!(pair_trace_step);

    #[inline(always)]
    fn run<V: Lanes<Element = T>>(self, token: V::Token) {
        let sizes = self.sizes();
        sweep::rows::<V, 0>(token, self, sizes, &[], &mut []);
    }
}

impl<T: Real> Kernel<T> for PairTraceStepContract<'_, T> {
    type Output = ();

    run_by!(pair_trace_step_contract);

    #[inline(always)]
    fn run<V: Lanes<Element = T>>(self, token: V::Token) {
        let sizes = self.sizes();
        if sizes.gates == 1 {
            sweep::rows::<V, 2>(token, self.step, sizes, self.signal, self.gradient);
        } else {
            sweep::rows::<V, 1>(token, self.step, sizes, self.signal, self.gradient);
        }
    }
}

impl<T: Real> Kernel<T> for PairTraceContract<'_, T> {
    type Output = ();

    run_by!(pair_trace_contract);

    #[inline(always)]
    fn run<V: Lanes<Element = T>>(self, token: V::Token) {
        let sizes = self.sizes();
        if sizes.gates == 1 {
            sweep::contract_rows::<V, 2>(token, self, sizes);
        } else {
            sweep::contract_rows::<V, 1>(token, self, sizes);
        }
    }
}
