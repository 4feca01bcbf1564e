//! Sine and cosine of an angle, together.
//!
//! ```text
//! (1) x = n pi/2 + r        n = round(2 x / pi), |r| <= pi/4
//! (2) sin r = r + r z s(z)  cos r = 1 - z/2 + z^2 c(z)        z = r^2
//! (3) f = n - 4 round(n/4): sin x, cos x = sin r, cos r (f = 0)   cos r, -sin r (1)   -cos r, sin r (-1)
//!     -sin r, -cos r (2, -2)
//! ```
//!
//! Method: pi/2 in three parts (Cody and Waite), so short that n times the first two is exact; s and c are polynomials.

use crate::instances::run_by;
use crate::lanes::Lanes;
use crate::level::Kernel;
use crate::real::{Real, Sealed};

/// Constants in which the two element types differ.
///
/// Computed with mpmath at 200 bits by `tests/activation_coefficients.py`.
#[derive(Clone, Copy, Debug)]
pub struct CircularCoefficients<T: 'static> {
    /// `s(z) = (sin r - r) / r^3`, lowest power first. Least squares on 200 Chebyshev nodes of `z <= 0.7854^2`, weighted for
    /// the relative error of the sine: 2^-28.0 (`f32`), 2^-57.9 (`f64`).
    pub sine: &'static [T],
    /// `c(z) = (cos r - 1 + z/2) / z^2`, the same. Error of the cosine: 2^-33.1, 2^-64.0.
    pub cosine: &'static [T],
    /// pi/2 as a sum: 12, 12 and 24 bits (`f32`), 33, 31 and 53 (`f64`).
    pub half_pi: [T; 3],
    /// `2 / pi`, nearest.
    pub two_over_pi: T,
    /// The largest angle of which n is exact: 2^12 (`f32`), 2^20 (`f64`) times pi/2, rounded down.
    pub largest: T,
}

impl CircularCoefficients<f32> {
    /// For `f32`.
    pub const F32: Self = Self {
        sine: &[-0.166_666_55, 0.008_332_192, -0.000_195_187_91],
        cosine: &[0.041_666_646, -0.001_388_731_3, 2.443_297_1e-5],
        half_pi: [1.570_312_5, 0.000_483_751_3, 7.549_79e-8],
        two_over_pi: core::f32::consts::FRAC_2_PI,
        largest: 6_433.0,
    };
}

impl CircularCoefficients<f64> {
    /// For `f64`.
    pub const F64: Self = Self {
        sine: &[
            -0.166_666_666_666_666_3,
            0.008_333_333_333_321_976,
            -0.000_198_412_698_295_250_9,
            2.755_731_360_898_161e-6,
            -2.505_074_679_937_030_6e-8,
            1.589_621_200_779_579_2e-10,
        ],
        cosine: &[
            0.041_666_666_666_666_595,
            -0.001_388_888_888_887_346_1,
            2.480_158_728_911_981e-5,
            -2.755_731_425_867_868e-7,
            2.087_571_170_644_733e-9,
            -1.135_909_725_770_228_2e-11,
        ],
        half_pi: [1.570_796_326_734_125_6, 6.077_100_506_303_966e-11, 2.022_266_248_795_950_6e-21],
        two_over_pi: core::f64::consts::FRAC_2_PI,
        largest: 1_647_099.0,
    };
}

/// A polynomial in `z`, lowest power first.
#[inline(always)]
fn polynomial<V: Lanes>(token: V::Token, z: V, coefficients: &[V::Element]) -> V {
    let mut sum = V::splat(token, coefficients[coefficients.len() - 1]);
    for &coefficient in coefficients[..coefficients.len() - 1].iter().rev() {
        sum = sum.mul_add(z, V::splat(token, coefficient));
    }
    sum
}

