//! eLSTM: an LSTM with elementwise recurrence, whose state has one component per unit.
//!
//! With the previous cell c' and the projections x_z, x_f (biases included):
//!
//! ```text
//! (1) z = tanh(x_z + w_z c')          f = sigma(x_f + w_f c')          c = f c' + (1 - f) z
//! (2) s_z = dc/dx_z = (1 - f) (1 - z^2)          s_f = dc/dx_f = (c' - z) f (1 - f)
//! (3) dc/dc' = f + s_z w_z + s_f w_f             dc/dw_q = s_q c'  for q in {z, f}
//! ```
//!
//! Irie et al. 2023 (arXiv 2305.19044).

use crate::activation::{sigmoid, sigmoid_slope, tanh, tanh_slope};
use crate::instances::run_by;
use crate::lanes::Lanes;
use crate::level::Kernel;
use crate::planes::{Part, PerUnit, check_lengths, sweep_side_by_side};
use crate::quantized::rounder;
use crate::real::Real;

/// One forward step of eLSTM cells with every local factor, equations (1) to (3), for a batch of rows.
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
/// Cost: two activations and 22 FLOPs per unit; reads 5, writes 6 elements.
///
/// ```
/// use eligibility_kernels::{Level, elstm::Elstm};
/// let (mut state, mut decay) = ([2.0_f32], [0.0]);
/// let (mut influence, mut immediate) = ([0.0; 2], [0.0; 2]);
/// Level::detect().run(Elstm {
///     units: 1,
///     active: &[true],
///     projection: &[-2.0, -2.0],
///     weights: &[1.0, 1.0],
///     state: &mut state,
///     decay: &mut decay,
///     influence: &mut influence,
///     immediate: &mut immediate,
/// });
/// assert_eq!((state, decay), ([1.0], [1.5]));
/// assert_eq!((influence, immediate), ([0.5, 0.5], [1.0, 1.0]));
/// ```
#[derive(Debug)]
pub struct Elstm<'a, T> {
    /// Units per row.
    pub units: usize,
    /// `[rows]`: rows to step; the others keep all their values.
    pub active: &'a [bool],
    /// `[rows, 2, units]`: x_z, x_f.
    pub projection: &'a [T],
    /// `[2, units]`: w_z, w_f.
    pub weights: &'a [T],
    /// `[rows, units]`: in c', out c.
    pub state: &'a mut [T],
    /// `[rows, units]`: out dc/dc'.
    pub decay: &'a mut [T],
    /// `[rows, 2, units]`: out s_z, s_f.
    pub influence: &'a mut [T],
    /// `[rows, 2, units]`: out dc/dw_z, dc/dw_f with c' held fixed.
    pub immediate: &'a mut [T],
}

impl<T: Real> Elstm<'_, T> {
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
                ("projection", self.projection.len(), 2 * rows * units),
                ("weights", self.weights.len(), 2 * units),
                ("state", self.state.len(), rows * units),
                ("decay", self.decay.len(), rows * units),
                ("influence", self.influence.len(), 2 * rows * units),
                ("immediate", self.immediate.len(), 2 * rows * units),
            ],
        );
    }
}

impl<T: Real> Kernel<T> for Elstm<'_, T> {
    type Output = ();

    run_by!(elstm);

    #[inline(always)]
    fn run<V: Lanes<Element = T>>(self, token: V::Token) {
        self.check();
        let units = self.units;
        for index in 0..self.active.len() {
            if !self.active[index] {
                continue;
            }
            let mut row = Row {
                projection: &self.projection[index * 2 * units..][..2 * units],
                weights: self.weights,
                state: &mut self.state[index * units..][..units],
                decay: &mut self.decay[index * units..][..units],
                influence: &mut self.influence[index * 2 * units..][..2 * units],
                immediate: &mut self.immediate[index * 2 * units..][..2 * units],
            };
            sweep_side_by_side::<V>(token, units, &mut row);
        }
    }
}

/// The slices of one batch row.
struct Row<'a, T> {
    projection: &'a [T],
    weights: &'a [T],
    state: &'a mut [T],
    decay: &'a mut [T],
    influence: &'a mut [T],
    immediate: &'a mut [T],
}

impl<T: Real> PerUnit<T> for Row<'_, T> {
    #[inline(always)]
    fn step<V: Lanes<Element = T>, const FULL: bool>(&mut self, token: V::Token, part: Part<FULL>) {
        let c: V = part.load(token, self.state, 0);
        let w_z: V = part.load(token, self.weights, 0);
        let w_f: V = part.load(token, self.weights, 1);
        // (1)
        let z = tanh(token, w_z.mul_add(c, part.load(token, self.projection, 0)));
        let f = sigmoid(token, w_f.mul_add(c, part.load(token, self.projection, 1)));
        let renewed = V::splat(token, T::ONE) - f;
        let rounder = rounder(token);
        part.store(f.mul_add(c, renewed.mul_add(z, rounder)) - rounder, self.state, 0);
        // (2)
        let s_z = renewed * tanh_slope(token, z);
        let s_f = (c - z) * sigmoid_slope(token, f);
        part.store(s_z, self.influence, 0);
        part.store(s_f, self.influence, 1);
        // (3)
        part.store(s_f.mul_add(w_f, s_z.mul_add(w_z, f)), self.decay, 0);
        part.store(s_z * c, self.immediate, 0);
        part.store(s_f * c, self.immediate, 1);
    }
}
