//! A batch of sequences on a tape: block after block, or with a window that moves.

use std::ops::Range;
use std::sync::{Mutex, PoisonError};

use super::layer::Signals;
use super::setting::Run;
use super::tape::{Context, Tape};
use crate::readout::Score;
use crate::scalar::Scalar;
use crate::sequences::{Rows, Sequences};
use crate::slots::clear;

/// A slice that the shards of a batch write their rows into, `[steps, batch, width]`; empty if nobody wants it.
pub(crate) type Shared<'a, T> = Mutex<&'a mut [T]>;

/// Some rows of a batch, and what does not change while they go through a tape.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pass<'a, T: Scalar> {
    pub(crate) context: Context<'a, T>,
    pub(crate) sequences: &'a Sequences<'a, T>,
    pub(crate) rows: Rows,
    /// y_t and dE/dx_t.
    pub(crate) outputs: &'a Shared<'a, T>,
    pub(crate) input_gradient: &'a Shared<'a, T>,
}

impl<T: Scalar> Pass<'_, T> {
    /// Hands out what the rows of a tape, of which the last may be idle, have at a step.
    fn hand_out(&self, target: &Shared<'_, T>, step: usize, source: &[T], tape_rows: usize) {
        let (width, Rows { start, count }) = (source.len() / tape_rows, self.rows);
        let first = (step * self.sequences.batch() + start) * width;
        let mut target = target.lock().unwrap_or_else(PoisonError::into_inner);
        target[first..first + count * width].copy_from_slice(&source[..count * width]);
    }
}

impl<T: Scalar> Tape<T> {
    /// The rows' part of the loss of `sequences`. Adds its gradient: only the readout's if there is no way back, none if
    /// `gradient` is empty.
    pub(crate) fn run(&mut self, pass: Pass<'_, T>, gradient: &mut [T]) -> Score {
        self.start(pass.sequences, pass.rows);
        let score = match self.setting.run {
            Run::Window(steps) => self.run_windows(pass, steps, gradient),
            _ => self.run_blocks(pass, gradient),
        };
        if self.setting.learns() {
            self.layers.iter().for_each(|layer| layer.scale_traced(gradient));
        }
        score
    }

    /// Takes the steps from `first` on, of the rows that are still running, into some slots; outputs are scored.
    /// Returns whether there were targets.
    fn advance(
        &mut self,
        pass: Pass<'_, T>,
        (first, slots): (usize, Range<usize>),
        (score, gradient): (&mut Score, &mut [T]),
    ) -> bool {
        let Pass { context, sequences, rows, .. } = pass;
        let (level, parameters) = (self.setting.level, context.parameters);
        let mut any = false;
        for start in slots.clone().step_by(self.chunk) {
            let chunk = start..slots.end.min(start + self.chunk);
            let step = first + start - slots.start;
            for slot in chunk.clone() {
                self.mark(pass, slot, step + slot - start);
                self.layers[0].take(slot, &self.marks, sequences.input(step + slot - start, rows));
            }
            self.forward(context, chunk.clone());
            let Self { layers, outputs, .. } = self;
            let hidden = layers.last_mut().expect("a network has a layer").values.range_mut(0..chunk.len());
            if !pass.outputs.lock().unwrap_or_else(PoisonError::into_inner).is_empty() {
                let (all, count) = (outputs.forward(level, parameters, hidden), chunk.len());
                for ((step, slot), output) in
                    (step..).zip(chunk.clone()).zip(all.chunks_exact_mut(all.len() / count))
                {
                    clear(self.marks.active.at(slot), false, output);
                    pass.hand_out(pass.outputs, step, output, self.rows);
                }
            }
            let found = (&mut *score, &mut *gradient);
            any |= outputs.score(level, parameters, hidden, (sequences, rows), (step, chunk), found);
        }
        any
    }

