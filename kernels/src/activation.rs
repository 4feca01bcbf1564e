//! exp, sigmoid and tanh, and the derivatives of the last two from their outputs; sine and cosine (`circular`).
//!
//! ```text
//! (1) sigma(x) = 1 / (1 + e^-x)                       d sigma/dx = sigma (1 - sigma)
//! (2) tanh(x)  = (1 - e^-2x) / (1 + e^-2x)            d tanh/dx  = (1 - tanh) (1 + tanh)
//! (3) e^y      = 2^n (1 + p),  n = round(y log2 e),  r = y - n ln 2,  p = r + r^2 g(r),  |r| <= ln(2)/2
//! (4) sigma(x) = q + (N - q - q t)/(1 + t),  t = e^-|x|,  N = t (x < 0) or 1 (x >= 0),  q = N/(1 + t) rounded
//! (5) tanh|x|  = q + (A - q + q A)/(1 - A),  A = (1/2 - 2^(n-1)) - 2^(n-1) p = (1 - e^-2|x|)/2,  q = A/(1 - A) rounded
//! ```
//!
//! Method: (3) splits ln 2 in two (Cody and Waite), so that the first product is exact; `g` is a polynomial. Adding
//! `rounder + bias` to y log2 e leaves n, biased, in the low bits: a shift makes them the exponent of 2^n. In (4) and (5)
//! the numerators of the corrections are the remainders of the division: N - q and A - q are exact, because q lies
//! between N/2 and N or A and 2A, and the rest is one fused operation, or products of halves where [`Lanes::FUSED`] is
//! false. Their divisors need few bits and follow from q: 1/(1 + t) is q or 1 - q, whichever is larger, and 1/(1 - A) is
//! 1 + q. One division per value. t is rounded once; what A loses in rounding is kept and corrects q. Because the quotient
//! is all but correctly rounded and p is monotone in y, so are the results.
//!
//! The slice kernels work on several vectors side by side: alone, one waits for its own chain of operations.
//!
//! Accuracy, largest error found in ULP (`f32`: every float; `f64`: 400 000 values per function, dense where the error is
//! largest; portable: as compiled for SSE2, without fused multiply-add):
//!
//! | function | `f32` portable | `f32` avx2 | `f64` portable | `f64` avx2 |
//! |---|---|---|---|---|
//! | [`exp`] | 1.02 | 1.04 | 0.97 | 1.01 |
//! | [`sigmoid`] | 1.48 | 1.48 | 1.40 | 1.40 |
//! | [`tanh`] | 1.43 | 1.42 | 1.42 | 1.42 |
//!
//! avx512 does the same operations as avx2. `f32` is monotone: no two neighbouring floats have results in the wrong
//! order; in `f64` none of the pairs had. Results below the normal range are subnormal, with the same bounds.
//!
//! NaN in gives NaN out (payload and sign unspecified). Saturation is exact: sigma(-inf) = 0, sigma(inf) = 1,
//! tanh(+-inf) = +-1, e^-inf = 0, e^inf = inf; tanh is odd to the bit, tanh(-0) = -0.

use crate::instances::run_by;
use crate::lanes::Lanes;
use crate::lanes::several::{SIDE, Several};
use crate::level::Kernel;
use crate::real::{Real, Sealed};

mod circular;
mod coefficients;
mod nonlinear;

pub(crate) use circular::CircularCoefficients;
pub use circular::{SinCos, sin_cos};
pub(crate) use coefficients::Coefficients;
pub(crate) use nonlinear::{IdentityPhi, Phi, ReluPhi, TanhPhi};
pub use nonlinear::{Nonlinear, Nonlinearity};

/// Equation (3): `(k, p)` with `e^y = 2^n (1 + p)` and `k = shift + n`, where `shift` is an integer near `rounder`.
#[inline(always)]
fn reduced_expm1<V: Lanes>(token: V::Token, y: V, shift: V::Element, tail: &[V::Element]) -> (V, V) {
    let constants = V::Element::COEFFICIENTS;
    let shift = V::splat(token, shift);
    let k = y.mul_add(V::splat(token, constants.log2_e), shift);
    let n = k - shift;
    let r = (-n).mul_add(V::splat(token, constants.ln_2_high), y);
    let r = (-n).mul_add(V::splat(token, constants.ln_2_low), r);
    // Horner over pairs of terms in r^2, which is needed anyway: as many operations as in r, a chain half as long.
    let square = r * r;
    let mut start = (tail.len() - 1) / 2 * 2;
    let mut g = pair(token, r, &tail[start..]);
    while start > 0 {
        start -= 2;
        g = g.mul_add(square, pair(token, r, &tail[start..]));
    }
    (k, square.mul_add(g, r))
}

/// The first two terms of a polynomial in `r`, or the only one.
#[inline(always)]
fn pair<V: Lanes>(token: V::Token, r: V, coefficients: &[V::Element]) -> V {
    let first = V::splat(token, coefficients[0]);
    if coefficients.len() < 2 { first } else { V::splat(token, coefficients[1]).mul_add(r, first) }
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
    // The products of halves are exact; what is rounded is as small beside t as t is beside 1, so that no error of the
    // sum shows where t is small.
    let (q_high, t_high) = (q.high_half(), t.high_half());
    let rest = ((numerator - q) - q_high * t_high) - q_high * (t - t_high);
    (rest - (q - q_high) * t) * reciprocal + q
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
    // 2^n may be subnormal or overflow where the product does not: make it 2^raise nearer to 1, and multiply at last.
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
/// As a product where the level has no fused operation, because `1 - t * t` loses the low bits of `t * t` where `|t|` is
/// near 1; the factor that is small there is exact.
#[inline(always)]
pub fn tanh_slope<V: Lanes>(token: V::Token, t: V) -> V {
    let one = V::splat(token, V::Element::ONE);
    if V::FUSED { (-t).mul_add(t, one) } else { (one - t) * (one + t) }
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

            run_by!($function);

            #[inline(always)]
            #[track_caller]
            fn run<V: Lanes<Element = T>>(self, token: V::Token) {
                let (inputs, outputs) = (self.input.len(), self.output.len());
                assert_eq!(inputs, outputs, "{}: {inputs} inputs for {outputs} outputs", stringify!($name));
                let mut sources = self.input.chunks_exact(Several::<V, SIDE>::WIDTH);
                let mut targets = self.output.chunks_exact_mut(Several::<V, SIDE>::WIDTH);
                for (source, target) in sources.by_ref().zip(targets.by_ref()) {
                    $function(token, Several::<V, SIDE>::load(token, source)).store(target);
                }
                let mut sources = sources.remainder().chunks_exact(V::WIDTH);
                let mut targets = targets.into_remainder().chunks_exact_mut(V::WIDTH);
                for (source, target) in sources.by_ref().zip(targets.by_ref()) {
                    $function(token, V::load(token, source)).store(target);
                }
                // Outside the loops, so that its calls do not evict the constants from their registers.
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
"one division and 22 other operations per vector with FMA.", "0.5" }
slice_kernel! { Tanh, tanh, "Hyperbolic tangent", "tanh(input[i])",
"equation (5); at most 1.5 ULP, monotone, odd.", "+-inf gives +-1, +-0 gives +-0.",
"one division and 27 other operations per vector with FMA.", "0.0" }
slice_kernel! { Exp, exp, "Exponential", "e^input[i]",
"equation (3); at most 1.5 ULP, monotone.", "-inf gives 0, inf gives inf; overflow gives inf.",
"18 operations per vector with FMA.", "1.0" }
