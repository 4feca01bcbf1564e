//! Streaming e-prop for some batch rows: the traces, and what a learning signal does with them.
//!
//! ```text
//! (1) eps_t = f_t eps_{t-1} + s_t presynaptic_t^T          gates i, f, g           (Hoyer et al. 2022, eq. 6)
//! (2) dE/dW_q += (L_t dh_t/dc_t) eps_t                     q in {i, f, g}          (eq. 3, 4)
//! (3) dE/dW_o += (L_t s_o) presynaptic_t^T                 needs no trace          (eq. 9)
//! (4) sum_t = sum_{t-1} + dh_t/dc_t eps_t                  trace echo only         (eq. 12, `crate::extensions`)
//! ```
//!
//! Gradient: approximate, drops the paths through h_{t-1}.

use eligibility_kernels::Level;
use eligibility_kernels::lstm_gates::GATES;
use eligibility_kernels::trace::{TraceContract, TraceStep, TraceStepContract};

use crate::affine::{Rect, Scalar, add_transposed_times};
use crate::buffer::Buffer;
use crate::error::{Error, checked_product};
use crate::extensions::{Echo, Extensions};
use crate::feedback::Feedback;
use crate::layout::Gate;
use crate::learner::forward::{Factors, Forward};
use crate::learner::output::Outputs;
use crate::learner::packed::Weights;
use crate::network::Shape;
use crate::online::{OnlineGradient, OnlineGradients};
use crate::sequences::{Rows, Sequences};

/// Gates that have a trace: i, f, g.
pub(crate) const TRACED: usize = 3;

/// Everything some batch rows need to learn while going forward.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct TraceRows<T: Scalar> {
    shape: Shape,
    pub(crate) forward: Forward<T>,
    pub(crate) output: Outputs<T>,
    factors: Factors<T>,
    /// `[rows, 3, hidden, stride]`: eps.
    trace: Buffer<T>,
    extensions: Extensions,
    /// `[rows, 3, hidden, stride]`: the sum of traces, equation (4); empty without an echo.
    sum: Buffer<T>,
    /// `[rows, hidden]`: what the sum is contracted with; empty without an echo.
    echo_signal: Buffer<T>,
    /// `[rows, hidden]`: L, then L dh/dc.
    signal: Buffer<T>,
    /// `[rows, hidden]`: L s_o.
    output_signal: Buffer<T>,
    /// `[readout stride]`: `[h_t; 1]` of a single row.
    readout_input: Buffer<T>,
    /// The last step has not reached the traces yet: (1) waits so that it can be fused with (2).
    pending: bool,
}

impl<T: Scalar> TraceRows<T> {
    /// For `count` rows of a batch of `batch`, and sequences of which up to `ahead` steps are known ahead.
    pub(crate) fn zeros(
        shape: Shape,
        count: usize,
        batch: usize,
        ahead: usize,
        extensions: Extensions,
    ) -> Result<Self, Error> {
        let hidden = shape.lstm.hidden();
        let echoes = usize::from(extensions.echoes());
        let trace = checked_product("the traces", &[count, TRACED, hidden, shape.layout.lstm().stride()])?;
        Ok(Self {
            shape,
            forward: Forward::zeros(shape, count, ahead)?.with_trace_decay(extensions.scaling.decay),
            output: Outputs::zeros(&shape, 1, count, batch)?,
            factors: Factors::zeros(&shape, count, 1)?,
            trace: Buffer::zeros(trace),
            extensions,
            sum: Buffer::zeros(echoes * trace),
            echo_signal: Buffer::zeros(echoes * count * hidden),
            signal: Buffer::zeros(count * hidden),
            output_signal: Buffer::zeros(count * hidden),
            readout_input: Buffer::zeros(shape.layout.readout().stride()),
            pending: false,
        })
    }

    /// Forgets all traces. The state of `forward` is the caller's to set.
    pub(crate) fn clear_traces(&mut self) {
        self.trace.fill(T::ZERO);
        self.sum.fill(T::ZERO);
        self.pending = false;
    }

    /// One forward step, after [`TraceRows::settle`]. The traces follow when they are next needed.
    pub(crate) fn step(&mut self, level: Level, parameters: &[T], input: &[T], is_first: Option<&[bool]>) {
        self.forget(is_first);
        self.forward.step(level, Weights::InPlace(parameters), 0, input, is_first, &mut self.factors.at(0));
        self.pending = true;
    }

    /// The same for the rows of `sequences` that are still running.
    pub(crate) fn advance(
        &mut self,
        level: Level,
        weights: Weights<'_, T>,
        sequences: &Sequences<'_, T>,
        rows: Rows,
        step: usize,
    ) {
        self.forward.activate(sequences, rows, step);
        self.forget(sequences.is_first(step, rows));
        self.forward.advance(level, weights, sequences, rows, step, &mut self.factors.at(0));
        self.pending = true;
    }

