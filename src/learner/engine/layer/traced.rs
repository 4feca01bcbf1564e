//! What learning signals do in a layer with traces, and the steps of the traces themselves.
//!
//! Equations: `crate::learner::engine::traces`.

use std::ops::Range;

use super::{Layer, Signals};
use crate::affine::{Rect, add_transposed_times};
use crate::extensions::Echo;
use crate::learner::engine::core::Weights;
use crate::learner::engine::traces::{RowOfBlock, StepSignal, Sweep};
use crate::scalar::Scalar;
use crate::slots::{Marks, clear, runs};

impl<T: Scalar> Layer<T> {
    /// What a way back adds to the gradient, and the steps of the traces. All slots are one block.
    pub(crate) fn learn_with_traces(
        &mut self,
        weights: Weights<'_, T>,
        marks: &Marks,
        slots: Range<usize>,
        signals: Signals,
        gradient: &mut [T],
    ) {
        let Some(mut traces) = self.traces.take() else { return };
        let stepwise = traces.stepwise;
        for slot in slots.clone() {
            let at = slot - slots.start;
            let learns = signals != Signals::None && self.heard.at(at).contains(&true);
            if learns && (stepwise || traces.units.is_some()) {
                self.prepare_signals(slot, at);
            }
            let Self { activity, heard, state_signal, echo_signal, core, lives, .. } = self;
            let forgets = matches!(self.extensions.echo, Echo::Literal { .. });
            let signal = StepSignal { heard: heard.at(at), state: state_signal, echo: echo_signal, forgets };
            let signal = learns.then_some(&signal);
            for (index, block) in traces.blocks.iter_mut().enumerate().filter(|_| stepwise) {
                let Some(sweep) = Sweep::new(weights, core, activity, marks, index) else { continue };
                let traced = block.traced();
                let learns = signal.map(|signal| (signal, &mut gradient[traced]));
                match (signals, learns) {
                    (Signals::Again, Some((signal, gradient))) => block.learn(sweep, signal, gradient),
                    (Signals::Again, None) => {}
                    (_, learns) => block.step(sweep, slot, learns, lives.at_mut(at)),
                }
            }
            if let Some(units) = &mut traces.units {
                if signals != Signals::Again {
                    units.step(weights, marks, slot, core.get());
                }
                if let Some(signal) = signal {
                    units.learn(weights.level, signal, core.get_mut().unit_gradient());
                }
            }
            if learns && stepwise {
                self.add_untraced(weights, slot, at, gradient);
            }
        }
        self.traces = Some(traces);
        if !stepwise {
            self.learn_block(weights, marks, slots, signals, gradient);
        }
        if signals != Signals::None {
            self.add_unit_gradient(gradient);
        }
    }

    /// A block of steps: row by row where the way back overwrites what the traces have to read before.
    fn learn_block(
        &mut self,
        weights: Weights<'_, T>,
        marks: &Marks,
        slots: Range<usize>,
        signals: Signals,
        gradient: &mut [T],
    ) {
        let Some(mut traces) = self.traces.take() else { return };
        let (learns, in_place) = (signals != Signals::None, self.core.get().delta_in_place().is_some());
        let (states, width) = (self.states, self.layout.cell.output());
        self.begin_back();
        let row_by_row = in_place && marks.goes_on.contains(&true);
        if learns && !row_by_row {
            self.scan(weights, marks, (slots.clone(), true), 0..self.rows);
        }
        for row in 0..self.rows {
            let of = self.row_of_block(marks, slots.clone(), row, learns);
            if let Some(of) = &of {
                for (index, block) in traces.blocks.iter_mut().enumerate() {
                    if let Some(sweep) = Sweep::new(weights, &self.core, &self.activity, marks, index) {
                        block.prepare(sweep, of);
                    }
                }
            }
            if learns && row_by_row {
                self.scan(weights, marks, (slots.clone(), true), row..row + 1);
            }
            let Some(of) = of else { continue };
            let echo = if self.echo.is_empty() { &[] } else { &self.echo[row * width..(row + 1) * width] };
            let reaches = self.live[row].then(|| [&self.carried[row * states..(row + 1) * states], echo]);
            for (index, block) in traces.blocks.iter_mut().enumerate() {
                if let Some(sweep) = Sweep::new(weights, &self.core, &self.activity, marks, index) {
                    let traced = block.traced();
                    block.advance(sweep, &of, reaches, &mut gradient[traced]);
                }
            }
        }
        self.traces = Some(traces);
        if learns {
            self.add_gradient(slots, gradient);
        }
    }

