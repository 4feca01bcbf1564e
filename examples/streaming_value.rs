//! An agent's prediction, learned at every step: TD(lambda) with a recurrent trace unit and its exact gradient.
//!
//! A cue lights up, and ten steps later a reward comes. What is predicted is the discounted sum of the rewards to come,
//! which only somebody knows who remembers the cue: v_t = c_{t+1} + gamma v_{t+1}.
//!
//! `cargo run --release --example streaming_value`

use eligibility::{
    Adam, Error, Init, Loss, Network, Optimizer, Readout, RtrlOptions, RtrlStream, Rtu, Stream,
};
use rand::{RngExt, SeedableRng, rngs::StdRng};

const GAMMA: f32 = 0.9;
const LAMBDA: f32 = 0.9;
const DELAY: i32 = 10;

fn main() -> Result<(), Error> {
    let mut rng = StdRng::seed_from_u64(1);
    let readout = Readout::new(1, Loss::SquaredError)?;
    let mut network: Network<f32> = Init::default().network(Rtu::linear(2, 16)?, readout, &mut rng)?;
    let mut stream = RtrlStream::new(&network, 1, RtrlOptions::default())?;
    let mut adam = Adam::new(&network, 1e-3)?;
    let [mut derivative, mut lambda_trace, mut gradient] = [(); 3].map(|()| network.zero_gradient());
    let (mut since_cue, mut before, mut error, mut scored) = (1000, 0.0, 0.0, 0.0);
    for t in 0..100_000 {
        since_cue = if since_cue > 30 && rng.random_bool(0.1) { 0 } else { since_cue + 1 };
        let reward = f32::from(u8::from(since_cue == DELAY));
        let value = stream.step(&network, &[f32::from(u8::from(since_cue == 0)), reward], &[t == 0])?[0];
        stream.learn_from_error(&network, &[1.0], &mut derivative)?;
        // The prediction of the step before was off by delta; the trace says who is to blame.
        let delta = reward + GAMMA * value - before;
        for ((g, z), d) in gradient.iter_mut().zip(&mut lambda_trace[..]).zip(&derivative[..]) {
            *g = -delta * *z;
            *z = GAMMA * LAMBDA * *z + d;
        }
        adam.update(network.parameters_mut(), &gradient)?;
        // While the reward is on its way, its discounted value is known.
        if since_cue < DELAY {
            error += (value - GAMMA.powi(DELAY - since_cue - 1)).powi(2);
            scored += 1.0;
        }
        before = value;
        if (t + 1) % 10_000 == 0 {
            println!("{:>7} steps: mean squared error of the value after a cue {:.5}", t + 1, error / scored);
            (error, scored) = (0.0, 0.0);
        }
    }
    Ok(())
}
