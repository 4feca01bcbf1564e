//! The run-time selected backends of x86-64: AVX2 + FMA and AVX-512, on `fearless_simd`'s vectors, which carry the
//! proof that the CPU has the instructions.

use fearless_simd::x86::{Avx2, Avx512};
use fearless_simd::{Bytes, Select, SimdBase, SimdFloat, SimdMask, f32x8, f32x16, f64x4, f64x8};

use super::Lanes;

macro_rules! selected {
    ($vector:ty, $token:ty, $element:ty, $width:literal, $magic:literal, $shift:literal) => {
        impl Lanes for $vector {
            type Element = $element;
            type Token = $token;
            const WIDTH: usize = $width;
            const FUSED: bool = true;

            #[inline(always)]
            fn splat(token: $token, x: $element) -> Self {
                <Self as SimdBase<_>>::splat(token, x)
            }
            #[inline(always)]
            fn load(token: $token, source: &[$element]) -> Self {
                <Self as SimdBase<_>>::from_slice(token, source)
            }
            #[inline(always)]
            fn store(self, target: &mut [$element]) {
                self.store_slice(target);
            }
            #[inline(always)]
            fn mul_add(self, factor: Self, addend: Self) -> Self {
                self.mul_add_precise(factor, addend)
            }
            #[inline(always)]
            fn abs(self) -> Self {
                SimdBase::abs(self)
            }
            #[inline(always)]
            fn sqrt(self) -> Self {
                SimdFloat::sqrt(self)
            }
            #[inline(always)]
            fn copy_sign(self, sign: Self) -> Self {
                self.copysign(sign)
            }
            #[inline(always)]
            fn less_select(self, bound: Self, yes: Self, no: Self) -> Self {
                self.simd_lt(bound).select(yes, no)
            }
            #[inline(always)]
            fn zero_below(self, bound: Self) -> Self {
                // By bits: a blend with zero costs a comparison more with AVX2.
                let small = SimdBase::abs(self).simd_lt(bound).to_vector();
                let large: <Self as SimdFloat<$token>>::Bits = (!small).bitcast();
                Self::from_bits(self.to_bits() & large)
            }
            #[inline(always)]
            fn exp2_integral(self) -> Self {
                // Adding 1.5 * 2^(mantissa bits) + bias leaves `self + bias` in the low bits.
                Self::from_bits((self + $magic).to_bits() << $shift)
            }
        }
    };
}

selected!(f32x8<Avx2>, Avx2, f32, 8, 12_583_039.0, 23);
selected!(f64x4<Avx2>, Avx2, f64, 4, 6_755_399_441_056_767.0, 52);
selected!(f32x16<Avx512>, Avx512, f32, 16, 12_583_039.0, 23);
selected!(f64x8<Avx512>, Avx512, f64, 8, 6_755_399_441_056_767.0, 52);
