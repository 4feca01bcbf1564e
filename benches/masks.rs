//! What reset masks and row lengths cost: the same gradient without them, with them but idle, and at work.
//!
//! H = 128, one input, T = 98, batch 32, f32. `idle`: a mask without resets, lengths that are all full. `resets`: one
//! step in fifty starts an episode. `lengths`: uniform in 49 to 98, so about a quarter of all steps is not taken.
//! `cargo bench --bench masks`

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use eligibility::{
    Bptt, BpttOptions, Eprop, EpropOptions, Init, Learner, Loss, Lstm, Network, Readout, Sequences, Targets,
};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

const HIDDEN: usize = 128;
const STEPS: usize = 98;
const BATCH: usize = 32;
const CLASSES: usize = 10;

fn masks(criterion: &mut Criterion) {
    let mut rng = StdRng::seed_from_u64(1);
    let (lstm, readout) = (Lstm::new(1, HIDDEN), Readout::new(CLASSES, Loss::CrossEntropy));
    let init = Init { forget_bias_offset: 1.8 };
    let network: Network<f32> =
        init.network(lstm.expect("sizes fit"), readout.expect("sizes fit"), &mut rng).expect("sizes fit");
    let inputs: Vec<f32> = (0..STEPS * BATCH).map(|_| rng.random_range(0.0..1.0)).collect();
    let classes: Vec<usize> = (0..BATCH).map(|_| rng.random_range(0..CLASSES)).collect();
    let resets: Vec<bool> = (0..STEPS * BATCH).map(|_| rng.random_ratio(1, 50)).collect();
    let lengths: Vec<usize> = (0..BATCH).map(|_| rng.random_range(STEPS / 2..=STEPS)).collect();
    let (no_resets, full) = (vec![false; STEPS * BATCH], vec![STEPS; BATCH]);

    let plain = Sequences::new(STEPS, BATCH, &inputs, Targets::LastClass(&classes)).expect("sizes fit");
    let cases = [
        ("none", plain),
        ("idle", plain.with_resets(&no_resets).and_then(|s| s.with_lengths(&full)).expect("sizes fit")),
        ("resets", plain.with_resets(&resets).expect("sizes fit")),
        ("lengths", plain.with_lengths(&lengths).expect("sizes fit")),
    ];
    let eprop = Eprop::new(&network, BATCH, EpropOptions::default()).expect("sizes fit");
    let bptt = Bptt::new(&network, BATCH, STEPS, BpttOptions::default()).expect("sizes fit");
    let mut learners: [(&str, Box<dyn Learner<f32>>); 2] =
        [("eprop", Box::new(eprop)), ("bptt", Box::new(bptt))];
    let mut gradient = network.zero_gradient();
    let mut group = criterion.benchmark_group(format!("masks/f32/b{BATCH}_t{STEPS}_h{HIDDEN}"));
    for (name, learner) in &mut learners {
        learner.gradient(&network, &cases[0].1, &mut gradient).expect("sizes fit");
        let expected = gradient.clone();
        learner.gradient(&network, &cases[1].1, &mut gradient).expect("sizes fit");
        assert_eq!(gradient, expected, "an idle mask changes nothing");
        for (case, sequences) in &cases {
            group.bench_function(BenchmarkId::new(*name, case), |bencher| {
                bencher.iter(|| {
                    learner.gradient(&network, black_box(sequences), &mut gradient).expect("sizes fit")
                });
            });
        }
    }
    group.finish();
}

fn on_one_thread(criterion: &mut Criterion) {
    // Threads would share the machine with the measurement.
    rayon::ThreadPoolBuilder::new().num_threads(1).build_global().expect("the first use of the pool");
    masks(criterion);
}

criterion_group!(benches, on_one_thread);
criterion_main!(benches);
