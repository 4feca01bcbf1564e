//! A batch of rows going forward one step through a layer: presynaptic activity, affine map, gates. Every learner is
//! built on it.
//!
//! ```text
//! (1) presynaptic = [x_t; h_{t-1}; 1]
//! (2) z = W presynaptic
//! (3) gates: z, c_{t-1} -> c_t, h_t and the local factors
//! ```
//!
//! A reset is `h_{t-1} = c_{t-1} = 0` in (1) and (3) and dc_t/dc_{t-1} = 0 in the factors: with that, traces and tapes
//! need no other word about it.

use eligibility_kernels::lstm_gates::{GATES, LstmGates};
use eligibility_kernels::{Level, Strided};

use crate::affine::{Beta, Rect, Scalar, reserve_workspace, times_transposed};
use crate::buffer::Buffer;
use crate::cells::LstmState;
use crate::error::{Error, checked_product};
use crate::layout::{Layout, LstmLayer};
use crate::learner::packed::{Packed, Weights};
use crate::sequences::{Rows, Sequences};

/// State and scratch of some batch rows.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Forward<T: Scalar> {
    layer: LstmLayer,
    pub(crate) state: LstmState<T>,
    /// `[ahead, rows, 4, hidden]`: of so many steps a single row's inputs are projected ahead.
    preactivation: Buffer<T>,
    ahead: usize,
    /// What the forget gate is multiplied with in the traces' recursion (`crate::extensions`).
    trace_decay: T,
    /// `[rows]`: rows whose sequence has not ended.
    pub(crate) active: Vec<bool>,
}

/// Steps a single row's inputs are projected ahead: enough for a matrix product, few enough for L1.
const AHEAD: usize = 16;

/// What steps leave behind for learning: presynaptic activity and local factors, `steps` of them.
///
/// Streaming keeps one step and overwrites it; a tape keeps all.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Factors<T: Scalar> {
    steps: usize,
    /// `[steps, rows, stride]`
    pub(crate) presynaptic: Buffer<T>,
    /// `[steps, rows, 4, hidden]`
    pub(crate) influence: Buffer<T>,
    /// `[steps, rows, hidden]`
    pub(crate) forget_gate: Buffer<T>,
    /// `[steps, rows, hidden]`
    pub(crate) dhidden_dcell: Buffer<T>,
}

/// What a layer's step takes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct StepInput<'a, T: Scalar> {
    pub(crate) sequences: &'a Sequences<'a, T>,
    pub(crate) rows: Rows,
    pub(crate) step: usize,
    /// `[rows, input]`: the hidden state below, if this is not the bottom layer.
    pub(crate) below: Option<&'a [T]>,
}

/// One step of [`Factors`].
#[derive(Debug)]
pub(crate) struct StepFactors<'a, T> {
    pub(crate) presynaptic: &'a mut [T],
    pub(crate) influence: &'a mut [T],
    pub(crate) forget_gate: &'a mut [T],
    pub(crate) dhidden_dcell: &'a mut [T],
}

impl<T: Scalar> Factors<T> {
    pub(crate) fn zeros(layer: &LstmLayer, rows: usize, steps: usize) -> Result<Self, Error> {
        let hidden = layer.lstm.hidden();
        let zeros =
            |per_row| checked_product("the learner's memory", &[steps, rows, per_row]).map(Buffer::zeros);
        Ok(Self {
            steps,
            presynaptic: zeros(layer.block.stride())?,
            influence: zeros(GATES * hidden)?,
            forget_gate: zeros(hidden)?,
            dhidden_dcell: zeros(hidden)?,
        })
    }
    pub(crate) fn at(&mut self, step: usize) -> StepFactors<'_, T> {
        let steps = self.steps;
        let part = |buffer: &'_ mut Buffer<T>| {
            let per_step = buffer.len() / steps;
            step * per_step..(step + 1) * per_step
        };
        let (p, i) = (part(&mut self.presynaptic), part(&mut self.influence));
        let (f, d) = (part(&mut self.forget_gate), part(&mut self.dhidden_dcell));
        StepFactors {
            presynaptic: &mut self.presynaptic[p],
            influence: &mut self.influence[i],
            forget_gate: &mut self.forget_gate[f],
            dhidden_dcell: &mut self.dhidden_dcell[d],
        }
    }
}

