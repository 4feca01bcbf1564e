//! Cells whose units have a state of two components: recurrent trace units, linear recurrent units, block-diagonal RNNs.
//!
//! With the previous state h' and the projection x_k = (W_k x) of a unit, for k, l = 1, 2:
//!
//! ```text
//! (1) p_k = sum_l a_kl h'_l + gain x_k            h_k = phi(p_k)
//! (2) dh_k/dh'_l = D_k a_kl                       dh_k/dx_k = D_k gain          D_k = phi'(p_k)
//! (3) I_1 = D_1 (kr h'_1 - ki h'_2 + rho x_1)     I_2 = D_2 (kr h'_2 + ki h'_1 + rho x_2)
//! (4) dh_k/da_kl = D_k h'_l                       dh_m/da_kl = 0 where m is not k
//! ```
//!
//! (3) is the derivative by a parameter q of a scaled rotation, a_11 = a_22 = g, a_21 = -a_12 = f: kr = dg/dq, ki = df/dq,
//! rho = dgain/dq. (4) is that by the entries of a free block. RTU: Elelimy et al. 2024; LRU (phi the identity): Orvieto
//! et al. 2023, with traces Zucchet et al. 2023.

use crate::activation::{IdentityPhi, Nonlinearity, Phi, ReluPhi, TanhPhi};
use crate::instances::run_by;
use crate::lanes::Lanes;
use crate::level::Kernel;
use crate::planes::{Part, PerUnit, check_lengths, sweep};
use crate::quantized::rounder;
use crate::real::Real;

/// Scalar parameters of each unit of a [`PairCell`], by which the step is differentiated.
#[derive(Clone, Copy, Debug)]
pub enum PairParameters<'a, T> {
    /// Equation (3): any number P of parameters of a scaled rotation and of the gain.
    Complex {
        /// `[P, 2, units]`: kr, ki of each.
        kappa: &'a [T],
        /// `[P, units]`: rho of each.
        rho: &'a [T],
    },
    /// Equation (4): a_11, a_12, a_21, a_22 themselves, so P = 4.
    Entries,
}

/// One forward step of pair cells with every local factor, equations (1) to (4), for a batch of rows.
///
/// Shapes, row-major, with `rows = active.len()`: see the fields. No two slices overlap. Rows that are not active are
/// neither read nor written. With the identity the factors of (2) are the constants `decay` and `gain`, and the slices
/// for them are empty.
///
/// Accuracy: the sums of (1) and (3) start with the product of the other component, then that of the component
/// itself, then the input, a multiply-add each; small p are rounded to whole multiples of [`Real::TRACE_QUANTUM`]; phi
/// and its slope as in [`Nonlinear`](crate::activation::Nonlinear). A rotation acts on both components alike: to the bit,
/// unless p is small or a term lies half-way between two values. What is not finite gives results that are not finite, or a
/// saturated phi; never a panic.
///
/// # Panics
///
/// [`Level::run`](crate::Level::run) panics if a slice does not have the length its shape says.
///
/// Cost: 10 + 10 P FLOPs per unit (18 + 12 P and two slopes unless phi is the identity); reads 9 + 3 P, writes 2 + 2 P
/// elements (6 more unless phi is the identity).
///
/// ```
/// use eligibility_kernels::Level;
/// use eligibility_kernels::{activation::Nonlinearity, pair_cell::{PairCell, PairParameters}};
/// let (mut state, mut immediate) = ([1.0_f32, 0.0], [0.0; 2]);
/// Level::detect().run(PairCell {
///     nonlinearity: Nonlinearity::Identity,
///     units: 1,
///     active: &[true],
///     decay: &[0.0, -0.5, 0.5, 0.0], // a quarter turn, shrunk by half
///     gain: &[2.0],
///     parameters: PairParameters::Complex { kappa: &[0.0, 1.0], rho: &[0.0] },
///     projection: &[0.25, 0.0],
///     state: &mut state,
///     decay_out: &mut [],
///     influence: &mut [],
///     immediate: &mut immediate,
/// });
/// assert_eq!((state, immediate), ([0.5, 0.5], [0.0, 1.0]));
/// ```
#[derive(Debug)]
pub struct PairCell<'a, T> {
    /// phi.
    pub nonlinearity: Nonlinearity,
    /// Units per row.
    pub units: usize,
    /// `[rows]`: rows to step; the others keep all their values.
    pub active: &'a [bool],
    /// `[4, units]`: a_11, a_12, a_21, a_22.
    pub decay: &'a [T],
    /// `[units]`: what the projection is multiplied by.
    pub gain: &'a [T],
    /// What (3) or (4) differentiate by.
    pub parameters: PairParameters<'a, T>,
    /// `[rows, 2, units]`: x_1, x_2.
    pub projection: &'a [T],
    /// `[rows, 2, units]`: in h', out h.
    pub state: &'a mut [T],
    /// `[rows, 4, units]`: out D_k a_kl; empty if phi is the identity.
    pub decay_out: &'a mut [T],
    /// `[rows, 2, units]`: out D_k gain; empty if phi is the identity.
    pub influence: &'a mut [T],
    /// `[rows, P, 2, units]`: out I_1, I_2 of each parameter.
    pub immediate: &'a mut [T],
}

