//! Claim: streaming traces, blocks of any length and the whole-sequence reverse form are the same sum.

use crate::common::compare::assert_close;
use crate::common::problem::{Form, Problem, blocks, forms};
use eligibility::{Echo, Eprop, EpropOptions, Learner, Level, Scalar, Schedule};
use proptest::prelude::*;

fn check<T: Scalar>(form: Form, block: usize, random: bool, tolerance: f64) {
    let problem = Problem::<T>::new(form);
    for level in Level::available() {
        let run = |schedule| {
            let options = EpropOptions { schedule, level: Some(level), ..problem.options(random) };
            let mut eprop = Eprop::new(&problem.network, form.batch, options).unwrap();
            let mut gradient = problem.network.zero_gradient();
            let score = eprop.gradient(&problem.network, &problem.sequences(), &mut gradient).unwrap();
            (score, blocks(&problem.network, &gradient))
        };
        let (score, streaming) = run(Schedule::Streaming);
        let whole = Schedule::WholeSequence { max_steps: 300 };
        for schedule in [whole, Schedule::Blocked(block), Schedule::Blocked(form.steps), Schedule::default()]
        {
            let (other_score, other) = run(schedule);
            assert_eq!(
                (score.targets, score.correct),
                (other_score.targets, other_score.correct),
                "{schedule}"
            );
            for ((name, streaming), (_, other)) in streaming.iter().zip(&other) {
                let what = format!("{name}, {schedule}, {}, {level}", T::NAME);
                assert_close(&what, streaming, other, tolerance, 1e-3);
            }
        }
    }
}

proptest! {
    #[test]
    fn for_any_problem(form in forms(), steps in 1..200_usize, hidden in 1..40_usize, block in 1..40_usize,
        batch in 1..20_usize, random: bool) {
        let form = Form { hidden, steps, ..form };
        // An echo multiplies a learning signal with up to `steps` traces more, alpha of each, and these terms may cancel:
        // they are rounded relative to their own size, not to what is left of them.
        let terms = match form.echo {
            Echo::Off => 1.0,
            Echo::Modulated { alpha } | Echo::Literal { alpha } => 1.0 + alpha.abs() * steps as f64,
        };
        check::<f32>(form, block, random, 1e-5 * terms);
        // More rows, so that there are several shards.
        check::<f64>(Form { batch, ..form }, block, random, 1e-12);
    }
}
