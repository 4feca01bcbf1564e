//! A batch of sequences on a tape: block after block, or with a window that moves.

use std::ops::Range;

use crate::affine::Scalar;
use crate::learner::tape::{Context, Purpose, Tape, Way};
use crate::readout::{Score, weights};
use crate::sequences::{Rows, Sequences};

/// Some rows of a batch, and what does not change while they go through a tape.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pass<'a, T: Scalar> {
    pub(crate) context: Context<'a, T>,
    pub(crate) sequences: &'a Sequences<'a, T>,
    pub(crate) rows: Rows,
}

impl<T: Scalar> Tape<T> {
    /// Takes the steps from `first` on, of the rows of `sequences` that are still running, into the slots.
    fn advance(&mut self, pass: Pass<'_, T>, first: usize, slots: Range<usize>) {
        let Pass { context, sequences, rows } = pass;
        for slot in slots.clone() {
            let step = first + slot - slots.start;
            self.marks.set(slot, sequences, rows, step);
            self.layers[0].io.take_padded(slot, &self.marks, sequences.input(step, rows));
        }
        self.forward(context, slots.clone());
        if !sequences.every_step() {
            self.forget_left_episodes(slots);
        }
    }

    /// With targets at last steps only, nothing is learned from an episode that was left for another: what is on the tape
    /// of it is forgotten, so that what was not finite in it ends with it.
    fn forget_left_episodes(&mut self, slots: Range<usize>) {
        for row in 0..self.rows {
            if let Some(begin) = slots.clone().rev().find(|&slot| self.marks.first(slot)[row]) {
                self.marks.forget(row, begin);
                self.layers.iter_mut().for_each(|layer| layer.forget(row, begin));
            }
        }
    }

    /// Scores the steps in the slots, the first of which is `first`. Returns whether there were any targets; then the
    /// top layer has its learning signals, and the readout's gradient was added.
    fn score(
        &mut self,
        pass: Pass<'_, T>,
        first: usize,
        slots: Range<usize>,
        score: &mut Score,
        gradient: &mut [T],
    ) -> bool {
        let Pass { context, sequences, rows } = pass;
        let mut steps = first..first + slots.len();
        if !steps.any(|step| (0..rows.count).any(|row| sequences.has_target(step, rows.start + row))) {
            return false;
        }
        let top = &mut self.layers.last_mut().expect("a network has a layer").io;
        let parameters = context.parameters;
        self.outputs.score_steps(parameters, top.outputs(slots.clone()), sequences, rows, first, score);
        if !gradient.is_empty() {
            self.outputs.add_gradient(top.outputs(slots.clone()), gradient);
        }
        if self.purpose != Purpose::Forward {
            let feedback = weights(self.outputs.block, parameters);
            self.outputs.signal(top.signals_mut(slots), feedback);
        }
        true
    }

    /// The rows' part of the loss of `sequences`, block after block of as many steps as there are slots. Adds its
    /// gradient: only the readout's if the tape is for outputs only, none if `gradient` is empty. After each block,
    /// `each_block` sees its first step and its length; dE/dx_t is there if there is room for it.
    pub(crate) fn run(
        &mut self,
        pass: Pass<'_, T>,
        gradient: &mut [T],
        mut each_block: impl FnMut(&Self, usize, usize),
    ) -> Score {
        let mut score = Score::default();
        self.start();
        for first in (0..pass.sequences.steps()).step_by(self.slots) {
            let slots = 0..self.slots.min(pass.sequences.steps() - first);
            self.advance(pass, first, slots.clone());
            let learns = self.score(pass, first, slots.clone(), &mut score, gradient);
            if self.purpose == Purpose::Forward {
                continue;
            }
            if learns {
                self.back(pass.context, slots.clone(), Way::Learn, gradient);
                self.add_gradient(slots.clone(), gradient);
            } else {
                self.input_gradient.fill(T::ZERO);
                if self.purpose == Purpose::Traces {
                    self.back(pass.context, slots.clone(), Way::Settle, gradient);
                }
            }
            each_block(self, first, slots.len());
        }
        score
    }

    /// The same, where every target's error goes back `window` steps, its own included. The tape has more slots than
    /// that, so that it has to be moved only now and then.
    pub(crate) fn run_windows(&mut self, pass: Pass<'_, T>, window: usize, gradient: &mut [T]) -> Score {
        let (mut score, mut used) = (Score::default(), 0);
        self.start();
        for step in 0..pass.sequences.steps() {
            if used == self.slots {
                used = self.leave(window - 1, used, gradient);
            }
            self.advance(pass, step, used..used + 1);
            if self.score(pass, step, used..used + 1, &mut score, gradient) {
                self.back_from(pass.context, used, window, gradient);
            }
            used += 1;
        }
        self.add_gradient(0..used, gradient);
        score
    }

    /// Adds the gradient of all slots in use but the last `kept`, which move to the front. Returns their number.
    fn leave(&mut self, kept: usize, used: usize, gradient: &mut [T]) -> usize {
        self.add_gradient(0..used - kept, gradient);
        self.move_to_front(kept, used)
    }
}
