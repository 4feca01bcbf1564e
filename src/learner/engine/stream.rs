//! A tape fed step by step: one slot with traces, or a window of slots.

use eligibility_kernels::Level;

use super::layer::Signals;
use super::setting::{Run, Setting};
use super::tape::{Context, Tape};
use crate::buffer::Buffer;
use crate::error::{Error, check_nonempty, check_size};
use crate::feedback::Feedback;
use crate::network::{Network, Shape};
use crate::prepared::Prepared;
use crate::readout::{Score, Target, check_targets};
use crate::scalar::Scalar;
use crate::slots::{OfRows, Visit};
use crate::state::{Carry, State};

mod fused;

/// Some parallel streams.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Streams<T: Scalar> {
    pub(crate) shape: Shape,
    pub(crate) feedback: Feedback<T>,
    prepared: Vec<Prepared<T>>,
    tape: Tape<T>,
    /// `[rows, features]`: what the top layer gave at the last step.
    features: Buffer<T>,
    /// `[readout stride]`: `[h_t; 1]` of a single row.
    readout_input: Buffer<T>,
    /// The slot after that of the last step; before it lie, in the order of time, those of a window.
    next: usize,
    started: bool,
    /// The traces have not taken the last step yet: they wait, so that it can be fused with a contraction.
    pending: bool,
    /// What is carried of a row: name and length of each slice.
    carried: Vec<(&'static str, usize)>,
}

impl<T: Scalar> Streams<T> {
    pub(crate) fn new(
        network: &Network<T>,
        rows: usize,
        setting: Setting,
        feedback: Feedback<T>,
    ) -> Result<Self, Error> {
        check_nonempty("number of streams", rows)?;
        let (shape, setting) = (network.shape(), Setting { stream: true, ..setting });
        feedback.check(&shape)?;
        let tape = Tape::zeros(&shape, rows, setting)?;
        let prepare = |layer| Prepared::zeros(layer, setting.purpose(rows));
        let prepared = shape.layout.layers().iter().map(prepare).collect();
        let features = Buffer::zeros(rows * shape.layout.features());
        let stride = shape.layout.readout().map_or(0, |block| block.stride());
        let mut streams = Self {
            shape,
            feedback,
            prepared,
            tape,
            features,
            readout_input: Buffer::zeros(stride),
            next: 0,
            started: false,
            pending: false,
            carried: Vec::new(),
        };
        streams.forget();
        let mut carried = Vec::new();
        let (slots, window) = (streams.tape.slots, streams.window());
        streams.visit(&mut |name, of_rows| {
            let (places, width) = of_rows.places();
            carried.push((name, if places == slots { window } else { places } * width));
        });
        streams.carried = carried;
        Ok(streams)
    }
    pub(crate) fn setting(&self) -> &Setting {
        &self.tape.setting
    }
    fn level(&self) -> Level {
        self.tape.setting.level
    }
    /// The slot of the last step.
    fn slot(&self) -> usize {
        self.next.saturating_sub(1)
    }
    /// Slots that a learning signal reaches.
    fn window(&self) -> usize {
        if let Run::Window(steps) = self.setting().run { steps } else { 1 }
    }
    /// Goes on to the next slot. At the end of the tape the window moves to its beginning: it lies in one piece, so that
    /// sums over it do not depend on where it lies.
    fn advance(&mut self) -> usize {
        let (slots, stays) = (self.tape.slots, self.window() - 1);
        if self.next == slots {
            self.tape.visit(&mut |_, of_rows| match of_rows {
                OfRows::Numbers(data, rows, width) if data.len() == slots * rows * width => {
                    data.copy_within((slots - stays) * rows * width.., 0);
                }
                OfRows::Marks(marks, rows) if marks.len() == slots * rows => {
                    marks.copy_within((slots - stays) * rows.., 0);
                }
                _ => {}
            });
            self.next = stays;
        }
        self.next += 1;
        self.next - 1
    }
    /// The loss is the mean over the streams.
    fn weight(&self) -> T {
        T::from_f64(1.0 / self.tape.rows as f64)
    }
    /// Forgets states and traces of all rows.
    fn forget(&mut self) {
        let rows = crate::sequences::Rows { start: 0, count: self.tape.rows };
        let weight = self.weight();
        for layer in &mut self.tape.layers {
            layer.start(None, rows);
            layer.row_weight = weight;
        }
        self.tape.marks.active.range_mut(0..self.tape.slots).fill(false);
        (self.next, self.started, self.pending) = (self.window() - 1, false, false);
    }

    /// Lets the last step reach the traces, with the decays of the step itself, whatever the weights are now.
    fn settle(&mut self, parameters: &[T]) {
        if std::mem::take(&mut self.pending) {
            let context = Context { parameters, prepared: &self.prepared, feedback: &self.feedback };
            self.tape.back_with_traces(context, 0..1, Signals::None, &mut []);
        }
    }

