//! One layer on a tape: what goes in and out, the core between, and the traces beside it.
//!
//! ```text
//! (1) live at t: heard at t, or live at t + 1 within the episode         only there anything is gone back over
//! (2) dE/dW += sum over live t of dE/dp_t a_t^T
//! (3) dE/dx_t = W_x^T dE/dp_t                    heard below where it is live; of the step alone where the way back is cut
//! ```
//!
//! What no learning signal refers to takes no part, not even times zero: whatever is not finite there ends there.

use std::ops::Range;

use super::core::{Activity, AnyCore, StepBack, StepForward, Weights};
use super::setting::{Cut, Setting};
use super::traces::Traces;
use crate::buffer::Buffer;
use crate::error::{Error, checked_product};
use crate::extensions::{Echo, Extensions};
use crate::layout;
use crate::scalar::Scalar;
use crate::sequences::Rows;
use crate::slots::{Marks, Mask, OfRows, Slots, Visit, show, show_marks};
use crate::state::State;

mod learn;
mod online;
mod traced;

pub(crate) use learn::Signals;

/// A layer's part of a tape.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Layer<T: Scalar> {
    pub(crate) layout: layout::Layer,
    rows: usize,
    cut: Cut,
    extensions: Extensions,
    /// Whether each slot has factors of its own.
    factors: bool,
    /// A batch's factors may be overwritten once they were used; a stream's may be asked for again.
    keeps: bool,
    /// Of the blocks: a_t, and `[h_{t-1}; 1]` where that has a block of its own.
    activity: Activity<T>,
    /// s_t of the last step.
    pub(crate) state: State<T>,
    /// How many numbers of it a way back carries for a row.
    states: usize,
    /// `[chunk, rows, output]`: y_t on the way forward, dE/dy_t on the way back; and where there is one.
    pub(crate) values: Slots<T>,
    pub(crate) heard: Mask,
    /// `[slots, rows]`: where a way back has been since the slot was filled.
    reached: Mask,
    pub(crate) core: AnyCore<T>,
    traces: Option<Traces<T>>,
    pub(crate) traced: bool,
    /// `[chunk, rows, rows of the block]`: dE/dp_t, unless the core keeps it in place; and `[slots, ...]`, added up.
    deltas: [Slots<T>; 2],
    sums: [Slots<T>; 2],
    /// `[chunk, rows, rows of the block]`: dE/dp_t of each step alone, if the layer below hears that; and nothing carried.
    alone: [Slots<T>; 2],
    nothing: Buffer<T>,
    /// `[rows, states]`: what later steps bring back; scratch; what the sums of an echo are contracted with.
    carried: Buffer<T>,
    state_signal: Buffer<T>,
    echo_signal: Buffer<T>,
    /// `[rows, output]`: what an echo adds to the learning signals of a step.
    echo: Buffer<T>,
    /// `[rows]`: live at the step gone back over last, within the episode; and `[chunk, rows]`: where it is live.
    live: Vec<bool>,
    lives: Mask,
    /// What a row's loss counts in the loss of the batch.
    pub(crate) row_weight: T,
}

