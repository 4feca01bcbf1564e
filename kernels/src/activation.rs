//! exp, sigmoid and tanh, and the derivatives of the last two from their outputs.
//!
//! ```text
//! (1) sigma(x) = 1 / (1 + e^-x)                       d sigma/dx = sigma (1 - sigma)
//! (2) tanh(x)  = (1 - e^-2x) / (1 + e^-2x)            d tanh/dx  = (1 - tanh) (1 + tanh)
//! (3) e^y      = 2^n (1 + p),  n = round(y log2 e),  r = y - n ln 2,  p = r + r^2 g(r),  |r| <= ln(2)/2
//! (4) sigma(x) = q + (N - q D)/D,  t = e^-|x|,  D = 1 + t,  N = t (x < 0) or 1 (x >= 0)
//! (5) tanh|x|  = |q + (N - q D)/D|,  N = e^-2|x| - 1 = (2^n - 1) + 2^n p,  D = 2 + N
//! ```
//!
//! Method: (3) splits ln 2 in two (Cody and Waite), so that the first product is exact; `g` is a polynomial. In (4) and
//! (5) N and D are unevaluated sums of two numbers (Dekker's fast two-sum), q is the quotient of their leading parts, and
//! `N - q D` is exact in its leading part: one fused operation, or Veltkamp's splitting where
//! [`Lanes::FUSED`] is false. The factor 1/D needs few bits and follows from q: it is q or 1 - q in (4) and
//! (1 + |q|)/2 in (5). One division per value. Because the quotient is all but correctly rounded and p is monotone in y,
//! so are the results.
//!
//! Accuracy, largest error found in ULP (`f32`: every float; `f64`: 3 million values per function, dense where the error
//! is largest; portable: as compiled for SSE2, without fused multiply-add):
//!
//! | function | `f32` portable | `f32` avx2 | `f64` portable | `f64` avx2 |
//! |---|---|---|---|---|
//! | [`exp`] | 0.96 | 0.99 | 0.93 | 0.98 |
//! | [`sigmoid`] | 1.00 | 0.98 | 0.93 | 0.97 |
//! | [`tanh`] | 1.40 | 1.33 | 1.39 | 1.33 |
//!
//! avx512 does the same operations as avx2. `f32` is monotone: no two neighbouring floats have results in the wrong
//! order; in `f64` none of 1.5 million pairs had. Results below the normal range are subnormal, with the same bounds.
//!
//! NaN in gives NaN out (payload and sign unspecified). Saturation is exact: sigma(-inf) = 0, sigma(inf) = 1,
//! tanh(+-inf) = +-1, e^-inf = 0, e^inf = inf; tanh is odd to the bit, tanh(-0) = -0.

use crate::lanes::Lanes;
use crate::lanes::several::Several;
use crate::level::Kernel;
use crate::real::Real;

/// Constants in which the two element types differ.
///
/// Computed on 2026-11-21 with mpmath at 200 bits by `tests/activation_coefficients.py`.
#[derive(Clone, Copy, Debug)]
pub struct Coefficients<T: 'static> {
    /// `g(r) = (e^r - 1 - r) / r^2`, lowest power first; the first is exactly 1/2.
    ///
    /// Least squares on 200 Chebyshev nodes of `|r| <= 0.3467` (`f32`) or `0.34658` (`f64`), a little more than
    /// `ln(2)/2`, weighted by `r` (relative error of `e^r - 1`); coefficients rounded from the lowest power up, the
    /// others refitted after each. Relative error of `e^r - 1`: 2^-31.0 (`f32`), 2^-61.6 (`f64`).
    pub expm1_tail: &'static [T],
    /// As `expm1_tail`, TODO.
    pub tanh_tail: &'static [T],
    /// `log2(e)`, nearest.
    pub log2_e: T,
    /// `ln 2` to 16 bits (`f32`) or 42 bits (`f64`): its product with any `n` is exact.
    pub ln_2_high: T,
    /// `ln 2 - ln_2_high`, nearest.
    pub ln_2_low: T,
    /// 1.5 times 2 to the number of mantissa bits: adding and subtracting it rounds to the nearest integer.
    pub rounder: T,
    /// Exponent bias of the format: 127 or 1023.
    pub bias: T,
    /// At and below it, `e^y` rounds to 0.
    pub exp_zero: T,
    /// At and above it, `e^y` rounds to infinity.
    pub exp_infinite: T,
    /// At and below this value of `-2|x|`, `tanh |x|` rounds to 1.
    pub tanh_one: T,
    /// Exponent of the power of two by which a scale below the normal range is raised while it is made.
    pub raise: T,
    /// `2^-raise`.
    pub lower: T,
}

