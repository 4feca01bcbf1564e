//! Claim: truncated BPTT is the exact gradient of the loss whose targets each look back L steps, the state before those
//! being a constant.

use crate::common::compare::assert_close;
use crate::common::differences::gradient;
use crate::common::problem::{Form, Problem, blocks, forms};
use crate::common::textbook::{Objective, Weights, loss, truncated_loss};
use eligibility::{
    Bptt, EpropOptions, EpropStream, Learner, Level, LstmState, Sequences, Targets, TruncatedBptt,
};
use proptest::prelude::*;

/// Below this magnitude a block's gradient is compared absolutely: finite differences are good to about 1e-13.
const FLOOR: f64 = 1e-4;

fn run(problem: &Problem<f64>, learner: &mut dyn Learner<f64>, sequences: &Sequences<'_, f64>) -> Vec<f64> {
    let mut gradient = problem.network.zero_gradient();
    learner.gradient(&problem.network, sequences, &mut gradient).unwrap();
    gradient.to_vec()
}

#[track_caller]
fn agree(what: &str, problem: &Problem<f64>, found: &[f64], expected: &[f64]) {
    let expected = blocks(&problem.network, expected);
    for ((name, found), (_, expected)) in blocks(&problem.network, found).iter().zip(&expected) {
        assert_close(&format!("{name}, {what}"), found, expected, 1e-12, 1e-3);
    }
}

fn check(form: Form, steps: usize) {
    let problem = Problem::<f64>::new(form);
    let weights = Weights(blocks(&problem.network, problem.network.parameters()).map(|(_, block)| block));
    let (value, record) = loss(&problem, &weights, Objective::Real, None);
    let expected = gradient(&weights, |weights| truncated_loss(&problem, weights, steps, &record));
    for level in Level::available() {
        let mut truncated =
            TruncatedBptt::new(&problem.network, form.batch, steps).unwrap().with_level(level);
        let mut found = problem.network.zero_gradient();
        // Twice: nothing of the first call may be left in the ring.
        for _ in 0..2 {
            let score = truncated.gradient(&problem.network, &problem.sequences(), &mut found).unwrap();
            assert_close("loss", &[score.loss / form.batch as f64], &[value], 1e-12, 1.0);
        }
        for ((name, found), expected) in blocks(&problem.network, &found).iter().zip(&expected) {
            assert_close(&format!("{name}, {level}, {steps} steps"), found, expected, 1e-7, FLOOR);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

    #[test]
    fn for_any_problem(form in forms(), steps in 1..10_usize) {
        check(form, steps);
    }
}

#[test]
fn across_several_shards_and_vectors() {
    check(Form::FULL, 3);
    check(Form { every_step: false, mask: false, ..Form::FULL }, 4);
}

proptest! {
    #[test]
    fn as_long_as_the_sequence_it_is_bptt(form in forms(), hidden in 1..30_usize, batch in 1..20_usize,
        longer in 0..3_usize) {
        let form = Form { hidden, batch, ..form };
        let problem = Problem::<f64>::new(form);
        let mut bptt = Bptt::new(&problem.network, batch, form.steps).unwrap();
        let mut truncated = TruncatedBptt::new(&problem.network, batch, form.steps + longer).unwrap();
        let expected = run(&problem, &mut bptt, &problem.sequences());
        let found = run(&problem, &mut truncated, &problem.sequences());
        agree("as long as the sequence", &problem, &found, &expected);
    }

    /// The instantaneous gradient: that of sequences of one step, each from the state in which the step found the rows.
    #[test]
    fn of_one_step_it_is_the_gradient_of_each_step_alone(form in forms()) {
        let form = Form { every_step: true, lengths: false, initial: false, mask: false, ..form };
        let problem = Problem::<f64>::new(form);
        let (network, hidden, cells) = (&problem.network, form.hidden, form.steps * form.batch);
        let mut stream = EpropStream::new(network, form.batch, EpropOptions::default()).unwrap();
        let mut before = LstmState::zeros(network.layers()[0].as_lstm().unwrap(), cells).unwrap();
        let units = form.batch * hidden;
        for t in 0..form.steps {
            before.cell[t * units..(t + 1) * units].copy_from_slice(&stream.state(0).cell);
            before.hidden[t * units..(t + 1) * units].copy_from_slice(&stream.state(0).hidden);
            let input = &problem.inputs[t * form.batch * form.input..][..form.batch * form.input];
            stream.step(network, input, &problem.is_first[t * form.batch..][..form.batch]).unwrap();
        }
        let targets = if form.classes {
            Targets::EveryClass(&problem.classes)
        } else {
            Targets::EveryValues(&problem.values)
        };
        let alone = Sequences::new(1, cells, &problem.inputs, targets).unwrap();
        let alone = alone.with_resets(&problem.is_first).unwrap().starting_from(std::slice::from_ref(&before));
        let mean = run(&problem, &mut Bptt::new(network, cells, 1).unwrap(), &alone);
        // Over so many times more rows.
        let expected: Vec<_> = mean.iter().map(|g| g * form.steps as f64).collect();
        let mut truncated = TruncatedBptt::new(network, form.batch, 1).unwrap();
        let found = run(&problem, &mut truncated, &problem.sequences());
        agree("one step", &problem, &found, &expected);
    }
}

/// Between the two it must differ from both: otherwise the claims above would be about nothing.
#[test]
fn and_truncates() {
    let problem = Problem::<f64>::new(Form { steps: 8, seed: 3, ..Form::PLAIN });
    let gradients = [1, 2, 4, 8].map(|steps| {
        let mut truncated = TruncatedBptt::new(&problem.network, problem.form.batch, steps).unwrap();
        assert_eq!(truncated.steps(), steps);
        run(&problem, &mut truncated, &problem.sequences())
    });
    let exact = &gradients[3];
    let errors = [0, 1, 2].map(|k| crate::common::compare::relative_error(&gradients[k], exact, 0.0));
    assert!(errors[0] > errors[1] && errors[1] > errors[2] && errors[2] > 1e-4, "{errors:?}");
}

/// A row that is not finite until a reset, while another one ends and is learned from.
#[test]
fn what_is_not_finite_stays_with_its_row_and_episode() {
    let form = Form { steps: 9, batch: 2, every_step: false, ..Form::PLAIN };
    let problem = Problem::<f64>::new(form);
    let mut is_first = vec![false; form.steps * form.batch];
    is_first[6 * form.batch] = true;
    let mut poisoned = problem.inputs.clone();
    for t in 0..6 {
        poisoned[t * form.batch * form.input..][..form.input].fill(f64::NAN);
    }
    for steps in [1, 2, 4, 9, 20] {
        let mut truncated = TruncatedBptt::new(&problem.network, form.batch, steps).unwrap();
        let [clean, poisoned] = [&problem.inputs, &poisoned].map(|inputs| {
            let targets = Targets::LastClass(&problem.classes);
            let sequences = Sequences::new(form.steps, form.batch, inputs, targets).unwrap();
            let sequences = sequences.with_resets(&is_first).unwrap().with_lengths(&[9, 4]).unwrap();
            run(&problem, &mut truncated, &sequences)
        });
        assert_eq!(poisoned, clean, "{steps} steps");
        assert!(clean.iter().all(|g| g.is_finite()));
    }
}
