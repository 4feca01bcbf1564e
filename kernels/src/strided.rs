//! Slices at equal distances in a larger one: steps of a sequence, rows of a batch.

use core::ops::Range;

/// Slices at a stride: number `i` starts at `data[i * stride]`. Their length is the user's to say.
#[derive(Clone, Copy, Debug)]
pub struct Strided<'a, T> {
    /// All of them.
    pub data: &'a [T],
    /// Elements from one to the next.
    pub stride: usize,
}

impl<'a, T> Strided<'a, T> {
    /// A part of slice `index`.
    #[inline(always)]
    pub(crate) fn at(&self, index: usize, part: Range<usize>) -> &'a [T] {
        &self.data[index * self.stride..][part]
    }
    /// # Panics
    ///
    /// If one of `count` slices of `length` elements would lie beyond the data.
    #[track_caller]
    pub(crate) fn check(&self, what: &str, count: usize, length: usize) {
        let needed = count.checked_sub(1).map_or(0, |last| last * self.stride + length);
        let (found, stride) = (self.data.len(), self.stride);
        assert!(
            found >= needed,
            "{what} has {found} elements where {count} slices of {length} at stride {stride} need {needed}"
        );
    }
}
