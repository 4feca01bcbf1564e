//! Claim: bad input gets an error that names what, expected and found; nothing panics and nothing is changed.

use eligibility::{
    Adam, Bptt, BpttOptions, Buffer, Cell, Eprop, EpropOptions, EpropStream, Error, Evaluator,
    EvaluatorOptions, Feedback, Gate, Gru, Init, Learner, Loss, Lstm, MinGru, Network, Nonlinearity,
    Optimizer, Readout, ReadoutOnly, RmsProp, Rnn, Rtrl, RtrlOptions, RtrlStream, Scalar, Schedule,
    Sequences, Sgd, State, Stream, Target, Targets, TruncatedBptt, TruncatedStream, clip_global_norm,
};
use rand::SeedableRng;
use rand::rngs::StdRng;

use crate::common::cells::{all_cells, kinds, lstm};
use crate::common::learners::{Setup, learners, learners_of_layers, streams};
use crate::common::problem::{Form, Problem};

fn problem<T: Scalar>() -> Problem<T> {
    Problem::new(Form { steps: 4, every_step: false, ..Form::plain(lstm(2, 5)) })
}

#[track_caller]
fn rejects<R>(result: Result<R, Error>, parts: &[&str]) {
    let message = result.err().expect("an error").to_string();
    for part in parts {
        assert!(message.contains(part), "\"{message}\" should contain \"{part}\"");
    }
}

/// Twice as many units, or one input more, are still a number.
#[test]
fn sizes_of_which_no_multiple_is_a_number() {
    let readout = Readout::new(1, Loss::SquaredError).unwrap();
    for size in [1 << 63, usize::MAX, usize::MAX / 2 + 2] {
        for (input, units) in [(1, size), (size, 1), (size, size)] {
            for cell in all_cells(input, units).into_iter().chain(kinds(input, units)) {
                assert!(cell.output() >= units, "{cell:?} has {} outputs", cell.output());
                rejects(Network::<f32>::zeros(cell, readout), &["too large"]);
                if units == size && !matches!(cell, Cell::Dense(_)) {
                    rejects(State::<f32>::zeros(cell, 1), &["too large"]);
                }
            }
        }
    }
}

#[test]
fn sizes_of_networks() {
    rejects(Lstm::new(0, 3), &["input size", "at least 1"]);
    rejects(Lstm::new(3, 0), &["number of units"]);
    rejects(Readout::new(0, Loss::CrossEntropy), &["output size"]);
    let readout = Readout::new(1, Loss::SquaredError).unwrap();
    for (input, hidden) in [(1, usize::MAX), (usize::MAX, 1), (1 << 40, 1 << 40), (1, usize::MAX / 4)] {
        rejects(Network::<f32>::zeros(Lstm::new(input, hidden).unwrap(), readout), &["too large"]);
    }
    rejects(State::<f32>::zeros(Lstm::new(1, 1 << 40).unwrap(), 1 << 40), &["too large"]);
    let outputs = Readout::new(usize::MAX, Loss::SquaredError).unwrap();
    rejects(Network::<f64>::zeros(Lstm::new(1, 1).unwrap(), outputs), &["too large"]);
    let init = Init { forget_bias_offset: f64::NAN };
    let lstm = Lstm::new(1, 1).unwrap();
    rejects(
        init.network::<f32>(lstm, readout, &mut StdRng::seed_from_u64(0)),
        &["forget bias", "finite", "NaN"],
    );
}

#[test]
fn sizes_of_sequences() {
    let x = [0.0_f32; 12];
    rejects(Sequences::new(0, 2, &x, Targets::LastClass(&[0, 0])), &["steps", "at least 1"]);
    rejects(Sequences::new(3, 0, &x, Targets::LastClass(&[])), &["batch", "at least 1"]);
    rejects(Sequences::new(5, 2, &x, Targets::LastClass(&[0, 0])), &["inputs", "20", "12"]);
    rejects(Sequences::new(3, 2, &x[..0], Targets::LastClass(&[0, 0])), &["inputs", "6", "0"]);
    rejects(Sequences::new(usize::MAX, 2, &x, Targets::LastClass(&[0, 0])), &["too large"]);
    rejects(Sequences::new(3, 2, &x, Targets::LastClass(&[0])), &["classes", "2", "1"]);
    rejects(Sequences::new(3, 2, &x, Targets::EveryClass(&[0; 5])), &["classes", "6", "5"]);
    let sequences = Sequences::new(3, 2, &x, Targets::LastClass(&[0, 0])).unwrap();
    rejects(sequences.with_resets(&[true; 5]), &["is_first", "6", "5"]);
    rejects(sequences.with_lengths(&[1]), &["lengths", "2", "1"]);
    rejects(sequences.with_lengths(&[3, 0]), &["length", "at least 1"]);
    rejects(sequences.with_lengths(&[3, 4]), &["lengths", "at most 3", "element 1 is 4"]);
    rejects(sequences.with_target_mask(&[true; 6]), &["target mask", "every step", "last step"]);
    let sequences = Sequences::new(3, 2, &x, Targets::EveryClass(&[0; 6])).unwrap();
    rejects(sequences.with_target_mask(&[true; 5]), &["target mask", "6", "5"]);
}

