//! Claim: a network without a readout gives what its top layer gives; networks of which one's output is the next one's input,
//! and the next one's input gradient its error, learn what one network of all their layers learns.

use eligibility::{At, Bptt, Dense, Evaluator, EvaluatorOptions, Learner, Network, Schedule, Targets};

use crate::common::cells::{alone, kinds, mixed_stacks};
use crate::common::compare::{assert_close, assert_same};
use crate::common::learners::{Setup, learners_of_layers, scheduled, streams};
use crate::common::problem::{Form, Problem};

/// Some layers of the problem's network as a network of their own, with the same weights.
fn part_of(problem: &Problem<f64>, layers: std::ops::Range<usize>) -> Network<f64> {
    let mut part = Network::without_readout(&problem.form.layers[layers.clone()]).unwrap();
    for (index, layer) in layers.enumerate() {
        let places = (part.layout().range(index), problem.network.layout().range(layer));
        part.parameters_mut()[places.0].copy_from_slice(&problem.network.parameters()[places.1]);
    }
    part
}

/// The readout as two networks of one linear layer each, of so many outputs.
fn heads(problem: &Problem<f64>, outputs: [usize; 2]) -> [Network<f64>; 2] {
    let mut first = 0;
    outputs.map(|count| {
        let features = problem.form.layers.last().unwrap().output();
        let mut head = Network::without_readout(&[Dense::new(features, count).unwrap()]).unwrap();
        let parts = head.layout().parts(0).unwrap();
        for (part, readout) in parts.iter().zip(problem.network.layout().readout_parts()) {
            let all = readout.read(problem.network.parameters());
            let rows = first * readout.columns()..(first + count) * readout.columns();
            part.write(head.parameters_mut(), &all[rows]).unwrap();
        }
        first += count;
        head
    })
}

/// Gradients of parts and heads, put together as that of the whole.
fn together(problem: &Problem<f64>, parts: &[Vec<f64>], heads: [&[f64]; 2]) -> Vec<f64> {
    let (layout, mut whole) = (problem.network.layout(), vec![0.0; problem.network.layout().len()]);
    let layers = 0..layout.range(problem.form.layers.len()).start;
    whole[layers].copy_from_slice(&parts.concat());
    let outputs = [1, problem.form.output - 1];
    let networks = self::heads(problem, outputs);
    for (which, readout) in layout.readout_parts().iter().enumerate() {
        let read = |(network, gradient): (&Network<f64>, &[f64])| {
            network.layout().parts(0).unwrap()[which].read(gradient)
        };
        let rows: Vec<f64> = networks.iter().zip(heads).flat_map(read).collect();
        readout.write(&mut whole, &rows).unwrap();
    }
    whole
}

/// Every stack cut in two.
fn cut_stacks() -> impl Iterator<Item = (Form, usize)> {
    mixed_stacks().into_iter().enumerate().flat_map(|(index, layers)| {
        let form = Form { steps: 12, batch: 3, ..Form::long(layers.clone(), 12, 3, index as u64) };
        (1..layers.len()).map(move |cut| (Form { output: 3, ..form.clone() }, cut))
    })
}

