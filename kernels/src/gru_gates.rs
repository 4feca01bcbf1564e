//! GRU gates: input and recurrent preactivations to the state, with what the way back needs; and the way back.
//!
//! With the gates in the order r, z, n, the previous state h', x_q = (W x + b)_q and h_q = (W_hh h' + b_hh)_q:
//!
//! ```text
//! (1) r = sigma(x_r + h_r)      z = sigma(x_z + h_z)      n = tanh(x_n + r h_n)
//! (2) h = (1 - z) n + z h'
//! (3) d_n = dE/dh (1 - z) (1 - n^2)   d_z = dE/dh (h' - n) z (1 - z)   d_r = d_n h_n r (1 - r)
//!     dE/dx_q = d_q                   dE/dh_r = d_r   dE/dh_z = d_z   dE/dh_n = d_n r
//! (4) dE/dh' = dE/dh z + W_hh^T (dE/dh_r, dE/dh_z, dE/dh_n)
//! ```
//!
//! Cho et al. 2014 in PyTorch's form: the reset gate multiplies h_n after the matrix product, its bias included.

use crate::activation::{sigmoid, tanh};
use crate::instances::run_by;
use crate::lanes::Lanes;
use crate::level::Kernel;
use crate::planes::{Part, PerUnit, check_lengths, sweep_side_by_side};
use crate::quantized::rounder;
use crate::real::Real;

mod backward;

pub use backward::GruGatesBackward;

/// Gates of a GRU, hence blocks of a preactivation row: reset, update, candidate.
pub const GRU_GATES: usize = 3;
/// What a step saves for the way back: r, z, n, h_n, h'.
pub const GRU_SAVED: usize = 5;

/// One forward step of the gates, equations (1) and (2), for a batch of rows.
///
/// Shapes, row-major, with `rows = active.len()`: see the fields. No two slices overlap. Rows that are not active are
/// neither read nor written.
///
/// Accuracy: the activations have at most 1.5 ULP of their arguments as rounded; products and sums round once each
/// (fused where the level has it), and small states to whole multiples of [`Real::TRACE_QUANTUM`]. What is not finite gives
/// results that are not finite, or saturated gates; never a panic.
///
/// # Panics
///
/// [`Level::run`](crate::Level::run) panics if a slice does not have the length its shape says.
///
/// Cost: three activations and 8 FLOPs per unit; reads 7, writes 6 elements.
///
/// ```
/// use eligibility_kernels::{Level, gru_gates::GruGates};
/// let (mut state, mut saved) = ([1.0_f32], [0.0; 5]);
/// Level::detect().run(GruGates {
///     units: 1,
///     active: &[true],
///     input: &[0.0, 0.0, -1.0],
///     recurrent: &[0.0, 0.0, 2.0],
///     state: &mut state,
///     saved: &mut saved,
/// });
/// assert_eq!((state, saved), ([0.5], [0.5, 0.5, 0.0, 2.0, 1.0]));
/// ```
#[derive(Debug)]
pub struct GruGates<'a, T> {
    /// Units per row.
    pub units: usize,
    /// `[rows]`: rows to step; the others keep all their values.
    pub active: &'a [bool],
    /// `[rows, 3, units]`: x_r, x_z, x_n, biases included.
    pub input: &'a [T],
    /// `[rows, 3, units]`: h_r, h_z, h_n, biases included.
    pub recurrent: &'a [T],
    /// `[rows, units]`: in h', out h.
    pub state: &'a mut [T],
    /// `[rows, 5, units]`: out r, z, n, h_n, h'.
    pub saved: &'a mut [T],
}

impl<T: Real> GruGates<'_, T> {
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
                ("input", self.input.len(), GRU_GATES * rows * units),
                ("recurrent", self.recurrent.len(), GRU_GATES * rows * units),
                ("state", self.state.len(), rows * units),
                ("saved", self.saved.len(), GRU_SAVED * rows * units),
            ],
        );
    }
}

impl<T: Real> Kernel<T> for GruGates<'_, T> {
    type Output = ();

    run_by!(gru_gates);

    #[inline(always)]
    fn run<V: Lanes<Element = T>>(self, token: V::Token) {
        self.check();
        let units = self.units;
        for index in 0..self.active.len() {
            if !self.active[index] {
                continue;
            }
            let mut row = Row {
                input: &self.input[index * GRU_GATES * units..][..GRU_GATES * units],
                recurrent: &self.recurrent[index * GRU_GATES * units..][..GRU_GATES * units],
                state: &mut self.state[index * units..][..units],
                saved: &mut self.saved[index * GRU_SAVED * units..][..GRU_SAVED * units],
            };
            sweep_side_by_side::<V>(token, units, &mut row);
        }
    }
}

/// The slices of one batch row.
struct Row<'a, T> {
    input: &'a [T],
    recurrent: &'a [T],
    state: &'a mut [T],
    saved: &'a mut [T],
}

impl<T: Real> PerUnit<T> for Row<'_, T> {
    #[inline(always)]
    fn step<V: Lanes<Element = T>, const FULL: bool>(&mut self, token: V::Token, part: Part<FULL>) {
        // (1)
        let r = sigmoid(token, part.load::<V>(token, self.input, 0) + part.load(token, self.recurrent, 0));
        let z = sigmoid(token, part.load::<V>(token, self.input, 1) + part.load(token, self.recurrent, 1));
        let h_n: V = part.load(token, self.recurrent, 2);
        let n = tanh(token, r.mul_add(h_n, part.load(token, self.input, 2)));
        // (2)
        let h: V = part.load(token, self.state, 0);
        let rounder = rounder(token);
        let renewed = V::splat(token, T::ONE) - z;
        part.store(z.mul_add(h, renewed.mul_add(n, rounder)) - rounder, self.state, 0);
        part.store(r, self.saved, 0);
        part.store(z, self.saved, 1);
        part.store(n, self.saved, 2);
        part.store(h_n, self.saved, 3);
        part.store(h, self.saved, 4);
    }
}
