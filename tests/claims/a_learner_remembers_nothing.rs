//! Claim: a learner gives the same bits as a new one, whatever it was used for before: other weights, other sequences.

use eligibility::{Echo, Evaluator, EvaluatorOptions};

use crate::common::cells::{between, lstm, recurrent_cells};
use crate::common::learners::learners;
use crate::common::problem::{Form, Problem};

fn check(form: Form) {
    let before = Problem::<f64>::new(Form { seed: form.seed + 1000, ..form.clone() });
    let now = Problem::<f64>::new(form);
    for ((name, mut used), (_, mut new)) in learners(&before).into_iter().zip(learners(&now)) {
        let other = before.learn(&mut *used);
        assert_ne!(other, now.learn(&mut *used), "{name}: the problems do not differ");
        assert_eq!(now.learn(&mut *used), now.learn(&mut *new), "{name}, {:?}", now.form);
    }
    let mut used = Evaluator::new(&before.network, before.form.batch, EvaluatorOptions::default()).unwrap();
    used.score(&before.network, &before.sequences()).unwrap();
    let mut new = Evaluator::new(&now.network, now.form.batch, EvaluatorOptions::default()).unwrap();
    let scores = [&mut used, &mut new].map(|it| it.score(&now.network, &now.sequences()).unwrap());
    assert_eq!(scores[0], scores[1]);
}

#[test]
fn of_weights_and_sequences() {
    for batch in [1, 3, 20] {
        for every_step in [false, true] {
            let echo = if batch == 1 { Echo::Literal { alpha: 0.1 } } else { Echo::Modulated { alpha: 0.1 } };
            check(Form { batch, every_step, steps: 9, echo, ..Form::full(lstm(3, 11)) });
        }
    }
}

#[test]
fn in_a_stack_of_any_cells() {
    for (index, layers) in between(recurrent_cells, 2, 4).into_iter().enumerate() {
        check(Form::long(layers, 20, 3, index as u64));
    }
}
