//! The least MSRE that a predictor can have: that of one that knows all onsets so far. What is left is chance.
//!
//! ```text
//! phase p           (CS, s) or (US, s): s steps after the last onset; the future depends on nothing else
//! transitions       an interval I ends after s + 1 steps with probability h(s) = P(I = s + 1 | I > s), else s grows by 1
//! (1) v(p)   = E[C + gamma v(p')]                              the mean return
//! (2) m(p)   = E[C^2 + 2 gamma C v(p') + gamma^2 m(p')]        the mean squared return
//! (3) least  = sum_p P(I > s) (m(p) - v(p)^2) / sum_p P(I > s)
//! ```
//!
//! C is the cumulant on entering p'. Going backwards through one trial, (1) and (2) are affine in the value of the phase
//! that begins the next trial, which is that of the phase that begins this one.

use super::{Protocol, Span};

/// Mean and mean square of the return.
type Moments = [f64; 2];

/// P(I > s)
fn survival(interval: Span, s: u64) -> f64 {
    let count = (interval.last - interval.first + 1) as f64;
    if s < interval.first { 1.0 } else { (interval.last - s) as f64 / count }
}

/// h(s)
fn hazard(interval: Span, s: u64) -> f64 {
    1.0 - survival(interval, s + 1) / survival(interval, s)
}

/// Moments of a return that begins with cumulant `c` and goes on with a return of moments `[v, m]`.
fn discounted(gamma: f64, c: f64, [v, m]: Moments) -> Moments {
    [c + gamma * v, c * c + 2.0 * gamma * c * v + gamma * gamma * m]
}

/// The moments of every s of an interval that ends in a return of moments `end`; `cumulant` on entering s.
fn backward(gamma: f64, interval: Span, cumulant: impl Fn(u64) -> f64, end: Moments) -> Vec<Moments> {
    let mut moments = Vec::new();
    let mut next = end;
    for s in (0..interval.last).rev() {
        let h = hazard(interval, s);
        let [v, m] = [0, 1].map(|i| h * end[i] + (1.0 - h) * next[i]);
        moments.push([v, m]);
        next = discounted(gamma, cumulant(s), [v, m]);
    }
    moments.reverse();
    moments
}

/// The moments of all phases of CS and US, given those of the phase that begins the next trial.
fn trial(protocol: &Protocol, gamma: f64, next: Moments) -> [Vec<Moments>; 2] {
    let cumulant = |s: u64| if s < protocol.us_length { 1.0 } else { 0.0 };
    let us = backward(gamma, protocol.iti, cumulant, discounted(gamma, 0.0, next));
    let cs = backward(gamma, protocol.isi_range, |_| 0.0, discounted(gamma, cumulant(0), us[0]));
    [cs, us]
}

/// The moments of all phases of CS and US.
fn phases(protocol: &Protocol, gamma: f64) -> [Vec<Moments>; 2] {
    let mut next = [0.0; 2];
    for i in 0..2 {
        // x = a + b x, from its values at 0 and 1
        let [a, sum] = [0.0, 1.0].map(|x| {
            next[i] = x;
            trial(protocol, gamma, next)[0][0][i]
        });
        next[i] = a / (1.0 - (sum - a));
    }
    trial(protocol, gamma, next)
}

/// (3)
pub(crate) fn least_msre(protocol: &Protocol, gamma: f64) -> f64 {
    let (mut weights, mut sum) = (0.0, 0.0);
    for (interval, moments) in [protocol.isi_range, protocol.iti].into_iter().zip(phases(protocol, gamma)) {
        for (s, [v, m]) in (0..).zip(moments) {
            let weight = survival(interval, s);
            weights += weight;
            sum += weight * (m - v * v);
        }
    }
    sum / weights
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conditioning::Conditioning;
    use crate::conditioning::returns::{Errors, Returns, default_horizon};

    fn protocol(isi_range: Span, iti: Span) -> Protocol {
        Protocol { isi_range, iti, cs_length: 4, us_length: 2, distractors: 0 }
    }

    #[test]
    fn without_chance_nothing_is_left() {
        let [isi, iti] = [7, 11].map(|steps| Span { first: steps, last: steps });
        let protocol = protocol(isi, iti);
        let gamma: f64 = 0.9;
        assert!(least_msre(&protocol, gamma).abs() < 1e-14);
        // Just before the US of two steps, every 18 steps.
        let [v, m] = phases(&protocol, gamma)[0][6];
        let expected = (1.0 + gamma) / (1.0 - gamma.powi(18));
        assert!((v - expected).abs() < 1e-14 && (m - expected * expected).abs() < 1e-13, "{v}, {m}");
    }

    #[test]
    fn one_draw_of_two_leaves_the_spread_of_its_return() {
        // Without a discounted future (gamma = 0) G is the next cumulant. The US comes 1 or 2 steps after the CS: at the
        // CS it is a coin, of variance 1/4; all else is known. A trial has 1.5 + 4 steps.
        let protocol = Protocol {
            us_length: 1,
            cs_length: 1,
            ..protocol(Span { first: 1, last: 2 }, Span { first: 4, last: 4 })
        };
        assert!((least_msre(&protocol, 0.0) - 0.25 / 5.5).abs() < 1e-15);
    }

    #[test]
    fn a_predictor_that_knows_all_onsets_has_this_error_on_the_stream() {
        let (gamma, steps) = (0.95, 400_000);
        let protocol = protocol(Span::around(20), Span { first: 80, last: 120 });
        let values = phases(&protocol, gamma);
        let conditioning = Conditioning::new(protocol, 1).unwrap();
        let returns = Returns::new(gamma, default_horizon(gamma));
        let (mut clock, mut pending) = (conditioning.start(), returns.start());
        let (mut errors, mut x, mut before) = (Errors::default(), [0.0_f64; 2], [0.0; 2]);
        let (mut interval, mut s) = (0, 0);
        for _ in 0..steps {
            let cumulant = f64::from(u8::from(conditioning.observe(&mut clock, &mut x)));
            s += 1;
            for (index, input) in [1, 0].into_iter().enumerate() {
                if x[input] > before[input] {
                    (interval, s) = (index, 0);
                }
            }
            before = x;
            returns.step(&mut pending, cumulant, values[interval][s][0], &mut errors);
        }
        let least = least_msre(&protocol, gamma);
        // The mean over about 3,300 trials, whose errors spread about as much as their mean: five standard deviations.
        let tolerance = 5.0 / (f64::from(steps) / 120.0).sqrt();
        assert!((errors.msre() / least - 1.0).abs() < tolerance, "{} {least}", errors.msre());
        // The figure that runs of the default task are compared with.
        assert!((least - 0.0153).abs() < 5e-5, "{least}");
    }
}
