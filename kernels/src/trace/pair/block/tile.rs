//! Register tiles of a block: the two components of some units by some vectors, all steps, each element read and written
//! once. What is carried in is contracted just before, row by row, so that a tile finds it in the first cache.
//!
//! ```text
//! (3) E_K = P_0 E_0 + sum over s of (P_s e_m u_m(s)) z_s          (4) G += omega_1 E_1 + omega_2 E_2, and (4')
//! ```
//!
//! `SUMS` says what a gate's traces carried in are added to: 0 nothing, 1 its own gradient (4), 2 those of both (4').

use core::ops::Range;

use super::super::sweep::contract;
use super::PairTraceBlock;
use crate::lanes::Lanes;
use crate::quantized::{quantized, rounders};
use crate::real::Real;
use crate::strided::Strided;

/// So many steps' factors of some tiles are gathered before the first of these. Where units are a power of two, a unit's lie
/// at the same place in their pages, and more than a few do not stay in the first cache.
const GATHERED: usize = 64;
/// Units whose factors are gathered at once: about a cache line of each step's.
const AHEAD: usize = 15;
/// Tiles of three units of these, and of one unit where two are left.
const TILES: usize = 6;
/// Elements of a tile's gathered factors.
const TILE: usize = 6 * GATHERED;

/// What all register tiles share.
pub(super) struct Sweep<'a, V: Lanes> {
    token: V::Token,
    steps: usize,
    units: usize,
    gates: usize,
    /// Elements of a trace row.
    row: usize,
    /// Elements of a trace row to step.
    reach: usize,
    forgotten: bool,
    /// `[steps, gates, 2, units]`: P_s e_m u_m(s).
    factors: &'a [V::Element],
    /// `[4, units]`: P_0.
    kept: &'a [V::Element],
    /// `[2, units]`: omega.
    carried_signal: &'a [V::Element],
    presynaptic: Strided<'a, V::Element>,
}

impl<'a, V: Lanes> Sweep<'a, V> {
    #[inline(always)]
    pub(super) fn new(
        token: V::Token,
        op: &PairTraceBlock<'a, V::Element>,
        row: usize,
        carried_signal: &'a [V::Element],
    ) -> Self {
        let PairTraceBlock { steps, columns, units, gates, presynaptic, factors, .. } = *op;
        let (factors, kept) = factors.split_at(2 * steps * gates * units);
        // After a reset the old traces take part in nothing, whatever they hold.
        let forgotten = kept.iter().all(|&kept| kept == V::Element::ZERO);
        let reach = columns.next_multiple_of(V::WIDTH).min(row);
        Self { token, steps, units, gates, row, reach, forgotten, factors, kept, carried_signal, presynaptic }
    }

    /// (3), and (4) or (4'), gate by gate: three units at a time, then one by one. Twelve accumulators, of three units'
    /// two components by two vectors, leave room for the operands in sixteen registers.
    #[inline(always)]
    pub(super) fn gates<const SUMS: usize>(
        &self,
        [first, second]: [&mut [V::Element]; 2],
        gradient: &mut [V::Element],
    ) {
        let gate_length = self.units * self.row;
        if gate_length == 0 {
            return;
        }
        let mut gathered = [V::Element::ZERO; TILES * TILE];
        for gate in 0..self.gates {
            let (mut unit, mut end, mut tile) = (0, 0, 0);
            while unit < self.units {
                if unit == end {
                    end = (unit + AHEAD).min(self.units);
                    self.gather(gate, unit..end, &mut gathered);
                    tile = 0;
                }
                let factors = &gathered[tile * TILE..][..TILE];
                tile += 1;
                let at = gate * gate_length + unit * self.row;
                let (trace, sums) =
                    ([&mut first[at..], &mut second[at..]], gradient.get_mut(at..).unwrap_or_default());
                if self.units - unit >= 3 {
                    self.pairs::<3, SUMS>([gate, unit], factors, trace, sums);
                    unit += 3;
                } else {
                    self.pairs::<1, SUMS>([gate, unit], factors, trace, sums);
                    unit += 1;
                }
            }
        }
    }

