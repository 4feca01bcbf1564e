//! dE/dp_t of the cells of a tape.

use std::ops::Range;

use crate::affine::Scalar;
use crate::buffer::Buffer;
use crate::error::{Error, checked_product};
use crate::learner::tape::Purpose;

/// dE/dp_t on a tape: of the last way back, and added up over several if the tape is for windows.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Deltas<T: Scalar> {
    /// Elements of a slot.
    width: usize,
    last: Buffer<T>,
    /// Empty unless the tape is for windows.
    sum: Buffer<T>,
}

impl<T: Scalar> Deltas<T> {
    pub(super) fn zeros(width: usize, slots: usize, purpose: Purpose) -> Result<Self, Error> {
        let length = checked_product("the learner's memory", &[slots, width])?;
        let zeros = |there: bool| Buffer::zeros(if there { length } else { 0 });
        Ok(Self { width, last: zeros(purpose != Purpose::Forward), sum: zeros(purpose == Purpose::Window) })
    }
    fn range(&self, slots: Range<usize>) -> Range<usize> {
        slots.start * self.width..slots.end * self.width
    }
    /// Of the last way back.
    pub(super) fn last(&self, slots: Range<usize>) -> &[T] {
        &self.last[self.range(slots)]
    }
    pub(super) fn last_mut(&mut self, slots: Range<usize>) -> &mut [T] {
        let range = self.range(slots);
        &mut self.last[range]
    }
    /// Takes the last way back into the sum, if there is one.
    pub(super) fn add_up(&mut self, slots: Range<usize>) {
        if !self.sum.is_empty() {
            let range = self.range(slots);
            for (sum, &last) in self.sum[range.clone()].iter_mut().zip(&self.last[range]) {
                *sum += last;
            }
        }
    }
    /// All that has not been taken yet: hands it to `take`, and forgets it.
    pub(super) fn take(&mut self, slots: Range<usize>, take: impl FnOnce(&[T])) {
        let range = self.range(slots);
        if self.sum.is_empty() {
            take(&self.last[range]);
        } else {
            take(&self.sum[range.clone()]);
            self.sum[range].fill(T::ZERO);
        }
    }
    /// Moves some slots to the front; what becomes free is zero.
    pub(super) fn shift(&mut self, slots: Range<usize>) {
        let range = self.range(slots);
        if !self.sum.is_empty() {
            let kept = range.len();
            self.sum.copy_within(range, 0);
            self.sum[kept..].fill(T::ZERO);
        }
    }
}
