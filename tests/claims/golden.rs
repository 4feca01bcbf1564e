//! Claim: states and gradients of LSTMs agree with PyTorch, RTUs and their exact RTRL with a NumPy reference, to 1e-10
//! (`tests/golden`, made by the scripts beside them; the NumPy reference was compared with automatic differentiation).

use eligibility::{
    Bptt, BpttOptions, Cell, Eprop, EpropOptions, EpropStream, Feedback, Learner, Level, Loss, Lstm, Network,
    Nonlinearity, Readout, Rtrl, RtrlOptions, RtrlStream, Rtu, Schedule, Sequences, State, Stream, Targets,
};
use rand::SeedableRng;
use rand::rngs::StdRng;

use crate::common::compare::assert_close;
use crate::common::golden::Golden;
use crate::common::learners::schedules;

const TOLERANCE: f64 = 1e-10;

/// `[rows, columns]` of `[columns, rows]`.
fn transposed(matrix: &[f64], columns: usize) -> Vec<f64> {
    let rows = matrix.len() / columns;
    (0..rows * columns).map(|index| matrix[index % columns * rows + index / columns]).collect()
}

struct Case {
    golden: Golden,
    network: Network<f64>,
    steps: usize,
    batch: usize,
}

impl Case {
    /// `readout`: weight and bias; otherwise it hands on what the cell gives.
    fn new(
        name: &str,
        cell: impl Fn(usize, &Golden) -> Cell,
        loss: Loss,
        readout: Option<[&str; 2]>,
    ) -> Self {
        let golden = Golden::read(name);
        let [steps, batch, input] = golden.shape("x")[..] else { panic!("x is [steps, batch, input]") };
        let cell = cell(input, &golden);
        let units = cell.output();
        let readout = readout.map_or_else(
            || {
                let identity = (0..units * units).map(|k| f64::from(u8::from(k % (units + 1) == 0)));
                [identity.collect(), vec![0.0; units]]
            },
            |names| names.map(|name| golden.f64(name)),
        );
        let mut network = Network::zeros(cell, Readout::new(readout[1].len(), loss).unwrap()).unwrap();
        let layout = network.layout().clone();
        for part in layout.parts(0).unwrap() {
            let (name, transpose) = Self::name(part.name());
            let values = golden.f64(&name);
            let values = if transpose { transposed(&values, input) } else { values };
            part.write(network.parameters_mut(), &values).unwrap();
        }
        for (part, values) in layout.readout_parts().iter().zip(readout) {
            part.write(network.parameters_mut(), &values).unwrap();
        }
        Self { golden, network, steps, batch }
    }

    /// What the reference calls a part, and whether it has it the other way round.
    fn name(part: &str) -> (String, bool) {
        match part {
            "nu" | "theta" => (format!("{part}_log"), false),
            "w1" | "w2" => (part.into(), true),
            _ => (part.into(), false),
        }
    }

    /// The layer's parts of a gradient, as the reference has them.
    fn assert_gradient(&self, what: &str, gradient: &[f64], expected: impl Fn(&str) -> Vec<f64>) {
        for part in self.network.layout().parts(0).unwrap() {
            let (name, transpose) = Self::name(part.name());
            let values = expected(&name);
            let values =
                if transpose { transposed(&values, self.network.layers()[0].input()) } else { values };
            assert_close(&format!("{what}: {name}"), &part.read(gradient), &values, TOLERANCE, 1e-3);
        }
    }

    /// The golden gradients are sums over the batch, ours a mean.
    fn gradient(&self, sequences: &Sequences<'_, f64>, learner: &mut dyn Learner<f64>) -> (f64, Vec<f64>) {
        let mut gradient = self.network.zero_gradient();
        let score = learner.gradient(&self.network, sequences, &mut gradient).unwrap();
        (score.loss, gradient.iter().map(|g| g * self.batch as f64).collect())
    }

    /// A part of what the reference has of all steps.
    fn at<'a>(&self, all: &'a [f64], t: usize) -> &'a [f64] {
        all.chunks_exact(all.len() / self.steps).nth(t).unwrap()
    }
}

