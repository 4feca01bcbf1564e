//! Mean and spread of the runs of one cell of a table.
//!
//! ```text
//! mean = sum x_k / n        spread = sqrt(sum (x_k - mean)^2 / (n - 1)), from two runs on
//! ```
//!
//! One value that is not finite makes the mean not finite, and the table says so.

/// Of fractions.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Spread {
    pub(super) count: usize,
    pub(super) mean: f64,
    /// Sample standard deviation.
    pub(super) deviation: Option<f64>,
}

impl Spread {
    /// None without values.
    pub(super) fn of(values: &[f64]) -> Option<Self> {
        let count = values.len();
        if count == 0 {
            return None;
        }
        let mean = values.iter().sum::<f64>() / count as f64;
        let squares: f64 = values.iter().map(|x| (x - mean).powi(2)).sum();
        Some(Self { count, mean, deviation: (count > 1).then(|| (squares / (count - 1) as f64).sqrt()) })
    }
}

/// `1.79 ± 0.12 (n = 10)` in per cent; `-` without values.
pub(super) fn show(values: &[f64], failed: usize) -> String {
    show_as(values, failed, &|x| format!("{:.2}", 100.0 * x))
}

/// The same with numbers as `number` writes them.
pub(crate) fn show_as(values: &[f64], failed: usize, number: &dyn Fn(f64) -> String) -> String {
    let lost = if failed == 0 { String::new() } else { format!("{failed} failed") };
    let Some(Spread { count, mean, deviation }) = Spread::of(values) else {
        return if failed == 0 { "-".into() } else { format!("- ({lost})") };
    };
    let comma = if failed == 0 { "" } else { ", " };
    let value = match deviation {
        _ if !mean.is_finite() => "not finite".into(),
        Some(deviation) => format!("{} ± {}", number(mean), number(deviation)),
        None => number(mean),
    };
    format!("{value} (n = {count}{comma}{lost})")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_spread_is_the_sample_standard_deviation() {
        let spread = Spread::of(&[0.25, 0.5, 0.75]).unwrap();
        assert_eq!(spread, Spread { count: 3, mean: 0.5, deviation: Some(0.25) });
        assert_eq!(Spread::of(&[0.5]).unwrap().deviation, None);
        assert_eq!(Spread::of(&[]), None);
    }

    #[test]
    fn what_is_missing_failed_or_not_finite_is_seen() {
        assert_eq!(show(&[], 0), "-");
        assert_eq!(show(&[], 2), "- (2 failed)");
        assert_eq!(show(&[0.0179], 0), "1.79 (n = 1)");
        assert_eq!(show(&[0.25, 0.5, 0.75], 1), "50.00 ± 25.00 (n = 3, 1 failed)");
        for bad in [f64::NAN, f64::INFINITY] {
            assert_eq!(show(&[0.1, bad, 0.3], 0), "not finite (n = 3)");
        }
    }
}
