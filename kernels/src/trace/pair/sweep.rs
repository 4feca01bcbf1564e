//! The loops over rows, gates and units, and over the trace of one of these: whole vectors, then the same vector code for
//! what is left.
//!
//! `SUMS` says what a gate's trace is added to: 0 nothing, 1 its own gradient (2), 2 those of both gates (2').

use super::{PairTraceContract, PairTraceStep, Sizes};
use crate::lanes::Lanes;
use crate::real::Real;
use crate::recursion::{PairSignal, PairStep};

/// Vectors between two checks of the loop and the lengths.
const GROUP: usize = 2;

/// What adds a unit's trace to gradients.
#[derive(Clone, Copy)]
struct Signal<V: Lanes> {
    token: V::Token,
    parts: PairSignal<V>,
}

impl<V: Lanes> Signal<V> {
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
        let mut totals = load::<V, FULL, SUMS>(self.token, start, width, sums);
        self.parts.add([first, second], &mut totals);
        store::<V, FULL, SUMS>(totals, start, width, sums);
    }
}

/// A vector of each slice, from `start` on. All that a step reads is loaded before anything is stored: where the slices lie
/// at the same place in their pages, a load waits for a store to another of them.
#[inline(always)]
fn load<V: Lanes, const FULL: bool, const COUNT: usize>(
    token: V::Token,
    start: usize,
    width: usize,
    sources: &[&mut [V::Element]; COUNT],
) -> [V; COUNT] {
    let mut vectors = [V::splat(token, V::Element::ZERO); COUNT];
    for (vector, source) in vectors.iter_mut().zip(sources) {
        *vector = V::load_part::<FULL>(token, &source[start..][..width]);
    }
    vectors
}

/// Stores a vector to each slice, from `start` on.
#[inline(always)]
fn store<V: Lanes, const FULL: bool, const COUNT: usize>(
    vectors: [V; COUNT],
    start: usize,
    width: usize,
    targets: &mut [&mut [V::Element]; COUNT],
) {
    for (vector, target) in vectors.into_iter().zip(targets) {
        vector.store_part::<FULL>(&mut target[start..][..width]);
    }
}

/// What steps a unit's trace of one gate and adds it to gradients.
#[derive(Clone, Copy)]
struct Unit<V: Lanes, const GATE: usize> {
    step: PairStep<V, GATE>,
    signal: Signal<V>,
}

impl<V: Lanes, const GATE: usize> Unit<V, GATE> {
    /// `(1)` and `(2)` for `VECTORS` vectors of `width` elements: fewer than a whole vector only if not `FULL`.
    #[inline(always)]
    fn step<const VECTORS: usize, const FULL: bool, const SUMS: usize>(
        self,
        start: usize,
        width: usize,
        presynaptic: &[V::Element],
        trace: &mut [&mut [V::Element]; 2],
        sums: &mut [&mut [V::Element]; SUMS],
    ) {
        let (width, token) = (if FULL { V::WIDTH } else { width }, self.signal.token);
        let presynaptic = &presynaptic[start..][..VECTORS * width];
        let mut trace = part(trace, start, VECTORS * width);
        let mut sums = part(sums, start, VECTORS * width);
        for vector in 0..VECTORS {
            let start = vector * width;
            let z = V::load_part::<FULL>(token, &presynaptic[start..][..width]);
            let before = load::<V, FULL, 2>(token, start, width, &trace);
            let mut totals = load::<V, FULL, SUMS>(token, start, width, &sums);
            let next = self.step.next(before, z);
            self.signal.parts.add(next, &mut totals);
            store::<V, FULL, 2>(next, start, width, &mut trace);
            store::<V, FULL, SUMS>(totals, start, width, &mut sums);
        }
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
    let gate_length = units * columns;
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
                let mut sums = part(&mut sums, index * columns, columns);
                contract::<V, SUMS>(token, [signal[index], signal[units + index]], trace, &mut sums);
            }
        }
    }
}

/// `(2)` or `(2')` for the trace of one unit and gate, whose slices are of one length.
#[inline(always)]
pub(super) fn contract<V: Lanes, const SUMS: usize>(
    token: V::Token,
    [c1, c2]: [V::Element; 2],
    trace: [&[V::Element]; 2],
    sums: &mut [&mut [V::Element]; SUMS],
) {
    let parts = PairSignal([V::splat(token, c1), V::splat(token, c2)]);
    let signal = Signal::<V> { token, parts };
    let columns = trace[0].len();
    let body = columns - columns % V::WIDTH;
    let mut start = 0;
    while start < body {
        signal.contract::<true, SUMS>(start, V::WIDTH, trace, sums);
        start += V::WIDTH;
    }
    if body < columns {
        signal.contract::<false, SUMS>(body, columns - body, trace, sums);
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
    let mut parts = [(); COUNT].map(|()| [].as_mut_slice());
    for (part, slice) in parts.iter_mut().zip(slices) {
        *part = &mut slice[start..][..length];
    }
    parts
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
        let plane = |plane: usize| &self.decay[plane * units..][..units];
        let decay = [plane(0), plane(1), plane(2), plane(3)];
        let (influence, z) = (&self.influence[..units], &self.presynaptic[..columns]);
        let signal =
            if SUMS == 0 { [influence; 2] } else { [&self.signal[..units], &self.signal[units..][..units]] };
        let (groups, body) = (columns - columns % (GROUP * V::WIDTH), columns - columns % V::WIDTH);
        for (index, &influence) in influence.iter().enumerate() {
            let unit = Unit::<V, GATE> {
                step: PairStep::new(token, splats(token, decay, index), V::splat(token, influence)),
                signal: Signal { token, parts: PairSignal(splats(token, signal, index)) },
            };
            let (mut trace, mut sums) = (take(&mut self.trace, columns), take(&mut self.sums, columns));
            let mut start = 0;
            while start < groups {
                unit.step::<GROUP, true, SUMS>(start, V::WIDTH, z, &mut trace, &mut sums);
                start += GROUP * V::WIDTH;
            }
            while start < body {
                unit.step::<1, true, SUMS>(start, V::WIDTH, z, &mut trace, &mut sums);
                start += V::WIDTH;
            }
            if body < columns {
                unit.step::<1, false, SUMS>(body, columns - body, z, &mut trace, &mut sums);
            }
        }
    }
}

/// Element `index` of each slice, in all lanes.
#[inline(always)]
fn splats<V: Lanes, const COUNT: usize>(
    token: V::Token,
    slices: [&[V::Element]; COUNT],
    index: usize,
) -> [V; COUNT] {
    let mut vectors = [V::splat(token, V::Element::ZERO); COUNT];
    for (vector, slice) in vectors.iter_mut().zip(slices) {
        *vector = V::splat(token, slice[index]);
    }
    vectors
}

/// Cuts the first `length` elements off each slice.
#[inline(always)]
fn take<'a, T, const COUNT: usize>(slices: &mut [&'a mut [T]; COUNT], length: usize) -> [&'a mut [T]; COUNT] {
    let mut heads = [(); COUNT].map(|()| [].as_mut_slice());
    for (head, slice) in heads.iter_mut().zip(slices) {
        (*head, *slice) = core::mem::take(slice).split_at_mut(length);
    }
    heads
}
