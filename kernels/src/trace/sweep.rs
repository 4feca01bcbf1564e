//! The loops over one unit's trace: whole vectors, then the same vector code for what is left. Of that there is nothing if
//! `WHOLE`; where rows are short, its code alone costs a tenth of the time.

use crate::lanes::Lanes;
use crate::recursion::next;

/// `(1)`: `trace = decay * trace + influence * presynaptic`, with `factors` = `[decay, influence]`.
#[inline(always)]
pub(super) fn step<V: Lanes, const WHOLE: bool>(
    token: V::Token,
    factors: [V::Element; 2],
    presynaptic: &[V::Element],
    trace: &mut [V::Element],
) {
    let (decay, influence) = (V::splat(token, factors[0]), V::splat(token, factors[1]));
    let mut elements = trace.chunks_exact_mut(V::WIDTH);
    let mut inputs = presynaptic.chunks_exact(V::WIDTH);
    for (e, z) in elements.by_ref().zip(inputs.by_ref()) {
        next(token, decay, V::load(token, e), influence, V::load(token, z)).store(e);
    }
    let (e, z) = (elements.into_remainder(), inputs.remainder());
    if !WHOLE && !e.is_empty() {
        next(token, decay, V::load_head(token, e), influence, V::load_head(token, z)).store_head(e);
    }
}

/// `(1)` and `(2)`: the same, and `gradient += signal * trace`, with `factors` = `[decay, influence, signal]`.
#[inline(always)]
pub(super) fn step_contract<V: Lanes, const WHOLE: bool>(
    token: V::Token,
    factors: [V::Element; 3],
    presynaptic: &[V::Element],
    trace: &mut [V::Element],
    gradient: &mut [V::Element],
) {
    let (decay, influence) = (V::splat(token, factors[0]), V::splat(token, factors[1]));
    let signal = V::splat(token, factors[2]);
    let mut elements = trace.chunks_exact_mut(V::WIDTH);
    let mut sums = gradient.chunks_exact_mut(V::WIDTH);
    let mut inputs = presynaptic.chunks_exact(V::WIDTH);
    for ((e, sum), z) in elements.by_ref().zip(sums.by_ref()).zip(inputs.by_ref()) {
        let next = next(token, decay, V::load(token, e), influence, V::load(token, z));
        next.store(e);
        signal.mul_add(next, V::load(token, sum)).store(sum);
    }
    let (e, sum, z) = (elements.into_remainder(), sums.into_remainder(), inputs.remainder());
    if !WHOLE && !e.is_empty() {
        let next = next(token, decay, V::load_head(token, e), influence, V::load_head(token, z));
        next.store_head(e);
        signal.mul_add(next, V::load_head(token, sum)).store_head(sum);
    }
}

/// `(2)`: `gradient += signal * trace`.
#[inline(always)]
pub(super) fn contract<V: Lanes, const WHOLE: bool>(
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
    if !WHOLE && !e.is_empty() {
        signal.mul_add(V::load_head(token, e), V::load_head(token, sum)).store_head(sum);
    }
}
