//! Learning at every step for units with two components: traces, gradient and weights in one sweep.
//!
//! ```text
//! (6) E^m_k[j, :] <- sum over l of A_kl[j] E^m_l[j, :] + [k = m] u_m[j] z[:]            k = 1, 2, stored gates m
//!     g^m[j, :]    = c_1[j] E^m_1[j, :] + c_2[j] E^m_2[j, :]                            weight matrices m = 1, 2
//!     w^m          <- one of (1) to (3) with g^m
//! ```
//!
//! Where the first gate alone is stored (see [`trace::pair`](crate::trace::pair)), g^2 = c_2 E^1_1 - c_1 E^1_2. No gradient
//! is stored: of every weight, its traces and its averages, all is read and written once.

use super::Update;
use crate::lanes::Lanes;
use crate::level::{Kernel, Level};
use crate::real::Real;
use crate::recursion::{PairSignal, PairStep};

/// A step of the traces of one stream, their contraction with the learning signal, and the update, equation (6).
///
/// `update` is [`Sgd`](super::Sgd), [`RmsProp`](super::RmsProp) or [`Adam`](super::Adam) over the weights of both
/// components; its `gradient` is not read and may be empty. The same, to the bit, as a
/// [`PairTraceStepContract`](crate::trace::pair::PairTraceStepContract) onto a zero gradient and the update.
///
/// Shapes, row-major: see the fields; the number of gates, 1 or 2, follows from the lengths. No two slices overlap.
///
/// Accuracy: that of its parts. Small elements of the traces are rounded to whole multiples of [`Real::TRACE_QUANTUM`].
/// What is not finite gives results that are not finite, never a panic.
///
/// # Panics
///
/// [`Level::run`](crate::Level::run) panics if the lengths do not fit each other.
///
/// Cost: that of the update, and per unit and column 15 FLOPs (2 gates: 22) and 2 elements (4) read and written.
///
/// ```
/// use eligibility_kernels::{Level, update::{PairTraceUpdate, Sgd}};
/// let (mut first, mut second, mut parameters) = ([4.0_f32, 8.0], [1.0, 2.0], [0.0; 4]);
/// Level::detect().run(PairTraceUpdate {
///     units: 1,
///     decay: &[0.5, -1.0, 1.0, 0.5], // 0.5 + i
///     influence: &[3.0],
///     presynaptic: &[1.0, 10.0],
///     signal: &[1.0, 2.0],
///     trace: [&mut first, &mut second], // of one gate
///     update: Sgd { rate: 2.0, gradient: &[], parameters: &mut parameters },
/// });
/// assert_eq!((first, second), ([4.0, 32.0], [4.5, 9.0]));
/// assert_eq!(parameters, [-26.0, -100.0, -7.0, -110.0]);
/// ```
#[derive(Debug)]
pub struct PairTraceUpdate<'a, T, U> {
    /// Units, each with two components.
    pub units: usize,
    /// `[4, units]`: the planes A_11, A_12, A_21, A_22, shared by the gates.
    pub decay: &'a [T],
    /// At least `[gates, units]`: u; what it has beyond is not read.
    pub influence: &'a [T],
    /// `[row]`: z.
    pub presynaptic: &'a [T],
    /// `[2, units]`: c_1, c_2.
    pub signal: &'a [T],
    /// E_1 and E_2, each `[gates, units, row]`: stepped in place.
    pub trace: [&'a mut [T]; 2],
    /// The rule, with what it updates: `[2, units, row]`.
    pub update: U,
}

impl<T: Real, U: Update<T>> PairTraceUpdate<'_, T, U> {
    /// Gates, 1 or 2, and 0 where there are no traces at all.
    ///
    /// # Panics
    ///
    /// If the lengths do not fit each other.
    #[track_caller]
    fn gates(&self) -> usize {
        let (units, row, found) =
            (self.units, self.presynaptic.len(), [self.trace[0].len(), self.trace[1].len()]);
        let gates = found[0].checked_div(units * row).unwrap_or(0);
        let possible = if units * row == 0 { 0..=0 } else { 1..=2 };
        assert!(
            possible.contains(&gates) && found == [gates * units * row; 2],
            "trace has {} and {} elements for 1 or 2 gates x {units} units x {row} columns",
            found[0],
            found[1]
        );
        for (what, found, planes) in [("decay", self.decay.len(), 4), ("signal", self.signal.len(), 2)] {
            assert!(
                found == planes * units,
                "{what} has {found} elements where {planes} x {units} units are needed"
            );
        }
        let influence = self.influence.len();
        assert!(
            influence >= gates * units,
            "influence has {influence} elements for {gates} gates x {units} units"
        );
        self.update.check(2 * units * row);
        gates
    }
}