impl<T: Real> PairCell<'_, T> {
    /// P.
    ///
    /// # Panics
    ///
    /// If a slice does not have the length its shape says.
    #[track_caller]
    pub(crate) fn parameter_count(&self) -> usize {
        let (rows, units) = (self.active.len(), self.units);
        let count = match self.parameters {
            PairParameters::Complex { kappa, rho } => {
                let count = rho.len().checked_div(units).unwrap_or(0);
                check_lengths(
                    rows,
                    units,
                    &[("rho", rho.len(), count * units), ("kappa", kappa.len(), 2 * count * units)],
                );
                count
            }
            PairParameters::Entries => 4,
        };
        let plane = rows * units;
        let slope_plane = if self.nonlinearity == Nonlinearity::Identity { 0 } else { plane };
        check_lengths(
            rows,
            units,
            &[
                ("decay", self.decay.len(), 4 * units),
                ("gain", self.gain.len(), units),
                ("projection", self.projection.len(), 2 * plane),
                ("state", self.state.len(), 2 * plane),
                ("decay_out", self.decay_out.len(), 4 * slope_plane),
                ("influence", self.influence.len(), 2 * slope_plane),
                ("immediate", self.immediate.len(), 2 * count * plane),
            ],
        );
        count
    }

    #[inline(always)]
    fn step<V: Lanes<Element = T>, N: Phi>(self, token: V::Token) {
        let (units, count) = (self.units, self.parameter_count());
        for index in 0..self.active.len() {
            if !self.active[index] {
                continue;
            }
            let slopes = if N::LINEAR { 0 } else { units };
            let mut row = Row::<T, N> {
                decay: self.decay,
                gain: self.gain,
                parameters: self.parameters,
                count,
                projection: &self.projection[index * 2 * units..][..2 * units],
                state: &mut self.state[index * 2 * units..][..2 * units],
                decay_out: &mut self.decay_out[index * 4 * slopes..][..4 * slopes],
                influence: &mut self.influence[index * 2 * slopes..][..2 * slopes],
                immediate: &mut self.immediate[index * 2 * count * units..][..2 * count * units],
                phi: core::marker::PhantomData,
            };
            sweep::<V>(token, units, &mut row);
        }
    }
}

impl<T: Real> Kernel<T> for PairCell<'_, T> {
    type Output = ();

    run_by!(pair_cell);

    #[inline(always)]
    fn run<V: Lanes<Element = T>>(self, token: V::Token) {
        match self.nonlinearity {
            Nonlinearity::Identity => self.step::<V, IdentityPhi>(token),
            Nonlinearity::Relu => self.step::<V, ReluPhi>(token),
            Nonlinearity::Tanh => self.step::<V, TanhPhi>(token),
        }
    }
}

/// The slices of one batch row.
struct Row<'a, T, N> {
    decay: &'a [T],
    gain: &'a [T],
    parameters: PairParameters<'a, T>,
    count: usize,
    projection: &'a [T],
    state: &'a mut [T],
    decay_out: &'a mut [T],
    influence: &'a mut [T],
    immediate: &'a mut [T],
    phi: core::marker::PhantomData<N>,
}

impl<T: Real, N: Phi> PerUnit<T> for Row<'_, T, N> {
    #[inline(always)]
    fn step<V: Lanes<Element = T>, const FULL: bool>(&mut self, token: V::Token, part: Part<FULL>) {
        let a_11: V = part.load(token, self.decay, 0);
        let a_12: V = part.load(token, self.decay, 1);
        let a_21: V = part.load(token, self.decay, 2);
        let a_22: V = part.load(token, self.decay, 3);
        let gain: V = part.load(token, self.gain, 0);
        let x: [V; 2] = [part.load(token, self.projection, 0), part.load(token, self.projection, 1)];
        let h: [V; 2] = [part.load(token, self.state, 0), part.load(token, self.state, 1)];
        // (1)
        let rounder = rounder(token);
        let p_1 = gain.mul_add(x[0], a_11.mul_add(h[0], a_12.mul_add(h[1], rounder))) - rounder;
        let p_2 = gain.mul_add(x[1], a_22.mul_add(h[1], a_21.mul_add(h[0], rounder))) - rounder;
        let ((h_1, d_1), (h_2, d_2)) = (N::with_slope(token, p_1), N::with_slope(token, p_2));
        part.store(h_1, self.state, 0);
        part.store(h_2, self.state, 1);
        // (2)
        if !N::LINEAR {
            part.store(d_1 * a_11, self.decay_out, 0);
            part.store(d_1 * a_12, self.decay_out, 1);
            part.store(d_2 * a_21, self.decay_out, 2);
            part.store(d_2 * a_22, self.decay_out, 3);
            part.store(d_1 * gain, self.influence, 0);
            part.store(d_2 * gain, self.influence, 1);
        }
        match self.parameters {
            PairParameters::Complex { kappa, rho } => {
                for q in 0..self.count {
                    // (3)
                    let kr: V = part.load(token, kappa, 2 * q);
                    let ki: V = part.load(token, kappa, 2 * q + 1);
                    let rho: V = part.load(token, rho, q);
                    let i_1 = rho.mul_add(x[0], kr.mul_add(h[0], -(ki * h[1])));
                    let i_2 = rho.mul_add(x[1], kr.mul_add(h[1], ki * h[0]));
                    part.store(if N::LINEAR { i_1 } else { d_1 * i_1 }, self.immediate, 2 * q);
                    part.store(if N::LINEAR { i_2 } else { d_2 * i_2 }, self.immediate, 2 * q + 1);
                }
            }
            PairParameters::Entries => {
                // (4)
                let zero = V::splat(token, T::ZERO);
                for (l, &h_l) in h.iter().enumerate() {
                    let (i_1, i_2) = if N::LINEAR { (h_l, h_l) } else { (d_1 * h_l, d_2 * h_l) };
                    part.store(i_1, self.immediate, 2 * l);
                    part.store(zero, self.immediate, 2 * l + 1);
                    part.store(zero, self.immediate, 2 * (l + 2));
                    part.store(i_2, self.immediate, 2 * (l + 2) + 1);
                }
            }
        }
    }
}
