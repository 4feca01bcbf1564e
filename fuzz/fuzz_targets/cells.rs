//! Any bits as coefficients, projections and states, at every level: the steps of the cells agree with their scalar twins,
//! forward and back, NaN and all.
#![no_main]

use eligibility_fuzz::{compare, floats};
use eligibility_kernels::activation::Nonlinearity;
use eligibility_kernels::elstm::Elstm;
use eligibility_kernels::gru_gates::{GruGates, GruGatesBackward};
use eligibility_kernels::min_gru::MinGru;
use eligibility_kernels::pair_cell::{PairCell, PairParameters};
use eligibility_kernels::unit_back::UnitBackward;
use eligibility_kernels::unit_trace::{UnitTraceContract, UnitTraceStep};
use eligibility_kernels::{Level, Strided, reference};
use libfuzzer_sys::fuzz_target;

/// Values per unit.
const PLANES: usize = 12;

/// Runs a kernel at a level, or its twin.
macro_rules! run {
    ($level:expr, $twin:ident, $op:expr) => {
        match $level {
            Some(level) => Level::run(level, $op),
            None => reference::$twin($op),
        }
    };
}

/// A pair cell with one parameter, and the trace of that.
fn pair(level: Option<Level>, nonlinearity: Nonlinearity, values: &[f32], units: usize) -> Vec<f32> {
    let planes = |from: usize, to: usize| &values[from * units..to * units];
    let slopes = usize::from(nonlinearity != Nonlinearity::Identity) * units;
    let (mut state, mut immediate) = (planes(10, 12).to_vec(), vec![0.0; 2 * units]);
    let (mut decay_out, mut influence) = (vec![0.0; 4 * slopes], vec![0.0; 2 * slopes]);
    let op = PairCell {
        nonlinearity,
        units,
        active: &[true],
        decay: planes(0, 4),
        gain: planes(4, 5),
        parameters: PairParameters::Complex { kappa: planes(5, 7), rho: planes(7, 8) },
        projection: planes(8, 10),
        state: &mut state,
        decay_out: &mut decay_out,
        influence: &mut influence,
        immediate: &mut immediate,
    };
    run!(level, pair_cell, op);
    [state, decay_out, influence, immediate].concat()
}

/// The two cells of one component, and the GRU forward and back.
fn single(level: Option<Level>, values: &[f32], units: usize) -> Vec<f32> {
    let planes = |from: usize, to: usize| &values[from * units..to * units];
    let (active, projection) = (&[true], planes(0, 2));
    let (mut state, mut decay, mut influence) =
        (planes(2, 3).to_vec(), vec![0.0; units], vec![0.0; 2 * units]);
    let op =
        MinGru { units, active, projection, state: &mut state, decay: &mut decay, influence: &mut influence };
    run!(level, min_gru, op);
    let mut all = [state, decay, influence].concat();
    let (mut state, mut decay) = (planes(2, 3).to_vec(), vec![0.0; units]);
    let (mut influence, mut immediate) = (vec![0.0; 2 * units], vec![0.0; 2 * units]);
    let op = Elstm {
        units,
        active,
        projection,
        weights: planes(3, 5),
        state: &mut state,
        decay: &mut decay,
        influence: &mut influence,
        immediate: &mut immediate,
    };
    run!(level, elstm, op);
    all.extend([state, decay, influence, immediate].concat());
    let (mut state, mut saved) = (planes(6, 7).to_vec(), vec![0.0; 5 * units]);
    let (input, recurrent) = (planes(0, 3), planes(3, 6));
    let op = GruGates { units, active, input, recurrent, state: &mut state, saved: &mut saved };
    run!(level, gru_gates, op);
    let mut hidden_gradient = planes(7, 8).to_vec();
    let (mut input_gradient, mut recurrent_gradient) = (vec![0.0; 3 * units], vec![0.0; 3 * units]);
    let op = GruGatesBackward {
        units,
        active,
        saved: &saved,
        hidden_gradient: &mut hidden_gradient,
        input_gradient: &mut input_gradient,
        recurrent_gradient: &mut recurrent_gradient,
    };
    run!(level, gru_gates_backward, op);
    all.extend([state, saved, hidden_gradient, input_gradient, recurrent_gradient].concat());
    all
}

/// A step of the trace of one parameter, its contraction, and the step back.
fn units(level: Option<Level>, values: &[f32], units: usize, components: usize) -> Vec<f32> {
    let planes = |from: usize, to: usize| &values[from * units..to * units];
    let (active, immediate, signal) = (&[true], planes(6, 6 + components), planes(8, 8 + components));
    let decay = Strided { data: planes(0, components * components), stride: 0 };
    let influence = Strided { data: planes(4, 6), stride: 0 };
    let (mut trace, mut gradient) = (planes(10, 10 + components).to_vec(), planes(0, 1).to_vec());
    let op = UnitTraceStep { components, units, active, decay, immediate, trace: &mut trace };
    run!(level, unit_trace_step, op);
    let op = UnitTraceContract { components, units, active, signal, trace: &trace, gradient: &mut gradient };
    run!(level, unit_trace_contract, op);
    let (mut carried, mut delta) = (planes(10, 10 + components).to_vec(), vec![0.0; 2 * units]);
    let op = UnitBackward {
        components,
        units,
        active,
        decay,
        influence,
        immediate,
        signal,
        carried: &mut carried,
        delta: &mut delta,
        gradient: &mut gradient,
    };
    run!(level, unit_backward, op);
    [trace, gradient, carried, delta].concat()
}

fuzz_target!(|bytes: &[u8]| {
    let values = floats(bytes);
    let count = values.len() / PLANES;
    let values = &values[..PLANES * count];
    // At most four factors meet in a product, so at 1e9 it may overflow in one and not in the other.
    let tolerance = |index: usize| {
        let magnitudes = values.iter().skip(index % count).step_by(count).map(|x| f64::from(x.abs()));
        let largest = magnitudes.fold(0.0, f64::max);
        if largest > 1e9 { f64::INFINITY } else { 64.0 * f64::from(f32::EPSILON) * (1.0 + largest).powi(4) }
    };
    for nonlinearity in [Nonlinearity::Identity, Nonlinearity::Tanh] {
        compare(|level| pair(level, nonlinearity, values, count), tolerance);
    }
    compare(|level| single(level, values, count), tolerance);
    for components in [1, 2] {
        compare(|level| units(level, values, count, components), tolerance);
    }
});
