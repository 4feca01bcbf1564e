//! Random learning problems of every form a learner takes, drawn from a seed.

use eligibility::{
    Cell, Echo, EpropOptions, Feedback, Init, Learner, Loss, Network, Parameterisation, Readout, Scalar,
    Score, Sequences, State, Target, Targets, TraceScaling,
};
use proptest::prelude::*;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use super::textbook::states;

/// Layers, sizes and forms.
#[derive(Clone, Debug)]
pub struct Form {
    pub layers: Vec<Cell>,
    pub output: usize,
    pub steps: usize,
    pub batch: usize,
    /// Targets at every step, or at each row's last.
    pub every_step: bool,
    /// Targets are classes, or values.
    pub classes: bool,
    /// The share of steps that begin an episode.
    pub resets: f64,
    /// The share of the steps that a row has at least.
    pub shortest: f64,
    /// The share of steps with a target, where targets are per step. What is masked out is no class and no number.
    pub targets: f64,
    /// Rows start from a state that is not zero.
    pub initial: bool,
    pub echo: Echo,
    pub scaling: TraceScaling,
    pub seed: u64,
}

impl Form {
    /// Every switch off but targets, classes, at every step.
    pub fn plain(layers: Vec<Cell>) -> Self {
        Self {
            layers,
            output: 3,
            steps: 6,
            batch: 2,
            every_step: true,
            classes: true,
            resets: 0.0,
            shortest: 1.0,
            targets: 1.0,
            initial: false,
            echo: Echo::Off,
            scaling: TraceScaling::default(),
            seed: 1,
        }
    }
    /// Every switch on but the extensions of e-prop, and rows for several shards.
    pub fn full(layers: Vec<Cell>) -> Self {
        let plain = Self::plain(layers);
        Self { batch: 19, resets: 0.25, shortest: 0.0, targets: 0.5, initial: true, seed: 7, ..plain }
    }
    /// Values as targets of long episodes.
    pub fn long(layers: Vec<Cell>, steps: usize, batch: usize, seed: u64) -> Self {
        let (output, classes, resets, shortest, targets) = (2, false, 0.1, 0.5, 0.7);
        Self { output, steps, batch, classes, resets, shortest, targets, seed, ..Self::plain(layers) }
    }
    pub fn input(&self) -> usize {
        self.layers[0].input()
    }
}

/// Forms small enough for finite differences.
pub fn forms(layers: impl Strategy<Value = Vec<Cell>>) -> impl Strategy<Value = Form> {
    let sizes = (1..4_usize, 1..9_usize, 1..4_usize);
    let share = |off: f64, on: f64| prop_oneof![Just(off), Just(on)];
    let shares = (share(0.0, 0.25), share(1.0, 0.0), share(1.0, 0.5));
    let echo = prop_oneof![
        2 => Just(Echo::Off),
        1 => (0.01..1.0).prop_map(|alpha| Echo::Modulated { alpha }),
        1 => (-0.5..0.5).prop_map(|alpha| Echo::Literal { alpha }),
    ];
    let scaling = prop_oneof![
        2 => Just(TraceScaling::default()),
        1 => (-2.0..2.0, 0.0..1.0).prop_map(|(output, decay)| TraceScaling { output, decay }),
    ];
    (layers, sizes, any::<[bool; 3]>(), shares, echo, scaling, any::<u64>()).prop_map(
        |(layers, sizes, flags, shares, echo, scaling, seed)| {
            let (output, steps, batch) = sizes;
            let [every_step, classes, initial] = flags;
            let (resets, shortest, targets) = shares;
            Form {
                layers,
                output,
                steps,
                batch,
                every_step,
                classes,
                resets,
                shortest,
                targets,
                initial,
                echo,
                scaling,
                seed,
            }
        },
    )
}

/// A network with data, in `f64` or rounded from it.
#[derive(Clone, Debug)]
pub struct Problem<T: Scalar> {
    pub form: Form,
    pub network: Network<T>,
    /// `[steps, batch, input]`: no number beyond a row's end.
    pub inputs: Vec<T>,
    pub classes: Vec<usize>,
    pub values: Vec<T>,
    pub is_first: Vec<bool>,
    pub lengths: Vec<usize>,
    pub target_mask: Vec<bool>,
    /// Of every layer; empty if rows start from zero.
    pub initial: Vec<State<T>>,
    pub feedback: Feedback<T>,
}

