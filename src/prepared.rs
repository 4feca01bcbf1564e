//! What a layer's steps need of its weights, computed once for each change of them: packed panels of recurrent maps, and
//! eigenvalues with their derivatives.
//!
//! ```text
//! (1) g = r cos theta    phi = r sin theta    gamma = sqrt(1 - r^2)                  A = [[g, -phi], [phi, g]]
//! (2) d lambda/dw_nu = r'/r lambda            d gamma/dw_nu = -r r' / sqrt(1 - r^2)  r' = dr/dw_nu
//!     d lambda/dw_theta = i theta' lambda     theta' = dtheta/dw_theta: theta (exp-exp) or 1
//! ```
//!
//! (1) and (2) in `f64`, rounded at last. (2): the published code of Elelimy et al. 2024 leaves theta' out; that can be asked
//! for, to compare with it.

use eligibility_kernels::Level;
use eligibility_kernels::activation::Nonlinearity;
use eligibility_kernels::pair_cell::PairParameters;

use crate::buffer::Buffer;
use crate::cells::{Cell, Parameterisation, Recurrence};
use crate::layout::Layer;
use crate::scalar::Scalar;

mod packed;
mod polar;

pub(crate) use packed::{Packed, PackedBack};
use polar::{Polar, map};

/// What weights are prepared for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Purpose {
    pub(crate) level: Level,
    /// Rows that are processed at a time.
    pub(crate) rows: usize,
    /// Whether they change so often that they are better read where they lie; and whether a way back passes recurrent ones.
    pub(crate) change: bool,
    pub(crate) back: bool,
    /// What traces decay by besides (`crate::extensions`).
    pub(crate) trace_decay: f64,
    pub(crate) authors_theta_gradient: bool,
}

/// Of one layer.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Prepared<T: Scalar> {
    layer: Layer,
    authors_theta_gradient: bool,
    /// Of cells with a dense recurrence; none if weights may change at every step.
    pub(crate) packed: Option<Packed<T>>,
    /// The same for the way back, if that passes them.
    pub(crate) packed_back: Option<PackedBack<T>>,
    /// `[P, units]`: the parameters it was computed of, as they are in the layout but without padding.
    parameters: Buffer<T>,
    fresh: bool,
    /// `[4, units]`: A; for cells of two components.
    pub(crate) decay: Buffer<T>,
    /// What traces decay by if not by A (`crate::extensions`), and how much less that is.
    trace_decay: Buffer<T>,
    scale: T,
    /// `[2, units]`: what the projection is multiplied with, the same twice.
    pub(crate) gain: Buffer<T>,
    /// `[P, 2, units]` and `[P, units]`: the derivatives (2).
    kappa: Buffer<T>,
    rho: Buffer<T>,
    polar: Polar,
}

/// Below it, gamma is taken for this where it is divided by: at r = 1 its slope would be infinite.
const SMALLEST_GAMMA: f64 = 1e-8;

impl<T: Scalar> Prepared<T> {
    pub(crate) fn zeros(layer: &Layer, purpose: Purpose) -> Self {
        let [count, units] = layer.unit.map_or([0, 0], |block| [block.rows(), block.columns()]);
        let pair = matches!(layer.cell, Cell::Rtu(_) | Cell::OnlineLru(_) | Cell::BlockDiagonal(_));
        let complex = matches!(layer.cell, Cell::Rtu(_) | Cell::OnlineLru(_));
        let zeros = |there: bool, length: usize| Buffer::zeros(if there { length } else { 0 });
        let recurrence = match layer.cell {
            Cell::Lstm(_) | Cell::Rnn(_) => Some((layer.weights, layer.cell.input())),
            Cell::Gru(_) => layer.recurrent.map(|block| (block, 0)),
            _ => None,
        };
        let recurrence = recurrence.filter(|_| !purpose.change);
        let Purpose { level, rows, trace_decay: scale, .. } = purpose;
        Self {
            layer: *layer,
            authors_theta_gradient: purpose.authors_theta_gradient,
            packed: recurrence.map(|(block, input)| Packed::zeros(block, input, rows, level)),
            packed_back: recurrence
                .filter(|_| purpose.back)
                .map(|(block, input)| PackedBack::zeros(block, input, rows, level)),
            parameters: Buffer::zeros(count * units),
            fresh: false,
            decay: zeros(pair, 4 * units),
            trace_decay: zeros(pair && scale != 1.0, 4 * units),
            scale: T::from_f64(scale),
            gain: zeros(pair, 2 * units),
            kappa: zeros(complex, 2 * count * units),
            rho: zeros(complex, count * units),
            polar: Polar::zeros(if complex { units } else { 0 }),
        }
    }

    /// Of every layer.
    pub(crate) fn refresh_layers(prepared: &mut [Self], level: Level, parameters: &[T]) {
        for prepared in prepared {
            if let Some(packed) = &mut prepared.packed {
                packed.refresh(parameters);
            }
            if let Some(packed) = &mut prepared.packed_back {
                packed.refresh(parameters);
            }
            prepared.refresh(level, parameters);
        }
    }

