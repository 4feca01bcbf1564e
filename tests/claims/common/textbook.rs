//! The oracle: every cell as a textbook writes it, stacks of them, and their loss, in scalar `f64`, sharing no line with
//! the library. What is cut for an approximate learner is an argument, so that its gradient too is that of a function.

use std::collections::BTreeMap;

use eligibility::{Cell, Network, Nonlinearity, Parameterisation, Recurrence};

use super::differences::differences;
use super::problem::Problem;

/// What a network did at every step of every row, row after row.
#[derive(Clone, Debug, Default)]
pub struct Record {
    /// The state of every layer before the step, after a reset.
    pub before: Vec<Vec<Vec<f64>>>,
    /// What every layer gave.
    pub outputs: Vec<Vec<Vec<f64>>>,
    /// The step begins an episode: by a reset, or as the row's first.
    pub begins: Vec<bool>,
    /// dE/dy, where there is a target.
    pub errors: Vec<Option<Vec<f64>>>,
}

/// What is summed over the steps, and then averaged over the rows.
#[derive(Clone, Copy, Debug)]
pub enum Objective<'a> {
    /// The loss of each target.
    Loss,
    /// `S_t . y_t` with constant S_t, one for every recorded step, and y_t what layer `layer` gives.
    Signals { layer: usize, signals: &'a [Vec<f64>] },
}

