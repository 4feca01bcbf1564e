//! An actor and a critic on one recurrent torso: three networks in a plain loop that learn at every step, forward in time.
//!
//! One of two cues is shown at each step; to name that of three steps ago is rewarded, and only memory can tell. With the
//! advantage A = reward - value, E = A^2 / 2 - A log p(action). `cargo run --release --example actor_critic`

use eligibility::{
    Adam, Buffer, Cell, Dense, Error, Init, Network, Optimizer, RtrlOptions, RtrlStream, Rtu, Stream,
};
use rand::{RngExt, SeedableRng, rngs::StdRng};
#[derive(Clone)]
struct Agent {
    networks: [Network<f64>; 3],
    streams: [RtrlStream<f64>; 3],
    gradients: [Buffer<f64>; 3],
}

impl Agent {
    /// From x up through torso, actor and critic to y, two logits and a value, and from dE/dy down; y.
    fn step(&mut self, x: f64, error: impl FnOnce([f64; 3]) -> [f64; 3]) -> Result<[f64; 3], Error> {
        let Self { networks, streams: [torso, actor, critic], gradients: [body, policy, value] } = self;
        let features = torso.step(&networks[0], &[x], &[false])?;
        let logits = actor.step(&networks[1], features, &[false])?;
        let y = [logits[0], logits[1], critic.step(&networks[2], features, &[false])?[0]];
        let [no, yes, critic_error] = error(y);
        actor.learn_from_error(&networks[1], &[no, yes], policy)?;
        critic.learn_from_error(&networks[2], &[critic_error], value)?;
        let heads = actor.input_gradient().iter().zip(critic.input_gradient());
        torso.learn_from_error(&networks[0], &heads.map(|(a, c)| a + c).collect::<Vec<_>>(), body)?;
        Ok(y)
    }
    /// E, the sum of y after five steps, and its gradients, if weight i of network n is changed before.
    fn changed(&self, n: usize, i: usize, change: f64) -> Result<(f64, [Buffer<f64>; 3]), Error> {
        let (mut agent, mut y) = (self.clone(), [0.0; 3]);
        agent.networks[n].parameters_mut()[i] += change;
        for x in [0.1, -0.5, 0.9, 0.2, -0.7] {
            y = agent.step(x, |_| [1.0; 3])?;
        }
        Ok((y.iter().sum(), agent.gradients))
    }
}

fn main() -> Result<(), Error> {
    let (mut rng, init) = (StdRng::seed_from_u64(1), Init::default());
    let torso =
        init.without_readout(&[Cell::from(Dense::new(1, 4)?), Rtu::linear(4, 16)?.into()], &mut rng)?;
    let actor = init.without_readout(&[Dense::new(32, 2)?], &mut rng)?;
    let critic = init.without_readout(&[Dense::new(32, 1)?], &mut rng)?;
    let options = RtrlOptions { input_gradient: true, ..Default::default() };
    let stream = |network| RtrlStream::new(network, 1, options);
    let streams = [stream(&torso)?, stream(&actor)?, stream(&critic)?];
    let mut adams = [Adam::new(&torso, 3e-4)?, Adam::new(&actor, 3e-4)?, Adam::new(&critic, 3e-4)?];
    let gradients = [&torso, &actor, &critic].map(Network::zero_gradient);
    let mut agent = Agent { networks: [torso, actor, critic], streams, gradients };
    // Beside finite differences. The encoder is left out: below the RTU, it learns from each step alone.
    let (_, gradients) = agent.changed(0, 0, 0.0)?;
    for (n, network) in agent.networks.iter().enumerate() {
        for i in network.layout().range(usize::from(n == 0)) {
            let slope = (agent.changed(n, i, 1e-5)?.0 - agent.changed(n, i, -1e-5)?.0) / 2e-5;
            assert!((gradients[n][i] - slope).abs() <= 1e-6 * slope.abs().max(1e-3), "{n}, {i}: not {slope}");
        }
    }
    let (mut cues, mut right) = ([false; 4], 0.5);
    for _ in 0..40_000 {
        cues = [rng.random_bool(0.5), cues[0], cues[1], cues[2]];
        agent.step(f64::from(cues[0]), |[no, yes, value]| {
            let p = 1.0 / (1.0 + (no - yes).exp());
            let action = rng.random_bool(p);
            let reward = f64::from(action == cues[3]);
            right += 1e-3 * (reward - right);
            let (advantage, error) = (reward - value, (reward - value) * (p - f64::from(action)));
            [-error, error, -advantage]
        })?;
        for (n, adam) in adams.iter_mut().enumerate() {
            adam.update(agent.networks[n].parameters_mut(), &agent.gradients[n])?;
        }
    }
    println!("right in {:.0} % of the last 1,000 steps", 100.0 * right);
    Ok(())
}
