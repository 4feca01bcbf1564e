//! Radius and angle of eigenvalues, from their parameters.
//!
//! ```text
//! exp-exp:  r = e^{-e^w}   r' = -e^w r        theta = e^w   theta' = theta
//! exp:      r = e^{-w}     r' = -r            theta = w     theta' = 1
//! direct:   r = w          r' = 1             theta = w     theta' = 1
//! ```
//!
//! In `f64`, a plane at a time: loops over planes are vectors, loops over units were not.

use crate::buffer::Buffer;
use crate::cells::Parameterisation;
use crate::scalar::Scalar;
use eligibility_kernels::Level;
use eligibility_kernels::activation::{Exp, SinCos};

/// r of the direct parameterisation lies above.
const SMALLEST_RADIUS: f64 = 1e-6;

/// Of some units, one element each.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Polar {
    /// Of an exponential function, and its value.
    argument: Buffer<f64>,
    exponential: Buffer<f64>,
    /// r, and r', which is zero where r is clamped.
    pub(super) radius: Buffer<f64>,
    pub(super) slope: Buffer<f64>,
    /// theta, theta'.
    theta: Buffer<f64>,
    pub(super) turn: Buffer<f64>,
    pub(super) sine: Buffer<f64>,
    pub(super) cosine: Buffer<f64>,
}

impl Polar {
    pub(super) fn zeros(units: usize) -> Self {
        let zeros = || Buffer::zeros(units);
        Self {
            argument: zeros(),
            exponential: zeros(),
            radius: zeros(),
            slope: zeros(),
            theta: zeros(),
            turn: zeros(),
            sine: zeros(),
            cosine: zeros(),
        }
    }

    /// r and r' of `w`.
    pub(super) fn set_radius<T: Scalar>(
        &mut self,
        level: Level,
        parameterisation: Parameterisation,
        w: &[T],
    ) {
        let Self { argument, exponential: rate, radius, slope, .. } = self;
        copy(argument, w);
        match parameterisation {
            Parameterisation::ExpExp => {
                level.run(Exp { input: argument, output: rate });
                map(argument, [rate], |[rate]| -rate);
                level.run(Exp { input: argument, output: radius });
                map(slope, [rate, radius], |[rate, r]| -rate * r);
            }
            Parameterisation::Exp => {
                map(slope, [argument], |[w]| if w < 0.0 { 0.0 } else { -w });
                level.run(Exp { input: slope, output: radius });
                map(slope, [argument, radius], |[w, r]| if w < 0.0 { 0.0 } else { -r });
            }
            Parameterisation::Direct => {
                map(radius, [argument], |[w]| w.clamp(SMALLEST_RADIUS, 1.0));
                map(slope, [argument], |[w]| if (SMALLEST_RADIUS..=1.0).contains(&w) { 1.0 } else { 0.0 });
            }
        }
    }

    /// theta and theta' of `w`, sine and cosine.
    pub(super) fn set_theta<T: Scalar>(&mut self, level: Level, parameterisation: Parameterisation, w: &[T]) {
        let Self { argument, theta, turn, sine, cosine, .. } = self;
        copy(argument, w);
        match parameterisation {
            Parameterisation::ExpExp => {
                level.run(Exp { input: argument, output: theta });
                turn.copy_from_slice(theta);
            }
            Parameterisation::Exp | Parameterisation::Direct => {
                theta.copy_from_slice(argument);
                turn.fill(1.0);
            }
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
    pub(super) fn exponential<T: Scalar>(&mut self, level: Level, w: &[T]) -> &[f64] {
        copy(&mut self.argument, w);
        level.run(Exp { input: &self.argument, output: &mut self.exponential });
        &self.exponential
    }
}

fn copy<T: Scalar>(target: &mut [f64], source: &[T]) {
    for (target, source) in target.iter_mut().zip(source) {
        *target = source.to_f64();
    }
}

/// `target = f(sources)`, element by element, rounded.
#[inline]
pub(super) fn map<T: Scalar, const N: usize>(
    target: &mut [T],
    sources: [&[f64]; N],
    f: impl Fn([f64; N]) -> f64,
) {
    let sources = sources.map(|source| &source[..target.len()]);
    for (index, target) in target.iter_mut().enumerate() {
        *target = T::from_f64(f(sources.map(|source| source[index])));
    }
}
