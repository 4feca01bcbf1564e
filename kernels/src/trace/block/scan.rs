//! The factors of a block, backwards over its steps: `P_s u_s` and `P_0`, with `P_s = A_{s+1} P_{s+1}` and `P_K = 1`; with
//! weights `lambda_s u_s` and `omega = A_1 lambda_1`, with `lambda_s = w_s + A_{s+1} lambda_{s+1}`.

use core::ops::Range;

use super::TraceFactors;
use crate::lanes::Lanes;
use crate::quantized::{quantized, rounder};
use crate::real::Real;
use crate::strided::Strided;

/// Backwards over the steps: `factors[s, q, j] = P_s u_s`, and in the last row `P_0`, where P_s is kept until then.
/// Without weights these are 1 at the last step and 0 before.
#[inline(always)]
pub(super) fn scan<V: Lanes>(
    token: V::Token,
    op: TraceFactors<'_, V::Element>,
    weight: Option<Strided<'_, V::Element>>,
) {
    let TraceFactors { steps, units, decay, influence, factors } = op;
    let traces = factors.len() / (steps + 1);
    let body = units - units % V::WIDTH;
    let (factors, kept) = factors.split_at_mut(steps * traces);
    let (product, others) = kept.split_at_mut(units);
    product.fill(if weight.is_some() { V::Element::ZERO } else { V::Element::ONE });
    for step in (0..steps).rev() {
        if let Some(weight) = weight {
            let weight = weight.at(step, 0..units);
            for start in (0..body).step_by(V::WIDTH) {
                add_weight::<V, true>(token, start..start + V::WIDTH, weight, product);
            }
            if body < units {
                add_weight::<V, false>(token, body..units, weight, product);
            }
        }
        let (u, target) = (influence.at(step, 0..traces), &mut factors[step * traces..][..traces]);
        let mut gate = 0;
        while gate < traces {
            let (u, target) = (&u[gate..][..units], &mut target[gate..][..units]);
            for start in (0..body).step_by(V::WIDTH) {
                scale::<V, true>(token, start..start + V::WIDTH, product, u, target);
            }
            if body < units {
                scale::<V, false>(token, body..units, product, u, target);
            }
            gate += units;
        }
        let decay = decay.at(step, 0..units);
        for start in (0..body).step_by(V::WIDTH) {
            decay_product::<V, true>(token, start..start + V::WIDTH, decay, product);
        }
        if body < units {
            decay_product::<V, false>(token, body..units, decay, product);
        }
    }
    for gate in others.chunks_exact_mut(units) {
        gate.copy_from_slice(product);
    }
}

/// `target = product * u` in `lanes`.
#[inline(always)]
fn scale<V: Lanes, const FULL: bool>(
    token: V::Token,
    lanes: Range<usize>,
    product: &[V::Element],
    u: &[V::Element],
    target: &mut [V::Element],
) {
    let scaled =
        V::load_part::<FULL>(token, &product[lanes.clone()]) * V::load_part::<FULL>(token, &u[lanes.clone()]);
    scaled.store_part::<FULL>(&mut target[lanes]);
}

/// `product = decay * product` in `lanes`.
#[inline(always)]
fn decay_product<V: Lanes, const FULL: bool>(
    token: V::Token,
    lanes: Range<usize>,
    decay: &[V::Element],
    product: &mut [V::Element],
) {
    let product = &mut product[lanes.clone()];
    let next = V::load_part::<FULL>(token, product) * V::load_part::<FULL>(token, &decay[lanes]);
    quantized(rounder(token), next).store_part::<FULL>(product);
}

/// `product = weight + product` in `lanes`.
#[inline(always)]
fn add_weight<V: Lanes, const FULL: bool>(
    token: V::Token,
    lanes: Range<usize>,
    weight: &[V::Element],
    product: &mut [V::Element],
) {
    let product = &mut product[lanes.clone()];
    let sum = V::load_part::<FULL>(token, &weight[lanes]) + V::load_part::<FULL>(token, product);
    sum.store_part::<FULL>(product);
}
