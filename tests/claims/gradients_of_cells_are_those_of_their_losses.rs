//! Claim: for every cell that is no LSTM, alone and between dense layers, BPTT's gradient is that of the loss, truncated
//! BPTT's that of the loss with the state before its window held fixed; by weights and by inputs, with resets, masks and
//! lengths. Central differences of a textbook that shares no line with the library.

use eligibility::{Bptt, Cell, Learner, Nonlinearity, TruncatedBptt};

use crate::common::cells::{
    Paths, Record, UnitProblem, differences, differences_of, loss, parts, recurrent_cells, stack,
};
use crate::common::compare::{assert_close, relative_error};

/// The differences themselves are good to about 1e-10 where nothing has a kink.
const TOLERANCE: f64 = 1e-7;

/// Relu has kinks, which differences may straddle.
fn smooth(cell: &Cell) -> bool {
    match cell {
        Cell::Rtu(rtu) => rtu.nonlinearity() != Nonlinearity::Relu,
        Cell::BlockDiagonal(cell) => cell.nonlinearity() != Nonlinearity::Relu,
        _ => true,
    }
}

fn check_weights(problem: &UnitProblem<f64>, found: &[f64], paths: Paths<'_>, what: &str) {
    let network = &problem.network;
    for (name, indices) in parts(network) {
        let expected =
            differences(network.parameters(), &indices, |flat| loss(problem, flat, &problem.inputs, paths).0);
        let found: Vec<_> = indices.iter().map(|&index| found[index]).collect();
        assert_close(&format!("{what}: {name}"), &found, &expected, TOLERANCE, 1e-3);
    }
}

fn record(problem: &UnitProblem<f64>) -> Record {
    loss(problem, problem.network.parameters(), &problem.inputs, Paths::All).1
}

fn problems() -> Vec<(String, UnitProblem<f64>)> {
    let mut problems = Vec::new();
    for (index, cell) in recurrent_cells(2, 3).into_iter().enumerate().filter(|(_, cell)| smooth(cell)) {
        problems.push((format!("{cell:?}"), UnitProblem::new(&[cell], 2, 9, 3, 100 + index as u64).tame()));
    }
    for index in 0..recurrent_cells(3, 2).len() {
        let layers = stack(|input| recurrent_cells(input, 2)[index], 2);
        if smooth(&layers[1]) {
            problems.push((format!("{layers:?}"), UnitProblem::new(&layers, 2, 7, 2, index as u64).tame()));
        }
    }
    problems
}

#[test]
fn bptt_by_weights_and_inputs() {
    for (what, problem) in problems() {
        let network = &problem.network;
        let mut bptt =
            Bptt::new(network, problem.batch, problem.steps).unwrap().with_input_gradient().unwrap();
        let (mut gradient, mut by_inputs) = (network.zero_gradient(), vec![f64::NAN; problem.inputs.len()]);
        let score =
            bptt.gradient_with_inputs(network, &problem.sequences(), &mut gradient, &mut by_inputs).unwrap();
        let expected = loss(&problem, network.parameters(), &problem.inputs, Paths::All).0;
        assert_close("loss", &[score.loss / problem.batch as f64], &[expected], 1e-12, 1.0);
        check_weights(&problem, &gradient, Paths::All, &what);
        let there: Vec<_> = (0..by_inputs.len()).filter(|&index| !problem.inputs[index].is_nan()).collect();
        let of_inputs = |inputs: &[f64]| loss(&problem, network.parameters(), inputs, Paths::All).0;
        let expected = differences(&problem.inputs, &there, of_inputs);
        let found: Vec<_> = there.iter().map(|&index| by_inputs[index]).collect();
        assert_close(&format!("{what}: inputs"), &found, &expected, TOLERANCE, 1e-3);
        let beyond = |index: usize| problem.inputs[index].is_nan();
        assert!((0..by_inputs.len()).filter(|&index| beyond(index)).all(|index| by_inputs[index] == 0.0));
    }
}

/// Where no preactivation is near 0: there, differences over steps of two sizes agree, which they do not over a kink.
#[test]
fn relu_away_from_its_kinks() {
    for cell in recurrent_cells(2, 3).into_iter().filter(|cell| !smooth(cell)) {
        let smooth_problem = |seed: u64| {
            let problem = UnitProblem::new(&[cell], 2, 9, 2, seed).tame();
            let indices: Vec<_> = (0..problem.network.parameters().len()).collect();
            let differences = |size: f64| {
                let f = |flat: &[f64]| loss(&problem, flat, &problem.inputs, Paths::All).0;
                differences_of(size, problem.network.parameters(), &indices, f)
            };
            let (coarse, fine) = (differences(1e-3), differences(4e-4));
            let recurrent = problem.network.layout().parts(0).unwrap().pop().unwrap();
            let alive = recurrent.indices().all(|index| fine[index].abs() > 1e-4);
            (alive && relative_error(&coarse, &fine, 1e-3) < 1e-8).then_some(problem)
        };
        let problem = (0..1000).find_map(smooth_problem).expect("not every problem is near a kink or dead");
        let mut bptt = Bptt::new(&problem.network, 2, 9).unwrap();
        let mut gradient = problem.network.zero_gradient();
        bptt.gradient(&problem.network, &problem.sequences(), &mut gradient).unwrap();
        check_weights(&problem, &gradient, Paths::All, &format!("{cell:?}"));
    }
}

#[test]
fn truncated_bptt_for_its_last_steps() {
    for (what, problem) in problems() {
        let record = record(&problem);
        for window in [1, 2, 4] {
            let mut truncated = TruncatedBptt::new(&problem.network, problem.batch, window).unwrap();
            let mut gradient = problem.network.zero_gradient();
            truncated.gradient(&problem.network, &problem.sequences(), &mut gradient).unwrap();
            let what = format!("{what}, {window} steps back");
            check_weights(&problem, &gradient, Paths::Window(window, &record), &what);
        }
    }
}

#[test]
fn truncated_bptt_as_long_as_the_sequence_is_bptt() {
    for (index, cell) in recurrent_cells(3, 5).into_iter().enumerate() {
        // More steps than the tape has spare slots, so that it moves.
        let problem = UnitProblem::<f64>::new(&[cell], 2, 90, 3, index as u64);
        let network = &problem.network;
        let gradient = |learner: &mut dyn Learner<f64>| {
            let mut gradient = network.zero_gradient();
            learner.gradient(network, &problem.sequences(), &mut gradient).unwrap();
            gradient.to_vec()
        };
        let expected = gradient(&mut Bptt::new(network, 3, 90).unwrap());
        let found = gradient(&mut TruncatedBptt::new(network, 3, 90).unwrap());
        assert_close(&format!("{cell:?}"), &found, &expected, 1e-12, 1e-3);
    }
}
