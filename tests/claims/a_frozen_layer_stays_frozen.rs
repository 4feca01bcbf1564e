//! Claim: `ReadoutOnly` has BPTT's gradient for the readout and none for the LSTM, which no optimiser then moves.

use crate::common::compare::assert_close;
use crate::common::problem::{Form, Problem, blocks, forms};
use eligibility::{Adam, Bptt, Evaluator, Learner, Level, Optimizer, ReadoutOnly, RmsProp, Scalar, Sgd};
use proptest::prelude::*;

proptest! {
    #[test]
    fn for_any_problem(form in forms(), hidden in 1..30_usize, batch in 1..20_usize) {
        let form = Form { hidden, batch, ..form };
        let problem = Problem::<f64>::new(form);
        let (network, sequences) = (&problem.network, problem.sequences());
        let mut expected = network.zero_gradient();
        let mut bptt = Bptt::new(network, batch, form.steps).unwrap();
        let score = bptt.gradient(network, &sequences, &mut expected).unwrap();
        for level in Level::available() {
            let mut readout_only = ReadoutOnly::new(network, batch).unwrap().with_level(level);
            let mut found = network.zero_gradient();
            found.fill(7.0);
            let other = readout_only.gradient(network, &sequences, &mut found).unwrap();
            assert_eq!((score.targets, score.correct), (other.targets, other.correct));
            let mut evaluator = Evaluator::new(network, batch).unwrap().with_level(level);
            assert_eq!(evaluator.score(network, &sequences).unwrap(), other);
            assert!(found[network.layout().lstm(0).range()].iter().all(|&g| g == 0.0));
            for ((name, found), (_, expected)) in blocks(network, &found).iter().zip(&blocks(network, &expected)).skip(3) {
                assert_close(name, found, expected, 1e-12, 1e-3);
            }
        }
    }
}

fn check<T: Scalar>(every_step: bool) {
    let problem = Problem::<T>::new(Form { every_step, ..Form::FULL });
    let network = &problem.network;
    let mut optimizers: Vec<Box<dyn Optimizer<T>>> = vec![
        Box::new(Sgd::new(network, 0.1).unwrap()),
        Box::new(RmsProp::new(network, 0.01).unwrap()),
        Box::new(Adam::new(network, 0.01).unwrap()),
    ];
    let parts = |parameters: &[T]| {
        let bits = |range: std::ops::Range<usize>| {
            parameters[range].iter().map(|w| w.to_f64().to_bits()).collect::<Vec<_>>()
        };
        [network.layout().lstm(0), network.layout().readout()].map(|block| bits(block.range()))
    };
    let before = parts(network.parameters());
    for optimizer in &mut optimizers {
        let mut trained = network.clone();
        let mut readout_only = ReadoutOnly::new(network, problem.form.batch).unwrap();
        let mut gradient = network.zero_gradient();
        let mut losses = Vec::new();
        for _ in 0..30 {
            let score = readout_only.gradient(&trained, &problem.sequences(), &mut gradient).unwrap();
            optimizer.update(trained.parameters_mut(), &gradient).unwrap();
            losses.push(score.loss);
        }
        let after = parts(trained.parameters());
        assert_eq!(after[0], before[0], "an LSTM weight has moved");
        assert_ne!(after[1], before[1]);
        assert!(losses[29] < losses[0], "{losses:?}");
    }
}

#[test]
fn no_optimiser_moves_the_lstm() {
    check::<f32>(true);
    check::<f64>(false);
}