    /// `[4, units]`: what the traces of a recurrence without phi decay by.
    pub(crate) fn trace_decay(&self) -> &[T] {
        if self.trace_decay.is_empty() { &self.decay } else { &self.trace_decay }
    }
    /// `[P, units]`: the parameters themselves.
    pub(crate) fn parameters(&self) -> &[T] {
        &self.parameters
    }
    /// What [`PairCell`](eligibility_kernels::pair_cell::PairCell) differentiates by.
    pub(crate) fn pair_parameters(&self) -> PairParameters<'_, T> {
        match self.layer.cell {
            Cell::BlockDiagonal(_) => PairParameters::Entries,
            _ => PairParameters::Complex { kappa: &self.kappa, rho: &self.rho },
        }
    }

    /// Computes everything anew if a parameter has changed (NaN always has).
    fn refresh(&mut self, level: Level, parameters: &[T]) {
        let Some(block) = self.layer.unit else { return };
        let units = block.columns();
        let rows = parameters[block.range()].chunks_exact(block.stride()).map(|row| &row[..units]);
        let mut changed = !self.fresh;
        for (own, row) in self.parameters.chunks_exact_mut(units).zip(rows) {
            if own != row {
                own.copy_from_slice(row);
                changed = true;
            }
        }
        if changed {
            self.fresh = true;
            match self.layer.cell {
                Cell::Rtu(rtu) => self.rtu(level, rtu.parameterisation(), units),
                Cell::OnlineLru(_) => self.lru(level, units),
                Cell::BlockDiagonal(_) => {
                    self.decay.copy_from_slice(&self.parameters);
                    self.gain.fill(T::ONE);
                }
                _ => {}
            }
            for (scaled, &decay) in self.trace_decay.iter_mut().zip(&*self.decay) {
                *scaled = self.scale * decay;
            }
        }
    }

    fn rtu(&mut self, level: Level, parameterisation: Parameterisation, units: usize) {
        self.eigenvalues(level, [parameterisation; 2], units);
        let Polar { radius, slope, .. } = &self.polar;
        let gamma = |r: f64| (1.0 - r * r).max(0.0).sqrt();
        let gain_slope = |r: f64, slope: f64| -r * slope / gamma(r).max(SMALLEST_GAMMA);
        map(&mut self.gain[..units], [radius, slope], |[r, _]| gamma(r));
        map(&mut self.rho[..units], [radius, slope], |[r, slope]| gain_slope(r, slope));
        self.gain.copy_within(..units, units);
    }

    fn lru(&mut self, level: Level, units: usize) {
        self.eigenvalues(level, [Parameterisation::ExpExp, Parameterisation::Exp], units);
        let gain = self.polar.exponential(level, &self.parameters[2 * units..]);
        for target in [&mut self.gain[..units], &mut self.rho[2 * units..]] {
            map(target, [gain], |[gain]| gain);
        }
        self.gain.copy_within(..units, units);
    }

    /// lambda, and its derivatives by the first two parameters, r's and theta's. All others are zero.
    fn eigenvalues(&mut self, level: Level, [of_r, of_theta]: [Parameterisation; 2], units: usize) {
        let (w_nu, others) = self.parameters.split_at(units);
        self.polar.set_radius(level, of_r, w_nu);
        self.polar.set_theta(level, of_theta, &others[..units]);
        if self.authors_theta_gradient {
            self.polar.turn.fill(1.0);
        }
        let Polar { radius, slope, turn, sine, cosine, .. } = &self.polar;
        plane(&mut self.decay, 0, [radius, cosine, turn], |[r, cos, _]| r * cos);
        plane(&mut self.decay, 1, [radius, sine, turn], |[r, sin, _]| -(r * sin));
        plane(&mut self.decay, 2, [radius, sine, turn], |[r, sin, _]| r * sin);
        self.decay.copy_within(..units, 3 * units);
        plane(&mut self.kappa, 0, [slope, cosine, turn], |[slope, cos, _]| cos * slope);
        plane(&mut self.kappa, 1, [slope, sine, turn], |[slope, sin, _]| sin * slope);
        plane(&mut self.kappa, 2, [radius, sine, turn], |[r, sin, turn]| -(r * sin) * turn);
        plane(&mut self.kappa, 3, [radius, cosine, turn], |[r, cos, turn]| r * cos * turn);
    }
}

/// `map` to a plane of several.
fn plane<T: Scalar>(planes: &mut [T], index: usize, of: [&[f64]; 3], f: impl Fn([f64; 3]) -> f64) {
    let units = of[0].len();
    map(&mut planes[index * units..][..units], of, f);
}

/// phi inside a cell's recurrence, and phi at its output.
pub(crate) fn nonlinearities(cell: Cell) -> [Nonlinearity; 2] {
    match cell {
        Cell::Rtu(rtu) if rtu.recurrence() == Recurrence::Linear => {
            [Nonlinearity::Identity, rtu.nonlinearity()]
        }
        Cell::Rtu(rtu) => [rtu.nonlinearity(), Nonlinearity::Identity],
        Cell::BlockDiagonal(cell) => [cell.nonlinearity(), Nonlinearity::Identity],
        _ => [Nonlinearity::Identity, Nonlinearity::Identity],
    }
}
