//! Claim: RTRL's gradient is that of BPTT, weight by weight, at every length up to 784 steps, with resets, masks and
//! lengths, in all three schedules; for every cell whose units do not read each other, also between dense layers. In deeper
//! stacks the three schedules agree.

use eligibility::{
    Bptt, Cell, Dense, Learner, Network, Nonlinearity, Rtrl, RtrlOptions, RtrlStream, Rtu, Schedule, Target,
};

use crate::common::cells::{UnitProblem, diagonal_cells, parts, stack};
use crate::common::compare::{assert_close, relative_error};

/// Asked for is 1e-10; what rounding makes of some hundred terms is far below.
const TOLERANCE: f64 = 1e-11;

fn schedules(steps: usize) -> [Schedule; 4] {
    let whole = Schedule::WholeSequence { max_steps: steps };
    [Schedule::Streaming, Schedule::Blocked(4), Schedule::Blocked(33), whole]
}

fn gradient(problem: &UnitProblem<f64>, learner: &mut dyn Learner<f64>) -> Vec<f64> {
    let mut gradient = problem.network.zero_gradient();
    gradient.fill(f64::NAN);
    learner.gradient(&problem.network, &problem.sequences(), &mut gradient).unwrap();
    gradient.to_vec()
}

fn rtrl(problem: &UnitProblem<f64>, schedule: Schedule) -> Vec<f64> {
    let options = RtrlOptions { schedule, ..RtrlOptions::default() };
    gradient(problem, &mut Rtrl::new(&problem.network, problem.batch, options).unwrap())
}

fn assert_same(what: &str, network: &Network<f64>, found: &[f64], expected: &[f64], tolerance: f64) {
    for (name, indices) in parts(network) {
        let pick = |flat: &[f64]| indices.iter().map(|&index| flat[index]).collect::<Vec<_>>();
        assert_close(&format!("{what}: {name}"), &pick(found), &pick(expected), tolerance, 1e-6);
    }
}

fn check(what: &str, problem: &UnitProblem<f64>) {
    let expected = gradient(problem, &mut Bptt::new(&problem.network, problem.batch, problem.steps).unwrap());
    assert!(expected.iter().any(|&g| g != 0.0));
    for schedule in schedules(problem.steps) {
        let what = format!("{what}, {schedule}");
        assert_same(&what, &problem.network, &rtrl(problem, schedule), &expected, TOLERANCE);
    }
}

#[test]
fn for_every_cell() {
    for (index, cell) in diagonal_cells(3, 5).into_iter().enumerate() {
        for (steps, batch) in [(1, 1), (7, 2), (60, 11)] {
            let problem = UnitProblem::new(&[cell], 2, steps, batch, index as u64);
            check(&format!("{cell:?}, {steps} steps"), &problem);
        }
    }
}

#[test]
fn below_dense_layers() {
    for (index, cell) in diagonal_cells(3, 5).into_iter().enumerate() {
        let above = Dense::new(cell.output(), 4).unwrap().with_nonlinearity(Nonlinearity::Tanh);
        let problem = UnitProblem::new(&[cell, above.into()], 2, 23, 3, index as u64);
        check(&format!("{cell:?} below a dense layer"), &problem);
    }
}

#[test]
fn above_an_encoder() {
    for index in 0..diagonal_cells(3, 5).len() {
        let layers = stack(|input| diagonal_cells(input, 5)[index], 2);
        let problem = UnitProblem::new(&layers, 2, 31, 3, index as u64);
        let network = &problem.network;
        let expected = gradient(&problem, &mut Bptt::new(network, 3, 31).unwrap());
        for schedule in schedules(31) {
            let found = rtrl(&problem, schedule);
            for (name, indices) in parts(network).iter().filter(|(name, _)| !name.starts_with("layer 0")) {
                let pick = |flat: &[f64]| indices.iter().map(|&index| flat[index]).collect::<Vec<_>>();
                let what = format!("{layers:?}, {schedule}: {name}");
                assert_close(&what, &pick(&found), &pick(&expected), TOLERANCE, 1e-6);
            }
        }
    }
}

#[test]
fn over_784_steps() {
    for (index, cell) in diagonal_cells(2, 4).into_iter().enumerate() {
        check(&format!("{cell:?}"), &UnitProblem::new(&[cell], 1, 784, 2, index as u64));
    }
}