impl<T: Scalar> Layer<T> {
    /// `hands_down`: whether somebody below hears of it.
    pub(crate) fn zeros(
        layer: &layout::Layer,
        hands_down: bool,
        rows: usize,
        setting: &Setting,
    ) -> Result<Self, Error> {
        let (slots, chunk, learns) = (setting.slots(rows), setting.chunk(rows), setting.learns());
        let core = AnyCore::zeros(layer, rows, setting)?;
        let traces = Traces::zeros(layer, core.get().untraced(), rows, setting)?;
        let in_place = core.get().delta_in_place().is_some();
        let stepwise = traces.as_ref().is_some_and(|traces| traces.stepwise);
        let widths = [layer.weights.rows(), layer.recurrent.map_or(0, |block| block.rows())];
        let each = |slots: usize| -> Result<[Slots<T>; 2], Error> {
            Ok([Slots::zeros(slots, rows, widths[0])?, Slots::zeros(slots, rows, widths[1])?])
        };
        let some = |there: bool, slots: usize| each(if there { slots } else { 0 });
        // Of several parts the first is what decays; the others are given out.
        let states = layer.cell.state_parts().next().map_or(0, |(_, width)| width);
        let echoes = setting.extensions.echoes() && states > 0;
        let stride = layer.recurrent.map_or(0, |block| block.stride());
        let alone = hands_down && setting.cut == Cut::Recurrence && states > 0;
        let per_row = Buffer::zeros(checked_product("the learner's memory", &[rows, states])?);
        let nothing = |there: bool| if there { per_row.clone() } else { Buffer::zeros(0) };
        Ok(Self {
            layout: *layer,
            rows,
            cut: setting.cut,
            extensions: setting.extensions,
            keeps: setting.stream,
            activity: [
                Slots::zeros(slots, rows, layer.weights.stride())?,
                Slots::zeros(slots, rows, stride)?,
            ],
            state: State::zeros(layer.cell, rows)?,
            states,
            factors: setting.learns(),
            values: Slots::zeros(chunk, rows, layer.cell.output())?,
            heard: Mask::new(chunk, rows),
            reached: Mask::new(slots, rows),
            deltas: some(learns && !in_place && !stepwise, chunk)?,
            sums: some(setting.adds_up(), slots)?,
            alone: some(alone, chunk)?,
            nothing: nothing(alone),
            carried: per_row.clone(),
            state_signal: per_row.clone(),
            echo_signal: nothing(echoes),
            echo: Buffer::zeros(if echoes { rows * layer.cell.output() } else { 0 }),
            live: vec![false; rows],
            lives: Mask::new(chunk, rows),
            row_weight: T::ONE,
            traced: traces.is_some(),
            core,
            traces,
        })
    }

    /// Takes x_t `[rows, input]`, of which the last rows may be missing. What rows hold that have ended is not read.
    pub(crate) fn take(&mut self, slot: usize, marks: &Marks, inputs: &[T]) {
        let (stride, input) = (self.layout.weights.stride(), self.layout.cell.input());
        // The bias's activity, where there is a bias; a recurrence of the same block puts its own there.
        let recurrent = self.layout.cell.has_dense_recurrence() && self.layout.recurrent.is_none();
        let bias = input..if recurrent { input } else { self.layout.weights.columns() };
        let targets = self.activity[0].at_mut(slot).chunks_exact_mut(stride);
        for (row, (target, &active)) in targets.zip(marks.active.at(slot)).enumerate() {
            if active {
                // No subnormal number goes in (`Real::TRACE_QUANTUM`).
                for (target, &x) in target.iter_mut().zip(&inputs[row * input..(row + 1) * input]) {
                    *target = (x + T::TRACE_ROUNDER) - T::TRACE_ROUNDER;
                }
                target[bias.clone()].fill(T::ONE);
            } else {
                target.fill(T::ZERO);
            }
        }
        self.reached.at_mut(slot).fill(false);
    }

    /// Slots whose inputs and marks are set: y_t into the first of `values`.
    pub(crate) fn forward(&mut self, weights: Weights<'_, T>, marks: &Marks, slots: Range<usize>) {
        let core = self.core.get_mut();
        let ahead = core.ahead().min(slots.len());
        for first in slots.clone().step_by(ahead) {
            let part = first..slots.end.min(first + ahead);
            core.project(weights, &self.activity, part.clone());
            for slot in part.clone() {
                let (factors, projected) = (if self.factors { slot } else { 0 }, slot - part.start);
                let (state, activity) = (&mut self.state, &mut self.activity);
                let output = self.values.at_mut(slot - slots.start);
                core.forward(
                    weights,
                    StepForward { slot, factors, projected, marks, state, activity, output },
                );
            }
        }
    }

    /// Forgets state and traces; the rows start from `initial`, if it is given.
    pub(crate) fn start(&mut self, initial: Option<&State<T>>, rows: Rows) {
        for (index, (_, part)) in self.state.parts.iter_mut().enumerate() {
            let width = part.len() / self.rows;
            match initial {
                None => part.fill(T::ZERO),
                Some(initial) => {
                    let of_rows = rows.start * width..(rows.start + rows.count) * width;
                    part[..of_rows.len()].copy_from_slice(&initial.parts[index].1[of_rows]);
                }
            }
        }
        if let Some(traces) = &mut self.traces {
            traces.start();
        }
    }

    /// Makes ready for a way back.
    pub(crate) fn begin_back(&mut self) {
        self.core.get_mut().begin_back();
        self.carried.fill(T::ZERO);
        self.echo.fill(T::ZERO);
        self.live.fill(false);
    }

