//! Claim: what is promised of every learner holds for cells that are no LSTMs too: the same bits for any number of threads
//! and whatever a learner was used for before; what is not finite ends with its episode; scoring and readout-only learning
//! agree with learning; cells that a learner cannot train are an error.

use eligibility::{
    Bptt, Cell, Dense, Eprop, EpropOptions, EpropStream, Error, Evaluator, Gru, Init, Learner, Loss, Lstm,
    MinGru, Network, Readout, ReadoutOnly, Rnn, Rtrl, RtrlOptions, RtrlStream, Rtu, Scalar, Schedule,
    Sequences, Targets, TruncatedBptt, TruncatedStream,
};
use rand::SeedableRng;
use rand::rngs::StdRng;

use crate::common::cells::{UnitProblem, diagonal_cells, parts, recurrent_cells, stack};
use crate::common::compare::assert_close;

/// Every learner that can train the network.
fn learners<T: Scalar>(network: &Network<T>, batch: usize, steps: usize) -> Vec<Box<dyn Learner<T> + Send>> {
    let mut learners: Vec<Box<dyn Learner<T> + Send>> = vec![
        Box::new(Bptt::new(network, batch, steps).unwrap()),
        Box::new(TruncatedBptt::new(network, batch, 3).unwrap()),
        Box::new(ReadoutOnly::new(network, batch).unwrap()),
    ];
    let whole = Schedule::WholeSequence { max_steps: steps };
    for schedule in [Schedule::Streaming, Schedule::Blocked(7), whole] {
        if let Ok(rtrl) = Rtrl::new(network, batch, RtrlOptions { schedule, ..RtrlOptions::default() }) {
            learners.push(Box::new(rtrl));
        }
    }
    learners
}

fn run<T: Scalar>(problem: &UnitProblem<T>, learner: &mut dyn Learner<T>) -> (f64, Vec<T>) {
    let mut gradient = problem.network.zero_gradient();
    gradient.fill(T::from_f64(7.0));
    let score = learner.gradient(&problem.network, &problem.sequences(), &mut gradient).unwrap();
    (score.loss, gradient.to_vec())
}

#[test]
fn threads_do_not_change_a_bit() {
    for cell in [Cell::from(Rtu::linear(3, 40).unwrap()), Gru::new(3, 30).unwrap().into()] {
        let problem = UnitProblem::<f32>::new(&[cell], 3, 60, 37, 1);
        let results = |threads: usize| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| {
                let learners = learners(&problem.network, 37, 60);
                learners.into_iter().map(|mut learner| run(&problem, &mut *learner)).collect::<Vec<_>>()
            })
        };
        let expected = results(1);
        assert!(expected.iter().all(|(_, gradient)| gradient.iter().any(|&g| g != 0.0)));
        for threads in [2, 3] {
            assert_eq!(results(threads), expected, "{cell:?} with {threads} threads");
        }
    }
}

#[test]
fn a_learner_remembers_nothing() {
    for index in 0..recurrent_cells(3, 4).len() {
        let layers = stack(|input| recurrent_cells(input, 4)[index], 2);
        let (before, now) =
            (UnitProblem::<f64>::new(&layers, 2, 20, 3, 1), UnitProblem::<f64>::new(&layers, 2, 20, 3, 2));
        let used = learners(&before.network, 3, 20).into_iter();
        for (mut used, mut new) in used.zip(learners(&now.network, 3, 20)) {
            run(&before, &mut *used);
            assert_eq!(run(&now, &mut *used), run(&now, &mut *new), "{layers:?}");
        }
    }
}

#[test]
fn what_is_not_finite_ends_with_its_episode() {
    for (index, cell) in recurrent_cells(2, 3).into_iter().enumerate() {
        let layers = [cell, Dense::new(cell.output(), 3).unwrap().into()];
        let problem = UnitProblem::<f64>::new(&layers, 2, 24, 3, index as u64);
        let (network, values) = (&problem.network, [0.5, -0.5, 0.2, 0.1, 0.3, 0.4]);
        let mut inputs: Vec<f64> = (0..24 * 3 * 2).map(|i| f64::from(i).sin()).collect();
        // Rows 0 and 2 leave an episode at step 10; that of row 0 was not finite.
        let is_first: Vec<bool> = (0..24 * 3).map(|cell| cell == 10 * 3 || cell == 10 * 3 + 2).collect();
        let gradients = |inputs: &[f64]| {
            let sequences = Sequences::new(24, 3, inputs, Targets::LastValues(&values)).unwrap();
            let sequences = sequences.with_resets(&is_first).unwrap();
            let gradient = |mut learner: Box<dyn Learner<f64> + Send>| {
                let mut gradient = network.zero_gradient();
                let score = learner.gradient(network, &sequences, &mut gradient).unwrap();
                assert!(score.loss.is_finite());
                gradient.to_vec()
            };
            learners(network, 3, 24).into_iter().map(gradient).collect::<Vec<_>>()
        };
        let expected = gradients(&inputs);
        inputs[4 * 3 * 2] = f64::NAN;
        inputs[9 * 3 * 2 + 1] = f64::INFINITY;
        for (found, expected) in gradients(&inputs).iter().zip(&expected) {
            assert_close(&format!("{cell:?}"), found, expected, 1e-14, 1e-3);
        }
    }
}

