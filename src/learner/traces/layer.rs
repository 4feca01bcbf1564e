//! One layer of streaming e-prop: its traces, and what a learning signal does with them.
//!
//! ```text
//! (1) eps_t = f_t eps_{t-1} + s_t presynaptic_t^T          gates i, f, g           (Hoyer et al. 2022, eq. 6)
//! (2) dE/dW_q += (L_t dh_t/dc_t) eps_t                     q in {i, f, g}          (eq. 3, 4)
//! (3) dE/dW_o += (L_t s_o) presynaptic_t^T                 needs no trace          (eq. 9)
//! (4) sum_t = sum_{t-1} + dh_t/dc_t eps_t                  trace echo only         (eq. 12, `crate::extensions`)
//! (5) dE/dx_t = W_x^T dE/dz_t                              at the step alone: what the layer below learns from
//! ```

use std::ops::Range;

use eligibility_kernels::Level;
use eligibility_kernels::lstm_gates::{GATES, LstmGatesBackward};
use eligibility_kernels::trace::{TraceContract, TraceStep, TraceStepContract};

use super::TRACED;
use crate::affine::{Beta, Rect, Scalar, add_transposed_times, times};
use crate::buffer::Buffer;
use crate::error::{Error, checked_product};
use crate::extensions::{Echo, Extensions};
use crate::layout::{Gate, LstmLayer};
use crate::learner::forward::{Factors, Forward, StepFactors};
use crate::online::OnlineGradient;

/// A layer's state, factors and traces of some batch rows.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct LayerTraces<T: Scalar> {
    layer: LstmLayer,
    extensions: Extensions,
    pub(crate) forward: Forward<T>,
    factors: Factors<T>,
    /// `[rows, 3, hidden, stride]`: eps.
    trace: Buffer<T>,
    /// `[rows, 3, hidden, stride]`: the sum of traces, (4); empty without an echo.
    sum: Buffer<T>,
    /// `[rows, hidden]`: what the sum is contracted with; empty without an echo.
    echo_signal: Buffer<T>,
    /// `[rows, hidden]`: L, then L dh/dc.
    pub(super) signal: Buffer<T>,
    /// `[rows, hidden]`: L s_o.
    output_signal: Buffer<T>,
    /// `[rows, 4, hidden]`: dE/dz of the step alone; empty in the bottom layer.
    instantaneous: Buffer<T>,
}

impl<T: Scalar> LayerTraces<T> {
    /// For `count` rows, and a batch whose inputs are known `ahead` steps ahead; `above` another layer or not.
    pub(super) fn zeros(
        layer: LstmLayer,
        above: bool,
        count: usize,
        ahead: usize,
        extensions: Extensions,
    ) -> Result<Self, Error> {
        let hidden = layer.lstm.hidden();
        let trace = checked_product("the traces", &[count, TRACED, hidden, layer.block.stride()])?;
        let echoes = usize::from(extensions.echoes());
        let ahead = if above { 1 } else { ahead };
        Ok(Self {
            layer,
            extensions,
            forward: Forward::zeros(layer, count, ahead)?.with_trace_decay(extensions.scaling.decay),
            factors: Factors::zeros(&layer, count, 1)?,
            trace: Buffer::zeros(trace),
            sum: Buffer::zeros(echoes * trace),
            echo_signal: Buffer::zeros(echoes * count * hidden),
            signal: Buffer::zeros(count * hidden),
            output_signal: Buffer::zeros(count * hidden),
            instantaneous: Buffer::zeros(if above { count * GATES * hidden } else { 0 }),
        })
    }

    pub(super) fn clear(&mut self) {
        self.trace.fill(T::ZERO);
        self.sum.fill(T::ZERO);
    }

    /// What goes forward, and where it leaves its factors.
    pub(super) fn forward_and_factors(&mut self) -> (&mut Forward<T>, StepFactors<'_, T>) {
        (&mut self.forward, self.factors.at(0))
    }

    /// The factors of a reset have dc_t/dc_{t-1} = 0, which forgets all traces but those that are not finite.
    pub(super) fn forget(&mut self, is_first: Option<&[bool]>) {
        let Some(is_first) = is_first else { return };
        let per_row = self.trace.len() / self.forward.active.len();
        for buffer in [&mut self.trace, &mut self.sum] {
            let traces = buffer.chunks_exact_mut(per_row);
            for ((trace, &first), &active) in traces.zip(is_first).zip(&self.forward.active) {
                if first && active {
                    trace.fill(T::ZERO);
                }
            }
        }
    }

    /// (1) and (4).
    pub(super) fn settle(&mut self, level: Level) {
        if !self.extensions.echoes() {
            level.run(trace_step(&self.forward.active, &self.factors, &mut self.trace));
            return;
        }
        // Every row has a sum of its own.
        let hidden = self.layer.lstm.hidden();
        let Factors { presynaptic, influence, forget_gate, dhidden_dcell, .. } = &self.factors;
        let per_row = self.trace.len() / self.forward.active.len();
        let rows = (self.trace.chunks_exact_mut(per_row).zip(self.sum.chunks_exact_mut(per_row)))
            .zip(presynaptic.chunks_exact(self.layer.block.stride()))
            .zip(influence.chunks_exact(GATES * hidden))
            .zip(forget_gate.chunks_exact(hidden).zip(dhidden_dcell.chunks_exact(hidden)))
            .zip(&self.forward.active);
        for (((((trace, sum), presynaptic), influence), (decay, slope)), _) in
            rows.filter(|(_, active)| **active)
        {
            let step = TraceStep { active: &[true], decay, influence, presynaptic, trace };
            level.run(TraceStepContract { step, signal: slope, gradient: sum });
        }
    }

