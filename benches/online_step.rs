//! A stream that learns at every step: gradient and update one after the other, beside the fused sweep.
//!
//! Batch 1, one input, one output, squared error; H in {32, 128, 256}; f32 and f64; single thread. `step`: the forward
//! step and the traces, nothing learned. `apart`: step, `learn`, `Optimizer::update`. `fused`: step,
//! `learn_and_update`. Both give the same parameters to the bit, which is checked before anything is timed.
//!
//! `cargo bench --bench online_step`, or `-- h128_f32` for a part of it.

use std::time::Duration;

use eligibility::{
    Adam, Buffer, EpropOptions, EpropStream, Loss, Network, OnlineStream, Optimizer, Real, RmsProp, Scalar,
    Sgd, Stream, Target,
};

use common::{Contestant, Options, Table, level, network, race, random};

mod common;

const HIDDEN: [usize; 3] = [32, 128, 256];
const BUDGET: Duration = Duration::from_secs(4);
/// Small, so that millions of steps stay near the network they began with.
const RATE: f64 = 1e-7;
/// Steps after which the two ways are compared.
const CHECKED: usize = 40;
/// Inputs, again and again.
const INPUTS: usize = 64;

/// One stream with its network.
struct Learning<T: Scalar> {
    network: Network<T>,
    stream: EpropStream<T>,
    gradient: Buffer<T>,
    inputs: Buffer<T>,
    target: [T; 1],
    steps: usize,
}

impl<T: Scalar> Learning<T> {
    fn new(hidden: usize) -> Self {
        let network = network::<T>(hidden, 1, Loss::SquaredError);
        let stream = EpropStream::new(&network, 1, EpropOptions::default()).expect("sizes fit");
        let (gradient, inputs) = (network.zero_gradient(), random(INPUTS, -1.0..1.0));
        Self { network, stream, gradient, inputs, target: [T::from_f64(0.5)], steps: 0 }
    }
    fn step(&mut self) {
        let input = self.inputs[self.steps % INPUTS];
        self.stream.step(&self.network, &[input], &[self.steps == 0]).expect("sizes fit");
        self.steps += 1;
    }
    fn apart(&mut self, optimizer: &mut dyn Optimizer<T>) {
        self.step();
        let targets = [Target::Values(&self.target)];
        self.stream.learn(&self.network, &targets, &mut self.gradient).expect("sizes fit");
        optimizer.update(self.network.parameters_mut(), &self.gradient).expect("sizes fit");
    }
    fn fused(&mut self, optimizer: &mut dyn Optimizer<T>) {
        self.step();
        let targets = [Target::Values(&self.target)];
        self.stream.learn_and_update(&mut self.network, &targets, optimizer).expect("sizes fit");
    }
    fn is_finite(&self) -> bool {
        self.network.parameters().iter().all(|&w| Real::is_finite(w))
    }
}

const OPTIMIZERS: [&str; 3] = ["sgd", "rmsprop", "adam"];

fn optimizer<T: Scalar>(name: &str, network: &Network<T>, rate: f64) -> Box<dyn Optimizer<T>> {
    match name {
        "sgd" => Box::new(Sgd::new(network, rate).expect("a good rate")),
        "rmsprop" => Box::new(RmsProp::new(network, rate).expect("a good rate")),
        _ => Box::new(Adam::new(network, rate).expect("a good rate")),
    }
}

fn assert_same<T: Scalar>(hidden: usize, name: &str) {
    let (mut apart, mut fused) = (Learning::<T>::new(hidden), Learning::<T>::new(hidden));
    let start = apart.network.clone();
    let [mut one, mut other] = [(); 2].map(|()| optimizer(name, &start, 1e-3));
    for _ in 0..CHECKED {
        apart.apart(&mut *one);
        fused.fused(&mut *other);
    }
    assert!(apart.is_finite() && apart.network != start, "{name} learns");
    assert_eq!(apart.network, fused.network, "{name}: the two ways differ");
}

fn bench<T: Scalar>(options: &Options, hidden: usize, table: &mut Table) {
    let names = OPTIMIZERS.map(|name| format!("online/{name}/h{hidden}_{}", T::NAME));
    let wanted: Vec<&str> = OPTIMIZERS
        .into_iter()
        .zip(&names)
        .filter(|(_, id)| options.wants(id))
        .map(|(name, _)| name)
        .collect();
    if wanted.is_empty() {
        return;
    }
    let mut alone = Learning::<T>::new(hidden);
    let mut contestants: Vec<Contestant<'_>> = vec![Box::new(move || alone.step())];
    for name in &wanted {
        assert_same::<T>(hidden, name);
        let (mut apart, mut fused) = (Learning::<T>::new(hidden), Learning::<T>::new(hidden));
        let [mut one, mut other] = [(); 2].map(|()| optimizer(name, &apart.network, RATE));
        contestants.push(Box::new(move || apart.apart(&mut *one)));
        contestants.push(Box::new(move || fused.fused(&mut *other)));
    }
    let seconds = race(options, BUDGET, &mut contestants);
    let step = seconds[0];
    for (name, pair) in wanted.iter().zip(seconds[1..].chunks_exact(2)) {
        let [apart, fused] = [pair[0], pair[1]];
        let micros = |seconds: f64| format!("{:.2}", seconds * 1e6);
        table.row(vec![
            T::NAME.into(),
            hidden.to_string(),
            (*name).into(),
            micros(step),
            micros(apart),
            micros(fused),
            format!("{:.2}", apart / fused),
        ]);
    }
}

fn main() {
    rayon::ThreadPoolBuilder::new().num_threads(1).build_global().expect("the first use of the pool");
    let options = Options::from_args();
    let head = ["type", "H", "optimiser", "step, us", "apart, us", "fused, us", "apart / fused"];
    let mut table = Table::new(format!("level {}, one stream, one input", level()), &head);
    for hidden in HIDDEN {
        bench::<f32>(&options, hidden, &mut table);
        bench::<f64>(&options, hidden, &mut table);
    }
    table.print();
}