impl<T: Scalar> Problem<T> {
    pub fn new(form: Form) -> Self {
        let mut rng = StdRng::seed_from_u64(form.seed);
        let loss = if form.classes { Loss::CrossEntropy } else { Loss::SquaredError };
        let readout = Readout::new(form.output, loss).unwrap();
        let init = Init { forget_bias_offset: 0.5 };
        let network: Network<T> = init.stacked(&form.layers, readout, &mut rng).unwrap();
        let feedback = Feedback::random(&network, &mut rng);
        let places = form.steps * form.batch;
        let targets = if form.every_step { places } else { form.batch };
        let mut real = |length: usize, scale: f64| -> Vec<T> {
            (0..length).map(|_| T::from_f64(scale * rng.random_range(-1.0..1.0))).collect()
        };
        let (mut inputs, mut values) = (real(places * form.input(), 2.0), real(targets * form.output, 1.0));
        let mut initial = Vec::new();
        for &cell in form.layers.iter().filter(|_| form.initial) {
            let mut state = State::zeros(cell, form.batch).unwrap();
            for (name, width) in cell.state_parts() {
                state.part_mut(name).unwrap().copy_from_slice(&real(form.batch * width, 0.8));
            }
            initial.push(state);
        }
        let mut classes: Vec<_> = (0..targets).map(|_| rng.random_range(0..form.output)).collect();
        let is_first = (0..places).map(|_| rng.random_bool(form.resets)).collect();
        let long_enough = |&steps: &usize| steps as f64 >= form.shortest * form.steps as f64;
        let shortest = (1..=form.steps).find(long_enough).unwrap();
        let lengths: Vec<_> = (0..form.batch).map(|_| rng.random_range(shortest..=form.steps)).collect();
        let target_mask: Vec<_> =
            (0..places).map(|_| rng.random_bool(form.targets) || !form.every_step).collect();
        for place in (0..places).filter(|&place| !target_mask[place]) {
            classes[place] = usize::MAX;
            values[place * form.output..(place + 1) * form.output].fill(T::from_f64(f64::NAN));
        }
        for place in (0..places).filter(|&place| place / form.batch >= lengths[place % form.batch]) {
            inputs[place * form.input()..(place + 1) * form.input()].fill(T::from_f64(f64::NAN));
        }
        Self { form, network, inputs, classes, values, is_first, lengths, target_mask, initial, feedback }
    }

    /// The same layers without a readout: the outputs are what the top layer gives. There is no loss but one's own.
    pub fn without_readout(mut self) -> Self {
        let mut network = Network::without_readout(&self.form.layers).unwrap();
        let layers = network.layout().len();
        network.parameters_mut().copy_from_slice(&self.network.parameters()[..layers]);
        self.form.output = network.output();
        Self { network, feedback: Feedback::Symmetric, ..self }
    }

    /// Moves r to the middle of its range and theta to small angles, where differences of five points are good.
    pub fn tame(mut self) -> Self {
        for (index, &cell) in self.form.layers.iter().enumerate() {
            for part in self.network.layout().parts(index).unwrap() {
                let rank = |place: usize| (place as f64 + 0.5) / part.columns() as f64;
                let (r, theta) = (|place| 0.3 + 0.6 * rank(place), |place| 0.2 + 1.5 * rank(place));
                let form = if let Cell::Rtu(rtu) = cell { Some(rtu.parameterisation()) } else { None };
                let value = |place: usize| match (part.name(), form) {
                    ("nu", Some(Parameterisation::Direct)) => r(place),
                    ("nu", Some(Parameterisation::Exp)) => -r(place).ln(),
                    ("nu", _) => (-r(place).ln()).ln(),
                    (_, Some(Parameterisation::ExpExp)) => theta(place).ln(),
                    _ => theta(place),
                };
                if ["nu", "theta"].contains(&part.name()) {
                    let values: Vec<T> = (0..part.columns()).map(|place| T::from_f64(value(place))).collect();
                    part.write(self.network.parameters_mut(), &values).unwrap();
                }
            }
        }
        self
    }