    /// (5), from L in `signal`: the signal of the layer below, `[rows, input]`.
    pub(super) fn pass_down(&mut self, level: Level, parameters: &[T], below: &mut [T]) {
        let rows = self.forward.active.len();
        self.instantaneous.copy_from_slice(&self.factors.influence);
        self.output_signal.fill(T::ZERO);
        level.run(LstmGatesBackward {
            active: &self.forward.active,
            hidden_gradient: &self.signal,
            forget_gate: &self.factors.forget_gate,
            dhidden_dcell: &self.factors.dhidden_dcell,
            cell_gradient: &mut self.output_signal,
            influence: &mut self.instantaneous,
        });
        let dz = Rect::dense(&self.instantaneous[..], rows, self.layer.block.rows());
        let below = Rect::dense(below, rows, self.layer.lstm.input());
        times(below, Beta::Replace, dz, self.layer.input_weights(parameters));
    }

    /// From L in `signal`: `signal = beta L dh/dc`, `output_signal = L s_o`, and `echo_signal`. `weights` `[rows]`: what
    /// a row that has a target counts, zero for others.
    pub(super) fn prepare_signals(&mut self, weights: &[T]) {
        let hidden = self.layer.lstm.hidden();
        let beta = self.extensions.scaling.output;
        let alpha = T::from_f64(self.extensions.echo.alpha() * beta);
        let echoes = self.echo_signal.chunks_exact_mut(hidden).zip(self.signal.chunks_exact(hidden));
        for ((echo, signal), &weight) in echoes.zip(weights) {
            match self.extensions.echo {
                Echo::Literal { .. } => echo.fill(alpha * weight),
                _ => echo.iter_mut().zip(signal).for_each(|(echo, &l)| *echo = alpha * l),
            }
        }
        let beta = T::from_f64(beta);
        let output_influence = self.factors.influence.chunks_exact(GATES * hidden);
        let signals = self.signal.chunks_exact_mut(hidden).zip(self.output_signal.chunks_exact_mut(hidden));
        let slopes = self.factors.dhidden_dcell.chunks_exact(hidden);
        for (((signal, output_signal), influence), slope) in signals.zip(output_influence).zip(slopes) {
            let s_o = &influence[Gate::Output as usize * hidden..];
            for (((l, l_o), &s_o), &slope) in signal.iter_mut().zip(output_signal).zip(s_o).zip(slope) {
                *l_o = *l * s_o;
                *l *= beta * slope;
            }
        }
    }

    /// (2), (3) and the echo with the prepared signals, added to `gradient`; (1) on the way if it is still `pending`.
    pub(super) fn learn(&mut self, level: Level, pending: bool, weights: &[T], gradient: &mut [T]) {
        let (block, hidden) = (self.layer.block, self.layer.lstm.hidden());
        // (3)
        let (traced, output) = gradient[block.range()].split_at_mut(TRACED * hidden * block.stride());
        let rows = self.forward.active.len();
        add_transposed_times(
            Rect::padded(output, hidden, block.columns(), block.stride()),
            Rect::dense(&self.output_signal[..], rows, hidden),
            Rect::padded(&self.factors.presynaptic[..], rows, block.columns(), block.stride()),
        );
        // (1) and (2); a signal for a step whose traces are settled is contracted alone.
        if pending {
            let step = trace_step(&self.forward.active, &self.factors, &mut self.trace);
            level.run(TraceStepContract { step, signal: &self.signal, gradient: traced });
        } else {
            level.run(TraceContract {
                active: &self.forward.active,
                columns: block.stride(),
                signal: &self.signal,
                trace: &self.trace,
                gradient: traced,
            });
        }
        if self.extensions.echoes() {
            self.learn_echo(level, weights, traced);
        }
    }

    /// What a learning signal, or its coming, does with the sums of traces.
    fn learn_echo(&mut self, level: Level, weights: &[T], gradient: &mut [T]) {
        level.run(TraceContract {
            active: &self.forward.active,
            columns: self.layer.block.stride(),
            signal: &self.echo_signal,
            trace: &self.sum,
            gradient,
        });
        if let Echo::Literal { .. } = self.extensions.echo {
            let per_row = self.sum.len() / self.forward.active.len();
            let sums = self.sum.chunks_exact_mut(per_row).zip(weights);
            for (sum, _) in sums.filter(|(_, weight)| **weight != T::ZERO) {
                sum.fill(T::ZERO);
            }
        }
    }

    /// (1) to (3) of a single row, to be done by whoever takes them.
    pub(super) fn online_gradients(&mut self) -> [(Range<usize>, OnlineGradient<'_, T>); 2] {
        let block = self.layer.block.range();
        let traced = block.start..block.start + self.trace.len();
        let presynaptic = &self.factors.presynaptic;
        let traces = OnlineGradient::Traces {
            decay: &self.factors.forget_gate,
            influence: &self.factors.influence,
            presynaptic,
            signal: &self.signal,
            trace: &mut self.trace,
        };
        let output = OnlineGradient::Outer { signal: &self.output_signal, presynaptic };
        [(traced.clone(), traces), (traced.end..block.end, output)]
    }
}

fn trace_step<'a, T: Scalar>(
    active: &'a [bool],
    factors: &'a Factors<T>,
    trace: &'a mut [T],
) -> TraceStep<'a, T> {
    TraceStep {
        active,
        decay: &factors.forget_gate,
        influence: &factors.influence,
        presynaptic: &factors.presynaptic,
        trace,
    }
}
