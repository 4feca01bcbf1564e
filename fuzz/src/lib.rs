//! What the targets share: bytes to floats, and the comparison of a kernel with its twin.

use eligibility_kernels::Level;

/// Bytes as floats, NaN and infinities included.
pub fn floats(bytes: &[u8]) -> Vec<f32> {
    bytes.chunks_exact(4).map(bytemuck::pod_read_unaligned).collect()
}

/// Runs `body` as its twin (`None`) and at every level, and compares element by element.
///
/// `tolerance(index)` is infinite where a product overflows in one and not in the other; else what is finite must
/// agree within it, and what is not must not be finite in either.
pub fn compare(body: impl Fn(Option<Level>) -> Vec<f32>, tolerance: impl Fn(usize) -> f64) {
    let expected = body(None);
    for level in Level::available() {
        for (index, (found, &expected)) in body(Some(level)).into_iter().zip(&expected).enumerate() {
            let allowed = tolerance(index);
            let close = (f64::from(found) - f64::from(expected)).abs() <= allowed;
            let agrees =
                if expected.is_finite() { close } else { !found.is_finite() } || allowed == f64::INFINITY;
            assert!(agrees, "{level}: element {index} is {found}, its twin {expected}, allowed {allowed:e}");
        }
    }
}
