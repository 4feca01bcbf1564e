//! A diagonal or block-diagonal cell on a tape: S = 1 or 2 numbers of state per unit, no unit reads another.
//!
//! ```text
//! (1) s_t = cell(W a_t, s_{t-1})      A_t = ds_t/ds_{t-1} [S, S]    u_t = ds_t/dp_t    I_t = ds_t/dq, q a parameter per unit
//! (2) c_t = dE/ds_t at the step = (dy_t/ds_t)^T dE/dy_t
//! (3) lambda_t = c_t + A_{t+1}^T lambda_{t+1}       dE/dp_t = u_t lambda_t       dE/dq += I_t . lambda_t
//! ```
//!
//! (1) and (3) are kernels (`pair_cell`, `min_gru`, `elstm`, `unit_back`). With traces, (3) runs inside a block only, and
//! `traces` does what a block's learning signals owe to what came before; dE/dq then comes from traces alone.

use std::ops::Range;

use eligibility_kernels::activation::Nonlinearity;
use eligibility_kernels::elstm::Elstm;
use eligibility_kernels::min_gru::MinGru;
use eligibility_kernels::pair_cell::PairCell;
use eligibility_kernels::unit_back::UnitBackward;

use crate::affine::Scalar;
use crate::buffer::Buffer;
use crate::cells::Cell;
use crate::error::{Error, checked_product};
use crate::layout::Layer;
use crate::learner::tape::deltas::Deltas;
use crate::learner::tape::io::Io;
use crate::learner::tape::marks::Marks;
use crate::learner::tape::prepared::{Prepared, nonlinearities};
use crate::learner::tape::{Context, Purpose, Way};

mod factors;
mod outputs;
mod traces;

use factors::Factors;
use traces::{Sweep, Traces};

#[derive(Clone, Debug, PartialEq)]
pub(super) struct DiagonalTape<T: Scalar> {
    layer: Layer,
    rows: usize,
    factors: Factors<T>,
    /// `[slots, rows, 2, units]`: p_t.
    projection: Buffer<T>,
    /// `[rows, S, units]`: s_t of the last step.
    state: Buffer<T>,
    /// `[slots, rows, output]`: dy_t/ds_t, where phi is at the output.
    slope: Buffer<T>,
    /// `[rows, S, units]`: c_t, and A_{t+1}^T lambda_{t+1}.
    signal: Buffer<T>,
    carried: Buffer<T>,
    deltas: Deltas<T>,
    /// `[P, units]`: dE/dq so far.
    unit_gradient: Buffer<T>,
    /// Of RTRL; none where all that came before is on the tape.
    traces: Option<Traces<T>>,
    /// `[rows, 2, units]`: dE/dp_t of the step alone, for a learner whose errors go down at the step; else empty.
    step_delta: Buffer<T>,
}

impl<T: Scalar> DiagonalTape<T> {
    pub(super) fn zeros(layer: &Layer, rows: usize, slots: usize, purpose: Purpose) -> Result<Self, Error> {
        let factors = Factors::zeros(layer, rows, slots)?;
        let [_, at_output] = nonlinearities(layer.cell);
        let length = |sizes: &[usize]| checked_product("the learner's memory", sizes);
        let pair = length(&[rows, 2, factors.units])?;
        let states = length(&[rows, factors.components, factors.units])?;
        let slope = if at_output == Nonlinearity::Identity { 0 } else { slots * pair };
        let traces = (purpose == Purpose::Traces).then(|| Traces::zeros(layer, &factors, rows, slots));
        Ok(Self {
            layer: *layer,
            rows,
            projection: Buffer::zeros(length(&[slots, pair])?),
            state: Buffer::zeros(states),
            slope: Buffer::zeros(slope),
            signal: Buffer::zeros(states),
            carried: Buffer::zeros(states),
            deltas: Deltas::zeros(pair, slots, purpose)?,
            unit_gradient: Buffer::zeros(factors.parameters * factors.units),
            step_delta: Buffer::zeros(if purpose.passes_down_the_step() { pair } else { 0 }),
            traces: traces.transpose()?,
            factors,
        })
    }
    pub(super) fn start(&mut self) {
        self.state.fill(T::ZERO);
        if let Some(traces) = &mut self.traces {
            traces.clear();
        }
    }

