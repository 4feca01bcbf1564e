//! The two element types, `f32` and `f64`, behind one sealed trait.
//!
//! Sealed, so that a bound `T: Real` can never mean a third type and no kernel needs a fallback for one.

use core::fmt::{Debug, Display};
use core::iter::Sum;
use core::ops::{Add, AddAssign, Div, Mul, MulAssign, Neg, Sub, SubAssign};

/// What the crate alone knows of an element type. No signature outside shows it, nor the vectors of other crates in it.
mod sealed {
    use crate::activation::{CircularCoefficients, Coefficients};
    use crate::instances::Instances;
    use crate::lanes::{Lanes, portable};

    pub trait Sealed: Instances + 'static {
        /// Polynomial coefficients and range limits of the activations.
        const COEFFICIENTS: Coefficients<Self>;
        /// The same of sine and cosine.
        const CIRCULAR: CircularCoefficients<Self>;

        /// Vectors of the portable level.
        type Portable: Lanes<Element = Self, Token = ()>;
        /// Vectors of the AVX2 + FMA level.
        #[cfg(target_arch = "x86_64")]
        type Avx2: Lanes<Element = Self, Token = fearless_simd::x86::Avx2>;
        /// Vectors of the AVX-512 level.
        #[cfg(target_arch = "x86_64")]
        type Avx512: Lanes<Element = Self, Token = fearless_simd::x86::Avx512>;
    }

    impl Sealed for f32 {
        const COEFFICIENTS: Coefficients<Self> = Coefficients::F32;
        const CIRCULAR: CircularCoefficients<Self> = CircularCoefficients::F32;

        type Portable = portable::F32;
        #[cfg(target_arch = "x86_64")]
        type Avx2 = fearless_simd::f32x8<fearless_simd::x86::Avx2>;
        #[cfg(target_arch = "x86_64")]
        type Avx512 = fearless_simd::f32x16<fearless_simd::x86::Avx512>;
    }

    impl Sealed for f64 {
        const COEFFICIENTS: Coefficients<Self> = Coefficients::F64;
        const CIRCULAR: CircularCoefficients<Self> = CircularCoefficients::F64;

        type Portable = portable::F64;
        #[cfg(target_arch = "x86_64")]
        type Avx2 = fearless_simd::f64x4<fearless_simd::x86::Avx2>;
        #[cfg(target_arch = "x86_64")]
        type Avx512 = fearless_simd::f64x8<fearless_simd::x86::Avx512>;
    }
}

pub(crate) use sealed::Sealed;

/// A floating-point element: `f32` or `f64`, nothing else (the trait is sealed).
///
/// Carries the constants in which the two differ.
///
/// ```
/// use eligibility_kernels::Real;
/// fn halve<T: Real>(x: T) -> T {
///     x * T::from_f64(0.5)
/// }
/// assert_eq!(halve(3.0_f32), 1.5);
/// ```
pub trait Real:
    Sealed
    + Copy
    + Default
    + PartialOrd
    + Debug
    + Display
    + Send
    + Sync
    + Add<Output = Self>
    + Sub<Output = Self>
    + Mul<Output = Self>
    + Div<Output = Self>
    + Neg<Output = Self>
    + AddAssign
    + SubAssign
    + MulAssign
    + Sum
    + 'static
{
    /// 0.
    const ZERO: Self;
    /// 1.
    const ONE: Self;
    /// Distance from 1 to the next larger value.
    const EPSILON: Self;
    /// Small traces are rounded to whole multiples of this: 2^-96 for `f32`, 2^-960 for `f64`. None is smaller but 0.
    ///
    /// A silent trace (`f * e` with `f > 1/2` and no new influence) would otherwise stick on a subnormal number
    /// for ever, which slows some CPUs by an order of magnitude. So it ends at no more than `1 / (2 - 2 f)` multiples. The
    /// quantum lies far enough above the smallest normal number (2^-126, 2^-1022) that its product with an ordinary
    /// learning signal is normal too.
    const TRACE_QUANTUM: Self;
    /// `1.5 TRACE_QUANTUM / EPSILON`: adding it and taking it away again rounds to whole multiples of
    /// [`Real::TRACE_QUANTUM`] what is below `0.5 / EPSILON` of them, and what is larger by at most one ULP. A sum of
    /// multiply-adds begins with it for nothing, and one subtraction is cheaper than comparing and selecting.
    const TRACE_ROUNDER: Self;
    /// Small averages of squared gradients are rounded to whole multiples of this: 2^-120 for `f32`, 2^-1016 for `f64`.
    ///
    /// 64 times the smallest normal number, so that its product with a decay is normal, and no more: its root, 2^-60 or 1e-18,
    /// is nothing beside an eps of 1e-8, and even with eps = 0 the root of the average changes by less than an epsilon for
    /// gradients above 1e-13 (`f64`: 1e-143).
    const SQUARE_QUANTUM: Self;
    /// `1.5 SQUARE_QUANTUM / EPSILON`, what [`Real::TRACE_ROUNDER`] is for traces.
    const SQUARE_ROUNDER: Self;
    /// "f32" or "f64".
    const NAME: &'static str;

    /// Nearest value to `x`.
    fn from_f64(x: f64) -> Self;
    /// Exact widening.
    fn to_f64(self) -> f64;
    /// True for neither NaN nor an infinity.
    fn is_finite(self) -> bool;
    /// Magnitude.
    #[must_use]
    fn abs(self) -> Self;
}

impl Real for f32 {
    const ZERO: Self = 0.0;
    const ONE: Self = 1.0;
    const EPSILON: Self = f32::EPSILON;
    const TRACE_QUANTUM: Self = f32::from_bits((127 - 96) << 23);
    const TRACE_ROUNDER: Self = 1.5 / f32::EPSILON * Self::TRACE_QUANTUM;
    const SQUARE_QUANTUM: Self = f32::from_bits((127 - 120) << 23);
    const SQUARE_ROUNDER: Self = 1.5 / f32::EPSILON * Self::SQUARE_QUANTUM;
    const NAME: &'static str = "f32";

    #[inline(always)]
    fn from_f64(x: f64) -> Self {
        x as f32
    }
    #[inline(always)]
    fn to_f64(self) -> f64 {
        f64::from(self)
    }
    #[inline(always)]
    fn is_finite(self) -> bool {
        f32::is_finite(self)
    }
    #[inline(always)]
    fn abs(self) -> Self {
        f32::abs(self)
    }
}

impl Real for f64 {
    const ZERO: Self = 0.0;
    const ONE: Self = 1.0;
    const EPSILON: Self = f64::EPSILON;
    const TRACE_QUANTUM: Self = f64::from_bits((1023 - 960) << 52);
    const TRACE_ROUNDER: Self = 1.5 / f64::EPSILON * Self::TRACE_QUANTUM;
    const SQUARE_QUANTUM: Self = f64::from_bits((1023 - 1016) << 52);
    const SQUARE_ROUNDER: Self = 1.5 / f64::EPSILON * Self::SQUARE_QUANTUM;
    const NAME: &'static str = "f64";

    #[inline(always)]
    fn from_f64(x: f64) -> Self {
        x
    }
    #[inline(always)]
    fn to_f64(self) -> f64 {
        self
    }
    #[inline(always)]
    fn is_finite(self) -> bool {
        f64::is_finite(self)
    }
    #[inline(always)]
    fn abs(self) -> Self {
        f64::abs(self)
    }
}
