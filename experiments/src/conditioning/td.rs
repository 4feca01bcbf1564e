//! Temporal-difference learning at every step, TD(lambda), with any stream that gives a derivative of its output.
//!
//! ```text
//! (1) v_t, dv_t/dw with w_t
//! (2) delta_t = C_t + gamma v_t - v_{t-1}
//! (3) w_{t+1} = w_t + step(delta_t z_{t-1})
//! (4) z_t = gamma lambda z_{t-1} + dv_t/dw        z before an episode's first step: 0, and no update there
//! ```
//!
//! In (3) an optimiser takes the step; it is given the gradient -delta_t z_{t-1}, after clipping if that is asked for. z
//! is the RL trace, `lambda_trace`; eligibility traces are within the stream. A stream's dv_t/dw may be approximate, and
//! its traces hold the influence of earlier weights, as in every online rule.
//!
//! Sutton & Barto 2018, section 12.2; v_{t-1} in (2) is the prediction as it was made, with w_{t-1}.

use eligibility::{Buffer, Network, Optimizer, Scalar, Stream, clip_global_norm};

use crate::failure::Failure;

/// What TD(lambda) carries from step to step.
#[derive(Clone, Debug)]
pub(crate) struct Td<T: Scalar> {
    gamma: T,
    /// gamma lambda
    decay: T,
    clip: Option<f64>,
    /// z
    lambda_trace: Buffer<T>,
    derivative: Buffer<T>,
    gradient: Buffer<T>,
    /// v_{t-1}, within an episode.
    previous: Option<T>,
}

impl<T: Scalar> Td<T> {
    /// For networks of this network's sizes.
    pub(crate) fn new(
        network: &Network<T>,
        gamma: f64,
        lambda: f64,
        clip: Option<f64>,
    ) -> Result<Self, Failure> {
        if let Some(limit) = clip {
            clip_global_norm::<T>(&mut [], limit)?; // rejects a limit that is no norm, before anything is trained
        }
        Ok(Self {
            gamma: T::from_f64(gamma),
            decay: T::from_f64(gamma * lambda),
            clip,
            lambda_trace: network.zero_gradient(),
            derivative: network.zero_gradient(),
            gradient: network.zero_gradient(),
            previous: None,
        })
    }

    /// Step t: takes x_t and C_t, learns, and returns v_t. `is_first`: x_t starts an episode; C_t is not used then.
    ///
    /// # Errors
    ///
    /// If a size is wrong.
    pub(crate) fn step(
        &mut self,
        stream: &mut dyn Stream<T>,
        network: &mut Network<T>,
        optimizer: &mut dyn Optimizer<T>,
        (input, cumulant): (&[T], T),
        is_first: bool,
    ) -> Result<T, Failure> {
        let prediction = stream.step(network, input, &[is_first])?[0];
        stream.learn_from_error(network, &[T::ONE], &mut self.derivative)?;
        self.learn(network, optimizer, (prediction, cumulant), is_first)?;
        Ok(prediction)
    }