    /// (1)
    pub(super) fn forward(
        &mut self,
        context: Context<'_, T>,
        prepared: &Prepared<T>,
        io: &mut Io<T>,
        marks: &Marks,
        slots: Range<usize>,
    ) {
        let (units, pair) = (self.factors.units, self.rows * 2 * self.factors.units);
        io.project(
            context.parameters,
            slots.clone(),
            &mut self.projection[slots.start * pair..slots.end * pair],
        );
        let [inside, _] = nonlinearities(self.layer.cell);
        for slot in slots {
            marks.clear_first(slot, &mut self.state);
            let (active, state) = (marks.active(slot), &mut self.state[..]);
            let projection = &self.projection[slot * pair..(slot + 1) * pair];
            let (decay, influence, immediate) = self.factors.at_mut(slot);
            match self.layer.cell {
                Cell::MinGru(_) => {
                    context.level.run(MinGru { units, active, projection, state, decay, influence });
                }
                Cell::Elstm(_) => {
                    let weights = prepared.parameters();
                    let op = Elstm { units, active, projection, weights, state, decay, influence, immediate };
                    context.level.run(op);
                }
                _ => context.level.run(PairCell {
                    nonlinearity: inside,
                    units,
                    active,
                    decay: &prepared.decay,
                    gain: &prepared.gain[..units],
                    parameters: prepared.pair_parameters(),
                    projection,
                    state,
                    decay_out: decay,
                    influence,
                    immediate,
                }),
            }
            self.give(context, io, slot);
            marks.clear_ended(slot, io.outputs_mut(slot..slot + 1));
        }
    }

    /// (3), and the traces' part.
    #[expect(clippy::too_many_arguments, reason = "each is a thing of its own, and there is one caller")]
    pub(super) fn back(
        &mut self,
        context: Context<'_, T>,
        prepared: &Prepared<T>,
        io: &mut Io<T>,
        marks: &Marks,
        slots: Range<usize>,
        way: Way,
        gradient: &mut [T],
        below: &mut [T],
    ) {
        if self.traces.is_some() {
            self.carry_traces(context, prepared, io, marks, slots.clone(), way, gradient);
        } else {
            self.scan(context, prepared, io, marks, slots.clone());
        }
        if !way.learns() {
            return;
        }
        if self.step_delta.is_empty() {
            io.pass_down(context.parameters, self.deltas.last(slots.clone()), below);
        } else if !below.is_empty() {
            self.pass_down_step(context, prepared, io, marks, slots.clone(), below);
        }
        self.deltas.add_up(slots.clone());
        self.pass_skip(io, slots, below);
    }

    /// The traces take their steps, and add what they owe to the gradient.
    #[expect(clippy::too_many_arguments, reason = "each is a thing of its own, and there is one caller")]
    fn carry_traces(
        &mut self,
        context: Context<'_, T>,
        prepared: &Prepared<T>,
        io: &Io<T>,
        marks: &Marks,
        slots: Range<usize>,
        way: Way,
        gradient: &mut [T],
    ) {
        let Some(mut traces) = self.traces.take() else { return };
        for slot in slots.clone() {
            if way.learns() {
                self.take_signal(io, marks, slot);
            }
            let sweep = Sweep { level: context.level, prepared, factors: &self.factors, io, marks };
            if way != Way::Again {
                traces.step_units(sweep, slot);
            }
            if way.learns() {
                traces.learn_units(sweep, slot, &self.signal, &mut self.unit_gradient);
            }
        }
        self.traces = Some(traces);
        if !self.streaming() && way.learns() {
            self.scan(context, prepared, io, marks, slots.clone());
        }
        let sweep = Sweep { level: context.level, prepared, factors: &self.factors, io, marks };
        let traces = self.traces.as_mut().expect("put back above");
        match way {
            Way::Settle if traces.streaming() => traces.step(sweep, None),
            Way::Learn if traces.streaming() => traces.step(sweep, Some((&self.signal, gradient))),
            Way::Again => traces.learn(sweep, &self.signal, gradient),
            Way::Settle => traces.block(sweep, slots, None),
            Way::Learn => traces.block(sweep, slots, Some((&self.carried, gradient))),
        }
    }

