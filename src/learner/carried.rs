//! The traces that blocked e-prop carries from one window of steps to the next.
//!
//! ```text
//! (1) eps_K = P_0 eps_0 + sum over s of (P_s u_s) presynaptic_s^T        P_s = f_{s+1} ... f_K
//! (2) dE/dW_q += omega eps_0                                            omega = f_1 dE/dc_1
//! ```
//!
//! With a trace echo also the sum of the traces so far, `crate::extensions`:
//!
//! ```text
//! (3) sum_K = sum_0 + omega eps_0 + sum over s of (lambda_s u_s) presynaptic_s^T
//!     lambda_s = dh_s/dc_s + f_{s+1} lambda_{s+1}                       omega = f_1 lambda_1
//! ```
//!
//! K steps of the recursion in one pass over the trace (`eligibility_kernels::trace`), and in the same pass what the
//! window's learning signals do with the trace carried into it.

use eligibility_kernels::lstm_gates::GATES;
use eligibility_kernels::trace::{
    TraceBlock, TraceBlockContract, TraceContract, TraceFactors, TraceSumFactors,
};
use eligibility_kernels::{Level, Strided};

use crate::affine::Scalar;
use crate::buffer::Buffer;
use crate::error::{Error, checked_product};
use crate::extensions::Extensions;
use crate::layout::LstmLayer;
use crate::learner::forward::Factors;
use crate::learner::traces::TRACED;

/// Traces of some batch rows.
#[derive(Clone, Debug)]
pub(crate) struct Carried<T: Scalar> {
    layer: LstmLayer,
    rows: usize,
    /// `[rows, 3, hidden, stride]`: eps.
    trace: Buffer<T>,
    /// `[steps + 1, 3, hidden]`: of one row, P_s u_s and P_0.
    factors: Buffer<T>,
    echo: Option<EchoRows<T>>,
}

/// What a trace echo needs.
#[derive(Clone, Debug)]
struct EchoRows<T: Scalar> {
    /// `[rows, 3, hidden, stride]`: the sum of traces.
    sum: Buffer<T>,
    /// `[steps + 1, 3, hidden]`: of one row, lambda_s u_s and omega.
    factors: Buffer<T>,
    /// `[steps, hidden]`: of one row, dh_s/dc_s of the steps that count.
    weight: Buffer<T>,
    episode: Episode,
}

/// What a window has of a row's last episode.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Episode {
    /// First step whose trace is to be in the sum.
    pub(crate) counts_from: usize,
    /// Whether it began before the window.
    pub(crate) goes_back: bool,
}

impl<T: Scalar> Carried<T> {
    /// For windows of at most `steps` steps.
    pub(crate) fn zeros(
        layer: LstmLayer,
        rows: usize,
        steps: usize,
        extensions: Extensions,
    ) -> Result<Self, Error> {
        let hidden = layer.lstm.hidden();
        let trace = checked_product("the traces", &[rows, TRACED, hidden, layer.block.stride()])?;
        let factors = checked_product("the traces", &[steps + 1, TRACED, hidden])?;
        let echo = extensions.echoes().then(|| EchoRows {
            sum: Buffer::zeros(trace),
            factors: Buffer::zeros(factors),
            weight: Buffer::zeros(steps * hidden),
            episode: Episode { counts_from: 0, goes_back: false },
        });
        Ok(Self { layer, rows, trace: Buffer::zeros(trace), factors: Buffer::zeros(factors), echo })
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
        let hidden = self.layer.lstm.hidden();
        let length = (steps + 1) * TRACED * hidden;
        level.run(recursion([self.rows, row, steps, hidden], factors, &mut self.factors[..length]));
        if first {
            self.factors[length - TRACED * hidden..length].fill(T::ZERO);
        }
    }

    /// The factors of (3), likewise.
    pub(crate) fn prepare_sum(
        &mut self,
        level: Level,
        factors: &Factors<T>,
        row: usize,
        steps: usize,
        episode: Episode,
    ) {
        let Some(echo) = &mut self.echo else { return };
        let hidden = self.layer.lstm.hidden();
        let slopes = factors.dhidden_dcell.chunks_exact(hidden).skip(row).step_by(self.rows);
        for (step, (weight, slope)) in
            echo.weight.chunks_exact_mut(hidden).zip(slopes).take(steps).enumerate()
        {
            if step < episode.counts_from {
                weight.fill(T::ZERO);
            } else {
                weight.copy_from_slice(slope);
            }
        }
        echo.episode = episode;
        let target = &mut echo.factors[..(steps + 1) * TRACED * hidden];
        level.run(TraceSumFactors {
            factors: recursion([self.rows, row, steps, hidden], factors, target),
            weight: Strided { data: &echo.weight, stride: hidden },
        });
    }

    /// What the window's learning signals, or their coming, do with the sum carried into it: `gradient += signal sum_0`.
    pub(crate) fn learn_echo(&self, level: Level, row: usize, signal: &[T], gradient: &mut [T]) {
        let Some(echo) = &self.echo else { return };
        let block = self.layer.block;
        let per_row = TRACED * self.layer.lstm.hidden() * block.stride();
        level.run(TraceContract {
            active: &[true],
            columns: block.stride(),
            signal,
            trace: &echo.sum[row * per_row..(row + 1) * per_row],
            gradient: &mut gradient[block.range()][..per_row],
        });
    }

    /// (3) for one row, before (1) and after [`Carried::prepare_sum`].
    pub(crate) fn advance_sum(&mut self, level: Level, factors: &Factors<T>, row: usize, steps: usize) {
        let Some(echo) = &mut self.echo else { return };
        let (block, hidden) = (self.layer.block, self.layer.lstm.hidden());
        let per_row = TRACED * hidden * block.stride();
        let (trace, sum) =
            (&self.trace[row * per_row..][..per_row], &mut echo.sum[row * per_row..][..per_row]);
        let (omega, goes_back) = (steps * TRACED * hidden, echo.episode.goes_back);
        if goes_back {
            if echo.episode.counts_from > 0 {
                sum.fill(T::ZERO);
            }
            let signal = &echo.factors[omega..omega + hidden];
            level.run(TraceContract {
                active: &[true],
                columns: block.stride(),
                signal,
                trace,
                gradient: &mut *sum,
            });
        }
        echo.factors[omega..omega + TRACED * hidden].fill(if goes_back { T::ONE } else { T::ZERO });
        level.run(TraceBlock {
            steps,
            columns: block.columns(),
            presynaptic: Strided {
                data: &factors.presynaptic[row * block.stride()..],
                stride: self.rows * block.stride(),
            },
            factors: &echo.factors[..omega + TRACED * hidden],
            trace: sum,
        });
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
        let (block, hidden) = (self.layer.block, self.layer.lstm.hidden());
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

/// The recursion of one row over `steps` steps, whose factors are to go into `target`.
fn recursion<'a, T: Scalar>(
    [rows, row, steps, hidden]: [usize; 4],
    factors: &'a Factors<T>,
    target: &'a mut [T],
) -> TraceFactors<'a, T> {
    let influence = GATES * hidden;
    TraceFactors {
        steps,
        units: hidden,
        decay: Strided { data: &factors.forget_gate[row * hidden..], stride: rows * hidden },
        influence: Strided { data: &factors.influence[row * influence..], stride: rows * influence },
        factors: target,
    }
}