#[test]
fn whatever_a_learner_is_given() {
    let problem = problem::<f32>();
    let network = &problem.network;
    rejects(Eprop::new(network, 0, EpropOptions::default()), &["batch", "at least 1"]);
    rejects(Bptt::new(network, 0, 4, BpttOptions::default()), &["batch"]);
    rejects(Bptt::new(network, 2, 0, BpttOptions::default()), &["steps"]);
    rejects(Bptt::new(network, 2, usize::MAX / 2, BpttOptions::default()), &["too large"]);
    rejects(Evaluator::new(network, 0, EvaluatorOptions::default()), &["batch"]);
    rejects(ReadoutOnly::new(network, 0, EvaluatorOptions::default()), &["batch"]);
    rejects(TruncatedBptt::new(network, 0, 4, BpttOptions::default()), &["batch"]);
    rejects(TruncatedBptt::new(network, 2, 0, BpttOptions::default()), &["steps back", "at least 1"]);
    rejects(TruncatedBptt::new(network, 2, usize::MAX / 2, BpttOptions::default()), &["too large"]);
    let feedback = Feedback::Random(Buffer::zeros(7));
    rejects(
        Eprop::new(network, 2, EpropOptions { feedback, ..EpropOptions::default() }),
        &["feedback", "15", "7"],
    );

    let whole =
        EpropOptions { schedule: Schedule::WholeSequence { max_steps: 3 }, ..EpropOptions::default() };
    let mut learners: Vec<Box<dyn Learner<f32>>> = vec![
        Box::new(Eprop::new(network, 2, EpropOptions::default()).unwrap()),
        Box::new(ReadoutOnly::new(network, 2, EvaluatorOptions::default()).unwrap()),
        Box::new(TruncatedBptt::new(network, 2, 3, BpttOptions::default()).unwrap()),
        Box::new(Eprop::new(network, 2, whole).unwrap()),
        Box::new(Bptt::new(network, 2, 3, BpttOptions::default()).unwrap()),
    ];
    let with_a_tape = 3;
    let x = &problem.inputs[..];
    let fitting = || Sequences::new(4, 2, x, Targets::LastClass(&[0, 1])).unwrap();
    for (index, learner) in learners.iter_mut().enumerate() {
        let mut gradient = network.zero_gradient();
        gradient.fill(7.0);
        let mut reject = |sequences: Sequences<'_, f32>, parts: &[&str]| {
            rejects(learner.gradient(network, &sequences, &mut gradient), parts);
            assert!(gradient.iter().all(|&g| g == 7.0), "the gradient was touched");
        };
        let three = Sequences::new(2, 3, &x[..12], Targets::LastClass(&[0; 3])).unwrap();
        reject(three, &["rows of a batch", "3", "2"]);
        reject(Sequences::new(2, 2, x, Targets::LastClass(&[0, 1])).unwrap(), &["inputs", "8", "16"]);
        let target = Sequences::new(4, 2, x, Targets::LastClass(&[0, 3])).unwrap();
        reject(target, &["target class", "at most 2", "element 1 is 3"]);
        reject(
            Sequences::new(4, 2, x, Targets::LastValues(&[0.0; 6])).unwrap(),
            &["needs classes", "values"],
        );
        let every = Sequences::new(4, 2, x, Targets::EveryClass(&[0, 9, 0, 8, 0, 0, 0, 0])).unwrap();
        let masked = every.with_target_mask(&[true, false, true, true, true, true, true, true]).unwrap();
        reject(masked, &["target class", "at most 2", "element 3 is 8"]);
        let initial = State::zeros(network.layers()[0], 3).unwrap();
        reject(fitting().starting_from(std::slice::from_ref(&initial)), &["initial state", "10", "15"]);
        reject(fitting().starting_from(&[]), &["initial states", "1", "0"]);
        let initial = State::zeros(Gru::new(2, 5).unwrap(), 2).unwrap();
        reject(fitting().starting_from(&[initial]), &["parts of a layer's state", "2", "1"]);
        if index >= with_a_tape {
            reject(fitting(), &["steps", "4 needed", "3"]);
        }
        rejects(learner.gradient(network, &fitting(), &mut gradient[1..]), &["gradient"]);
        let other = Network::zeros(Lstm::new(2, 6).unwrap(), *network.readout().unwrap()).unwrap();
        rejects(learner.gradient(&other, &fitting(), &mut other.zero_gradient()), &["layer size", "5", "6"]);
        let identity = Lstm::new(2, 5).unwrap().with_nonlinearity(Nonlinearity::Identity);
        let other = Network::zeros(identity, *network.readout().unwrap()).unwrap();
        rejects(learner.gradient(&other, &fitting(), &mut gradient), &["nonlinearity"]);
        let other =
            Network::zeros(network.layers()[0], Readout::new(3, Loss::SquaredError).unwrap()).unwrap();
        rejects(learner.gradient(&other, &fitting(), &mut gradient), &["loss"]);
    }
}