    /// One step; y_t.
    pub(crate) fn step(
        &mut self,
        network: &Network<T>,
        input: &[T],
        is_first: &[bool],
    ) -> Result<&[T], Error> {
        network.check_same_shape(&self.shape)?;
        let rows = self.tape.rows;
        check_size("input", rows * self.shape.layout.input(), input.len())?;
        check_size("is_first", rows, is_first.len())?;
        let (parameters, level) = (network.parameters(), self.level());
        self.settle(parameters);
        Prepared::refresh_layers(&mut self.prepared, level, parameters);
        let slot = self.advance();
        self.tape.marks.active.at_mut(slot).fill(true);
        self.tape.marks.first.at_mut(slot).copy_from_slice(is_first);
        self.tape.layers[0].take(slot, &self.tape.marks, input);
        let context = Context { parameters, prepared: &self.prepared, feedback: &self.feedback };
        self.tape.forward(context, slot..slot + 1);
        self.features.copy_from_slice(self.tape.top().values.at(0));
        (self.pending, self.started) = (self.setting().traces(), true);
        Ok(self.tape.outputs.forward(level, parameters, &self.features))
    }

    /// Scores y_t; the gradient of the loss.
    pub(crate) fn learn(
        &mut self,
        network: &Network<T>,
        targets: &[Target<'_, T>],
        gradient: &mut [T],
    ) -> Result<Score, Error> {
        check_size("gradient", self.shape.layout.len(), gradient.len())?;
        let score = self.score(network, targets)?;
        self.gradient(network.parameters(), gradient);
        Ok(score)
    }

    /// Scores the outputs of the last step and keeps their errors.
    fn score(&mut self, network: &Network<T>, targets: &[Target<'_, T>]) -> Result<Score, Error> {
        self.check_learn(network)?;
        check_size("targets", self.tape.rows, targets.len())?;
        check_targets(self.shape.readout.as_ref(), targets)?;
        let (mut score, weight, slot) = (Score::default(), self.weight(), self.slot());
        let goals = targets.iter().map(Target::goal);
        self.tape.outputs.score_rows(slot, goals, weight, &mut score);
        Ok(score)
    }

    /// The gradient for a given dE/dy_t.
    pub(crate) fn learn_from_error(
        &mut self,
        network: &Network<T>,
        output_error: &[T],
        gradient: &mut [T],
    ) -> Result<(), Error> {
        self.check_learn(network)?;
        check_size("gradient", self.shape.layout.len(), gradient.len())?;
        check_size("output error", self.tape.rows * self.shape.output(), output_error.len())?;
        let slot = self.slot();
        self.tape.outputs.set_errors(slot, output_error);
        self.gradient(network.parameters(), gradient);
        Ok(())
    }

    fn gradient(&mut self, parameters: &[T], gradient: &mut [T]) {
        self.feedback.before_update(&self.shape, parameters);
        let context = Context { parameters, prepared: &self.prepared, feedback: &self.feedback };
        if self.is_online() {
            // Every part is written once, instead of added to zeros.
            let level = self.level();
            self.tape.signals_alone(context);
            self.take_online(&mut |range, part| part.store(level, gradient, range));
            return;
        }
        gradient.fill(T::ZERO);
        let slot = self.slot();
        self.tape.outputs.add_gradient_of_rows(slot, &self.features, gradient);
        if let Run::Window(_) = self.setting().run {
            let window = slot + 1 - self.window()..slot + 1;
            self.tape.back(context, std::iter::once(window), true, gradient);
        } else {
            let signals = if std::mem::take(&mut self.pending) { Signals::New } else { Signals::Again };
            self.tape.back_with_traces(context, 0..1, signals, gradient);
        }
        self.tape.layers.iter().for_each(|layer| layer.scale_traced(gradient));
    }

    fn check_learn(&self, network: &Network<T>) -> Result<(), Error> {
        network.check_same_shape(&self.shape)?;
        if self.started { Ok(()) } else { Err(Error::NoStep) }
    }

    /// Begins anew from the states of the layers.
    pub(crate) fn start_from(&mut self, states: &[State<T>]) -> Result<(), Error> {
        let layers = self.shape.layout.layers();
        check_size("states (one for each layer)", layers.len(), states.len())?;
        for (layer, state) in layers.iter().zip(states) {
            state.check(&layer.cell, self.tape.rows)?;
        }
        self.forget();
        for (layer, state) in self.tape.layers.iter_mut().zip(states) {
            layer.state.copy_from(state);
        }
        Ok(())
    }

    pub(crate) fn after_update(&mut self, network: &mut Network<T>) -> Result<(), Error> {
        network.check_same_shape(&self.shape)?;
        self.feedback.after_update(&self.shape, network);
        Ok(())
    }
    pub(crate) fn output(&self) -> &[T] {
        let length = if self.started { self.tape.rows * self.shape.output() } else { 0 };
        &self.tape.outputs.output[..length]
    }
    pub(crate) fn features(&self) -> &[T] {
        &self.features[..if self.started { self.features.len() } else { 0 }]
    }
    /// dE/dx_t of the last learning signal.
    pub(crate) fn input_gradient(&self) -> &[T] {
        let gradient = &self.tape.input_gradient;
        if gradient.is_empty() { &[] } else { gradient.at(self.slot()) }
    }
    pub(crate) fn state(&self, layer: usize) -> Result<&State<T>, Error> {
        let largest = self.tape.layers.len() - 1;
        let found = self.tape.layers.get(layer).map(|layer| &layer.state);
        found.ok_or(Error::OutOfRange { what: "layer", index: 0, largest, found: layer })
    }

    /// Room for what is carried of a row.
    pub(crate) fn carry(&self) -> Carry<T> {
        let slice = |(index, (name, length)): (usize, &(&str, usize))| {
            (format!("{index:03}.{name}"), Buffer::zeros(*length))
        };
        Carry { slices: self.carried.iter().enumerate().map(slice).collect() }
    }
    /// Writes what is carried of a row. The traces of all rows take the last step first.
    pub(crate) fn save(&mut self, row: usize, carry: &mut Carry<T>) -> Result<(), Error> {
        self.check_carry(row, carry)?;
        self.settle(&[]);
        self.visit_row(row, &mut |index, first, of_row| {
            let slice = &mut carry.slices[index].1[first..];
            match of_row {
                OfRow::Numbers(numbers) => slice[..numbers.len()].copy_from_slice(numbers),
                OfRow::Mark(mark) => slice[0] = if *mark { T::ONE } else { T::ZERO },
            }
        });
        Ok(())
    }
    /// Reads what is carried of a row.
    pub(crate) fn restore(&mut self, row: usize, carry: &Carry<T>) -> Result<(), Error> {
        self.check_carry(row, carry)?;
        self.settle(&[]);
        self.visit_row(row, &mut |index, first, of_row| {
            let slice = &carry.slices[index].1[first..];
            match of_row {
                OfRow::Numbers(numbers) => numbers.copy_from_slice(&slice[..numbers.len()]),
                OfRow::Mark(mark) => *mark = slice[0] != T::ZERO,
            }
        });
        (self.next, self.started) = (self.next.max(self.window()), true);
        Ok(())
    }
    fn check_carry(&self, row: usize, carry: &Carry<T>) -> Result<(), Error> {
        let largest = self.tape.rows - 1;
        if row > largest {
            return Err(Error::OutOfRange { what: "row", index: 0, largest, found: row });
        }
        check_size("carry's number of slices", self.carried.len(), carry.slices.len())?;
        for ((_, expected), (_, found)) in self.carried.iter().zip(&carry.slices) {
            check_size("a slice of the carry", *expected, found.len())?;
        }
        Ok(())
    }
    /// Everything that belongs to a row: which slice of a carry it is, and where in that it begins. What a tape has of several
    /// slots comes in the order of the steps.
    fn visit_row(&mut self, row: usize, each: &mut dyn FnMut(usize, usize, OfRow<'_, T>)) {
        let (slots, window, mut index) = (self.tape.slots, self.window(), 0);
        let oldest = (self.slot() + 1).max(window) - window;
        self.visit(&mut |_, of_rows| {
            let (places, width) = of_rows.places();
            let of_window = if places == slots { oldest..oldest + window } else { 0..places };
            match of_rows {
                OfRows::Numbers(data, rows, _) => {
                    for (k, place) in of_window.enumerate().filter(|_| width > 0) {
                        let start = (place * rows + row) * width;
                        each(index, k * width, OfRow::Numbers(&mut data[start..start + width]));
                    }
                }
                OfRows::Marks(marks, rows) => {
                    for (k, place) in of_window.enumerate() {
                        each(index, k, OfRow::Mark(&mut marks[place * rows + row]));
                    }
                }
            }
            index += 1;
        });
    }
    fn visit(&mut self, visit: Visit<'_, T>) {
        let (rows, outputs) = (self.tape.rows, self.shape.output());
        let width = self.features.len() / rows;
        visit("features", OfRows::Numbers(&mut self.features, rows, width));
        visit("output", OfRows::Numbers(&mut self.tape.outputs.output[..rows * outputs], rows, outputs));
        self.tape.visit(visit);
    }
}

/// What belongs to a row at a slot.
enum OfRow<'a, T> {
    Numbers(&'a mut [T]),
    Mark(&'a mut bool),
}
