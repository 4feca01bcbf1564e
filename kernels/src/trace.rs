//! The eligibility trace with a real scalar decay: the recursion and its contraction, step by step, or many
//! steps in one pass (equations (3) to (5), in the file `block`).
//!
//! For every batch row, gate q and unit j, over the presynaptic activity z_t of that row:
//!
//! ```text
//! (1) E_t[q, j, :] = A_t[j] E_{t-1}[q, j, :] + u_t[q, j] z_t[:]
//! (2) G[q, j, :]  += l_t[j] E_t[q, j, :]                          summed over the rows
//! ```
//!
//! For the LSTM, A is the forget gate, u the local factor s_q, and l the learning signal times dh/dc: Hoyer et al.
//! 2022, eq. 6 and 3; Bellec et al. 2020. Small traces are rounded to whole multiples of [`Real::TRACE_QUANTUM`].

use crate::instances::run_by;
use crate::lanes::Lanes;
use crate::level::Kernel;
use crate::real::Real;

mod block;
pub mod pair;
mod sweep;

pub use block::{TraceBlock, TraceBlockContract, TraceFactors, TraceSumFactors};

/// One streaming step of the traces, equation (1), for a batch of rows.
///
/// Shapes, row-major, with `rows = active.len()`: see the fields; units, columns and gates follow from the lengths.
/// Rows that are not active keep their traces.
///
/// Accuracy: one product and one multiply-add per element, so 1.5 ULP of the larger term (1 where the level fuses).
/// Small elements are rounded to whole multiples of [`Real::TRACE_QUANTUM`]; NaN and infinities stay.
///
/// # Panics
///
/// [`Level::run`](crate::Level::run) panics if the lengths do not fit each other.
///
/// Cost: 3 FLOPs, one read and one write per trace element; bound by memory bandwidth.
///
/// ```
/// use eligibility_kernels::{Level, trace::TraceStep};
/// let mut trace = [4.0_f32, 8.0];
/// Level::detect().run(TraceStep {
///     active: &[true],
///     decay: &[0.5],
///     influence: &[3.0],
///     presynaptic: &[1.0, 10.0],
///     trace: &mut trace,
/// });
/// assert_eq!(trace, [5.0, 34.0]);
/// ```
#[derive(Debug)]
pub struct TraceStep<'a, T> {
    /// `[rows]`: rows to step.
    pub active: &'a [bool],
    /// `[rows, units]`: A_t, shared by the gates.
    pub decay: &'a [T],
    /// `[rows, at least gates * units]`: u_t, gate by gate; what a row has beyond `gates * units` is not read.
    pub influence: &'a [T],
    /// `[rows, columns]`: z_t.
    pub presynaptic: &'a [T],
    /// `[rows, gates, units, columns]`: in E_{t-1}, out E_t.
    pub trace: &'a mut [T],
}

/// A streaming step fused with the contraction, equations (1) and (2): the trace is read and written once.
///
/// # Panics
///
/// [`Level::run`](crate::Level::run) panics if the lengths do not fit each other.
///
/// Cost: 5 FLOPs, two reads and two writes per trace element.
///
/// ```
/// use eligibility_kernels::{Level, trace::{TraceStep, TraceStepContract}};
/// let (mut trace, mut gradient) = ([4.0_f32, 8.0], [1.0, 1.0]);
/// Level::detect().run(TraceStepContract {
///     step: TraceStep {
///         active: &[true],
///         decay: &[0.5],
///         influence: &[3.0],
///         presynaptic: &[1.0, 10.0],
///         trace: &mut trace,
///     },
///     signal: &[2.0],
///     gradient: &mut gradient,
/// });
/// assert_eq!(gradient, [11.0, 69.0]);
/// ```
#[derive(Debug)]
pub struct TraceStepContract<'a, T> {
    /// Equation (1).
    pub step: TraceStep<'a, T>,
    /// `[rows, units]`: l_t, the learning signal times dh/dc.
    pub signal: &'a [T],
    /// `[gates, units, columns]`: G, added to in the order of the rows.
    pub gradient: &'a mut [T],
}