    /// The factors of some units of a gate, tile by tile of three of them, then of one: step by step, component by component.
    #[inline(always)]
    fn gather(&self, gate: usize, range: Range<usize>, gathered: &mut [V::Element; TILES * TILE]) {
        if self.steps > GATHERED {
            return;
        }
        let (count, tiles) = (range.len(), range.len() / 3);
        for step in 0..self.steps {
            for component in 0..2 {
                let plane = 2 * (step * self.gates + gate) + component;
                let source = &self.factors[plane * self.units + range.start..][..count];
                let mut target_at = 6 * step + 3 * component;
                let mut at = 0;
                for _ in 0..tiles {
                    gathered[target_at..][..3].copy_from_slice(&source[at..][..3]);
                    (at, target_at) = (at + 3, target_at + TILE);
                }
                for (index, &factor) in source[at..].iter().enumerate() {
                    gathered[(tiles + index) * TILE + 2 * step + component] = factor;
                }
            }
        }
    }

    /// `PAIRS` neighbouring units of a gate, from `unit` on, where `trace` and `gradient` begin.
    #[inline(always)]
    fn pairs<const PAIRS: usize, const SUMS: usize>(
        &self,
        [gate, unit]: [usize; 2],
        gathered: &[V::Element],
        [first, second]: [&mut [V::Element]; 2],
        gradient: &mut [V::Element],
    ) {
        let Self { steps, row, reach, units, .. } = *self;
        let (pairs, body) = (reach - reach % (2 * V::WIDTH), reach - reach % V::WIDTH);
        let from = |plane: usize| self.factors.get(plane * units + unit..).unwrap_or_default();
        let (mut factors, mut stride) = ([from(2 * gate), from(2 * gate + 1)], 2 * self.gates * units);
        if steps <= GATHERED {
            (factors, stride) = ([gathered, &gathered[PAIRS..]], 2 * PAIRS);
        }
        let [first, second]: [[&mut [V::Element]; PAIRS]; 2] =
            [rows(first, row, reach), rows(second, row, reach)];
        if SUMS > 0 {
            let omega: [[V::Element; PAIRS]; 2] = planes(self.carried_signal, units, unit);
            for pair in 0..PAIRS {
                let mut sums = [(); SUMS].map(|()| [].as_mut_slice());
                let mut rest = gradient.get_mut(pair * row..).unwrap_or_default();
                for (index, sum) in sums.iter_mut().enumerate() {
                    let length = if index + 1 < SUMS { units * row } else { rest.len() };
                    let (block, others) = rest.split_at_mut(length);
                    (*sum, rest) = (&mut block[..reach], others);
                }
                let trace = [&*first[pair], &*second[pair]];
                contract::<V, SUMS>(self.token, [omega[0][pair], omega[1][pair]], trace, &mut sums);
            }
        }
        let mut tile = Tile::<V, PAIRS> {
            token: self.token,
            factors,
            stride,
            kept: planes(self.kept, units, unit),
            rounders: rounders(self.token, gate),
            trace: [first, second],
        };
        for start in (0..pairs).step_by(2 * V::WIDTH) {
            tile.update::<2, true>(self, start, V::WIDTH);
        }
        if pairs < body {
            tile.update::<1, true>(self, pairs, V::WIDTH);
        }
        if body < reach {
            tile.update::<1, false>(self, body, reach - body);
        }
    }
}

/// `COUNT` elements from `first` on of each plane of `units`.
#[inline(always)]
fn planes<T: Real, const PLANES: usize, const COUNT: usize>(
    data: &[T],
    units: usize,
    first: usize,
) -> [[T; COUNT]; PLANES] {
    let mut planes = [[T::ZERO; COUNT]; PLANES];
    for (index, plane) in planes.iter_mut().enumerate() {
        plane.copy_from_slice(&data[index * units + first..][..COUNT]);
    }
    planes
}

