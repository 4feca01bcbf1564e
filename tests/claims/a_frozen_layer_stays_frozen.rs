//! Claim: `ReadoutOnly` has BPTT's gradient for the readout and none for the layers, which no optimiser then moves.

use eligibility::{
    Adam, Bptt, BpttOptions, Evaluator, EvaluatorOptions, Level, Optimizer, ReadoutOnly, RmsProp, Scalar, Sgd,
};
use proptest::prelude::*;

use crate::common::cells::{all_cells, alone, lstm, recurrent_cells, stacks};
use crate::common::compare::{assert_same_in, parts};
use crate::common::problem::{Form, Problem, forms};

/// Below `floor` a part is compared absolutely.
fn check(form: Form, floor: f64) {
    let problem = Problem::<f64>::new(form);
    let (network, &Form { batch, steps, .. }) = (&problem.network, &problem.form);
    let (score, expected) =
        problem.learn(&mut Bptt::new(network, batch, steps, BpttOptions::default()).unwrap());
    for level in Level::available() {
        let options = EvaluatorOptions { level: Some(level) };
        let mut readout_only = ReadoutOnly::new(network, batch, options).unwrap();
        let (other, found) = problem.learn(&mut readout_only);
        assert_eq!((score.targets, score.correct), (other.targets, other.correct));
        assert!((score.loss - other.loss).abs() <= 1e-12 * score.loss.max(1.0));
        let mut evaluator = Evaluator::new(network, batch, options).unwrap();
        assert_eq!(evaluator.score(network, &problem.sequences()).unwrap(), other);
        for (name, indices) in parts(network) {
            let zero = indices.iter().all(|&index| found[index] == 0.0);
            assert!(zero || name.starts_with("readout"), "{name}");
        }
        let readout = |name: &str| name.starts_with("readout");
        assert_same_in(readout, "readout only", network, [&found, &expected], 1e-12, floor);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, ..ProptestConfig::default() })]

    #[test]
    fn for_any_problem(form in forms(stacks(all_cells, 1..4, 1..30)), batch in 1..20_usize) {
        check(Form { batch, ..form }, 1e-3);
    }
}

#[test]
fn over_many_steps() {
    for (index, layers) in alone(recurrent_cells, 3, 4).into_iter().enumerate() {
        check(Form::long(layers, 40, 19, index as u64), 1e-6);
    }
}

fn train<T: Scalar>(every_step: bool) {
    let problem = Problem::<T>::new(Form { every_step, ..Form::full(lstm(3, 11)) });
    let network = &problem.network;
    let optimizers: [Box<dyn Optimizer<T>>; 3] = [
        Box::new(Sgd::new(network, 0.1).unwrap()),
        Box::new(RmsProp::new(network, 0.01).unwrap()),
        Box::new(Adam::new(network, 0.01).unwrap()),
    ];
    for mut optimizer in optimizers {
        let mut trained = problem.clone();
        let options = EvaluatorOptions::default();
        let mut readout_only = ReadoutOnly::new(network, problem.form.batch, options).unwrap();
        let mut losses = Vec::new();
        for _ in 0..30 {
            let (score, gradient) = trained.learn(&mut readout_only);
            optimizer.update(trained.network.parameters_mut(), &gradient).unwrap();
            losses.push(score.loss);
        }
        for (name, indices) in parts(network) {
            let bits = |flat: &[T]| indices.iter().map(|&i| flat[i].to_f64().to_bits()).collect::<Vec<_>>();
            let moved = bits(trained.network.parameters()) != bits(network.parameters());
            assert_eq!(moved, name.starts_with("readout"), "{name}");
        }
        assert!(losses[29] < losses[0], "{losses:?}");
    }
}

#[test]
fn no_optimiser_moves_the_layers() {
    train::<f32>(true);
    train::<f64>(false);
}
