//! Random learning problems of every form a learner takes, drawn from a seed.

use eligibility::{
    Echo, EpropOptions, Feedback, Init, Loss, Lstm, LstmState, Network, Nonlinearity, Readout, Scalar,
    Sequences, Targets, TraceScaling,
};
use proptest::prelude::*;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

/// Sizes and forms.
#[derive(Clone, Copy, Debug)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "independent switches, which is what a generator of cases has"
)]
pub struct Form {
    pub input: usize,
    pub hidden: usize,
    pub output: usize,
    pub steps: usize,
    pub batch: usize,
    pub every_step: bool,
    pub classes: bool,
    pub resets: bool,
    pub lengths: bool,
    /// Targets at some steps only, where they are per step. What is masked out is no class and no number.
    pub mask: bool,
    pub initial: bool,
    pub identity: bool,
    pub echo: Echo,
    pub scaling: TraceScaling,
    pub seed: u64,
}

impl Form {
    /// Every switch off but targets, classes, at every step.
    pub const PLAIN: Self = Self {
        input: 2,
        hidden: 5,
        output: 3,
        steps: 6,
        batch: 2,
        every_step: true,
        classes: true,
        resets: false,
        lengths: false,
        mask: false,
        initial: false,
        identity: false,
        echo: Echo::Off,
        scaling: TraceScaling { output: 1.0, decay: 1.0 },
        seed: 1,
    };
    /// Every switch on but the identity, and sizes for several shards and more than one vector.
    pub const FULL: Self = Self {
        input: 3,
        hidden: 11,
        batch: 19,
        resets: true,
        lengths: true,
        mask: true,
        initial: true,
        seed: 7,
        ..Self::PLAIN
    };
}

/// Forms small enough for finite differences.
pub fn forms() -> impl Strategy<Value = Form> {
    let sizes = (1..4_usize, 1..6_usize, 1..4_usize, 1..9_usize, 1..4_usize);
    let flags = any::<[bool; 7]>();
    let echo = prop_oneof![
        2 => Just(Echo::Off),
        1 => (0.01..1.0).prop_map(|alpha| Echo::Modulated { alpha }),
        1 => (-0.5..0.5).prop_map(|alpha| Echo::Literal { alpha }),
    ];
    let scaling = prop_oneof![
        2 => Just(TraceScaling::default()),
        1 => (-2.0..2.0, 0.0..1.0).prop_map(|(output, decay)| TraceScaling { output, decay }),
    ];
    (sizes, flags, echo, scaling, any::<u64>()).prop_map(|(sizes, flags, echo, scaling, seed)| {
        let (input, hidden, output, steps, batch) = sizes;
        let [every_step, classes, resets, lengths, mask, initial, identity] = flags;
        Form {
            input,
            hidden,
            output,
            steps,
            batch,
            every_step,
            classes,
            resets,
            lengths,
            mask,
            initial,
            identity,
            echo,
            scaling,
            seed,
        }
    })
}

/// A network with data, in `f64` or rounded from it.
#[derive(Clone, Debug)]
pub struct Problem<T: Scalar> {
    pub form: Form,
    pub network: Network<T>,
    pub inputs: Vec<T>,
    pub classes: Vec<usize>,
    pub values: Vec<T>,
    pub is_first: Vec<bool>,
    pub lengths: Vec<usize>,
    /// All true unless the form has a mask and targets per step.
    pub target_mask: Vec<bool>,
    pub initial: LstmState<T>,
    pub feedback: Feedback<T>,
}

