//! Comparison of slices. NaN and infinities never pass, and say where they are.

/// The largest difference, relative to the largest expected magnitude (at least `floor`).
///
/// # Panics
///
/// If the lengths differ or anything is not finite: a comparison with NaN would otherwise be false and so "pass".
#[track_caller]
pub fn relative_error(found: &[f64], expected: &[f64], floor: f64) -> f64 {
    assert_eq!(found.len(), expected.len(), "lengths differ");
    let mut largest = floor;
    for (index, (found, expected)) in found.iter().zip(expected).enumerate() {
        assert!(found.is_finite(), "element {index} is {found}, expected {expected}");
        assert!(
            expected.is_finite(),
            "element {index} should be {expected}, which nothing can be compared with"
        );
        largest = f64::max(largest, expected.abs());
    }
    found.iter().zip(expected).map(|(found, expected)| (found - expected).abs() / largest).fold(0.0, f64::max)
}

/// Asserts [`relative_error`] `<= tolerance` and names `what` if it is not.
#[track_caller]
pub fn assert_close(what: &str, found: &[f64], expected: &[f64], tolerance: f64, floor: f64) {
    let error = relative_error(found, expected, floor);
    assert!(error <= tolerance, "{what}: relative error {error:.2e}, allowed {tolerance:.0e}");
}
