//! Comparison of slices, and of gradients part by part. NaN and infinities never pass, and say where they are.

use eligibility::{Network, Scalar};

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

/// Every part of a network's weights: a name, and flat indices.
pub fn parts<T: Scalar>(network: &Network<T>) -> Vec<(String, Vec<usize>)> {
    let layout = network.layout();
    let of_layer = |layer: usize| {
        let parts = layout.parts(layer).unwrap().into_iter();
        parts.map(move |part| (format!("layer {layer} {}", part.name()), part.indices().collect()))
    };
    let readout = layout.readout_parts().into_iter();
    let readout = readout.map(|part| (part.name().to_owned(), part.indices().collect()));
    (0..network.layers().len()).flat_map(of_layer).chain(readout).collect()
}

/// What a part of a flat slice holds.
pub fn pick<T: Scalar>(flat: &[T], indices: &[usize]) -> Vec<f64> {
    indices.iter().map(|&index| flat[index].to_f64()).collect()
}

/// Asserts that two gradients agree, part by part, in those whose name `of` wants.
#[track_caller]
pub fn assert_same_in<T: Scalar>(
    of: impl Fn(&str) -> bool,
    what: &str,
    network: &Network<T>,
    [found, expected]: [&[T]; 2],
    tolerance: f64,
    floor: f64,
) {
    for (name, indices) in parts(network).iter().filter(|(name, _)| of(name)) {
        let [found, expected] = [found, expected].map(|flat| pick(flat, indices));
        assert_close(&format!("{what}: {name}"), &found, &expected, tolerance, floor);
    }
}

/// The same in all parts.
#[track_caller]
pub fn assert_same<T: Scalar>(
    what: &str,
    network: &Network<T>,
    found: &[T],
    expected: &[T],
    tolerance: f64,
    floor: f64,
) {
    assert_same_in(|_| true, what, network, [found, expected], tolerance, floor);
}
