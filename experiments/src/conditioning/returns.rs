//! How good predictions are: their squared distance to the return, once it is known.
//!
//! ```text
//! (1) G_t = C_{t+1} + gamma G_{t+1} = sum_{k >= 0} gamma^k C_{t+1+k}     cut off after `horizon` terms
//! (2) MSRE = mean_t (v_t - G_t)^2                                        v_t: the prediction made at t
//! (3) of the constant 0: mean_t G_t^2
//! ```
//!
//! A prediction waits until the horizon's last cumulant: v_t counts at step t + horizon, and those of a run's last
//! `horizon` steps never do. The horizon is the smallest h with gamma^h < 1e-6, at least 100: what is cut off of a return
//! is below 1e-6 of the largest possible one.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Sums over the predictions whose returns are known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Errors {
    pub(crate) scored: u64,
    squared_error: f64,
    squared_return: f64,
}

impl Errors {
    /// (2), NaN if nothing was scored.
    pub(crate) fn msre(&self) -> f64 {
        self.squared_error / self.scored as f64
    }
    /// (3), NaN if nothing was scored.
    pub(crate) fn zero_msre(&self) -> f64 {
        self.squared_return / self.scored as f64
    }
}

/// Predictions that wait for their return.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Pending {
    /// (v_t, what is known of G_t), the oldest first.
    predictions: VecDeque<[f64; 2]>,
}

/// What returns are made with.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Returns {
    gamma: f64,
    horizon: usize,
}

impl Returns {
    /// `gamma` in [0, 1).
    pub(crate) fn new(gamma: f64, horizon: usize) -> Self {
        Self { gamma, horizon }
    }

    /// At the beginning nothing waits.
    pub(crate) fn start(&self) -> Pending {
        Pending { predictions: VecDeque::with_capacity(self.horizon + 1) }
    }

    /// Step t: takes C_t and then v_t, and counts v_{t - horizon} in `errors`.
    pub(crate) fn step(&self, pending: &mut Pending, cumulant: f64, prediction: f64, errors: &mut Errors) {
        let waiting = &mut pending.predictions;
        if cumulant != 0.0 {
            let mut term = cumulant;
            for [_, found] in waiting.iter_mut().rev() {
                *found += term;
                term *= self.gamma;
            }
        }
        if waiting.len() == self.horizon
            && let Some([v, g]) = waiting.pop_front()
        {
            errors.scored += 1;
            errors.squared_error += (v - g).powi(2);
            errors.squared_return += g.powi(2);
        }
        waiting.push_back([prediction, 0.0]);
    }
}

/// The smallest h with gamma^h < 1e-6, at least 100. `gamma` in [0, 1).
pub(crate) fn default_horizon(gamma: f64) -> usize {
    let (mut horizon, mut rest) = (0, 1.0);
    while rest >= 1e-6 || horizon < 100 {
        rest *= gamma;
        horizon += 1;
    }
    horizon
}

