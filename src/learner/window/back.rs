//! The way back over a window: equations (1) to (4) of `crate::learner::window`, through everything or through the cell.
//!
//! A trace echo adds, to the learning signal of every step for the gates that have a trace (`crate::extensions`),
//!
//! ```text
//! (5) alpha sum over t >= s of L_t        modulated         alpha        literal, if there is a target at some t >= s
//! ```

use std::ops::Range;

use eligibility_kernels::lstm_gates::{GATES, LstmGatesBackward};

use super::{Pass, Window, ends, last};
use crate::affine::{Rect, Scalar, add_transposed_times};
use crate::extensions::Echo;
use crate::learner::carried::Episode;
use crate::learner::packed::PackedBack;
use crate::readout::weights;

impl<T: Scalar> Window<T> {
    /// L_t of the steps `chunk` into `hidden`, where there is a target at every step.
    fn signals(&mut self, chunk: Range<usize>, feedback: Rect<&[T]>) {
        let per_step = self.rows * self.shape.readout.output();
        let errors = &self.errors[chunk.start * per_step..chunk.end * per_step];
        self.output.error[..errors.len()].copy_from_slice(errors);
        let units = self.rows * self.shape.lstm.hidden();
        self.output.signal(&mut self.hidden[..chunk.len() * units], feedback);
    }

    /// (4) for the steps `chunk` and the gates `gates`.
    fn add_weight_gradient(&self, chunk: Range<usize>, gates: Range<usize>, gradient: &mut [T]) {
        let (block, hidden) = (self.shape.layout.lstm(), self.shape.lstm.hidden());
        let cells = chunk.len() * self.rows;
        let (width, stride) = (GATES * hidden, block.stride());
        let first = chunk.start * self.rows;
        let dz = &self.factors.influence[first * width + gates.start * hidden..];
        let presynaptic = &self.factors.presynaptic[first * stride..];
        let gradient =
            &mut gradient[block.range()][gates.start * hidden * stride..gates.end * hidden * stride];
        add_transposed_times(
            Rect::padded(gradient, gates.len() * hidden, block.columns(), stride),
            Rect::padded(dz, cells, gates.len() * hidden, width),
            Rect::padded(presynaptic, cells, block.columns(), stride),
        );
    }

    /// (1) to (4) for BPTT, from the last step to the first.
    pub(super) fn back_through_everything(
        &mut self,
        pass: Pass<'_, T>,
        first: usize,
        steps: usize,
        recurrent: &PackedBack<T>,
        gradient: &mut [T],
    ) {
        let Pass { level, parameters, sequences, rows, .. } = pass;
        let shape = self.shape;
        let hidden = shape.lstm.hidden();
        let units = self.rows * hidden;
        let readout = weights(&shape.layout, parameters);
        if !sequences.every_step() {
            self.output.signal(&mut self.hidden[..units], readout);
        }
        self.hidden_gradient.fill(T::ZERO);
        self.cell_gradient.fill(T::ZERO);
        for start in (0..steps).step_by(self.chunk).rev() {
            let chunk = start..steps.min(start + self.chunk);
            if sequences.every_step() {
                self.signals(chunk.clone(), readout);
            }
            for step in chunk.clone().rev() {
                // (1)
                let at = if sequences.every_step() { (step - start) * units } else { 0 };
                let signals = self.hidden[at..at + units].chunks_exact(hidden);
                let pairs = signals.zip(self.hidden_gradient.chunks_exact_mut(hidden)).take(rows.count);
                for (row, (signal, dh)) in pairs.enumerate() {
                    if sequences.has_target(first + step, rows.start + row) {
                        for (dh, &signal) in dh.iter_mut().zip(signal) {
                            *dh += signal;
                        }
                    }
                }
                // (2) and (3): the factors become dE/dz
                let factors = self.factors.at(step);
                level.run(LstmGatesBackward {
                    rows: self.rows,
                    hidden_gradient: &self.hidden_gradient,
                    forget_gate: factors.forget_gate,
                    dhidden_dcell: factors.dhidden_dcell,
                    cell_gradient: &mut self.cell_gradient,
                    influence: &mut *factors.influence,
                });
                if step > 0 {
                    recurrent.map(level, self.rows, factors.influence, &mut self.hidden_gradient);
                }
                if let Some(is_first) = sequences.is_first(first + step, rows) {
                    let resets = self.hidden_gradient.chunks_exact_mut(hidden).zip(is_first);
                    for (dh, _) in resets.filter(|(_, first)| **first) {
                        dh.fill(T::ZERO);
                    }
                }
            }
            self.add_weight_gradient(chunk, 0..GATES, gradient);
        }
    }

