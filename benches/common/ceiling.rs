//! Bounds that rates are set against: multiply-adds in registers, and a sweep over memory.

use std::hint::black_box;

use eligibility::kernels::lanes::{Lanes, MAX_WIDTH};
use eligibility::kernels::{Kernel, Level};
use eligibility::{Buffer, Real, Scalar};

use super::random;

/// Independent sums: latency times multiply-adds per cycle of any recent core, and operands still fit in 16 registers.
const SUMS: usize = 12;
const ITERATIONS: usize = 2000;

/// `x <- x a + b` in registers, so many times for each of twelve sums.
#[derive(Clone, Copy)]
pub(crate) struct FmaPeak<T> {
    start: [T; SUMS],
    factor: T,
    addend: T,
    iterations: usize,
}

impl<T: Real> FmaPeak<T> {
    fn new(iterations: usize) -> Self {
        let start = std::array::from_fn(|index| T::from_f64(index as f64));
        Self { start, factor: T::from_f64(0.75), addend: T::from_f64(0.5), iterations }
    }
    pub(crate) fn flops(level: Level) -> usize {
        2 * SUMS * ITERATIONS * level.width::<T>()
    }
    pub(crate) fn run_once(level: Level) {
        black_box(level.run(black_box(Self::new(ITERATIONS))));
    }
    /// Panics unless few iterations give what the definition does.
    pub(crate) fn check(level: Level) {
        let kernel = Self::new(5);
        let (factor, addend) = (kernel.factor.to_f64(), kernel.addend.to_f64());
        let all = kernel.start.iter().map(|x| (0..5).fold(x.to_f64(), |x, _| x * factor + addend));
        // Dyadic numbers with few digits: exact in both types.
        let expected = all.sum::<f64>() * level.width::<T>() as f64;
        assert_eq!(level.run(kernel).to_f64(), expected);
    }
}

/// Leaves the upper halves of the vector registers clean, as the compiler does at the end of vector code. `faer` does not,
/// and after it code for SSE, such as the portable level's, takes up to five times as long.
pub(crate) fn clean_registers() {
    black_box(Level::detect().run(black_box(FmaPeak::<f32>::new(1))));
}

impl<T: Real> Kernel<T> for FmaPeak<T> {
    type Output = T;

    #[inline(always)]
    fn run<V: Lanes<Element = T>>(self, token: V::Token) -> T {
        let mut sums = [V::splat(token, T::ZERO); SUMS];
        for (sum, &start) in sums.iter_mut().zip(&self.start) {
            *sum = V::splat(token, start);
        }
        let (factor, addend) = (V::splat(token, self.factor), V::splat(token, self.addend));
        for _ in 0..self.iterations {
            for sum in &mut sums {
                *sum = sum.mul_add(factor, addend);
            }
        }
        let mut parts = [T::ZERO; MAX_WIDTH];
        let mut total = T::ZERO;
        for sum in sums {
            sum.store(&mut parts[..V::WIDTH]);
            for &part in &parts[..V::WIDTH] {
                total += part;
            }
        }
        total
    }
}

/// `e <- a e + s` in place: the least that any step of traces does to memory.
pub(crate) struct Sweep<T: Scalar> {
    values: Buffer<T>,
}

impl<T: Scalar> Sweep<T> {
    pub(crate) fn new(elements: usize) -> Self {
        Self { values: random(elements, 0.0..1.0) }
    }
    pub(crate) fn run(&mut self, level: Level) {
        let [factor, addend] = black_box([0.75, 0.5]).map(T::from_f64);
        level.run(SweepKernel { factor, addend, values: black_box(&mut self.values) });
    }
    pub(crate) fn check(&mut self, level: Level) {
        let before = self.values.clone();
        self.run(level);
        for (&found, before) in self.values.iter().zip(&before[..]) {
            super::assert_close(found, 0.75 * before.to_f64() + 0.5, 2.0, "sweep");
        }
    }
}

struct SweepKernel<'a, T> {
    factor: T,
    addend: T,
    values: &'a mut [T],
}

impl<T: Real> Kernel<T> for SweepKernel<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<V: Lanes<Element = T>>(self, token: V::Token) {
        let (factor, addend) = (V::splat(token, self.factor), V::splat(token, self.addend));
        for part in self.values.chunks_exact_mut(4 * V::WIDTH) {
            let mut next = [addend; 4];
            for (index, next) in next.iter_mut().enumerate() {
                *next = factor.mul_add(V::load(token, &part[index * V::WIDTH..][..V::WIDTH]), addend);
            }
            for (index, next) in next.into_iter().enumerate() {
                next.store(&mut part[index * V::WIDTH..][..V::WIDTH]);
            }
        }
    }
}
