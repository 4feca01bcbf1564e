//! What learning signals do in a layer: with the steps on the tape, with traces, and below.
//!
//! Equations: `crate::learner::engine::layer`, `crate::learner::engine::traces`.

use std::ops::Range;

use super::Layer;
use crate::affine::{Beta, Rect, add_transposed_times, times};
use crate::block::Block;
use crate::extensions::Echo;
use crate::learner::engine::core::{StepBack, Weights};
use crate::learner::engine::setting::Cut;
use crate::learner::engine::traces::{RowOfBlock, StepSignal, Sweep};
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

    /// The same for traces, and the steps of the traces themselves. All slots are one block.
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
            let (target, count) = (rows_of(block, rows.clone(), gradient), run.len());
            let delta = Rect { data: &delta.data[run.start * untraced..], rows: count, ..delta };
            let activity =
                Rect { data: &activity.data[run.start * block.stride()..], rows: count, ..activity };
            add_transposed_times(target, delta, activity);
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
                    product((block, all.clone()), places, delta, activity, gradient);
                }
                continue;
            }
            // What acts on the output alone learns where a signal arrives, and nowhere else.
            let untraced = self.core.get().untraced();
            let untraced = if self.cut == Cut::Recurrence && index == 0 { untraced } else { 0 };
            let hears = |at: usize| self.heard.at(at).contains(&true);
            if untraced == 0 || chunk.clone().all(hears) {
                product((block, all), 0..activity.rows, delta, activity, gradient);
            } else {
                let traced = block.rows() - untraced;
                product((block, 0..traced), 0..activity.rows, delta, activity, gradient);
                for at in chunk.clone().filter(|&at| hears(at)) {
                    let places = at * rows..(at + 1) * rows;
                    product((block, traced..block.rows()), places, delta, activity, gradient);
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
    fn add_unit_gradient(&mut self, gradient: &mut [T]) {
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

/// Some rows of a block of a gradient.
fn rows_of<T>(block: Block, rows: Range<usize>, gradient: &mut [T]) -> Rect<&mut [T]> {
    let stride = block.stride();
    let part = &mut gradient[block.range()][rows.start * stride..rows.end * stride];
    Rect::padded(part, rows.len(), block.columns(), stride)
}

/// Adds `sum over some places of delta activity^T` to some rows of a block.
fn product<T: Scalar>(
    (block, rows): (Block, Range<usize>),
    places: Range<usize>,
    delta: Rect<&[T]>,
    activity: Rect<&[T]>,
    gradient: &mut [T],
) {
    let delta = Rect {
        data: &delta.data[places.start * delta.stride + rows.start..],
        rows: places.len(),
        columns: rows.len(),
        ..delta
    };
    let activity =
        Rect { data: &activity.data[places.start * activity.stride..], rows: places.len(), ..activity };
    add_transposed_times(rows_of(block, rows, gradient), delta, activity);
}
