//! The scalar twins of the cells' steps and of what belongs to them.

use super::{logistic, phi, quantized};
use crate::activation::{Nonlinear, Nonlinearity};
use crate::elstm::Elstm;
use crate::gru_gates::{GRU_GATES, GRU_SAVED, GruGates, GruGatesBackward};
use crate::min_gru::MinGru;
use crate::pair_cell::{PairCell, PairParameters};
use crate::real::Real;
use crate::unit_back::UnitBackward;
use crate::unit_trace::{UnitTraceContract, UnitTraceStep};

/// `(row, unit)` of the rows that are active as asked.
fn places(active: &[bool], units: usize, asked: bool) -> impl Iterator<Item = (usize, usize)> {
    let rows = (0..active.len()).filter(move |&row| active[row] == asked);
    rows.flat_map(move |row| (0..units).map(move |unit| (row, unit)))
}

/// Twin of [`Nonlinear`].
pub fn nonlinear<T: Real>(op: Nonlinear<'_, T>) {
    op.check();
    for (index, x) in op.input.iter().enumerate() {
        let (y, slope) = phi(op.nonlinearity, x.to_f64());
        (op.output[index], op.slope[index]) = (T::from_f64(y), T::from_f64(slope));
    }
}

/// Twin of [`PairCell`].
pub fn pair_cell<T: Real>(op: PairCell<'_, T>) {
    let (units, count) = (op.units, op.parameter_count());
    for (row, j) in places(op.active, units, true) {
        let at = |planes: usize, plane: usize| (planes * row + plane) * units + j;
        let a = [0, 1, 2, 3].map(|entry| op.decay[entry * units + j].to_f64());
        let h = [0, 1].map(|k| op.state[at(2, k)].to_f64());
        for k in 0..2 {
            let (gain, x) = (op.gain[j].to_f64(), op.projection[at(2, k)].to_f64());
            let p = quantized::<T>(a[2 * k] * h[0] + a[2 * k + 1] * h[1] + gain * x).to_f64();
            let (h_k, slope) = phi(op.nonlinearity, p);
            op.state[at(2, k)] = T::from_f64(h_k);
            if op.nonlinearity != Nonlinearity::Identity {
                op.decay_out[at(4, 2 * k)] = T::from_f64(slope * a[2 * k]);
                op.decay_out[at(4, 2 * k + 1)] = T::from_f64(slope * a[2 * k + 1]);
                op.influence[at(2, k)] = T::from_f64(slope * gain);
            }
            for q in 0..count {
                let immediate = immediate(op.parameters, [units, j, q, k], slope, h, x);
                op.immediate[at(2 * count, 2 * q + k)] = T::from_f64(immediate);
            }
        }
    }
}

/// Component k of I_q in unit j.
fn immediate<T: Real>(
    parameters: PairParameters<'_, T>,
    [units, j, q, k]: [usize; 4],
    slope: f64,
    h: [f64; 2],
    x: f64,
) -> f64 {
    match parameters {
        PairParameters::Complex { kappa, rho } => {
            let [kr, ki] = [0, 1].map(|part| kappa[(2 * q + part) * units + j].to_f64());
            let turned = if k == 0 { -ki * h[1] } else { ki * h[0] };
            slope * (kr * h[k] + turned + rho[q * units + j].to_f64() * x)
        }
        PairParameters::Entries if q / 2 == k => slope * h[q % 2],
        PairParameters::Entries => 0.0,
    }
}

/// Twin of [`MinGru`].
pub fn min_gru<T: Real>(op: MinGru<'_, T>) {
    op.check();
    for (row, j) in places(op.active, op.units, true) {
        let (single, at) = (row * op.units + j, |plane: usize| (2 * row + plane) * op.units + j);
        let (v, h) = (op.projection[at(0)].to_f64(), op.state[single].to_f64());
        let u = logistic(op.projection[at(1)].to_f64());
        op.state[single] = quantized((1.0 - u) * h + u * v);
        op.decay[single] = T::from_f64(1.0 - u);
        op.influence[at(0)] = T::from_f64(u);
        op.influence[at(1)] = T::from_f64(u * (1.0 - u) * (v - h));
    }
}

/// Twin of [`Elstm`].
pub fn elstm<T: Real>(op: Elstm<'_, T>) {
    op.check();
    for (row, j) in places(op.active, op.units, true) {
        let (single, at) = (row * op.units + j, |plane: usize| (2 * row + plane) * op.units + j);
        let c = op.state[single].to_f64();
        let w = [0, 1].map(|plane| op.weights[plane * op.units + j].to_f64());
        let [x_z, x_f] = [0, 1].map(|plane| op.projection[at(plane)].to_f64());
        let (z, f) = ((x_z + w[0] * c).tanh(), logistic(x_f + w[1] * c));
        let s = [(1.0 - f) * (1.0 - z * z), (c - z) * f * (1.0 - f)];
        op.state[single] = quantized(f * c + (1.0 - f) * z);
        op.decay[single] = T::from_f64(f + s[0] * w[0] + s[1] * w[1]);
        for (q, factor) in s.into_iter().enumerate() {
            op.influence[at(q)] = T::from_f64(factor);
            op.immediate[at(q)] = T::from_f64(factor * c);
        }
    }
}