#[test]
fn whatever_a_stream_is_given() {
    let problem = Problem::<f32>::new(Form::plain(vec![MinGru::new(2, 5).unwrap().into()]));
    let network = &problem.network;
    rejects(EpropStream::new(network, 0, EpropOptions::default()), &["streams"]);
    rejects(RtrlStream::new(network, 0, RtrlOptions::default()), &["streams"]);
    rejects(TruncatedStream::new(network, 0, 3, BpttOptions::default()), &["streams"]);
    rejects(TruncatedStream::new(network, 1, 0, BpttOptions::default()), &["steps back", "at least 1"]);
    for (_, mut stream) in streams(&problem, 1, Setup::default()) {
        let mut gradient = network.zero_gradient();
        gradient.fill(7.0);
        rejects(stream.learn(network, &[Target::Class(0)], &mut gradient), &["call step first"]);
        rejects(stream.learn_from_error(network, &[1.0; 3], &mut gradient), &["call step first"]);
        rejects(stream.step(network, &[0.0; 3], &[false]), &["input", "2", "3"]);
        rejects(stream.step(network, &[0.0; 2], &[]), &["is_first", "1", "0"]);
        let state = State::zeros(network.layers()[0], 2).unwrap();
        rejects(stream.start_from(&[state]), &["initial state", "5", "10"]);
        rejects(stream.start_from(&[]), &["states", "1", "0"]);
        rejects(stream.state(1), &["layer", "at most 0", "1"]);
        assert!(stream.output().is_empty() && stream.features().is_empty());
        stream.step(network, &[0.0; 2], &[true]).unwrap();
        let large = [Target::Class(3)];
        rejects(stream.learn(network, &large, &mut gradient), &["target class", "at most 2", "3"]);
        rejects(stream.learn(network, &[], &mut gradient), &["targets", "1", "0"]);
        rejects(stream.learn(network, &[Target::Values(&[0.0; 3])], &mut gradient), &["needs classes"]);
        rejects(stream.learn(network, &[Target::Absent; 2], &mut gradient), &["targets", "1", "2"]);
        rejects(stream.learn(network, &[Target::Class(0)], &mut gradient[1..]), &["gradient"]);
        rejects(stream.learn_from_error(network, &[0.0; 2], &mut gradient), &["output error", "3", "2"]);
        assert!(gradient.iter().all(|&g| g == 7.0), "the gradient was touched");
    }
}

#[test]
fn what_needs_a_readout() {
    let network = Network::<f32>::without_readout(&lstm(2, 3)).unwrap();
    rejects(ReadoutOnly::new(&network, 1, EvaluatorOptions::default()), &["readout"]);
    let mut bptt = Bptt::new(&network, 1, 4, BpttOptions::default()).unwrap();
    let sequences = Sequences::new(4, 1, &[0.0; 8], Targets::LastClass(&[1])).unwrap();
    rejects(bptt.gradient(&network, &sequences, &mut network.zero_gradient()), &["targets", "readout"]);
    let mut stream = EpropStream::new(&network, 1, EpropOptions::default()).unwrap();
    stream.step(&network, &[0.0; 2], &[true]).unwrap();
    let learned = stream.learn(&network, &[Target::Class(0)], &mut network.zero_gradient());
    rejects(learned, &["targets", "readout"]);
}

