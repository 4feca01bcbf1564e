//! Numbers and marks of rows at the slots of a tape.
//!
//! A *slot* is a place in time on the tape, a *place* a row at a slot. Everything a tape holds is `[slots, rows, width]`.

use std::ops::Range;

use eligibility_kernels::Strided;

use crate::affine::Rect;
use crate::buffer::Buffer;
use crate::error::{Error, checked_product};
use crate::scalar::Scalar;

/// `[slots, rows, width]`
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Slots<T: Scalar> {
    data: Buffer<T>,
    rows: usize,
    width: usize,
}

impl<T: Scalar> Slots<T> {
    pub(crate) fn zeros(slots: usize, rows: usize, width: usize) -> Result<Self, Error> {
        let length = checked_product("the learner's memory", &[slots, rows, width])?;
        Ok(Self { data: Buffer::zeros(length), rows, width })
    }
    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.data.is_empty()
    }
    #[inline]
    fn span(&self, slots: Range<usize>) -> Range<usize> {
        let per_slot = self.rows * self.width;
        slots.start * per_slot..slots.end * per_slot
    }
    /// `[rows, width]` of one slot.
    #[inline]
    pub(crate) fn at(&self, slot: usize) -> &[T] {
        self.range(slot..slot + 1)
    }
    #[inline]
    pub(crate) fn at_mut(&mut self, slot: usize) -> &mut [T] {
        self.range_mut(slot..slot + 1)
    }
    /// `[slots, rows, width]` of some slots.
    #[inline]
    pub(crate) fn range(&self, slots: Range<usize>) -> &[T] {
        &self.data[self.span(slots)]
    }
    #[inline]
    pub(crate) fn range_mut(&mut self, slots: Range<usize>) -> &mut [T] {
        let span = self.span(slots);
        &mut self.data[span]
    }
    /// Some rows of one slot.
    #[inline]
    pub(crate) fn rows(&self, slot: usize, rows: Range<usize>) -> &[T] {
        &self.at(slot)[rows.start * self.width..rows.end * self.width]
    }
    #[inline]
    pub(crate) fn rows_mut(&mut self, slot: usize, rows: Range<usize>) -> &mut [T] {
        let width = self.width;
        &mut self.at_mut(slot)[rows.start * width..rows.end * width]
    }
    /// The rows of some slots as a matrix, of which the first `columns` count.
    #[inline]
    pub(crate) fn matrix(&self, slots: Range<usize>, columns: usize) -> Rect<&[T]> {
        let places = slots.len() * self.rows;
        Rect::padded(self.range(slots), places, columns, self.width)
    }
    /// For whoever reads several rows or several slots at a stride.
    #[inline]
    pub(crate) fn local(&self) -> Local<'_, T> {
        Local { data: &self.data, slot: self.rows * self.width, row: self.width }
    }
    pub(crate) fn fill(&mut self, value: T) {
        self.data.fill(value);
    }
    /// Everything, for whoever saves rows.
    pub(crate) fn parts(&mut self) -> (&mut [T], usize, usize) {
        (&mut self.data, self.rows, self.width)
    }
}

/// Numbers of a row at a slot, wherever they lie; of a constant at the same place for all.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Local<'a, T> {
    data: &'a [T],
    /// Elements from one slot, or row, to the next.
    slot: usize,
    row: usize,
}

impl<'a, T> Local<'a, T> {
    /// The same at all places.
    #[inline]
    pub(crate) fn constant(data: &'a [T]) -> Self {
        Self { data, slot: 0, row: 0 }
    }
    /// `[rows, width]`: the same at all slots.
    #[inline]
    pub(crate) fn of_rows(data: &'a [T], width: usize) -> Self {
        Self { data, slot: 0, row: width }
    }
    /// The rows of a slot, from `first` on.
    #[inline]
    pub(crate) fn rows(self, slot: usize, first: usize) -> Strided<'a, T> {
        Strided { data: &self.data[slot * self.slot + first * self.row..], stride: self.row }
    }
    /// The slots of a row, from `first` on.
    #[inline]
    pub(crate) fn of_row(self, row: usize, first: usize) -> Strided<'a, T> {
        Strided { data: &self.data[first * self.slot + row * self.row..], stride: self.slot }
    }
    /// `count` rows of a slot from `first` on, side by side.
    #[inline]
    pub(crate) fn side_by_side(self, slot: usize, first: usize, count: usize) -> &'a [T] {
        &self.data[slot * self.slot + first * self.row..][..count * self.row]
    }
}

/// `[slots, rows]`: a mark at each place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Mask {
    rows: usize,
    marks: Vec<bool>,
}

