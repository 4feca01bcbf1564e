//! What a diagonal cell's step needs of its parameters per unit, computed once for each change of them.
//!
//! ```text
//! (1) g = r cos theta    phi = r sin theta    gamma = sqrt(1 - r^2)                  A = [[g, -phi], [phi, g]]
//! (2) d lambda/dw_nu = r'/r lambda            d gamma/dw_nu = -r r' / sqrt(1 - r^2)  r' = dr/dw_nu
//!     d lambda/dw_theta = i theta' lambda     theta' = dtheta/dw_theta: theta (exp-exp) or 1
//! ```
//!
//! Everything in `f64`, rounded once. (2): the published code of Elelimy et al. 2024 leaves theta' out; that can be asked
//! for, to compare with it.

use crate::affine::Scalar;
use crate::buffer::Buffer;
use crate::cells::{Cell, Parameterisation, Recurrence};
use crate::layout::Layer;
use eligibility_kernels::activation::Nonlinearity;
use eligibility_kernels::pair_cell::PairParameters;

/// Of one layer.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Prepared<T: Scalar> {
    layer: Layer,
    authors_theta_gradient: bool,
    /// `[P, units]`: the parameters it was computed of, as they are in the layout but without padding.
    parameters: Buffer<T>,
    fresh: bool,
    /// `[4, units]`: A; for cells of two components.
    pub(super) decay: Buffer<T>,
    /// `[2, units]`: what the projection is multiplied with, the same twice.
    pub(super) gain: Buffer<T>,
    /// `[P, 2, units]` and `[P, units]`: the derivatives (2).
    kappa: Buffer<T>,
    rho: Buffer<T>,
}

/// Below it, gamma is taken for this where it is divided by: at r = 1 its slope would be infinite.
const SMALLEST_GAMMA: f64 = 1e-8;
/// r of the direct parameterisation lies above.
const SMALLEST_RADIUS: f64 = 1e-6;

impl<T: Scalar> Prepared<T> {
    pub(crate) fn zeros(layer: &Layer, authors_theta_gradient: bool) -> Self {
        let [count, units] = layer.unit.map_or([0, 0], |block| [block.rows(), block.columns()]);
        let pair = matches!(layer.cell, Cell::Rtu(_) | Cell::OnlineLru(_) | Cell::BlockDiagonal(_));
        let complex = matches!(layer.cell, Cell::Rtu(_) | Cell::OnlineLru(_));
        let zeros = |there: bool, length: usize| Buffer::zeros(if there { length } else { 0 });
        Self {
            layer: *layer,
            authors_theta_gradient,
            parameters: Buffer::zeros(count * units),
            fresh: false,
            decay: zeros(pair, 4 * units),
            gain: zeros(pair, 2 * units),
            kappa: zeros(complex, 2 * count * units),
            rho: zeros(complex, count * units),
        }
    }

    /// Of every layer.
    pub(crate) fn refresh_layers(prepared: &mut [Self], parameters: &[T]) {
        for prepared in prepared {
            prepared.refresh(parameters);
        }
    }

