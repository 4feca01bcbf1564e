//! Claim: inputs that are subnormal numbers give the bits that zeros give: they are rounded away before anything is multiplied
//! with them, which takes some CPUs a hundred cycles each time.

use crate::common::cells::{all_cells, alone, mixed_stacks};
use crate::common::learners::{Setup, learners, streams};
use crate::common::problem::{Form, Problem};

/// The problem with this number for all inputs, with either sign.
fn with(form: &Form, number: f32) -> Problem<f32> {
    let mut problem = Problem::<f32>::new(Form { shortest: 1.0, ..form.clone() });
    for (index, x) in problem.inputs.iter_mut().enumerate() {
        *x = if index % 2 == 0 { number } else { -number };
    }
    problem
}

#[test]
fn for_every_cell_and_learner() {
    for (index, layers) in [alone(all_cells, 2, 5), mixed_stacks()].concat().into_iter().enumerate() {
        let form = Form::long(layers, 20, 3, index as u64);
        let problems = [0.0, 1e-40].map(|number| with(&form, number));
        assert_ne!(problems[0].inputs, problems[1].inputs);
        for ((name, mut one), (_, mut other)) in
            learners(&problems[0]).into_iter().zip(learners(&problems[1]))
        {
            assert_eq!(problems[0].learn(&mut *one), problems[1].learn(&mut *other), "{name}, {form:?}");
        }
        let of = |problem: &Problem<f32>| streams(problem, form.batch, Setup::default());
        for ((name, mut one), (_, mut other)) in of(&problems[0]).into_iter().zip(of(&problems[1])) {
            for t in 0..form.steps {
                let [y, z] =
                    [(&mut one, &problems[0]), (&mut other, &problems[1])].map(|(stream, problem)| {
                        let (input, is_first) = problem.step(t);
                        stream.step(&problem.network, input, is_first).unwrap()
                    });
                assert_eq!(y, z, "{name}, step {t}");
            }
        }
    }
}
