//! Cores: what each cell computes at a step, the local factors it leaves on the tape, and its step back.
//!
//! ```text
//! (1) p_t = W a_t        s_t, y_t = cell(p_t, s_{t-1})                  a_t = [x_t; 1], or [x_t; h_{t-1}; 1]
//! (2) A_t = ds_t/ds_{t-1}, as a unit's own state goes      u_t = ds_t/dp_t      D_t = dy_t/ds_t
//! (3) lambda_t = D_t^T dE/dy_t + A_{t+1}^T lambda_{t+1}     dE/dp_t = u_t lambda_t
//! ```
//!
//! A core knows one cell and nothing else: no learner, no traces, no other layer. Where the way back passes the recurrent
//! weights, (3) also has what they bring back.

use std::ops::Range;

use eligibility_kernels::Level;

use super::setting::{Cut, Setting};
use crate::affine::{Beta, Rect, times_transposed};
use crate::block::Block;
use crate::cells::Cell;
use crate::error::Error;
use crate::layout::Layer;
use crate::prepared::Prepared;
use crate::scalar::Scalar;
use crate::slots::{Local, Marks, Slots, Visit, clear};
use crate::state::State;

mod dense;
mod diagonal;
mod gru;
mod lstm;
mod rnn;

use dense::DenseCore;
use diagonal::DiagonalCore;
use gru::GruCore;
use lstm::LstmCore;
use rnn::RnnCore;

/// The weights of a layer, and what was prepared of them.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Weights<'a, T: Scalar> {
    pub(crate) level: Level,
    pub(crate) parameters: &'a [T],
    pub(crate) prepared: &'a Prepared<T>,
}

/// What is multiplied with the layer's blocks: `[slots, rows, stride]`, a_t, and `[h_{t-1}; 1]` of a block of its own.
pub(crate) type Activity<T> = [Slots<T>; 2];

/// A step back of some rows.
#[derive(Debug)]
pub(crate) struct StepBack<'a, T> {
    pub(crate) slot: usize,
    pub(crate) rows: Range<usize>,
    /// Of those rows: where a learning signal arrives, and where one of this or a later step reaches.
    pub(crate) heard: &'a [bool],
    pub(crate) live: &'a [bool],
    pub(crate) cut: Cut,
    /// Whether a step before this one is gone back to.
    pub(crate) goes_on: bool,
    /// `[those rows, output]`: dE/dy_t, to be read only where it is heard.
    pub(crate) signal: &'a [T],
    /// `[those rows, states]`: in what later steps bring to s_t, out what goes to `s_{t-1}`.
    pub(crate) carried: &'a mut [T],
    /// `[those rows, rows of the block]`: out dE/dp_t of each block, zero where nothing is live.
    pub(crate) deltas: [&'a mut [T]; 2],
    /// `[those rows, states]`: room for `D_t^T dE/dy_t`.
    pub(crate) state_signal: &'a mut [T],
    /// Whether the core's own parameters learn from it.
    pub(crate) learns: bool,
}

impl<T: Scalar> StepBack<'_, T> {
    /// The rows in which a learning signal arrives, with what they carry: `[width]` each.
    fn heard(&mut self) -> impl Iterator<Item = (&mut [T], &[T])> {
        let count = self.rows.len();
        let (carried, signal) = (self.carried.len() / count, self.signal.len() / count);
        let rows = self.carried.chunks_exact_mut(carried.max(1)).zip(self.signal.chunks_exact(signal));
        rows.zip(self.heard).filter(|(_, heard)| **heard).map(|(row, _)| row)
    }
    /// Adds dE/dy_t to what is carried, where y_t is the state.
    fn add_signal(&mut self) {
        for (carried, signal) in self.heard() {
            for (carried, &signal) in carried.iter_mut().zip(signal) {
                *carried += signal;
            }
        }
    }
}

/// A step forward.
#[derive(Debug)]
pub(crate) struct StepForward<'a, T: Scalar> {
    pub(crate) slot: usize,
    /// Where the slot's factors go: one place for all if nobody goes back.
    pub(crate) factors: usize,
    /// Which of the slots that were projected together it is.
    pub(crate) projected: usize,
    pub(crate) marks: &'a Marks,
    /// In `s_{t-1}`, out s_t.
    pub(crate) state: &'a mut State<T>,
    pub(crate) activity: &'a mut Activity<T>,
    /// `[rows, output]`: out y_t of the active rows.
    pub(crate) output: &'a mut [T],
}

impl<T: Scalar> StepForward<'_, T> {
    /// Zeros the state of rows that begin an episode.
    fn forget(&mut self) {
        let first = self.marks.first.at(self.slot);
        self.state.parts.iter_mut().for_each(|(_, part)| clear(first, true, part));
    }
}