#[test]
fn scoring_and_readout_only_agree_with_learning() {
    for (index, cell) in recurrent_cells(3, 4).into_iter().enumerate() {
        let problem = UnitProblem::<f64>::new(&[cell], 2, 40, 19, index as u64);
        let network = &problem.network;
        let (loss, expected) = run(&problem, &mut Bptt::new(network, 19, 40).unwrap());
        let score = Evaluator::new(network, 19).unwrap().score(network, &problem.sequences()).unwrap();
        assert_close("loss", &[score.loss], &[loss], 1e-13, 1e-3);
        let (_, found) = run(&problem, &mut ReadoutOnly::new(network, 19).unwrap());
        for (name, indices) in parts(network) {
            let pick = |flat: &[f64]| indices.iter().map(|&index| flat[index]).collect::<Vec<_>>();
            if name.starts_with("readout") {
                assert_close(&name, &pick(&found), &pick(&expected), 1e-12, 1e-6);
            } else {
                assert!(pick(&found).iter().all(|&g| g == 0.0), "{name}");
            }
        }
    }
}

#[test]
fn a_truncated_stream_is_a_sequence_fed_by_hand() {
    for (index, cell) in recurrent_cells(3, 4).into_iter().enumerate() {
        let mut problem = UnitProblem::<f64>::new(&[cell], 2, 80, 1, index as u64);
        problem.lengths.fill(80);
        problem.inputs.iter_mut().filter(|x| x.is_nan()).for_each(|x| *x = 0.3);
        let (_, expected) = run(&problem, &mut TruncatedBptt::new(&problem.network, 1, 5).unwrap());
        let mut stream = TruncatedStream::new(&problem.network, 1, 5).unwrap();
        let mut found = problem.network.zero_gradient();
        for t in 0..80 {
            let x = &problem.inputs[t * 3..(t + 1) * 3];
            let y = stream.step(&problem.network, x, &problem.is_first[t..=t]).unwrap();
            if problem.target_mask[t] {
                let target = &problem.values[t * 2..(t + 1) * 2];
                let error: Vec<_> = y.iter().zip(target).map(|(y, target)| y - target).collect();
                stream.learn_from_error(&problem.network, &error, &mut found).unwrap();
            }
        }
        assert_close(&format!("{cell:?}"), &found, &expected, 1e-12, 1e-6);
    }
}

/// In `f32` the three schedules differ by rounding: at most some hundred products of at most a few hundred terms.
#[test]
fn in_f32_too() {
    for (index, cell) in diagonal_cells(3, 20).into_iter().enumerate() {
        let problem = UnitProblem::<f32>::new(&[cell], 2, 60, 5, index as u64);
        let wide = |(_, gradient): (f64, Vec<f32>)| gradient.into_iter().map(f64::from).collect::<Vec<_>>();
        let expected = wide(run(&problem, &mut Bptt::new(&problem.network, 5, 60).unwrap()));
        for schedule in [Schedule::Streaming, Schedule::Blocked(16)] {
            let options = RtrlOptions { schedule, ..RtrlOptions::default() };
            let found = wide(run(&problem, &mut Rtrl::new(&problem.network, 5, options).unwrap()));
            assert_close(&format!("{cell:?}, {schedule}"), &found, &expected, 1e-4, 1e-3);
        }
    }
}

#[test]
fn cells_that_cannot_be_trained_are_an_error() {
    let readout = Readout::new(1, Loss::SquaredError).unwrap();
    let network =
        |cell: Cell| Init::default().network::<f32>(cell, readout, &mut StdRng::seed_from_u64(1)).unwrap();
    let rejects = |found: Result<(), Error>, words: &[&str]| {
        let message = found.unwrap_err().to_string();
        assert!(words.iter().all(|word| message.contains(word)), "{message}");
    };
    for cell in
        [Cell::from(Gru::new(1, 2).unwrap()), Rnn::new(1, 2).unwrap().into(), Lstm::new(1, 2).unwrap().into()]
    {
        let network = network(cell);
        rejects(Rtrl::new(&network, 1, RtrlOptions::default()).map(drop), &["RTRL", cell.name()]);
        rejects(RtrlStream::new(&network, 1, RtrlOptions::default()).map(drop), &["RTRL", cell.name()]);
    }
    let min_gru = network(MinGru::new(1, 2).unwrap().into());
    rejects(Eprop::new(&min_gru, 1, EpropOptions::default()).map(drop), &["e-prop", "LSTM", "minGRU"]);
    rejects(EpropStream::new(&min_gru, 1, EpropOptions::default()).map(drop), &["e-prop", "minGRU"]);
    let lstm = network(Lstm::new(1, 2).unwrap().into());
    rejects(TruncatedStream::new(&lstm, 1, 3).map(drop), &["truncated BPTT", "LSTM"]);
    rejects(Bptt::new(&lstm, 1, 3).unwrap().with_input_gradient().map(drop), &["LSTM"]);
    let mixed = [Cell::from(Lstm::new(1, 2).unwrap()), MinGru::new(2, 2).unwrap().into()];
    rejects(Network::<f32>::stacked(&mixed, readout).map(drop), &["LSTM", "stack"]);
    rejects(Rtrl::new(&min_gru, 0, RtrlOptions::default()).map(drop), &["batch"]);
    let none = RtrlOptions { schedule: Schedule::Blocked(0), ..RtrlOptions::default() };
    rejects(Rtrl::new(&min_gru, 1, none).map(drop), &["block"]);
    let mut stream = RtrlStream::new(&min_gru, 1, RtrlOptions::default()).unwrap();
    let mut gradient = min_gru.zero_gradient();
    rejects(stream.learn_from_error(&min_gru, &[1.0], &mut gradient), &["step"]);
    rejects(stream.step(&min_gru, &[1.0, 2.0], &[true]).map(drop), &["input", "1", "2"]);
    stream.step(&min_gru, &[1.0], &[true]).unwrap();
    rejects(stream.learn_from_error(&min_gru, &[1.0, 2.0], &mut gradient), &["output error"]);
}
