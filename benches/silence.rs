//! What silence costs: every recursion that decays, after a pulse and then zeros, beside the same with ordinary values.
//!
//! Some CPUs take 5 to 15 times as long over subnormal numbers. What decays is therefore rounded to whole multiples of a
//! quantum (`quantized` of the kernels), and none of the ratios in the table may lie above 1.1. Kernels: a row of 512 units, or
//! as many weights, silent for 20,000 steps. Learners: an LSTM with a target at the last of 784 steps, with forget gates
//! around 0.5, which forget it on the way back, and beside it with such as hardly forget, around 0.999; and inputs that are
//! subnormal numbers beside ordinary ones.
//!
//! `cargo bench --bench silence`, or `-- kernel` or `-- learner` for a part of it.

use std::hint::black_box;
use std::time::Duration;

use eligibility::kernels::activation::Nonlinearity;
use eligibility::kernels::elstm::Elstm;
use eligibility::kernels::gru_gates::{GruGates, GruGatesBackward};
use eligibility::kernels::lstm_gates::{LstmGates, LstmGatesBackward};
use eligibility::kernels::min_gru::MinGru;
use eligibility::kernels::pair_cell::{PairCell, PairParameters};
use eligibility::kernels::unit_back::UnitBackward;
use eligibility::kernels::update::{Adam, Decay, RmsProp};
use eligibility::kernels::{Level, Strided};
use eligibility::{
    Bptt, BpttOptions, Buffer, Eprop, EpropOptions, Init, Learner, Loss, Lstm, Network, Readout, Schedule,
    Sequences, Targets,
};
use rand::SeedableRng;
use rand::rngs::StdRng;

use common::{Contestant, Options, SEED, Table, level, race, random};

mod common;

const UNITS: usize = 512;
const ROW: &[bool] = &[true];
/// Enough for averages that keep 0.99 of themselves at a step.
const SILENT_STEPS: usize = 20_000;
const STEPS: usize = 784;
/// Of ordinary inputs makes subnormal ones.
const SUBNORMAL: f32 = 1e-39;
const HIDDEN: usize = 128;
const BUDGET: Duration = Duration::from_secs(1);

/// One step of a recursion, driven by as many values as there are units.
type Step = Box<dyn FnMut(&[f32])>;

/// So many planes of units, all of one value; aligned, so that a step takes the same time wherever they lie.
fn planes(values: &[f32]) -> Buffer<f32> {
    let mut planes = Buffer::zeros(values.len() * UNITS);
    for (plane, &value) in planes.chunks_exact_mut(UNITS).zip(values) {
        plane.fill(value);
    }
    planes
}

fn lstm_forward(level: Level) -> Step {
    let (mut z, mut cell, mut hidden) = (planes(&[0.0, 2.0, 0.0, 0.0]), planes(&[0.0]), planes(&[0.0]));
    let (mut influence, mut forget_gate, mut dhidden_dcell) =
        (planes(&[0.0; 4]), hidden.clone(), hidden.clone());
    Box::new(move |drive| {
        z[2 * UNITS..3 * UNITS].copy_from_slice(drive);
        level.run(LstmGates {
            nonlinearity: Nonlinearity::Tanh,
            active: ROW,
            preactivation: &z,
            cell: &mut cell,
            hidden: &mut hidden,
            influence: &mut influence,
            forget_gate: &mut forget_gate,
            dhidden_dcell: &mut dhidden_dcell,
        });
    })
}

fn lstm_back(level: Level) -> Step {
    let (forget, slope, factors) = (planes(&[0.9]), planes(&[0.5]), planes(&[0.1, 0.2, 0.3, 0.4]));
    let (mut cell_gradient, mut influence) = (planes(&[0.0]), factors.clone());
    Box::new(move |drive| {
        influence.copy_from_slice(&factors);
        level.run(LstmGatesBackward {
            active: ROW,
            hidden_gradient: drive,
            forget_gate: &forget,
            dhidden_dcell: &slope,
            cell_gradient: &mut cell_gradient,
            influence: &mut influence,
        });
    })
}

fn gru_forward(level: Level) -> Step {
    let (mut input, recurrent) = (planes(&[0.0, 2.0, 0.0]), planes(&[0.0; 3]));
    let (mut state, mut saved) = (planes(&[0.0]), planes(&[0.0; 5]));
    Box::new(move |drive| {
        input[2 * UNITS..].copy_from_slice(drive);
        let (input, recurrent, state, saved) = (&input, &recurrent, &mut state, &mut saved);
        level.run(GruGates { units: UNITS, active: ROW, input, recurrent, state, saved });
    })
}