/// What a sweep reads besides the traces and the weights.
#[derive(Clone, Copy)]
struct Factors<'a, T> {
    units: usize,
    decay: &'a [T],
    influence: &'a [T],
    presynaptic: &'a [T],
    signal: &'a [T],
}

impl<T: Real> Factors<'_, T> {
    /// (6) for the traces of gate `GATE` and the `SUMS` weight matrices from this on.
    #[inline(always)]
    fn gate<V: Lanes<Element = T>, const GATE: usize, const SUMS: usize>(
        self,
        token: V::Token,
        [first, second]: [&mut [T]; 2],
        update: &mut impl Update<T>,
    ) {
        let Self { units, decay, influence, presynaptic, signal } = self;
        let row = presynaptic.len();
        let start = GATE * units * row;
        let traces = first[start..].chunks_exact_mut(row).zip(second[start..].chunks_exact_mut(row));
        for (unit, (first, second)) in (0..units).zip(traces) {
            let splat = |planes: &[T], plane: usize| V::splat(token, planes[plane * units + unit]);
            let decay = [splat(decay, 0), splat(decay, 1), splat(decay, 2), splat(decay, 3)];
            let step = PairStep::<V, GATE>::new(token, decay, splat(influence, GATE));
            let signal = PairSignal([splat(signal, 0), splat(signal, 1)]);
            let starts: [usize; SUMS] = core::array::from_fn(|sum| ((GATE + sum) * units + unit) * row);
            // Slices are cut once a unit: a comparison a vector costs as much as the arithmetic.
            let mut firsts = first.chunks_exact_mut(V::WIDTH);
            let mut seconds = second.chunks_exact_mut(V::WIDTH);
            let mut inputs = presynaptic.chunks_exact(V::WIDTH);
            let mut column = 0;
            for ((first, second), z) in firsts.by_ref().zip(seconds.by_ref()).zip(inputs.by_ref()) {
                let before = [V::load(token, first), V::load(token, second)];
                let (next, gradients) = made(token, step, signal, before, V::load(token, z));
                next[0].store(first);
                next[1].store(second);
                for (start, g) in starts.into_iter().zip::<[V; SUMS]>(gradients) {
                    let at = start + column..start + column + V::WIDTH;
                    update.apply::<V, true>(token, at, g);
                }
                column += V::WIDTH;
            }
            let (first, second) = (firsts.into_remainder(), seconds.into_remainder());
            if !first.is_empty() {
                let before = [V::load_head(token, first), V::load_head(token, second)];
                let z = V::load_head(token, inputs.remainder());
                let (next, gradients) = made(token, step, signal, before, z);
                next[0].store_head(first);
                next[1].store_head(second);
                for (start, g) in starts.into_iter().zip::<[V; SUMS]>(gradients) {
                    update.apply::<V, false>(token, start + column..start + row, g);
                }
            }
        }
    }
}

/// (6) for one vector: the traces after the step, and the gradients.
#[inline(always)]
fn made<V: Lanes, const GATE: usize, const SUMS: usize>(
    token: V::Token,
    step: PairStep<V, GATE>,
    signal: PairSignal<V>,
    before: [V; 2],
    z: V,
) -> ([V; 2], [V; SUMS]) {
    let next = step.next(before, z);
    let mut gradients = [V::splat(token, V::Element::ZERO); SUMS];
    signal.add(next, &mut gradients);
    (next, gradients)
}

impl<T: Real, U: Update<T>> Kernel<T> for PairTraceUpdate<'_, T, U> {
    type Output = ();

    #[inline]
    fn at(self, level: Level) {
        U::pairs(self, level);
    }

    #[inline(always)]
    fn run<V: Lanes<Element = T>>(self, token: V::Token) {
        let gates = self.gates();
        // A rule of its own has its slices in registers.
        let Self { units, decay, influence, presynaptic, signal, trace: [first, second], mut update } = self;
        let factors = Factors { units, decay, influence, presynaptic, signal };
        match gates {
            0 => {}
            1 => factors.gate::<V, 0, 2>(token, [first, second], &mut update),
            _ => {
                factors.gate::<V, 0, 1>(token, [&mut *first, &mut *second], &mut update);
                factors.gate::<V, 1, 1>(token, [first, second], &mut update);
            }
        }
    }
}
