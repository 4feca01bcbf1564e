//! The traces that blocked e-prop carries from one window of steps to the next.
//!
//! ```text
//! (1) eps_K = P_0 eps_0 + sum over s of (P_s u_s) presynaptic_s^T        P_s = f_{s+1} ... f_K
//! (2) dE/dW_q += omega eps_0                                            omega = f_1 dE/dc_1
//! ```
//!
//! K steps of the recursion in one pass over the trace (`eligibility_kernels::trace`), and in the same pass what the
//! window's learning signals do with the trace carried into it.

use eligibility_kernels::lstm_gates::GATES;
use eligibility_kernels::trace::{TraceBlock, TraceBlockContract, TraceContract, TraceFactors};
use eligibility_kernels::{Level, Strided};

use crate::affine::Scalar;
use crate::buffer::Buffer;
use crate::error::{Error, checked_product};
use crate::learner::forward::Factors;
use crate::learner::traces::TRACED;
use crate::network::Shape;

/// Traces of some batch rows.
#[derive(Clone, Debug)]
pub(crate) struct Carried<T: Scalar> {
    shape: Shape,
    rows: usize,
    /// `[rows, 3, hidden, stride]`: eps.
    trace: Buffer<T>,
    /// `[steps + 1, 3, hidden]`: of one row, P_s u_s and P_0.
    factors: Buffer<T>,
}

impl<T: Scalar> Carried<T> {
    /// For windows of at most `steps` steps.
    pub(crate) fn zeros(shape: &Shape, rows: usize, steps: usize) -> Result<Self, Error> {
        let hidden = shape.lstm.hidden();
        let trace = checked_product("the traces", &[rows, TRACED, hidden, shape.layout.lstm().stride()])?;
        let factors = checked_product("the traces", &[steps + 1, TRACED, hidden])?;
        Ok(Self { shape: *shape, rows, trace: Buffer::zeros(trace), factors: Buffer::zeros(factors) })
    }

    /// The factors of (1) for one row and `steps` steps, before anything overwrites the influences. Without a trace to
    /// carry in (`first`), P_0 is zero.
    pub(crate) fn prepare(
        &mut self,
        level: Level,
        factors: &Factors<T>,
        row: usize,
        steps: usize,
        first: bool,
    ) {
        let hidden = self.shape.lstm.hidden();
        let length = (steps + 1) * TRACED * hidden;
        level.run(TraceFactors {
            steps,
            units: hidden,
            decay: Strided { data: &factors.forget_gate[row * hidden..], stride: self.rows * hidden },
            influence: Strided {
                data: &factors.influence[row * GATES * hidden..],
                stride: self.rows * GATES * hidden,
            },
            factors: &mut self.factors[..length],
        });
        if first {
            self.factors[length - TRACED * hidden..length].fill(T::ZERO);
        }
    }

    /// (1) for one row if it `goes_on` beyond the window, after [`Carried::prepare`]; (2) if there is a signal.
    #[expect(clippy::too_many_arguments, reason = "one pass over what several rooms own")]
    pub(crate) fn advance(
        &mut self,
        level: Level,
        factors: &Factors<T>,
        row: usize,
        steps: usize,
        goes_on: bool,
        signal: Option<&[T]>,
        gradient: &mut [T],
    ) {
        let (block, hidden) = (self.shape.layout.lstm(), self.shape.lstm.hidden());
        let per_row = TRACED * hidden * block.stride();
        let trace = &mut self.trace[row * per_row..(row + 1) * per_row];
        let gradient = &mut gradient[block.range()][..per_row];
        let step = TraceBlock {
            steps,
            columns: block.columns(),
            presynaptic: Strided {
                data: &factors.presynaptic[row * block.stride()..],
                stride: self.rows * block.stride(),
            },
            factors: &self.factors[..(steps + 1) * TRACED * hidden],
            trace: &mut *trace,
        };
        match (goes_on, signal) {
            (true, None) => level.run(step),
            (true, Some(carried_signal)) => {
                level.run(TraceBlockContract { block: step, carried_signal, gradient });
            }
            (false, Some(signal)) => {
                level.run(TraceContract {
                    active: &[true],
                    columns: block.stride(),
                    signal,
                    trace,
                    gradient,
                });
            }
            (false, None) => {}
        }
    }
}