#[test]
fn schedules_agree_in_stacks() {
    for index in 0..diagonal_cells(3, 5).len() {
        let mut layers = stack(|input| diagonal_cells(input, 5)[index], 2);
        layers.push(Rtu::linear(4, 3).unwrap().into());
        let problem = UnitProblem::new(&layers, 2, 40, 3, index as u64);
        let expected = rtrl(&problem, Schedule::WholeSequence { max_steps: 40 });
        for schedule in schedules(40) {
            let found = rtrl(&problem, schedule);
            assert_same(&format!("{layers:?}, {schedule}"), &problem.network, &found, &expected, 1e-12);
        }
    }
}

/// dE/dx_t of the step alone: what BPTT finds where no step has a successor.
#[test]
fn inputs_learn_from_the_step_alone() {
    for (index, cell) in diagonal_cells(3, 5).into_iter().enumerate() {
        let layers = [Dense::new(2, 3).unwrap().into(), cell];
        let mut problem = UnitProblem::<f64>::new(&layers, 2, 12, 3, index as u64);
        problem.is_first.fill(true);
        let (network, length) = (problem.network.clone(), problem.inputs.len());
        let mut exact = Bptt::new(&network, 3, 12).unwrap().with_input_gradient().unwrap();
        let (mut gradient, mut expected) = (network.zero_gradient(), vec![f64::NAN; length]);
        exact.gradient_with_inputs(&network, &problem.sequences(), &mut gradient, &mut expected).unwrap();
        for schedule in schedules(12) {
            let options = RtrlOptions { schedule, input_gradient: true, ..RtrlOptions::default() };
            let mut rtrl = Rtrl::new(&network, 3, options).unwrap();
            let mut found = vec![f64::NAN; length];
            rtrl.gradient_with_inputs(&network, &problem.sequences(), &mut gradient, &mut found).unwrap();
            assert_close(&format!("{cell:?}, {schedule}"), &found, &expected, 1e-12, 1e-3);
        }
    }
}

#[test]
fn a_stream_is_a_sequence_fed_by_hand() {
    for (index, cell) in diagonal_cells(3, 5).into_iter().enumerate() {
        let layers = [Dense::new(2, 3).unwrap().into(), cell];
        let mut problem = UnitProblem::<f64>::new(&layers, 2, 20, 3, index as u64);
        problem.lengths.fill(20);
        problem.inputs.iter_mut().filter(|x| x.is_nan()).for_each(|x| *x = 0.3);
        let expected = rtrl(&problem, Schedule::Streaming);
        let options = RtrlOptions { input_gradient: true, ..RtrlOptions::default() };
        let mut stream = RtrlStream::new(&problem.network, 3, options).unwrap();
        let mut found = problem.network.zero_gradient();
        for t in 0..20 {
            let cells = t * 3..(t + 1) * 3;
            let inputs = &problem.inputs[cells.start * 2..cells.end * 2];
            stream.step(&problem.network, inputs, &problem.is_first[cells.clone()]).unwrap();
            let target = |cell: usize| {
                let there = problem.target_mask[cell];
                if there { Target::Values(&problem.values[cell * 2..(cell + 1) * 2]) } else { Target::Absent }
            };
            // Some steps are learned from in two halves, or not at all.
            let targets: Vec<_> = cells.map(target).collect();
            let halves =
                [[targets[0], Target::Absent, Target::Absent], [Target::Absent, targets[1], targets[2]]];
            if t % 3 == 0 {
                for half in halves {
                    stream.learn(&problem.network, &half, &mut found).unwrap();
                }
            } else if targets.iter().any(|&target| target != Target::Absent) {
                stream.learn(&problem.network, &targets, &mut found).unwrap();
            }
        }
        assert_same(&format!("{cell:?}"), &problem.network, &found, &expected, 1e-12);
        assert_eq!((stream.input_gradient().len(), stream.features().len()), (3 * 2, 3 * cell.output()));
    }
}

#[test]
fn the_published_code_leaves_out_a_factor_theta() {
    let cell = Cell::from(Rtu::linear(3, 5).unwrap());
    let problem = UnitProblem::<f64>::new(&[cell], 2, 30, 3, 1);
    let exact = rtrl(&problem, Schedule::default());
    let options = RtrlOptions { authors_theta_gradient: true, ..RtrlOptions::default() };
    let theirs = gradient(&problem, &mut Rtrl::new(&problem.network, 3, options).unwrap());
    for part in problem.network.layout().parts(0).unwrap() {
        let (mut found, expected) = (part.read(&theirs), part.read(&exact));
        if part.name() == "theta" {
            let w_theta = part.read(problem.network.parameters());
            assert!(relative_error(&found, &expected, 1e-9) > 0.1);
            found.iter_mut().zip(w_theta).for_each(|(g, w)| *g *= w.exp());
        }
        assert_close(part.name(), &found, &expected, 1e-12, 1e-6);
    }
}
