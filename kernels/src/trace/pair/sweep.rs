//! The loops over rows, gates and units, and over the trace of one of these: whole vectors, then the same vector code for
//! what is left.
//!
//! `SUMS` says what a gate's trace is added to: 0 nothing, 1 its own gradient (2), 2 those of both gates (2').

use super::super::sweep::flush;
use super::{PairTraceContract, PairTraceStep, Sizes};
use crate::lanes::Lanes;

/// What adds a unit's trace to gradients.
#[derive(Clone, Copy)]
struct Signal<V: Lanes> {
    token: V::Token,
    /// c_1, c_2, in all lanes.
    parts: [V; 2],
}

impl<V: Lanes> Signal<V> {
    /// `(2)` for sum 0, and the second half of `(2')` for sum 1, in the order in which (2) would add the turned trace.
    #[inline(always)]
    fn add<const FULL: bool, const SUMS: usize>(
        self,
        [first, second]: [V; 2],
        start: usize,
        width: usize,
        sums: &mut [&mut [V::Element]; SUMS],
    ) {
        let [c1, c2] = self.parts;
        for (index, sum) in sums.iter_mut().enumerate() {
            let sum = &mut sum[start..][..width];
            let total = V::load_part::<FULL>(self.token, sum);
            let total = if index == 0 {
                c2.mul_add(second, c1.mul_add(first, total))
            } else {
                c2.mul_add(first, (-c1).mul_add(second, total))
            };
            total.store_part::<FULL>(sum);
        }
    }

    /// `(2)` for one vector; of fewer elements than it has only if not `FULL`.
    #[inline(always)]
    fn contract<const FULL: bool, const SUMS: usize>(
        self,
        start: usize,
        width: usize,
        [first, second]: [&[V::Element]; 2],
        sums: &mut [&mut [V::Element]; SUMS],
    ) {
        let width = if FULL { V::WIDTH } else { width };
        let first = V::load_part::<FULL>(self.token, &first[start..][..width]);
        let second = V::load_part::<FULL>(self.token, &second[start..][..width]);
        self.add::<FULL, SUMS>([first, second], start, width, sums);
    }
}

/// What steps a unit's trace of one gate, in all lanes.
#[derive(Clone, Copy)]
struct Unit<V: Lanes> {
    /// A_11, A_12, A_21, A_22.
    decay: [V; 4],
    influence: V,
    signal: Signal<V>,
}

impl<V: Lanes> Unit<V> {
    /// `(1)`: first the other component, then a component's own, then what is new. In this order the second gate's trace
    /// is the first's, turned, to the bit.
    #[inline(always)]
    fn next<const GATE: usize>(self, [first, second]: [V; 2], presynaptic: V) -> [V; 2] {
        let [a11, a12, a21, a22] = self.decay;
        let mut next = [a11.mul_add(first, a12 * second), a22.mul_add(second, a21 * first)];
        next[GATE] = self.influence.mul_add(presynaptic, next[GATE]);
        [flush(self.signal.token, next[0]), flush(self.signal.token, next[1])]
    }

    /// `(1)` and `(2)` for one vector; of fewer elements than it has only if not `FULL`.
    #[inline(always)]
    fn step<const FULL: bool, const GATE: usize, const SUMS: usize>(
        self,
        start: usize,
        width: usize,
        presynaptic: &[V::Element],
        [first, second]: &mut [&mut [V::Element]; 2],
        sums: &mut [&mut [V::Element]; SUMS],
    ) {
        let (width, token) = (if FULL { V::WIDTH } else { width }, self.signal.token);
        let (first, second) = (&mut first[start..][..width], &mut second[start..][..width]);
        let z = V::load_part::<FULL>(token, &presynaptic[start..][..width]);
        let trace = [V::load_part::<FULL>(token, first), V::load_part::<FULL>(token, second)];
        let next = self.next::<GATE>(trace, z);
        next[0].store_part::<FULL>(first);
        next[1].store_part::<FULL>(second);
        self.signal.add::<FULL, SUMS>(next, start, width, sums);
    }
}

/// `(1)`, and `(2)` or `(2')`, for every active row.
#[inline(always)]
pub(super) fn rows<V: Lanes, const SUMS: usize>(
    token: V::Token,
    op: PairTraceStep<'_, V::Element>,
    sizes: Sizes,
    signal: &[V::Element],
    gradient: &mut [V::Element],
) {
    let Sizes { gates, units, columns } = sizes;
    let (gate_length, [first, second]) = (units * columns, op.trace);
    if gates * gate_length == 0 {
        return;
    }
    for (row, _) in op.active.iter().enumerate().filter(|(_, active)| **active) {
        let z = &op.presynaptic[row * columns..][..columns];
        let decay = op.decay.at(row, 0..4 * units);
        let influence = op.influence.at(row, 0..gates * units);
        let signal = if SUMS == 0 { &[] } else { &signal[2 * row * units..][..2 * units] };
        for gate in 0..gates {
            let at = (row * gates + gate) * gate_length;
            let gate_of_row = Gate::<V, SUMS> {
                token,
                sizes,
                decay,
                influence: &influence[gate * units..][..units],
                signal,
                presynaptic: z,
                trace: [&mut first[at..][..gate_length], &mut second[at..][..gate_length]],
                sums: blocks::<_, SUMS>(gradient, gate, gate_length),
            };
            if gate == 0 {
                gate_of_row.sweep::<0>();
            } else {
                gate_of_row.sweep::<1>();
            }
        }
    }
}

