//! Claim: what a learner says of a layer's gradient is true: exact is that of BPTT to 1e-10, approximate is another one.

use std::collections::BTreeSet;

use eligibility::{
    Bptt, BpttOptions, Cell, Eprop, EpropOptions, Exactness, Learner, Loss, Network, Readout, Rtrl,
    RtrlOptions, Rtu, Schedule, TruncatedBptt,
};

use crate::common::cells::{all_cells, alone, between, kinds, mixed_stacks, recurrent_cells, stacks};
use crate::common::compare::{assert_same, parts, pick, relative_error};
use crate::common::learners::{Setup, learners, scheduled, schedules, streams, windows};
use crate::common::problem::{Form, Problem, forms};
use proptest::prelude::*;

fn bptt(problem: &Problem<f64>) -> Vec<f64> {
    let (network, options) = (&problem.network, BpttOptions::default());
    problem.learn(&mut Bptt::new(network, problem.form.batch, problem.form.steps, options).unwrap()).1
}

/// The largest relative error of the parts of a layer, or of the readout.
fn error(problem: &Problem<f64>, layer: usize, found: &[f64], expected: &[f64]) -> f64 {
    let name = if layer < problem.form.layers.len() { format!("layer {layer} ") } else { "readout".into() };
    let parts = parts(&problem.network).into_iter().filter(|(part, _)| part.starts_with(&name));
    let error = |(_, indices): (_, Vec<usize>)| {
        relative_error(&pick(found, &indices), &pick(expected, &indices), 1e-6)
    };
    parts.map(error).fold(0.0, f64::max)
}

#[test]
fn of_every_learner_and_layer() {
    // As many units as it takes for one of relu to be alive all the time.
    let stacks = [alone(all_cells, 2, 8), between(recurrent_cells, 2, 3), mixed_stacks()].concat();
    for (index, layers) in stacks.into_iter().enumerate() {
        let problem = Problem::<f64>::new(Form { seed: index as u64, ..Form::long(layers, 20, 5, 0) });
        let expected = bptt(&problem);
        // A window as long as the sequence drops nothing, but does not know that.
        let learners = learners(&problem).into_iter().filter(|(name, _)| name != "20 steps back");
        for (name, mut learner) in learners {
            let (_, found) = problem.learn(&mut *learner);
            for layer in 0..=problem.form.layers.len() {
                let (error, exactness) =
                    (error(&problem, layer, &found, &expected), learner.exactness(layer));
                let true_enough = if exactness == Exactness::Exact { error <= 1e-10 } else { error > 1e-4 };
                let layers = &problem.form.layers;
                assert!(
                    true_enough,
                    "{name}, layer {layer} of {layers:?}: {error:.1e}, said to be {exactness}"
                );
            }
        }
        // A stream is a learner fed by hand.
        let setup = Setup::default();
        let learners = schedules(20).into_iter().flat_map(|schedule| scheduled(&problem, schedule, setup));
        let learners: Vec<_> = learners.chain(windows(&problem, &[1, 3, 7], setup)).collect();
        for (name, stream) in streams(&problem, 1, setup) {
            let alike = learners.iter().filter(|(learner, _)| learner.starts_with(&name));
            for (_, learner) in alike {
                for layer in 0..=problem.form.layers.len() {
                    assert_eq!(stream.exactness(layer), learner.exactness(layer), "{name}");
                }
            }
        }
    }
}

proptest! {
    /// Then there is no path through h_{t-1} to drop.
    #[test]
    fn eprop_is_without_recurrent_weights(form in forms(stacks(kinds, 1..2, 1..6))) {
        let plain = Form::plain(Vec::new());
        let mut problem = Problem::<f64>::new(Form { echo: plain.echo, scaling: plain.scaling, ..form });
        if let Ok(part) = problem.network.layout().part(0, "weight_hh") {
            part.indices().for_each(|index| problem.network.parameters_mut()[index] = 0.0);
        }
        let expected = bptt(&problem);
        for (name, mut learner) in scheduled(&problem, Schedule::default(), Setup::default()) {
            let (_, found) = problem.learn(&mut *learner);
            // In a drawn problem a sum may cancel: it is rounded relative to its terms.
            assert_same(&name, &problem.network, &found, &expected, 1e-12, 1e-3);
        }
    }
}

/// The table in the documentation of cells.
#[test]
fn eprop_of_one_layer_is_unless_its_units_read_each_other() {
    for layers in alone(all_cells, 2, 3) {
        let reads = matches!(layers[0], Cell::Lstm(_) | Cell::Gru(_) | Cell::Rnn(_));
        let problem = Problem::<f64>::new(Form::plain(layers));
        for (name, learner) in scheduled(&problem, Schedule::default(), Setup::default()) {
            let exact = learner.exactness(0) == Exactness::Exact;
            assert_eq!(exact, !reads, "{name}, {:?}", problem.form.layers);
        }
    }
}

/// What the learners of the README's table say of the lowest layer.
fn said_of(layers: &[Cell]) -> [String; 4] {
    let network = Network::<f64>::stacked(layers, Readout::new(1, Loss::SquaredError).unwrap()).unwrap();
    let options = BpttOptions::default();
    let said = |learner: &dyn Learner<f64>| learner.exactness(0).to_string();
    let rtrl = Rtrl::new(&network, 1, RtrlOptions::default());
    [
        said(&Bptt::new(&network, 1, 9, options).unwrap()),
        said(&TruncatedBptt::new(&network, 1, 3, options).unwrap()),
        said(&Eprop::new(&network, 1, EpropOptions::default()).unwrap()),
        rtrl.map_or_else(|_| "an error: would not be exact".into(), |rtrl| said(&rtrl)),
    ]
}

#[test]
fn the_readme_says_the_same() {
    let rows =
        include_str!("../../README.md").lines().skip_while(|line| !line.starts_with("| layer | `Bptt` |"));
    let (mut below, mut found) = (false, [BTreeSet::new(), BTreeSet::new()]);
    for row in rows.skip(2).take_while(|row| !row.starts_with("| memory")) {
        let columns: Vec<&str> = row.split('|').map(str::trim).collect();
        below |= columns[1].starts_with("the same, below");
        let names: Vec<&str> = columns[1].split('`').skip(1).step_by(2).collect();
        let kind = |cell: &Cell| format!("{cell:?}").split('(').next().unwrap().to_string();
        for cell in all_cells(2, 3).into_iter().filter(|cell| names.contains(&&*kind(cell))) {
            let above: Cell = Rtu::linear(cell.output(), 3).unwrap().into();
            let layers = if below { vec![cell, above] } else { vec![cell] };
            assert_eq!(said_of(&layers)[..], columns[2..6], "{layers:?}");
            found[usize::from(below)].insert(kind(&cell));
        }
    }
    let all: BTreeSet<String> =
        ["Lstm", "Gru", "Rnn", "Rtu", "OnlineLru", "BlockDiagonal", "MinGru", "Elstm", "Dense"]
            .map(String::from)
            .into();
    assert_eq!(found, [all.clone(), all]);
}
