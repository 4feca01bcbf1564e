//! minGRU: a gate that reads the input alone, and a state of one component per unit.
//!
//! With the previous state h' and the projections v = W_h x and a = W_u x (biases, if any, included):
//!
//! ```text
//! (1) u = sigma(a)           h = (1 - u) h' + u v
//! (2) dh/dh' = 1 - u         dh/dv = u          dh/da = u (1 - u) (v - h')
//! ```
//!
//! Feng et al. 2024 (arXiv 2410.01201).

use crate::activation::{sigmoid, sigmoid_slope};
use crate::instances::run_by;
use crate::lanes::Lanes;
use crate::level::Kernel;
use crate::planes::{Part, PerUnit, check_lengths, sweep_side_by_side};
use crate::quantized::rounder;
use crate::real::Real;

/// One forward step of minGRU cells with every local factor, equations (1) and (2), for a batch of rows.
///
/// Shapes, row-major, with `rows = active.len()`: see the fields. No two slices overlap. Rows that are not active are
/// neither read nor written.
///
/// Accuracy: the gate has at most 1.5 ULP; products and sums round once each (fused where the level has it), and
/// small states to whole multiples of [`Real::TRACE_QUANTUM`]. What is not finite gives a state that is not finite, or a
/// saturated gate; never a panic.
///
/// # Panics
///
/// [`Level::run`](crate::Level::run) panics if a slice does not have the length its shape says.
///
/// Cost: one activation and 8 FLOPs per unit; reads 3, writes 4 elements.
///
/// ```
/// use eligibility_kernels::{Level, min_gru::MinGru};
/// let (mut state, mut decay, mut influence) = ([1.0_f32], [0.0], [0.0; 2]);
/// Level::detect().run(MinGru {
///     units: 1,
///     active: &[true],
///     projection: &[3.0, 0.0],
///     state: &mut state,
///     decay: &mut decay,
///     influence: &mut influence,
/// });
/// assert_eq!((state, decay, influence), ([2.0], [0.5], [0.5, 0.5]));
/// ```
#[derive(Debug)]
pub struct MinGru<'a, T> {
    /// Units per row.
    pub units: usize,
    /// `[rows]`: rows to step; the others keep all their values.
    pub active: &'a [bool],
    /// `[rows, 2, units]`: v, a.
    pub projection: &'a [T],
    /// `[rows, units]`: in h', out h.
    pub state: &'a mut [T],
    /// `[rows, units]`: out dh/dh'.
    pub decay: &'a mut [T],
    /// `[rows, 2, units]`: out dh/dv, dh/da.
    pub influence: &'a mut [T],
}

impl<T: Real> MinGru<'_, T> {
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
                ("state", self.state.len(), rows * units),
                ("decay", self.decay.len(), rows * units),
                ("influence", self.influence.len(), 2 * rows * units),
            ],
        );
    }
}

impl<T: Real> Kernel<T> for MinGru<'_, T> {
    type Output = ();

    run_by!(min_gru);

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
                state: &mut self.state[index * units..][..units],
                decay: &mut self.decay[index * units..][..units],
                influence: &mut self.influence[index * 2 * units..][..2 * units],
            };
            sweep_side_by_side::<V>(token, units, &mut row);
        }
    }
}

/// The slices of one batch row.
struct Row<'a, T> {
    projection: &'a [T],
    state: &'a mut [T],
    decay: &'a mut [T],
    influence: &'a mut [T],
}

impl<T: Real> PerUnit<T> for Row<'_, T> {
    #[inline(always)]
    fn step<V: Lanes<Element = T>, const FULL: bool>(&mut self, token: V::Token, part: Part<FULL>) {
        let v: V = part.load(token, self.projection, 0);
        let h: V = part.load(token, self.state, 0);
        // (1)
        let u = sigmoid(token, part.load(token, self.projection, 1));
        let kept = V::splat(token, T::ONE) - u;
        let rounder = rounder(token);
        part.store(u.mul_add(v, kept.mul_add(h, rounder)) - rounder, self.state, 0);
        // (2)
        part.store(kept, self.decay, 0);
        part.store(u, self.influence, 0);
        part.store(sigmoid_slope(token, u) * (v - h), self.influence, 1);
    }
}
