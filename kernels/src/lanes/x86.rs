//! The run-time selected backends of x86-64: AVX2 + FMA and AVX-512, on `fearless_simd`'s vectors, which carry the
//! proof that the CPU has the instructions.

use fearless_simd::x86::{Avx2, Avx512};
use fearless_simd::{
    Bytes, Select, Simd, SimdBase, SimdCombine, SimdFloat, SimdSplit, f32x4, f32x8, f32x16, f64x2, f64x4,
    f64x8, i32x8, i32x16, i64x4, i64x8,
};

use super::Lanes;

/// The first elements of a vector: fewer than it has come in halves, quarters and single elements, in registers. A copy in
/// memory would be a call, and a wide load of what was just stored in parts waits until all of it has left.
trait Head<S: Simd>: SimdBase<S> {
    /// At most as many elements as there are; missing lanes are zero.
    fn load_head(token: S, source: &[Self::Element]) -> Self;
    /// At most as many elements as there are.
    fn store_head(self, target: &mut [Self::Element]);
}

macro_rules! halves {
    ($($vector:ident, $half:ident, $count:literal);+) => {$(
        impl<S: Simd> Head<S> for $vector<S> {
            #[inline(always)]
            fn load_head(token: S, source: &[Self::Element]) -> Self {
                if let Some((low, rest)) = source.split_first_chunk::<$count>() {
                    let low = <$half<S> as SimdBase<S>>::from_slice(token, low);
                    low.combine(<$half<S> as Head<S>>::load_head(token, rest))
                } else {
                    <$half<S> as Head<S>>::load_head(token, source).combine(<$half<S> as SimdBase<S>>::splat(token, 0.0))
                }
            }
            #[inline(always)]
            fn store_head(self, target: &mut [Self::Element]) {
                let (low, high) = self.split();
                if let Some((target, rest)) = target.split_first_chunk_mut::<$count>() {
                    low.store_slice(target);
                    Head::store_head(high, rest);
                } else {
                    Head::store_head(low, target);
                }
            }
        }
    )+};
}

halves!(f32x16, f32x8, 8; f32x8, f32x4, 4; f64x8, f64x4, 4; f64x4, f64x2, 2);

impl<S: Simd> Head<S> for f32x4<S> {
    #[inline(always)]
    fn load_head(token: S, source: &[f32]) -> Self {
        let elements = match *source {
            [] => [0.0; 4],
            [a] => [a, 0.0, 0.0, 0.0],
            [a, b] => [a, b, 0.0, 0.0],
            [a, b, c] => [a, b, c, 0.0],
            [a, b, c, d, ..] => [a, b, c, d],
        };
        <Self as SimdBase<S>>::from_slice(token, &elements)
    }
    #[inline(always)]
    fn store_head(self, target: &mut [f32]) {
        for (index, target) in target.iter_mut().enumerate().take(4) {
            *target = self[index];
        }
    }
}

impl<S: Simd> Head<S> for f64x2<S> {
    #[inline(always)]
    fn load_head(token: S, source: &[f64]) -> Self {
        let elements = match *source {
            [] => [0.0; 2],
            [a] => [a, 0.0],
            [a, b, ..] => [a, b],
        };
        <Self as SimdBase<S>>::from_slice(token, &elements)
    }
    #[inline(always)]
    fn store_head(self, target: &mut [f64]) {
        for (index, target) in target.iter_mut().enumerate().take(2) {
            *target = self[index];
        }
    }
}

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
            fn load_head(token: $token, source: &[$element]) -> Self {
                <Self as Head<_>>::load_head(token, source)
            }
            #[inline(always)]
            fn store_head(self, target: &mut [$element]) {
                Head::store_head(self, target);
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
