//! Claim: stepping a stream and learning at some steps adds up to the gradient of the whole sequence, however the calls are
//! split.

use eligibility::{
    Cell, Dense, Echo, Eprop, EpropStream, Rtrl, RtrlOptions, RtrlStream, Stream, Target, TruncatedBptt,
    TruncatedStream,
};
use proptest::prelude::*;

use crate::common::cells::{alone, diagonal_cells, lstm, lstms, recurrent_cells, stacks};
use crate::common::compare::{assert_close, assert_same};
use crate::common::problem::{Form, Problem, forms};

/// How a step is learned from.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Calls {
    Once,
    /// The second call of a step finds the traces settled, and must give the same again.
    Twice,
    /// At some steps in two calls, for different rows.
    Halves,
}

/// The sum of what a stream learns at every step that has a target, and the sum of the losses.
fn learned<S: Stream<f64>>(
    problem: &Problem<f64>,
    mut stream: S,
    calls: Calls,
    learn: impl Fn(&mut S, &[f64], &[Target<'_, f64>], &mut [f64]) -> f64,
) -> (f64, Vec<f64>) {
    let (network, absent) = (&problem.network, |target: &Target<'_, f64>| *target == Target::Absent);
    let (mut loss, mut sum, mut gradient) = (0.0, vec![0.0; network.layout().len()], network.zero_gradient());
    for t in 0..problem.form.steps {
        let (input, is_first) = problem.step(t);
        let y = stream.step(network, input, is_first).unwrap().to_vec();
        let targets = problem.targets(t);
        let half = |first: bool| {
            let halve = |(row, &target)| if (row == 0) == first { target } else { Target::Absent };
            targets.iter().enumerate().map(halve).collect::<Vec<_>>()
        };
        let (calls, share) = match calls {
            Calls::Twice => (vec![targets.clone(), targets], 0.5),
            Calls::Halves if t % 3 == 0 => (vec![half(true), half(false)], 1.0),
            _ => (vec![targets], 1.0),
        };
        for targets in calls.iter().filter(|targets| !targets.iter().all(absent)) {
            gradient.fill(0.0);
            loss += share * learn(&mut stream, &y, targets, &mut gradient);
            sum.iter_mut().zip(gradient.iter()).for_each(|(sum, g)| *sum += share * g);
        }
    }
    (loss, sum)
}

/// dE/dy of the mean over the rows.
fn error(y: &[f64], targets: &[Target<'_, f64>]) -> Vec<f64> {
    let rows = y.chunks(y.len() / targets.len()).zip(targets);
    let error = |(y, target): (&[f64], &Target<'_, f64>)| match target {
        Target::Values(values) => {
            y.iter().zip(*values).map(|(y, v)| (y - v) / targets.len() as f64).collect::<Vec<_>>()
        }
        _ => vec![0.0; y.len()],
    };
    rows.flat_map(error).collect()
}

fn calls() -> impl Strategy<Value = Calls> {
    prop_oneof![Just(Calls::Once), Just(Calls::Twice), Just(Calls::Halves)]
}

proptest! {
    #[test]
    fn of_eprop(form in forms(stacks(lstms, 1..4, 1..6)), random: bool, calls in calls()) {
        let form = Form { shortest: 1.0, ..form };
        // The literal echo of a step belongs to its first learning signal alone.
        let literal = matches!(form.echo, Echo::Literal { .. });
        let calls = if literal { Calls::Once } else { calls };
        let problem = Problem::<f64>::new(form);
        let (network, options) = (&problem.network, || problem.options(random));
        let (score, expected) = problem.learn(&mut Eprop::new(network, problem.form.batch, options()).unwrap());
        let mut stream = EpropStream::new(network, problem.form.batch, options()).unwrap();
        if problem.form.initial {
            stream.start_from(&problem.initial).unwrap();
        }
        let (loss, found) = learned(&problem, stream, calls, |stream, _, targets, gradient| {
            stream.learn(network, targets, gradient).unwrap().loss
        });
        assert_close("loss", &[loss], &[score.loss], 1e-12, 1e-3);
        // In a drawn problem a sum may cancel: it is rounded relative to its terms.
        assert_same("e-prop", network, &found, &expected, 1e-12, 1e-3);
    }
}

#[test]
fn of_rtrl() {
    for (index, cell) in diagonal_cells(3, 5).into_iter().enumerate() {
        let layers = vec![Dense::new(2, 3).unwrap().into(), cell];
        let problem = Problem::new(Form { shortest: 1.0, ..Form::long(layers, 20, 3, index as u64) });
        let options = RtrlOptions { input_gradient: true, ..RtrlOptions::default() };
        let network = &problem.network;
        let (_, expected) = problem.learn(&mut Rtrl::new(network, 3, RtrlOptions::default()).unwrap());
        for calls in [Calls::Once, Calls::Twice, Calls::Halves] {
            let stream = RtrlStream::new(network, 3, options).unwrap();
            let (_, found) = learned(&problem, stream, calls, |stream, _, targets, gradient| {
                let loss = stream.learn(network, targets, gradient).unwrap().loss;
                let sizes = (stream.input_gradient().len(), stream.features().len());
                assert_eq!(sizes, (3 * 2, 3 * cell.output()));
                loss
            });
            assert_same(&format!("{cell:?}, {calls:?}"), network, &found, &expected, 1e-12, 1e-6);
        }
    }
}

#[test]
fn of_truncated_bptt() {
    for (index, layers) in alone(recurrent_cells, 3, 4).into_iter().enumerate() {
        if matches!(layers[0], Cell::Lstm(_)) {
            continue;
        }
        let problem = Problem::new(Form { shortest: 1.0, ..Form::long(layers, 80, 1, index as u64) });
        let network = &problem.network;
        let (_, expected) = problem.learn(&mut TruncatedBptt::new(network, 1, 5).unwrap());
        for calls in [Calls::Once, Calls::Twice] {
            let stream = TruncatedStream::new(network, 1, 5).unwrap();
            let (_, found) = learned(&problem, stream, calls, |stream, y, targets, gradient| {
                stream.learn_from_error(network, &error(y, targets), gradient).unwrap();
                0.0
            });
            assert_same(&format!("{:?}", problem.form), network, &found, &expected, 1e-12, 1e-6);
        }
    }
}

#[test]
fn a_replayed_stream_repeats_its_bits() {
    let problem = Problem::<f32>::new(Form { output: 2, batch: 1, ..Form::plain(lstm(2, 9)) });
    let mut stream = EpropStream::new(&problem.network, 1, problem.options(false)).unwrap();
    let run = |stream: &mut EpropStream<f32>| {
        let mut learned = Vec::new();
        for t in 0..problem.form.steps {
            let mut gradient = problem.network.zero_gradient();
            stream.step(&problem.network, problem.step(t).0, &[false]).unwrap();
            stream.learn(&problem.network, &[Target::Class(1)], &mut gradient).unwrap();
            learned.push(gradient);
        }
        learned
    };
    run(&mut stream);
    let mut replayed = stream.clone();
    assert_eq!(run(&mut stream), run(&mut replayed));
    assert_eq!(replayed, stream);
}