/// `(2)` or `(2')` for every active row.
#[inline(always)]
pub(super) fn contract_rows<V: Lanes, const SUMS: usize>(
    token: V::Token,
    op: PairTraceContract<'_, V::Element>,
    sizes: Sizes,
) {
    let Sizes { gates, units, columns } = sizes;
    let (gate_length, body) = (units * columns, columns - columns % V::WIDTH);
    if gates * gate_length == 0 {
        return;
    }
    for (row, _) in op.active.iter().enumerate().filter(|(_, active)| **active) {
        let signal = &op.signal[2 * row * units..][..2 * units];
        for gate in 0..gates {
            let mut sums = blocks::<_, SUMS>(op.gradient, gate, gate_length);
            for index in 0..units {
                let at = ((row * gates + gate) * units + index) * columns;
                let trace = [&op.trace[0][at..][..columns], &op.trace[1][at..][..columns]];
                let parts = [V::splat(token, signal[index]), V::splat(token, signal[units + index])];
                let signal = Signal::<V> { token, parts };
                let mut sums = part(&mut sums, index * columns, columns);
                for start in (0..body).step_by(V::WIDTH) {
                    signal.contract::<true, SUMS>(start, V::WIDTH, trace, &mut sums);
                }
                if body < columns {
                    signal.contract::<false, SUMS>(body, columns - body, trace, &mut sums);
                }
            }
        }
    }
}

/// The gradients that the trace of `gate` is added to.
#[inline(always)]
fn blocks<T, const SUMS: usize>(gradient: &mut [T], gate: usize, length: usize) -> [&mut [T]; SUMS] {
    let mut rest = if SUMS == 0 { &mut [] } else { &mut gradient[gate * length..] };
    let mut blocks = [(); SUMS].map(|()| [].as_mut_slice());
    for block in &mut blocks {
        let (first, others) = rest.split_at_mut(length);
        (*block, rest) = (first, others);
    }
    blocks
}

/// The same part of each slice.
#[inline(always)]
fn part<'a, T, const COUNT: usize>(
    slices: &'a mut [&mut [T]; COUNT],
    start: usize,
    length: usize,
) -> [&'a mut [T]; COUNT] {
    slices.each_mut().map(|slice| &mut slice[start..][..length])
}

/// The slices of one batch row and gate.
struct Gate<'a, V: Lanes, const SUMS: usize> {
    token: V::Token,
    sizes: Sizes,
    /// `[4, units]`
    decay: &'a [V::Element],
    /// `[units]`
    influence: &'a [V::Element],
    /// `[2, units]`, or empty without sums.
    signal: &'a [V::Element],
    /// `[columns]`
    presynaptic: &'a [V::Element],
    /// Each `[units, columns]`.
    trace: [&'a mut [V::Element]; 2],
    /// Each `[units, columns]`.
    sums: [&'a mut [V::Element]; SUMS],
}

impl<V: Lanes, const SUMS: usize> Gate<'_, V, SUMS> {
    #[inline(always)]
    fn sweep<const GATE: usize>(mut self) {
        let (token, Sizes { units, columns, .. }) = (self.token, self.sizes);
        let body = columns - columns % V::WIDTH;
        for index in 0..units {
            let influence = V::splat(token, self.influence[index]);
            let mut decay = [influence; 4];
            for (plane, decay) in decay.iter_mut().enumerate() {
                *decay = V::splat(token, self.decay[plane * units + index]);
            }
            let mut parts = [influence; 2];
            if SUMS > 0 {
                parts = [V::splat(token, self.signal[index]), V::splat(token, self.signal[units + index])];
            }
            let unit = Unit { decay, influence, signal: Signal { token, parts } };
            let (mut trace, mut sums) = (
                part(&mut self.trace, index * columns, columns),
                part(&mut self.sums, index * columns, columns),
            );
            for start in (0..body).step_by(V::WIDTH) {
                unit.step::<true, GATE, SUMS>(start, V::WIDTH, self.presynaptic, &mut trace, &mut sums);
            }
            if body < columns {
                unit.step::<false, GATE, SUMS>(body, columns - body, self.presynaptic, &mut trace, &mut sums);
            }
        }
    }
}
