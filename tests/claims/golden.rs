//! Claim: states and gradients agree with PyTorch to 1e-10 (`tests/golden`, made by `make_golden.py` beside it).

use crate::common::compare::assert_close;
use crate::common::golden::Golden;
use eligibility::{
    Bptt, Eprop, EpropOptions, EpropStream, Feedback, Learner, Level, Loss, Lstm, LstmBlocks, LstmState,
    Network, Readout, ReadoutBlocks, Schedule, Sequences, Targets,
};
use rand::SeedableRng;
use rand::rngs::StdRng;

const TOLERANCE: f64 = 1e-10;

struct Case {
    golden: Golden,
    network: Network<f64>,
    initial: LstmState<f64>,
    inputs: Vec<f64>,
    steps: usize,
    batch: usize,
}

impl Case {
    fn new(name: &str, output: usize, loss: Loss, readout: impl Fn(&Golden) -> ReadoutBlocks<f64>) -> Self {
        let golden = Golden::read(name);
        let [steps, batch, input] = golden.shape("x")[..] else { panic!("x is [steps, batch, input]") };
        let hidden = golden.shape("weight_hh")[1];
        let lstm = Lstm::new(input, hidden).unwrap();
        let mut network = Network::zeros(lstm, Readout::new(output, loss).unwrap()).unwrap();
        let blocks = LstmBlocks {
            weight_ih: golden.f64("weight_ih"),
            weight_hh: golden.f64("weight_hh"),
            bias: golden.f64("bias"),
        };
        network.set_lstm(0, &blocks).unwrap();
        network.set_readout(&readout(&golden)).unwrap();
        let mut initial = LstmState::zeros(&lstm, batch).unwrap();
        initial.cell.copy_from_slice(&golden.f64("c0"));
        initial.hidden.copy_from_slice(&golden.f64("h0"));
        let inputs = golden.f64("x");
        Self { golden, network, initial, inputs, steps, batch }
    }

    fn check_states(&self) {
        let mut stream = EpropStream::new(&self.network, self.batch, EpropOptions::default()).unwrap();
        stream.start_from(std::slice::from_ref(&self.initial)).unwrap();
        let (mut hidden, mut cell) = (Vec::new(), Vec::new());
        for input in self.inputs.chunks_exact(self.batch * self.network.layers()[0].input()) {
            stream.step(&self.network, input, &vec![false; self.batch]).unwrap();
            hidden.extend_from_slice(&stream.state(0).hidden);
            cell.extend_from_slice(&stream.state(0).cell);
        }
        assert_close("h", &hidden, &self.golden.f64("out.h"), TOLERANCE, 1e-3);
        assert_close("c", &cell, &self.golden.f64("out.c"), TOLERANCE, 1e-3);
    }

    /// The golden gradients are sums over the batch, ours a mean.
    fn check_gradient(
        &self,
        what: &str,
        prefix: &str,
        targets: Targets<'_, f64>,
        learner: &mut dyn Learner<f64>,
    ) {
        let sequences = Sequences::new(self.steps, self.batch, &self.inputs, targets).unwrap();
        let mut gradient = self.network.zero_gradient();
        let score = learner
            .gradient(
                &self.network,
                &sequences.starting_from(std::slice::from_ref(&self.initial)),
                &mut gradient,
            )
            .unwrap();
        gradient.iter_mut().for_each(|g| *g *= self.batch as f64);
        let found = self.network.layout().unpack_lstm(0, &gradient).unwrap();
        for (name, found) in [("ih", found.weight_ih), ("hh", found.weight_hh), ("b", found.bias)] {
            let name = format!("out.{prefix}_{name}");
            assert_close(&format!("{what}: {name}"), &found, &self.golden.f64(&name), TOLERANCE, 1e-3);
        }
        self.check_readout(&gradient, score.loss);
    }

    fn check_readout(&self, gradient: &[f64], loss: f64) {
        if self.network.readout().output() == self.network.layers()[0].output() {
            return; // the case without a readout of its own
        }
        let found = self.network.layout().unpack_readout(gradient).unwrap();
        assert_close("readout", &found.weight, &self.golden.f64("out.readout_grad_weight"), TOLERANCE, 1e-3);
        assert_close("readout bias", &found.bias, &self.golden.f64("out.readout_grad_bias"), TOLERANCE, 1e-3);
        assert_close("loss", &[loss], &self.golden.f64("out.loss"), TOLERANCE, 1e-3);
    }

    fn check_all(&self, targets: Targets<'_, f64>, feedback: &Feedback<f64>) {
        self.check_states();
        for level in Level::available() {
            for schedule in
                [Schedule::Streaming, Schedule::Blocked(7), Schedule::WholeSequence { max_steps: self.steps }]
            {
                let options = EpropOptions {
                    feedback: feedback.clone(),
                    schedule,
                    level: Some(level),
                    ..EpropOptions::default()
                };
                let mut eprop = Eprop::new(&self.network, self.batch, options).unwrap();
                self.check_gradient(&format!("{schedule:?}, {level}"), "eprop", targets, &mut eprop);
            }
            let mut bptt = Bptt::new(&self.network, self.batch, self.steps).unwrap().with_level(level);
            self.check_gradient(&format!("BPTT, {level}"), "bptt", targets, &mut bptt);
        }
    }
}

fn readout(golden: &Golden) -> ReadoutBlocks<f64> {
    ReadoutBlocks { weight: golden.f64("readout_weight"), bias: golden.f64("readout_bias") }
}

#[test]
fn softmax_at_the_last_step() {
    let case = Case::new("lstm_last_step_softmax", 4, Loss::CrossEntropy, readout);
    case.check_all(Targets::LastClass(&case.golden.indices("target_final")), &Feedback::Symmetric);
}

#[test]
fn squared_error_at_every_step_with_random_feedback() {
    let case = Case::new("lstm_random_feedback_mse", 3, Loss::SquaredError, readout);
    let mut feedback = Feedback::random(&case.network, &mut StdRng::seed_from_u64(0));
    if let Feedback::Random(matrix) = &mut feedback {
        matrix.copy_from_slice(&case.golden.f64("feedback"));
    }
    case.check_all(Targets::EveryValues(&case.golden.f64("target")), &feedback);
}

/// This case gives dE/dh_t itself: an identity readout turns it into targets, `target = h - dE/dh`.
#[test]
fn any_learning_signal_at_every_step() {
    let identity = |golden: &Golden| {
        let hidden = golden.shape("weight_hh")[1];
        let weight = (0..hidden * hidden).map(|k| f64::from(u8::from(k % (hidden + 1) == 0))).collect();
        ReadoutBlocks { weight, bias: vec![0.0; hidden] }
    };
    let case = Case::new("lstm_every_step", 5, Loss::SquaredError, identity);
    let hidden = case.golden.f64("out.h");
    let targets: Vec<f64> =
        hidden.iter().zip(case.golden.f64("signal")).map(|(h, signal)| h - signal).collect();
    case.check_all(Targets::EveryValues(&targets), &Feedback::Symmetric);
}