#[test]
fn in_streams() {
    for (form, cut) in cut_stacks() {
        let problem = Problem::<f64>::new(Form { shortest: 1.0, ..form });
        let (depth, Form { steps, batch, .. }) = (problem.form.layers.len(), problem.form.clone());
        let parts = [part_of(&problem, 0..cut), part_of(&problem, cut..depth)];
        let heads = heads(&problem, [1, 2]);
        let setup = Setup { input_gradient: true, ..Setup::default() };
        let of = |network: &Network<f64>, which: usize| {
            let layers = network.layers().to_vec();
            let problem = Problem { form: Form { layers, ..problem.form.clone() }, ..problem.clone() };
            let problem = Problem { network: network.clone(), ..problem };
            streams(&problem, batch, setup).into_iter().filter(|(name, _)| name != "RTRL").nth(which).unwrap()
        };
        // A window goes back through all layers; through networks, an error goes down at the step alone.
        for which in [0, 1] {
            let ((name, mut whole), [(_, mut encoder), (_, mut torso)]) =
                (of(&problem.network, which), [&parts[0], &parts[1]].map(|part| of(part, which)));
            let mut ends = [&heads[0], &heads[1]].map(|head| of(head, which).1);
            let mut gradients = [&parts[0], &parts[1], &heads[0], &heads[1]].map(Network::zero_gradient);
            let mut expected = problem.network.zero_gradient();
            for t in 0..steps {
                let (input, is_first) = problem.step(t);
                let y = whole.step(&problem.network, input, is_first).unwrap();
                let code = encoder.step(&parts[0], input, is_first).unwrap();
                let features = torso.step(&parts[1], code, is_first).unwrap();
                let out = [0, 1].map(|k| ends[k].step(&heads[k], features, is_first).unwrap().to_vec());
                let rows = out[0].chunks(1).zip(out[1].chunks(2)).map(|(a, b)| [a, b].concat());
                assert_close("y", &rows.collect::<Vec<_>>().concat(), y, 1e-13, 1e-3);
                let error: Vec<f64> = (0..batch * 3).map(|k| (k as f64 + t as f64).sin()).collect();
                whole.learn_from_error(&problem.network, &error, &mut expected).unwrap();
                let mut down = vec![0.0; features_of(&problem) * batch];
                for (k, columns) in [0..1, 1..3].into_iter().enumerate() {
                    let error: Vec<f64> =
                        error.chunks(3).flat_map(|row| row[columns.clone()].to_vec()).collect();
                    ends[k].learn_from_error(&heads[k], &error, &mut gradients[2 + k]).unwrap();
                    down.iter_mut().zip(ends[k].input_gradient()).for_each(|(sum, g)| *sum += g);
                }
                torso.learn_from_error(&parts[1], &down, &mut gradients[1]).unwrap();
                encoder.learn_from_error(&parts[0], torso.input_gradient(), &mut gradients[0]).unwrap();
                let [a, b, c, d] = &gradients;
                let found = together(&problem, &[a.to_vec(), b.to_vec()], [c, d]);
                let what = format!("{name}, step {t}, {:?} cut at {cut}", problem.form.layers);
                assert_same(&what, &problem.network, &found, &expected, 1e-12, 1e-6);
                assert_close(&what, encoder.input_gradient(), whole.input_gradient(), 1e-12, 1e-6);
            }
        }
    }
}

fn features_of(problem: &Problem<f64>) -> usize {
    problem.form.layers.last().unwrap().output()
}