    /// Whether anything goes on to the slots before.
    pub(crate) fn is_live(&self) -> bool {
        self.live.contains(&true)
    }

    /// (1), and dE/dp_t, over some slots and rows, from the last to the first; `values` begin with the first. `last`:
    /// nothing is gone back to before them.
    pub(crate) fn scan(
        &mut self,
        weights: Weights<'_, T>,
        marks: &Marks,
        (slots, last): (Range<usize>, bool),
        rows: Range<usize>,
    ) {
        let (states, all) = (self.states, rows.clone());
        let span = rows.start * states..rows.end * states;
        for slot in slots.clone().rev() {
            let at = slot - slots.start;
            let (heard, active) = (&self.heard.at(at)[all.clone()], &marks.active.at(slot)[all.clone()]);
            let lives = &mut self.lives.at_mut(at)[all.clone()];
            let reached = self.reached.at_mut(slot)[all.clone()].iter_mut();
            let before = self.live[all.clone()].iter().zip(heard.iter().zip(active));
            for ((now, reached), (&later, (&heard, &active))) in lives.iter_mut().zip(reached).zip(before) {
                *now = active && (heard || (states > 0 && later));
                *reached |= *now;
            }
            self.add_echo(slot, at, rows.clone());
            let deltas = self
                .deltas
                .each_mut()
                .map(|delta| if delta.is_empty() { &mut [][..] } else { delta.rows_mut(at, rows.clone()) });
            let step = StepBack {
                slot,
                rows: rows.clone(),
                heard: &self.heard.at(at)[rows.clone()],
                live: &self.lives.at(at)[rows.clone()],
                cut: self.cut,
                goes_on: !(last && slot == slots.start),
                signal: self.values.rows(at, rows.clone()),
                carried: &mut self.carried[span.clone()],
                deltas,
                state_signal: &mut self.state_signal[span.clone()],
                // Else their traces give it.
                learns: !self.traced,
            };
            self.core.get_mut().back(weights, step);
            self.live[all.clone()].copy_from_slice(&self.lives.at(at)[all.clone()]);
            for row in rows.clone().filter(|&row| marks.first.at(slot)[row]) {
                self.end_row(row);
            }
        }
    }

    /// Lets nothing of a row go on to the step before.
    fn end_row(&mut self, row: usize) {
        self.live[row] = false;
        for buffer in [&mut self.carried, &mut self.echo] {
            let width = buffer.len() / self.rows;
            buffer[row * width..(row + 1) * width].fill(T::ZERO);
        }
        self.core.get_mut().end_row(row);
    }

    /// What an echo adds to what is carried, before the step at `slot` (`crate::extensions`).
    fn add_echo(&mut self, slot: usize, at: usize, rows: Range<usize>) {
        if self.echo.is_empty() {
            return;
        }
        let (width, states) = (self.layout.cell.output(), self.states);
        let alpha = T::from_f64(self.extensions.echo.alpha());
        for row in rows {
            let echo = &mut self.echo[row * width..(row + 1) * width];
            if self.heard.at(at)[row] {
                let signal = self.values.rows(at, row..row + 1);
                match self.extensions.echo {
                    Echo::Literal { .. } => echo.fill(alpha * self.row_weight),
                    _ => echo.iter_mut().zip(signal).for_each(|(echo, &l)| *echo += alpha * l),
                }
            }
            if self.lives.at(at)[row] {
                let own = &mut self.state_signal[row * states..(row + 1) * states];
                self.core.get().state_signal(slot, row..row + 1, echo, own);
                let carried = &mut self.carried[row * states..(row + 1) * states];
                carried.iter_mut().zip(&*own).for_each(|(carried, &own)| *carried += own);
            }
        }
    }

    /// Shows everything that belongs to rows.
    pub(crate) fn visit(&mut self, visit: Visit<'_, T>) {
        let [inputs, hidden] = &mut self.activity;
        show(visit, "activity", inputs);
        show(visit, "recurrent activity", hidden);
        show_marks(visit, "reached", &mut self.reached);
        for (name, part) in &mut self.state.parts {
            let width = part.len() / self.rows;
            visit(name, OfRows::Numbers(part, self.rows, width));
        }
        self.core.get_mut().visit(visit);
        if let Some(traces) = &mut self.traces {
            traces.visit(visit);
        }
    }
}
