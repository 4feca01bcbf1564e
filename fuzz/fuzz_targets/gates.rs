//! Any bits as preactivations, cells, factors and gradients, at every level: the gates agree with their scalar twins,
//! forward and back, NaN and all.
#![no_main]

use eligibility_fuzz::{compare, floats};
use eligibility_kernels::activation::Nonlinearity;
use eligibility_kernels::lstm_gates::{LstmGates, LstmGatesBackward};
use eligibility_kernels::{Level, reference};
use libfuzzer_sys::fuzz_target;

/// A step forward of one row. Without relu's slope, which one rounding decides where the cell is near 0.
fn forward(
    level: Option<Level>,
    nonlinearity: Nonlinearity,
    preactivation: &[f32],
    start: &[f32],
) -> Vec<f32> {
    let mut out = [start, start, start, start].map(<[f32]>::to_vec);
    let mut influence = preactivation.to_vec();
    let [cell, hidden, forget_gate, dhidden_dcell] = &mut out;
    let op = LstmGates {
        nonlinearity,
        active: &[true],
        preactivation,
        cell,
        hidden,
        influence: &mut influence,
        forget_gate,
        dhidden_dcell,
    };
    match level {
        None => reference::lstm_gates(op),
        Some(level) => level.run(op),
    }
    if nonlinearity == Nonlinearity::Relu {
        out[3].fill(0.0);
    }
    [out.concat(), influence].concat()
}

/// A step back of two rows, of which the second takes no part.
fn back(level: Option<Level>, values: &[f32], units: usize) -> Vec<f32> {
    let rows = |from: usize, planes: usize| &values[2 * from * units..2 * (from + planes) * units];
    let (mut cell_gradient, mut influence) = (rows(3, 1).to_vec(), rows(4, 4).to_vec());
    let op = LstmGatesBackward {
        active: &[true, false],
        hidden_gradient: rows(0, 1),
        forget_gate: rows(1, 1),
        dhidden_dcell: rows(2, 1),
        cell_gradient: &mut cell_gradient,
        influence: &mut influence,
    };
    match level {
        None => reference::lstm_gates_backward(op),
        Some(level) => level.run(op),
    }
    [cell_gradient, influence].concat()
}

fuzz_target!(|bytes: &[u8]| {
    let values = floats(bytes);
    let units = values.len() / 5;
    let (preactivation, start) = values[..5 * units].split_at(4 * units);
    // An infinite cell asks whether the forget gate is exactly 0, which one rounding decides.
    let tolerance = |index: usize| {
        let cell = f64::from(start[index % units].abs());
        4.0 * f64::from(f32::EPSILON) * (1.0 + if cell.is_nan() { 0.0 } else { cell })
    };
    for nonlinearity in [Nonlinearity::Identity, Nonlinearity::Relu, Nonlinearity::Tanh] {
        compare(|level| forward(level, nonlinearity, preactivation, start), tolerance);
    }
    // At most three factors meet in a product, so at 1e9 it may overflow in one and not in the other.
    let largest = values.iter().map(|x| f64::from(x.abs())).fold(0.0, f64::max);
    let allowed =
        if largest > 1e9 { f64::INFINITY } else { 64.0 * f64::from(f32::EPSILON) * (1.0 + largest).powi(3) };
    compare(|level| back(level, &values, values.len() / 16), |_| allowed);
});
