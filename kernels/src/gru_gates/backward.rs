//! The way back through the gates.
//!
//! ```text
//! (3) d_n = dE/dh (1 - z) (1 - n^2)   d_z = dE/dh (h' - n) z (1 - z)   d_r = d_n h_n r (1 - r)
//!     dE/dx_q = d_q                   dE/dh_r = d_r   dE/dh_z = d_z   dE/dh_n = d_n r
//! (4) dE/dh' = dE/dh z + W_hh^T (dE/dh_r, dE/dh_z, dE/dh_n)
//! ```

use super::{GRU_GATES, GRU_SAVED};
use crate::activation::{sigmoid_slope, tanh_slope};
use crate::instances::run_by;
use crate::lanes::Lanes;
use crate::level::Kernel;
use crate::planes::{Part, PerUnit, check_lengths, sweep};
use crate::quantized::rounder;
use crate::real::Real;

/// One step back through the gates, equation (3) and the first term of (4), for a batch of rows.
///
/// Gradient: exact, if `hidden_gradient` holds all of dE/dh_t; the second term of (4), a matrix product, is the caller's.
///
/// Shapes, row-major, with `rows = active.len()`: see the fields. No two slices overlap. Of rows that are not active
/// nothing is read; all their gradients become zero.
///
/// Accuracy: one rounding per product and sum; small values of `hidden_gradient` are rounded to whole multiples of
/// [`Real::TRACE_QUANTUM`]. What is not finite gives results that are not finite, never a panic.
///
/// # Panics
///
/// [`Level::run`](crate::Level::run) panics if a slice does not have the length its shape says.
///
/// Cost: 16 FLOPs per unit; reads 6, writes 7 elements.
///
/// ```
/// use eligibility_kernels::{Level, gru_gates::GruGatesBackward};
/// let (mut hidden_gradient, mut input_gradient, mut recurrent_gradient) = ([1.0_f32], [0.0; 3], [0.0; 3]);
/// Level::detect().run(GruGatesBackward {
///     units: 1,
///     active: &[true],
///     saved: &[0.5, 0.5, 0.0, 2.0, 1.0],
///     hidden_gradient: &mut hidden_gradient,
///     input_gradient: &mut input_gradient,
///     recurrent_gradient: &mut recurrent_gradient,
/// });
/// assert_eq!(hidden_gradient, [0.5]);
/// assert_eq!(input_gradient, [0.25, 0.25, 0.5]);
/// assert_eq!(recurrent_gradient, [0.25, 0.25, 0.25]);
/// ```
#[derive(Debug)]
pub struct GruGatesBackward<'a, T> {
    /// Units per row.
    pub units: usize,
    /// `[rows]`: rows to step back; the others get no gradient.
    pub active: &'a [bool],
    /// `[rows, 5, units]`: r, z, n, h_n, h' of the forward step.
    pub saved: &'a [T],
    /// `[rows, units]`: in dE/dh_t, out the part of `dE/dh_{t-1}` that goes through z alone.
    pub hidden_gradient: &'a mut [T],
    /// `[rows, 3, units]`: out dE/dx_r, dE/dx_z, dE/dx_n.
    pub input_gradient: &'a mut [T],
    /// `[rows, 3, units]`: out dE/dh_r, dE/dh_z, dE/dh_n.
    pub recurrent_gradient: &'a mut [T],
}

impl<T: Real> GruGatesBackward<'_, T> {
    /// # Panics
    ///
    /// If a slice does not have the length its shape says.
    #[track_caller]
    pub(crate) fn check(&self) {
        let (rows, units) = (self.active.len(), self.units);
        check_lengths(
            rows,
            units,
            &[
                ("saved", self.saved.len(), GRU_SAVED * rows * units),
                ("hidden_gradient", self.hidden_gradient.len(), rows * units),
                ("input_gradient", self.input_gradient.len(), GRU_GATES * rows * units),
                ("recurrent_gradient", self.recurrent_gradient.len(), GRU_GATES * rows * units),
            ],
        );
    }
}

impl<T: Real> Kernel<T> for GruGatesBackward<'_, T> {
    type Output = ();

    run_by!(gru_gates_backward);

    #[inline(always)]
    fn run<V: Lanes<Element = T>>(self, token: V::Token) {
        self.check();
        let units = self.units;
        for index in 0..self.active.len() {
            let mut row = Row {
                saved: &self.saved[index * GRU_SAVED * units..][..GRU_SAVED * units],
                hidden: &mut self.hidden_gradient[index * units..][..units],
                input: &mut self.input_gradient[index * GRU_GATES * units..][..GRU_GATES * units],
                recurrent: &mut self.recurrent_gradient[index * GRU_GATES * units..][..GRU_GATES * units],
            };
            if self.active[index] {
                sweep::<V>(token, units, &mut row);
            } else {
                row.hidden.fill(T::ZERO);
                row.input.fill(T::ZERO);
                row.recurrent.fill(T::ZERO);
            }
        }
    }
}

/// The slices of one batch row.
struct Row<'a, T> {
    saved: &'a [T],
    hidden: &'a mut [T],
    input: &'a mut [T],
    recurrent: &'a mut [T],
}

impl<T: Real> PerUnit<T> for Row<'_, T> {
    #[inline(always)]
    fn step<V: Lanes<Element = T>, const FULL: bool>(&mut self, token: V::Token, part: Part<FULL>) {
        let r: V = part.load(token, self.saved, 0);
        let z: V = part.load(token, self.saved, 1);
        let n: V = part.load(token, self.saved, 2);
        let h_n: V = part.load(token, self.saved, 3);
        let h: V = part.load(token, self.saved, 4);
        let dh: V = part.load(token, self.hidden, 0);
        // (3)
        let d_n = dh * (V::splat(token, T::ONE) - z) * tanh_slope(token, n);
        let d_z = dh * ((h - n) * sigmoid_slope(token, z));
        let d_r = d_n * (h_n * sigmoid_slope(token, r));
        part.store(d_r, self.input, 0);
        part.store(d_z, self.input, 1);
        part.store(d_n, self.input, 2);
        part.store(d_r, self.recurrent, 0);
        part.store(d_z, self.recurrent, 1);
        part.store(d_n * r, self.recurrent, 2);
        // (4), first term
        let rounder = rounder(token);
        part.store(z.mul_add(dh, rounder) - rounder, self.hidden, 0);
    }
}