    /// The factors of a reset have dc_t/dc_{t-1} = 0, which forgets all traces but those that are not finite.
    fn forget(&mut self, is_first: Option<&[bool]>) {
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

    /// (1) and (4), if they are still to be done for the last step. Must precede a change of `forward.active`.
    pub(crate) fn settle(&mut self, level: Level) {
        if !std::mem::take(&mut self.pending) {
            return;
        }
        if !self.echoes() {
            level.run(trace_step(&self.forward.active, &self.factors, &mut self.trace));
            return;
        }
        // Every row has a sum of its own.
        let hidden = self.shape.lstm.hidden();
        let Factors { presynaptic, influence, forget_gate, dhidden_dcell, .. } = &self.factors;
        let per_row = self.trace.len() / self.forward.active.len();
        let rows = (self.trace.chunks_exact_mut(per_row).zip(self.sum.chunks_exact_mut(per_row)))
            .zip(presynaptic.chunks_exact(self.shape.layout.lstm().stride()))
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

    /// Whether there is a trace echo.
    pub(crate) fn echoes(&self) -> bool {
        self.extensions.echoes()
    }

    /// What a learning signal, or its coming, does with the sums of traces.
    fn learn_echo(&mut self, level: Level, gradient: &mut [T]) {
        level.run(TraceContract {
            active: &self.forward.active,
            columns: self.shape.layout.lstm().stride(),
            signal: &self.echo_signal,
            trace: &self.sum,
            gradient,
        });
        if let Echo::Literal { .. } = self.extensions.echo {
            let per_row = self.sum.len() / self.forward.active.len();
            let sums = self.sum.chunks_exact_mut(per_row).zip(&self.output.weights);
            for (sum, _) in sums.filter(|(_, weight)| **weight != T::ZERO) {
                sum.fill(T::ZERO);
            }
        }
    }

    /// (2) and (3) with the errors that `output` holds, added to `gradient`; (1) on the way if it is still to be done.
    pub(crate) fn learn(
        &mut self,
        level: Level,
        parameters: &[T],
        feedback: &Feedback<T>,
        gradient: &mut [T],
    ) {
        if self.echoes() {
            self.settle(level);
        }
        self.prepare_signals(parameters, feedback);
        let hidden = self.shape.lstm.hidden();
        let block = self.shape.layout.lstm();
        // (3)
        let (traced, output) = gradient[block.range()].split_at_mut(TRACED * hidden * block.stride());
        let rows = self.forward.active.len();
        add_transposed_times(
            Rect::padded(output, hidden, block.columns(), block.stride()),
            Rect::dense(&self.output_signal[..], rows, hidden),
            Rect::padded(&self.factors.presynaptic[..], rows, block.columns(), block.stride()),
        );
        // (1) and (2); a signal for a step whose traces are settled is contracted alone.
        if std::mem::take(&mut self.pending) {
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
        if self.echoes() {
            self.learn_echo(level, traced);
        }
    }

    /// `signal = L dh/dc` and `output_signal = L s_o` for the errors that `output` holds, and `echo_signal`.
    fn prepare_signals(&mut self, parameters: &[T], feedback: &Feedback<T>) {
        self.output.signal(&mut self.signal, feedback.matrix(&self.shape, parameters));
        let hidden = self.shape.lstm.hidden();
        let beta = self.extensions.scaling.output;
        let alpha = T::from_f64(self.extensions.echo.alpha() * beta);
        let echoes = self.echo_signal.chunks_exact_mut(hidden).zip(self.signal.chunks_exact(hidden));
        for ((echo, signal), &weight) in echoes.zip(&self.output.weights) {
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

    /// Whether (1) is still to be done for the last step.
    pub(crate) fn pending(&self) -> bool {
        self.pending
    }

    /// (1) to (3) of a single pending row, to be done by whoever takes them: one for each range of the parameters.
    pub(crate) fn online_gradients(
        &mut self,
        parameters: &[T],
        feedback: &Feedback<T>,
    ) -> OnlineGradients<'_, T> {
        self.prepare_signals(parameters, feedback);
        let (lstm, readout) = (self.shape.layout.lstm().range(), self.shape.layout.readout().range());
        let hidden = self.shape.lstm.hidden();
        self.readout_input[..hidden].copy_from_slice(&self.forward.state.hidden);
        self.readout_input[hidden] = T::ONE;
        self.pending = false;
        let presynaptic = &self.factors.presynaptic;
        let traced = lstm.start..lstm.start + self.trace.len();
        let traces = OnlineGradient::Traces {
            decay: &self.factors.forget_gate,
            influence: &self.factors.influence,
            presynaptic,
            signal: &self.signal,
            trace: &mut self.trace,
        };
        let output = OnlineGradient::Outer { signal: &self.output_signal, presynaptic };
        let errors = OnlineGradient::Outer { signal: &self.output.error, presynaptic: &self.readout_input };
        [(traced.clone(), traces), (traced.end..lstm.end, output), (readout, errors)]
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
