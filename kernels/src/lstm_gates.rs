//! LSTM gates: preactivations to gates, cell, hidden and every local factor in one pass; and the way back.
//!
//! With preactivations z of the four gates in the order i, f, g, o and phi = tanh (or another [`Nonlinearity`]):
//!
//! ```text
//! (1) i = sigma(z_i)   f = sigma(z_f)   g = tanh(z_g)   o = sigma(z_o)
//! (2) c_t = f c_{t-1} + i g             h_t = o phi(c_t)
//! (3) s_i = g i (1 - i)   s_f = c_{t-1} f (1 - f)   s_g = i (1 - g^2)      = dc_t/dz_q
//!     s_o = phi(c_t) o (1 - o)                                            = dh_t/dz_o
//! (4) dh_t/dc_t = o phi'(c_t)           dc_t/dc_{t-1} = f
//! (5) dE/dc_t = dE/dh_t dh_t/dc_t + (dE/dc_{t+1}) f_{t+1}
//!     dE/dz_q = dE/dc_t s_q  for q in {i, f, g},   dE/dz_o = dE/dh_t s_o
//! ```
//!
//! (3) and (4) are all that e-prop, its whole-sequence form and backpropagation through time need of a step: one set
//! of factors serves every learner. Hochreiter & Schmidhuber 1997 with forget gates; (3): Hoyer et al. 2022, eq. 7-9.

use core::ops::Range;

use crate::activation::{
    IdentityPhi, Nonlinearity, Phi, ReluPhi, TanhPhi, sigmoid, sigmoid_slope, tanh, tanh_slope,
};
use crate::instances::run_by;
use crate::lanes::Lanes;
use crate::lanes::several::{SIDE, Several};
use crate::level::Kernel;
use crate::quantized::rounder;
use crate::real::Real;

mod backward;

pub use backward::LstmGatesBackward;

/// Gates of an LSTM, hence blocks of a preactivation row: input, forget, candidate, output.
pub const GATES: usize = 4;

/// One forward step of the gates, equations (1) to (4), for a batch of rows.
///
/// Shapes, row-major, with `rows = active.len()`: see the fields. No two slices may overlap (the borrow checker sees
/// to it); `cell` is read as c_{t-1} and overwritten by c_t.
///
/// Accuracy: the activations have at most 1.5 ULP; products round once each (fused where the level has it), and
/// small cells to whole multiples of [`Real::TRACE_QUANTUM`]. Relu's slope is 0 where c_t is not above 0. NaN or infinite preactivations give non-finite factors or saturated gates, never a panic.
/// Rows that are not active are neither read nor written.
///
/// # Panics
///
/// [`Level::run`](crate::Level::run) panics if a slice does not have the length its shape says.
///
/// Cost: 5 activations (4 unless phi is tanh) and about 20 FLOPs per unit; reads 7, writes 9 elements per unit (c and o
/// wait in their slices between the two loops of a row).
///
/// ```
/// use eligibility_kernels::{Level, activation::Nonlinearity, lstm_gates::LstmGates};
/// let (mut cell, mut hidden) = ([1.0_f32], [0.0]);
/// let (mut influence, mut forget_gate, mut dhidden_dcell) = ([0.0; 4], [0.0], [0.0]);
/// Level::detect().run(LstmGates {
///     nonlinearity: Nonlinearity::Tanh,
///     active: &[true],
///     preactivation: &[0.0; 4],
///     cell: &mut cell,
///     hidden: &mut hidden,
///     influence: &mut influence,
///     forget_gate: &mut forget_gate,
///     dhidden_dcell: &mut dhidden_dcell,
/// });
/// assert_eq!((cell, forget_gate), ([0.5], [0.5]));
/// ```
#[derive(Debug)]
pub struct LstmGates<'a, T> {
    /// phi in `h = o phi(c)`; tanh is the usual LSTM.
    pub nonlinearity: Nonlinearity,
    /// `[rows]`: rows to step; the others keep all their values.
    pub active: &'a [bool],
    /// `[rows, 4, hidden]`: z, gates in the order i, f, g, o.
    pub preactivation: &'a [T],
    /// `[rows, hidden]`: in c_{t-1}, out c_t.
    pub cell: &'a mut [T],
    /// `[rows, hidden]`: out h_t.
    pub hidden: &'a mut [T],
    /// `[rows, 4, hidden]`: out s_i, s_f, s_g, s_o.
    pub influence: &'a mut [T],
    /// `[rows, hidden]`: out f = dc_t/dc_{t-1}.
    pub forget_gate: &'a mut [T],
    /// `[rows, hidden]`: out dh_t/dc_t.
    pub dhidden_dcell: &'a mut [T],
}

impl<T: Real> LstmGates<'_, T> {
    /// Units per row.
    ///
    /// # Panics
    ///
    /// If a slice does not have the length its shape says.
    #[track_caller]
    pub(crate) fn hidden_size(&self) -> usize {
        let rows = self.active.len();
        let units = self.cell.len();
        assert!(
            units.checked_rem(rows).unwrap_or(units) == 0,
            "cell has {units} elements, which {rows} rows do not divide"
        );
        for (what, found, expected) in [
            ("preactivation", self.preactivation.len(), GATES * units),
            ("hidden", self.hidden.len(), units),
            ("influence", self.influence.len(), GATES * units),
            ("forget_gate", self.forget_gate.len(), units),
            ("dhidden_dcell", self.dhidden_dcell.len(), units),
        ] {
            assert!(found == expected, "{what} has {found} elements where cell asks for {expected}");
        }
        units.checked_div(rows).unwrap_or(0)
    }
}