impl<T: Scalar> StepFactors<'_, T> {
    /// Makes a row contribute nothing and hand nothing on: a step of an episode that has been left, or after the end.
    pub(crate) fn forget(&mut self, row: usize, rows: usize) {
        for buffer in
            [&mut *self.presynaptic, &mut *self.influence, &mut *self.forget_gate, &mut *self.dhidden_dcell]
        {
            row_of(buffer, row, rows).fill(T::ZERO);
        }
    }
}

fn row_of<T>(buffer: &mut [T], row: usize, rows: usize) -> &mut [T] {
    let per_row = buffer.len() / rows;
    &mut buffer[row * per_row..(row + 1) * per_row]
}

impl<T: Scalar> Forward<T> {
    /// For `rows` rows and sequences of which up to `steps` steps are known ahead.
    pub(crate) fn zeros(layer: LstmLayer, rows: usize, steps: usize) -> Result<Self, Error> {
        let ahead = if rows == 1 { steps.min(AHEAD) } else { 1 };
        let preactivation =
            checked_product("the learner's memory", &[ahead, rows, GATES, layer.lstm.hidden()])?;
        reserve_workspace::<T>();
        Ok(Self {
            layer,
            state: LstmState::zeros(&layer.lstm, rows)?,
            preactivation: Buffer::zeros(preactivation),
            ahead,
            trace_decay: T::ONE,
            active: vec![true; rows],
        })
    }

    /// For factors of traces with this decay; the cell's own recursion stays as it is.
    pub(crate) fn with_trace_decay(self, decay: f64) -> Self {
        Self { trace_decay: T::from_f64(decay), ..self }
    }

    /// One for every layer, with room for the factors of one step.
    pub(crate) fn of_layers(layout: &Layout, rows: usize) -> Result<Vec<(Self, Factors<T>)>, Error> {
        let layer = |(index, &layer)| {
            let ahead = if index == 0 { usize::MAX } else { 1 };
            Ok((Self::zeros(layer, rows, ahead)?, Factors::zeros(&layer, rows, 1)?))
        };
        layout.lstms().iter().enumerate().map(layer).collect()
    }

