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
    /// `log2(e)`, nearest.
    pub log2_e: T,
    /// `ln 2` to 16 bits (`f32`) or 42 bits (`f64`): its product with any `n` is exact.
    pub ln_2_high: T,
    /// `ln 2 - ln_2_high`, nearest.
    pub ln_2_low: T,
    /// 1.5 times 2 to the number of mantissa bits: adding and subtracting it rounds to the nearest integer.
    pub rounder: T,
    /// 2^12 + 1 or 2^27 + 1: Veltkamp's factor, which splits a number into two of half the bits.
    pub splitter: T,
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
        expm1_tail: &[0.5, 0.166_666_67, 0.041_666_478, 0.008_333_192, 0.001_393_369_7, 0.000_199_584_71],
        log2_e: core::f32::consts::LOG2_E,
        ln_2_high: 0.693_145_75,
        ln_2_low: 1.428_606_8e-6,
        rounder: 12_582_912.0,
        splitter: 4097.0,
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
        expm1_tail: &[
            0.5,
            0.166_666_666_666_666_77,
            0.041_666_666_666_666_68,
            0.008_333_333_333_321_454,
            0.001_388_888_888_887_745_5,
            0.000_198_412_698_865_150_91,
            2.480_158_734_057_223_7e-5,
            2.755_724_386_141_281e-6,
            2.755_725_926_412_291_4e-7,
            2.510_914_635_256_051_7e-8,
            2.091_947_705_033_219e-9,
        ],
        log2_e: core::f64::consts::LOG2_E,
        ln_2_high: 0.693_147_180_559_890_3,
        ln_2_low: 5.497_923_018_708_371e-14,
        rounder: 6_755_399_441_055_744.0,
        splitter: 134_217_729.0,
        exp_zero: -746.0,
        exp_infinite: 710.0,
        tanh_one: -40.0,
        raise: 128.0,
        lower: f64::from_bits((1023 - 128) << 52),
    };
}

/// Equation (3): `(n, p)` with `e^y = 2^n (1 + p)`.
#[inline(always)]
fn reduced_expm1<V: Lanes>(token: V::Token, y: V) -> (V, V) {
    let constants = V::Element::COEFFICIENTS;
    let rounder = V::splat(token, constants.rounder);
    let n = y.mul_add(V::splat(token, constants.log2_e), rounder) - rounder;
    let r = (-n).mul_add(V::splat(token, constants.ln_2_high), y);
    let r = (-n).mul_add(V::splat(token, constants.ln_2_low), r);
    let (&last, others) = constants.expm1_tail.split_last().expect("a polynomial");
    let mut g = V::splat(token, last);
    for &coefficient in others.iter().rev() {
        g = g.mul_add(r, V::splat(token, coefficient));
    }
    (n, (r * r).mul_add(g, r))
}

/// `numerator - q * denominator`, exact for `q = numerator / denominator` rounded.
#[inline(always)]
fn remainder<V: Lanes>(token: V::Token, q: V, numerator: V, denominator: V) -> V {
    if V::FUSED {
        return (-q).mul_add(denominator, numerator);
    }
    let halves = |a: V| {
        let c = a * V::splat(token, V::Element::COEFFICIENTS.splitter);
        let high = c - (c - a);
        (high, a - high)
    };
    let (q_high, q_low) = halves(q);
    let (high, low) = halves(denominator);
    // Each product fits one number, and each difference is exact in this order (Dekker).
    (((numerator - q_high * high) - q_high * low) - q_low * high) - q_low * low
}

