//! exp, sigmoid and tanh, and the derivatives of the last two from their outputs.
//!
//! (1) sigma(x) = 1 / (1 + exp(-x))          d sigma/dx = sigma (1 - sigma)
//! (2) tanh(x) = (1 - exp(-2x)) / (1 + exp(-2x))   d tanh/dx = 1 - tanh^2

use crate::lanes::Lanes;
use crate::real::Real;

/// Constants in which the two element types differ.
#[derive(Clone, Copy, Debug)]
pub struct Coefficients<T: 'static> {
    /// `(exp(r) - 1 - r) / r^2` on `|r| <= ln(2)/2`, lowest power first.
    pub expm1_tail: &'static [T],
}

impl Coefficients<f32> {
    /// For `f32`.
    pub const F32: Self = Self { expm1_tail: &[0.5, 0.166_666_67] };
}

impl Coefficients<f64> {
    /// For `f64`.
    pub const F64: Self = Self { expm1_tail: &[0.5, 1.0 / 6.0] };
}

/// `1 / (1 + exp(-x))`, lane by lane.
#[inline(always)]
pub fn sigmoid<V: Lanes>(token: V::Token, x: V) -> V {
    map(token, x, |x| 1.0 / (1.0 + (-x).exp()))
}

/// `tanh(x)`, lane by lane.
#[inline(always)]
pub fn tanh<V: Lanes>(token: V::Token, x: V) -> V {
    map(token, x, f64::tanh)
}

/// d sigma/dx from sigma.
#[inline(always)]
pub fn sigmoid_slope<V: Lanes>(token: V::Token, s: V) -> V {
    s * (V::splat(token, V::Element::ONE) - s)
}

/// d tanh/dx from tanh.
#[inline(always)]
pub fn tanh_slope<V: Lanes>(token: V::Token, t: V) -> V {
    let one = V::splat(token, V::Element::ONE);
    (one - t) * (one + t)
}

#[inline(always)]
fn map<V: Lanes>(token: V::Token, x: V, f: impl Fn(f64) -> f64) -> V {
    let mut lanes = [V::Element::ZERO; crate::lanes::MAX_WIDTH];
    x.store(&mut lanes[..V::WIDTH]);
    for lane in &mut lanes[..V::WIDTH] {
        *lane = V::Element::from_f64(f(lane.to_f64()));
    }
    V::load(token, &lanes[..V::WIDTH])
}
