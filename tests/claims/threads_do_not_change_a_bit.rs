//! Claim: the gradient is the same to the bit for any number of threads, and from run to run.

use crate::common::problem::{Form, Problem};
use eligibility::{Bptt, Eprop, EpropOptions, Learner, ReadoutOnly, Schedule, TruncatedBptt};

/// Large enough for several shards and for the library to use threads at all.
const FORM: Form = Form {
    hidden: 64,
    output: 4,
    steps: 40,
    batch: 50,
    resets: true,
    lengths: true,
    seed: 11,
    ..Form::PLAIN
};

fn check<L: Learner<f32> + Send>(name: &str, problem: &Problem<f32>, make: impl Fn() -> L + Sync) {
    let run = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| {
            let mut learner = make();
            let mut gradient = problem.network.zero_gradient();
            let score = learner.gradient(&problem.network, &problem.sequences(), &mut gradient).unwrap();
            (score, gradient)
        })
    };
    let expected = run(1);
    assert!(expected.1.iter().any(|&g| g != 0.0), "{name}: nothing was computed");
    for threads in [1, 2, 3, 8] {
        assert_eq!(run(threads), expected, "{name} with {threads} threads");
    }
}

#[test]
fn for_any_learner() {
    let problem = Problem::<f32>::new(FORM);
    for schedule in
        [Schedule::Streaming, Schedule::Blocked(16), Schedule::WholeSequence { max_steps: FORM.steps }]
    {
        check(&format!("{schedule:?}"), &problem, || {
            Eprop::new(&problem.network, FORM.batch, EpropOptions { schedule, ..EpropOptions::default() })
                .unwrap()
        });
    }
    check("BPTT", &problem, || Bptt::new(&problem.network, FORM.batch, FORM.steps).unwrap());
    check("truncated BPTT", &problem, || TruncatedBptt::new(&problem.network, FORM.batch, 7).unwrap());
    check("readout only", &problem, || ReadoutOnly::new(&problem.network, FORM.batch).unwrap());
}
