//! The traces of a diagonal cell: exact RTRL.
//!
//! ```text
//! (1) E_t = A_t E_{t-1} + u_t a_t^T       e_t = A_t e_{t-1} + I_t            = ds_t/dW, ds_t/dq
//! (2) dE/dW += c_t . E_t                  dE/dq += c_t . e_t
//! (3) over a block: E_K = P_0 E_0 + sum over s of (P_s u_s) a_s^T            dE/dW += omega . E_0, and the block's own part
//! ```
//!
//! A step at a time, (1) and (2) are one sweep over E. (3) is many steps in one sweep; omega = A_1^T lambda_1 is what the way
//! back through the block (`diagonal`) leaves. Where A is complex and u constant, half of E is stored: the other half would
//! be the same numbers (`eligibility_kernels::trace::pair`).

use std::ops::Range;

use eligibility_kernels::Level;
use eligibility_kernels::Strided;
use eligibility_kernels::trace::pair::{
    PairTraceBlock, PairTraceBlockContract, PairTraceContract, PairTraceFactors, PairTraceStep,
    PairTraceStepContract,
};
use eligibility_kernels::trace::{
    TraceBlock, TraceBlockContract, TraceContract, TraceFactors, TraceStep, TraceStepContract,
};
use eligibility_kernels::unit_trace::{UnitTraceContract, UnitTraceStep};

use crate::affine::Scalar;
use crate::buffer::Buffer;
use crate::cells::Cell;
use crate::error::{Error, checked_product};
use crate::layout::{Block, Layer};
use crate::learner::tape::diagonal::factors::Factors;
use crate::learner::tape::io::Io;
use crate::learner::tape::marks::Marks;
use crate::learner::tape::prepared::{Prepared, nonlinearities};
use eligibility_kernels::activation::Nonlinearity;

/// Of some batch rows.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Traces<T: Scalar> {
    weights: Block,
    rows: usize,
    slots: usize,
    /// Gates whose E is stored: 1 or 2.
    gates: usize,
    /// S buffers `[rows, gates, units, stride of the weights]`: E; the second is empty if S = 1.
    trace: [Buffer<T>; 2],
    /// `[rows, P, S, units]`: e.
    unit: Buffer<T>,
    /// P_s u_s and P_0 of a row; empty for a step at a time.
    factors: Buffer<T>,
}

/// What a sweep of the traces reads besides them.
#[derive(Clone, Copy)]
pub(super) struct Sweep<'a, T: Scalar> {
    pub(super) level: Level,
    pub(super) prepared: &'a Prepared<T>,
    pub(super) factors: &'a Factors<T>,
    pub(super) io: &'a Io<T>,
    pub(super) marks: &'a Marks,
}

impl<T: Scalar> Traces<T> {
    pub(super) fn zeros(
        layer: &Layer,
        factors: &Factors<T>,
        rows: usize,
        slots: usize,
    ) -> Result<Self, Error> {
        let complex = matches!(layer.cell, Cell::Rtu(_) | Cell::OnlineLru(_));
        let linear = nonlinearities(layer.cell)[0] == Nonlinearity::Identity;
        let gates = if complex && linear { 1 } else { 2 };
        let (units, components) = (factors.units, factors.components);
        let length = |sizes: &[usize]| checked_product("the traces", sizes);
        let trace = length(&[rows, gates, units, layer.weights.stride()])?;
        let per_slot = length(&[gates, components, units])?;
        let block = length(&[slots, per_slot])? + components * components.max(gates) * units;
        Ok(Self {
            weights: layer.weights,
            rows,
            slots,
            gates,
            trace: [1, 2].map(|s| Buffer::staggered(s, if s <= components { trace } else { 0 })),
            unit: Buffer::zeros(rows * factors.parameters * components * units),
            factors: Buffer::zeros(if slots > 1 { block } else { 0 }),
        })
    }

    /// Whether they go a step at a time.
    pub(super) fn streaming(&self) -> bool {
        self.slots == 1
    }
    pub(super) fn clear(&mut self) {
        self.trace.iter_mut().for_each(|trace| trace.fill(T::ZERO));
        self.unit.fill(T::ZERO);
    }

    /// (1) for e, at one slot.
    pub(super) fn step_units(&mut self, sweep: Sweep<'_, T>, slot: usize) {
        sweep.marks.clear_first(slot, &mut self.unit);
        sweep.level.run(UnitTraceStep {
            components: sweep.factors.components,
            units: sweep.factors.units,
            active: sweep.marks.active(slot),
            decay: sweep.factors.decay(sweep.prepared, slot),
            immediate: sweep.factors.immediate(slot),
            trace: &mut self.unit,
        });
    }
    /// (2) for e, at one slot.
    pub(super) fn learn_units(&self, sweep: Sweep<'_, T>, slot: usize, signal: &[T], gradient: &mut [T]) {
        sweep.level.run(UnitTraceContract {
            components: sweep.factors.components,
            units: sweep.factors.units,
            active: sweep.marks.active(slot),
            signal,
            trace: &self.unit,
            gradient,
        });
    }

