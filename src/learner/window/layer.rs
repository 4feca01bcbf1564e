//! One layer of a window: what its steps leave behind, and the ways back over it. Equations: `crate::learner::window`.
//!
//! A trace echo adds, to the learning signal of every step for the gates that have a trace (`crate::extensions`),
//!
//! ```text
//! (6) alpha sum over t >= s of L_t        modulated         alpha        literal, if there is a target at some t >= s
//! ```

use std::ops::Range;

use eligibility_kernels::Level;
use eligibility_kernels::lstm_gates::{GATES, LstmGatesBackward};

use super::{Pass, Span};
use crate::affine::{Beta, Rect, Scalar, add_transposed_times, times};
use crate::buffer::Buffer;
use crate::error::{Error, checked_product};
use crate::extensions::{Echo, Extensions};
use crate::layout::LstmLayer;
use crate::learner::carried::Carried;
use crate::learner::forward::{Factors, Forward, StepInput};
use crate::learner::packed::{Packed, PackedBack, Weights};

/// A layer's part of a window.
#[derive(Clone, Debug)]
pub(super) struct LayerWindow<T: Scalar> {
    layer: LstmLayer,
    rows: usize,
    /// `[rows]`: all of them.
    all: Vec<bool>,
    pub(super) forward: Forward<T>,
    pub(super) factors: Factors<T>,
    pub(super) carried: Option<Carried<T>>,
    extensions: Extensions,
    /// `[rows, hidden]`: what a trace echo adds to the learning signals of a step; empty without an echo.
    pub(super) echo: Buffer<T>,
    /// `[chunk, rows, hidden]`: L_t of a chunk's steps, or `[rows, hidden]`: of each row's last.
    pub(super) signal: Buffer<T>,
    /// `[rows, hidden]`: dE/dh_t.
    hidden_gradient: Buffer<T>,
    /// `[rows, hidden]`: f_{t+1} dE/dc_{t+1}.
    pub(super) cell_gradient: Buffer<T>,
    /// `[chunk, rows, 4, hidden]`: dE/dz_t at the step alone, for (5) of e-prop; empty in the bottom layer.
    instantaneous: Buffer<T>,
}

impl<T: Scalar> LayerWindow<T> {
    /// For `rows` rows, so many steps, and so many of them a chunk; `above` another layer or not.
    pub(super) fn zeros(
        layer: LstmLayer,
        above: bool,
        rows: usize,
        [steps, chunk]: [usize; 2],
        traces: bool,
        extensions: Extensions,
    ) -> Result<Self, Error> {
        let units = rows * layer.lstm.hidden();
        let ahead = if above { 1 } else { steps };
        let signal = checked_product("the learner's memory", &[chunk, units])?;
        Ok(Self {
            layer,
            rows,
            all: vec![true; rows],
            forward: Forward::zeros(layer, rows, ahead)?.with_trace_decay(extensions.scaling.decay),
            factors: Factors::zeros(&layer, rows, steps)?,
            carried: traces.then(|| Carried::zeros(layer, rows, steps, extensions)).transpose()?,
            extensions,
            echo: Buffer::zeros(if extensions.echoes() { units } else { 0 }),
            signal: Buffer::zeros(signal),
            hidden_gradient: Buffer::zeros(units),
            cell_gradient: Buffer::zeros(units),
            instantaneous: Buffer::zeros(if above { GATES * signal } else { 0 }),
        })
    }

    /// Elements of a step of states and signals.
    pub(super) fn units(&self) -> usize {
        self.rows * self.layer.lstm.hidden()
    }

    /// Makes a row contribute nothing at some steps.
    pub(super) fn forget(&mut self, row: usize, steps: Range<usize>) {
        for step in steps {
            self.factors.at(step).forget(row, self.rows);
        }
    }

    /// A step forward, on what is `below` unless this is the bottom layer.
    pub(super) fn advance(
        &mut self,
        pass: Pass<'_, T>,
        weights: &Packed<T>,
        below: Option<&[T]>,
        span: Span,
        step: usize,
    ) {
        let mut factors = self.factors.at(step);
        for row in (0..self.rows).filter(|&row| !self.forward.active[row]) {
            factors.forget(row, self.rows);
        }
        let Pass { level, sequences, rows, .. } = pass;
        let input = StepInput { sequences, rows, step: span.first + step, below };
        self.forward.advance(level, Weights::Packed(weights), input, &mut factors);
    }

    /// Makes ready for a way back.
    pub(super) fn begin_back(&mut self) {
        self.hidden_gradient.fill(T::ZERO);
        self.cell_gradient.fill(T::ZERO);
        self.echo.fill(T::ZERO);
    }

