//! Claim: RTUs and their exact RTRL agree with a NumPy reference to 1e-10, step by step (`tests/golden`, made by
//! `make_golden.py` beside it; that reference was itself compared with automatic differentiation).

use crate::common::compare::assert_close;
use crate::common::golden::Golden;
use eligibility::{
    Learner, Level, Loss, Network, Nonlinearity, Readout, ReadoutBlocks, Rtrl, RtrlOptions, RtrlStream, Rtu,
    Schedule, Sequences, Targets,
};

const TOLERANCE: f64 = 1e-10;

struct Case {
    golden: Golden,
    network: Network<f64>,
    steps: usize,
    batch: usize,
    input: usize,
}

/// `[rows, columns]` of `[columns, rows]`.
fn transposed(matrix: &[f64], columns: usize) -> Vec<f64> {
    let rows = matrix.len() / columns;
    (0..rows * columns).map(|index| matrix[index % columns * rows + index / columns]).collect()
}

impl Case {
    /// With a readout that hands on what the RTU gives.
    fn new(name: &str, rtu: impl Fn(usize, usize) -> Rtu) -> Self {
        let golden = Golden::read(name);
        let [steps, batch, input] = golden.shape("x")[..] else { panic!("x is [steps, batch, input]") };
        let units = golden.shape("nu_log")[0];
        let readout = Readout::new(2 * units, Loss::SquaredError).unwrap();
        let mut network = Network::zeros(rtu(input, units), readout).unwrap();
        let mut weight = vec![0.0; 4 * units * units];
        weight.iter_mut().step_by(2 * units + 1).for_each(|w| *w = 1.0);
        network.set_readout(&ReadoutBlocks { weight, bias: vec![0.0; 2 * units] }).unwrap();
        for part in network.layout().parts(0).unwrap() {
            let values = match part.name() {
                "nu" | "theta" => golden.f64(&format!("{}_log", part.name())),
                name => transposed(&golden.f64(name), input),
            };
            part.write(network.parameters_mut(), &values).unwrap();
        }
        Self { golden, network, steps, batch, input }
    }

    /// A part of a gradient as the reference has it.
    fn assert_gradient(&self, what: &str, gradient: &[f64], expected: impl Fn(&str) -> Vec<f64>) {
        for part in self.network.layout().parts(0).unwrap() {
            let expected = match part.name() {
                "nu" | "theta" => expected(&format!("{}_log", part.name())),
                name => transposed(&expected(name), self.input),
            };
            let what = format!("{what}: {}", part.name());
            assert_close(&what, &part.read(gradient), &expected, TOLERANCE, 1e-3);
        }
    }

    fn check(&self) {
        let (golden, network) = (&self.golden, &self.network);
        let (inputs, outputs, errors) = (golden.f64("x"), golden.f64("out.y"), golden.f64("gy"));
        let by_inputs = golden.f64("out.grad_x");
        for level in Level::available() {
            let options = RtrlOptions { input_gradient: true, level: Some(level), ..RtrlOptions::default() };
            let mut stream = RtrlStream::new(network, self.batch, options).unwrap();
            let mut gradient = network.zero_gradient();
            for t in 0..self.steps {
                fn at(all: &[f64], t: usize, steps: usize) -> &[f64] {
                    &all[t * all.len() / steps..(t + 1) * all.len() / steps]
                }
                let y = stream.step(network, at(&inputs, t, self.steps), &vec![false; self.batch]).unwrap();
                assert_close("y", y, at(&outputs, t, self.steps), TOLERANCE, 1e-3);
                gradient.fill(0.0);
                stream.learn_from_error(network, at(&errors, t, self.steps), &mut gradient).unwrap();
                self.assert_gradient(&format!("step {t} at {level}"), &gradient, |name| {
                    at(&golden.f64(&format!("out.grad_{name}_steps")), t, self.steps).to_vec()
                });
                let expected = at(&by_inputs, t, self.steps);
                assert_close("dE/dx", stream.input_gradient(), expected, TOLERANCE, 1e-3);
            }
        }
        // The whole sequence at once, with targets that make the same errors: half the squared distance to y - gy.
        let targets: Vec<_> = outputs.iter().zip(&errors).map(|(y, gy)| y - gy).collect();
        let sequences =
            Sequences::new(self.steps, self.batch, &inputs, Targets::EveryValues(&targets)).unwrap();
        for schedule in [Schedule::Streaming, Schedule::Blocked(4), Schedule::default()] {
            let options = RtrlOptions { schedule, ..RtrlOptions::default() };
            let mut gradient = network.zero_gradient();
            let mut rtrl = Rtrl::new(network, self.batch, options).unwrap();
            rtrl.gradient(network, &sequences, &mut gradient).unwrap();
            // Theirs is a sum over the batch, ours a mean.
            gradient.iter_mut().for_each(|g| *g *= self.batch as f64);
            self.assert_gradient(&format!("{schedule}"), &gradient, |name| {
                golden.f64(&format!("out.grad_{name}"))
            });
        }
    }
}

#[test]
fn linear_with_tanh_at_the_output() {
    let rtu = |input, units| Rtu::linear(input, units).unwrap().with_nonlinearity(Nonlinearity::Tanh);
    Case::new("rtu_linear_tanh", rtu).check();
}

#[test]
fn nonlinear_with_relu() {
    Case::new("rtu_nonlinear_relu", |input, units| Rtu::nonlinear(input, units).unwrap()).check();
}

#[test]
fn nonlinear_with_tanh() {
    let rtu = |input, units| Rtu::nonlinear(input, units).unwrap().with_nonlinearity(Nonlinearity::Tanh);
    Case::new("rtu_nonlinear_tanh", rtu).check();
}
