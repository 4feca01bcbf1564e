//! Claim: the comparison helper of these tests lets no NaN and no infinity through, on either side.

use crate::common::compare::relative_error;

fn panics(found: &[f64], expected: &[f64]) -> bool {
    std::panic::catch_unwind(|| relative_error(found, expected, 1.0)).is_err()
}

#[test]
fn on_either_side() {
    for bad in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        assert!(panics(&[1.0, bad], &[1.0, 1.0]), "{bad} found");
        assert!(panics(&[1.0, 1.0], &[1.0, bad]), "{bad} expected");
        assert!(panics(&[bad], &[bad]), "{bad} both");
    }
    assert!(panics(&[1.0], &[1.0, 1.0]), "different lengths");
}

#[test]
fn but_measures_what_is_finite() {
    assert_eq!(relative_error(&[1.0, 2.0], &[1.0, 4.0], 0.0), 0.5);
    assert_eq!(relative_error(&[0.0], &[1e-3], 1.0), 1e-3);
}
