//! A tape: layers by slots. Forward over some slots, and back.
//!
//! ```text
//! (1) a_t = [x_t; 1]      s_t, y_t = cell(W a_t, s_{t-1})          layer after layer; y_t is the next layer's x_t
//! (2) dE/dy_t of the top layer: from the readout, through its weights or feedback weights; of others: dE/dx_t of the one above
//! ```

use std::ops::Range;

use super::core::Weights;
use super::layer::{Layer, Signals};
use super::output::Outputs;
use super::setting::Setting;
use crate::affine::{Beta, Rect, reserve_workspace};
use crate::error::Error;
use crate::extensions::Echo;
use crate::feedback::Feedback;
use crate::network::Shape;
use crate::prepared::Prepared;
use crate::scalar::Scalar;
use crate::sequences::{Rows, Sequences};
use crate::slots::{Marks, Mask, Slots, Visit, show, show_marks};

/// What does not change while some rows go through a tape.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Context<'a, T: Scalar> {
    pub(crate) parameters: &'a [T],
    /// One for each layer.
    pub(crate) prepared: &'a [Prepared<T>],
    pub(crate) feedback: &'a Feedback<T>,
}

/// The tape of some batch rows.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Tape<T: Scalar> {
    pub(crate) shape: Shape,
    pub(crate) setting: Setting,
    pub(crate) rows: usize,
    pub(crate) slots: usize,
    pub(crate) chunk: usize,
    pub(crate) layers: Vec<Layer<T>>,
    pub(crate) marks: Marks,
    pub(crate) outputs: Outputs<T>,
    /// `[slots, rows, input]`: dE/dx_t; empty unless asked for.
    pub(crate) input_gradient: Slots<T>,
}

impl<T: Scalar> Tape<T> {
    /// Of `rows` rows.
    pub(crate) fn zeros(shape: &Shape, rows: usize, setting: Setting) -> Result<Self, Error> {
        reserve_workspace::<T>(setting.level);
        let (slots, chunk) = (setting.slots(rows), setting.chunk(rows));
        let layer = |(index, layer)| Layer::zeros(layer, index > 0 || setting.input_gradient, rows, &setting);
        let literal = matches!(setting.extensions.echo, Echo::Literal { .. });
        let errors = if setting.learns() { slots } else { 0 };
        let inputs = if setting.input_gradient { slots } else { 0 };
        Ok(Self {
            layers: shape.layout.layers().iter().enumerate().map(layer).collect::<Result<_, _>>()?,
            marks: Marks::new(slots, rows),
            outputs: Outputs::zeros(shape, [errors, chunk, rows], literal)?,
            input_gradient: Slots::zeros(inputs, rows, shape.layout.input())?,
            shape: shape.clone(),
            setting,
            rows,
            slots,
            chunk,
        })
    }