fn gru_back(level: Level) -> Step {
    let saved = planes(&[0.5, 0.9, 0.3, 0.5, 0.7]);
    let (mut hidden, mut input, mut recurrent) = (planes(&[0.0]), planes(&[0.0; 3]), planes(&[0.0; 3]));
    Box::new(move |drive| {
        hidden.iter_mut().zip(drive).for_each(|(sum, gradient)| *sum += gradient);
        level.run(GruGatesBackward {
            units: UNITS,
            active: ROW,
            saved: &saved,
            hidden_gradient: &mut hidden,
            input_gradient: &mut input,
            recurrent_gradient: &mut recurrent,
        });
    })
}

fn unit_back(level: Level) -> Step {
    let (decay, influence, immediate) = (planes(&[0.9]), planes(&[0.5, 0.7]), planes(&[0.3, 0.4]));
    let (mut carried, mut delta, mut gradient) = (planes(&[0.0]), planes(&[0.0; 2]), planes(&[0.0; 2]));
    Box::new(move |signal| {
        level.run(UnitBackward {
            components: 1,
            units: UNITS,
            active: ROW,
            decay: Strided { data: &decay, stride: 0 },
            influence: Strided { data: &influence, stride: 0 },
            immediate: &immediate,
            signal,
            carried: &mut carried,
            delta: &mut delta,
            gradient: &mut gradient,
        });
    })
}

fn pair_cell(level: Level, nonlinearity: Nonlinearity) -> Step {
    let slopes = if nonlinearity == Nonlinearity::Identity { 0 } else { UNITS };
    let (decay, gain, kappa, rho) =
        (planes(&[0.8, -0.4, 0.4, 0.8]), planes(&[0.5]), planes(&[0.8, 0.4, -0.4, 0.8]), planes(&[0.1, 0.0]));
    let (mut projection, mut state, mut immediate) =
        (planes(&[0.0; 2]), planes(&[0.0; 2]), planes(&[0.0; 4]));
    let (mut decay_out, mut influence) = (vec![0.0; 4 * slopes], vec![0.0; 2 * slopes]);
    Box::new(move |drive| {
        projection[..UNITS].copy_from_slice(drive);
        level.run(PairCell {
            nonlinearity,
            units: UNITS,
            active: ROW,
            decay: &decay,
            gain: &gain,
            parameters: PairParameters::Complex { kappa: &kappa, rho: &rho },
            projection: &projection,
            state: &mut state,
            decay_out: &mut decay_out,
            influence: &mut influence,
            immediate: &mut immediate,
        });
    })
}

fn min_gru(level: Level) -> Step {
    let (mut projection, mut state) = (planes(&[0.0, -2.0]), planes(&[0.0]));
    let (mut decay, mut influence) = (planes(&[0.0]), planes(&[0.0; 2]));
    Box::new(move |drive| {
        projection[..UNITS].copy_from_slice(drive);
        let (projection, state, decay, influence) = (&projection, &mut state, &mut decay, &mut influence);
        level.run(MinGru { units: UNITS, active: ROW, projection, state, decay, influence });
    })
}

fn elstm(level: Level) -> Step {
    let (mut projection, weights, mut state) = (planes(&[0.0, 2.0]), planes(&[-0.5, 0.5]), planes(&[0.0]));
    let (mut decay, mut influence, mut immediate) = (planes(&[0.0]), planes(&[0.0; 2]), planes(&[0.0; 2]));
    Box::new(move |drive| {
        projection[..UNITS].copy_from_slice(drive);
        level.run(Elstm {
            units: UNITS,
            active: ROW,
            projection: &projection,
            weights: &weights,
            state: &mut state,
            decay: &mut decay,
            influence: &mut influence,
            immediate: &mut immediate,
        });
    })
}

fn rms_prop(level: Level) -> Step {
    let (mut square, mut parameters) = (planes(&[0.0]), planes(&[1.0]));
    Box::new(move |gradient| {
        let (square, parameters) = (&mut square, &mut parameters);
        level.run(RmsProp {
            rate: 1e-3,
            decay: Decay::new(0.99),
            epsilon: 1e-8,
            gradient,
            square,
            parameters,
        });
    })
}