    /// E-prop with the form's extensions, and random feedback if asked for.
    pub fn options(&self, random: bool) -> EpropOptions<T> {
        let feedback = if random { self.feedback.clone() } else { Feedback::Symmetric };
        let Form { echo, scaling, .. } = self.form;
        EpropOptions { feedback, echo, scaling, ..EpropOptions::default() }
    }

    pub fn sequences(&self) -> Sequences<'_, T> {
        let targets = match (self.form.classes, self.form.every_step) {
            (true, true) => Targets::EveryClass(&self.classes),
            (true, false) => Targets::LastClass(&self.classes),
            (false, true) => Targets::EveryValues(&self.values),
            (false, false) => Targets::LastValues(&self.values),
        };
        self.sequences_with(targets)
    }

    /// The same with other targets.
    pub fn sequences_with<'a>(&'a self, targets: Targets<'a, T>) -> Sequences<'a, T> {
        let Form { steps, batch, .. } = self.form;
        let mut sequences = Sequences::new(steps, batch, &self.inputs, targets).unwrap();
        sequences = sequences.with_resets(&self.is_first).unwrap().with_lengths(&self.lengths).unwrap();
        if self.target_mask.contains(&false) && !matches!(targets, Targets::None) {
            sequences = sequences.with_target_mask(&self.target_mask).unwrap();
        }
        if self.initial.is_empty() { sequences } else { sequences.starting_from(&self.initial) }
    }

    /// What a learner makes of it, whatever the gradient held before.
    pub fn learn(&self, learner: &mut dyn Learner<T>) -> (Score, Vec<T>) {
        let mut gradient = self.network.zero_gradient();
        gradient.fill(T::from_f64(7.0));
        let score = learner.gradient(&self.network, &self.sequences(), &mut gradient).unwrap();
        (score, gradient.to_vec())
    }

    /// The same, and dE/dx_t of all steps.
    pub fn learn_with_inputs(&self, learner: &mut dyn Learner<T>) -> (Score, Vec<T>, Vec<T>) {
        let mut gradient = self.network.zero_gradient();
        gradient.fill(T::from_f64(7.0));
        let (sequences, mut by_inputs) = (self.sequences(), vec![T::from_f64(7.0); self.inputs.len()]);
        let score =
            learner.gradient_with_inputs(&self.network, &sequences, &mut gradient, &mut by_inputs).unwrap();
        (score, gradient.to_vec(), by_inputs)
    }

    /// The index of a row's target at step t, if it has one.
    pub fn target_index(&self, t: usize, row: usize) -> Option<usize> {
        let place = t * self.form.batch + row;
        if self.form.every_step {
            (t < self.lengths[row] && self.target_mask[place]).then_some(place)
        } else {
            (t + 1 == self.lengths[row]).then_some(row)
        }
    }

    pub fn target(&self, t: usize, row: usize) -> Target<'_, T> {
        let output = self.form.output;
        match self.target_index(t, row) {
            None => Target::Absent,
            Some(index) if self.form.classes => Target::Class(self.classes[index]),
            Some(index) => Target::Values(&self.values[index * output..(index + 1) * output]),
        }
    }

    pub fn targets(&self, t: usize) -> Vec<Target<'_, T>> {
        (0..self.form.batch).map(|row| self.target(t, row)).collect()
    }

    /// x_t of all rows, and which of them begin an episode with it.
    pub fn step(&self, t: usize) -> (&[T], &[bool]) {
        let (input, batch) = (self.form.input() * self.form.batch, self.form.batch);
        (&self.inputs[t * input..(t + 1) * input], &self.is_first[t * batch..(t + 1) * batch])
    }

    /// The state every layer starts from in a row: all parts of it, one behind the other.
    pub fn initial(&self, row: usize) -> Vec<Vec<f64>> {
        let state = |(index, &cell): (usize, &Cell)| {
            self.initial.get(index).map_or(vec![0.0; states(cell)], |state| {
                let part = |all: &[T]| all.chunks(all.len() / self.form.batch).nth(row).unwrap().to_vec();
                state.parts().flat_map(|(_, all)| part(all)).map(T::to_f64).collect()
            })
        };
        self.form.layers.iter().enumerate().map(state).collect()
    }
}
