//! Learning at every step: trace, gradient and weights in one sweep.
//!
//! ```text
//! (4) e <- A_j e + u_j z        g = l_j e        w <- one of (1) to (3) with g              weights that have a trace
//! (5)                           g = l_j z        w <- one of (1) to (3) with g              weights that need none
//! ```
//!
//! No gradient is stored: of every weight, its trace and its averages, all is read and written once.

use super::Update;
use crate::lanes::Lanes;
use crate::level::{Kernel, Level};
use crate::real::Real;
use crate::recursion::next;

/// A step of the traces of one stream, its contraction with the learning signal, and the update, equation (4).
///
/// `update` is [`Sgd`](super::Sgd), [`RmsProp`](super::RmsProp) or [`Adam`](super::Adam) over as many weights as there
/// are traces; its `gradient` is not read and may be empty. The same, to the bit, as a
/// [`TraceStepContract`](crate::trace::TraceStepContract) onto a zero gradient and the update.
///
/// # Panics
///
/// [`Level::run`](crate::Level::run) panics if the lengths do not fit each other.
///
/// Cost: that of the update, 4 FLOPs and one read and one write per weight.
///
/// ```
/// use eligibility_kernels::{Level, update::{Sgd, TraceUpdate}};
/// let (mut trace, mut parameters) = ([4.0_f32, 8.0], [1.0, 1.0]);
/// Level::detect().run(TraceUpdate {
///     decay: &[0.5],
///     influence: &[3.0],
///     presynaptic: &[1.0, 10.0],
///     signal: &[2.0],
///     trace: &mut trace,
///     update: Sgd { rate: 0.5, gradient: &[], parameters: &mut parameters },
/// });
/// assert_eq!((trace, parameters), ([5.0, 34.0], [-4.0, -33.0]));
/// ```
#[derive(Debug)]
pub struct TraceUpdate<'a, T, U> {
    /// `[units]`: A, shared by the gates.
    pub decay: &'a [T],
    /// At least `[gates * units]`: u; what it has beyond is not read.
    pub influence: &'a [T],
    /// `[row]`: z.
    pub presynaptic: &'a [T],
    /// `[units]`: l, shared by the gates.
    pub signal: &'a [T],
    /// `[gates, units, row]`: e.
    pub trace: &'a mut [T],
    /// The rule, with what it updates: `[gates, units, row]`.
    pub update: U,
}

/// An update of weights whose gradient is an outer product, equation (5). Conventions as for [`TraceUpdate`].
///
/// # Panics
///
/// [`Level::run`](crate::Level::run) panics if the lengths do not fit each other.
///
/// Cost: that of the update and 1 FLOP per weight.
///
/// ```
/// use eligibility_kernels::{Level, update::{OuterUpdate, Sgd}};
/// let mut parameters = [1.0_f32, 1.0];
/// let update = Sgd { rate: 0.5, gradient: &[], parameters: &mut parameters };
/// Level::detect().run(OuterUpdate { signal: &[2.0], presynaptic: &[1.0, 10.0], update });
/// assert_eq!(parameters, [0.0, -9.0]);
/// ```
#[derive(Debug)]
pub struct OuterUpdate<'a, T, U> {
    /// `[units]`: l.
    pub signal: &'a [T],
    /// `[row]`: z.
    pub presynaptic: &'a [T],
    /// The rule, with what it updates: `[units, row]`.
    pub update: U,
}

impl<T: Real, U: Update<T>> TraceUpdate<'_, T, U> {
    /// Units.
    ///
    /// # Panics
    ///
    /// If the lengths do not fit each other.
    #[track_caller]
    pub(crate) fn units(&self) -> usize {
        let (units, row, traces) = (self.decay.len(), self.presynaptic.len(), self.trace.len());
        assert!(
            traces.checked_rem(units * row).unwrap_or(traces) == 0,
            "trace has {traces} elements, which is no multiple of {units} units x {row} columns"
        );
        let gates = traces.checked_div(units * row).unwrap_or(0);
        let (influence, signal) = (self.influence.len(), self.signal.len());
        assert!(
            influence >= gates * units,
            "influence has {influence} elements for {gates} gates x {units} units"
        );
        assert!(signal == units, "signal has {signal} elements where decay has {units}");
        self.update.check(traces);
        units
    }
}

impl<T: Real, U: Update<T>> Kernel<T> for TraceUpdate<'_, T, U> {
    type Output = ();

    #[inline]
    fn at(self, level: Level) {
        U::traces(self, level);
    }

    #[inline(always)]
    fn run<V: Lanes<Element = T>>(self, token: V::Token) {
        let units = self.units();
        // A rule of its own has its slices in registers.
        let Self { decay, influence, presynaptic, signal, trace, mut update } = self;
        let row = presynaptic.len();
        if units * row == 0 {
            return;
        }
        let (mut unit, mut start) = (0, 0);
        let traces = trace.chunks_exact_mut(row);
        for (trace, &influence) in traces.zip(influence) {
            let factors = [decay[unit], influence, signal[unit]];
            let [decay, influence, signal] = factors.map(|factor| V::splat(token, factor));
            // Slices are cut once a unit: a comparison a vector costs as much as the arithmetic.
            let mut elements = trace.chunks_exact_mut(V::WIDTH);
            let mut inputs = presynaptic.chunks_exact(V::WIDTH);
            let mut at = start;
            for (e, z) in elements.by_ref().zip(inputs.by_ref()) {
                let next = next(token, decay, V::load(token, e), influence, V::load(token, z));
                next.store(e);
                update.apply::<V, true>(token, at..at + V::WIDTH, signal * next);
                at += V::WIDTH;
            }
            let (e, z) = (elements.into_remainder(), inputs.remainder());
            if !e.is_empty() {
                let next = next(token, decay, V::load_head(token, e), influence, V::load_head(token, z));
                next.store_head(e);
                update.apply::<V, false>(token, at..start + row, signal * next);
            }
            start += row;
            unit = if unit + 1 == units { 0 } else { unit + 1 };
        }
    }
}

impl<T: Real, U: Update<T>> Kernel<T> for OuterUpdate<'_, T, U> {
    type Output = ();

    #[inline]
    fn at(self, level: Level) {
        U::outer(self, level);
    }

    #[inline(always)]
    #[track_caller]
    fn run<V: Lanes<Element = T>>(self, token: V::Token) {
        let Self { signal, presynaptic, mut update } = self;
        let row = presynaptic.len();
        update.check(signal.len() * row);
        let body = row - row % V::WIDTH;
        let mut start = 0;
        for &signal in signal {
            let signal = V::splat(token, signal);
            for column in (0..body).step_by(V::WIDTH) {
                let z = V::load(token, &presynaptic[column..column + V::WIDTH]);
                let at = start + column..start + column + V::WIDTH;
                update.apply::<V, true>(token, at, signal * z);
            }
            if body < row {
                let z = V::load_part::<false>(token, &presynaptic[body..]);
                update.apply::<V, false>(token, start + body..start + row, signal * z);
            }
            start += row;
        }
    }
}