/// p_t = W a_t of some slots into the first of `target`.
fn project<T: Scalar>(
    weights: Weights<'_, T>,
    block: Block,
    activity: &Slots<T>,
    slots: Range<usize>,
    target: &mut Slots<T>,
) {
    let activity = activity.matrix(slots.clone(), block.columns());
    let target = Rect::dense(target.range_mut(0..slots.len()), activity.rows, block.rows());
    let matrix = block.matrix(weights.parameters);
    times_transposed(weights.level, target, Beta::Replace, activity, matrix);
}

/// What a cell computes.
pub(crate) trait Core<T: Scalar> {
    /// Slots whose inputs are projected together, at most.
    fn ahead(&self) -> usize {
        usize::MAX
    }
    /// p_t of some slots, as far as the inputs alone decide it.
    fn project(&mut self, weights: Weights<'_, T>, activity: &Activity<T>, slots: Range<usize>);
    /// (1) and (2), after the projection of the slot.
    fn forward(&mut self, weights: Weights<'_, T>, step: StepForward<'_, T>);
    /// (3)
    fn back(&mut self, weights: Weights<'_, T>, step: StepBack<'_, T>);
    /// Makes ready for a way back.
    fn begin_back(&mut self) {}
    /// Ends what a row brings back to the step before.
    fn end_row(&mut self, _row: usize) {}
    /// `D_t^T` times some `[rows, output]`, into `[rows, states]`.
    fn state_signal(&self, _slot: usize, _rows: Range<usize>, signal: &[T], target: &mut [T]) {
        target.copy_from_slice(signal);
    }
    /// D_t `[slots, rows, states]`, if it is no constant.
    fn slope(&self) -> Option<&Slots<T>> {
        None
    }
    /// A_t and u_t of a block; none if the cell has no state.
    fn local<'a>(&'a self, _weights: Weights<'a, T>, _block: usize) -> Option<[Local<'a, T>; 2]> {
        None
    }
    /// Rows at the end of the first block that act on the output alone, and need no trace.
    fn untraced(&self) -> usize {
        0
    }
    /// dE/dp_t `[slots, rows, rows of the first block]`, if the way back leaves it where the factors were.
    fn delta_in_place(&self) -> Option<&Slots<T>> {
        None
    }
    fn delta_in_place_mut(&mut self) -> Option<&mut Slots<T>> {
        None
    }
    /// I_t = ds_t/dq `[slots, rows, P, states]` of P parameters of each unit.
    fn immediate(&self) -> Option<&Slots<T>> {
        None
    }
    /// dE/dq so far, `[P, units]`.
    fn unit_gradient(&mut self) -> &mut [T] {
        &mut []
    }
    /// What y_t has of x_t directly brings back its learning signal: adds it to dE/dx_t `[rows, input]`.
    fn pass_skip(&self, _signal: &[T], _heard: &[bool], _below: &mut [T]) {}
    /// Shows everything that belongs to rows.
    fn visit(&mut self, visit: Visit<'_, T>);
}

/// Any core.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum AnyCore<T: Scalar> {
    Lstm(Box<LstmCore<T>>),
    Gru(Box<GruCore<T>>),
    Rnn(Box<RnnCore<T>>),
    Diagonal(Box<DiagonalCore<T>>),
    Dense(Box<DenseCore<T>>),
}

impl<T: Scalar> AnyCore<T> {
    pub(crate) fn zeros(layer: &Layer, rows: usize, setting: &Setting) -> Result<Self, Error> {
        Ok(match layer.cell {
            Cell::Lstm(cell) => Self::Lstm(Box::new(LstmCore::zeros(cell, layer, rows, setting)?)),
            Cell::Gru(cell) => Self::Gru(Box::new(GruCore::zeros(cell, layer, rows, setting)?)),
            Cell::Rnn(cell) => Self::Rnn(Box::new(RnnCore::zeros(cell, layer, rows, setting)?)),
            Cell::Dense(cell) => Self::Dense(Box::new(DenseCore::zeros(cell, layer, rows, setting)?)),
            Cell::Rtu(_) | Cell::OnlineLru(_) | Cell::BlockDiagonal(_) | Cell::MinGru(_) | Cell::Elstm(_) => {
                Self::Diagonal(Box::new(DiagonalCore::zeros(layer, rows, setting)?))
            }
        })
    }
    pub(crate) fn get(&self) -> &dyn Core<T> {
        match self {
            Self::Lstm(core) => core.as_ref(),
            Self::Gru(core) => core.as_ref(),
            Self::Rnn(core) => core.as_ref(),
            Self::Diagonal(core) => core.as_ref(),
            Self::Dense(core) => core.as_ref(),
        }
    }
    pub(crate) fn get_mut(&mut self) -> &mut dyn Core<T> {
        match self {
            Self::Lstm(core) => core.as_mut(),
            Self::Gru(core) => core.as_mut(),
            Self::Rnn(core) => core.as_mut(),
            Self::Diagonal(core) => core.as_mut(),
            Self::Dense(core) => core.as_mut(),
        }
    }
}
