//! Any bits as preactivations and cells, at every level: the gates agree with their scalar twin, NaN and all.
#![no_main]

use eligibility_fuzz::{compare, floats};
use eligibility_kernels::lstm_gates::{LstmGates, OutputNonlinearity::Tanh};
use eligibility_kernels::{Level, reference};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let values = floats(bytes);
    let units = values.len() / 5;
    let (preactivation, start) = values[..5 * units].split_at(4 * units);
    let body = |level: Option<Level>| {
        let mut out = [start, start, start, start].map(<[f32]>::to_vec);
        let mut influence = preactivation.to_vec();
        let [cell, hidden, forget_gate, dhidden_dcell] = &mut out;
        let (output_nonlinearity, active, influence_out) = (Tanh, &[true][..], &mut influence);
        let op = LstmGates {
            output_nonlinearity,
            active,
            preactivation,
            cell,
            hidden,
            influence: influence_out,
            forget_gate,
            dhidden_dcell,
        };
        match level {
            None => reference::lstm_gates(op),
            Some(level) => level.run(op),
        }
        [out.concat(), influence].concat()
    };
    compare(body, |index| {
        // An infinite cell asks whether the forget gate is exactly 0, which one rounding decides.
        let cell = f64::from(start[index % units].abs());
        4.0 * f64::from(f32::EPSILON) * (1.0 + if cell.is_nan() { 0.0 } else { cell })
    });
});
