//! Traces many steps at a time: a small matrix product with the trace in registers, row by row.
//!
//! ```text
//! (1) E_K = P_0 E_0 + sum over s of (P_s u_s) a_s^T        P_s = A_K ... A_{s+1}
//! (2) dE/dW += omega . E_0                                omega = A_1^T lambda_1: what the way back over the block leaves
//! (3) sum_K = sum_0 + omega E_0 + sum over s of (lambda_s u_s) a_s^T                              trace echo only
//!     lambda_s = D_s + A_{s+1} lambda_{s+1}               omega = A_1 lambda_1
//! ```
//!
//! The block's own part of the gradient is a matrix product and needs no trace. (3) is for one component.

use std::ops::Range;

use eligibility_kernels::Strided;
use eligibility_kernels::trace::pair::{
    PairTraceBlock, PairTraceBlockContract, PairTraceContract, PairTraceFactors,
};
use eligibility_kernels::trace::{
    TraceBlock, TraceBlockContract, TraceContract, TraceFactors, TraceSumFactors,
};

use super::{EchoSums, Sweep, WeightTraces};
use crate::scalar::Scalar;

/// What a block of steps has of a row.
#[derive(Clone, Debug)]
pub(crate) struct RowOfBlock {
    pub(crate) row: usize,
    /// Slots of the row's last episode in the block.
    pub(crate) episode: Range<usize>,
    /// Whether that began with the block or before.
    pub(crate) goes_back: bool,
    /// Whether the row goes on after the block.
    pub(crate) goes_on: bool,
    /// First slot whose trace is to be in the sum.
    pub(crate) counts_from: usize,
}

impl<T: Scalar> WeightTraces<T> {
    /// The factors of (1) and (3), before a way back overwrites the influences.
    pub(crate) fn prepare(&mut self, sweep: Sweep<'_, T>, of: &RowOfBlock) {
        if !of.goes_on {
            return;
        }
        let (steps, units, gates) = (of.episode.len(), self.units, self.stored);
        let decay = sweep.decay.of_row(of.row, of.episode.start);
        let influence = sweep.influence.of_row(of.row, of.episode.start);
        let forgets = !of.goes_back || self.empty[of.row];
        let last = steps * gates * self.components * units;
        if self.components == 1 {
            let products = &mut self.products[..last + gates * units];
            sweep.level.run(TraceFactors { steps, units, decay, influence, factors: products });
            if let Some(EchoSums { products, weight, .. }) = &mut self.echo {
                let weight = &mut weight[..steps * units];
                for (slot, weight) in of.episode.clone().zip(weight.chunks_exact_mut(units)) {
                    match sweep.slope {
                        _ if slot < of.counts_from => weight.fill(T::ZERO),
                        Some(slope) => weight.copy_from_slice(slope.rows(slot, of.row..of.row + 1)),
                        None => weight.fill(T::ONE),
                    }
                }
                let factors = &mut products[..last + gates * units];
                let factors = TraceFactors { steps, units, decay, influence, factors };
                sweep.level.run(TraceSumFactors { factors, weight: Strided { data: weight, stride: units } });
            }
        } else {
            let products = &mut self.products[..last + 4 * units];
            sweep.level.run(PairTraceFactors { steps, units, gates, decay, influence, factors: products });
        }
        if forgets {
            let kept = if self.components == 1 { gates } else { 4 } * units;
            self.products[last..last + kept].fill(T::ZERO);
        }
    }

    /// (2) for a row into which traces were carried; with an echo, what the sum carried in owes to it.
    fn learn_echo(&self, sweep: Sweep<'_, T>, row: usize, signal: &[T], gradient: &mut [T]) {
        let Some(EchoSums { sum: [sum, _], .. }) = &self.echo else { return };
        let trace = &sum[Self::of_row(sum, self.rows, row)];
        let columns = self.block.stride();
        sweep.level.run(TraceContract { active: &[true], columns, signal, trace, gradient });
    }