    fn streaming(&self) -> bool {
        self.traces.as_ref().is_some_and(Traces::streaming)
    }

    /// (3) over the slots.
    fn scan(
        &mut self,
        context: Context<'_, T>,
        prepared: &Prepared<T>,
        io: &Io<T>,
        marks: &Marks,
        slots: Range<usize>,
    ) {
        self.carried.fill(T::ZERO);
        for slot in slots.rev() {
            self.take_signal(io, marks, slot);
            let (immediate, gradient) = if self.traces.is_some() {
                // Their traces give it.
                (&[][..], &mut [][..])
            } else {
                (self.factors.immediate(slot), &mut self.unit_gradient[..])
            };
            context.level.run(UnitBackward {
                components: self.factors.components,
                units: self.factors.units,
                active: marks.active(slot),
                decay: self.factors.decay(prepared, slot),
                influence: self.factors.influence(prepared, slot),
                immediate,
                signal: &self.signal,
                carried: &mut self.carried,
                delta: self.deltas.last_mut(slot..slot + 1),
                gradient,
            });
            marks.clear_first(slot, &mut self.carried);
        }
    }

    /// dE/dx_t of the step alone.
    fn pass_down_step(
        &mut self,
        context: Context<'_, T>,
        prepared: &Prepared<T>,
        io: &Io<T>,
        marks: &Marks,
        slots: Range<usize>,
        below: &mut [T],
    ) {
        let targets = below.chunks_exact_mut(below.len() / slots.len());
        for (slot, target) in slots.zip(targets) {
            self.take_signal(io, marks, slot);
            self.carried.fill(T::ZERO);
            context.level.run(UnitBackward {
                components: self.factors.components,
                units: self.factors.units,
                active: marks.active(slot),
                decay: self.factors.decay(prepared, slot),
                influence: self.factors.influence(prepared, slot),
                immediate: &[],
                signal: &self.signal,
                carried: &mut self.carried,
                delta: &mut self.step_delta,
                gradient: &mut [],
            });
            io.pass_down(context.parameters, &self.step_delta, target);
        }
    }

    /// Adds what has been collected since the last time.
    pub(super) fn add_gradient(&mut self, io: &Io<T>, slots: Range<usize>, gradient: &mut [T]) {
        // A single step's part came with its traces.
        if !self.streaming() {
            self.deltas.take(slots.clone(), |delta| io.add_gradient(slots, delta, gradient));
        }
        if let Some(block) = self.layer.unit {
            let units = self.factors.units;
            let rows = gradient[block.range()].chunks_exact_mut(block.stride());
            for (row, own) in rows.zip(self.unit_gradient.chunks_exact_mut(units)) {
                for (sum, own) in row.iter_mut().zip(own) {
                    *sum += std::mem::take(own);
                }
            }
        }
    }

    pub(super) fn shift(&mut self, slots: Range<usize>) {
        self.factors.shift(slots.clone());
        let per_slot = if self.slope.is_empty() { 0 } else { self.rows * 2 * self.factors.units };
        self.slope.copy_within(slots.start * per_slot..slots.end * per_slot, 0);
        self.deltas.shift(slots);
    }
}