    /// `[P, units]`: the parameters themselves.
    pub(super) fn parameters(&self) -> &[T] {
        &self.parameters
    }
    /// What [`PairCell`](eligibility_kernels::pair_cell::PairCell) differentiates by.
    pub(super) fn pair_parameters(&self) -> PairParameters<'_, T> {
        match self.layer.cell {
            Cell::BlockDiagonal(_) => PairParameters::Entries,
            _ => PairParameters::Complex { kappa: &self.kappa, rho: &self.rho },
        }
    }

    /// Computes everything anew if a parameter has changed (NaN always has).
    fn refresh(&mut self, parameters: &[T]) {
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
                Cell::Rtu(rtu) => self.rtu(rtu.parameterisation(), units),
                Cell::OnlineLru(_) => self.lru(units),
                Cell::BlockDiagonal(_) => {
                    self.decay.copy_from_slice(&self.parameters);
                    self.gain.fill(T::ONE);
                }
                _ => {}
            }
        }
    }

    fn rtu(&mut self, parameterisation: Parameterisation, units: usize) {
        for j in 0..units {
            let (w_nu, w_theta) = (self.parameters[j].to_f64(), self.parameters[units + j].to_f64());
            let (r, r_slope) = radius(parameterisation, w_nu);
            let (theta, theta_slope) = match parameterisation {
                Parameterisation::ExpExp => (w_theta.exp(), w_theta.exp()),
                Parameterisation::Exp | Parameterisation::Direct => (w_theta, 1.0),
            };
            let theta_slope = if self.authors_theta_gradient { 1.0 } else { theta_slope };
            let (g, phi) = (r * theta.cos(), r * theta.sin());
            let root = (1.0 - r * r).max(0.0).sqrt();
            self.set_decay(j, units, g, phi, root);
            let gain_slope = -r * r_slope / root.max(SMALLEST_GAMMA);
            let turn = [theta.cos() * r_slope, theta.sin() * r_slope];
            self.set_derivative(0, j, units, turn, gain_slope);
            self.set_derivative(1, j, units, [-phi * theta_slope, g * theta_slope], 0.0);
        }
    }

    fn lru(&mut self, units: usize) {
        for j in 0..units {
            let at = |q: usize| self.parameters[q * units + j].to_f64();
            let (nu, theta, gamma) = (at(0).exp(), at(1), at(2).exp());
            let r = (-nu).exp();
            let (g, phi) = (r * theta.cos(), r * theta.sin());
            self.set_decay(j, units, g, phi, gamma);
            self.set_derivative(0, j, units, [-nu * g, -nu * phi], 0.0);
            self.set_derivative(1, j, units, [-phi, g], 0.0);
            self.set_derivative(2, j, units, [0.0, 0.0], gamma);
        }
    }

    fn set_decay(&mut self, j: usize, units: usize, g: f64, phi: f64, gain: f64) {
        for (plane, value) in [g, -phi, phi, g].into_iter().enumerate() {
            self.decay[plane * units + j] = T::from_f64(value);
        }
        self.gain[j] = T::from_f64(gain);
        self.gain[units + j] = T::from_f64(gain);
    }

    /// d lambda/dw_q, a complex number, and d gamma/dw_q.
    fn set_derivative(&mut self, q: usize, j: usize, units: usize, kappa: [f64; 2], rho: f64) {
        for (plane, value) in kappa.into_iter().enumerate() {
            self.kappa[(2 * q + plane) * units + j] = T::from_f64(value);
        }
        self.rho[q * units + j] = T::from_f64(rho);
    }
}

/// r and dr/dw.
fn radius(parameterisation: Parameterisation, w: f64) -> (f64, f64) {
    match parameterisation {
        Parameterisation::ExpExp => {
            let r = (-w.exp()).exp();
            (r, -w.exp() * r)
        }
        Parameterisation::Exp if w < 0.0 => (1.0, 0.0),
        Parameterisation::Exp => ((-w).exp(), -(-w).exp()),
        Parameterisation::Direct if w > 1.0 => (1.0, 0.0),
        Parameterisation::Direct if w < SMALLEST_RADIUS => (SMALLEST_RADIUS, 0.0),
        Parameterisation::Direct => (w, 1.0),
    }
}

/// phi inside a cell's recurrence, and phi at its output.
pub(super) fn nonlinearities(cell: Cell) -> [Nonlinearity; 2] {
    match cell {
        Cell::Rtu(rtu) if rtu.recurrence() == Recurrence::Linear => {
            [Nonlinearity::Identity, rtu.nonlinearity()]
        }
        Cell::Rtu(rtu) => [rtu.nonlinearity(), Nonlinearity::Identity],
        Cell::BlockDiagonal(cell) => [cell.nonlinearity(), Nonlinearity::Identity],
        _ => [Nonlinearity::Identity, Nonlinearity::Identity],
    }
}
