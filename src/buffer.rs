//! Storage: a vector of elements that starts on a cache line.

use std::fmt;
use std::ops::{Deref, DerefMut};

use bytemuck::Zeroable;

use crate::scalar::Scalar;

/// Elements of `T` in one 64-byte cache line.
pub(crate) const fn per_line<T>() -> usize {
    64 / size_of::<T>()
}

/// `columns` rounded up to whole cache lines: the stride at which rows of a padded matrix lie.
pub(crate) const fn padded<T>(columns: usize) -> usize {
    columns.next_multiple_of(per_line::<T>())
}

/// Cache lines from one place of staggered buffers to the next.
const STAGGER: usize = 17;

/// A fixed number of elements whose first lies on a cache line, zero at construction.
///
/// A slice in all other respects; `Clone`, comparable, no interior mutability.
///
/// ```
/// let mut buffer = eligibility::Buffer::<f32>::zeros(3);
/// buffer[1] = 2.0;
/// assert_eq!(&buffer[..], [0.0, 2.0, 0.0]);
/// assert_eq!(buffer.as_ptr() as usize % 64, 0);
/// ```
pub struct Buffer<T: Scalar> {
    lines: Vec<T::CacheLine>,
    /// Elements before the first.
    skipped: usize,
    length: usize,
}

impl<T: Scalar> Buffer<T> {
    /// `length` zeros.
    ///
    /// # Panics
    ///
    /// If that is more than memory can address, as `vec!` does.
    #[must_use]
    pub fn zeros(length: usize) -> Self {
        Self::staggered(0, length)
    }
    /// `length` zeros for a loop that goes through several buffers side by side, each with a `place` of its own from 0 on:
    /// they begin `place` times a quarter of a page and a cache line behind the start of their memory.
    ///
    /// Large memory starts on a page, and what lies equally far into its page competes for one set of the first-level
    /// cache.
    ///
    /// # Panics
    ///
    /// As [`Buffer::zeros`].
    #[must_use]
    pub fn staggered(place: usize, length: usize) -> Self {
        let skipped = place * STAGGER;
        let lines = vec![T::CacheLine::zeroed(); skipped + length.div_ceil(per_line::<T>())];
        Self { lines, skipped: skipped * per_line::<T>(), length }
    }
}

impl<T: Scalar> Deref for Buffer<T> {
    type Target = [T];
    fn deref(&self) -> &[T] {
        &bytemuck::cast_slice(&self.lines)[self.skipped..][..self.length]
    }
}

impl<T: Scalar> DerefMut for Buffer<T> {
    fn deref_mut(&mut self) -> &mut [T] {
        &mut bytemuck::cast_slice_mut(&mut self.lines)[self.skipped..][..self.length]
    }
}

// By hand: derived ones would ask for the same of the memory behind, in a bound that everybody sees.
impl<T: Scalar> Clone for Buffer<T> {
    fn clone(&self) -> Self {
        Self { lines: self.lines.clone(), ..*self }
    }
}

impl<T: Scalar> fmt::Debug for Buffer<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

impl<T: Scalar> PartialEq for Buffer<T> {
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}