/// MSRE and that of the constant 0 over the last tenth of a run of `length` steps: the mean over the `progress` records
/// beyond nine tenths of it, weighted by their number of predictions; the first may reach back further, if records are far
/// apart. None if nothing was scored there.
pub(crate) fn last_tenth(records: &[Value], length: u64) -> Option<[f64; 2]> {
    let (mut scored, mut sums) = (0.0, [0.0; 2]);
    let last = 9 * length / 10 + 1..=length;
    let within = |record: &&Value| {
        record["event"] == "progress" && record["step"].as_u64().is_some_and(|step| last.contains(&step))
    };
    for record in records.iter().filter(within) {
        let count = record["scored"].as_f64().filter(|&count| count > 0.0);
        for (sum, key) in sums.iter_mut().zip(["msre", "zero_msre"]) {
            // JSON has no NaN: it is written as null.
            *sum += count.map_or(0.0, |count| count * record[key].as_f64().unwrap_or(f64::NAN));
        }
        scored += count.unwrap_or(0.0);
    }
    (scored > 0.0).then(|| sums.map(|sum| sum / scored))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seeds::{Purpose, rng};
    use rand::RngExt;
    use serde_json::json;

    /// Random cumulants, mostly zero, and predictions.
    fn data(steps: usize) -> (Vec<f64>, Vec<f64>) {
        let mut rng = rng(1, Purpose::Comparison, 0);
        let cumulants = (0..steps).map(|_| if rng.random_ratio(1, 5) { rng.random() } else { 0.0 }).collect();
        (cumulants, (0..steps).map(|_| rng.random()).collect())
    }

    fn score(returns: Returns, cumulants: &[f64], predictions: &[f64]) -> Errors {
        let (mut pending, mut errors) = (returns.start(), Errors::default());
        for (&c, &v) in cumulants.iter().zip(predictions) {
            returns.step(&mut pending, c, v, &mut errors);
        }
        errors
    }

    #[test]
    fn errors_are_those_of_the_sums_written_out() {
        let steps = 2000;
        let (cumulants, predictions) = data(steps);
        for (gamma, horizon) in [(0.9, default_horizon(0.9)), (0.0, 1), (0.5, 3), (0.99, 1999)] {
            let returns: Vec<f64> = (0..steps - horizon)
                .map(|t| (0..horizon).map(|k| gamma_power(gamma, k) * cumulants[t + 1 + k]).sum())
                .collect();
            let errors = score(Returns::new(gamma, horizon), &cumulants, &predictions);
            assert_eq!(errors.scored, returns.len() as u64);
            let mean =
                |of: &dyn Fn(usize) -> f64| (0..returns.len()).map(of).sum::<f64>() / returns.len() as f64;
            let msre = mean(&|t| (predictions[t] - returns[t]).powi(2));
            let square = mean(&|t| returns[t].powi(2));
            // Sums of up to 2,000 terms, each rounded a few times.
            assert!((errors.msre() - msre).abs() <= 1e-12 * msre, "{gamma}: {} {msre}", errors.msre());
            assert!((errors.zero_msre() - square).abs() <= 1e-12 * square);
        }
    }

    fn gamma_power(gamma: f64, k: usize) -> f64 {
        gamma.powi(i32::try_from(k).unwrap())
    }

    #[test]
    fn the_recursion_over_the_whole_future_differs_by_what_the_horizon_cuts_off() {
        let steps = 2000;
        let (cumulants, predictions) = data(steps);
        let (gamma, horizon) = (0.9, default_horizon(0.9));
        let mut returns = vec![0.0; steps];
        for t in (0..steps - 1).rev() {
            returns[t] = cumulants[t + 1] + gamma * returns[t + 1];
        }
        let count = steps - horizon;
        let whole = (0..count).map(|t| (predictions[t] - returns[t]).powi(2)).sum::<f64>() / count as f64;
        let errors = score(Returns::new(gamma, horizon), &cumulants, &predictions);
        // A return of at most 10 lacks at most 1e-5; its squared error changes by at most 2 x 10 x 1e-5.
        assert!((errors.msre() - whole).abs() < 2e-4, "{} {whole}", errors.msre());
    }

    #[test]
    fn the_constant_zero_has_the_mean_squared_return() {
        let (cumulants, _) = data(1000);
        let errors = score(Returns::new(0.9, 132), &cumulants, &[0.0; 1000]);
        assert_eq!(errors.msre(), errors.zero_msre());
        assert!(errors.msre() > 0.0);
        assert!(Errors::default().msre().is_nan());
    }

    #[test]
    fn horizons_are_the_smallest_that_do() {
        assert_eq!([0.0, 0.5, 0.87].map(default_horizon), [100; 3]);
        for gamma in [0.9, 0.95, 0.9875] {
            let h = default_horizon(gamma);
            assert!(gamma_power(gamma, h) < 1e-6 && gamma_power(gamma, h - 1) >= 1e-6, "{gamma}");
        }
    }

    #[test]
    fn the_last_tenth_is_weighted_by_predictions() {
        let progress = |step: u64, scored: u64, msre: f64| json!({"event": "progress", "step": step, "scored": scored, "msre": msre, "zero_msre": 2.0});
        let records =
            [progress(90, 10, 9.0), progress(95, 10, 1.0), progress(100, 30, 2.0), json!({"event": "end"})];
        assert_eq!(last_tenth(&records, 100), Some([1.75, 2.0]));
        assert_eq!(last_tenth(&records, 90), Some([9.0, 2.0]));
        assert_eq!(last_tenth(&records[..1], 1000), None);
        let nothing = json!({"event": "progress", "step": 100, "scored": 0, "msre": null});
        assert_eq!(last_tenth(&[nothing], 100), None);
    }
}