    /// (3), before (1).
    fn advance_sum(&mut self, sweep: Sweep<'_, T>, of: &RowOfBlock) {
        let presynaptic = sweep.activity.local().of_row(of.row, of.episode.start);
        let forgets = !of.goes_back || self.empty[of.row];
        let range = Self::of_row(&self.trace[0], self.rows, of.row);
        let Self { echo, trace: [trace, _], units, gates, block, .. } = self;
        let Some(EchoSums { sum: [sum, _], products, .. }) = echo else { return };
        let (trace, sum, steps) = (&trace[range.clone()], &mut sum[range], of.episode.len());
        let omega = steps * *gates * *units;
        if !forgets {
            if of.counts_from > of.episode.start {
                sum.fill(T::ZERO);
            }
            let (signal, columns) = (&products[omega..omega + *units], block.stride());
            sweep.level.run(TraceContract { active: &[true], columns, signal, trace, gradient: &mut *sum });
        }
        products[omega..omega + *gates * *units].fill(if forgets { T::ZERO } else { T::ONE });
        let factors = &products[..omega + *gates * *units];
        sweep.level.run(TraceBlock { steps, columns: block.columns(), presynaptic, factors, trace: sum });
    }

    /// (2) with `omega` and the echo's signal, if anything reaches back that far; then (3) and (1) if the row goes on.
    pub(crate) fn advance(
        &mut self,
        sweep: Sweep<'_, T>,
        of: &RowOfBlock,
        reaches: Option<[&[T]; 2]>,
        gradient: &mut [T],
    ) {
        let reaches = reaches.filter(|_| !self.empty[of.row]);
        if let Some([_, echo]) = reaches {
            self.learn_echo(sweep, of.row, echo, gradient);
        }
        if of.goes_on {
            self.advance_sum(sweep, of);
            self.advance_traces(sweep, of, reaches.map(|[omega, _]| omega), gradient);
            self.empty[of.row] = false;
        } else if let Some([signal, _]) = reaches {
            let (level, active, units, columns) = (sweep.level, &[true], self.units, self.block.stride());
            let [first, second] =
                [0, 1].map(|k| &self.trace[k][Self::of_row(&self.trace[k], self.rows, of.row)]);
            if self.components == 1 {
                level.run(TraceContract { active, columns, signal, trace: first, gradient });
            } else {
                let trace = [first, second];
                level.run(PairTraceContract { active, units, columns, signal, trace, gradient });
            }
        }
    }

    /// (1), and (2) on the way.
    fn advance_traces(
        &mut self,
        sweep: Sweep<'_, T>,
        of: &RowOfBlock,
        omega: Option<&[T]>,
        gradient: &mut [T],
    ) {
        let presynaptic = sweep.activity.local().of_row(of.row, of.episode.start);
        let (steps, units, gates, columns) =
            (of.episode.len(), self.units, self.stored, self.block.columns());
        let last = steps * gates * self.components * units;
        let ranges = [0, 1].map(|k| Self::of_row(&self.trace[k], self.rows, of.row));
        let [first, second] = &mut self.trace;
        if self.components == 1 {
            let factors = &self.products[..last + gates * units];
            let trace = &mut first[ranges[0].clone()];
            let block = TraceBlock { steps, columns, presynaptic, factors, trace };
            match omega {
                Some(carried_signal) => {
                    sweep.level.run(TraceBlockContract { block, carried_signal, gradient });
                }
                None => sweep.level.run(block),
            }
        } else {
            let factors = &self.products[..last + 4 * units];
            let trace = [&mut first[ranges[0].clone()], &mut second[ranges[1].clone()]];
            let block = PairTraceBlock { steps, columns, units, gates, presynaptic, factors, trace };
            match omega {
                Some(carried_signal) => {
                    sweep.level.run(PairTraceBlockContract { block, carried_signal, gradient });
                }
                None => sweep.level.run(block),
            }
        }
    }
}