/// Which paths from the weights to the objective there are.
#[derive(Clone, Copy, Debug)]
pub enum Paths<'a> {
    /// All.
    All,
    /// Each target looks back so many steps, its own included; the state before is that of the record.
    Window(usize, &'a Record),
    /// What e-prop sees of the weights of `layer`: its input, and from there up the state before each step, are those of
    /// the record, but for the direct path inside `layer` (from c to c of an LSTM, by z of a GRU, all of a cell whose units
    /// do not read each other), where the state differs from the record by `decay` times as much as it would.
    Frozen { record: &'a Record, layer: usize, decay: f64 },
}

/// The objective for weights `flat` and inputs `inputs`.
pub fn objective(
    problem: &Problem<f64>,
    flat: &[f64],
    inputs: &[f64],
    objective: Objective<'_>,
    paths: Paths<'_>,
) -> f64 {
    walk(problem, flat, inputs, objective, paths, None)
}

/// The loss for weights `flat`.
pub fn loss(problem: &Problem<f64>, flat: &[f64], paths: Paths<'_>) -> f64 {
    objective(problem, flat, &problem.inputs, Objective::Loss, paths)
}

/// What the problem's own network does.
pub fn record(problem: &Problem<f64>) -> Record {
    let mut record = Record::default();
    let (flat, inputs) = (problem.network.parameters(), &problem.inputs);
    walk(problem, flat, inputs, Objective::Loss, Paths::All, Some(&mut record));
    record
}

/// The derivative of the loss of each recorded step by what layer `layer` gives at it, where the error goes down from
/// the top layer's features by `feedback` `[outputs, features]`, and through the layers above at the step alone.
pub fn signals(problem: &Problem<f64>, record: &Record, layer: usize, feedback: &[f64]) -> Vec<Vec<f64>> {
    let layers = layers(&problem.network, problem.network.parameters());
    let signal = |index: usize| {
        let outputs = &record.outputs[index];
        let Some(error) = &record.errors[index] else { return vec![0.0; outputs[layer].len()] };
        let features = outputs[layers.len() - 1].len();
        let top: Vec<f64> = (0..features)
            .map(|j| (0..error.len()).map(|k| feedback[k * features + j] * error[k]).sum())
            .collect();
        let above = |y: &[f64]| {
            let mut x = y.to_vec();
            for (layer, before) in layers.iter().zip(&record.before[index]).skip(layer + 1) {
                x = step(layer, &x, before, before).1;
            }
            x.iter().zip(&top).map(|(y, signal)| y * signal).sum()
        };
        differences(&outputs[layer], &(0..outputs[layer].len()).collect::<Vec<_>>(), above)
    };
    (0..record.outputs.len()).map(signal).collect()
}

/// A layer's cell, and its weights by name.
struct Layer {
    cell: Cell,
    weights: BTreeMap<&'static str, Vec<f64>>,
}

fn layers(network: &Network<f64>, flat: &[f64]) -> Vec<Layer> {
    let cells = network.layers().iter().enumerate();
    cells
        .map(|(index, &cell)| {
            let parts = network.layout().parts(index).unwrap();
            Layer { cell, weights: parts.iter().map(|part| (part.name(), part.read(flat))).collect() }
        })
        .collect()
}

/// Numbers of state of a layer.
pub fn states(cell: Cell) -> usize {
    match cell {
        Cell::Lstm(cell) => 2 * cell.units(),
        Cell::Rtu(cell) => 2 * cell.units(),
        Cell::OnlineLru(cell) => 2 * cell.units(),
        Cell::BlockDiagonal(cell) => 2 * cell.units(),
        Cell::Dense(_) => 0,
        other => other.units(),
    }
}

fn walk(
    problem: &Problem<f64>,
    flat: &[f64],
    inputs: &[f64],
    objective: Objective<'_>,
    paths: Paths<'_>,
    mut record: Option<&mut Record>,
) -> f64 {
    let (network, batch, input) = (&problem.network, problem.form.batch, problem.form.input());
    let layers = layers(network, flat);
    let readout: Vec<_> = network.layout().readout_parts().iter().map(|part| part.read(flat)).collect();
    let reset = |states: &mut [Vec<f64>], place: usize| {
        if problem.is_first[place] {
            for state in states {
                state.fill(0.0);
            }
        }
    };
    // What every layer gives at recorded step `index`, the input being at `place`; the states become those of the step.
    let advance = |states: &mut [Vec<f64>], place: usize, index: usize| {
        let mut outputs: Vec<Vec<f64>> = Vec::with_capacity(layers.len());
        for (l, (layer, state)) in layers.iter().zip(states).enumerate() {
            let x = if l == 0 { &inputs[place * input..(place + 1) * input] } else { &outputs[l - 1][..] };
            let (after, output) = match paths {
                Paths::Frozen { record, layer: learning, .. } if l < learning => {
                    (Vec::new(), record.outputs[index][l].clone())
                }
                Paths::Frozen { record, layer: learning, decay } => {
                    let recorded = &record.before[index][l];
                    let decay = if l == learning { decay } else { 0.0 };
                    let direct = state.iter().zip(recorded).map(|(live, kept)| kept + decay * (live - kept));
                    step(layer, x, &direct.collect::<Vec<_>>(), recorded)
                }
                _ => step(layer, x, state, state),
            };
            *state = after;
            outputs.push(output);
        }
        outputs
    };
    let (mut total, mut index) = (0.0, 0);
    for row in 0..batch {
        let (mut states, start) = (problem.initial(row), index);
        for t in 0..problem.lengths[row] {
            let (place, target) = (t * batch + row, problem.target_index(t, row));
            reset(&mut states, place);
            if let Some(record) = &mut record {
                record.begins.push(t == 0 || problem.is_first[place]);
                record.before.push(states.clone());
            }
            let outputs = match (paths, target) {
                (Paths::Window(steps, record), Some(_)) => {
                    let first = (t + 1).saturating_sub(steps);
                    states.clone_from(&record.before[start + first]);
                    let outputs = (first..=t).map(|t| {
                        reset(&mut states, t * batch + row);
                        advance(&mut states, t * batch + row, start + t)
                    });
                    outputs.last().unwrap()
                }
                (Paths::Window(..), None) => Vec::new(),
                _ => advance(&mut states, place, index),
            };
            let scored = target.map(|target| {
                let features = outputs.last().unwrap();
                let [weight, bias] = &readout[..] else { return score(problem, target, features) };
                let y = bias.iter().enumerate().map(|(k, bias)| bias + dot(weight, k, features));
                score(problem, target, &y.collect::<Vec<_>>())
            });
            total += match objective {
                Objective::Loss => scored.as_ref().map_or(0.0, |(loss, _)| *loss),
                Objective::Signals { layer, signals } => dot(&signals[index], 0, &outputs[layer]),
            };
            if let Some(record) = &mut record {
                record.outputs.push(outputs);
                record.errors.push(scored.map(|(_, error)| error));
            }
            index += 1;
        }
    }
    total / batch as f64
}

/// Loss and dE/dy of one output.
fn score(problem: &Problem<f64>, target: usize, y: &[f64]) -> (f64, Vec<f64>) {
    if problem.form.classes {
        let class = problem.classes[target];
        let sum: f64 = y.iter().map(|y| y.exp()).sum();
        let error = y.iter().enumerate().map(|(k, y)| y.exp() / sum - f64::from(u8::from(k == class)));
        (sum.ln() - y[class], error.collect())
    } else {
        let values = &problem.values[target * y.len()..];
        let error: Vec<f64> = y.iter().zip(values).map(|(y, value)| y - value).collect();
        (0.5 * error.iter().map(|e| e * e).sum::<f64>(), error)
    }
}

/// One step of a layer: its state, and what it gives. The products with recurrent matrices read the state `read`, all
/// else the state `before`.
fn step(layer: &Layer, x: &[f64], before: &[f64], read: &[f64]) -> (Vec<f64>, Vec<f64>) {
    let w = |name: &str| &layer.weights[name][..];
    match layer.cell {
        Cell::Lstm(cell) => {
            let (n, phi) = (cell.units(), cell.nonlinearity());
            let (input, recurrent, bias) = (w("weight_ih"), w("weight_hh"), w("bias"));
            let z = |k: usize| dot(input, k, x) + dot(recurrent, k, &read[n..]) + bias[k];
            let cells: Vec<f64> =
                (0..n).map(|j| sigmoid(z(n + j)) * before[j] + sigmoid(z(j)) * z(2 * n + j).tanh()).collect();
            let hidden: Vec<f64> = (0..n).map(|j| sigmoid(z(3 * n + j)) * apply(phi, cells[j])).collect();
            ([cells, hidden.clone()].concat(), hidden)
        }
        Cell::Gru(cell) => {
            let n = cell.output();
            let (input, recurrent) = (w("weight_ih"), w("weight_hh"));
            let a = |k: usize| dot(input, k, x) + w("bias_ih")[k];
            let b = |k: usize| dot(recurrent, k, read) + w("bias_hh")[k];
            let unit = |j: usize| {
                let (r, z) = (sigmoid(a(j) + b(j)), sigmoid(a(n + j) + b(n + j)));
                (1.0 - z) * (a(2 * n + j) + r * b(2 * n + j)).tanh() + z * before[j]
            };
            own((0..n).map(unit))
        }
        Cell::Rnn(cell) => {
            let p = |j: usize| dot(w("weight_ih"), j, x) + w("bias")[j] + dot(w("weight_hh"), j, read);
            own((0..cell.output()).map(|j| apply(cell.nonlinearity(), p(j))))
        }
        Cell::Rtu(cell) => {
            let polar = |j: usize| {
                let (a, b) = (w("nu")[j], w("theta")[j]);
                let (r, theta) = match cell.parameterisation() {
                    Parameterisation::ExpExp => ((-a.exp()).exp(), b.exp()),
                    Parameterisation::Exp => ((-a).exp(), b),
                    Parameterisation::Direct => (a, b),
                };
                (r, theta, (1.0 - r * r).sqrt())
            };
            let p = complex(cell.units(), polar, w("w1"), w("w2"), x, before);
            let y: Vec<f64> = p.iter().map(|&p| apply(cell.nonlinearity(), p)).collect();
            if cell.recurrence() == Recurrence::Nonlinear { (y.clone(), y) } else { (p, y) }
        }
        Cell::OnlineLru(cell) => {
            let polar = |j: usize| ((-w("nu")[j].exp()).exp(), w("theta")[j], w("gamma_log")[j].exp());
            let h = complex(cell.units(), polar, w("b_re"), w("b_im"), x, before);
            let (re, im) = h.split_at(cell.units());
            let skipped = if cell.skip() { x } else { &[] };
            let y =
                re.iter().copied().chain(im.iter().map(|im| -im)).chain(skipped.iter().copied()).collect();
            (h, y)
        }
        Cell::BlockDiagonal(cell) => {
            let n = cell.units();
            let p = |j: usize| {
                let (h1, h2, first) = (before[j % n], before[n + j % n], j < n);
                let [by_1, by_2, by_x] = if first { ["a11", "a12", "w1"] } else { ["a21", "a22", "w2"] };
                w(by_1)[j % n] * h1 + w(by_2)[j % n] * h2 + dot(w(by_x), j % n, x)
            };
            own((0..2 * n).map(|j| apply(cell.nonlinearity(), p(j))))
        }
        Cell::MinGru(cell) => own((0..cell.output()).map(|j| {
            let u = sigmoid(dot(w("w_u"), j, x));
            (1.0 - u) * before[j] + u * dot(w("w_h"), j, x)
        })),
        Cell::Elstm(cell) => own((0..cell.output()).map(|j| {
            let z = (dot(w("weight_z"), j, x) + w("bias_z")[j] + w("w_z")[j] * before[j]).tanh();
            let f = sigmoid(dot(w("weight_f"), j, x) + w("bias_f")[j] + w("w_f")[j] * before[j]);
            f * before[j] + (1.0 - f) * z
        })),
        Cell::Dense(cell) => {
            let y = |j| apply(cell.nonlinearity(), dot(w("weight"), j, x) + w("bias")[j]);
            (Vec::new(), (0..cell.output()).map(y).collect())
        }
        other => panic!("the textbook has no {}", other.name()),
    }
}

/// The state is what the cell gives.
fn own(state: impl Iterator<Item = f64>) -> (Vec<f64>, Vec<f64>) {
    let state: Vec<f64> = state.collect();
    (state.clone(), state)
}

/// `lambda h + gamma (W_1 + i W_2) x` of n complex units, r, theta and gamma being `polar(j)`: real parts, then imaginary.
fn complex(
    n: usize,
    polar: impl Fn(usize) -> (f64, f64, f64),
    w1: &[f64],
    w2: &[f64],
    x: &[f64],
    before: &[f64],
) -> Vec<f64> {
    let part = |k: usize| {
        let (j, real) = (k % n, k < n);
        let (r, theta, gamma) = polar(j);
        let (g, phi) = (r * theta.cos(), r * theta.sin());
        if real {
            g * before[j] - phi * before[n + j] + gamma * dot(w1, j, x)
        } else {
            g * before[n + j] + phi * before[j] + gamma * dot(w2, j, x)
        }
    };
    (0..2 * n).map(part).collect()
}

fn apply(phi: Nonlinearity, x: f64) -> f64 {
    match phi {
        Nonlinearity::Identity => x,
        Nonlinearity::Relu => x.max(0.0),
        Nonlinearity::Tanh => x.tanh(),
    }
}

fn sigmoid(x: f64) -> f64 {
    1.0 / (1.0 + (-x).exp())
}

/// Row `row` of a matrix times x.
fn dot(matrix: &[f64], row: usize, x: &[f64]) -> f64 {
    x.iter().zip(&matrix[row * x.len()..]).map(|(x, w)| w * x).sum()
}