/// The contraction alone, equation (2): for a learning signal that comes after the traces were stepped.
///
/// # Panics
///
/// [`Level::run`](crate::Level::run) panics if the lengths do not fit each other.
///
/// Cost: 2 FLOPs, two reads and one write per trace element.
///
/// ```
/// use eligibility_kernels::{Level, trace::TraceContract};
/// let mut gradient = [1.0_f32, 1.0];
/// Level::detect().run(TraceContract {
///     active: &[true],
///     columns: 2,
///     signal: &[2.0],
///     trace: &[5.0, 34.0],
///     gradient: &mut gradient,
/// });
/// assert_eq!(gradient, [11.0, 69.0]);
/// ```
#[derive(Debug)]
pub struct TraceContract<'a, T> {
    /// `[rows]`: rows that contribute.
    pub active: &'a [bool],
    /// Presynaptic inputs per unit.
    pub columns: usize,
    /// `[rows, units]`: l_t.
    pub signal: &'a [T],
    /// `[rows, gates, units, columns]`: E_t.
    pub trace: &'a [T],
    /// `[gates, units, columns]`: G, added to in the order of the rows.
    pub gradient: &'a mut [T],
}

/// Sizes that follow from the lengths of a step's slices.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Sizes {
    pub(crate) gates: usize,
    pub(crate) units: usize,
    pub(crate) columns: usize,
    /// Elements of `influence` per row.
    pub(crate) influence: usize,
}

impl Sizes {
    fn is_empty(self) -> bool {
        self.gates * self.units * self.columns == 0
    }
    /// 0, 1, ..., units - 1, gate after gate.
    #[inline(always)]
    fn unit_of_each_trace(self) -> impl Iterator<Item = usize> {
        (0..self.units).cycle()
    }
}

impl<T> TraceStep<'_, T> {
    /// # Panics
    ///
    /// If the lengths do not fit each other.
    #[track_caller]
    pub(crate) fn sizes(&self) -> Sizes {
        let rows = self.active.len();
        let per_row = |what: &str, length: usize| {
            assert!(
                length.checked_rem(rows).unwrap_or(length) == 0,
                "{what} has {length} elements, which {rows} rows do not divide"
            );
            length.checked_div(rows).unwrap_or(0)
        };
        let units = per_row("decay", self.decay.len());
        let columns = per_row("presynaptic", self.presynaptic.len());
        let trace = per_row("trace", self.trace.len());
        let influence = per_row("influence", self.influence.len());
        let gates = trace.checked_div(units * columns).unwrap_or(0);
        assert!(
            gates * units * columns == trace,
            "trace has {trace} elements per row, which is no multiple of {units} units x {columns} columns"
        );
        assert!(
            influence >= gates * units,
            "influence has {influence} elements per row where {gates} gates x {units} units are needed"
        );
        Sizes { gates, units, columns, influence }
    }
}

impl<T> TraceStepContract<'_, T> {
    /// # Panics
    ///
    /// If the lengths do not fit each other.
    #[track_caller]
    pub(crate) fn sizes(&self) -> Sizes {
        let sizes = self.step.sizes();
        let Sizes { gates, units, columns, .. } = sizes;
        assert!(
            self.signal.len() == self.step.decay.len(),
            "signal has {} elements where decay has {}",
            self.signal.len(),
            self.step.decay.len()
        );
        assert!(
            self.step.active.is_empty() || self.gradient.len() == gates * units * columns,
            "gradient has {} elements where {gates} gates x {units} units x {columns} columns are needed",
            self.gradient.len()
        );
        sizes
    }
}

impl<T> TraceContract<'_, T> {
    /// # Panics
    ///
    /// If the lengths do not fit each other.
    #[track_caller]
    pub(crate) fn sizes(&self) -> Sizes {
        let (rows, columns, signal) = (self.active.len(), self.columns, self.signal.len());
        let units = signal.checked_div(rows).unwrap_or(0);
        assert!(units * rows == signal, "signal has {signal} elements, which {rows} rows do not divide");
        let gates = self.gradient.len().checked_div(units * columns).unwrap_or(0);
        assert!(
            self.trace.len() == rows * self.gradient.len()
                && gates * units * columns * rows == self.trace.len(),
            "trace has {} and gradient {} elements for {rows} rows of gates x {units} units x {columns} columns",
            self.trace.len(),
            self.gradient.len()
        );
        Sizes { gates, units, columns, influence: 0 }
    }
}

impl<T: Real> Kernel<T> for TraceStep<'_, T> {
    type Output = ();

    run_by!(trace_step);

    #[inline(always)]
    fn run<V: Lanes<Element = T>>(self, token: V::Token) {
        let sizes = self.sizes();
        if sizes.is_empty() {
            return;
        }
        if sizes.columns.is_multiple_of(V::WIDTH) {
            self.rows::<V, true>(token, sizes);
        } else {
            self.rows::<V, false>(token, sizes);
        }
    }
}