    /// (2) to (4), from v_t, C_t and the derivative that is there.
    fn learn(
        &mut self,
        network: &mut Network<T>,
        optimizer: &mut dyn Optimizer<T>,
        (prediction, cumulant): (T, T),
        is_first: bool,
    ) -> Result<(), Failure> {
        match self.previous.filter(|_| !is_first) {
            None => self.lambda_trace.fill(T::ZERO),
            Some(previous) => {
                let delta = cumulant + self.gamma * prediction - previous;
                for (g, &z) in self.gradient.iter_mut().zip(self.lambda_trace.iter()) {
                    *g = -delta * z;
                }
                if let Some(limit) = self.clip {
                    clip_global_norm(&mut self.gradient, limit)?;
                }
                optimizer.update(network.parameters_mut(), &self.gradient)?;
            }
        }
        for (z, &d) in self.lambda_trace.iter_mut().zip(self.derivative.iter()) {
            *z = self.decay * *z + d;
        }
        self.previous = Some(prediction);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use eligibility::{Loss, Lstm, Readout, Sgd};

    const STATES: usize = 4;

    /// v = sum_i w_i^power x_i over the first weights of a network: a table for one-hot inputs.
    struct Table {
        power: i32,
        network: Network<f64>,
    }

    impl Table {
        fn new(power: i32) -> Self {
            let readout = Readout::new(1, Loss::SquaredError).unwrap();
            Self { power, network: Network::zeros(Lstm::new(STATES, 1).unwrap(), readout).unwrap() }
        }
        fn weights(&self) -> &[f64] {
            &self.network.parameters()[..STATES]
        }
        /// Predicts, learns, and gives the prediction.
        fn step(
            &mut self,
            td: &mut Td<f64>,
            sgd: &mut Sgd,
            (x, cumulant): (&[f64], f64),
            is_first: bool,
        ) -> f64 {
            let weights = self.network.parameters().iter();
            let prediction = weights.clone().zip(x).map(|(w, x)| w.powi(self.power) * x).sum();
            for ((d, w), x) in td.derivative.iter_mut().zip(weights).zip(x) {
                *d = f64::from(self.power) * w.powi(self.power - 1) * x;
            }
            td.learn(&mut self.network, sgd, (prediction, cumulant), is_first).unwrap();
            prediction
        }
    }

    fn one_hot(state: usize) -> [f64; STATES] {
        std::array::from_fn(|i| f64::from(u8::from(i == state)))
    }

    #[test]
    fn the_true_values_of_a_ring_are_learned_with_any_lambda() {
        let gamma: f64 = 0.8;
        // Around a ring of four states; the cumulant is 1 on entering state 0, so v(s) = gamma^(3 - s) / (1 - gamma^4).
        for lambda in [0.0, 0.9, 1.0] {
            let mut table = Table::new(1);
            let mut sgd = Sgd::new(&table.network, 0.05).unwrap();
            let mut td = Td::new(&table.network, gamma, lambda, None).unwrap();
            for t in 0..20_000 {
                let state = t % STATES;
                let cumulant = f64::from(u8::from(state == 0));
                table.step(&mut td, &mut sgd, (&one_hot(state), cumulant), t == 0);
            }
            for (state, &found) in table.weights().iter().enumerate() {
                let distance = i32::try_from(STATES - 1 - state).unwrap();
                let expected = gamma.powi(distance) / (1.0 - gamma.powi(4));
                assert!((found - expected).abs() < 1e-9, "{lambda}, {state}: {found}, not {expected}");
            }
        }
    }

    #[test]
    fn every_quantity_is_that_of_the_weights_before_the_update() {
        let (gamma, lambda, rate, limit) = (0.7, 0.6, 0.1, 1.0);
        let mut table = Table::new(2);
        let mut w = [0.5, -0.25, 1.0, 0.75];
        table.network.parameters_mut()[..STATES].copy_from_slice(&w);
        let mut sgd = Sgd::new(&table.network, rate).unwrap();
        let mut td = Td::new(&table.network, gamma, lambda, Some(limit)).unwrap();
        let (mut z, mut previous) = ([0.0; STATES], 0.0);
        let mut clipped = 0;
        for t in 0..50_u32 {
            let is_first = t % 20 == 0;
            let x: [f64; STATES] = std::array::from_fn(|i| f64::from((t * 7 + i as u32 * 3) % 5) / 4.0);
            let cumulant = f64::from(t % 3);
            let found = table.step(&mut td, &mut sgd, (&x, cumulant), is_first);

            let v: f64 = (0..STATES).map(|i| w[i] * w[i] * x[i]).sum();
            let derivative: [f64; STATES] = std::array::from_fn(|i| 2.0 * w[i] * x[i]);
            if is_first {
                z = [0.0; STATES];
            } else {
                let delta = cumulant + gamma * v - previous;
                let step = z.map(|z| delta * z);
                let norm = step.iter().map(|s| s * s).sum::<f64>().sqrt();
                let scale = (limit / norm).min(1.0);
                clipped += u32::from(scale < 1.0);
                w = std::array::from_fn(|i| w[i] + rate * scale * step[i]);
            }
            z = std::array::from_fn(|i| gamma * lambda * z[i] + derivative[i]);
            previous = v;

            // The same operations up to their order: errors of a few roundings grow slowly over 50 steps.
            assert!((found - v).abs() < 1e-12, "step {t}: {found}, not {v}");
            for (found, expected) in table.weights().iter().zip(&w) {
                assert!((found - expected).abs() < 1e-12, "step {t}: {found}, not {expected}");
            }
        }
        assert!((1..47).contains(&clipped), "some updates are clipped and some are not: {clipped}");
    }
}