/// BPTT through all of them, and e-prop and RTRL.
#[test]
fn in_sequences() {
    for (form, cut) in cut_stacks() {
        let mut problem = Problem::<f64>::new(form);
        // Errors come down at steps without a target too.
        let masked = std::mem::replace(&mut problem.target_mask, vec![true; 12 * 3]);
        let (depth, Form { steps, batch, .. }) = (problem.form.layers.len(), problem.form.clone());
        let (parts, heads) =
            ([part_of(&problem, 0..cut), part_of(&problem, cut..depth)], heads(&problem, [1, 2]));
        let setup = Setup { input_gradient: true, ..Setup::default() };
        let of = |network: &Network<f64>, which: usize| -> Box<dyn Learner<f64>> {
            if which == 0 {
                return Box::new(Bptt::new(network, batch, steps, setup.bptt()).unwrap());
            }
            let form = Form { layers: network.layers().to_vec(), ..problem.form.clone() };
            let problem = Problem { network: network.clone(), form, ..problem.clone() };
            let schedule = [Schedule::Streaming, Schedule::Blocked(5)][which - 1];
            scheduled(&problem, schedule, setup).swap_remove(0).1
        };
        for which in 0..3 {
            // What comes out of a network for the inputs x.
            let outputs = |network: &Network<f64>, x: &[f64]| {
                let mut evaluator = Evaluator::new(network, batch, EvaluatorOptions::default()).unwrap();
                let mut outputs = vec![f64::NAN; steps * batch * network.output()];
                let sequences = Problem { inputs: x.to_vec(), ..problem.clone() };
                let sequences = sequences.sequences_with(Targets::None);
                let score = evaluator.outputs(network, &sequences, &mut outputs).unwrap();
                assert_eq!(score.targets, 0);
                outputs
            };
            // The gradient of a network, and by its inputs, for dE/dy of all steps.
            let learn = |network: &Network<f64>, x: &[f64], error: &[f64]| {
                let width = network.output();
                let loss = |At { step, row }: At, _: &[f64], dy: &mut [f64]| {
                    dy.copy_from_slice(&error[(step * batch + row) * width..][..width]);
                    for dy in dy.iter_mut() {
                        *dy *= batch as f64;
                    }
                    0.0
                };
                let sequences = Problem { inputs: x.to_vec(), ..problem.clone() };
                let sequences = sequences.sequences_with(Targets::Every(&loss));
                let (mut gradient, mut down) = (network.zero_gradient(), vec![f64::NAN; x.len()]);
                of(network, which)
                    .gradient_with_inputs(network, &sequences, &mut gradient, &mut down)
                    .unwrap();
                (gradient.to_vec(), down)
            };
            let code = outputs(&parts[0], &problem.inputs);
            let features = outputs(&parts[1], &code);
            let error = |k: usize| if masked[k / 3] { (k as f64).sin() / batch as f64 } else { 0.0 };
            let error: Vec<f64> = (0..steps * batch * 3).map(error).collect();
            let (expected, by_inputs) = learn(&problem.network, &problem.inputs, &error);
            let ends = [0..1, 1..3].map(|columns| {
                let error = error.chunks(3).flat_map(|row| row[columns.clone()].to_vec());
                learn(&heads[columns.start], &features, &error.collect::<Vec<_>>())
            });
            let down: Vec<f64> = ends[0].1.iter().zip(&ends[1].1).map(|(a, b)| a + b).collect();
            let (torso, down) = learn(&parts[1], &code, &down);
            let (encoder, down) = learn(&parts[0], &problem.inputs, &down);
            let found = together(&problem, &[encoder, torso], [&ends[0].0, &ends[1].0]);
            let what = format!("{which}, {:?} cut at {cut}", problem.form.layers);
            assert_same(&what, &problem.network, &found, &expected, 1e-12, 1e-6);
            assert_close(&what, &down, &by_inputs, 1e-12, 1e-6);
        }
    }
}

/// Every learner, against the same layers with a readout that hands on what they give.
#[test]
fn without_a_readout_the_outputs_are_those_of_the_top_layer() {
    for (index, layers) in [alone(kinds, 2, 3), mixed_stacks()].concat().into_iter().enumerate() {
        let output = layers.last().unwrap().output();
        let long = Form::long(layers.clone(), 12, 3, index as u64);
        let mut with = Problem::<f64>::new(Form { output, initial: true, ..long });
        for (part, diagonal) in with.network.layout().readout_parts().iter().zip([1.0, 0.0]) {
            let ones = |k: usize| if k.is_multiple_of(output + 1) { diagonal } else { 0.0 };
            let values: Vec<f64> = (0..part.rows() * part.columns()).map(ones).collect();
            part.write(with.network.parameters_mut(), &values).unwrap();
        }
        let without = with.clone().without_readout();
        assert_eq!((without.network.output(), without.network.readout()), (output, None));
        let loss = |At { step, row }: At, y: &[f64], error: &mut [f64]| {
            let values = &with.values[with.target_index(step, row).unwrap() * output..];
            error.iter_mut().zip(y.iter().zip(values)).for_each(|(error, (y, value))| *error = y - value);
            0.5 * error.iter().map(|error| error * error).sum::<f64>()
        };
        let setup = Setup::default();
        for ((name, mut own), (_, mut identity)) in
            learners_of_layers(&without, setup).into_iter().zip(learners_of_layers(&with, setup))
        {
            let (score, expected) = with.learn(&mut *identity);
            let mut found = without.network.zero_gradient();
            let sequences = without.sequences_with(Targets::Every(&loss));
            let found_score = own.gradient(&without.network, &sequences, &mut found).unwrap();
            assert_close("loss", &[found_score.loss], &[score.loss], 1e-12, 1.0);
            let what = format!("{name}, {layers:?}");
            assert_same(&what, &without.network, &found, &expected[..found.len()], 1e-12, 1e-6);
        }
    }
}
