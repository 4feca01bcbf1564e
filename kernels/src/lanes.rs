//! The vocabulary of vector operations: the only one kernels use.
//!
//! A vector is a `Copy` value with the ordinary operators, so a kernel reads like its equation. A backend is a type
//! that implements [`Lanes`]; making a vector takes the backend's *token*, the proof that the CPU has the
//! instructions (the portable backend's token is `()`).

use core::ops::{Add, Div, Mul, Neg, Sub};

use crate::real::Real;

pub(crate) mod portable;
pub(crate) mod several;
#[cfg(target_arch = "x86_64")]
mod x86;

/// The most elements a vector of any backend has (16 x `f32` with AVX-512).
pub const MAX_WIDTH: usize = 16;

/// A vector of [`Lanes::WIDTH`] elements and what kernels may do with it.
///
/// Every operation but [`Lanes::interleave`] works lane by lane: a value never depends on its neighbours or on its position.
pub trait Lanes:
    Copy + Add<Output = Self> + Sub<Output = Self> + Mul<Output = Self> + Div<Output = Self> + Neg<Output = Self>
{
    /// `f32` or `f64`.
    type Element: Real;
    /// Proof that the CPU has this backend's instructions.
    type Token: Copy;
    /// Elements in a vector.
    const WIDTH: usize;
    /// Whether [`Lanes::mul_add`] rounds once.
    const FUSED: bool;
    /// Vectors that fit in the CPU's registers.
    const REGISTERS: usize;

    /// All lanes equal to `x`.
    fn splat(token: Self::Token, x: Self::Element) -> Self;
    /// Loads exactly [`Lanes::WIDTH`] elements.
    fn load(token: Self::Token, source: &[Self::Element]) -> Self;
    /// Stores exactly [`Lanes::WIDTH`] elements.
    fn store(self, target: &mut [Self::Element]);
    /// `self * factor + addend`, rounded once where [`Lanes::FUSED`] says so, else twice.
    #[must_use]
    fn mul_add(self, factor: Self, addend: Self) -> Self;
    /// Magnitude.
    #[must_use]
    fn abs(self) -> Self;
    /// Square root; NaN below zero.
    #[must_use]
    fn sqrt(self) -> Self;
    /// The smaller of the two; `self` where `self` is NaN.
    #[must_use]
    fn min_keep_nan(self, bound: Self) -> Self;
    /// The larger of the two; `self` where `self` is NaN.
    #[must_use]
    fn max_keep_nan(self, bound: Self) -> Self;
    /// Magnitude of `self`, sign bit of `sign`.
    #[must_use]
    fn copy_sign(self, sign: Self) -> Self;
    /// `yes` where `self < bound`, else `no` (so `no` where either is NaN).
    #[must_use]
    fn less_select(self, bound: Self, yes: Self, no: Self) -> Self;
    /// `yes` where the sign bit of `self` is set (-0 and such NaNs too), else `no`.
    #[must_use]
    fn negative_select(self, yes: Self, no: Self) -> Self;
    /// `self`, its sign turned where the sign bit of `sign` is set.
    #[must_use]
    fn turn_sign(self, sign: Self) -> Self;
    /// `self` with only the upper half of its significant bits (`f32`: 12, `f64`: 26), towards zero.
    #[must_use]
    fn high_half(self) -> Self;
    /// `2^n` for `self = 1.5 * 2^d + bias + n`, with d the bits of the mantissa and bias that of the format, a normal number
    /// (`f32`: -126..=127, `f64`: -1022..=1023): the low bits of `self` are those of its exponent.
    #[must_use]
    fn exp2_of_low_bits(self) -> Self;
    /// The lanes of both in turn: first of `self`, first of `other`, second of `self` and so on, as two vectors.
    #[must_use]
    fn interleave(self, other: Self) -> [Self; 2];

    /// Loads at most [`Lanes::WIDTH`] elements; missing lanes are zero.
    #[inline(always)]
    fn load_head(token: Self::Token, source: &[Self::Element]) -> Self {
        if source.len() == Self::WIDTH {
            return Self::load(token, source);
        }
        let mut padded = [Self::Element::ZERO; MAX_WIDTH];
        padded[..source.len()].copy_from_slice(source);
        Self::load(token, &padded[..Self::WIDTH])
    }
    /// Stores the first `target.len()` lanes, at most [`Lanes::WIDTH`].
    #[inline(always)]
    fn store_head(self, target: &mut [Self::Element]) {
        if target.len() == Self::WIDTH {
            return self.store(target);
        }
        let mut padded = [Self::Element::ZERO; MAX_WIDTH];
        self.store(&mut padded[..Self::WIDTH]);
        target.copy_from_slice(&padded[..target.len()]);
    }

    /// [`Lanes::load`] if `FULL`, else [`Lanes::load_head`]: for code written once for whole vectors and for the tail.
    #[inline(always)]
    fn load_part<const FULL: bool>(token: Self::Token, source: &[Self::Element]) -> Self {
        if FULL { Self::load(token, source) } else { Self::load_head(token, source) }
    }
    /// [`Lanes::store`] if `FULL`, else [`Lanes::store_head`].
    #[inline(always)]
    fn store_part<const FULL: bool>(self, target: &mut [Self::Element]) {
        if FULL { self.store(target) } else { self.store_head(target) }
    }
}