struct LstmCase {
    case: Case,
    initial: State<f64>,
    has_readout: bool,
}

impl LstmCase {
    fn new(name: &str, loss: Loss, readout: Option<[&str; 2]>) -> Self {
        let lstm = |input, golden: &Golden| Lstm::new(input, golden.shape("weight_hh")[1]).unwrap().into();
        let case = Case::new(name, lstm, loss, readout);
        let mut initial = State::zeros(case.network.layers()[0], case.batch).unwrap();
        initial.part_mut("cell").unwrap().copy_from_slice(&case.golden.f64("c0"));
        initial.part_mut("hidden").unwrap().copy_from_slice(&case.golden.f64("h0"));
        Self { case, initial, has_readout: readout.is_some() }
    }

    fn check_states(&self) {
        let Case { golden, network, steps, batch } = &self.case;
        let mut stream = EpropStream::new(network, *batch, EpropOptions::default()).unwrap();
        stream.start_from(std::slice::from_ref(&self.initial)).unwrap();
        let [inputs, hidden, cell] = ["x", "out.h", "out.c"].map(|name| golden.f64(name));
        for t in 0..*steps {
            stream.step(network, self.case.at(&inputs, t), &vec![false; *batch]).unwrap();
            let state = stream.state(0).unwrap();
            assert_close("h", state.part("hidden").unwrap(), self.case.at(&hidden, t), TOLERANCE, 1e-3);
            assert_close("c", state.part("cell").unwrap(), self.case.at(&cell, t), TOLERANCE, 1e-3);
        }
    }

    fn check_gradient(
        &self,
        what: &str,
        of: &str,
        targets: Targets<'_, f64>,
        learner: &mut dyn Learner<f64>,
    ) {
        let (Case { golden, network, steps, batch }, inputs) = (&self.case, self.case.golden.f64("x"));
        let sequences = Sequences::new(*steps, *batch, &inputs, targets).unwrap();
        let sequences = sequences.starting_from(std::slice::from_ref(&self.initial));
        let (loss, gradient) = self.case.gradient(&sequences, learner);
        let short = |name: &str| name.replace("weight_", "").replace("bias", "b");
        self.case.assert_gradient(what, &gradient, |name| golden.f64(&format!("out.{of}_{}", short(name))));
        if self.has_readout {
            for (part, name) in network.layout().readout_parts().iter().zip(["weight", "bias"]) {
                let expected = golden.f64(&format!("out.readout_grad_{name}"));
                assert_close(name, &part.read(&gradient), &expected, TOLERANCE, 1e-3);
            }
            assert_close("loss", &[loss], &golden.f64("out.loss"), TOLERANCE, 1e-3);
        }
    }

    fn check(&self, targets: Targets<'_, f64>, feedback: &Feedback<f64>) {
        self.check_states();
        let Case { network, steps, batch, .. } = &self.case;
        for level in Level::available() {
            for schedule in schedules(*steps) {
                let (feedback, level) = (feedback.clone(), Some(level));
                let options = EpropOptions { feedback, schedule, level, ..EpropOptions::default() };
                let mut eprop = Eprop::new(network, *batch, options).unwrap();
                self.check_gradient(&format!("{schedule:?}, {level:?}"), "eprop", targets, &mut eprop);
            }
            let options = BpttOptions { level: Some(level), ..BpttOptions::default() };
            let mut bptt = Bptt::new(network, *batch, *steps, options).unwrap();
            self.check_gradient(&format!("BPTT, {level}"), "bptt", targets, &mut bptt);
        }
    }
}

const READOUT: Option<[&str; 2]> = Some(["readout_weight", "readout_bias"]);

#[test]
fn softmax_at_the_last_step() {
    let lstm = LstmCase::new("lstm_last_step_softmax", Loss::CrossEntropy, READOUT);
    lstm.check(Targets::LastClass(&lstm.case.golden.indices("target_final")), &Feedback::Symmetric);
}

