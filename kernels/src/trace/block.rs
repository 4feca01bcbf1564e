//! Many steps of the trace of one batch row in one pass: a rank-K update with the trace in registers.
//!
//! With P_s = A_{s+1} A_{s+2} ... A_K (so P_K = 1), gate by gate and unit by unit:
//!
//! ```text
//! (3) E_K[q, j, :] = P_0[j] E_0[q, j, :] + sum over s = 1..K of (P_s[j] u_s[q, j]) z_s[:]
//! (4) G[q, j, :]  += omega[j] E_0[q, j, :]
//! ```
//!
//! (3) is K steps of the recursion (1), unrolled. (4) is what a block's learning signals do with the trace that was
//! carried into it: omega = A_1 lambda_1 with lambda_s = l_s + A_{s+1} lambda_{s+1}, which the step back through the
//! gates leaves in its cell gradient. The block's own part of (2) is a matrix product and needs no trace.
//!
//! A sum of traces over time is the same algebra with weights w_s in place of learning signals:
//!
//! ```text
//! (5) sum over s of w_s[j] E_s[q, j, :] = omega[j] E_0[q, j, :] + sum over s of (lambda_s[j] u_s[q, j]) z_s[:]
//!     lambda_s = w_s + A_{s+1} lambda_{s+1}        omega = A_1 lambda_1
//! ```

use crate::instances::run_by;
use crate::lanes::Lanes;
use crate::level::Kernel;
use crate::real::Real;
use crate::strided::Strided;

mod scan;
mod tile;

use scan::scan;
use tile::Sweep;

/// The factors of a block, backwards over its steps: P_s u_s and P_0 of equation (3).
///
/// Accuracy: at most `steps` roundings a factor. Small products of decays are rounded to whole multiples
/// of [`Real::TRACE_QUANTUM`].
///
/// # Panics
///
/// [`Level::run`](crate::Level::run) panics if the lengths do not fit each other.
///
/// Cost: one product a factor, and one a unit and step.
///
/// ```
/// use eligibility_kernels::{Level, Strided, trace::TraceFactors};
/// let mut factors = [0.0_f32; 3];
/// Level::detect().run(TraceFactors {
///     steps: 2,
///     units: 1,
///     decay: Strided { data: &[0.5, 0.25], stride: 1 },
///     influence: Strided { data: &[3.0, 2.0], stride: 1 },
///     factors: &mut factors,
/// });
/// assert_eq!(factors, [0.75, 2.0, 0.125]); // A_2 u_1, u_2, A_1 A_2
/// ```
#[derive(Debug)]
pub struct TraceFactors<'a, T> {
    /// K.
    pub steps: usize,
    /// Units.
    pub units: usize,
    /// A_s: `[units]` a step, shared by the gates.
    pub decay: Strided<'a, T>,
    /// u_s: `[gates * units]` a step.
    pub influence: Strided<'a, T>,
    /// `[steps + 1, gates * units]`: out P_1 u_1, ..., P_K u_K, P_0.
    pub factors: &'a mut [T],
}

/// The factors of a weighted sum of a block's traces, backwards over its steps: lambda_s u_s and omega of equation (5).
///
/// With a weight of 1 at the last step and 0 before, these are [`TraceFactors`]. The sum itself is a
/// [`TraceContract`](super::TraceContract) of E_0 with omega, and a [`TraceBlock`] of the sum so far that keeps all of it.
///
/// Accuracy: at most `steps` roundings a factor. Small elements of lambda are rounded to whole multiples
/// of [`Real::TRACE_QUANTUM`].
///
/// # Panics
///
/// [`Level::run`](crate::Level::run) panics if the lengths do not fit each other.
///
/// Cost: one product a factor, a product and a sum a unit and step.
///
/// ```
/// use eligibility_kernels::{Level, Strided, trace::{TraceFactors, TraceSumFactors}};
/// let mut factors = [0.0_f32; 3];
/// Level::detect().run(TraceSumFactors {
///     factors: TraceFactors {
///         steps: 2,
///         units: 1,
///         decay: Strided { data: &[0.5, 0.25], stride: 1 },
///         influence: Strided { data: &[3.0, 2.0], stride: 1 },
///         factors: &mut factors,
///     },
///     weight: Strided { data: &[1.0, 4.0], stride: 1 },
/// });
/// assert_eq!(factors, [6.0, 8.0, 1.0]); // lambda: 1 + 0.25 * 4, 4
/// ```
#[derive(Debug)]
pub struct TraceSumFactors<'a, T> {
    /// The recursion; `factors` receives lambda_1 u_1, ..., lambda_K u_K, omega.
    pub factors: TraceFactors<'a, T>,
    /// w_s: `[units]` a step, shared by the gates.
    pub weight: Strided<'a, T>,
}

