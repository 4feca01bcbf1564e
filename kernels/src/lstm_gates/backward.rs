//! The way back through the gates.
//!
//! ```text
//! (5) dE/dc_t = dE/dh_t dh_t/dc_t + (dE/dc_{t+1}) f_{t+1}
//!     dE/dz_q = dE/dc_t s_q  for q in {i, f, g},   dE/dz_o = dE/dh_t s_o
//! ```

use super::GATES;
use crate::instances::run_by;
use crate::lanes::Lanes;
use crate::level::Kernel;
use crate::planes::{Part, PerUnit, sweep};
use crate::quantized::rounder;
use crate::real::Real;

/// One step back through the gates, equation (5), for a batch of rows.
///
/// With `hidden_gradient` = dE/dh_t complete (including what flows through the recurrent weights of step t + 1) this
/// is backpropagation through time; with only the learning signal L_t in it, it is e-prop's whole-sequence form.
///
/// Shapes, row-major, with `rows = active.len()`: see the fields. No two slices overlap; `influence` is overwritten by the
/// gradient of the preactivations: a tape needs no second buffer. Of rows that are not active nothing is read; their
/// `cell_gradient` and `influence` become zero.
///
/// Accuracy: one rounding per product and sum, the multiply-add fused where the level has it; small values of
/// `cell_gradient` are rounded to whole multiples of [`Real::TRACE_QUANTUM`]. What is not finite gives results that are not
/// finite, never a panic.
///
/// # Panics
///
/// [`Level::run`](crate::Level::run) panics if a slice does not have the length its shape says.
///
/// Cost: 7 FLOPs per unit; reads 8, writes 5 elements per unit.
///
/// ```
/// use eligibility_kernels::{Level, lstm_gates::LstmGatesBackward};
/// let (mut cell_gradient, mut influence) = ([1.0_f64], [1.0, 2.0, 3.0, 4.0]);
/// Level::detect().run(LstmGatesBackward {
///     active: &[true],
///     hidden_gradient: &[2.0],
///     forget_gate: &[0.25],
///     dhidden_dcell: &[0.5],
///     cell_gradient: &mut cell_gradient,
///     influence: &mut influence,
/// });
/// assert_eq!(influence, [2.0, 4.0, 6.0, 8.0]); // dE/dc_t = 1 + 2 * 0.5 for i, f, g; dE/dh_t = 2 for o
/// assert_eq!(cell_gradient, [0.5]);
/// ```
#[derive(Debug)]
pub struct LstmGatesBackward<'a, T> {
    /// `[rows]`: rows to step back; the others get no gradient.
    pub active: &'a [bool],
    /// `[rows, hidden]`: dE/dh_t.
    pub hidden_gradient: &'a [T],
    /// `[rows, hidden]`: f_t.
    pub forget_gate: &'a [T],
    /// `[rows, hidden]`: dh_t/dc_t.
    pub dhidden_dcell: &'a [T],
    /// `[rows, hidden]`: in `dE/dc_{t+1} f_{t+1}`, out `dE/dc_t f_t`.
    pub cell_gradient: &'a mut [T],
    /// `[rows, 4, hidden]`: in s_i, s_f, s_g, s_o, out dE/dz.
    pub influence: &'a mut [T],
}

impl<T: Real> LstmGatesBackward<'_, T> {
    /// Units per row.
    ///
    /// # Panics
    ///
    /// If a slice does not have the length its shape says.
    #[track_caller]
    pub(crate) fn hidden_size(&self) -> usize {
        let (rows, units) = (self.active.len(), self.cell_gradient.len());
        assert!(
            units.checked_rem(rows).unwrap_or(units) == 0,
            "cell_gradient has {units} elements, which {rows} rows do not divide"
        );
        for (what, found, expected) in [
            ("hidden_gradient", self.hidden_gradient.len(), units),
            ("forget_gate", self.forget_gate.len(), units),
            ("dhidden_dcell", self.dhidden_dcell.len(), units),
            ("influence", self.influence.len(), GATES * units),
        ] {
            assert!(found == expected, "{what} has {found} elements where cell_gradient asks for {expected}");
        }
        units.checked_div(rows).unwrap_or(0)
    }
}

impl<T: Real> Kernel<T> for LstmGatesBackward<'_, T> {
    type Output = ();

    run_by!(lstm_gates_backward);

    #[inline(always)]
    fn run<V: Lanes<Element = T>>(self, token: V::Token) {
        let hidden = self.hidden_size();
        for index in 0..self.active.len() {
            let at = index * hidden..(index + 1) * hidden;
            let mut row = Row {
                dh: &self.hidden_gradient[at.clone()],
                forget: &self.forget_gate[at.clone()],
                slope: &self.dhidden_dcell[at.clone()],
                dc: &mut self.cell_gradient[at],
                influence: &mut self.influence[index * GATES * hidden..][..GATES * hidden],
            };
            if self.active[index] {
                sweep::<V>(token, hidden, &mut row);
            } else {
                row.dc.fill(T::ZERO);
                row.influence.fill(T::ZERO);
            }
        }
    }
}

/// The slices of one batch row.
struct Row<'a, T> {
    dh: &'a [T],
    forget: &'a [T],
    slope: &'a [T],
    dc: &'a mut [T],
    influence: &'a mut [T],
}

impl<T: Real> PerUnit<T> for Row<'_, T> {
    /// (5)
    #[inline(always)]
    fn step<V: Lanes<Element = T>, const FULL: bool>(&mut self, token: V::Token, part: Part<FULL>) {
        let dh: V = part.load(token, self.dh, 0);
        let dc = dh.mul_add(part.load(token, self.slope, 0), part.load(token, self.dc, 0));
        for gate in 0..GATES {
            let outer = if gate == GATES - 1 { dh } else { dc };
            let factors: V = part.load(token, self.influence, gate);
            part.store(outer * factors, self.influence, gate);
        }
        let forget: V = part.load(token, self.forget, 0);
        let rounder = rounder(token);
        part.store(forget.mul_add(dc, rounder) - rounder, self.dc, 0);
    }
}
