//! Claim: stepping a stream and learning at some steps adds up to the gradient of the whole sequence.

use crate::common::compare::assert_close;
use crate::common::problem::{Form, Problem, blocks, forms};
use eligibility::{Echo, Eprop, EpropOptions, EpropStream, Learner, Target};
use proptest::prelude::*;

fn target(problem: &Problem<f64>, index: usize) -> Target<'_, f64> {
    if !problem.target_mask[index] {
        Target::Absent
    } else if problem.form.classes {
        Target::Class(problem.classes[index])
    } else {
        Target::Values(&problem.values[index * problem.form.output..][..problem.form.output])
    }
}

proptest! {
    #[test]
    fn for_any_problem(form in forms(), random: bool, twice: bool) {
        let form = Form { lengths: false, initial: false, ..form };
        let problem = Problem::<f64>::new(form);
        let options = || problem.options(random);
        // The literal echo of a step belongs to its first learning signal alone.
        let twice = twice && !matches!(form.echo, Echo::Literal { .. });
        let mut eprop = Eprop::new(&problem.network, form.batch, options()).unwrap();
        let mut expected = problem.network.zero_gradient();
        let score = eprop.gradient(&problem.network, &problem.sequences(), &mut expected).unwrap();

        let mut stream = EpropStream::new(&problem.network, form.batch, options()).unwrap();
        let mut found = problem.network.zero_gradient();
        let mut loss = 0.0;
        for t in 0..form.steps {
            let cells = t * form.batch..(t + 1) * form.batch;
            let input = &problem.inputs[cells.start * form.input..cells.end * form.input];
            stream.step(&problem.network, input, &problem.is_first[cells.clone()]).unwrap();
            if form.every_step || t + 1 == form.steps {
                let start = if form.every_step { cells.start } else { 0 };
                let targets: Vec<_> = (0..form.batch).map(|row| target(&problem, start + row)).collect();
                loss += stream.learn(&problem.network, &targets, &mut found).unwrap().loss;
                if twice {
                    // The second call of a step finds the traces settled, and must add the same again.
                    stream.learn(&problem.network, &targets, &mut found).unwrap();
                }
            }
        }
        if twice {
            found.iter_mut().for_each(|g| *g *= 0.5);
        }
        assert_close("loss", &[loss], &[score.loss], 1e-12, 1e-3);
        let pairs = blocks(&problem.network, &found).into_iter().zip(blocks(&problem.network, &expected));
        for ((name, found), (_, expected)) in pairs {
            assert_close(name, &found, &expected, 1e-12, 1e-6);
        }
    }
}

#[test]
fn a_replayed_stream_repeats_its_bits() {
    let form = Form { hidden: 9, output: 2, batch: 1, ..Form::PLAIN };
    let problem = Problem::<f32>::new(form);
    let mut stream = EpropStream::new(&problem.network, 1, EpropOptions::default()).unwrap();
    let mut gradient = problem.network.zero_gradient();
    let mut run = |stream: &mut EpropStream<f32>| {
        gradient.fill(0.0);
        for input in problem.inputs.chunks_exact(2) {
            stream.step(&problem.network, input, &[false]).unwrap();
            stream.learn(&problem.network, &[Target::Class(1)], &mut gradient).unwrap();
        }
        gradient.clone()
    };
    run(&mut stream);
    let saved = stream.clone();
    let first = run(&mut stream);
    let mut replayed = saved;
    assert_eq!(run(&mut replayed), first);
    assert_eq!(replayed, stream);
}
