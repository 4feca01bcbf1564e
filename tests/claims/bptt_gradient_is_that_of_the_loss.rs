//! Claim: the BPTT gradient is the exact gradient of the loss, by weights and by inputs, for every cell and any stack.

use eligibility::{Bptt, BpttOptions, Level};
use proptest::prelude::*;

use crate::common::cells::{all_cells, alone, between, lstm, mixed_stacks, recurrent_cells, smooth, stacks};
use crate::common::compare::{assert_close, assert_same, parts, pick, relative_error};
use crate::common::differences::{differences, differences_of};
use crate::common::problem::{Form, Problem, forms};
use crate::common::textbook::{Objective, Paths, loss, objective};

/// Below this magnitude a part's gradient is compared absolutely: finite differences are good to about 1e-13.
const FLOOR: f64 = 1e-4;

fn check(form: &Form) {
    let problem = Problem::<f64>::new(form.clone()).tame();
    let network = &problem.network;
    let value = loss(&problem, network.parameters(), Paths::All);
    let mut expected = network.zero_gradient();
    for (_, indices) in parts(network) {
        let slopes = differences(network.parameters(), &indices, |flat| loss(&problem, flat, Paths::All));
        indices.iter().zip(slopes).for_each(|(&index, slope)| expected[index] = slope);
    }
    let (beyond, there): (Vec<_>, Vec<_>) =
        (0..problem.inputs.len()).partition(|&index| problem.inputs[index].is_nan());
    let by_inputs = differences(&problem.inputs, &there, |inputs| {
        objective(&problem, network.parameters(), inputs, Objective::Loss, Paths::All)
    });
    for level in Level::available() {
        let options = BpttOptions { input_gradient: true, level: Some(level) };
        let mut bptt = Bptt::new(network, form.batch, form.steps + 1, options).unwrap();
        // Twice: nothing of the first call may be left on the tape.
        for _ in 0..2 {
            let (score, gradient, found) = problem.learn_with_inputs(&mut bptt);
            assert_close("loss", &[score.loss / form.batch as f64], &[value], 1e-12, 1.0);
            let what = format!("{form:?}, {level}");
            assert_same(&what, network, &gradient, &expected, 1e-7, FLOOR);
            assert_close(&format!("{what}: inputs"), &pick(&found, &there), &by_inputs, 1e-7, FLOOR);
            assert!(beyond.iter().all(|&index| found[index] == 0.0));
        }
        let mut alone =
            Bptt::new(network, form.batch, form.steps, BpttOptions { input_gradient: false, ..options })
                .unwrap();
        assert_eq!(problem.learn(&mut alone), problem.learn(&mut bptt));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

    #[test]
    fn for_any_problem(form in forms(stacks(all_cells, 1..4, 1..5))) {
        check(&form);
    }
}

#[test]
fn of_every_cell() {
    for (index, layers) in alone(recurrent_cells, 2, 3).into_iter().enumerate() {
        if layers.iter().all(smooth) {
            check(&Form::long(layers, 9, 3, index as u64));
        }
    }
    for (index, layers) in between(recurrent_cells, 2, 2).into_iter().enumerate() {
        if layers.iter().all(smooth) {
            check(&Form::long(layers, 7, 2, index as u64));
        }
    }
}

#[test]
fn of_layers_of_different_kinds() {
    for (index, layers) in mixed_stacks().into_iter().enumerate() {
        check(&Form { initial: true, ..Form::long(layers, 8, 3, index as u64) });
    }
}

#[test]
fn across_several_shards_and_vectors() {
    check(&Form { every_step: false, ..Form::full(lstm(3, 11)) });
}

/// Where no preactivation is near 0: there, differences over steps of two sizes agree, which they do not over a kink.
#[test]
fn of_relu_away_from_its_kinks() {
    for layers in alone(recurrent_cells, 2, 3).into_iter().filter(|layers| !smooth(&layers[0])) {
        let smooth_problem = |seed: u64| {
            let problem = Problem::<f64>::new(Form::long(layers.clone(), 9, 2, seed)).tame();
            let (network, f) = (&problem.network, |flat: &[f64]| loss(&problem, flat, Paths::All));
            let indices: Vec<_> = (0..network.parameters().len()).collect();
            let [coarse, fine] =
                [1e-3, 4e-4].map(|size| differences_of(size, network.parameters(), &indices, f));
            let recurrent = network.layout().parts(0).unwrap().pop().unwrap();
            let alive = recurrent.indices().all(|index| fine[index].abs() > 1e-4);
            (alive && relative_error(&coarse, &fine, 1e-3) < 1e-8).then_some(problem.form)
        };
        let form = (0..1000).find_map(smooth_problem).expect("not every problem is near a kink or dead");
        check(&form);
    }
}