/// `(sin x, cos x)`, lane by lane: equations (1) to (3).
#[inline(always)]
pub fn sin_cos<V: Lanes>(token: V::Token, x: V) -> (V, V) {
    let constants = V::Element::CIRCULAR;
    let splat = |value: f64| V::splat(token, V::Element::from_f64(value));
    let rounder = V::splat(token, V::Element::COEFFICIENTS.rounder);
    // (1)
    let n = x.mul_add(V::splat(token, constants.two_over_pi), rounder) - rounder;
    let mut r = x;
    for part in constants.half_pi {
        r = (-n).mul_add(V::splat(token, part), r);
    }
    // (2)
    let z = r * r;
    let sine = (r * z).mul_add(polynomial(token, z, constants.sine), r);
    let cosine = z.mul_add(splat(-0.5), V::splat(token, V::Element::ONE));
    let cosine = (z * z).mul_add(polynomial(token, z, constants.cosine), cosine);
    // (3)
    let f = splat(-4.0).mul_add(n.mul_add(splat(0.25), rounder) - rounder, n);
    let (half, more) = (splat(0.5), splat(1.5));
    let odd = f.abs().less_select(more, f.abs(), splat(0.0));
    let first = odd.less_select(half, sine, cosine);
    let second = odd.less_select(half, cosine, sine);
    let first = f.less_select(-half, -first, more.less_select(f, -first, first));
    let second = half.less_select(f, -second, f.less_select(-more, -second, second));
    // What is too large has no n: then nothing is known, and NaN says so. NaN is not small.
    let unknown = splat(f64::NAN);
    let known = |value: V| x.abs().less_select(V::splat(token, constants.largest), value, unknown);
    (known(first), known(second))
}

/// Sine and cosine of a slice.
///
/// `sine[i] = sin(input[i])`, `cosine[i] = cos(input[i])`, equations (1) to (3); absolute error at most
/// [`Real::EPSILON`], 2^-23 (`f32`) and 2^-52 (`f64`), where the angle is below [`SinCos::LARGEST`].
///
/// - Shapes: all three slices have one length, any (0 too).
/// - Aliasing: none (outputs are written, never read).
/// - Limits: larger angles, infinities and NaN give NaN. A value does not depend on its position.
/// - Panics: if the lengths differ, before anything is written.
/// - Cost: some 45 operations per vector with FMA in `f64`, 39 in `f32`, about half of them multiply-adds. No allocation.
///
/// ```
/// use eligibility_kernels::{Level, activation::SinCos};
/// let (mut sine, mut cosine) = ([0.0_f64; 2], [0.0; 2]);
/// let input = &[0.0, core::f64::consts::FRAC_PI_2];
/// Level::detect().run(SinCos { input, sine: &mut sine, cosine: &mut cosine });
/// assert_eq!((sine, cosine[0]), ([0.0, 1.0], 1.0));
/// ```
#[derive(Debug)]
pub struct SinCos<'a, T> {
    /// Angles.
    pub input: &'a [T],
    /// Their sines.
    pub sine: &'a mut [T],
    /// Their cosines.
    pub cosine: &'a mut [T],
}

impl<T: Real> SinCos<'_, T> {
    /// Below this magnitude angles have a sine and a cosine, from it on NaN: 6433 (`f32`), 1 647 099 (`f64`).
    pub const LARGEST: T = T::CIRCULAR.largest;
}

impl<T: Real> Kernel<T> for SinCos<'_, T> {
    type Output = ();

    run_by!(sin_cos);

    #[inline(always)]
    #[track_caller]
    fn run<V: Lanes<Element = T>>(self, token: V::Token) {
        let Self { input, sine, cosine } = self;
        let lengths = [input.len(), sine.len(), cosine.len()];
        assert!(
            lengths == [input.len(); 3],
            "SinCos: {} angles for {} sines and {} cosines",
            lengths[0],
            lengths[1],
            lengths[2]
        );
        let body = input.len() - input.len() % V::WIDTH;
        for start in (0..body).step_by(V::WIDTH) {
            let (s, c) = sin_cos(token, V::load(token, &input[start..][..V::WIDTH]));
            s.store(&mut sine[start..][..V::WIDTH]);
            c.store(&mut cosine[start..][..V::WIDTH]);
        }
        if body < input.len() {
            let (s, c) = sin_cos(token, V::load_head(token, &input[body..]));
            s.store_head(&mut sine[body..]);
            c.store_head(&mut cosine[body..]);
        }
    }
}