/// The first `reach` elements of `ROWS` rows.
#[inline(always)]
fn rows<T, const ROWS: usize>(data: &mut [T], row: usize, reach: usize) -> [&mut [T]; ROWS] {
    let mut rest = data;
    let mut rows = [(); ROWS].map(|()| [].as_mut_slice());
    for target in &mut rows {
        let (first, others) = rest.split_at_mut(row);
        (*target, rest) = (&mut first[..reach], others);
    }
    rows
}

/// A register tile of the two components of `PAIRS` units.
struct Tile<'a, V: Lanes, const PAIRS: usize> {
    token: V::Token,
    /// From these units on, of the first step.
    factors: [&'a [V::Element]; 2],
    /// Elements from one step's factors to the next.
    stride: usize,
    kept: [[V::Element; PAIRS]; 4],
    rounders: [V; 2],
    trace: [[&'a mut [V::Element]; PAIRS]; 2],
}

impl<V: Lanes, const PAIRS: usize> Tile<'_, V, PAIRS> {
    /// `VECTORS` vectors from column `start` on, each of `width` elements: fewer than a whole vector only if not `FULL`.
    #[inline(always)]
    fn update<const VECTORS: usize, const FULL: bool>(
        &mut self,
        sweep: &Sweep<'_, V>,
        start: usize,
        width: usize,
    ) {
        let token = self.token;
        let width = if FULL { V::WIDTH } else { width };
        let length = VECTORS * width;
        let zero = V::splat(token, V::Element::ZERO);
        let mut totals = [[[zero; VECTORS]; PAIRS]; 2];
        if !sweep.forgotten {
            let [first, second] = &mut totals;
            for (pair, (first, second)) in first.iter_mut().zip(second).enumerate() {
                for (vector, (first, second)) in first.iter_mut().zip(second).enumerate() {
                    [*first, *second] = self.carry::<FULL>(pair, start + vector * width, width);
                }
            }
        }
        // Counted by hand: iterators over chunks would divide, once a tile.
        let (mut z_at, mut factors_at) = (start, 0);
        for _ in 0..sweep.steps {
            let source = &sweep.presynaptic.data[z_at..][..length];
            let factors = [&self.factors[0][factors_at..][..PAIRS], &self.factors[1][factors_at..][..PAIRS]];
            z_at += sweep.presynaptic.stride;
            factors_at += self.stride;
            let mut z = [zero; VECTORS];
            for (vector, z) in z.iter_mut().enumerate() {
                *z = V::load_part::<FULL>(token, &source[vector * width..][..width]);
            }
            for (totals, factors) in totals.iter_mut().zip(factors) {
                for (totals, &factor) in totals.iter_mut().zip(factors) {
                    let factor = V::splat(token, factor);
                    for (total, &z) in totals.iter_mut().zip(&z) {
                        *total = factor.mul_add(z, *total);
                    }
                }
            }
        }
        for ((totals, targets), rounder) in totals.iter().zip(&mut self.trace).zip(self.rounders) {
            for (totals, target) in totals.iter().zip(targets) {
                let target = &mut target[start..start + length];
                for (vector, &total) in totals.iter().enumerate() {
                    quantized(rounder, total).store_part::<FULL>(&mut target[vector * width..][..width]);
                }
            }
        }
    }

    /// P_0 E_0 for one vector of a pair: first the other component, then a component's own.
    #[inline(always)]
    fn carry<const FULL: bool>(&self, pair: usize, start: usize, width: usize) -> [V; 2] {
        let [first, second] = &self.trace;
        let first = V::load_part::<FULL>(self.token, &first[pair][start..][..width]);
        let second = V::load_part::<FULL>(self.token, &second[pair][start..][..width]);
        let [a11, a12, a21, a22] = &self.kept;
        let (a11, a12) = (V::splat(self.token, a11[pair]), V::splat(self.token, a12[pair]));
        let (a21, a22) = (V::splat(self.token, a21[pair]), V::splat(self.token, a22[pair]));
        [a11.mul_add(first, a12 * second), a22.mul_add(second, a21 * first)]
    }
}