/// Twin of [`UnitBackward`].
pub fn unit_backward<T: Real>(op: UnitBackward<'_, T>) {
    let (count, s, units) = (op.parameter_count(), op.components, op.units);
    for (row, j) in places(op.active, units, true) {
        let at = |planes: usize, plane: usize| (planes * row + plane) * units + j;
        // With one component, both projections meet the same lambda.
        let lambda = [0, s - 1].map(|k| op.signal[at(s, k)].to_f64() + op.carried[at(s, k)].to_f64());
        for (m, lambda) in lambda.into_iter().enumerate() {
            let influence = op.influence.at(row, 0..2 * units)[m * units + j].to_f64();
            op.delta[at(2, m)] = T::from_f64(influence * lambda);
        }
        for l in 0..s {
            let a = |k: usize| op.decay.at(row, 0..s * s * units)[(s * k + l) * units + j].to_f64();
            op.carried[at(s, l)] = quantized((0..s).map(|k| a(k) * lambda[k]).sum::<f64>());
        }
        for q in 0..count {
            let terms = (0..s).map(|k| op.immediate[at(count * s, s * q + k)].to_f64() * lambda[k]);
            let sum = op.gradient[q * units + j].to_f64() + terms.sum::<f64>();
            op.gradient[q * units + j] = T::from_f64(sum);
        }
    }
    for (row, j) in places(op.active, units, false) {
        (0..s).for_each(|k| op.carried[(s * row + k) * units + j] = T::ZERO);
        (0..2).for_each(|m| op.delta[(2 * row + m) * units + j] = T::ZERO);
    }
}

/// Twin of [`UnitTraceStep`].
pub fn unit_trace_step<T: Real>(op: UnitTraceStep<'_, T>) {
    let (count, s, units) = (op.parameter_count(), op.components, op.units);
    for (row, j) in places(op.active, units, true) {
        let decay = op.decay.at(row, 0..s * s * units);
        for q in 0..count {
            let at = |k: usize| (count * s * row + s * q + k) * units + j;
            let before = [op.trace[at(0)].to_f64(), op.trace[at(s - 1)].to_f64()];
            for k in 0..s {
                let terms = (0..s).map(|l| decay[(s * k + l) * units + j].to_f64() * before[l]);
                op.trace[at(k)] = quantized(terms.sum::<f64>() + op.immediate[at(k)].to_f64());
            }
        }
    }
}

/// Twin of [`UnitTraceContract`].
pub fn unit_trace_contract<T: Real>(op: UnitTraceContract<'_, T>) {
    let (count, s, units) = (op.parameter_count(), op.components, op.units);
    for (row, j) in places(op.active, units, true) {
        for q in 0..count {
            let term = |k: usize| {
                let trace = op.trace[(count * s * row + s * q + k) * units + j].to_f64();
                op.signal[(s * row + k) * units + j].to_f64() * trace
            };
            let sum = op.gradient[q * units + j].to_f64() + (0..s).map(term).sum::<f64>();
            op.gradient[q * units + j] = T::from_f64(sum);
        }
    }
}

/// Twin of [`GruGates`].
pub fn gru_gates<T: Real>(op: GruGates<'_, T>) {
    op.check();
    for (row, j) in places(op.active, op.units, true) {
        let at = |planes: usize, plane: usize| (planes * row + plane) * op.units + j;
        let [x_r, x_z, x_n] = [0, 1, 2].map(|gate| op.input[at(GRU_GATES, gate)].to_f64());
        let [h_r, h_z, h_n] = [0, 1, 2].map(|gate| op.recurrent[at(GRU_GATES, gate)].to_f64());
        // Rounded once, as stored: a gate that is 0 in `T` must be 0 here too when it meets an infinite h_n.
        let [r, z] = [x_r + h_r, x_z + h_z].map(|x| T::from_f64(logistic(x)).to_f64());
        let (n, h) = ((x_n + r * h_n).tanh(), op.state[at(1, 0)].to_f64());
        op.state[at(1, 0)] = quantized((1.0 - z) * n + z * h);
        for (slot, value) in [r, z, n, h_n, h].into_iter().enumerate() {
            op.saved[at(GRU_SAVED, slot)] = T::from_f64(value);
        }
    }
}

/// Twin of [`GruGatesBackward`].
pub fn gru_gates_backward<T: Real>(op: GruGatesBackward<'_, T>) {
    op.check();
    for (row, j) in places(op.active, op.units, true) {
        let at = |planes: usize, plane: usize| (planes * row + plane) * op.units + j;
        let [r, z, n, h_n, h] = [0, 1, 2, 3, 4].map(|slot| op.saved[at(GRU_SAVED, slot)].to_f64());
        let dh = op.hidden_gradient[at(1, 0)].to_f64();
        let d_n = dh * (1.0 - z) * (1.0 - n * n);
        let (d_r, d_z) = (d_n * h_n * r * (1.0 - r), dh * (h - n) * z * (1.0 - z));
        for (gate, (input, recurrent)) in [(d_r, d_r), (d_z, d_z), (d_n, d_n * r)].into_iter().enumerate() {
            op.input_gradient[at(GRU_GATES, gate)] = T::from_f64(input);
            op.recurrent_gradient[at(GRU_GATES, gate)] = T::from_f64(recurrent);
        }
        op.hidden_gradient[at(1, 0)] = quantized(dh * z);
    }
    for (row, j) in places(op.active, op.units, false) {
        op.hidden_gradient[row * op.units + j] = T::ZERO;
        for gate in 0..GRU_GATES {
            let index = (GRU_GATES * row + gate) * op.units + j;
            (op.input_gradient[index], op.recurrent_gradient[index]) = (T::ZERO, T::ZERO);
        }
    }
}