    pub(crate) fn weights<'a>(&self, context: Context<'a, T>, index: usize) -> Weights<'a, T> {
        let Context { parameters, prepared, .. } = context;
        Weights { level: self.setting.level, parameters, prepared: &prepared[index] }
    }
    pub(crate) fn top(&self) -> &Layer<T> {
        self.layers.last().expect("a network has a layer")
    }

    /// Forgets states and traces; rows start from what `sequences` say.
    pub(crate) fn start(&mut self, sequences: &Sequences<'_, T>, rows: Rows) {
        for (index, layer) in self.layers.iter_mut().enumerate() {
            layer.start(sequences.initial(index), rows);
            layer.row_weight = T::from_f64(1.0 / sequences.batch() as f64);
        }
    }

    /// (1) for slots whose marks and inputs are set: what the top layer gives is in its first values.
    pub(crate) fn forward(&mut self, context: Context<'_, T>, slots: Range<usize>) {
        for index in 0..self.layers.len() {
            let weights = self.weights(context, index);
            let (below, layers) = self.layers.split_at_mut(index);
            if let Some(below) = below.last() {
                for slot in slots.clone() {
                    layers[0].take(slot, &self.marks, below.values.at(slot - slots.start));
                }
            }
            layers[0].forward(weights, &self.marks, slots.clone());
        }
    }

    /// Makes ready for a way back. A stream has the dE/dx_t of the last one alone, a batch the sum over all.
    fn begin_back(&mut self) {
        self.layers.iter_mut().for_each(Layer::begin_back);
        if self.setting.stream {
            self.input_gradient.fill(T::ZERO);
        }
    }

    /// B, `[output, features]`, if there is a readout.
    fn feedback<'a>(&self, context: Context<'a, T>) -> Option<Rect<&'a [T]>> {
        context.feedback.matrix(&self.shape, context.parameters)
    }

    /// Gives the top layer the signals that the outputs have at some slots; with `only`, those of that slot alone.
    fn hear(&mut self, context: Context<'_, T>, slots: Range<usize>, only: Option<usize>) {
        let feedback = self.feedback(context);
        let top = self.layers.last_mut().expect("a network has a layer");
        let chunk = 0..slots.len();
        let heard = self.outputs.heard.range(slots.clone());
        let target = top.heard.range_mut(chunk.clone());
        target.copy_from_slice(heard);
        if let Some(only) = only {
            for slot in slots.clone().filter(|&slot| slot != only) {
                top.heard.at_mut(slot - slots.start).fill(false);
            }
        }
        if top.heard.range(chunk.clone()).contains(&true) {
            let values = top.values.range_mut(chunk);
            self.outputs.signals(feedback, slots, values);
        }
    }

    /// The way back over a chunk of slots: top layer first.
    fn back_over(
        &mut self,
        context: Context<'_, T>,
        (slots, last): (Range<usize>, bool),
        signals: Signals,
        gradient: &mut [T],
    ) {
        for index in (0..self.layers.len()).rev() {
            let weights = self.weights(context, index);
            let layer = &mut self.layers[index];
            let traced = layer.traced;
            if signals != Signals::None {
                layer.alone(weights, slots.clone());
                if !traced {
                    layer.learn(weights, &self.marks, (slots.clone(), last), gradient);
                }
                self.pass_down(weights, index, slots.clone());
            }
            if traced {
                let layer = &mut self.layers[index];
                layer.learn_with_traces(weights, &self.marks, slots.clone(), signals, gradient);
            }
        }
    }

    /// Learning signals of the only slot for all layers, and nothing else.
    pub(crate) fn signals_alone(&mut self, context: Context<'_, T>) {
        self.begin_back();
        self.hear(context, 0..1, None);
        for index in (0..self.layers.len()).rev() {
            let weights = self.weights(context, index);
            let layer = &mut self.layers[index];
            layer.alone(weights, 0..1);
            if !layer.traced {
                layer.scan(weights, &self.marks, (0..1, true), 0..self.rows);
            }
            self.pass_down(weights, index, 0..1);
        }
    }

    /// dE/dx_t of a layer, for the one below or for whoever asked for it.
    fn pass_down(&mut self, weights: Weights<'_, T>, index: usize, slots: Range<usize>) {
        let (below, layers) = self.layers.split_at_mut(index);
        if let Some(below) = below.last_mut() {
            let target = below.values.range_mut(0..slots.len());
            layers[0].pass_down(weights, slots, Beta::Replace, target, Some(&mut below.heard));
        } else if !self.input_gradient.is_empty() {
            let target = self.input_gradient.range_mut(slots.clone());
            layers[0].pass_down(weights, slots, Beta::Add, target, None::<&mut Mask>);
        }
    }

    /// The way back over slots in use, run after run from the last: from all their signals, or from those of the first
    /// run's last slot alone.
    pub(crate) fn back(
        &mut self,
        context: Context<'_, T>,
        runs: impl IntoIterator<Item = Range<usize>>,
        only_last: bool,
        gradient: &mut [T],
    ) {
        self.begin_back();
        let mut only = None;
        let mut runs = runs.into_iter().filter(|run| !run.is_empty()).peekable();
        while let Some(run) = runs.next() {
            if only_last && only.is_none() {
                only = Some(run.end - 1);
            }
            let mut end = run.end;
            while end > run.start {
                // Chunks of a batch lie where they lay on the way forward; those of a window end with it.
                let start = if only_last {
                    end.saturating_sub(self.chunk).max(run.start)
                } else {
                    run.start + (end - run.start - 1) / self.chunk * self.chunk
                };
                let last = start == run.start && runs.peek().is_none();
                self.hear(context, start..end, only);
                self.back_over(context, (start..end, last), Signals::New, gradient);
                end = start;
            }
            if only_last && !self.layers.iter().any(Layer::is_live) {
                return;
            }
        }
    }

    /// The same for a block with traces, which take their steps even if there are no signals.
    pub(crate) fn back_with_traces(
        &mut self,
        context: Context<'_, T>,
        slots: Range<usize>,
        signals: Signals,
        gradient: &mut [T],
    ) {
        self.begin_back();
        if signals != Signals::None {
            self.hear(context, slots.clone(), None);
        }
        self.back_over(context, (slots, true), signals, gradient);
    }

    /// What ways back have added up over some slots.
    pub(crate) fn leave(&mut self, slots: Range<usize>, gradient: &mut [T]) {
        self.layers.iter_mut().for_each(|layer| layer.add_gradient(slots.clone(), gradient));
    }

    /// Shows everything that belongs to rows.
    pub(crate) fn visit(&mut self, visit: Visit<'_, T>) {
        show_marks(visit, "active", &mut self.marks.active);
        show_marks(visit, "first", &mut self.marks.first);
        show(visit, "input gradient", &mut self.input_gradient);
        self.layers.iter_mut().for_each(|layer| layer.visit(visit));
    }
}