impl Coefficients<f32> {
    /// For `f32`.
    pub const F32: Self = Self {
        expm1_tail: &[0.5, 0.166665181517601, 0.04166684299707413, 0.008368950337171555, 0.0013899903278797865],
        tanh_tail: &[0.49999985098838806, 0.1666652113199234, 0.04167002812027931, 0.00836866907775402, 0.0013736797263845801],
        log2_e: core::f32::consts::LOG2_E,
        ln_2_high: 0.693_145_75,
        ln_2_low: 1.428_606_8e-6,
        rounder: 12_582_912.0,
        bias: 127.0,
        exp_zero: -104.0,
        exp_infinite: 89.0,
        tanh_one: -20.0,
        raise: 64.0,
        lower: f32::from_bits((127 - 64) << 23),
    };
}

impl Coefficients<f64> {
    /// For `f64`.
    pub const F64: Self = Self {
        expm1_tail: &[0.5, 0.16666666666666244, 0.04166666666660195, 0.008333333333610958, 0.0013888888927524423, 0.0001984126924193348, 2.480150784406989e-05, 2.755783058553633e-06, 2.762549662351486e-07, 2.49209419728541e-08],
        tanh_tail: &[0.5, 0.1666666666666603, 0.04166666666660414, 0.008333333333714136, 0.0013888888926689878, 0.00019841269071347662, 2.4801508842113774e-05, 2.755794719910788e-06, 2.762511672642295e-07, 2.4892890317460598e-08],
        log2_e: core::f64::consts::LOG2_E,
        ln_2_high: 0.693_147_180_559_890_3,
        ln_2_low: 5.497_923_018_708_371e-14,
        rounder: 6_755_399_441_055_744.0,
        bias: 1023.0,
        exp_zero: -746.0,
        exp_infinite: 710.0,
        tanh_one: -40.0,
        raise: 128.0,
        lower: f64::from_bits((1023 - 128) << 52),
    };
}

/// Equation (3) with its polynomial: `(k, p)` with `e^y = 2^n (1 + p)` and `k = shift + n`, `shift` an integer near
/// `rounder`.
#[inline(always)]
fn reduced_expm1<V: Lanes>(token: V::Token, y: V, shift: V::Element, tail: &[V::Element]) -> (V, V) {
    let constants = V::Element::COEFFICIENTS;
    let shift = V::splat(token, shift);
    let k = y.mul_add(V::splat(token, constants.log2_e), shift);
    let n = k - shift;
    let r = (-n).mul_add(V::splat(token, constants.ln_2_high), y);
    let r = (-n).mul_add(V::splat(token, constants.ln_2_low), r);
    let (&last, others) = tail.split_last().expect("a polynomial");
    let mut g = V::splat(token, last);
    for &coefficient in others.iter().rev() {
        g = g.mul_add(r, V::splat(token, coefficient));
    }
    (k, (r * r).mul_add(g, r))
}

