//! Claim: in a stack of layers BPTT gives the gradient of the loss, and e-prop, for the weights of each layer, the exact
//! gradient of the network in which all recurrent inputs h_{t-1} are frozen and, in the layers above, c_{t-1} too.

use crate::common::compare::{assert_close, relative_error};
use eligibility::{
    Bptt, Echo, Eprop, EpropOptions, EpropStream, Evaluator, Init, Learner, Loss, Lstm, LstmState, Network,
    Readout, ReadoutOnly, Schedule, Sequences, Target, Targets, TraceScaling, TruncatedBptt,
};
use proptest::prelude::*;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

const OUTPUTS: usize = 3;

/// A stack with data: a class at every step of every row, or at the last.
#[derive(Debug)]
struct Stack {
    network: Network<f64>,
    steps: usize,
    batch: usize,
    inputs: Vec<f64>,
    classes: Vec<usize>,
    is_first: Vec<bool>,
    lengths: Vec<usize>,
    initial: Vec<LstmState<f64>>,
    every_step: bool,
}

impl Stack {
    fn new(sizes: &[usize], steps: usize, batch: usize, every_step: bool, seed: u64) -> Self {
        let mut rng = StdRng::seed_from_u64(seed);
        let lstms: Vec<Lstm> = sizes.windows(2).map(|pair| Lstm::new(pair[0], pair[1]).unwrap()).collect();
        let readout = Readout::new(OUTPUTS, Loss::CrossEntropy).unwrap();
        let network = Init { forget_bias_offset: 0.5 }.stacked(&lstms, readout, &mut rng).unwrap();
        let cells = steps * batch;
        let inputs = (0..cells * sizes[0]).map(|_| rng.random_range(-2.0..2.0)).collect();
        let targets = if every_step { cells } else { batch };
        let classes = (0..targets).map(|_| rng.random_range(0..OUTPUTS)).collect();
        let is_first = (0..cells).map(|_| rng.random_bool(0.2)).collect();
        let lengths = (0..batch).map(|_| rng.random_range(1..=steps)).collect();
        let mut initial: Vec<_> = lstms.iter().map(|lstm| LstmState::zeros(lstm, batch).unwrap()).collect();
        for state in &mut initial {
            state.cell.iter_mut().for_each(|c| *c = rng.random_range(-1.0..1.0));
            state.hidden.iter_mut().for_each(|h| *h = rng.random_range(-0.7..0.7));
        }
        Self { network, steps, batch, inputs, classes, is_first, lengths, initial, every_step }
    }
    fn sequences(&self) -> Sequences<'_, f64> {
        let targets = if self.every_step {
            Targets::EveryClass(&self.classes)
        } else {
            Targets::LastClass(&self.classes)
        };
        let sequences = Sequences::new(self.steps, self.batch, &self.inputs, targets).unwrap();
        let sequences = sequences.with_resets(&self.is_first).unwrap().with_lengths(&self.lengths).unwrap();
        sequences.starting_from(&self.initial)
    }
    fn gradient(&self, learner: &mut dyn Learner<f64>) -> (f64, Vec<f64>) {
        let mut gradient = self.network.zero_gradient();
        let score = learner.gradient(&self.network, &self.sequences(), &mut gradient).unwrap();
        (score.loss / self.batch as f64, gradient.to_vec())
    }
    fn eprop(&self, options: EpropOptions<f64>) -> Vec<f64> {
        self.gradient(&mut Eprop::new(&self.network, self.batch, options).unwrap()).1
    }
}

/// h_{t-1} and c_{t-1} of a step, layer by layer.
type Record = Vec<Vec<[Vec<f64>; 2]>>;

