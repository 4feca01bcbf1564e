//! Register tiles of a block: some traces by some vectors, all steps, each element read and written once. What is carried in
//! is contracted just before.
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
    /// `[units]`: omega; none without (4).
    pub(super) carried_signal: &'a [V::Element],
    pub(super) presynaptic: Strided<'a, V::Element>,
}

impl<V: Lanes> Sweep<'_, V> {
    /// (3) and (4) for all traces: as many at a time as there are registers, then fewer. Twelve accumulators, of six traces
    /// by two vectors, leave room for the operands in sixteen registers; 24 of eight by three in twice as many.
    #[inline(always)]
    pub(super) fn run(&self, trace: &mut [V::Element], gradient: &mut [V::Element]) {
        let (mut trace, mut gradient, mut first) = (trace, gradient, 0);
        // A few steps with (4) are bound by memory, of which small tiles keep less waiting at a time.
        let most = match self.carried_signal.is_empty() || self.factors.len() > 8 * self.traces {
            _ if V::REGISTERS < 32 => 6,
            true => 8,
            false => 4,
        };
        while first < self.traces {
            let left = self.traces - first;
            let count = match left {
                _ if left >= most => most,
                3.. if V::REGISTERS < 32 => 3,
                4.. => 4,
                2.. if V::REGISTERS >= 32 => 2,
                _ => 1,
            };
            let (here, others) = trace.split_at_mut(count * self.row);
            trace = others;
            let (sums, others) = gradient.split_at_mut((count * self.row).min(gradient.len()));
            gradient = others;
            if V::REGISTERS >= 32 {
                match count {
                    8 => self.traces::<8, 3>(first, here, sums),
                    4 => self.traces::<4, 3>(first, here, sums),
                    2 => self.traces::<2, 3>(first, here, sums),
                    _ => self.traces::<1, 3>(first, here, sums),
                }
            } else {
                match count {
                    6 => self.traces::<6, 2>(first, here, sums),
                    3 => self.traces::<3, 2>(first, here, sums),
                    _ => self.traces::<1, 2>(first, here, sums),
                }
            }
            first += count;
        }
    }

    /// (3) and (4) for `TRACES` neighbouring traces from `first` on, whose rows are `trace` and `gradient`: `N` vectors at a
    /// time, then fewer.
    #[inline(always)]
    fn traces<const TRACES: usize, const N: usize>(
        &self,
        first: usize,
        trace: &mut [V::Element],
        gradient: &mut [V::Element],
    ) {
        let reach = self.reach;
        let mut tile = Tile::<V, TRACES> {
            token: self.token,
            first,
            kept: self.kept[first..first + TRACES].try_into().expect("so many traces"),
            omega: None,
            trace: rows(trace, self.row, reach),
            gradient: [(); TRACES].map(|()| [].as_mut_slice()),
        };
        if !self.carried_signal.is_empty() {
            let mut omegas = [V::Element::ZERO; TRACES];
            for (index, omega) in omegas.iter_mut().enumerate() {
                *omega = self.carried_signal[(first + index) % self.carried_signal.len()];
            }
            (tile.omega, tile.gradient) = (Some(omegas), rows(gradient, self.row, reach));
        }
        let mut start = 0;
        while start + N * V::WIDTH <= reach {
            tile.update::<N, true>(self, start, V::WIDTH);
            start += N * V::WIDTH;
        }
        if N > 2 && start + 2 * V::WIDTH <= reach {
            tile.update::<2, true>(self, start, V::WIDTH);
            start += 2 * V::WIDTH;
        }
        if start + V::WIDTH <= reach {
            tile.update::<1, true>(self, start, V::WIDTH);
            start += V::WIDTH;
        }
        if start < reach {
            tile.update::<1, false>(self, start, reach - start);
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
    /// The first of the traces.
    first: usize,
    kept: [V::Element; TRACES],
    /// None without (4).
    omega: Option<[V::Element; TRACES]>,
    trace: [&'a mut [V::Element]; TRACES],
    gradient: [&'a mut [V::Element]; TRACES],
}

impl<V: Lanes, const TRACES: usize> Tile<'_, V, TRACES> {
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
        let mut sums = [[zero; VECTORS]; TRACES];
        if self.omega.is_some() || !sweep.forgotten {
            let omega = self.omega.unwrap_or([V::Element::ZERO; TRACES]);
            for (index, sums) in sums.iter_mut().enumerate() {
                let (kept, omega) = (V::splat(token, self.kept[index]), V::splat(token, omega[index]));
                let carried = &self.trace[index][start..start + length];
                for (vector, sum) in sums.iter_mut().enumerate() {
                    let carried = V::load_part::<FULL>(token, &carried[vector * width..][..width]);
                    if self.omega.is_some() {
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
        let (first, Strided { data, stride }) = (self.first, sweep.presynaptic);
        let mut z_at = start;
        for factors in sweep.factors.chunks_exact(sweep.traces) {
            let (source, factors) = (&data[z_at..z_at + length], &factors[first..first + TRACES]);
            z_at += stride;
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