/// `1 / (1 + e^-x)`, lane by lane: equation (4).
#[inline(always)]
pub fn sigmoid<V: Lanes>(token: V::Token, x: V) -> V {
    let constants = V::Element::COEFFICIENTS;
    let one = V::splat(token, V::Element::ONE);
    let y = x.copy_sign(-one).max_keep_nan(V::splat(token, constants.exp_zero));
    // 2^n may be subnormal, whose exponent has no bits of its own: make 2^(n + raise) and multiply.
    let shift = constants.rounder + constants.bias + constants.raise;
    let (k, p) = reduced_expm1(token, y, shift, constants.expm1_tail);
    let scale = k.exp2_of_low_bits() * V::splat(token, constants.lower);
    let t = scale.mul_add(p, scale);
    let numerator = x.negative_select(t, one);
    let q = numerator / (one + t);
    // q is at least 1/2 where N is 1, and 1 - q is 1/(1 + t) where it is t.
    let reciprocal = q.max_keep_nan(one - q);
    if V::FUSED {
        // N - q is exact, because q lies between N/2 and N.
        let rest = (-q).mul_add(t, numerator - q);
        return rest.mul_add(reciprocal, q);
    }
    let (q_high, t_high) = (q.high_half(), t.high_half());
    let rest = ((numerator - q_high) - q_high * t_high) - q_high * (t - t_high);
    rest * reciprocal + q_high
}

/// `tanh(x)`, lane by lane: equation (5).
#[inline(always)]
pub fn tanh<V: Lanes>(token: V::Token, x: V) -> V {
    let constants = V::Element::COEFFICIENTS;
    let one = V::splat(token, V::Element::ONE);
    let half = V::splat(token, V::Element::from_f64(0.5));
    let y = x.copy_sign(-one);
    let y = (y + y).max_keep_nan(V::splat(token, constants.tanh_one));
    let shift = constants.rounder + constants.bias - V::Element::ONE;
    let (k, p) = reduced_expm1(token, y, shift, constants.tanh_tail);
    let scale = k.exp2_of_low_bits();
    let base = half - scale;
    let a = (-scale).mul_add(p, base);
    let a_low = (-scale).mul_add(p, base - a);
    let q = a / (one - a);
    let reciprocal = one + q;
    if V::FUSED {
        let rest = a_low.mul_add(reciprocal, q.mul_add(a, a - q));
        return rest.mul_add(reciprocal, q).turn_sign(x);
    }
    let (q_high, a_high) = (q.high_half(), a.high_half());
    let rest = ((a - q_high) + q_high * a_high) + q_high * (a - a_high);
    let rest = a_low * reciprocal + rest;
    (rest * reciprocal + q_high).turn_sign(x)
}

/// `e^x`, lane by lane: equation (3).
#[inline(always)]
pub fn exp<V: Lanes>(token: V::Token, x: V) -> V {
    let constants = V::Element::COEFFICIENTS;
    let lowest = V::splat(token, constants.exp_zero);
    let highest = V::splat(token, constants.exp_infinite);
    let y = x.max_keep_nan(lowest).min_keep_nan(highest);
    let (k, p) = reduced_expm1(token, y, constants.rounder + constants.bias, constants.expm1_tail);
    // 2^n may be subnormal or overflow where the product does not: make it nearer to 1 by 2^raise, and multiply at last.
    let raise = V::splat(token, constants.raise);
    let scale = (k + x.negative_select(raise, -raise)).exp2_of_low_bits();
    let lower = V::splat(token, constants.lower);
    let back = x.negative_select(lower, V::splat(token, V::Element::ONE / constants.lower));
    scale.mul_add(p, scale) * back
}

/// `d sigma/dx = s (1 - s)` from the output `s = sigma(x)`, lane by lane.
#[inline(always)]
pub fn sigmoid_slope<V: Lanes>(token: V::Token, s: V) -> V {
    if V::FUSED { (-s).mul_add(s, s) } else { s * (V::splat(token, V::Element::ONE) - s) }
}

