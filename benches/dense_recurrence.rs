//! BPTT and truncated BPTT of the cells with a dense recurrence, LSTM, GRU and RNN, over a batch.
//!
//! f32, batch 32, T = 100, 32 inputs, H = 128, one output with squared error at every step; one thread. `truncated`: every
//! error goes back 10 steps. Losses of the two are compared first, and the gradients where the window is as long as the
//! sequence.
//!
//! Model FLOPs per row and step, with F = 2 times the weights of the layer, of which those of the recurrent matrix are R:
//! forward F, weights' gradient F, a step back R. BPTT 2 F + R; truncated BPTT F + L (F + R), L the steps that are there. `of
//! faer`: the part of what `faer` reaches, in the same turns, with the affine map of 16 rows and weights by columns.
//!
//! `cargo bench --bench dense_recurrence`, or `-- gru` for a part of it.

use std::hint::black_box;
use std::time::Duration;

use eligibility::{
    Bptt, BpttOptions, Buffer, Cell, Gru, Init, Learner, Loss, Lstm, Network, Readout, Rnn, Sequences,
    Targets, TruncatedBptt,
};
use rand::SeedableRng;
use rand::rngs::StdRng;

use common::{Contestant, Options, Order, SEED, Table, gates_gemm, level, race, random};

mod common;

const BATCH: usize = 32;
const STEPS: usize = 100;
const INPUT: usize = 32;
const HIDDEN: usize = 128;
/// Steps back of truncated BPTT.
const BACK: usize = 10;
/// Rows of the matrix product that rates are set against: as many as learners process at a time.
const ROWS: usize = 16;
const BUDGET: Duration = Duration::from_secs(4);

fn bptt(network: &Network<f32>, steps: usize) -> Box<dyn Learner<f32>> {
    Box::new(Bptt::new(network, BATCH, steps, BpttOptions::default()).expect("sizes fit"))
}

fn truncated(network: &Network<f32>, back: usize) -> Box<dyn Learner<f32>> {
    Box::new(TruncatedBptt::new(network, BATCH, back, BpttOptions::default()).expect("sizes fit"))
}

/// Name, cell, and gates of the affine map.
fn cells() -> [(&'static str, Cell, usize); 3] {
    [
        ("lstm", Lstm::new(INPUT, HIDDEN).expect("sizes fit").into(), 4),
        ("gru", Gru::new(INPUT, HIDDEN).expect("sizes fit").into(), 3),
        ("rnn", Rnn::new(INPUT, HIDDEN).expect("sizes fit").into(), 1),
    ]
}

/// A learner with its gradient.
struct Running<'a> {
    network: &'a Network<f32>,
    learner: Box<dyn Learner<f32>>,
    gradient: Buffer<f32>,
}

impl<'a> Running<'a> {
    fn new(network: &'a Network<f32>, learner: Box<dyn Learner<f32>>) -> Self {
        Self { network, learner, gradient: network.zero_gradient() }
    }
    fn call(&mut self, sequences: &Sequences<'_, f32>) -> f64 {
        self.learner.gradient(self.network, black_box(sequences), &mut self.gradient).expect("sizes fit").loss
    }
}

/// Panics unless a window over the whole sequence gives what BPTT gives.
fn check(network: &Network<f32>, sequences: &Sequences<'_, f32>) {
    let steps = sequences.steps();
    let [mut whole, mut window] =
        [bptt(network, steps), truncated(network, steps)].map(|learner| Running::new(network, learner));
    let (expected, found) = (whole.call(sequences), window.call(sequences));
    assert!((found - expected).abs() <= 1e-5 * expected, "losses {found} and {expected}");
    let norm = |values: &mut dyn Iterator<Item = f32>| values.map(|x| x * x).sum::<f32>().sqrt();
    let difference = norm(&mut window.gradient.iter().zip(&whole.gradient[..]).map(|(a, b)| a - b));
    let all = norm(&mut whole.gradient.iter().copied());
    // The same terms in another order, over tens of steps that each round.
    assert!(all > 0.0 && difference <= 1e-4 * all, "off by {difference} of {all}");
}

fn bench(options: &Options, (name, cell, gates): (&str, Cell, usize), table: &mut Table) {
    if !options.wants(&format!("dense_recurrence/{name}/b{BATCH}_t{STEPS}_i{INPUT}_h{HIDDEN}_f32")) {
        return;
    }
    let readout = Readout::new(1, Loss::SquaredError).expect("sizes fit");
    let mut rng = StdRng::seed_from_u64(SEED);
    let network: Network<f32> = Init::default().network(cell, readout, &mut rng).expect("sizes fit");
    // Fewer where nothing is measured, and where every error goes back to the beginning.
    let steps = |most: usize| if options.test { 20 } else { most };
    let (inputs, values) = (random(STEPS * BATCH * INPUT, -1.0..1.0), random(STEPS * BATCH, -1.0..1.0));
    let sequences = |steps: usize| {
        let (inputs, values) = (&inputs[..steps * BATCH * INPUT], &values[..steps * BATCH]);
        Sequences::new(steps, BATCH, inputs, Targets::EveryValues(values)).expect("sizes fit")
    };
    check(&network, &sequences(steps(30)));

    let (steps, sequences) = (steps(STEPS), &sequences(steps(STEPS)));
    let mut gemm = gates_gemm::<f32>(gates * HIDDEN, ROWS, INPUT + HIDDEN + 1, Order::Columns);
    gemm.check();
    let product = gemm.flops() as f64;
    let mut learners =
        [bptt(&network, steps), truncated(&network, BACK)].map(|learner| Running::new(&network, learner));
    let [whole, window] = &mut learners;
    let mut contestants: [Contestant<'_>; 3] = [
        Box::new(|| gemm.run()),
        Box::new(|| _ = whole.call(sequences)),
        Box::new(|| _ = window.call(sequences)),
    ];
    let seconds = race(options, BUDGET, &mut contestants);
    let (faer, forward) = (product / seconds[0], product / ROWS as f64 * (steps * BATCH) as f64);
    let back = 1.0 + HIDDEN as f64 / (INPUT + HIDDEN + 1) as f64;
    let windows = (0..steps).map(|step| BACK.min(step + 1)).sum::<usize>() as f64 / steps as f64;
    for (rule, seconds, passes) in
        [("BPTT", seconds[1], 1.0 + back), ("truncated", seconds[2], 1.0 + windows * back)]
    {
        let rate = passes * forward / seconds;
        table.row(vec![
            name.into(),
            rule.into(),
            format!("{:.2}", seconds * 1e3),
            format!("{:.2}", seconds / (steps * BATCH) as f64 * 1e6),
            format!("{:.1}", rate / 1e9),
            format!("{:.2}", rate / faer),
        ]);
    }
}

fn main() {
    rayon::ThreadPoolBuilder::new().num_threads(1).build_global().expect("the first use of the pool");
    let options = Options::from_args();
    let head = ["cell", "rule", "ms", "us per row and step", "model GFLOP/s", "of faer"];
    let caption = format!("level {}, one thread, batch {BATCH}, H = {HIDDEN}, one gradient", level());
    let mut table = Table::new(caption, &head);
    for case in cells() {
        bench(&options, case, &mut table);
    }
    table.print();
}
