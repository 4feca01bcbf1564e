//! The factors of a block, backwards over its steps: `P_s e_m u_m(s)` and `P_0`, with `P_{s-1} = P_s A_s` and `P_K` the
//! identity.

use super::PairTraceFactors;
use crate::lanes::Lanes;
use crate::quantized::rounders;
use crate::real::Real;

/// Backwards over the steps: column m of P_s times u_m(s), and at the end P_0, where P_s is kept until then.
#[inline(always)]
pub(super) fn scan<V: Lanes>(token: V::Token, op: PairTraceFactors<'_, V::Element>) {
    let PairTraceFactors { steps, units, gates, decay, influence, factors } = op;
    let (body, length) = (units - units % V::WIDTH, 2 * gates * units);
    let (factors, product) = factors.split_at_mut(steps * length);
    product.fill(V::Element::ZERO);
    product[..units].fill(V::Element::ONE);
    product[3 * units..].fill(V::Element::ONE);
    for step in (0..steps).rev() {
        let (u, target) = (influence.at(step, 0..gates * units), &mut factors[step * length..][..length]);
        for plane in 0..2 * gates {
            let (gate, component) = (plane / 2, plane % 2);
            let column = &product[(2 * component + gate) * units..][..units];
            let (u, target) = (&u[gate * units..][..units], &mut target[plane * units..][..units]);
            for start in (0..body).step_by(V::WIDTH) {
                scale::<V, true>(token, start, V::WIDTH, column, u, target);
            }
            if body < units {
                scale::<V, false>(token, body, units - body, column, u, target);
            }
        }
        let decay = decay.at(step, 0..4 * units);
        for start in (0..body).step_by(V::WIDTH) {
            multiply::<V, true>(token, start, V::WIDTH, decay, product);
        }
        if body < units {
            multiply::<V, false>(token, body, units - body, decay, product);
        }
    }
}

/// `target = column * u` in `width` elements from `start` on.
#[inline(always)]
fn scale<V: Lanes, const FULL: bool>(
    token: V::Token,
    start: usize,
    width: usize,
    column: &[V::Element],
    u: &[V::Element],
    target: &mut [V::Element],
) {
    let [column, u] = [column, u].map(|slice| &slice[start..][..width]);
    let scaled = V::load_part::<FULL>(token, column) * V::load_part::<FULL>(token, u);
    scaled.store_part::<FULL>(&mut target[start..][..width]);
}

/// `P = P A` for `width` units from `start` on; both are four planes. The sums are in an order that leaves rotations,
/// P_22 = P_11 and P_21 = -P_12, what they are, to the bit.
#[inline(always)]
fn multiply<V: Lanes, const FULL: bool>(
    token: V::Token,
    start: usize,
    width: usize,
    decay: &[V::Element],
    product: &mut [V::Element],
) {
    let units = product.len() / 4;
    let mut a = [V::splat(token, V::Element::ZERO); 4];
    for (plane, a) in a.iter_mut().enumerate() {
        *a = V::load_part::<FULL>(token, &decay[plane * units + start..][..width]);
    }
    let [a11, a12, a21, a22] = a;
    for row in 0..2 {
        let (first, second) = (2 * row * units + start, (2 * row + 1) * units + start);
        let p1 = V::load_part::<FULL>(token, &product[first..][..width]);
        let p2 = V::load_part::<FULL>(token, &product[second..][..width]);
        let [r1, r2] = rounders(token, row);
        let next = [p1.mul_add(a11, p2.mul_add(a21, r1)), p2.mul_add(a22, p1.mul_add(a12, r2))];
        (next[0] - r1).store_part::<FULL>(&mut product[first..][..width]);
        (next[1] - r2).store_part::<FULL>(&mut product[second..][..width]);
    }
}