    /// Marks of the rows at a step.
    fn mark(&mut self, pass: Pass<'_, T>, slot: usize, step: usize) {
        let Pass { sequences, rows, .. } = pass;
        let (actives, firsts) = (self.marks.active.at_mut(slot), self.marks.first.at_mut(slot));
        for (row, active) in actives.iter_mut().enumerate() {
            *active = row < rows.count && step < sequences.length(rows.start + row);
        }
        match sequences.is_first(step, rows) {
            None => firsts.fill(false),
            Some(mask) => {
                for (row, (first, &active)) in firsts.iter_mut().zip(&*actives).enumerate() {
                    *first = active && mask[row];
                }
            }
        }
        if !self.input_gradient.is_empty() {
            self.input_gradient.at_mut(slot).fill(T::ZERO);
        }
    }

    /// Block after block, of as many steps as there are slots.
    fn run_blocks(&mut self, pass: Pass<'_, T>, gradient: &mut [T]) -> Score {
        let (mut score, steps) = (Score::default(), pass.sequences.steps());
        for first in (0..steps).step_by(self.slots) {
            let slots = 0..self.slots.min(steps - first);
            for (row, goes_on) in self.marks.goes_on.iter_mut().enumerate() {
                let there = row < pass.rows.count;
                *goes_on = there && pass.sequences.length(pass.rows.start + row) > first + slots.len();
            }
            let targets = self.advance(pass, (first, slots.clone()), (&mut score, &mut *gradient));
            if self.setting.traces() {
                let signals = if targets { Signals::New } else { Signals::None };
                self.back_with_traces(pass.context, slots.clone(), signals, gradient);
            } else if self.setting.learns() && targets {
                self.back(pass.context, [slots.clone()], false, gradient);
            }
            self.hand_out_input_gradient(pass, first, slots);
        }
        score
    }

    /// From every target so many steps back, its own included. Slots are used again and again, some at a time.
    fn run_windows(&mut self, pass: Pass<'_, T>, window: usize, gradient: &mut [T]) -> Score {
        let (mut score, steps, chunk) = (Score::default(), pass.sequences.steps(), self.chunk);
        for first in (0..steps).step_by(chunk) {
            let start = first % self.slots;
            let slots = start..start + chunk.min(steps - first);
            if let Some(left) = first.checked_sub(self.slots) {
                self.leave(start..start + chunk, gradient);
                self.hand_out_input_gradient(pass, left, start..start + chunk);
            }
            if self.advance(pass, (first, slots.clone()), (&mut score, &mut *gradient)) {
                for slot in slots.clone() {
                    if !self.outputs.heard.at(slot).contains(&true) {
                        continue;
                    }
                    let count = window.min(first + slot - slots.start + 1);
                    self.back(pass.context, self.slots_before(slot, count), true, gradient);
                }
            }
        }
        let first = steps.saturating_sub(1) / chunk * chunk;
        let oldest = (first + chunk).saturating_sub(self.slots);
        for first in (oldest..steps).step_by(chunk) {
            let start = first % self.slots;
            let slots = start..start + chunk.min(steps - first);
            self.leave(slots.clone(), gradient);
            self.hand_out_input_gradient(pass, first, slots);
        }
        score
    }

    /// `count` slots of which `slot` is the last, as runs from the last on.
    pub(crate) fn slots_before(&self, slot: usize, count: usize) -> [Range<usize>; 2] {
        let start = (slot + 1).saturating_sub(count);
        let others = count - (slot + 1 - start);
        [start..slot + 1, self.slots - others..self.slots]
    }

    fn hand_out_input_gradient(&self, pass: Pass<'_, T>, first: usize, slots: Range<usize>) {
        if !pass.input_gradient.lock().unwrap_or_else(PoisonError::into_inner).is_empty() {
            for (step, slot) in (first..).zip(slots) {
                pass.hand_out(pass.input_gradient, step, self.input_gradient.at(slot), self.rows);
            }
        }
    }
}