impl<T: Real> Kernel<T> for LstmGates<'_, T> {
    type Output = ();

    run_by!(lstm_gates);

    #[inline(always)]
    fn run<V: Lanes<Element = T>>(self, token: V::Token) {
        match self.nonlinearity {
            Nonlinearity::Identity => forward::<V, IdentityPhi>(token, self),
            Nonlinearity::Relu => forward::<V, ReluPhi>(token, self),
            Nonlinearity::Tanh => forward::<V, TanhPhi>(token, self),
        }
    }
}

#[inline(always)]
fn forward<V: Lanes, N: Phi>(token: V::Token, op: LstmGates<'_, V::Element>) {
    let hidden = op.hidden_size();
    if hidden == 0 {
        return;
    }
    let rows = (op.active.iter())
        .zip(op.preactivation.chunks_exact(GATES * hidden))
        .zip(op.cell.chunks_exact_mut(hidden))
        .zip(op.hidden.chunks_exact_mut(hidden))
        .zip(op.influence.chunks_exact_mut(GATES * hidden))
        .zip(op.forget_gate.chunks_exact_mut(hidden))
        .zip(op.dhidden_dcell.chunks_exact_mut(hidden));
    for ((((((&active, z), cell), out), influence), forget), slope) in rows {
        if !active {
            continue;
        }
        let mut row = Row { hidden, z, cell, out, influence, forget, slope };
        let done = row.steps::<Several<V, SIDE>, N>(token, 0);
        let done = row.steps::<V, N>(token, done);
        // Apart from the loops: the copies of a part of a vector would evict the constants from their registers.
        if done < hidden {
            row.cell::<V, false>(token, done..hidden);
            row.hidden::<V, N, false>(token, done..hidden);
        }
    }
}

/// The slices of one batch row.
struct Row<'a, T> {
    hidden: usize,
    z: &'a [T],
    cell: &'a mut [T],
    out: &'a mut [T],
    influence: &'a mut [T],
    forget: &'a mut [T],
    slope: &'a mut [T],
}

impl<T: Real> Row<'_, T> {
    /// The units from `start` on, as many as fill whole vectors; where it ended.
    ///
    /// Two loops: in one, the chain from the gates over the cell to its phi would be longer than the CPU looks ahead.
    #[inline(always)]
    fn steps<V: Lanes<Element = T>, N: Phi>(&mut self, token: V::Token, start: usize) -> usize {
        let end = self.hidden - (self.hidden - start) % V::WIDTH;
        for unit in (start..end).step_by(V::WIDTH) {
            self.cell::<V, true>(token, unit..unit + V::WIDTH);
        }
        for unit in (start..end).step_by(V::WIDTH) {
            self.hidden::<V, N, true>(token, unit..unit + V::WIDTH);
        }
        end
    }

    /// The gates and the cell of the units `lanes`, a whole vector if `FULL`; o waits in `out` for [`Row::hidden`].
    ///
    /// Loads and stores spelled out: a closure over vectors may be compiled without the level's instructions.
    #[inline(always)]
    fn cell<V: Lanes<Element = T>, const FULL: bool>(&mut self, token: V::Token, lanes: Range<usize>) {
        let gate = |gate: usize| gate * self.hidden + lanes.start..gate * self.hidden + lanes.end;
        let [at_i, at_f, at_g, at_o] = [gate(0), gate(1), gate(2), gate(3)];
        // (1)
        let i = sigmoid(token, V::load_part::<FULL>(token, &self.z[at_i.clone()]));
        let f = sigmoid(token, V::load_part::<FULL>(token, &self.z[at_f.clone()]));
        let g = tanh(token, V::load_part::<FULL>(token, &self.z[at_g.clone()]));
        let o = sigmoid(token, V::load_part::<FULL>(token, &self.z[at_o]));
        let ig = i * g;
        // (2)
        let cell_prev = V::load_part::<FULL>(token, &self.cell[lanes.clone()]);
        let rounder = rounder::<V>(token);
        (f.mul_add(cell_prev, ig + rounder) - rounder).store_part::<FULL>(&mut self.cell[lanes.clone()]);
        o.store_part::<FULL>(&mut self.out[lanes.clone()]);
        // (3)
        // Fused, i g - (i g) i has no cancellation that matters: the second product is exact.
        let s_i = if V::FUSED { (-ig).mul_add(i, ig) } else { g * sigmoid_slope(token, i) };
        s_i.store_part::<FULL>(&mut self.influence[at_i]);
        (cell_prev * sigmoid_slope(token, f)).store_part::<FULL>(&mut self.influence[at_f]);
        (i * tanh_slope(token, g)).store_part::<FULL>(&mut self.influence[at_g]);
        // (4)
        f.store_part::<FULL>(&mut self.forget[lanes]);
    }

    /// The rest of the units `lanes`, after [`Row::cell`].
    #[inline(always)]
    fn hidden<V: Lanes<Element = T>, N: Phi, const FULL: bool>(
        &mut self,
        token: V::Token,
        lanes: Range<usize>,
    ) {
        let at_o = (GATES - 1) * self.hidden + lanes.start..(GATES - 1) * self.hidden + lanes.end;
        let c = V::load_part::<FULL>(token, &self.cell[lanes.clone()]);
        let o = V::load_part::<FULL>(token, &self.out[lanes.clone()]);
        // (2)
        let (phi, phi_slope) = N::with_slope(token, c);
        (o * phi).store_part::<FULL>(&mut self.out[lanes.clone()]);
        // (3)
        (phi * sigmoid_slope(token, o)).store_part::<FULL>(&mut self.influence[at_o]);
        // (4)
        let slope = if N::LINEAR { o } else { o * phi_slope };
        slope.store_part::<FULL>(&mut self.slope[lanes]);
    }
}
