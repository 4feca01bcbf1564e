//! The portable backend: `wide` vectors, whose instructions are chosen when the crate is compiled (SSE2 on plain
//! x86-64, NEON, wasm simd128, or whatever `-C target-cpu` gives).

use bytemuck::cast;
use wide::{f32x4, f32x8, f64x2, f64x4, i32x4, i32x8, i64x2, i64x4};

use super::Lanes;

/// 256-bit vectors where the compile target has them, 128-bit ones elsewhere.
#[cfg(target_feature = "avx")]
pub(crate) type F32 = f32x8;
/// 256-bit vectors where the compile target has them, 128-bit ones elsewhere.
#[cfg(target_feature = "avx")]
pub(crate) type F64 = f64x4;
/// 256-bit vectors where the compile target has them, 128-bit ones elsewhere.
#[cfg(not(target_feature = "avx"))]
pub(crate) type F32 = f32x4;
/// 256-bit vectors where the compile target has them, 128-bit ones elsewhere.
#[cfg(not(target_feature = "avx"))]
pub(crate) type F64 = f64x2;

macro_rules! portable {
    ($vector:ty, $integer:ty, $element:ty, $width:literal, $shift:literal) => {
        impl Lanes for $vector {
            type Element = $element;
            type Token = ();
            const WIDTH: usize = $width;
            const FUSED: bool = cfg!(any(target_feature = "fma", target_arch = "aarch64"));
            const REGISTERS: usize =
                if cfg!(any(target_feature = "avx512vl", target_arch = "aarch64")) { 32 } else { 16 };

            #[inline(always)]
            fn splat((): (), x: $element) -> Self {
                <$vector>::splat(x)
            }
            #[inline(always)]
            fn load((): (), source: &[$element]) -> Self {
                let array: [$element; $width] = source.try_into().expect("a slice of the vector's width");
                <$vector>::from(array)
            }
            #[inline(always)]
            fn store(self, target: &mut [$element]) {
                target.copy_from_slice(&self.to_array());
            }
            #[inline(always)]
            fn mul_add(self, factor: Self, addend: Self) -> Self {
                <$vector>::mul_add(self, factor, addend)
            }
            #[inline(always)]
            fn abs(self) -> Self {
                <$vector>::abs(self)
            }
            #[inline(always)]
            fn sqrt(self) -> Self {
                <$vector>::sqrt(self)
            }
            #[inline(always)]
            fn copy_sign(self, sign: Self) -> Self {
                let sign_bit = <$vector>::splat(-0.0);
                sign_bit.bitselect(sign, self)
            }
            #[inline(always)]
            fn less_select(self, bound: Self, yes: Self, no: Self) -> Self {
                self.simd_lt(bound).bitselect(yes, no)
            }
            #[inline(always)]
            fn min_keep_nan(self, bound: Self) -> Self {
                // SSE gives its second operand where either is NaN, the others `self` where the comparison fails.
                if cfg!(target_feature = "sse2") { bound.fast_min(self) } else { self.fast_min(bound) }
            }
            #[inline(always)]
            fn max_keep_nan(self, bound: Self) -> Self {
                if cfg!(target_feature = "sse2") { bound.fast_max(self) } else { self.fast_max(bound) }
            }
            #[inline(always)]
            fn negative_select(self, yes: Self, no: Self) -> Self {
                let bits: $integer = cast(self);
                let mask: $vector = cast(bits.simd_lt(<$integer>::splat(0)));
                mask.bitselect(yes, no)
            }
            #[inline(always)]
            fn turn_sign(self, sign: Self) -> Self {
                self ^ (sign & <$vector>::splat(-0.0))
            }
            #[inline(always)]
            fn high_half(self) -> Self {
                let mask: $vector = cast(<$integer>::splat(!0 << (($shift + 2) / 2)));
                self & mask
            }
            #[inline(always)]
            fn exp2_of_low_bits(self) -> Self {
                let bits: $integer = cast(self);
                cast(bits << $shift)
            }
            #[inline(always)]
            fn interleave(self, other: Self) -> [Self; 2] {
                let (ours, theirs) = (self.to_array(), other.to_array());
                let mut halves = [[0.0; $width]; 2];
                for (index, (&own, &other)) in ours.iter().zip(&theirs).enumerate() {
                    let half = &mut halves[2 * index / $width];
                    half[2 * index % $width] = own;
                    half[2 * index % $width + 1] = other;
                }
                halves.map(<$vector>::from)
            }
        }
    };
}

portable!(f32x4, i32x4, f32, 4, 23);
portable!(f32x8, i32x8, f32, 8, 23);
portable!(f64x2, i64x2, f64, 2, 52);
portable!(f64x4, i64x4, f64, 4, 52);