/// `d tanh/dx = (1 - t)(1 + t)` from the output `t = tanh(x)`, lane by lane.
///
/// As a product, because `1 - t * t` loses the low bits of `t * t` where `|t|` is near 1; the factor that is small
/// there is exact.
#[inline(always)]
pub fn tanh_slope<V: Lanes>(token: V::Token, t: V) -> V {
    let one = V::splat(token, V::Element::ONE);
    if V::FUSED { (-t).mul_add(t, one) } else { (one - t) * (one + t) }
}

/// Vectors side by side in the loop of a slice.
const SIDE: usize = 4;

macro_rules! slice_kernel {
    ($name:ident, $function:ident, $title:literal, $equation:literal, $accuracy:literal, $limits:literal, $cost:literal,
     $zero:literal) => {
        #[doc = concat!($title, " of a slice.")]
        ///
        #[doc = concat!("`output[i] = ", $equation, "`, ", $accuracy)]
        ///
        /// - Shapes: `input` and `output` have one length, any (0 too).
        /// - Aliasing: none (`output` is written, never read).
        #[doc = concat!("- Limits: ", $limits, " NaN gives NaN. A value does not depend on its position.")]
        /// - Panics: if the lengths differ, before anything is written.
        #[doc = concat!("- Cost: ", $cost, " No allocation.")]
        ///
        /// ```
        #[doc = concat!("use eligibility_kernels::{Level, activation::", stringify!($name), "};")]
        /// let mut output = [0.0_f32; 3];
        #[doc = concat!("Level::detect().run(", stringify!($name), " { input: &[-1.0, 0.0, 1.0], output: &mut output });")]
        #[doc = concat!("assert_eq!(output[1], ", $zero, ");")]
        /// ```
        #[derive(Debug)]
        pub struct $name<'a, T> {
            /// Arguments.
            pub input: &'a [T],
            /// Results, as many.
            pub output: &'a mut [T],
        }

        impl<T: Real> Kernel<T> for $name<'_, T> {
            type Output = ();

            #[inline(always)]
            #[track_caller]
            fn run<V: Lanes<Element = T>>(self, token: V::Token) {
                let (inputs, outputs) = (self.input.len(), self.output.len());
                assert_eq!(inputs, outputs, "{}: {inputs} inputs for {outputs} outputs", stringify!($name));
                let side = Several::<V, SIDE>::WIDTH;
                let mut sources = self.input.chunks_exact(side);
                let mut targets = self.output.chunks_exact_mut(side);
                for (source, target) in sources.by_ref().zip(targets.by_ref()) {
                    $function(token, Several::<V, SIDE>::load(token, source)).store(target);
                }
                let mut sources = sources.remainder().chunks_exact(V::WIDTH);
                let mut targets = targets.into_remainder().chunks_exact_mut(V::WIDTH);
                for (source, target) in sources.by_ref().zip(targets.by_ref()) {
                    $function(token, V::load(token, source)).store(target);
                }
                // Outside the loop, so that its calls do not evict the constants from their registers.
                let (source, target) = (sources.remainder(), targets.into_remainder());
                if !source.is_empty() {
                    $function(token, V::load_head(token, source)).store_head(target);
                }
            }
        }
    };
}

slice_kernel! { Sigmoid, sigmoid, "Sigmoid", "1 / (1 + e^-input[i])",
"equation (4); at most 1.5 ULP, monotone.", "-inf gives 0, inf gives 1.",
"one division and about 35 other operations per vector.", "0.5" }
slice_kernel! { Tanh, tanh, "Hyperbolic tangent", "tanh(input[i])",
"equation (5); at most 1.5 ULP, monotone, odd.", "+-inf gives +-1, +-0 gives +-0.",
"one division and about 40 other operations per vector.", "0.0" }
slice_kernel! { Exp, exp, "Exponential", "e^input[i]",
"equation (3); at most 1.5 ULP, monotone.", "-inf gives 0, inf gives inf; overflow gives inf.",
"about 25 operations per vector.", "1.0" }
