//! Claim: the gradient is the same to the bit for any number of threads, and from run to run.

use crate::common::cells::{kinds, lstm};
use crate::common::learners::{Named, learners};
use crate::common::problem::{Form, Problem};

/// Large enough for several shards and for the library to use threads at all.
fn check(form: Form, threads: &[usize]) {
    let problem = Problem::<f32>::new(form);
    let results = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        let learn = |(name, mut learner): Named<f32>| (name, problem.learn(&mut *learner));
        pool.install(|| learners(&problem).into_iter().map(learn).collect::<Vec<_>>())
    };
    let expected = results(1);
    for (name, (_, gradient)) in &expected {
        assert!(gradient.iter().any(|&g| g != 0.0), "{name}: nothing was computed");
    }
    for &threads in threads {
        for (found, expected) in results(threads).into_iter().zip(&expected) {
            assert_eq!(&found, expected, "{:?} with {threads} threads", problem.form);
        }
    }
}

#[test]
fn of_an_lstm() {
    let form = Form { output: 4, steps: 40, batch: 50, seed: 11, ..Form::full(lstm(2, 64)) };
    check(Form { targets: 1.0, initial: false, ..form }, &[1, 2, 3, 8]);
}

#[test]
fn of_every_kind_of_cell() {
    for cell in kinds(3, 33) {
        check(Form::long(vec![cell], 40, 37, 1), &[2, 3]);
    }
}