fn adam(level: Level) -> Step {
    let (mut mean, mut square, mut parameters) = (planes(&[0.0]), planes(&[0.0]), planes(&[1.0]));
    Box::new(move |gradient| {
        let (decays, mean, square, parameters) =
            ([0.9, 0.99].map(Decay::new), &mut mean, &mut square, &mut parameters);
        level.run(Adam {
            rate: 1e-3,
            correction: 1.0,
            decays,
            epsilon: 1e-8,
            gradient,
            mean,
            square,
            parameters,
        });
    })
}

/// A gradient of one sequence with a target at its last step.
fn learner(forget_bias_offset: f64, whole: bool, scale: f32) -> Box<dyn FnMut()> {
    let (lstm, readout) = (Lstm::new(1, HIDDEN), Readout::new(10, Loss::CrossEntropy));
    let (init, mut rng) = (Init { forget_bias_offset }, StdRng::seed_from_u64(SEED));
    let network: Network<f32> =
        init.network(lstm.expect("sizes fit"), readout.expect("sizes fit"), &mut rng).expect("sizes fit");
    let (mut inputs, mut gradient): (Buffer<f32>, _) = (random(STEPS, -1.0..1.0), network.zero_gradient());
    inputs.iter_mut().for_each(|x| *x *= scale);
    let mut learner: Box<dyn Learner<f32>> = if whole {
        let schedule = Schedule::WholeSequence { max_steps: STEPS };
        let options = EpropOptions { schedule, ..EpropOptions::default() };
        Box::new(Eprop::new(&network, 1, options).expect("sizes fit"))
    } else {
        Box::new(Bptt::new(&network, 1, STEPS, BpttOptions::default()).expect("sizes fit"))
    };
    Box::new(move || {
        let sequences = Sequences::new(STEPS, 1, &inputs, Targets::LastClass(&[3])).expect("sizes fit");
        black_box(learner.gradient(&network, &sequences, &mut gradient).expect("sizes fit").loss);
    })
}

fn row(options: &Options, name: &str, contestants: &mut [Contestant<'_>; 2], table: &mut Table) {
    let seconds = race(options, BUDGET, contestants);
    let [ordinary, silent] = [seconds[0], seconds[1]].map(|seconds| 1e6 * seconds);
    let ratio = format!("{:.2}", silent / ordinary);
    table.row(vec![name.into(), format!("{ordinary:.3}"), format!("{silent:.3}"), ratio]);
}

fn main() {
    let (options, level) = (Options::from_args(), level());
    let head = ["what", "ordinary, us", "silent, us", "silent / ordinary"];
    let mut table = Table::new(format!("level {level}, f32, one thread"), &head);
    let kernels: [(&str, &dyn Fn() -> Step); 11] = [
        ("LstmGates", &|| lstm_forward(level)),
        ("LstmGatesBackward", &|| lstm_back(level)),
        ("GruGates", &|| gru_forward(level)),
        ("GruGatesBackward", &|| gru_back(level)),
        ("UnitBackward", &|| unit_back(level)),
        ("PairCell, identity", &|| pair_cell(level, Nonlinearity::Identity)),
        ("PairCell, tanh", &|| pair_cell(level, Nonlinearity::Tanh)),
        ("MinGru", &|| min_gru(level)),
        ("Elstm", &|| elstm(level)),
        ("RmsProp", &|| rms_prop(level)),
        ("Adam", &|| adam(level)),
    ];
    let (zeros, pulse) = (planes(&[0.0]), random::<f32>(UNITS, -1.0..1.0));
    for (name, make) in kernels {
        if options.wants(&format!("kernel/{name}")) {
            let (mut ordinary, mut silent) = (make(), make());
            silent(&pulse);
            (0..SILENT_STEPS).for_each(|_| silent(&zeros));
            let mut contestants: [Contestant<'_>; 2] =
                [Box::new(|| ordinary(&pulse)), Box::new(|| silent(&zeros))];
            row(&options, name, &mut contestants, &mut table);
        }
    }
    for (name, whole) in [("BPTT", false), ("e-prop, whole sequence", true)] {
        if options.wants(&format!("learner/{name}")) {
            row(&options, name, &mut [learner(7.0, whole, 1.0), learner(0.0, whole, 1.0)], &mut table);
            let name = format!("{name}, subnormal inputs");
            row(&options, &name, &mut [learner(7.0, whole, 1.0), learner(7.0, whole, SUBNORMAL)], &mut table);
        }
    }
    table.print();
}
