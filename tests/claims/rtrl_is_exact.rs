//! Claim: RTRL's gradient, and that of e-prop, is that of BPTT, weight by weight, at every length up to 784 steps, with resets, masks and
//! lengths, in all schedules; for every cell whose units do not read each other, also between dense layers.

use eligibility::{Bptt, BpttOptions, Rtrl, RtrlOptions, Rtu, Scalar};

use crate::common::cells::{alone, between, dense, diagonal_cells};
use crate::common::compare::{assert_close, assert_same_in, relative_error};
use crate::common::learners::{Setup, scheduled, schedules};
use crate::common::problem::{Form, Problem};

/// Asked for is 1e-10; what rounding makes of some hundred terms is far below.
const TOLERANCE: f64 = 1e-11;

/// Of the parts of the network whose name `of` wants.
fn check_in<T: Scalar>(of: impl Fn(&str) -> bool, form: Form, tolerance: f64, floor: f64) {
    let problem = Problem::<T>::new(form);
    let (network, Form { batch, steps, layers, .. }) = (&problem.network, &problem.form);
    let (_, expected) =
        problem.learn(&mut Bptt::new(network, *batch, *steps, BpttOptions::default()).unwrap());
    assert!(expected.iter().any(|&g| g != T::ZERO));
    for schedule in schedules(*steps) {
        let learners = scheduled(&problem, schedule, Setup::default());
        assert_eq!(learners.len(), 2);
        for (name, mut learner) in learners {
            let (_, found) = problem.learn(&mut *learner);
            let what = format!("{layers:?}, {steps} steps, {name}");
            assert_same_in(&of, &what, network, [&found, &expected], tolerance, floor);
        }
    }
}

fn check(form: Form) {
    check_in::<f64>(|_| true, form, TOLERANCE, 1e-6);
}

#[test]
fn for_every_cell() {
    for (index, layers) in alone(diagonal_cells, 3, 5).into_iter().enumerate() {
        check(Form { targets: 1.0, ..Form::long(layers.clone(), 1, 1, index as u64) });
        for (steps, batch) in [(7, 2), (60, 11)] {
            check(Form::long(layers.clone(), steps, batch, index as u64));
        }
    }
}

#[test]
fn below_dense_layers() {
    for (index, cell) in diagonal_cells(3, 5).into_iter().enumerate() {
        check(Form::long(vec![cell, dense(cell.output(), 4)], 23, 3, index as u64));
    }
}

#[test]
fn above_an_encoder() {
    for (index, layers) in between(diagonal_cells, 2, 5).into_iter().enumerate() {
        let not_the_encoder = |name: &str| !name.starts_with("layer 0");
        check_in::<f64>(not_the_encoder, Form::long(layers, 31, 3, index as u64), TOLERANCE, 1e-6);
    }
}

#[test]
fn over_784_steps() {
    for (index, layers) in alone(diagonal_cells, 2, 4).into_iter().enumerate() {
        check(Form { output: 1, ..Form::long(layers, 784, 2, index as u64) });
    }
}

/// In `f32` the schedules differ by rounding: at most some hundred products of at most a few hundred terms.
#[test]
fn in_f32_too() {
    for (index, layers) in alone(diagonal_cells, 3, 20).into_iter().enumerate() {
        check_in::<f32>(|_| true, Form::long(layers, 60, 5, index as u64), 1e-4, 1e-3);
    }
}

#[test]
fn the_published_code_leaves_out_a_factor_theta() {
    let layers = vec![Rtu::linear(3, 5).unwrap().into()];
    let problem = Problem::<f64>::new(Form::long(layers, 30, 3, 1));
    let [exact, theirs] = [false, true].map(|authors_theta_gradient| {
        let options = RtrlOptions { authors_theta_gradient, ..RtrlOptions::default() };
        problem.learn(&mut Rtrl::new(&problem.network, 3, options).unwrap()).1
    });
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