/// `steps` steps of the traces of one batch row, equation (3).
///
/// The same sum as so many [`TraceStep`](super::TraceStep)s, up to rounding; compute-bound where those are bound by
/// memory. A reset is a decay of 0: where P_0 is zero for all units, what the trace held is not used, so that nothing
/// non-finite survives.
///
/// Accuracy: `steps + 1` multiply-adds per element, each rounded once where the level fuses. Small traces
/// are rounded to whole multiples of [`Real::TRACE_QUANTUM`].
///
/// # Panics
///
/// [`Level::run`](crate::Level::run) panics if the lengths do not fit each other.
///
/// Cost: 2 (steps + 1) FLOPs, one read and one write per trace element.
///
/// ```
/// use eligibility_kernels::{Level, Strided, trace::TraceBlock};
/// let mut trace = [4.0_f32, 8.0];
/// Level::detect().run(TraceBlock {
///     steps: 2,
///     columns: 2,
///     presynaptic: Strided { data: &[1.0, 10.0, 4.0, 6.0], stride: 2 },
///     factors: &[0.75, 2.0, 0.125], // of decays 0.5, 0.25 and influences 3, 2
///     trace: &mut trace,
/// });
/// assert_eq!(trace, [9.25, 20.5]); // [5, 34] after the first step
/// ```
#[derive(Debug)]
pub struct TraceBlock<'a, T> {
    /// K.
    pub steps: usize,
    /// Presynaptic inputs per unit that take part. A trace row may be longer; its elements up to the next whole
    /// vector are stepped too, the others are left alone.
    pub columns: usize,
    /// z_s: a step is as long as a trace row, and starts `stride` after the one before.
    pub presynaptic: Strided<'a, T>,
    /// `[steps + 1, gates * units]`: what [`TraceFactors`] gives.
    pub factors: &'a [T],
    /// `[gates, units, row]`: in E_0, out E_K; a row has at least `columns` elements.
    pub trace: &'a mut [T],
}

/// [`TraceBlock`] and the contraction of the trace carried in, equations (3) and (4), in one pass.
///
/// # Panics
///
/// [`Level::run`](crate::Level::run) panics if the lengths do not fit each other.
///
/// Cost: 2 (steps + 2) FLOPs, two reads and two writes per trace element.
///
/// ```
/// use eligibility_kernels::{Level, Strided, trace::{TraceBlock, TraceBlockContract}};
/// let (mut trace, mut gradient) = ([4.0_f32, 8.0], [1.0, 1.0]);
/// let block = TraceBlock {
///     steps: 1,
///     columns: 2,
///     presynaptic: Strided { data: &[1.0, 10.0], stride: 2 },
///     factors: &[3.0, 0.5],
///     trace: &mut trace,
/// };
/// Level::detect().run(TraceBlockContract { block, carried_signal: &[2.0], gradient: &mut gradient });
/// assert_eq!((trace, gradient), ([5.0, 34.0], [9.0, 17.0]));
/// ```
#[derive(Debug)]
pub struct TraceBlockContract<'a, T> {
    /// Equation (3).
    pub block: TraceBlock<'a, T>,
    /// `[units]`: omega, shared by the gates.
    pub carried_signal: &'a [T],
    /// `[gates, units, row]`: G, added to.
    pub gradient: &'a mut [T],
}

impl<T> TraceFactors<'_, T> {
    /// Traces, i.e. gates x units.
    ///
    /// # Panics
    ///
    /// If the lengths do not fit each other.
    #[track_caller]
    pub(crate) fn traces(&self) -> usize {
        let Self { steps, units, .. } = *self;
        let traces = self.factors.len() / (steps + 1);
        assert!(
            traces * (steps + 1) == self.factors.len() && traces.checked_rem(units).unwrap_or(traces) == 0,
            "factors has {} elements, which is no multiple of {units} units x ({steps} + 1) steps",
            self.factors.len()
        );
        self.decay.check("decay", steps, units);
        self.influence.check("influence", steps, traces);
        traces
    }
}

