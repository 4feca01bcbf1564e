//! Learning while running: predict the next value of a signal whose frequency changes half-way.
//!
//! One input, one output, one weight update at every step; memory does not grow. `cargo run --release --example
//! online_prediction`

use eligibility::{
    EpropOptions, EpropStream, Error, Init, Loss, Lstm, Network, Optimizer, Readout, RmsProp, Stream, Target,
};
use rand::SeedableRng;
use rand::rngs::StdRng;

const STEPS: usize = 40_000;
const REPORT: usize = 5_000;

fn signal(t: usize) -> f32 {
    let frequency = if t < STEPS / 2 { 0.1 } else { 0.17 };
    (frequency * t as f32).sin() * (0.013 * t as f32).cos()
}

fn main() -> Result<(), Error> {
    let mut rng = StdRng::seed_from_u64(1);
    let (lstm, readout) = (Lstm::new(1, 32)?, Readout::new(1, Loss::SquaredError)?);
    let mut network: Network<f32> = Init { forget_bias_offset: 1.8 }.network(lstm, readout, &mut rng)?;
    let mut eprop = EpropStream::new(&network, 1, EpropOptions::default())?;
    let mut optimizer = RmsProp::new(&network, 1e-3)?;
    let mut gradient = network.zero_gradient();
    let (mut loss, mut baseline) = (0.0, 0.0);
    for t in 0..STEPS {
        let (now, next) = (signal(t), signal(t + 1));
        eprop.step(&network, &[now], &[t == 0])?;
        loss += eprop.learn(&network, &[Target::Values(&[next])], &mut gradient)?.loss;
        baseline += f64::from(0.5 * (next - now) * (next - now));
        optimizer.update(network.parameters_mut(), &gradient)?;
        if (t + 1) % REPORT == 0 {
            println!("steps to {:>6}: loss {:.2e}, of \"as now\" {:.2e}", t + 1, loss / 5e3, baseline / 5e3);
            (loss, baseline) = (0.0, 0.0);
        }
    }
    Ok(())
}
