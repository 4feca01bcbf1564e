//! What a trace echo costs: e-prop's gradient with it over the same without, by schedule.
//!
//! T = 784, one input, 10 classes, H = 128, f32, one thread; a target at the last step or at every step. The sum of traces
//! doubles the work on traces where there are any: by model FLOPs (`train_step`) a last-step gradient in blocks goes from
//! 1.75 to 2.5 forward passes, 1.43 times as much. Gradients with an echo are compared across schedules first.
//!
//! `cargo bench --bench echo`.

use std::hint::black_box;
use std::time::Duration;

use eligibility::{Buffer, Echo, Eprop, EpropOptions, Learner, Loss, Network, Schedule, Sequences, Targets};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use rayon::ThreadPoolBuilder;

use common::{Contestant, Options, SEED, Table, level, network, race, random};

mod common;

const STEPS: usize = 784;
const HIDDEN: usize = 128;
const CLASSES: usize = 10;
const BUDGET: Duration = Duration::from_secs(2);

fn eprop(network: &Network<f32>, batch: usize, schedule: Schedule, echo: Echo) -> Eprop<f32> {
    let options = EpropOptions { schedule, echo, ..EpropOptions::default() };
    Eprop::new(network, batch, options).expect("sizes fit")
}

fn main() {
    let options = Options::from_args();
    ThreadPoolBuilder::new().num_threads(1).build_global().expect("the first use of the pool");
    let steps = if options.test { 70 } else { STEPS };
    let caption = format!("level {}, one thread, T = {steps}, H = {HIDDEN}, f32", level());
    let mut table = Table::new(caption, &["batch", "target", "schedule", "plain, ms", "echo, ms", "ratio"]);
    let network = network(HIDDEN, CLASSES, Loss::CrossEntropy);
    for (batch, every) in [(1, false), (1, true), (32, false), (32, true)] {
        let target = if every { "every" } else { "last" };
        if !options.wants(&format!("echo/{target}/b{batch}_h{HIDDEN}_f32")) {
            continue;
        }
        let mut rng = StdRng::seed_from_u64(SEED);
        let targets = if every { steps * batch } else { batch };
        let classes: Vec<usize> = (0..targets).map(|_| rng.random_range(0..CLASSES)).collect();
        let inputs = random::<f32>(steps * batch, 0.0..1.0);
        let targets = if every { Targets::EveryClass(&classes) } else { Targets::LastClass(&classes) };
        let sequences = Sequences::new(steps, batch, &inputs, targets).expect("sizes fit");
        let mut expected = None;
        for schedule in
            [Schedule::WholeSequence { max_steps: steps }, Schedule::default(), Schedule::Streaming]
        {
            let [mut plain, mut echo] = [Echo::Off, Echo::Modulated { alpha: 0.1 }]
                .map(|echo| (eprop(&network, batch, schedule, echo), network.zero_gradient()));
            let run = |(learner, gradient): &mut (Eprop<f32>, Buffer<f32>)| {
                black_box(learner.gradient(&network, black_box(&sequences), gradient).expect("sizes fit"));
            };
            run(&mut echo);
            let expected = expected.get_or_insert_with(|| echo.1.clone());
            let norm = |values: &mut dyn Iterator<Item = f32>| values.map(|x| x * x).sum::<f32>().sqrt();
            let difference = norm(&mut echo.1.iter().zip(&expected[..]).map(|(a, b)| a - b));
            let all = norm(&mut expected.iter().copied());
            assert!(difference <= 1e-4 * all, "{schedule}: off by {difference} of {all}");
            let mut contestants: [Contestant<'_>; 2] =
                [Box::new(|| run(&mut plain)), Box::new(|| run(&mut echo))];
            let [plain, echo] = race(&options, BUDGET, &mut contestants)[..] else {
                unreachable!("two contestants")
            };
            table.row(vec![
                batch.to_string(),
                target.into(),
                schedule.to_string(),
                format!("{:.2}", plain * 1e3),
                format!("{:.2}", echo * 1e3),
                format!("{:.2}", echo / plain),
            ]);
        }
    }
    table.print();
}
