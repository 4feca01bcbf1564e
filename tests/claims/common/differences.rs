//! Finite differences: the five-point central difference, whose error is of fourth order in the step.
//!
//! f'(w) = (f(w-2d) - 8 f(w-d) + 8 f(w+d) - f(w+2d)) / 12 d + O(d^4)
//!
//! With d = 1e-3 and values of order one, both truncation and rounding stay near 1e-13.

/// The derivative of `f` by each of `indices` of `at`.
pub fn differences(at: &[f64], indices: &[usize], f: impl Fn(&[f64]) -> f64) -> Vec<f64> {
    differences_of(1e-3, at, indices, f)
}

/// The same over steps of size `size`.
pub fn differences_of(size: f64, at: &[f64], indices: &[usize], f: impl Fn(&[f64]) -> f64) -> Vec<f64> {
    let mut moved = at.to_vec();
    let slope = |&index: &usize| {
        let mut value = |steps: f64| {
            moved[index] = at[index] + steps * size;
            f(&moved)
        };
        let slope = (value(-2.0) - 8.0 * value(-1.0) + 8.0 * value(1.0) - value(2.0)) / (12.0 * size);
        moved[index] = at[index];
        slope
    };
    indices.iter().map(slope).collect()
}