    /// What a block has of a row; none if it had ended before.
    fn row_of_block(
        &self,
        marks: &Marks,
        slots: Range<usize>,
        row: usize,
        learns: bool,
    ) -> Option<RowOfBlock> {
        let end = slots.clone().rev().find(|&slot| marks.active.at(slot)[row])? + 1;
        let reset = (slots.start..end).rev().find(|&slot| marks.first.at(slot)[row]);
        let episode = reset.unwrap_or(slots.start)..end;
        let heard = |slot: &usize| learns && self.heard.at(slot - slots.start)[row];
        let used = matches!(self.extensions.echo, Echo::Literal { .. });
        let used = (slots.start..end).rev().find(|slot| used && heard(slot)).map_or(0, |last| last + 1);
        let counts_from = used.max(episode.start);
        let goes_on = marks.goes_on[row] && end == slots.end;
        Some(RowOfBlock { row, goes_back: reset.is_none(), goes_on, counts_from, episode })
    }

    /// c_t, and what the sums of an echo are contracted with, of the rows in which a signal arrives.
    pub(super) fn prepare_signals(&mut self, slot: usize, at: usize) {
        let (core, heard, signal) = (self.core.get(), self.heard.at(at), self.values.at(at));
        core.state_signal(slot, 0..self.rows, signal, &mut self.state_signal);
        clear(heard, false, &mut self.state_signal);
        if self.echo_signal.is_empty() {
            return;
        }
        let alpha = T::from_f64(self.extensions.echo.alpha());
        // The sums are of D_t E_t, or of E_t where D_t is a constant.
        let varies = core.slope().is_some();
        if let Echo::Literal { .. } = self.extensions.echo {
            self.echo.fill(alpha * self.row_weight);
            if varies {
                self.echo_signal.copy_from_slice(&self.echo);
            } else {
                core.state_signal(slot, 0..self.rows, &self.echo, &mut self.echo_signal);
            }
        } else {
            let signal = if varies { signal } else { &self.state_signal };
            self.echo_signal.iter_mut().zip(signal).for_each(|(echo, &l)| *echo = alpha * l);
        }
        clear(heard, false, &mut self.echo_signal);
    }

    /// dE/dp_t of the gates that act on the output alone, at one step: `[rows, untraced]`, where what is carried lies.
    pub(super) fn untraced_deltas(&mut self, weights: Weights<'_, T>, slot: usize, at: usize) {
        let (untraced, width, signal) =
            (self.core.get().untraced(), self.layout.weights.rows(), self.values.at(at));
        let Some([_, influence]) = self.core.get().local(weights, 0) else { return };
        let influence = influence.side_by_side(slot, 0, self.rows);
        let factors = influence.chunks_exact(width).zip(signal.chunks_exact(untraced));
        for (delta, (influence, signal)) in self.carried.chunks_exact_mut(untraced).zip(factors) {
            for (delta, (&s, &l)) in delta.iter_mut().zip(influence[width - untraced..].iter().zip(signal)) {
                *delta = s * l;
            }
        }
    }
    /// Their gradient.
    fn add_untraced(&mut self, weights: Weights<'_, T>, slot: usize, at: usize, gradient: &mut [T]) {
        let (block, untraced) = (self.layout.weights, self.core.get().untraced());
        if untraced == 0 {
            return;
        }
        self.untraced_deltas(weights, slot, at);
        let delta = Rect::dense(&self.carried[..], self.rows, untraced);
        let activity = Rect::padded(self.activity[0].at(slot), self.rows, block.columns(), block.stride());
        let rows = block.rows() - untraced..block.rows();
        for run in runs(self.heard.at(at)) {
            // The deltas are of these rows alone.
            let (target, count) = (block.rows_mut(rows.clone(), gradient), run.len());
            let delta = Rect { data: &delta.data[run.start * untraced..], rows: count, ..delta };
            let activity =
                Rect { data: &activity.data[run.start * block.stride()..], rows: count, ..activity };
            add_transposed_times(target, delta, activity);
        }
    }
}
