//! What a diagonal cell's step needs of its parameters per unit, computed once for each change of them.
//!
//! ```text
//! (1) g = r cos theta    phi = r sin theta    gamma = sqrt(1 - r^2)                  A = [[g, -phi], [phi, g]]
//! (2) d lambda/dw_nu = r'/r lambda            d gamma/dw_nu = -r r' / sqrt(1 - r^2)  r' = dr/dw_nu
//!     d lambda/dw_theta = i theta' lambda     theta' = dtheta/dw_theta: theta (exp-exp) or 1
//! ```
//!
//! Everything in `f64`, rounded at last. (2): the published code of Elelimy et al. 2024 leaves theta' out; that can be asked
//! for, to compare with it.

use crate::affine::Scalar;
use crate::buffer::Buffer;
use crate::cells::{Cell, Parameterisation, Recurrence};
use crate::layout::Layer;
use eligibility_kernels::Level;
use eligibility_kernels::activation::{Exp, Nonlinearity, SinCos};
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
    polar: Polar,
}

/// What (1) and (2) are computed of, `[units]` each.
#[derive(Clone, Debug, PartialEq)]
struct Polar {
    argument: Buffer<f64>,
    rate: Buffer<f64>,
    radius: Buffer<f64>,
    theta: Buffer<f64>,
    sine: Buffer<f64>,
    cosine: Buffer<f64>,
    /// What the projection is multiplied with, where that is a parameter.
    gain: Buffer<f64>,
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
            polar: Polar::zeros(if complex { units } else { 0 }),
        }
    }

    /// Of every layer.
    pub(crate) fn refresh_layers(prepared: &mut [Self], level: Level, parameters: &[T]) {
        for prepared in prepared {
            prepared.refresh(level, parameters);
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
        }
    }

    fn rtu(&mut self, level: Level, parameterisation: Parameterisation, units: usize) {
        let (w_nu, w_theta) = self.parameters.split_at(units);
        self.polar.set_radius(level, parameterisation, w_nu);
        self.polar.set_theta(level, parameterisation, w_theta);
        for j in 0..units {
            let (r, rate) = (self.polar.radius[j], self.polar.rate[j]);
            let (theta, cos, sin) = (self.polar.theta[j], self.polar.cosine[j], self.polar.sine[j]);
            let r_slope = radius_slope(parameterisation, self.parameters[j].to_f64(), r, rate);
            let exponential = parameterisation == Parameterisation::ExpExp;
            let theta_slope = if exponential && !self.authors_theta_gradient { theta } else { 1.0 };
            let (g, phi) = (r * cos, r * sin);
            let root = (1.0 - r * r).max(0.0).sqrt();
            self.set_decay(j, units, g, phi, root);
            let gain_slope = -r * r_slope / root.max(SMALLEST_GAMMA);
            self.set_derivative(0, j, units, [cos * r_slope, sin * r_slope], gain_slope);
            self.set_derivative(1, j, units, [-phi * theta_slope, g * theta_slope], 0.0);
        }
    }

    fn lru(&mut self, level: Level, units: usize) {
        let (w_nu, others) = self.parameters.split_at(units);
        let (w_theta, w_gamma) = others.split_at(units);
        self.polar.set_radius(level, Parameterisation::ExpExp, w_nu);
        self.polar.set_theta(level, Parameterisation::Exp, w_theta);
        self.polar.set_gain(level, w_gamma);
        for j in 0..units {
            let (r, rate, gamma) = (self.polar.radius[j], self.polar.rate[j], self.polar.gain[j]);
            let (g, phi) = (r * self.polar.cosine[j], r * self.polar.sine[j]);
            self.set_decay(j, units, g, phi, gamma);
            self.set_derivative(0, j, units, [-rate * g, -rate * phi], 0.0);
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

impl Polar {
    fn zeros(units: usize) -> Self {
        let zeros = || Buffer::zeros(units);
        Self {
            argument: zeros(),
            rate: zeros(),
            radius: zeros(),
            theta: zeros(),
            sine: zeros(),
            cosine: zeros(),
            gain: zeros(),
        }
    }

    /// r, and e^w where that is needed for it.
    fn set_radius<T: Scalar>(&mut self, level: Level, parameterisation: Parameterisation, w: &[T]) {
        let Self { argument, rate, radius, .. } = self;
        fill(argument, w, |w| w);
        match parameterisation {
            Parameterisation::ExpExp => {
                level.run(Exp { input: argument, output: rate });
                argument.iter_mut().zip(rate.iter()).for_each(|(argument, &rate)| *argument = -rate);
                level.run(Exp { input: argument, output: radius });
            }
            Parameterisation::Exp => {
                fill(argument, w, |w| if w < 0.0 { 0.0 } else { -w });
                level.run(Exp { input: argument, output: radius });
            }
            Parameterisation::Direct => fill(radius, w, |w| w.clamp(SMALLEST_RADIUS, 1.0)),
        }
    }

    /// theta, its sine and its cosine.
    fn set_theta<T: Scalar>(&mut self, level: Level, parameterisation: Parameterisation, w: &[T]) {
        let Self { argument, theta, sine, cosine, .. } = self;
        fill(argument, w, |w| w);
        match parameterisation {
            Parameterisation::ExpExp => level.run(Exp { input: argument, output: theta }),
            Parameterisation::Exp | Parameterisation::Direct => theta.copy_from_slice(argument),
        }
        level.run(SinCos { input: theta, sine, cosine });
        for ((sine, cosine), theta) in sine.iter_mut().zip(cosine.iter_mut()).zip(theta.iter()) {
            // Angles that are too large for the kernel.
            if sine.is_nan() {
                (*sine, *cosine) = theta.sin_cos();
            }
        }
    }

    /// e^w.
    fn set_gain<T: Scalar>(&mut self, level: Level, w: &[T]) {
        fill(&mut self.argument, w, |w| w);
        level.run(Exp { input: &self.argument, output: &mut self.gain });
    }
}

fn fill<T: Scalar>(target: &mut [f64], source: &[T], f: impl Fn(f64) -> f64) {
    for (target, source) in target.iter_mut().zip(source) {
        *target = f(source.to_f64());
    }
}

/// dr/dw, zero where r is clamped; `rate` is e^w.
fn radius_slope(parameterisation: Parameterisation, w: f64, r: f64, rate: f64) -> f64 {
    let clamped = match parameterisation {
        Parameterisation::ExpExp => false,
        Parameterisation::Exp => w < 0.0,
        Parameterisation::Direct => w > 1.0 || w < SMALLEST_RADIUS,
    };
    match parameterisation {
        _ if clamped => 0.0,
        Parameterisation::ExpExp => -rate * r,
        Parameterisation::Exp => -r,
        Parameterisation::Direct => 1.0,
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
