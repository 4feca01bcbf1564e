//! The run-time selected backends of x86-64: AVX2 + FMA and AVX-512, on `fearless_simd`'s vectors, which carry the
//! proof that the CPU has the instructions.

use fearless_simd::x86::{Avx2, Avx512};
use fearless_simd::{
    Bytes, Select, SimdBase, SimdFloat, f32x8, f32x16, f64x4, f64x8, i32x8, i32x16, i64x4, i64x8,
};

use super::Lanes;

macro_rules! selected {
    ($vector:ty, $token:ty, $element:ty, $width:literal, $zero:literal, $integer:ty, $shift:literal,
     $registers:literal) => {
        impl Lanes for $vector {
            type Element = $element;
            type Token = $token;
            const WIDTH: usize = $width;
            const FUSED: bool = true;
            const REGISTERS: usize = $registers;

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
            fn min_keep_nan(self, bound: Self) -> Self {
                // The instruction gives its second operand where either is NaN.
                SimdBase::min(bound, self)
            }
            #[inline(always)]
            fn max_keep_nan(self, bound: Self) -> Self {
                SimdBase::max(bound, self)
            }
            #[inline(always)]
            fn negative_select(self, yes: Self, no: Self) -> Self {
                let bits: $integer = self.bitcast();
                bits.simd_lt(0).select(yes, no)
            }
            #[inline(always)]
            fn turn_sign(self, sign: Self) -> Self {
                Self::from_bits(self.to_bits() ^ (sign.to_bits() & (-$zero).to_bits()))
            }
            #[inline(always)]
            fn high_half(self) -> Self {
                Self::from_bits(self.to_bits() & (!0 << (($shift + 2) / 2)))
            }
            #[inline(always)]
            fn exp2_of_low_bits(self) -> Self {
                Self::from_bits(self.to_bits() << $shift)
            }
            #[inline(always)]
            fn interleave(self, other: Self) -> [Self; 2] {
                let (low, high) = SimdBase::interleave(self, other);
                [low, high]
            }
        }
    };
}

selected!(f32x8<Avx2>, Avx2, f32, 8, 0.0_f32, i32x8<Avx2>, 23, 16);
selected!(f64x4<Avx2>, Avx2, f64, 4, 0.0_f64, i64x4<Avx2>, 52, 16);
selected!(f32x16<Avx512>, Avx512, f32, 16, 0.0_f32, i32x16<Avx512>, 23, 32);
selected!(f64x8<Avx512>, Avx512, f64, 8, 0.0_f64, i64x8<Avx512>, 52, 32);