#[test]
fn settings_of_optimisers() {
    let mut network = problem::<f32>().network;
    for bad in [f64::NAN, f64::INFINITY, -1.0] {
        rejects(Sgd::new(&network, bad), &["learning rate", "finite"]);
        rejects(RmsProp::new(&network, bad), &["learning rate"]);
        rejects(Adam::new(&network, bad), &["learning rate"]);
        rejects(clip_global_norm(&mut [1.0_f32], bad), &["clipping norm"]);
        let mut sgd = Sgd::new(&network, 0.5).unwrap();
        rejects(Optimizer::<f32>::set_learning_rate(&mut sgd, bad), &["learning rate"]);
    }
    for bad in [1.0, -0.1, f64::NAN] {
        rejects(RmsProp::new(&network, 0.1).unwrap().with_decay(bad), &["decay", "[0, 1)"]);
        rejects(Adam::new(&network, 0.1).unwrap().with_decays(0.9, bad), &["decay of the square"]);
        rejects(Adam::new(&network, 0.1).unwrap().with_decays(bad, 0.9), &["decay of the mean"]);
    }
    rejects(RmsProp::new(&network, 0.1).unwrap().with_epsilon(0.0), &["epsilon", "positive"]);
    rejects(clip_global_norm(&mut [1.0_f32], 0.0), &["clipping norm"]);
    let before = network.clone();
    let mut adam = Adam::new(&network, 0.1).unwrap();
    let gradient = network.zero_gradient();
    rejects(adam.update(network.parameters_mut(), &gradient[1..]), &["gradient"]);
    rejects(adam.update(&mut network.parameters_mut()[1..], &gradient), &["parameters"]);
    assert_eq!((network, adam.updates()), (before, 0));
}

#[test]
fn weights_of_the_wrong_size() {
    let mut network = problem::<f32>().network;
    let (before, layout) = (network.clone(), network.layout().clone());
    rejects(layout.parts(1), &["layer", "at most 0", "1"]);
    for part in layout.parts(0).unwrap().into_iter().chain(layout.readout_parts()) {
        let mut values = part.read(network.parameters());
        let size = values.len().to_string();
        values.fill(7.0);
        values.push(7.0);
        let found = values.len().to_string();
        rejects(part.write(network.parameters_mut(), &values), &[part.name(), &size, &found]);
    }
    assert_eq!(network, before);
}

#[test]
fn cells_that_rtrl_cannot_train() {
    let cells = [
        Cell::from(Gru::new(1, 2).unwrap()),
        Rnn::new(1, 2).unwrap().into(),
        Lstm::new(1, 2).unwrap().into(),
    ];
    for cell in cells {
        let Problem { network, .. } = Problem::<f32>::new(Form::plain(vec![cell]));
        rejects(Rtrl::new(&network, 1, RtrlOptions::default()), &["RTRL", cell.name()]);
        rejects(RtrlStream::new(&network, 1, RtrlOptions::default()), &["RTRL", cell.name()]);
    }
    let min_gru = Problem::<f32>::new(Form::plain(vec![MinGru::new(1, 2).unwrap().into()])).network;
    rejects(Rtrl::new(&min_gru, 0, RtrlOptions::default()), &["batch"]);
    let none = RtrlOptions { schedule: Schedule::Blocked(0), ..RtrlOptions::default() };
    rejects(Rtrl::new(&min_gru, 1, none), &["block"]);
}

#[test]
fn input_gradients_that_were_not_asked_for() {
    let problem = problem::<f32>();
    let (network, mut gradient) = (&problem.network, problem.network.zero_gradient());
    for (_, mut learner) in learners(&problem) {
        let mut by_inputs = vec![7.0; problem.inputs.len()];
        let sequences = problem.sequences();
        let learned = learner.gradient_with_inputs(network, &sequences, &mut gradient, &mut by_inputs);
        rejects(learned, &["input gradient"]);
        assert!(by_inputs.iter().all(|&g| g == 7.0));
    }
    let setup = Setup { input_gradient: true, ..Setup::default() };
    for (_, mut learner) in learners_of_layers(&problem, setup) {
        let sequences = problem.sequences();
        let learned = learner.gradient_with_inputs(network, &sequences, &mut gradient, &mut [0.0; 3]);
        rejects(learned, &["input gradient", "16", "3"]);
    }
}

#[test]
fn names_of_parts() {
    let layout =
        Problem::<f32>::new(Form::plain(vec![Gru::new(2, 3).unwrap().into()])).network.layout().clone();
    rejects(layout.part(0, "weight"), &["\"weight\"", "weight_ih, weight_hh, bias_ih, bias_hh"]);
    rejects(layout.part(1, "weight_ih"), &["layer", "at most 0", "1"]);
    rejects(layout.gate_rows(0, Gate::Forget), &["LSTM", "GRU"]);
    let lstm = problem::<f32>().network.layout().clone();
    let rows = |gate| lstm.gate_rows(0, gate).unwrap();
    let gates = [Gate::Input, Gate::Forget, Gate::Candidate, Gate::Output];
    assert_eq!(gates.map(rows), [0..5, 5..10, 10..15, 15..20]);
    rejects(State::<f32>::zeros(Gru::new(2, 3).unwrap(), 1).unwrap().part("cell"), &["\"cell\"", "hidden"]);
}
