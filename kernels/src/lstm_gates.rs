//! LSTM gates: preactivations to gates, cell, hidden and every local factor in one pass; and the way back.
//!
//! With preactivations z of the four gates in the order i, f, g, o and phi = tanh (or the identity):
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

use crate::activation::{sigmoid, sigmoid_slope, tanh, tanh_slope};
use crate::lanes::Lanes;
use crate::lanes::several::Several;
use crate::level::Kernel;
use crate::real::Real;

/// Vectors side by side.
const SIDE: usize = 4;

mod backward;

pub use backward::LstmGatesBackward;

/// Gates of an LSTM, hence blocks of a preactivation row: input, forget, candidate, output.
pub const GATES: usize = 4;

/// The function phi in `h = o phi(c)`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum OutputNonlinearity {
    /// `h = o tanh(c)`: the usual LSTM.
    #[default]
    Tanh,
    /// `h = o c`.
    Identity,
}

/// One forward step of the gates, equations (1) to (4), for a batch of rows.
///
/// Shapes, row-major, with `rows = active.len()`: see the fields. No two slices may overlap (the borrow checker sees
/// to it); `cell` is read as c_{t-1} and overwritten by c_t.
///
/// Accuracy: the activations have at most 1.5 ULP; products round once each (fused where the level has it).
/// NaN or infinite preactivations give non-finite factors or saturated gates, never a panic. Rows that are not
/// active are neither read nor written.
///
/// # Panics
///
/// [`Level::run`](crate::Level::run) panics if a slice does not have the length its shape says.
///
/// Cost: 5 activations and about 20 FLOPs per unit; reads 5, writes 8 elements per unit.
///
/// ```
/// use eligibility_kernels::{Level, lstm_gates::{LstmGates, OutputNonlinearity}};
/// let (mut cell, mut hidden) = ([1.0_f32], [0.0]);
/// let (mut influence, mut forget_gate, mut dhidden_dcell) = ([0.0; 4], [0.0], [0.0]);
/// Level::detect().run(LstmGates {
///     output_nonlinearity: OutputNonlinearity::Tanh,
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
    /// phi.
    pub output_nonlinearity: OutputNonlinearity,
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

    #[inline(always)]
    fn run<V: Lanes<Element = T>>(self, token: V::Token) {
        match self.output_nonlinearity {
            OutputNonlinearity::Tanh => forward::<V, true>(token, self),
            OutputNonlinearity::Identity => forward::<V, false>(token, self),
        }
    }
}

#[inline(always)]
fn forward<V: Lanes, const TANH: bool>(token: V::Token, op: LstmGates<'_, V::Element>) {
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
        let side = Several::<V, SIDE>::WIDTH;
        let (wide, body) = (hidden - hidden % side, hidden - hidden % V::WIDTH);
        for start in (0..wide).step_by(side) {
            row.cell::<Several<V, SIDE>, true>(token, start..start + side);
        }
        for start in (0..wide).step_by(side) {
            row.hidden::<Several<V, SIDE>, TANH, true>(token, start..start + side);
        }
        for start in (wide..body).step_by(V::WIDTH) {
            row.cell::<V, true>(token, start..start + V::WIDTH);
            row.hidden::<V, TANH, true>(token, start..start + V::WIDTH);
        }
        // Apart from the loops: the copies of a part of a vector would evict the constants from their registers.
        if body < hidden {
            row.cell::<V, false>(token, body..hidden);
            row.hidden::<V, TANH, false>(token, body..hidden);
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
    /// The gates and the cell of the units `lanes`, a whole vector if `FULL`; o waits in `out` for [`Row::hidden`].
    #[inline(always)]
    fn cell<V: Lanes<Element = T>, const FULL: bool>(&mut self, token: V::Token, lanes: Range<usize>) {
        let load = |source: &[T]| V::load_part::<FULL>(token, source);
        let store = |v: V, target: &mut [T]| v.store_part::<FULL>(target);
        let gate = |gate: usize| gate * self.hidden + lanes.start..gate * self.hidden + lanes.end;
        // (1)
        let i = sigmoid(token, load(&self.z[gate(0)]));
        let f = sigmoid(token, load(&self.z[gate(1)]));
        let g = tanh(token, load(&self.z[gate(2)]));
        let o = sigmoid(token, load(&self.z[gate(3)]));
        // (2)
        let cell_prev = load(&self.cell[lanes.clone()]);
        store(f.mul_add(cell_prev, i * g), &mut self.cell[lanes.clone()]);
        store(o, &mut self.out[lanes.clone()]);
        // (3)
        store(g * sigmoid_slope(token, i), &mut self.influence[gate(0)]);
        store(cell_prev * sigmoid_slope(token, f), &mut self.influence[gate(1)]);
        store(i * tanh_slope(token, g), &mut self.influence[gate(2)]);
        // (4)
        store(f, &mut self.forget[lanes]);
    }

    /// The rest of the units `lanes`, after [`Row::cell`].
    #[inline(always)]
    fn hidden<V: Lanes<Element = T>, const TANH: bool, const FULL: bool>(
        &mut self,
        token: V::Token,
        lanes: Range<usize>,
    ) {
        let load = |source: &[T]| V::load_part::<FULL>(token, source);
        let store = |v: V, target: &mut [T]| v.store_part::<FULL>(target);
        let (c, o) = (load(&self.cell[lanes.clone()]), load(&self.out[lanes.clone()]));
        // (2)
        let phi = if TANH { tanh(token, c) } else { c };
        store(o * phi, &mut self.out[lanes.clone()]);
        // (3)
        let last = (GATES - 1) * self.hidden;
        store(phi * sigmoid_slope(token, o), &mut self.influence[last + lanes.start..last + lanes.end]);
        // (4)
        store(if TANH { o * tanh_slope(token, phi) } else { o }, &mut self.slope[lanes]);
    }
}
