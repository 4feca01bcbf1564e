//! The way back over a window, layer by layer from the top: through everything, or through the cell.
//!
//! Equations: `crate::learner::window`.

use std::ops::Range;

use eligibility_kernels::lstm_gates::GATES;

use super::{Pass, Span, Window, ends, last};
use crate::affine::{Rect, Scalar};
use crate::extensions::Echo;
use crate::feedback::Feedback;
use crate::learner::carried::Episode;
use crate::learner::packed::PackedBack;
use crate::readout::weights;

impl<T: Scalar> Window<T> {
    /// L_t of the top layer at the steps `chunk`, where there is a target at every step.
    fn signals(&mut self, chunk: Range<usize>, feedback: Rect<&[T]>) {
        let per_step = self.rows * self.shape.readout.output();
        let errors = &self.errors[chunk.start * per_step..chunk.end * per_step];
        self.output.error[..errors.len()].copy_from_slice(errors);
        self.signal_top(chunk.len(), feedback);
    }

    /// L of the top layer for the errors of `steps` steps that `output` holds.
    fn signal_top(&mut self, steps: usize, feedback: Rect<&[T]>) {
        let top = self.layers.len() - 1;
        let layer = &mut self.layers[top];
        let units = layer.units();
        self.output.signal(&mut layer.signal[..steps * units], feedback);
    }

    /// (1) to (5) for BPTT, from the last step to the first.
    pub(super) fn back_through_everything(
        &mut self,
        pass: Pass<'_, T>,
        span: Span,
        recurrent: &[PackedBack<T>],
        gradient: &mut [T],
    ) {
        let Pass { parameters, sequences, rows, .. } = pass;
        let (top, every_step) = (self.layers.len() - 1, sequences.every_step());
        let readout = weights(self.shape.layout.readout(), parameters);
        if !every_step {
            self.signal_top(1, readout);
        }
        for layer in &mut self.layers {
            layer.begin_back();
        }
        for start in (0..span.steps).step_by(self.chunk).rev() {
            let chunk = start..span.steps.min(start + self.chunk);
            if every_step {
                self.signals(chunk.clone(), readout);
            }
            for index in (0..=top).rev() {
                let (below, layers) = self.layers.split_at_mut(index);
                let layer = &mut layers[0];
                // Layers below the top one hear from the one above at every step.
                let learns = |step: usize, row: usize| {
                    index < top || sequences.has_target(span.first + step, rows.start + row)
                };
                let each_step = every_step || index < top;
                layer.scan_back(pass, span.first, chunk.clone(), each_step, learns, &recurrent[index]);
                if let Some(below) = below.last_mut() {
                    layer.pass_down(parameters, chunk.clone(), &mut below.signal);
                }
                layer.add_weight_gradient(chunk.clone(), 0..GATES, gradient);
            }
        }
    }

    /// (1) to (5) for e-prop, row by row, from the last step to the first; the traces go on to the next window.
    pub(super) fn back_through_cell(
        &mut self,
        pass: Pass<'_, T>,
        span: Span,
        feedback: &Feedback<T>,
        gradient: &mut [T],
    ) {
        let Pass { level, parameters, sequences, .. } = pass;
        let (every_step, ends) = (sequences.every_step(), ends(pass, span));
        let feedback = feedback.matrix(&self.shape, parameters);
        for layer in &mut self.layers {
            layer.begin_back();
        }
        if !every_step && ends {
            self.signal_top(1, feedback);
            for index in (1..self.layers.len()).rev() {
                let lasts = (0..self.rows).map(|row| last(pass, span, row));
                let (below, layers) = self.layers.split_at_mut(index);
                let below = &mut below[index - 1].signal;
                layers[0].pass_down_instantaneous(level, parameters, lasts, below);
            }
        }
        for start in (0..span.steps).step_by(self.chunk).rev() {
            let chunk = start..span.steps.min(start + self.chunk);
            if every_step {
                self.signals(chunk.clone(), feedback);
            }
            for index in (0..self.layers.len()).rev() {
                let rows = self.rows;
                if let (true, Some((layer, [.., below]))) =
                    (every_step, self.layers[..=index].split_last_mut())
                {
                    let steps = chunk.clone().flat_map(|step| std::iter::repeat_n(Some(step), rows));
                    layer.pass_down_instantaneous(level, parameters, steps, &mut below.signal);
                }
                self.layer_back_through_cell(pass, span, index, chunk.clone(), ends, gradient);
            }
        }
    }

    /// (1) to (4) for e-prop and one layer, whose signals are known.
    fn layer_back_through_cell(
        &mut self,
        pass: Pass<'_, T>,
        span: Span,
        index: usize,
        chunk: Range<usize>,
        ends: bool,
        gradient: &mut [T],
    ) {
        let Span { first, steps } = span;
        let (layer, every_step) = (&mut self.layers[index], pass.sequences.every_step());
        let hidden = layer.units() / self.rows;
        for row in 0..pass.rows.count {
            let length = pass.sequences.length(pass.rows.start + row);
            if length <= first {
                continue; // It has ended: its factors are zero, its trace is of no use, whatever it holds.
            }
            let end = last(pass, span, row);
            let goes_on = length > first + steps;
            if let Some(carried) = layer.carried.as_mut().filter(|_| goes_on) {
                let heard = match self.extensions.echo {
                    Echo::Literal { .. } => targets_end(pass, span, row),
                    _ => 0,
                };
                let episode = Episode {
                    counts_from: heard.max(self.episode[row]),
                    goes_back: self.reaches_back[row] && self.episode[row] == 0,
                };
                carried.prepare(pass.level, &layer.factors, row, steps, first == 0);
                carried.prepare_sum(pass.level, &layer.factors, row, steps, episode);
            }
            let learns = every_step || end.is_some();
            if learns {
                layer.scan_row_back(pass, first, row, chunk.clone(), end);
            }
            if let Some(carried) = &mut layer.carried {
                let part = row * hidden..(row + 1) * hidden;
                let reaches = learns && self.reaches_back[row];
                if let Some(echo) = layer.echo.get(part.clone()).filter(|_| reaches) {
                    carried.learn_echo(pass.level, row, echo, gradient);
                }
                if goes_on {
                    carried.advance_sum(pass.level, &layer.factors, row, steps);
                }
                let signal = reaches.then(|| &layer.cell_gradient[part]);
                carried.advance(pass.level, &layer.factors, row, steps, goes_on, signal, gradient);
            }
            if ends && !learns {
                // Its factors are no gradients, and (4) is for all rows.
                layer.forget(row, chunk.clone());
            }
        }
        if every_step {
            layer.add_weight_gradient(chunk, 0..GATES, gradient);
        } else if ends {
            layer.add_weight_gradient(chunk.clone(), 0..GATES - 1, gradient);
            for step in chunk {
                let ends_here = (0..pass.rows.count).any(|row| last(pass, span, row) == Some(step));
                if ends_here {
                    layer.add_weight_gradient(step..step + 1, GATES - 1..GATES, gradient);
                }
            }
        }
    }
}

/// One more than the last step of the window at which the row has a target; 0 if it has none.
fn targets_end<T: Scalar>(pass: Pass<'_, T>, span: Span, row: usize) -> usize {
    let has_target = |&step: &usize| pass.sequences.has_target(span.first + step, pass.rows.start + row);
    (0..span.steps).rev().find(has_target).map_or(0, |step| step + 1)
}