#[test]
fn squared_error_at_every_step_with_random_feedback() {
    let lstm = LstmCase::new("lstm_random_feedback_mse", Loss::SquaredError, READOUT);
    let mut feedback = Feedback::random(&lstm.case.network, &mut StdRng::seed_from_u64(0));
    if let Feedback::Random(matrix) = &mut feedback {
        matrix.copy_from_slice(&lstm.case.golden.f64("feedback"));
    }
    lstm.check(Targets::EveryValues(&lstm.case.golden.f64("target")), &feedback);
}

/// This case gives dE/dh_t itself: an identity readout turns it into targets, `target = h - dE/dh`.
#[test]
fn any_learning_signal_at_every_step() {
    let lstm = LstmCase::new("lstm_every_step", Loss::SquaredError, None);
    let (hidden, signal) = (lstm.case.golden.f64("out.h"), lstm.case.golden.f64("signal"));
    let targets: Vec<f64> = hidden.iter().zip(signal).map(|(h, signal)| h - signal).collect();
    lstm.check(Targets::EveryValues(&targets), &Feedback::Symmetric);
}

fn check_rtu(name: &str, rtu: impl Fn(usize, usize) -> Rtu) {
    let cell = |input, golden: &Golden| rtu(input, golden.shape("nu_log")[0]).into();
    let case = Case::new(name, cell, Loss::SquaredError, None);
    let Case { golden, network, steps, batch } = &case;
    let [inputs, outputs, errors, by_inputs] =
        ["x", "out.y", "gy", "out.grad_x"].map(|name| golden.f64(name));
    for level in Level::available() {
        let options = RtrlOptions { input_gradient: true, level: Some(level), ..RtrlOptions::default() };
        let mut stream = RtrlStream::new(network, *batch, options).unwrap();
        let mut gradient = network.zero_gradient();
        for t in 0..*steps {
            let y = stream.step(network, case.at(&inputs, t), &vec![false; *batch]).unwrap();
            assert_close("y", y, case.at(&outputs, t), TOLERANCE, 1e-3);
            stream.learn_from_error(network, case.at(&errors, t), &mut gradient).unwrap();
            case.assert_gradient(&format!("step {t} at {level}"), &gradient, |name| {
                case.at(&golden.f64(&format!("out.grad_{name}_steps")), t).to_vec()
            });
            assert_close("dE/dx", stream.input_gradient(), case.at(&by_inputs, t), TOLERANCE, 1e-3);
        }
    }
    // The whole sequence at once, with targets that make the same errors: half the squared distance to y - gy.
    let targets: Vec<_> = outputs.iter().zip(&errors).map(|(y, gy)| y - gy).collect();
    let sequences = Sequences::new(*steps, *batch, &inputs, Targets::EveryValues(&targets)).unwrap();
    for schedule in schedules(*steps).into_iter().chain([Schedule::default()]) {
        let options = RtrlOptions { schedule, ..RtrlOptions::default() };
        let mut rtrl = Rtrl::new(network, *batch, options).unwrap();
        let (_, gradient) = case.gradient(&sequences, &mut rtrl);
        case.assert_gradient(&format!("{schedule}"), &gradient, |name| {
            golden.f64(&format!("out.grad_{name}"))
        });
    }
}

#[test]
fn linear_with_tanh_at_the_output() {
    let rtu = |input, units| Rtu::linear(input, units).unwrap().with_nonlinearity(Nonlinearity::Tanh);
    check_rtu("rtu_linear_tanh", rtu);
}

#[test]
fn nonlinear_with_relu() {
    check_rtu("rtu_nonlinear_relu", |input, units| Rtu::nonlinear(input, units).unwrap());
}

#[test]
fn nonlinear_with_tanh() {
    let rtu = |input, units| Rtu::nonlinear(input, units).unwrap().with_nonlinearity(Nonlinearity::Tanh);
    check_rtu("rtu_nonlinear_tanh", rtu);
}