impl<T: Real> TraceStep<'_, T> {
    /// (1), of rows of whole vectors or of any.
    #[inline(always)]
    fn rows<V: Lanes<Element = T>, const WHOLE: bool>(self, token: V::Token, sizes: Sizes) {
        self.for_each_row(sizes, |_, row| {
            let traces = row.trace.chunks_exact_mut(sizes.columns);
            for ((trace, unit), &influence) in traces.zip(sizes.unit_of_each_trace()).zip(row.influence) {
                sweep::step::<V, WHOLE>(token, [row.decay[unit], influence], row.presynaptic, trace);
            }
        });
    }
}

impl<T: Real> Kernel<T> for TraceStepContract<'_, T> {
    type Output = ();

    run_by!(trace_step_contract);

    #[inline(always)]
    fn run<V: Lanes<Element = T>>(self, token: V::Token) {
        let sizes = self.sizes();
        if sizes.is_empty() {
            return;
        }
        if sizes.columns.is_multiple_of(V::WIDTH) {
            self.rows::<V, true>(token, sizes);
        } else {
            self.rows::<V, false>(token, sizes);
        }
    }
}

impl<T: Real> TraceStepContract<'_, T> {
    /// (1) and (2), of rows of whole vectors or of any.
    #[inline(always)]
    fn rows<V: Lanes<Element = T>, const WHOLE: bool>(self, token: V::Token, sizes: Sizes) {
        let Self { step: op, signal, gradient } = self;
        op.for_each_row(sizes, |row_index, row| {
            let signal = &signal[row_index * sizes.units..][..sizes.units];
            let traces = row.trace.chunks_exact_mut(sizes.columns);
            let pairs = traces.zip(gradient.chunks_exact_mut(sizes.columns));
            for (((trace, sum), unit), &influence) in pairs.zip(sizes.unit_of_each_trace()).zip(row.influence)
            {
                let factors = [row.decay[unit], influence, signal[unit]];
                sweep::step_contract::<V, WHOLE>(token, factors, row.presynaptic, trace, sum);
            }
        });
    }
}

impl<T: Real> Kernel<T> for TraceContract<'_, T> {
    type Output = ();

    run_by!(trace_contract);

    #[inline(always)]
    fn run<V: Lanes<Element = T>>(self, token: V::Token) {
        let sizes = self.sizes();
        if sizes.is_empty() {
            return;
        }
        if sizes.columns.is_multiple_of(V::WIDTH) {
            self.rows::<V, true>(token, sizes);
        } else {
            self.rows::<V, false>(token, sizes);
        }
    }
}

impl<T: Real> TraceContract<'_, T> {
    /// (2), of rows of whole vectors or of any.
    #[inline(always)]
    fn rows<V: Lanes<Element = T>, const WHOLE: bool>(self, token: V::Token, sizes: Sizes) {
        let rows = self.active.iter().zip(self.signal.chunks_exact(sizes.units));
        for ((_, signal), trace) in
            rows.zip(self.trace.chunks_exact(self.gradient.len())).filter(|((active, _), _)| **active)
        {
            let pairs = trace.chunks_exact(sizes.columns).zip(self.gradient.chunks_exact_mut(sizes.columns));
            for ((trace, sum), unit) in pairs.zip(sizes.unit_of_each_trace()) {
                sweep::contract::<V, WHOLE>(token, signal[unit], trace, sum);
            }
        }
    }
}

/// The slices of one batch row.
struct Row<'a, T> {
    /// `[units]`
    decay: &'a [T],
    /// `[gates * units]`
    influence: &'a [T],
    /// `[columns]`
    presynaptic: &'a [T],
    /// `[gates, units, columns]`
    trace: &'a mut [T],
}

impl<T> TraceStep<'_, T> {
    /// Calls `body` with the index and the slices of each active row.
    #[inline(always)]
    fn for_each_row(self, sizes: Sizes, mut body: impl FnMut(usize, Row<'_, T>)) {
        let traces = self.trace.chunks_exact_mut(sizes.gates * sizes.units * sizes.columns);
        for (row, (trace, _)) in traces.zip(self.active).enumerate().filter(|(_, (_, active))| **active) {
            let decay = &self.decay[row * sizes.units..][..sizes.units];
            let influence = &self.influence[row * sizes.influence..][..sizes.gates * sizes.units];
            let presynaptic = &self.presynaptic[row * sizes.columns..][..sizes.columns];
            body(row, Row { decay, influence, presynaptic, trace });
        }
    }
}
