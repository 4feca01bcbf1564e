//! The loops over one unit's trace: whole vectors, then the same vector code for what is left.

use crate::lanes::Lanes;

/// `(1)` for one vector; below the first of `flush` in magnitude it becomes the second, zero. NaN is not small.
#[inline(always)]
fn next<V: Lanes>(decay: V, trace: V, influence: V, presynaptic: V, flush: [V; 2]) -> V {
    let next = influence.mul_add(presynaptic, decay * trace);
    next.abs().less_select(flush[0], flush[1], next)
}

/// `(1)`: `trace = decay * trace + influence * presynaptic`, with `factors` = `[decay, influence]`.
#[inline(always)]
pub(super) fn step<V: Lanes>(
    token: V::Token,
    factors: [V::Element; 2],
    presynaptic: &[V::Element],
    trace: &mut [V::Element],
    flush: [V; 2],
) {
    let (decay, influence) = (V::splat(token, factors[0]), V::splat(token, factors[1]));
    let mut elements = trace.chunks_exact_mut(V::WIDTH);
    let mut inputs = presynaptic.chunks_exact(V::WIDTH);
    for (e, z) in elements.by_ref().zip(inputs.by_ref()) {
        next(decay, V::load(token, e), influence, V::load(token, z), flush).store(e);
    }
    let (e, z) = (elements.into_remainder(), inputs.remainder());
    if !e.is_empty() {
        next(decay, V::load_head(token, e), influence, V::load_head(token, z), flush).store_head(e);
    }
}

/// `(1)` and `(2)`: the same, and `gradient += signal * trace`, with `factors` = `[decay, influence, signal]`.
#[inline(always)]
pub(super) fn step_contract<V: Lanes>(
    token: V::Token,
    factors: [V::Element; 3],
    presynaptic: &[V::Element],
    trace: &mut [V::Element],
    gradient: &mut [V::Element],
    flush: [V; 2],
) {
    let (decay, influence) = (V::splat(token, factors[0]), V::splat(token, factors[1]));
    let signal = V::splat(token, factors[2]);
    let mut elements = trace.chunks_exact_mut(V::WIDTH);
    let mut sums = gradient.chunks_exact_mut(V::WIDTH);
    let mut inputs = presynaptic.chunks_exact(V::WIDTH);
    for ((e, sum), z) in elements.by_ref().zip(sums.by_ref()).zip(inputs.by_ref()) {
        let next = next(decay, V::load(token, e), influence, V::load(token, z), flush);
        next.store(e);
        signal.mul_add(next, V::load(token, sum)).store(sum);
    }
    let (e, sum, z) = (elements.into_remainder(), sums.into_remainder(), inputs.remainder());
    if !e.is_empty() {
        let next = next(decay, V::load_head(token, e), influence, V::load_head(token, z), flush);
        next.store_head(e);
        signal.mul_add(next, V::load_head(token, sum)).store_head(sum);
    }
}

/// `(2)`: `gradient += signal * trace`.
#[inline(always)]
pub(super) fn contract<V: Lanes>(
    token: V::Token,
    signal: V::Element,
    trace: &[V::Element],
    gradient: &mut [V::Element],
) {
    let signal = V::splat(token, signal);
    let mut sums = gradient.chunks_exact_mut(V::WIDTH);
    let mut elements = trace.chunks_exact(V::WIDTH);
    for (sum, e) in sums.by_ref().zip(elements.by_ref()) {
        signal.mul_add(V::load(token, e), V::load(token, sum)).store(sum);
    }
    let (sum, e) = (sums.into_remainder(), elements.remainder());
    if !e.is_empty() {
        signal.mul_add(V::load_head(token, e), V::load_head(token, sum)).store_head(sum);
    }
}
