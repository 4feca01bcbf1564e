//! The oracle of the cells that are no LSTMs, as a textbook writes them, in scalar `f64`; and random problems of them.

use std::collections::BTreeMap;

use eligibility::{
    BlockDiagonal, Cell, Dense, Elstm, Gru, Init, Loss, MinGru, Network, Nonlinearity, OnlineLru,
    Parameterisation, Readout, Recurrence, Rnn, Rtu, Scalar, Sequences, Targets,
};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

/// Every recurrent cell in every form, with `input` inputs.
pub fn recurrent_cells(input: usize, units: usize) -> Vec<Cell> {
    let mut cells = diagonal_cells(input, units);
    cells.push(Gru::new(input, units).unwrap().into());
    for phi in [Nonlinearity::Tanh, Nonlinearity::Identity] {
        cells.push(Rnn::new(input, units).unwrap().with_nonlinearity(phi).into());
    }
    cells
}

/// Those with exact RTRL.
pub fn diagonal_cells(input: usize, units: usize) -> Vec<Cell> {
    let mut cells = Vec::new();
    for parameterisation in [Parameterisation::ExpExp, Parameterisation::Exp, Parameterisation::Direct] {
        for phi in [Nonlinearity::Identity, Nonlinearity::Relu, Nonlinearity::Tanh] {
            for rtu in [Rtu::linear(input, units).unwrap(), Rtu::nonlinear(input, units).unwrap()] {
                cells.push(rtu.with_nonlinearity(phi).with_parameterisation(parameterisation).into());
            }
        }
    }
    let lru = OnlineLru::new(input, units).unwrap();
    cells.extend([Cell::from(lru), lru.with_skip().into()]);
    for phi in [Nonlinearity::Identity, Nonlinearity::Relu, Nonlinearity::Tanh] {
        cells.push(BlockDiagonal::new(input, units).unwrap().with_nonlinearity(phi).into());
    }
    cells.extend([Cell::from(MinGru::new(input, units).unwrap()), Elstm::new(input, units).unwrap().into()]);
    cells
}

/// A network with data: values as targets at every step, some masked out, with resets and lengths.
#[derive(Clone, Debug)]
pub struct UnitProblem<T: Scalar> {
    pub network: Network<T>,
    pub steps: usize,
    pub batch: usize,
    pub inputs: Vec<T>,
    pub values: Vec<T>,
    pub is_first: Vec<bool>,
    pub lengths: Vec<usize>,
    pub target_mask: Vec<bool>,
}

impl<T: Scalar> UnitProblem<T> {
    pub fn new(layers: &[Cell], outputs: usize, steps: usize, batch: usize, seed: u64) -> Self {
        let mut rng = StdRng::seed_from_u64(seed);
        let readout = Readout::new(outputs, Loss::SquaredError).unwrap();
        let network: Network<T> = Init::default().stacked(layers, readout, &mut rng).unwrap();
        let cells = steps * batch;
        let mut real = |length: usize, scale: f64| -> Vec<T> {
            (0..length).map(|_| T::from_f64(scale * rng.random_range(-1.0..1.0))).collect()
        };
        let inputs = real(cells * layers[0].input(), 1.5);
        let mut values = real(cells * outputs, 1.0);
        let is_first = (0..cells).map(|_| rng.random_bool(0.1)).collect();
        let lengths: Vec<_> = (0..batch).map(|_| rng.random_range(steps.div_ceil(2)..=steps)).collect();
        let mut target_mask: Vec<_> = (0..cells).map(|_| rng.random_bool(0.7)).collect();
        target_mask[0] = true;
        for cell in (0..cells).filter(|&cell| !target_mask[cell]) {
            values[cell * outputs..(cell + 1) * outputs].fill(T::from_f64(f64::NAN));
        }
        let mut problem = Self { network, steps, batch, inputs, values, is_first, lengths, target_mask };
        problem.spoil_ended_inputs();
        problem
    }
    /// What lies beyond a row's length is no number.
    fn spoil_ended_inputs(&mut self) {
        let input = self.network.layers()[0].input();
        for row in 0..self.batch {
            for step in self.lengths[row]..self.steps {
                let cell = step * self.batch + row;
                self.inputs[cell * input..(cell + 1) * input].fill(T::from_f64(f64::NAN));
            }
        }
    }
    /// Moves r to the middle of its range and theta to small angles, where differences of five points are good.
    pub fn tame(mut self) -> Self {
        let network = &mut self.network;
        for (index, cell) in network.layers().to_vec().into_iter().enumerate() {
            for part in network.layout().clone().parts(index).unwrap() {
                let rank = |place: usize| (place as f64 + 0.5) / part.columns() as f64;
                let (r, theta) = (|place| 0.3 + 0.6 * rank(place), |place| 0.2 + 1.5 * rank(place));
                let double_log = |place| (-f64::ln(r(place))).ln();
                let of_place = |f: &dyn Fn(usize) -> f64| -> Vec<T> {
                    (0..part.columns()).map(|place| T::from_f64(f(place))).collect()
                };
                let form = if let Cell::Rtu(rtu) = cell { Some(rtu.parameterisation()) } else { None };
                let values = match (part.name(), form) {
                    ("nu", Some(Parameterisation::Direct)) => of_place(&r),
                    ("nu", Some(Parameterisation::Exp)) => of_place(&|place| -r(place).ln()),
                    ("nu", _) => of_place(&double_log),
                    ("theta", Some(Parameterisation::ExpExp)) => of_place(&|place| theta(place).ln()),
                    ("theta", _) => of_place(&theta),
                    _ => continue,
                };
                part.write(network.parameters_mut(), &values).unwrap();
            }
        }
        self
    }
    pub fn sequences(&self) -> Sequences<'_, T> {
        let targets = Targets::EveryValues(&self.values);
        let sequences = Sequences::new(self.steps, self.batch, &self.inputs, targets).unwrap();
        let sequences = sequences.with_resets(&self.is_first).unwrap().with_lengths(&self.lengths).unwrap();
        sequences.with_target_mask(&self.target_mask).unwrap()
    }
}

