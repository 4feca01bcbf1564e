//! Which cells of a tape there are: rows end, and episodes begin.

use std::ops::Range;

use crate::affine::Scalar;
use crate::sequences::{Rows, Sequences};

/// `[slots, rows]` each.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Marks {
    rows: usize,
    active: Vec<bool>,
    first: Vec<bool>,
}

impl Marks {
    pub(super) fn zeros(rows: usize, slots: usize) -> Self {
        Self { rows, active: vec![false; rows * slots], first: vec![false; rows * slots] }
    }
    /// Those of `sequences` at `step`.
    pub(super) fn set<T: Scalar>(
        &mut self,
        slot: usize,
        sequences: &Sequences<'_, T>,
        rows: Rows,
        step: usize,
    ) {
        let is_first = sequences.is_first(step, rows);
        for row in 0..self.rows {
            let active = row < rows.count && step < sequences.length(rows.start + row);
            self.active[slot * self.rows + row] = active;
            self.first[slot * self.rows + row] = active && is_first.is_some_and(|mask| mask[row]);
        }
    }
    /// Every row goes on, and those of `is_first` begin an episode.
    pub(super) fn set_running(&mut self, slot: usize, is_first: &[bool]) {
        self.active[slot * self.rows..][..self.rows].fill(true);
        self.first[slot * self.rows..][..self.rows].copy_from_slice(is_first);
    }
    /// `[rows]`: rows that take the step.
    pub(super) fn active(&self, slot: usize) -> &[bool] {
        &self.active[slot * self.rows..][..self.rows]
    }
    /// `[rows]`: rows that begin an episode with the step.
    pub(super) fn first(&self, slot: usize) -> &[bool] {
        &self.first[slot * self.rows..][..self.rows]
    }
    /// As if a row had not been there before slot `begin`.
    pub(super) fn forget(&mut self, row: usize, begin: usize) {
        for slot in 0..begin {
            self.active[slot * self.rows + row] = false;
        }
    }
    /// Moves some slots to the front.
    pub(super) fn shift(&mut self, slots: Range<usize>) {
        let cells = slots.start * self.rows..slots.end * self.rows;
        self.active.copy_within(cells.clone(), 0);
        self.first.copy_within(cells, 0);
    }
    /// Fills the `[rows, width]` of rows that begin an episode with the step.
    pub(super) fn clear_first<T: Scalar>(&self, slot: usize, rows: &mut [T]) {
        clear(self.first(slot), true, rows);
    }
    /// Fills the `[rows, width]` of rows that do not take the step.
    pub(super) fn clear_ended<T: Scalar>(&self, slot: usize, rows: &mut [T]) {
        clear(self.active(slot), false, rows);
    }
}

/// Zeros the rows of `rows` whose mark is `value`.
fn clear<T: Scalar>(marks: &[bool], value: bool, rows: &mut [T]) {
    let width = rows.len() / marks.len();
    if width == 0 {
        return;
    }
    for (row, _) in rows.chunks_exact_mut(width).zip(marks).filter(|(_, mark)| **mark == value) {
        row.fill(T::ZERO);
    }
}