    /// Step `step` of all layers; returns the top one's hidden state.
    pub(crate) fn advance_layers<'a>(
        layers: &'a mut [(Self, Factors<T>)],
        level: Level,
        weights: &[Packed<T>],
        sequences: &Sequences<'_, T>,
        rows: Rows,
        step: usize,
    ) -> &'a [T] {
        for (index, weights) in weights.iter().enumerate() {
            let (below, layers) = layers.split_at_mut(index);
            let below = below.last().map(|(below, _)| &below.state.hidden[..]);
            let (forward, factors) = &mut layers[0];
            forward.activate(sequences, rows, step);
            let input = StepInput { sequences, rows, step, below };
            forward.advance(level, Weights::Packed(weights), input, &mut factors.at(0));
        }
        &layers[layers.len() - 1].0.state.hidden
    }

    /// Sets the state from which the rows start: theirs of the batch's `initial`, or zero.
    pub(crate) fn start(&mut self, initial: Option<&LstmState<T>>, rows: Rows) {
        match initial {
            None => {
                self.state.cell.fill(T::ZERO);
                self.state.hidden.fill(T::ZERO);
            }
            Some(initial) => {
                let hidden = self.layer.lstm.hidden();
                let range = rows.start * hidden..(rows.start + rows.count) * hidden;
                self.state.cell[..range.len()].copy_from_slice(&initial.cell[range.clone()]);
                self.state.hidden[..range.len()].copy_from_slice(&initial.hidden[range]);
            }
        }
    }

    /// Marks the rows that are still running at `step`.
    pub(crate) fn activate(&mut self, sequences: &Sequences<'_, T>, rows: Rows, step: usize) {
        for (row, active) in self.active.iter_mut().enumerate() {
            *active = row < rows.count && step < sequences.length(rows.start + row);
        }
    }

    /// A step of the active rows; the others keep their state and factors. Steps come in order.
    pub(crate) fn advance(
        &mut self,
        level: Level,
        weights: Weights<'_, T>,
        input: StepInput<'_, T>,
        factors: &mut StepFactors<'_, T>,
    ) {
        let StepInput { sequences, rows, step, below } = input;
        // What is below is known one step at a time.
        let ahead = if below.is_some() { 0 } else { step % self.ahead };
        if let Weights::Packed(packed) = weights
            && packed.projects_ahead()
            && ahead == 0
        {
            let steps = self.ahead.min(sequences.steps() - step);
            let input = below.unwrap_or_else(|| sequences.inputs_of_one_row(step, steps));
            packed.project(input, &mut self.preactivation);
        }
        let input = below.unwrap_or_else(|| sequences.input(step, rows));
        let is_first = sequences.is_first(step, rows);
        self.step(level, weights, ahead, input, is_first, factors);
    }

    /// One step of the active rows; the others keep their state and factors.
    ///
    /// `input` is `[rows, input]`, `is_first` is `[rows]`. What was projected for this step lies `ahead` steps ahead.
    pub(crate) fn step(
        &mut self,
        level: Level,
        weights: Weights<'_, T>,
        ahead: usize,
        input: &[T],
        is_first: Option<&[bool]>,
        factors: &mut StepFactors<'_, T>,
    ) {
        let (inputs, hidden) = (self.layer.lstm.input(), self.layer.lstm.hidden());
        let block = self.layer.block;
        let resets = |row: usize| is_first.is_some_and(|mask| mask[row]);
        let LstmState { cell, hidden: hidden_state } = &mut self.state;
        let rows = self.active.len();
        for row in (0..rows).filter(|&row| self.active[row]) {
            let state = row * hidden..(row + 1) * hidden;
            if resets(row) {
                cell[state.clone()].fill(T::ZERO);
                hidden_state[state.clone()].fill(T::ZERO);
            }
            // (1)
            let presynaptic = &mut factors.presynaptic[row * block.stride()..];
            presynaptic[..inputs].copy_from_slice(&input[row * inputs..(row + 1) * inputs]);
            presynaptic[inputs..inputs + hidden].copy_from_slice(&hidden_state[state]);
            presynaptic[inputs + hidden] = T::ONE;
        }
        // (2)
        let per_step = rows * GATES * hidden;
        let z = &mut self.preactivation[ahead * per_step..(ahead + 1) * per_step];
        match weights {
            Weights::InPlace(parameters) => {
                let presynaptic = Rect::padded(&*factors.presynaptic, rows, block.columns(), block.stride());
                let target = Rect::dense(&mut *z, rows, GATES * hidden);
                times_transposed(target, Beta::Replace, presynaptic, block.matrix(parameters));
            }
            Weights::Packed(packed) if packed.projects_ahead() => {
                packed.map(level, rows, Strided { data: hidden_state, stride: hidden }, z);
            }
            Weights::Packed(packed) => {
                let input = Strided { data: &*factors.presynaptic, stride: block.stride() };
                packed.map(level, rows, input, z);
            }
        }
        // (3)
        level.run(LstmGates {
            nonlinearity: self.layer.lstm.nonlinearity(),
            active: &self.active,
            preactivation: z,
            cell,
            hidden: hidden_state,
            influence: &mut *factors.influence,
            forget_gate: &mut *factors.forget_gate,
            dhidden_dcell: &mut *factors.dhidden_dcell,
        });
        for row in (0..rows).filter(|&row| self.active[row]) {
            let forget_gate = &mut factors.forget_gate[row * hidden..(row + 1) * hidden];
            if resets(row) {
                forget_gate.fill(T::ZERO);
            } else if self.trace_decay != T::ONE {
                for f in forget_gate {
                    *f *= self.trace_decay;
                }
            }
        }
    }
}