/// The textbook: mean over rows of the sum over targets. With a record, recurrent inputs are read from there, and the
/// cell before, in layers above `learning`.
fn loss(stack: &Stack, network: &Network<f64>, frozen: Option<(&Record, usize)>) -> (f64, Record) {
    let sigmoid = |x: f64| 1.0 / (1.0 + (-x).exp());
    let weights: Vec<_> = (0..network.layers().len())
        .map(|l| network.layout().unpack_lstm(l, network.parameters()).unwrap())
        .collect();
    let readout = network.layout().unpack_readout(network.parameters()).unwrap();
    let (mut record, mut total) = (Record::new(), 0.0);
    for row in 0..stack.batch {
        let mut states: Vec<[Vec<f64>; 2]> = (network.layers().iter().zip(&stack.initial))
            .map(|(lstm, state)| {
                let range = row * lstm.output()..(row + 1) * lstm.output();
                [state.hidden[range.clone()].to_vec(), state.cell[range].to_vec()]
            })
            .collect();
        for t in 0..stack.lengths[row] {
            let cell = t * stack.batch + row;
            if stack.is_first[cell] {
                states.iter_mut().flatten().for_each(|state| state.fill(0.0));
            }
            let index = record.len();
            record.push(states.clone());
            let inputs = network.layers()[0].input();
            let mut x = stack.inputs[cell * inputs..][..inputs].to_vec();
            for (layer, ([h, c], w)) in states.iter_mut().zip(&weights).enumerate() {
                if let Some((frozen, learning)) = frozen {
                    h.clone_from(&frozen[index][layer][0]);
                    if layer > learning {
                        c.clone_from(&frozen[index][layer][1]);
                    }
                }
                let units = h.len();
                let z: Vec<f64> = (0..4 * units)
                    .map(|k| {
                        let from_x: f64 = x.iter().zip(&w.weight_ih[k * x.len()..]).map(|(x, w)| x * w).sum();
                        let from_h: f64 = h.iter().zip(&w.weight_hh[k * units..]).map(|(h, w)| h * w).sum();
                        from_x + from_h + w.bias[k]
                    })
                    .collect();
                for j in 0..units {
                    c[j] = sigmoid(z[units + j]) * c[j] + sigmoid(z[j]) * z[2 * units + j].tanh();
                    h[j] = sigmoid(z[3 * units + j]) * c[j].tanh();
                }
                x.clone_from(h);
            }
            if stack.every_step || t + 1 == stack.lengths[row] {
                let y: Vec<f64> = (0..OUTPUTS)
                    .map(|k| {
                        let row = &readout.weight[k * x.len()..];
                        readout.bias[k] + x.iter().zip(row).map(|(x, w)| x * w).sum::<f64>()
                    })
                    .collect();
                let class = stack.classes[if stack.every_step { cell } else { row }];
                total += y.iter().map(|y| y.exp()).sum::<f64>().ln() - y[class];
            }
        }
    }
    (total / stack.batch as f64, record)
}

/// Central differences, of fourth order, by the weights of a layer (or of the readout) in the flat layout.
fn differences(stack: &Stack, range: std::ops::Range<usize>, f: impl Fn(&Network<f64>) -> f64) -> Vec<f64> {
    const STEP: f64 = 1e-3;
    let mut moved = stack.network.clone();
    range
        .map(|index| {
            let center = stack.network.parameters()[index];
            let mut at = |steps: f64| {
                moved.parameters_mut()[index] = center + steps * STEP;
                f(&moved)
            };
            let slope = (at(-2.0) - 8.0 * at(-1.0) + 8.0 * at(1.0) - at(2.0)) / (12.0 * STEP);
            moved.parameters_mut()[index] = center;
            slope
        })
        .collect()
}

/// Where a layer's weights lie, without padding; after the last layer the readout's.
fn places(network: &Network<f64>, layer: usize) -> Vec<std::ops::Range<usize>> {
    let layout = network.layout();
    let block = if layer < network.layers().len() { layout.lstm(layer) } else { layout.readout() };
    (0..block.rows()).map(|row| block.index(row, 0)..block.index(row, 0) + block.columns()).collect()
}

fn schedules(steps: usize) -> [Schedule; 4] {
    [
        Schedule::Streaming,
        Schedule::Blocked(3),
        Schedule::Blocked(32),
        Schedule::WholeSequence { max_steps: steps },
    ]
}