/// `1 / (1 + e^-x)`, lane by lane: equation (4).
#[inline(always)]
pub fn sigmoid<V: Lanes>(token: V::Token, x: V) -> V {
    let constants = V::Element::COEFFICIENTS;
    let zero = V::splat(token, V::Element::ZERO);
    let one = V::splat(token, V::Element::ONE);
    let y = x.copy_sign(-one).max_keep_nan(V::splat(token, constants.exp_zero));
    let (n, p) = reduced_expm1(token, y);
    // 2^n may be subnormal, which `exp2_integral` cannot make: make 2^(n + raise) and multiply.
    let scale = (n + V::splat(token, constants.raise)).exp2_integral() * V::splat(token, constants.lower);
    let t = scale.mul_add(p, scale);
    let t_low = scale.mul_add(p, scale - t);
    let denominator = one + t;
    let denominator_low = (t - (denominator - one)) + t_low;
    let numerator = x.less_select(zero, t, one);
    let numerator_low = x.less_select(zero, t_low, zero);
    let q = numerator / denominator;
    let rest = remainder(token, q, numerator, denominator) + numerator_low;
    let rest = (-q).mul_add(denominator_low, rest);
    // 1/(1 + t) is q where the numerator is 1, and 1 - t/(1 + t) where it is t.
    let reciprocal = x.less_select(zero, one - q, q);
    rest.mul_add(reciprocal, q)
}

/// `tanh(x)`, lane by lane: equation (5).
#[inline(always)]
pub fn tanh<V: Lanes>(token: V::Token, x: V) -> V {
    let constants = V::Element::COEFFICIENTS;
    let one = V::splat(token, V::Element::ONE);
    let half = V::splat(token, V::Element::from_f64(0.5));
    let two = one + one;
    let y = (x.copy_sign(-one) * two).max_keep_nan(V::splat(token, constants.tanh_one));
    let (n, p) = reduced_expm1(token, y);
    let scale = n.exp2_integral();
    let base = scale - one;
    let base_low = scale - (base + one);
    let numerator = scale.mul_add(p, base);
    let numerator_low = scale.mul_add(p, base - numerator) + base_low;
    let denominator = two + numerator;
    let denominator_low = (numerator - (denominator - two)) + numerator_low;
    let q = numerator / denominator;
    let rest = remainder(token, q, numerator, denominator) + numerator_low;
    let rest = (-q).mul_add(denominator_low, rest) * half;
    // 1/D = (1 - q)/2; here q = -tanh|x|.
    ((-q).mul_add(rest, rest) + q).copy_sign(x)
}

/// `e^x`, lane by lane: equation (3).
#[inline(always)]
pub fn exp<V: Lanes>(token: V::Token, x: V) -> V {
    let constants = V::Element::COEFFICIENTS;
    let lowest = V::splat(token, constants.exp_zero);
    let highest = V::splat(token, constants.exp_infinite);
    let raise = V::splat(token, constants.raise);
    let (n, p) = reduced_expm1(token, x.max_keep_nan(lowest).min_keep_nan(highest));
    // In two steps, because 2^n may be subnormal or overflow where the product does not; only the second rounds.
    let first = n.max_keep_nan(-raise).min_keep_nan(raise);
    let second = n - first;
    (V::splat(token, V::Element::ONE) + p) * first.exp2_integral() * second.exp2_integral()
}

/// `d sigma/dx = s (1 - s)` from the output `s = sigma(x)`, lane by lane.
#[inline(always)]
pub fn sigmoid_slope<V: Lanes>(token: V::Token, s: V) -> V {
    s * (V::splat(token, V::Element::ONE) - s)
}

/// `d tanh/dx = (1 - t)(1 + t)` from the output `t = tanh(x)`, lane by lane.
///
/// As a product, because `1 - t * t` loses the low bits of `t * t` where `|t|` is near 1; the factor that is small
/// there is exact.
#[inline(always)]
pub fn tanh_slope<V: Lanes>(token: V::Token, t: V) -> V {
    let one = V::splat(token, V::Element::ONE);
    (one - t) * (one + t)
}

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
                let mut sources = self.input.chunks_exact(V::WIDTH);
                let mut targets = self.output.chunks_exact_mut(V::WIDTH);
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