impl<T> TraceSumFactors<'_, T> {
    /// As [`TraceFactors::traces`].
    ///
    /// # Panics
    ///
    /// If the lengths do not fit each other.
    #[track_caller]
    pub(crate) fn traces(&self) -> usize {
        self.weight.check("weight", self.factors.steps, self.factors.units);
        self.factors.traces()
    }
}

impl<T> TraceBlock<'_, T> {
    /// Traces and the elements of each one's row.
    ///
    /// # Panics
    ///
    /// If the lengths do not fit each other.
    #[track_caller]
    pub(crate) fn sizes(&self) -> (usize, usize) {
        let (steps, columns) = (self.steps, self.columns);
        let traces = self.factors.len() / (steps + 1);
        assert!(
            traces * (steps + 1) == self.factors.len(),
            "factors has {} elements, which {steps} + 1 steps do not divide",
            self.factors.len()
        );
        let row = self.trace.len().checked_div(traces).unwrap_or(0);
        assert!(
            traces * row == self.trace.len() && (columns <= row || traces == 0),
            "trace has {} elements for {traces} traces of at least {columns} columns",
            self.trace.len()
        );
        self.presynaptic.check("presynaptic", steps, row);
        (traces, row)
    }
}

impl<T> TraceBlockContract<'_, T> {
    /// As [`TraceBlock::sizes`].
    ///
    /// # Panics
    ///
    /// If the lengths do not fit each other.
    #[track_caller]
    pub(crate) fn sizes(&self) -> (usize, usize) {
        let (traces, row) = self.block.sizes();
        let units = self.carried_signal.len();
        assert!(
            traces.checked_rem(units).unwrap_or(traces) == 0,
            "carried_signal has {units} elements, which do not divide {traces} traces"
        );
        let (found, expected) = (self.gradient.len(), self.block.trace.len());
        assert!(found == expected, "gradient has {found} elements where trace has {expected}");
        (traces, row)
    }
}

impl<T: Real> Kernel<T> for TraceFactors<'_, T> {
    type Output = ();

    run_by!(trace_factors);

    #[inline(always)]
    fn run<V: Lanes<Element = T>>(self, token: V::Token) {
        if self.traces() > 0 {
            scan::<V>(token, self, None);
        }
    }
}

impl<T: Real> Kernel<T> for TraceSumFactors<'_, T> {
    type Output = ();

    run_by!(trace_sum_factors);

    #[inline(always)]
    fn run<V: Lanes<Element = T>>(self, token: V::Token) {
        if self.traces() > 0 {
            scan::<V>(token, self.factors, Some(self.weight));
        }
    }
}

impl<T: Real> Kernel<T> for TraceBlock<'_, T> {
    type Output = ();

    run_by!(trace_block);

    #[inline(always)]
    fn run<V: Lanes<Element = T>>(self, token: V::Token) {
        let sizes = self.sizes();
        sweep::<V>(token, self, sizes, &[], &mut []);
    }
}

impl<T: Real> Kernel<T> for TraceBlockContract<'_, T> {
    type Output = ();

    run_by!(trace_block_contract);

    #[inline(always)]
    fn run<V: Lanes<Element = T>>(self, token: V::Token) {
        let sizes = self.sizes();
        sweep::<V>(token, self.block, sizes, self.carried_signal, self.gradient);
    }
}

/// (3), and (4) if there is a signal.
#[inline(always)]
fn sweep<V: Lanes>(
    token: V::Token,
    op: TraceBlock<'_, V::Element>,
    (traces, row): (usize, usize),
    carried_signal: &[V::Element],
    gradient: &mut [V::Element],
) {
    if traces == 0 || op.columns == 0 {
        return;
    }
    let (factors, kept) = op.factors.split_at(op.steps * traces);
    let sweep = Sweep::<V> {
        token,
        traces,
        row,
        reach: op.columns.next_multiple_of(V::WIDTH).min(row),
        // After a reset the old trace takes part in nothing, whatever it holds.
        forgotten: kept.iter().all(|&kept| kept == V::Element::ZERO),
        factors,
        kept,
        carried_signal,
        presynaptic: op.presynaptic,
    };
    sweep.run(op.trace, gradient);
}