    /// (1) to (4) for e-prop, row by row, from the last step to the first; the traces go on to the next window.
    pub(super) fn back_through_cell(
        &mut self,
        pass: Pass<'_, T>,
        first: usize,
        steps: usize,
        feedback: Rect<&[T]>,
        gradient: &mut [T],
    ) {
        let (every_step, ends) = (pass.sequences.every_step(), ends(pass, first, steps));
        let units = self.rows * self.shape.lstm.hidden();
        if !every_step && ends {
            self.output.signal(&mut self.hidden[..units], feedback);
        }
        self.cell_gradient.fill(T::ZERO);
        self.echo.fill(T::ZERO);
        for start in (0..steps).step_by(self.chunk).rev() {
            let chunk = start..steps.min(start + self.chunk);
            if every_step {
                self.signals(chunk.clone(), feedback);
            }
            for row in 0..pass.rows.count {
                let length = pass.sequences.length(pass.rows.start + row);
                if length <= first {
                    continue; // It has ended: its factors are zero, its trace is of no use, whatever it holds.
                }
                let last = last(pass, first, steps, row);
                let goes_on = length > first + steps;
                if let Some(carried) = self.carried.as_mut().filter(|_| goes_on) {
                    let heard = match self.extensions.echo {
                        Echo::Literal { .. } => targets_end(pass, first, steps, row),
                        _ => 0,
                    };
                    let episode = Episode {
                        counts_from: heard.max(self.episode[row]),
                        goes_back: self.reaches_back[row] && self.episode[row] == 0,
                    };
                    carried.prepare(pass.level, &self.factors, row, steps, first == 0);
                    carried.prepare_sum(pass.level, &self.factors, row, steps, episode);
                }
                let learns = every_step || last.is_some();
                if learns {
                    self.scan_row_back(pass, first, row, chunk.clone(), last);
                } else if ends {
                    // Its factors are not gradients, and (4) is for all rows.
                    for step in chunk.clone() {
                        let width = GATES * self.shape.lstm.hidden();
                        self.factors.at(step).influence[row * width..(row + 1) * width].fill(T::ZERO);
                    }
                }
                if let Some(carried) = &mut self.carried {
                    let part = row * units / self.rows..(row + 1) * units / self.rows;
                    let reaches = learns && self.reaches_back[row];
                    if let Some(echo) = self.echo.get(part.clone()).filter(|_| reaches) {
                        carried.learn_echo(pass.level, row, echo, gradient);
                    }
                    if goes_on {
                        carried.advance_sum(pass.level, &self.factors, row, steps);
                    }
                    let signal = reaches.then(|| &self.cell_gradient[part]);
                    carried.advance(pass.level, &self.factors, row, steps, goes_on, signal, gradient);
                }
            }
            if every_step {
                self.add_weight_gradient(chunk, 0..GATES, gradient);
            } else if ends {
                self.add_weight_gradient(chunk.clone(), 0..GATES - 1, gradient);
                for step in chunk {
                    let ends_here = (0..self.rows).any(|row| last(pass, first, steps, row) == Some(step));
                    if ends_here {
                        self.add_weight_gradient(step..step + 1, GATES - 1..GATES, gradient);
                    }
                }
            }
        }
    }

    /// (1) to (3) of one row over the steps `chunk`: its factors become dE/dz.
    fn scan_row_back(
        &mut self,
        pass: Pass<'_, T>,
        first: usize,
        row: usize,
        chunk: Range<usize>,
        last: Option<usize>,
    ) {
        let Pass { level, sequences, rows, .. } = pass;
        let every_step = sequences.every_step();
        let (hidden, units) = (self.shape.lstm.hidden(), self.rows * self.shape.lstm.hidden());
        let part = |per_unit: usize| row * per_unit * hidden..(row + 1) * per_unit * hidden;
        let silent = &mut self.hidden_gradient[..hidden];
        silent.fill(T::ZERO);
        for step in chunk.clone().rev() {
            let hidden_gradient = if every_step {
                &self.hidden[(step - chunk.start) * units..][part(1)]
            } else if last == Some(step) {
                &self.hidden[part(1)]
            } else {
                &*silent
            };
            let factors = self.factors.at(step);
            if let Some(echo) = self.echo.get_mut(part(1)) {
                let alpha = T::from_f64(self.extensions.echo.alpha());
                match self.extensions.echo {
                    Echo::Literal { .. } => {
                        if sequences.has_target(first + step, rows.start + row) {
                            echo.fill(alpha * self.output.weight);
                        }
                    }
                    _ => echo.iter_mut().zip(hidden_gradient).for_each(|(echo, &l)| *echo += alpha * l),
                }
                let slopes = &factors.dhidden_dcell[part(1)];
                for ((dc, &echo), &slope) in self.cell_gradient[part(1)].iter_mut().zip(&*echo).zip(slopes) {
                    *dc += echo * slope;
                }
                if sequences.is_first(first + step, rows).is_some_and(|is_first| is_first[row]) {
                    echo.fill(T::ZERO);
                }
            }
            level.run(LstmGatesBackward {
                rows: 1,
                hidden_gradient,
                forget_gate: &factors.forget_gate[part(1)],
                dhidden_dcell: &factors.dhidden_dcell[part(1)],
                cell_gradient: &mut self.cell_gradient[part(1)],
                influence: &mut factors.influence[part(GATES)],
            });
        }
    }
}

/// One more than the last step of the window at which the row has a target; 0 if it has none.
fn targets_end<T: Scalar>(pass: Pass<'_, T>, first: usize, steps: usize, row: usize) -> usize {
    let has_target = |&step: &usize| pass.sequences.has_target(first + step, pass.rows.start + row);
    (0..steps).rev().find(has_target).map_or(0, |step| step + 1)
}
