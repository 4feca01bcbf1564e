//! Finite differences: the five-point central difference, whose error is of fourth order in the step.
//!
//! f'(w) = (f(w-2d) - 8 f(w-d) + 8 f(w+d) - f(w+2d)) / 12 d + O(d^4)
//!
//! With d = 1e-3 and values of order one, both truncation and rounding stay near 1e-13.

use super::textbook::Weights;

const STEP: f64 = 1e-3;

/// The gradient of `f` with respect to every weight, block by block.
pub fn gradient(weights: &Weights, f: impl Fn(&Weights) -> f64) -> [Vec<f64>; 5] {
    let mut moved = weights.clone();
    std::array::from_fn(|block| {
        (0..weights.0[block].len())
            .map(|index| {
                let center = weights.0[block][index];
                let mut at = |steps: f64| {
                    moved.0[block][index] = center + steps * STEP;
                    f(&moved)
                };
                let slope = (at(-2.0) - 8.0 * at(-1.0) + 8.0 * at(1.0) - at(2.0)) / (12.0 * STEP);
                moved.0[block][index] = center;
                slope
            })
            .collect()
    })
}
