//! Planes: slices of one value per unit, one after another, and the sweep over the units of a row.
//!
//! The body and the tail of a sweep run the same step: the loop over whole vectors stays free of the copies that a part
//! of a vector needs.

use crate::lanes::Lanes;
use crate::lanes::several::{SIDE, Several};
use crate::real::Real;

/// The units that one step of a sweep holds: a whole vector if `FULL`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Part<const FULL: bool> {
    units: usize,
    start: usize,
    end: usize,
}

impl<const FULL: bool> Part<FULL> {
    /// These units of plane number `plane`.
    #[inline(always)]
    pub(crate) fn load<V: Lanes>(self, token: V::Token, planes: &[V::Element], plane: usize) -> V {
        V::load_part::<FULL>(token, &planes[plane * self.units..][self.start..self.end])
    }
    /// Overwrites them.
    #[inline(always)]
    pub(crate) fn store<V: Lanes>(self, vector: V, planes: &mut [V::Element], plane: usize) {
        vector.store_part::<FULL>(&mut planes[plane * self.units..][self.start..self.end]);
    }
}

/// What is done to each unit of a row.
pub(crate) trait PerUnit<T: Real> {
    /// For the units of `part`.
    fn step<V: Lanes<Element = T>, const FULL: bool>(&mut self, token: V::Token, part: Part<FULL>);
}

/// All units of a row, a vector at a time: for steps that wait for memory.
#[inline(always)]
pub(crate) fn sweep<V: Lanes>(token: V::Token, units: usize, row: &mut impl PerUnit<V::Element>) {
    let done = whole::<V>(token, 0, units, row);
    if done < units {
        row.step::<V, false>(token, Part { units, start: done, end: units });
    }
}

/// All units of a row, several vectors side by side while they last: for steps with activations.
#[inline(always)]
pub(crate) fn sweep_side_by_side<V: Lanes>(
    token: V::Token,
    units: usize,
    row: &mut impl PerUnit<V::Element>,
) {
    let done = whole::<Several<V, SIDE>>(token, 0, units, row);
    let done = whole::<V>(token, done, units, row);
    if done < units {
        row.step::<V, false>(token, Part { units, start: done, end: units });
    }
}

/// The units from `start` on, as many as fill whole vectors; where it ended.
#[inline(always)]
fn whole<V: Lanes>(token: V::Token, start: usize, units: usize, row: &mut impl PerUnit<V::Element>) -> usize {
    let end = units - (units - start) % V::WIDTH;
    for start in (start..end).step_by(V::WIDTH) {
        row.step::<V, true>(token, Part { units, start, end: start + V::WIDTH });
    }
    end
}

/// # Panics
///
/// If one of `(what, found, expected)` was not found as expected.
#[track_caller]
pub(crate) fn check_lengths(rows: usize, units: usize, lengths: &[(&str, usize, usize)]) {
    for (what, found, expected) in lengths {
        assert!(
            found == expected,
            "{what} has {found} elements where {rows} rows of {units} units ask for {expected}"
        );
    }
}