    /// (1) for E at the only slot, and (2) if there is a learning signal.
    pub(super) fn step(&mut self, sweep: Sweep<'_, T>, learns: Option<(&[T], &mut [T])>) {
        let Sweep { level, prepared, factors, io, marks } = sweep;
        let (active, presynaptic) = (marks.active(0), io.presynaptic(0..1));
        let (decay, influence) = (factors.decay(prepared, 0), factors.influence(prepared, 0));
        let range = self.weights.range();
        let [first, second] = &mut self.trace;
        marks.clear_first(0, first);
        if factors.components == 1 {
            let step =
                TraceStep { active, decay: decay.data, influence: influence.data, presynaptic, trace: first };
            match learns {
                Some((signal, gradient)) => {
                    level.run(TraceStepContract { step, signal, gradient: &mut gradient[range] });
                }
                None => level.run(step),
            }
        } else {
            marks.clear_first(0, second);
            let (units, trace) = (factors.units, [&mut first[..], &mut second[..]]);
            let step = PairTraceStep { active, units, decay, influence, presynaptic, trace };
            match learns {
                Some((signal, gradient)) => {
                    level.run(PairTraceStepContract { step, signal, gradient: &mut gradient[range] });
                }
                None => level.run(step),
            }
        }
    }

    /// (2) for E at the only slot, whose step was taken before.
    pub(super) fn learn(&self, sweep: Sweep<'_, T>, signal: &[T], gradient: &mut [T]) {
        let (active, columns, units) = (sweep.marks.active(0), self.weights.stride(), sweep.factors.units);
        let gradient = &mut gradient[self.weights.range()];
        let [first, second] = &self.trace;
        if sweep.factors.components == 1 {
            sweep.level.run(TraceContract { active, columns, signal, trace: first, gradient });
        } else {
            let trace = [&first[..], &second[..]];
            sweep.level.run(PairTraceContract { active, units, columns, signal, trace, gradient });
        }
    }

    /// (3), row by row. `learns`: omega `[rows, S, units]`, and the gradient.
    pub(super) fn block(
        &mut self,
        sweep: Sweep<'_, T>,
        slots: Range<usize>,
        mut learns: Option<(&[T], &mut [T])>,
    ) {
        for row in 0..self.rows {
            let last = slots.clone().rev().find(|&slot| sweep.marks.active(slot)[row]);
            let end = last.map_or(slots.start, |last| last + 1);
            let reset = (slots.start..end).rev().find(|&slot| sweep.marks.first(slot)[row]);
            if reset == Some(slots.start) {
                self.clear_row(row);
            }
            if end > slots.start {
                let span = reset.unwrap_or(slots.start)..end;
                let states = sweep.factors.components * sweep.factors.units;
                let learns = learns.as_mut().map(|(omega, gradient)| {
                    (&omega[row * states..(row + 1) * states], &mut gradient[self.weights.range()])
                });
                // What nothing leads back to takes part in nothing, not even times zero.
                let learns = learns.filter(|(omega, _)| omega.iter().any(|&omega| omega != T::ZERO));
                self.block_of_row(sweep, row, span, reset.is_some(), learns);
            }
        }
    }

    fn clear_row(&mut self, row: usize) {
        for trace in &mut self.trace {
            let length = trace.len() / self.rows;
            trace[row * length..(row + 1) * length].fill(T::ZERO);
        }
    }

    /// (3) of one row over the steps of its last episode in the block.
    fn block_of_row(
        &mut self,
        sweep: Sweep<'_, T>,
        row: usize,
        span: Range<usize>,
        forgets: bool,
        learns: Option<(&[T], &mut [T])>,
    ) {
        let Sweep { level, prepared, factors, io, .. } = sweep;
        let (steps, units, gates) = (span.len(), factors.units, self.gates);
        let (stride, columns) = (self.weights.stride(), self.weights.columns());
        let decay = factors.decay_of_row(prepared, row, span.start);
        let influence = factors.influence_of_row(prepared, row, span.start);
        let presynaptic = Strided {
            data: &io.presynaptic(span.start..span.end)[row * stride..],
            stride: self.rows * stride,
        };
        let [first, second] = &mut self.trace;
        let length = first.len() / self.rows;
        let first = &mut first[row * length..(row + 1) * length];
        if factors.components == 1 {
            let products = &mut self.factors[..(steps + 1) * gates * units];
            level.run(TraceFactors { steps, units, decay, influence, factors: products });
            if forgets {
                products[steps * gates * units..].fill(T::ZERO);
            }
            let block = TraceBlock { steps, columns, presynaptic, factors: products, trace: first };
            match learns {
                Some((carried_signal, gradient)) => {
                    level.run(TraceBlockContract { block, carried_signal, gradient });
                }
                None => level.run(block),
            }
        } else {
            let second = &mut second[row * length..(row + 1) * length];
            let products = &mut self.factors[..steps * gates * 2 * units + 4 * units];
            level.run(PairTraceFactors { steps, units, gates, decay, influence, factors: products });
            if forgets {
                products[steps * gates * 2 * units..].fill(T::ZERO);
            }
            let trace = [first, second];
            let block =
                PairTraceBlock { steps, columns, units, gates, presynaptic, factors: products, trace };
            match learns {
                Some((carried_signal, gradient)) => {
                    level.run(PairTraceBlockContract { block, carried_signal, gradient });
                }
                None => level.run(block),
            }
        }
    }
}
