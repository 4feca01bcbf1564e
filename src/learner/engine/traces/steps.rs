//! Traces a step at a time: one sweep reads and writes E, and contracts it on the way.
//!
//! ```text
//! (1) E_t = A_t E_{t-1} + u_t a_t^T
//! (2) dE/dW += c_t . E_t                                 rows in which a learning signal arrives
//! (3) sum_t = sum_{t-1} + D_t E_t      dE/dW += alpha dE/dy_t . sum_t                           trace echo only
//! ```

use eligibility_kernels::trace::pair::{PairTraceContract, PairTraceStep, PairTraceStepContract};
use eligibility_kernels::trace::{TraceContract, TraceStep, TraceStepContract};

use super::{EchoSums, Sweep, WeightTraces};
use crate::online_gradient::OnlineGradient;
use crate::scalar::Scalar;
use crate::slots::scale;

/// A learning signal at the last step.
#[derive(Debug)]
pub(crate) struct StepSignal<'a, T> {
    /// `[rows]`
    pub(crate) heard: &'a [bool],
    /// `[rows, states]`: c_t.
    pub(crate) state: &'a [T],
    /// `[rows, states]`: what the sums are contracted with.
    pub(crate) echo: &'a [T],
    /// Whether the sums are forgotten once they were used.
    pub(crate) forgets: bool,
}

impl<T: Scalar> WeightTraces<T> {
    /// (1) for `active` rows at a slot, and (2) with a signal for all of them.
    fn sweep(&mut self, sweep: Sweep<'_, T>, slot: usize, active: &[bool], learns: Option<(&[T], &mut [T])>) {
        let Sweep { level, decay, influence, activity, .. } = sweep;
        let (rows, units, presynaptic) = (self.rows, self.units, activity.at(slot));
        let [first, second] = &mut self.trace;
        if self.components == 1 {
            let (decay, influence) =
                (decay.side_by_side(slot, 0, rows), influence.side_by_side(slot, 0, rows));
            let step = TraceStep { active, decay, influence, presynaptic, trace: first };
            match learns {
                Some((signal, gradient)) => level.run(TraceStepContract { step, signal, gradient }),
                None => level.run(step),
            }
        } else {
            let (decay, influence) = (decay.rows(slot, 0), influence.rows(slot, 0));
            let trace = [&mut first[..], &mut second[..]];
            let step = PairTraceStep { active, units, decay, influence, presynaptic, trace };
            match learns {
                Some((signal, gradient)) => level.run(PairTraceStepContract { step, signal, gradient }),
                None => level.run(step),
            }
        }
    }

    /// (1) and the sum of (3) for the active rows of a slot; (2) on the way, if there is a signal.
    pub(crate) fn step(
        &mut self,
        sweep: Sweep<'_, T>,
        slot: usize,
        learns: Option<(&StepSignal<'_, T>, &mut [T])>,
        silent: &mut [bool],
    ) {
        let active = sweep.marks.active.at(slot);
        for (row, &first) in sweep.marks.first.at(slot).iter().enumerate() {
            if active[row] && (first || self.empty[row]) {
                self.clear_row(row);
            }
        }
        let learns = learns.filter(|(signal, _)| signal.heard.contains(&true));
        let Some((signal, gradient)) = learns else {
            self.sweep(sweep, slot, active, None);
            self.add_to_sums(sweep, slot);
            return;
        };
        if self.echo.is_some() {
            // The sum needs E_t before the signal does.
            self.sweep(sweep, slot, active, None);
            self.add_to_sums(sweep, slot);
            self.learn(sweep, signal, gradient);
            return;
        }
        for ((silent, &active), &heard) in silent.iter_mut().zip(active).zip(signal.heard) {
            *silent = active && !heard;
        }
        if silent.contains(&true) {
            self.sweep(sweep, slot, silent, None);
        }
        self.sweep(sweep, slot, signal.heard, Some((signal.state, gradient)));
    }

    /// (2), and (3) with the sums as they are, for traces that have taken the step.
    pub(crate) fn learn(&mut self, sweep: Sweep<'_, T>, signal: &StepSignal<'_, T>, gradient: &mut [T]) {
        let (level, active, columns) = (sweep.level, signal.heard, self.block.stride());
        let [first, second] = &self.trace;
        if self.components == 1 {
            let op = TraceContract { active, columns, signal: signal.state, trace: first, gradient };
            level.run(op);
        } else {
            let (units, trace) = (self.units, [&first[..], &second[..]]);
            level.run(PairTraceContract { active, units, columns, signal: signal.state, trace, gradient });
        }
        let Some(EchoSums { sum, .. }) = &mut self.echo else { return };
        let states = self.components * self.units;
        for (row, _) in signal.heard.iter().enumerate().filter(|(_, heard)| **heard) {
            for (component, sum) in sum.iter_mut().take(self.components).enumerate() {
                let range = Self::of_row(sum, self.rows, row);
                let echo = &signal.echo[row * states + component * self.units..][..self.units];
                let trace = &sum[range.clone()];
                level.run(TraceContract { active: &[true], columns, signal: echo, trace, gradient });
                if signal.forgets {
                    sum[range].fill(T::ZERO);
                }
            }
        }
    }

    /// (1) and (2) of a single row at the only slot, to be done by whoever takes them.
    pub(crate) fn online<'a>(&'a mut self, sweep: Sweep<'a, T>, signal: &'a [T]) -> OnlineGradient<'a, T> {
        if self.empty[0] || sweep.marks.first.at(0)[0] {
            self.clear_row(0);
        }
        let presynaptic = sweep.activity.at(0);
        let [first, second] = &mut self.trace;
        let (decay, influence) = (sweep.decay.rows(0, 0).data, sweep.influence.rows(0, 0).data);
        if self.components == 1 {
            OnlineGradient::Traces { decay, influence, presynaptic, signal, trace: first }
        } else {
            let (decay, influence) = (&decay[..4 * self.units], &influence[..self.stored * self.units]);
            let (units, trace) = (self.units, [&mut first[..], &mut second[..]]);
            OnlineGradient::PairTraces { units, decay, influence, presynaptic, signal, trace }
        }
    }

    /// The sum of (3).
    fn add_to_sums(&mut self, sweep: Sweep<'_, T>, slot: usize) {
        let Some(EchoSums { sum, weight, .. }) = &mut self.echo else { return };
        let (level, columns, units, rows) = (sweep.level, self.block.stride(), self.units, self.rows);
        let gate = units * columns;
        let weight = &mut weight[..units];
        for (row, _) in sweep.marks.active.at(slot).iter().enumerate().filter(|(_, active)| **active) {
            let traces = [0, 1].map(|k| &self.trace[k][Self::of_row(&self.trace[k], rows, row)]);
            for (component, sum) in sum.iter_mut().take(self.components).enumerate() {
                let range = Self::of_row(sum, rows, row);
                let sum = &mut sum[range];
                match sweep.slope {
                    Some(slope) => {
                        weight.copy_from_slice(&slope.rows(slot, row..row + 1)[component * units..][..units]);
                    }
                    None => weight.fill(T::ONE),
                }
                let add = |signal: &[T], trace: &[T], sum: &mut [T]| {
                    level.run(TraceContract { active: &[true], columns, signal, trace, gradient: sum });
                };
                add(weight, traces[component], &mut sum[..self.stored * gate]);
                if self.stored < self.gates {
                    // E of the second gate: -E_2 and E_1 of the first.
                    if component == 0 {
                        scale(weight, -T::ONE);
                    }
                    add(weight, traces[1 - component], &mut sum[gate..]);
                }
            }
        }
    }
}