    /// (1) to (3) for BPTT over the steps `chunk`, from the last to the first: the factors become dE/dz. There are
    /// learning signals where `learns(step, row)`; in `signal` one step for each of the chunk's, or the same for all.
    pub(super) fn scan_back(
        &mut self,
        pass: Pass<'_, T>,
        first: usize,
        chunk: Range<usize>,
        signal_each_step: bool,
        learns: impl Fn(usize, usize) -> bool,
        recurrent: &PackedBack<T>,
    ) {
        let (hidden, units) = (self.layer.lstm.hidden(), self.units());
        for step in chunk.clone().rev() {
            // (1)
            let at = if signal_each_step { (step - chunk.start) * units } else { 0 };
            let signals = self.signal[at..at + units].chunks_exact(hidden);
            let pairs = signals.zip(self.hidden_gradient.chunks_exact_mut(hidden)).take(pass.rows.count);
            for (row, (signal, dh)) in pairs.enumerate() {
                if learns(step, row) {
                    for (dh, &signal) in dh.iter_mut().zip(signal) {
                        *dh += signal;
                    }
                }
            }
            // (2) and (3)
            let factors = self.factors.at(step);
            pass.level.run(LstmGatesBackward {
                active: &self.all,
                hidden_gradient: &self.hidden_gradient,
                forget_gate: factors.forget_gate,
                dhidden_dcell: factors.dhidden_dcell,
                cell_gradient: &mut self.cell_gradient,
                influence: &mut *factors.influence,
            });
            if step > 0 {
                recurrent.map(pass.level, self.rows, factors.influence, &mut self.hidden_gradient);
            }
            if let Some(is_first) = pass.sequences.is_first(first + step, pass.rows) {
                let resets = self.hidden_gradient.chunks_exact_mut(hidden).zip(is_first);
                for (dh, _) in resets.filter(|(_, first)| **first) {
                    dh.fill(T::ZERO);
                }
            }
        }
    }

    /// (1) to (3) for e-prop, for one row: its factors over the steps `chunk` become dE/dz. `last` is the row's last
    /// step, where that is the only one with a target.
    pub(super) fn scan_row_back(
        &mut self,
        pass: Pass<'_, T>,
        first: usize,
        row: usize,
        chunk: Range<usize>,
        last: Option<usize>,
    ) {
        let Pass { level, sequences, rows, .. } = pass;
        let (hidden, units) = (self.layer.lstm.hidden(), self.units());
        let part = |per_unit: usize| row * per_unit * hidden..(row + 1) * per_unit * hidden;
        let silent = &mut self.hidden_gradient[..hidden];
        silent.fill(T::ZERO);
        for step in chunk.clone().rev() {
            let hidden_gradient = if sequences.every_step() {
                &self.signal[(step - chunk.start) * units..][part(1)]
            } else if last == Some(step) {
                &self.signal[part(1)]
            } else {
                &*silent
            };
            let factors = self.factors.at(step);
            if let Some(echo) = self.echo.get_mut(part(1)) {
                // (6)
                let alpha = T::from_f64(self.extensions.echo.alpha());
                match self.extensions.echo {
                    Echo::Literal { .. } => {
                        if sequences.has_target(first + step, rows.start + row) {
                            echo.fill(alpha / T::from_f64(sequences.batch() as f64));
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
                active: &[true],
                hidden_gradient,
                forget_gate: &factors.forget_gate[part(1)],
                dhidden_dcell: &factors.dhidden_dcell[part(1)],
                cell_gradient: &mut self.cell_gradient[part(1)],
                influence: &mut factors.influence[part(GATES)],
            });
        }
    }

    /// (5) for e-prop, before the scan back: `below` `[cells, input]` from the signals of some cells, `[cells, hidden]`.
    /// `steps` says at which step a cell's factors lie, if it has a signal; cells of a step lie row by row.
    pub(super) fn pass_down_instantaneous(
        &mut self,
        level: Level,
        parameters: &[T],
        steps: impl Iterator<Item = Option<usize>>,
        below: &mut [T],
    ) {
        let (rows, hidden) = (self.rows, self.layer.lstm.hidden());
        let signals = self.signal.chunks_exact(hidden);
        let cells = self.instantaneous.chunks_exact_mut(GATES * hidden).zip(signals);
        let mut count = 0;
        for (cell, ((dz, signal), step)) in cells.zip(steps).enumerate() {
            count += 1;
            let Some(step) = step else {
                dz.fill(T::ZERO);
                continue;
            };
            let (factors, row) = (self.factors.at(step), cell % rows);
            let part = |per_unit: usize| row * per_unit * hidden..(row + 1) * per_unit * hidden;
            dz.copy_from_slice(&factors.influence[part(GATES)]);
            // Nothing comes from later steps, and nothing goes to earlier ones.
            let alone = &mut self.hidden_gradient[..hidden];
            alone.fill(T::ZERO);
            level.run(LstmGatesBackward {
                active: &[true],
                hidden_gradient: signal,
                forget_gate: &factors.forget_gate[part(1)],
                dhidden_dcell: &factors.dhidden_dcell[part(1)],
                cell_gradient: alone,
                influence: dz,
            });
        }
        let dz = Rect::dense(&self.instantaneous[..count * GATES * hidden], count, GATES * hidden);
        let input = self.layer.lstm.input();
        let below = Rect::dense(&mut below[..count * input], count, input);
        times(below, Beta::Replace, dz, self.layer.input_weights(parameters));
    }

    /// (5) for BPTT, after the scan back over `chunk`.
    pub(super) fn pass_down(&self, parameters: &[T], chunk: Range<usize>, below: &mut [T]) {
        let (cells, width, input) =
            (chunk.len() * self.rows, GATES * self.layer.lstm.hidden(), self.layer.lstm.input());
        let dz = &self.factors.influence[chunk.start * self.rows * width..][..cells * width];
        let below = Rect::dense(&mut below[..cells * input], cells, input);
        times(below, Beta::Replace, Rect::dense(dz, cells, width), self.layer.input_weights(parameters));
    }

    /// (4) for the steps `chunk` and the gates `gates`.
    pub(super) fn add_weight_gradient(&self, chunk: Range<usize>, gates: Range<usize>, gradient: &mut [T]) {
        let (block, hidden) = (self.layer.block, self.layer.lstm.hidden());
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
}
