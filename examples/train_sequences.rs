//! One training loop, two learners: e-prop and BPTT on a task of remembering, from the same initial weights.
//!
//! The first input of a sequence is +1 or -1, then comes noise; the class, asked for at the last step, is the sign of
//! the first. `cargo run --release --example train_sequences`

use eligibility::{
    Bptt, BpttOptions, Eprop, EpropOptions, Error, Init, Learner, Loss, Lstm, Network, Optimizer, Readout,
    RmsProp, Sequences, Targets,
};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

const STEPS: usize = 30;
const BATCH: usize = 32;
const UPDATES: usize = 1_000;

fn train(name: &str, mut network: Network<f32>, mut learner: impl Learner<f32>) -> Result<(), Error> {
    let mut rng = StdRng::seed_from_u64(2);
    let mut optimizer = RmsProp::new(&network, 2e-3)?;
    let mut gradient = network.zero_gradient();
    let mut recent = eligibility::Score::default();
    for update in 1..=UPDATES {
        let classes: Vec<usize> = (0..BATCH).map(|_| rng.random_range(0..2)).collect();
        let mut inputs: Vec<f32> = (0..STEPS * BATCH).map(|_| rng.random_range(-0.3..0.3)).collect();
        for (input, &class) in inputs.iter_mut().zip(&classes) {
            *input = if class == 0 { -1.0 } else { 1.0 };
        }
        let batch = Sequences::new(STEPS, BATCH, &inputs, Targets::LastClass(&classes))?;
        recent.add(&learner.gradient(&network, &batch, &mut gradient)?);
        optimizer.update(network.parameters_mut(), &gradient)?;
        if update % 200 == 0 {
            println!(
                "{name}: update {update:>5}, loss {:.3}, error {:.3}",
                recent.mean_loss(),
                recent.error_rate()
            );
            recent = eligibility::Score::default();
        }
    }
    Ok(())
}

fn main() -> Result<(), Error> {
    let mut rng = StdRng::seed_from_u64(1);
    let (lstm, readout) = (Lstm::new(1, 32)?, Readout::new(2, Loss::CrossEntropy)?);
    let network = Init { forget_bias_offset: 1.8 }.network(lstm, readout, &mut rng)?;
    train("e-prop", network.clone(), Eprop::new(&network, BATCH, EpropOptions::default())?)?;
    train("BPTT  ", network.clone(), Bptt::new(&network, BATCH, STEPS, BpttOptions::default())?)
}
