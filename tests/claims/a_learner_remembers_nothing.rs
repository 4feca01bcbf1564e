//! Claim: a learner gives the same bits as a new one, whatever it was used for before: other weights, other sequences.

use crate::common::problem::{Form, Problem};
use eligibility::{
    Bptt, Echo, Eprop, EpropOptions, Evaluator, Learner, Network, ReadoutOnly, Schedule, TruncatedBptt,
};

fn check<L: Learner<f64>>(name: &str, form: Form, make: impl Fn(&Network<f64>) -> L) {
    let (before, now) = (Problem::<f64>::new(Form { seed: 1, ..form }), Problem::<f64>::new(form));
    let (mut used, mut new) = (make(&before.network), make(&now.network));
    let run = |learner: &mut L, problem: &Problem<f64>| {
        let mut gradient = problem.network.zero_gradient();
        let score = learner.gradient(&problem.network, &problem.sequences(), &mut gradient).unwrap();
        (score, gradient)
    };
    run(&mut used, &before);
    assert_ne!(run(&mut used, &before), run(&mut used, &now), "{name}: the problems do not differ");
    assert_eq!(run(&mut used, &now), run(&mut new, &now), "{name}");
}

#[test]
fn of_weights_and_sequences() {
    for batch in [1, 3, 20] {
        for every_step in [false, true] {
            let echo = if batch == 1 { Echo::Literal { alpha: 0.1 } } else { Echo::Modulated { alpha: 0.1 } };
            let form = Form { batch, every_step, steps: 9, echo, ..Form::FULL };
            let max_steps = form.steps;
            for schedule in [Schedule::Streaming, Schedule::Blocked(4), Schedule::WholeSequence { max_steps }]
            {
                check(&schedule.to_string(), form, |network| {
                    let options = EpropOptions { schedule, echo, ..EpropOptions::default() };
                    Eprop::new(network, batch, options).unwrap()
                });
            }
            check("BPTT", form, |network| Bptt::new(network, batch, max_steps).unwrap());
            check("truncated BPTT", form, |network| TruncatedBptt::new(network, batch, 4).unwrap());
            check("readout only", form, |network| ReadoutOnly::new(network, batch).unwrap());
            let (before, now) = (Problem::<f64>::new(Form { seed: 1, ..form }), Problem::<f64>::new(form));
            let mut used = Evaluator::new(&before.network, batch).unwrap();
            used.score(&before.network, &before.sequences()).unwrap();
            let mut new = Evaluator::new(&now.network, batch).unwrap();
            let scores = [&mut used, &mut new].map(|it| it.score(&now.network, &now.sequences()).unwrap());
            assert_eq!(scores[0], scores[1]);
        }
    }
}
