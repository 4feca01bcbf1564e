//! Register tiles of a block: some traces by some vectors, all steps, each element read and written once.
//!
//! ```text
//! (3) E_K = P_0 E_0 + sum over s of (P_s u_s) z_s          (4) G += omega E_0
//! ```

use crate::lanes::Lanes;
use crate::quantized::{quantized, rounder};
use crate::real::Real;
use crate::strided::Strided;

/// What all register tiles share.
pub(super) struct Sweep<'a, V: Lanes> {
    pub(super) token: V::Token,
    pub(super) steps: usize,
    pub(super) traces: usize,
    /// Elements of a trace row.
    pub(super) row: usize,
    /// Elements of a trace row to step.
    pub(super) reach: usize,
    pub(super) forgotten: bool,
    /// `[steps, traces]`: P_s u_s.
    pub(super) factors: &'a [V::Element],
    /// `[traces]`: P_0.
    pub(super) kept: &'a [V::Element],
    /// `[units]`: omega.
    pub(super) carried_signal: &'a [V::Element],
    pub(super) presynaptic: Strided<'a, V::Element>,
}

impl<V: Lanes> Sweep<'_, V> {
    /// (3) and (4) for `TRACES` neighbouring traces from `first` on, whose rows are `trace` and `gradient`.
    #[inline(always)]
    pub(super) fn traces<const TRACES: usize, const CONTRACT: bool>(
        &self,
        first: usize,
        trace: &mut [V::Element],
        gradient: &mut [V::Element],
    ) {
        let reach = self.reach;
        let (pairs, body) = (reach - reach % (2 * V::WIDTH), reach - reach % V::WIDTH);
        let mut tile = Tile::<V, TRACES> {
            token: self.token,
            factors: self.factors.get(first..).unwrap_or_default(),
            kept: self.kept[first..first + TRACES].try_into().expect("so many traces"),
            omega: [V::Element::ZERO; TRACES],
            trace: rows(trace, self.row, reach),
            gradient: if CONTRACT {
                rows(gradient, self.row, reach)
            } else {
                [(); TRACES].map(|()| [].as_mut_slice())
            },
        };
        if CONTRACT {
            for (index, omega) in tile.omega.iter_mut().enumerate() {
                *omega = self.carried_signal[(first + index) % self.carried_signal.len()];
            }
        }
        for start in (0..pairs).step_by(2 * V::WIDTH) {
            tile.update::<2, true, CONTRACT>(self, start, V::WIDTH);
        }
        if pairs < body {
            tile.update::<1, true, CONTRACT>(self, pairs, V::WIDTH);
        }
        if body < reach {
            tile.update::<1, false, CONTRACT>(self, body, reach - body);
        }
    }
}

/// The first `reach` elements of `ROWS` rows.
#[inline(always)]
fn rows<T, const ROWS: usize>(data: &mut [T], row: usize, reach: usize) -> [&mut [T]; ROWS] {
    let mut rest = data;
    let mut rows = [(); ROWS].map(|()| [].as_mut_slice());
    for target in &mut rows {
        let (first, others) = rest.split_at_mut(row);
        *target = &mut first[..reach];
        rest = others;
    }
    rows
}

/// A register tile of `TRACES` traces.
struct Tile<'a, V: Lanes, const TRACES: usize> {
    token: V::Token,
    factors: &'a [V::Element],
    kept: [V::Element; TRACES],
    omega: [V::Element; TRACES],
    trace: [&'a mut [V::Element]; TRACES],
    gradient: [&'a mut [V::Element]; TRACES],
}

impl<V: Lanes, const TRACES: usize> Tile<'_, V, TRACES> {
    /// `VECTORS` vectors from column `start` on, each of `width` elements: fewer than a whole vector only if not `FULL`.
    #[inline(always)]
    fn update<const VECTORS: usize, const FULL: bool, const CONTRACT: bool>(
        &mut self,
        sweep: &Sweep<'_, V>,
        start: usize,
        width: usize,
    ) {
        let token = self.token;
        let width = if FULL { V::WIDTH } else { width };
        let length = VECTORS * width;
        let zero = V::splat(token, V::Element::ZERO);
        let mut sums = [[zero; VECTORS]; TRACES];
        if CONTRACT || !sweep.forgotten {
            for (index, sums) in sums.iter_mut().enumerate() {
                let kept = V::splat(token, self.kept[index]);
                let carried = &self.trace[index][start..start + length];
                for (vector, sum) in sums.iter_mut().enumerate() {
                    let carried = V::load_part::<FULL>(token, &carried[vector * width..][..width]);
                    if CONTRACT {
                        let omega = V::splat(token, self.omega[index]);
                        let gradient = &mut self.gradient[index][start..start + length];
                        let gradient = &mut gradient[vector * width..][..width];
                        let total = omega.mul_add(carried, V::load_part::<FULL>(token, gradient));
                        total.store_part::<FULL>(gradient);
                    }
                    *sum = kept * carried;
                }
            }
            if sweep.forgotten {
                sums = [[zero; VECTORS]; TRACES];
            }
        }
        // Counted by hand: iterators over chunks would divide, once a tile.
        let (mut z_at, mut factors_at) = (start, 0);
        for _ in 0..sweep.steps {
            let source = &sweep.presynaptic.data[z_at..][..length];
            let factors = &self.factors[factors_at..][..TRACES];
            z_at += sweep.presynaptic.stride;
            factors_at += sweep.traces;
            let mut z = [zero; VECTORS];
            for (vector, z) in z.iter_mut().enumerate() {
                *z = V::load_part::<FULL>(token, &source[vector * width..][..width]);
            }
            for (sums, &factor) in sums.iter_mut().zip(factors) {
                let factor = V::splat(token, factor);
                for (sum, &z) in sums.iter_mut().zip(&z) {
                    *sum = factor.mul_add(z, *sum);
                }
            }
        }
        for (sums, target) in sums.iter().zip(&mut self.trace) {
            let target = &mut target[start..start + length];
            for (vector, &sum) in sums.iter().enumerate() {
                quantized(rounder(token), sum).store_part::<FULL>(&mut target[vector * width..][..width]);
            }
        }
    }
}