fn check(stack: &Stack) {
    let (value, record) = loss(stack, &stack.network, None);
    let mut bptt = Bptt::new(&stack.network, stack.batch, stack.steps).unwrap();
    let (found_value, bptt) = stack.gradient(&mut bptt);
    assert_close("loss", &[found_value], &[value], 1e-12, 1.0);
    let mut truncated = TruncatedBptt::new(&stack.network, stack.batch, stack.steps).unwrap();
    let (_, truncated) = stack.gradient(&mut truncated);
    assert_close("truncated BPTT of as many steps", &truncated, &bptt, 1e-12, 1e-6);
    let (_, readout) = stack.gradient(&mut ReadoutOnly::new(&stack.network, stack.batch).unwrap());
    let part = stack.network.layout().readout().range();
    assert_close("readout alone", &readout[part.clone()], &bptt[part.clone()], 1e-12, 1e-6);
    assert!(readout[..part.start].iter().all(|&g| g == 0.0));
    let eprops = schedules(stack.steps)
        .map(|schedule| (schedule, stack.eprop(EpropOptions { schedule, ..EpropOptions::default() })));
    let depth = stack.network.layers().len();
    for layer in 0..=depth {
        for range in places(&stack.network, layer) {
            let exact = differences(stack, range.clone(), |network| loss(stack, network, None).0);
            assert_close(&format!("BPTT, layer {layer}"), &bptt[range.clone()], &exact, 1e-7, 1e-4);
            let frozen = |network: &Network<f64>| loss(stack, network, Some((&record, layer))).0;
            let expected = if layer == depth { exact } else { differences(stack, range.clone(), frozen) };
            for (schedule, eprop) in &eprops {
                let what = format!("e-prop, {schedule}, layer {layer} of {depth}");
                assert_close(&what, &eprop[range.clone()], &expected, 1e-7, 1e-4);
            }
        }
    }
}

fn sizes() -> impl Strategy<Value = Vec<usize>> {
    prop::collection::vec(1..5_usize, 3..5)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn for_any_stack(sizes in sizes(), steps in 1..8_usize, batch in 1..4_usize, every_step: bool, seed: u64) {
        check(&Stack::new(&sizes, steps, batch, every_step, seed));
    }

    #[test]
    fn all_schedules_and_extensions_agree(sizes in prop::collection::vec(1..12_usize, 3..5), steps in 1..70_usize,
        batch in 1..20_usize, every_step: bool, echo in 0..3_usize, seed: u64) {
        let stack = Stack::new(&sizes, steps, batch, every_step, seed);
        let echo = [Echo::Off, Echo::Modulated { alpha: 0.1 }, Echo::Literal { alpha: 0.1 }][echo];
        let scaling = TraceScaling { output: 0.5, decay: 0.9 };
        let [streaming, others @ ..] = schedules(steps)
            .map(|schedule| stack.eprop(EpropOptions { schedule, echo, scaling, ..EpropOptions::default() }));
        for other in others {
            assert_close("schedules", &streaming, &other, 1e-12, 1e-3);
        }
    }
}

#[test]
fn a_stream_of_several_layers_is_a_sequence_fed_by_hand() {
    let stack = Stack::new(&[2, 5, 4, 3], 9, 1, true, 3);
    let targets = Targets::EveryClass(&stack.classes);
    let sequences =
        Sequences::new(9, 1, &stack.inputs, targets).unwrap().with_resets(&stack.is_first).unwrap();
    let mut expected = stack.network.zero_gradient();
    let mut eprop = Eprop::new(&stack.network, 1, EpropOptions::default()).unwrap();
    let score = eprop.gradient(&stack.network, &sequences, &mut expected).unwrap();
    let mut stream = EpropStream::new(&stack.network, 1, EpropOptions::default()).unwrap();
    let (mut found, mut loss) = (stack.network.zero_gradient(), 0.0);
    for t in 0..9 {
        stream.step(&stack.network, &stack.inputs[2 * t..2 * t + 2], &stack.is_first[t..=t]).unwrap();
        let target = [Target::Class(stack.classes[t])];
        loss += stream.learn(&stack.network, &target, &mut found).unwrap().loss;
    }
    assert_close("gradient", &found, &expected, 1e-12, 1e-6);
    assert_close("loss", &[loss], &[score.loss], 1e-12, 1.0);
    let evaluated = Evaluator::new(&stack.network, 1).unwrap().score(&stack.network, &sequences).unwrap();
    assert_close("evaluated", &[evaluated.loss], &[score.loss], 1e-12, 1.0);
}

/// What is approximate really differs: otherwise the comparisons above would show nothing.
#[test]
fn the_error_that_is_passed_down_is_not_that_of_bptt() {
    let stack = Stack::new(&[2, 5, 4], 30, 5, true, 5);
    let eprop = stack.eprop(EpropOptions::default());
    let (_, bptt) = stack.gradient(&mut Bptt::new(&stack.network, 5, 30).unwrap());
    for layer in 0..2 {
        let part = stack.network.layout().lstm(layer).range();
        assert!(relative_error(&eprop[part.clone()], &bptt[part], 1e-6) > 1e-3, "layer {layer}");
    }
}