impl<T: Scalar> Problem<T> {
    pub fn new(form: Form) -> Self {
        let mut rng = StdRng::seed_from_u64(form.seed);
        let loss = if form.classes { Loss::CrossEntropy } else { Loss::SquaredError };
        let phi = if form.identity { Nonlinearity::Identity } else { Nonlinearity::Tanh };
        let lstm = Lstm::new(form.input, form.hidden).unwrap().with_nonlinearity(phi);
        let readout = Readout::new(form.output, loss).unwrap();
        let init = Init { forget_bias_offset: 0.5 };
        let network: Network<T> = init.network(lstm, readout, &mut rng).unwrap();
        let cells = form.steps * form.batch;
        let targets = if form.every_step { cells } else { form.batch };
        let mut real = |length: usize, scale: f64| -> Vec<T> {
            (0..length).map(|_| T::from_f64(scale * rng.random_range(-1.0..1.0))).collect()
        };
        let (inputs, mut values) = (real(cells * form.input, 2.0), real(targets * form.output, 1.0));
        let mut initial = LstmState::zeros(&lstm, form.batch).unwrap();
        initial.cell.copy_from_slice(&real(form.batch * form.hidden, 1.0));
        initial.hidden.copy_from_slice(&real(form.batch * form.hidden, 0.7));
        let mut classes: Vec<_> = (0..targets).map(|_| rng.random_range(0..form.output)).collect();
        let is_first = (0..cells).map(|_| form.resets && rng.random_bool(0.25)).collect();
        let length =
            |rng: &mut StdRng| if form.lengths { rng.random_range(1..=form.steps) } else { form.steps };
        let lengths = (0..form.batch).map(|_| length(&mut rng)).collect();
        let feedback = Feedback::random(&network, &mut rng);
        let masks = form.mask && form.every_step;
        let target_mask: Vec<_> = (0..cells).map(|_| !(masks && rng.random_bool(0.5))).collect();
        for cell in (0..cells).filter(|&cell| !target_mask[cell]) {
            classes[cell] = usize::MAX;
            values[cell * form.output..(cell + 1) * form.output].fill(T::from_f64(f64::NAN));
        }
        Self { form, network, inputs, classes, values, is_first, lengths, target_mask, initial, feedback }
    }

    /// E-prop with the form's extensions, and random feedback if asked for.
    pub fn options(&self, random: bool) -> EpropOptions<T> {
        let feedback = if random { self.feedback.clone() } else { Feedback::Symmetric };
        let Form { echo, scaling, .. } = self.form;
        EpropOptions { feedback, echo, scaling, ..EpropOptions::default() }
    }

    pub fn sequences(&self) -> Sequences<'_, T> {
        let sequences = self.sequences_without_mask();
        let masks = self.form.mask && self.form.every_step;
        if masks { sequences.with_target_mask(&self.target_mask).unwrap() } else { sequences }
    }

    pub fn sequences_without_mask(&self) -> Sequences<'_, T> {
        let targets = match (self.form.classes, self.form.every_step) {
            (true, true) => Targets::EveryClass(&self.classes),
            (true, false) => Targets::LastClass(&self.classes),
            (false, true) => Targets::EveryValues(&self.values),
            (false, false) => Targets::LastValues(&self.values),
        };
        let sequences = Sequences::new(self.form.steps, self.form.batch, &self.inputs, targets).unwrap();
        let sequences = sequences.with_resets(&self.is_first).unwrap().with_lengths(&self.lengths).unwrap();
        if self.form.initial {
            sequences.starting_from(std::slice::from_ref(&self.initial))
        } else {
            sequences
        }
    }
}

/// Parts of a flat gradient in `f64`, without padding: input weights, recurrent weights, bias, readout.
pub fn blocks<T: Scalar>(network: &Network<T>, flat: &[T]) -> [(&'static str, Vec<f64>); 5] {
    let lstm = network.layout().unpack_lstm(0, flat).unwrap();
    let readout = network.layout().unpack_readout(flat).unwrap();
    let wide = |values: Vec<T>| values.into_iter().map(T::to_f64).collect::<Vec<_>>();
    [
        ("input weights", wide(lstm.weight_ih)),
        ("recurrent weights", wide(lstm.weight_hh)),
        ("bias", wide(lstm.bias)),
        ("readout weights", wide(readout.weight)),
        ("readout bias", wide(readout.bias)),
    ]
}