/// A layer's weights by name.
type Weights = BTreeMap<&'static str, Vec<f64>>;

fn weights(network: &Network<f64>, flat: &[f64], layer: usize) -> Weights {
    let parts = network.layout().parts(layer).unwrap();
    parts.iter().map(|part| (part.name(), part.read(flat))).collect()
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

/// Numbers of state of a layer.
pub fn states(cell: Cell) -> usize {
    match cell {
        Cell::Rtu(cell) => 2 * cell.units(),
        Cell::OnlineLru(cell) => 2 * cell.units(),
        Cell::Dense(_) => 0,
        other => other.output(),
    }
}

/// One step: the state becomes that of the step; the outputs.
fn step(cell: Cell, w: &Weights, x: &[f64], state: &mut [f64]) -> Vec<f64> {
    let before = state.to_vec();
    match cell {
        Cell::Rtu(rtu) => {
            let n = rtu.units();
            for j in 0..n {
                let (a, b) = (w["nu"][j], w["theta"][j]);
                let (r, theta) = match rtu.parameterisation() {
                    Parameterisation::ExpExp => ((-a.exp()).exp(), b.exp()),
                    Parameterisation::Exp => ((-a).exp(), b),
                    Parameterisation::Direct => (a, b),
                };
                let gamma = (1.0 - r * r).sqrt();
                let (g, phi) = (r * theta.cos(), r * theta.sin());
                state[j] = g * before[j] - phi * before[n + j] + gamma * dot(&w["w1"], j, x);
                state[n + j] = g * before[n + j] + phi * before[j] + gamma * dot(&w["w2"], j, x);
            }
            let y: Vec<f64> = state.iter().map(|&p| apply(rtu.nonlinearity(), p)).collect();
            if rtu.recurrence() == Recurrence::Nonlinear {
                state.copy_from_slice(&y);
            }
            y
        }
        Cell::OnlineLru(lru) => {
            let n = lru.units();
            for j in 0..n {
                let (r, theta) = ((-w["nu"][j].exp()).exp(), w["theta"][j]);
                let (g, phi, gamma) = (r * theta.cos(), r * theta.sin(), w["gamma_log"][j].exp());
                state[j] = g * before[j] - phi * before[n + j] + gamma * dot(&w["b_re"], j, x);
                state[n + j] = g * before[n + j] + phi * before[j] + gamma * dot(&w["b_im"], j, x);
            }
            let (re, im) = state.split_at(n);
            let skipped = if lru.skip() { x } else { &[] };
            re.iter().copied().chain(im.iter().map(|im| -im)).chain(skipped.iter().copied()).collect()
        }
        Cell::BlockDiagonal(cell) => {
            let (n, phi) = (cell.pairs(), cell.nonlinearity());
            for j in 0..n {
                let (h1, h2) = (before[j], before[n + j]);
                state[j] = apply(phi, w["a11"][j] * h1 + w["a12"][j] * h2 + dot(&w["w1"], j, x));
                state[n + j] = apply(phi, w["a21"][j] * h1 + w["a22"][j] * h2 + dot(&w["w2"], j, x));
            }
            state.to_vec()
        }
        Cell::MinGru(_) => {
            for (j, h) in state.iter_mut().enumerate() {
                let u = sigmoid(dot(&w["w_u"], j, x));
                *h = (1.0 - u) * *h + u * dot(&w["w_h"], j, x);
            }
            state.to_vec()
        }
        Cell::Elstm(_) => {
            for (j, c) in state.iter_mut().enumerate() {
                let z = (dot(&w["weight_z"], j, x) + w["bias_z"][j] + w["w_z"][j] * *c).tanh();
                let f = sigmoid(dot(&w["weight_f"], j, x) + w["bias_f"][j] + w["w_f"][j] * *c);
                *c = f * *c + (1.0 - f) * z;
            }
            state.to_vec()
        }
        Cell::Gru(cell) => {
            let n = cell.output();
            for j in 0..n {
                let a = |gate: usize| dot(&w["weight_ih"], gate * n + j, x) + w["bias_ih"][gate * n + j];
                let b =
                    |gate: usize| dot(&w["weight_hh"], gate * n + j, &before) + w["bias_hh"][gate * n + j];
                let (r, z) = (sigmoid(a(0) + b(0)), sigmoid(a(1) + b(1)));
                state[j] = (1.0 - z) * (a(2) + r * b(2)).tanh() + z * before[j];
            }
            state.to_vec()
        }
        Cell::Rnn(cell) => {
            for j in 0..cell.output() {
                let p = dot(&w["weight_ih"], j, x) + w["bias_ih"][j] + dot(&w["weight_hh"], j, &before);
                state[j] = apply(cell.nonlinearity(), p);
            }
            state.to_vec()
        }
        Cell::Dense(cell) => (0..cell.output())
            .map(|j| apply(cell.nonlinearity(), dot(&w["weight"], j, x) + w["bias"][j]))
            .collect(),
        other => panic!("the textbook has no {}", other.name()),
    }
}

/// Which paths the loss has.
#[derive(Clone, Copy, Debug)]
pub enum Paths<'a> {
    /// All.
    All,
    /// Each target looks back so many steps, its own included; the state before is that of the record.
    Window(usize, &'a Record),
}

/// The states of all layers before every step of every row.
pub type Record = Vec<Vec<Vec<f64>>>;

/// Mean over rows of the sum over targets, for weights `flat` and inputs `inputs`.
pub fn loss(problem: &UnitProblem<f64>, flat: &[f64], inputs: &[f64], paths: Paths<'_>) -> (f64, Record) {
    let network = &problem.network;
    let layers: Vec<_> =
        network.layers().iter().enumerate().map(|(l, &cell)| (cell, weights(network, flat, l))).collect();
    let [readout, bias] = network.layout().readout_parts().map(|part| part.read(flat));
    let zeros = || layers.iter().map(|(cell, _)| vec![0.0; states(*cell)]).collect::<Vec<_>>();
    let (mut record, mut total, input) = (Record::new(), 0.0, network.layers()[0].input());
    let advance = |state: &mut Vec<Vec<f64>>, cell: usize| {
        if problem.is_first[cell] {
            *state = zeros();
        }
        let mut x = inputs[cell * input..(cell + 1) * input].to_vec();
        for ((cell, w), state) in layers.iter().zip(state) {
            x = step(*cell, w, &x, state);
        }
        x
    };
    for row in 0..problem.batch {
        let (mut state, start) = (zeros(), record.len());
        for t in 0..problem.lengths[row] {
            let cell = t * problem.batch + row;
            record.push(state.clone());
            let mut features = advance(&mut state, cell);
            if !problem.target_mask[cell] {
                continue;
            }
            if let Paths::Window(window, record) = paths {
                let first = (t + 1).saturating_sub(window);
                let mut state = record[start + first].clone();
                for t in first..=t {
                    features = advance(&mut state, t * problem.batch + row);
                }
            }
            for (k, bias) in bias.iter().enumerate() {
                let y = bias + dot(&readout, k, &features);
                total += 0.5 * (y - problem.values[cell * network.readout().output() + k]).powi(2);
            }
        }
    }
    (total / problem.batch as f64, record)
}

/// The five-point central difference of `f` at each of `indices` of `at`; see `common::differences`.
pub fn differences(at: &[f64], indices: &[usize], f: impl Fn(&[f64]) -> f64) -> Vec<f64> {
    differences_of(1e-3, at, indices, f)
}

/// The same over steps of size `size`.
pub fn differences_of(size: f64, at: &[f64], indices: &[usize], f: impl Fn(&[f64]) -> f64) -> Vec<f64> {
    let mut moved = at.to_vec();
    let slope = |&index: &usize| {
        let mut value = |steps: f64| {
            moved[index] = at[index] + steps * size;
            f(&moved)
        };
        let slope = (value(-2.0) - 8.0 * value(-1.0) + 8.0 * value(1.0) - value(2.0)) / (12.0 * size);
        moved[index] = at[index];
        slope
    };
    indices.iter().map(slope).collect()
}

/// Every part of a network's weights: a name, and flat indices.
pub fn parts<T: Scalar>(network: &Network<T>) -> Vec<(String, Vec<usize>)> {
    let layout = network.layout();
    let of_layer = |layer: usize| {
        let parts = layout.parts(layer).unwrap().into_iter();
        parts.map(move |part| (format!("layer {layer} {}", part.name()), part.indices().collect()))
    };
    let readout = layout.readout_parts().map(|part| (part.name().to_owned(), part.indices().collect()));
    (0..network.layers().len()).flat_map(of_layer).chain(readout).collect()
}

/// An encoder, a recurrent layer, and a projection.
pub fn stack(middle: impl Fn(usize) -> Cell, inputs: usize) -> Vec<Cell> {
    let below = Dense::new(inputs, 3).unwrap().with_nonlinearity(Nonlinearity::Tanh);
    let middle = middle(3);
    let above = Dense::new(middle.output(), 4).unwrap().with_nonlinearity(Nonlinearity::Tanh);
    vec![below.into(), middle, above.into()]
}
