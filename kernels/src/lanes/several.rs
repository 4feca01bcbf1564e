//! Several vectors side by side as one: an operation on them is `N` operations that do not wait for each other.
//!
//! Where an equation is one long chain (a polynomial, a division), the CPU's schedulers fill up with what waits long
//! before they see enough of the next vectors of the loop; side by side, there is always something to do.

use core::ops::{Add, Div, Mul, Neg, Sub};

use super::Lanes;

/// How many the kernels put side by side: the fastest of 1 to 6 for the `f32` gates with AVX2 (see the bench `gates`).
pub(crate) const SIDE: usize = 4;

/// `N` vectors `V` as one vector.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Several<V, const N: usize>([V; N]);

/// `each!(a, b => a + b)`: the expression for each vector of `a` and `b`.
///
/// A loop, because a closure handed to the standard library may be compiled without the level's instructions.
macro_rules! each {
    ($first:ident $(, $other:ident)* => $result:expr) => {{
        let mut results = $first.0;
        for (index, result) in results.iter_mut().enumerate() {
            let ($first, $($other),*) = ($first.0[index], $($other.0[index]),*);
            *result = $result;
        }
        Self(results)
    }};
}

macro_rules! operators {
    ($($operator:ident $function:ident),+) => {$(
        impl<V: Lanes, const N: usize> $operator for Several<V, N> {
            type Output = Self;
            #[inline(always)]
            fn $function(self, other: Self) -> Self {
                let this = self;
                each!(this, other => this.$function(other))
            }
        }
    )+};
}

operators!(Add add, Sub sub, Mul mul, Div div);

impl<V: Lanes, const N: usize> Neg for Several<V, N> {
    type Output = Self;
    #[inline(always)]
    fn neg(self) -> Self {
        let this = self;
        each!(this => -this)
    }
}

macro_rules! methods {
    ($($function:ident($($argument:ident),*))+) => {$(
        #[inline(always)]
        fn $function(self $(, $argument: Self)*) -> Self {
            let this = self;
            each!(this $(, $argument)* => this.$function($($argument),*))
        }
    )+};
}

impl<V: Lanes, const N: usize> Lanes for Several<V, N> {
    type Element = V::Element;
    type Token = V::Token;
    const WIDTH: usize = N * V::WIDTH;
    const FUSED: bool = V::FUSED;
    const REGISTERS: usize = V::REGISTERS / N;

    #[inline(always)]
    fn splat(token: V::Token, x: V::Element) -> Self {
        Self([V::splat(token, x); N])
    }
    #[inline(always)]
    fn load(token: V::Token, source: &[V::Element]) -> Self {
        let source = &source[..Self::WIDTH];
        let mut vectors = [V::load(token, &source[..V::WIDTH]); N];
        for (index, vector) in vectors.iter_mut().enumerate() {
            *vector = V::load(token, &source[index * V::WIDTH..][..V::WIDTH]);
        }
        Self(vectors)
    }
    #[inline(always)]
    fn store(self, target: &mut [V::Element]) {
        let target = &mut target[..Self::WIDTH];
        for (index, vector) in self.0.into_iter().enumerate() {
            vector.store(&mut target[index * V::WIDTH..][..V::WIDTH]);
        }
    }
    #[inline(always)]
    fn interleave(self, other: Self) -> [Self; 2] {
        let mut halves = [self, other];
        for (index, (own, other)) in self.0.into_iter().zip(other.0).enumerate() {
            for (part, vector) in own.interleave(other).into_iter().enumerate() {
                let place = 2 * index + part;
                halves[place / N].0[place % N] = vector;
            }
        }
        halves
    }
    methods! {
        mul_add(factor, addend)
        abs()
        sqrt()
        min_keep_nan(bound)
        max_keep_nan(bound)
        copy_sign(sign)
        less_select(bound, yes, no)
        negative_select(yes, no)
        turn_sign(sign)
        high_half()
        exp2_of_low_bits()
    }
}
