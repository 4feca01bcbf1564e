//! What learning signals do in a layer with the steps on the tape, and below. With traces: `super::traced`.
//!
//! Equations: `crate::learner::engine::layer`.

use std::ops::Range;

use super::Layer;
use crate::affine::{Beta, Rect, times};
use crate::learner::engine::core::{StepBack, Weights};
use crate::learner::engine::setting::Cut;
use crate::scalar::Scalar;
use crate::slots::{Marks, Mask, clear, runs, scale};

/// Learning signals at slots of the tape, or none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Signals {
    /// There are none: traces take their steps.
    None,
    /// There are; traces take their steps as well.
    New,
    /// There are others, for steps that traces have taken.
    Again,
}

impl<T: Scalar> Layer<T> {
    /// The way back over some slots from learning signals in `values`, and what it adds to the gradient. `begins`: nothing
    /// was gone back over after them; `last`: nothing will be before them.
    pub(crate) fn learn(
        &mut self,
        weights: Weights<'_, T>,
        marks: &Marks,
        (slots, last): (Range<usize>, bool),
        gradient: &mut [T],
    ) {
        self.scan(weights, marks, (slots.clone(), last), 0..self.rows);
        if self.sums[0].is_empty() {
            self.add_gradient(slots, gradient);
        } else {
            for (sum, delta) in self.sums.iter_mut().zip(&self.deltas) {
                let pairs = sum.range_mut(slots.clone()).iter_mut().zip(delta.range(0..slots.len()));
                pairs.for_each(|(sum, &delta)| *sum += delta);
            }
        }
    }

    /// dE/dp_t of each step alone, for the layer below.
    pub(crate) fn alone(&mut self, weights: Weights<'_, T>, slots: Range<usize>) {
        if self.alone[0].is_empty() {
            return;
        }
        for slot in slots.clone() {
            let at = slot - slots.start;
            self.nothing.fill(T::ZERO);
            let [input, recurrent] = &mut self.alone;
            let step = StepBack {
                slot,
                rows: 0..self.rows,
                heard: self.heard.at(at),
                live: self.heard.at(at),
                cut: Cut::Recurrence,
                goes_on: false,
                signal: self.values.at(at),
                carried: &mut self.nothing,
                deltas: [input.at_mut(at), recurrent.at_mut(at)],
                state_signal: &mut self.state_signal,
                learns: false,
            };
            self.core.get_mut().back(weights, step);
        }
    }

    /// dE/dx_t of some slots, `[slots, rows, input]`; and where there is one. After the way back over them, or after
    /// [`Layer::alone`] if the layer below hears of each step alone.
    pub(crate) fn pass_down(
        &mut self,
        weights: Weights<'_, T>,
        slots: Range<usize>,
        beta: Beta,
        below: &mut [T],
        heard: Option<&mut Mask>,
    ) {
        let (block, input, places) = (self.layout.weights, self.layout.cell.input(), slots.len() * self.rows);
        let chunk = 0..slots.len();
        let alone = !self.alone[0].is_empty();
        let lives = if alone { &self.heard } else { &self.lives };
        if let Some(heard) = heard {
            heard.range_mut(chunk.clone()).copy_from_slice(lives.range(chunk.clone()));
        }
        let delta = if alone {
            self.alone[0].range(chunk.clone())
        } else if let Some(in_place) = self.core.get().delta_in_place() {
            in_place.range(slots)
        } else {
            self.deltas[0].range(chunk.clone())
        };
        times(
            Rect::dense(&mut *below, places, input),
            beta,
            Rect::dense(delta, places, block.rows()),
            Rect { columns: input, ..block.matrix(weights.parameters) },
        );
        let signals = self.values.range(chunk.clone());
        self.core.get().pass_skip(signals, self.heard.range(chunk), below);
    }

    /// (2) for some slots.
    pub(crate) fn add_gradient(&mut self, slots: Range<usize>, gradient: &mut [T]) {
        let (rows, chunk) = (self.rows, 0..slots.len());
        if !self.reached.range(slots.clone()).contains(&true) {
            return;
        }
        if !self.keeps {
            self.silence(slots.clone());
        }
        let blocks = [Some(self.layout.weights), self.layout.recurrent];
        for (index, block) in blocks.into_iter().enumerate() {
            let Some(block) = block else { continue };
            let activity = self.activity[index].matrix(slots.clone(), block.columns());
            let delta = if !self.sums[index].is_empty() {
                self.sums[index].matrix(slots.clone(), block.rows())
            } else if let (0, Some(in_place)) = (index, self.core.get().delta_in_place()) {
                in_place.matrix(slots.clone(), block.rows())
            } else {
                self.deltas[index].matrix(chunk.clone(), block.rows())
            };
            let all = 0..block.rows();
            if self.keeps {
                for places in runs(self.lives.range(chunk.clone())) {
                    block.add_products(all.clone(), places, delta, activity, gradient);
                }
                continue;
            }
            // What acts on the output alone learns where a signal arrives, and nowhere else.
            let untraced = self.core.get().untraced();
            let untraced = if self.cut == Cut::Recurrence && index == 0 { untraced } else { 0 };
            let hears = |at: usize| self.heard.at(at).contains(&true);
            if untraced == 0 || chunk.clone().all(hears) {
                block.add_products(all, 0..activity.rows, delta, activity, gradient);
            } else {
                let traced = block.rows() - untraced;
                block.add_products(0..traced, 0..activity.rows, delta, activity, gradient);
                for at in chunk.clone().filter(|&at| hears(at)) {
                    let places = at * rows..(at + 1) * rows;
                    block.add_products(traced..block.rows(), places, delta, activity, gradient);
                }
            }
        }
        for sum in &mut self.sums {
            if !sum.is_empty() {
                sum.range_mut(slots.clone()).fill(T::ZERO);
            }
        }
        self.add_unit_gradient(gradient);
    }

    /// Makes places that no way back has reached take no part.
    fn silence(&mut self, slots: Range<usize>) {
        for slot in slots {
            let Self { reached, activity, core, .. } = self;
            let reached = reached.at(slot);
            if reached.iter().all(|&reached| reached) {
                continue;
            }
            for activity in activity.iter_mut().filter(|activity| !activity.is_empty()) {
                clear(reached, false, activity.at_mut(slot));
            }
            if let Some(in_place) = core.get_mut().delta_in_place_mut() {
                clear(reached, false, in_place.at_mut(slot));
            }
        }
    }

    /// What the core's own parameters have learned since the last time.
    pub(super) fn add_unit_gradient(&mut self, gradient: &mut [T]) {
        let Some(block) = self.layout.unit else { return };
        let rows = gradient[block.range()].chunks_exact_mut(block.stride());
        for (row, own) in rows.zip(self.core.get_mut().unit_gradient().chunks_exact_mut(block.columns())) {
            for (sum, own) in row.iter_mut().zip(own) {
                *sum += std::mem::take(own);
            }
        }
    }

    /// All of the gradient of what has a trace is linear in what traces are multiplied with.
    pub(crate) fn scale_traced(&self, gradient: &mut [T]) {
        let (factor, core) = (self.extensions.scaling.output, self.core.get());
        if factor == 1.0 || self.states == 0 {
            return;
        }
        let weights = self.layout.weights;
        let traced = weights.range().start..weights.range().end - core.untraced() * weights.stride();
        let others =
            [self.layout.recurrent, self.layout.unit].into_iter().flatten().map(|block| block.range());
        for range in std::iter::once(traced).chain(others) {
            scale(&mut gradient[range], T::from_f64(factor));
        }
    }
}