impl Mask {
    pub(crate) fn new(slots: usize, rows: usize) -> Self {
        Self { rows, marks: vec![false; slots * rows] }
    }
    /// `[rows]` of one slot.
    #[inline]
    pub(crate) fn at(&self, slot: usize) -> &[bool] {
        self.range(slot..slot + 1)
    }
    #[inline]
    pub(crate) fn at_mut(&mut self, slot: usize) -> &mut [bool] {
        self.range_mut(slot..slot + 1)
    }
    /// `[slots, rows]` of some slots.
    #[inline]
    pub(crate) fn range(&self, slots: Range<usize>) -> &[bool] {
        &self.marks[slots.start * self.rows..slots.end * self.rows]
    }
    #[inline]
    pub(crate) fn range_mut(&mut self, slots: Range<usize>) -> &mut [bool] {
        &mut self.marks[slots.start * self.rows..slots.end * self.rows]
    }
    /// Everything, for whoever saves rows.
    pub(crate) fn parts(&mut self) -> (&mut [bool], usize) {
        (&mut self.marks, self.rows)
    }
}

/// A buffer or mask that belongs to rows, by name, for whoever saves or restores one.
pub(crate) enum OfRows<'a, T> {
    /// `[any, rows, width]`
    Numbers(&'a mut [T], usize, usize),
    /// `[any, rows]`
    Marks(&'a mut [bool], usize),
}

impl<T> OfRows<'_, T> {
    /// How many places a row has, and the width of each.
    pub(crate) fn places(&self) -> (usize, usize) {
        match self {
            Self::Numbers(data, rows, width) => (data.len().checked_div(rows * width).unwrap_or(0), *width),
            Self::Marks(marks, rows) => (marks.len() / rows, 1),
        }
    }
}

/// Visits everything that belongs to rows.
pub(crate) type Visit<'v, T> = &'v mut dyn FnMut(&'static str, OfRows<'_, T>);

/// Shows numbers of rows to a visit.
pub(crate) fn show<T: Scalar>(visit: Visit<'_, T>, name: &'static str, slots: &mut Slots<T>) {
    let (data, rows, width) = slots.parts();
    visit(name, OfRows::Numbers(data, rows, width));
}

/// Shows marks of rows to a visit.
pub(crate) fn show_marks<T: Scalar>(visit: Visit<'_, T>, name: &'static str, mask: &mut Mask) {
    let (marks, rows) = mask.parts();
    visit(name, OfRows::Marks(marks, rows));
}

/// Which places of a tape there are: rows end, and episodes begin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Marks {
    /// Rows that take the step.
    pub(crate) active: Mask,
    /// Rows that begin an episode with the step.
    pub(crate) first: Mask,
    /// `[rows]`: whether the row goes on after the last slot.
    pub(crate) goes_on: Vec<bool>,
}

impl Marks {
    pub(crate) fn new(slots: usize, rows: usize) -> Self {
        let mask = || Mask::new(slots, rows);
        Self { active: mask(), first: mask(), goes_on: vec![true; rows] }
    }
}

/// Zeros the rows of `rows` whose mark is `value`.
pub(crate) fn clear<T: Scalar>(marks: &[bool], value: bool, rows: &mut [T]) {
    // Usually there is none, which is seen at once.
    if !marks.contains(&value) {
        return;
    }
    let width = rows.len() / marks.len();
    for (row, _) in marks.iter().enumerate().filter(|(_, mark)| **mark == value) {
        rows[row * width..(row + 1) * width].fill(T::ZERO);
    }
}

/// The longest runs of marks that are set.
pub(crate) fn runs(marks: &[bool]) -> impl Iterator<Item = Range<usize>> + '_ {
    let mut next = 0;
    std::iter::from_fn(move || {
        let start = next + marks[next..].iter().position(|&mark| mark)?;
        let length = marks[start..].iter().position(|&mark| !mark).unwrap_or(marks.len() - start);
        next = start + length;
        Some(start..next)
    })
}

/// Multiplies all of some numbers with a factor.
pub(crate) fn scale<T: Scalar>(numbers: &mut [T], factor: T) {
    for number in numbers {
        *number *= factor;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_are_as_long_as_can_be() {
        let runs_of = |marks: &[bool]| runs(marks).collect::<Vec<_>>();
        assert_eq!(runs_of(&[true, true, false, true]), [0..2, 3..4]);
        assert_eq!(runs_of(&[false, true, false, true]), [1..2, 3..4]);
        assert_eq!(runs_of(&[]), []);
    }
}
