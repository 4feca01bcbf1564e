//! The scalar twin of every kernel: the textbook formula in `f64`, one line per equation, no cleverness.
//!
//! A twin takes the same struct of slices as the kernel. It is the oracle of the property tests and the
//! specification: where a kernel and its twin differ by more than the kernel's stated accuracy, the kernel is wrong.

use crate::activation::{Exp, Nonlinearity, Sigmoid, SinCos, Tanh};
use crate::affine::{Affine, Start};
use crate::lstm_gates::{GATES, LstmGates, LstmGatesBackward};
use crate::real::Real;
use crate::row_dot::RowDot;
use crate::trace::{
    TraceBlock, TraceBlockContract, TraceContract, TraceFactors, TraceStep, TraceStepContract,
    TraceSumFactors,
};
use crate::update::{Adam, Decay, RmsProp, Sgd};

mod cells;
mod pair;

pub use cells::{
    elstm, gru_gates, gru_gates_backward, min_gru, nonlinear, pair_cell, unit_backward, unit_trace_contract,
    unit_trace_step,
};
pub use pair::{
    pair_trace_block, pair_trace_block_contract, pair_trace_contract, pair_trace_factors, pair_trace_step,
    pair_trace_step_contract,
};

/// What decays is, where it is small, a whole multiple of the quantum.
fn quantized<T: Real>(x: f64) -> T {
    quantized_by(T::TRACE_QUANTUM, x)
}

fn quantized_by<T: Real>(quantum: T, x: f64) -> T {
    let quantum = quantum.to_f64();
    let small = (x / quantum).abs() < 0.5 / T::EPSILON.to_f64();
    T::from_f64(if small { (x / quantum).round_ties_even() * quantum } else { x })
}

fn logistic(x: f64) -> f64 {
    1.0 / (1.0 + (-x).exp())
}

/// `(phi(x), phi'(x))`.
fn phi(nonlinearity: Nonlinearity, x: f64) -> (f64, f64) {
    match nonlinearity {
        Nonlinearity::Identity => (x, 1.0),
        Nonlinearity::Relu => (if x < 0.0 { 0.0 } else { x }, if x > 0.0 { 1.0 } else { 0.0 }),
        Nonlinearity::Tanh => (x.tanh(), (1.0 - x.tanh()) * (1.0 + x.tanh())),
    }
}

fn map<T: Real>(input: &[T], output: &mut [T], f: impl Fn(f64) -> f64) {
    for (y, x) in output.iter_mut().zip(input) {
        *y = T::from_f64(f(x.to_f64()));
    }
}

/// Twin of [`Sigmoid`].
pub fn sigmoid<T: Real>(op: Sigmoid<'_, T>) {
    map(op.input, op.output, logistic);
}

/// Twin of [`Tanh`].
pub fn tanh<T: Real>(op: Tanh<'_, T>) {
    map(op.input, op.output, f64::tanh);
}

/// Twin of [`Exp`].
pub fn exp<T: Real>(op: Exp<'_, T>) {
    map(op.input, op.output, f64::exp);
}

/// Twin of [`SinCos`].
pub fn sin_cos<T: Real>(op: SinCos<'_, T>) {
    let largest = T::CIRCULAR.largest.to_f64();
    let known = |x: f64| if x.abs() < largest { x } else { f64::NAN };
    map(op.input, op.sine, |x| known(x).sin());
    map(op.input, op.cosine, |x| known(x).cos());
}

/// Twin of [`LstmGates`].
pub fn lstm_gates<T: Real>(op: LstmGates<'_, T>) {
    let hidden = op.hidden_size();
    for row in (0..op.active.len()).filter(|&row| op.active[row]) {
        for j in row * hidden..(row + 1) * hidden {
            let at = |gate: usize| (GATES * row + gate) * hidden + j % hidden;
            let z = |gate: usize| op.preactivation[at(gate)].to_f64();
            // Rounded once, as stored: a gate that is 0 in `T` must be 0 here too when it meets an infinite cell.
            let gates = [logistic(z(0)), logistic(z(1)), z(2).tanh(), logistic(z(3))];
            let [i, f, g, o] = gates.map(|gate| T::from_f64(gate).to_f64());
            let cell_prev = op.cell[j].to_f64();
            let c = quantized::<T>(f * cell_prev + i * g).to_f64();
            let (phi, phi_slope) = phi(op.nonlinearity, c);
            let factors =
                [g * i * (1.0 - i), cell_prev * f * (1.0 - f), i * (1.0 - g * g), phi * o * (1.0 - o)];
            for (gate, factor) in factors.into_iter().enumerate() {
                op.influence[at(gate)] = T::from_f64(factor);
            }
            let outputs =
                [&mut op.cell[j], &mut op.hidden[j], &mut op.forget_gate[j], &mut op.dhidden_dcell[j]];
            for (slot, value) in outputs.into_iter().zip([c, o * phi, f, o * phi_slope]) {
                *slot = T::from_f64(value);
            }
        }
    }
}

/// Twin of [`LstmGatesBackward`].
pub fn lstm_gates_backward<T: Real>(op: LstmGatesBackward<'_, T>) {
    let hidden = op.hidden_size();
    for j in 0..op.cell_gradient.len() {
        let (row, unit) = (j / hidden, j % hidden);
        let dh = op.hidden_gradient[j].to_f64();
        let dc = op.cell_gradient[j].to_f64() + dh * op.dhidden_dcell[j].to_f64();
        for (gate, outer) in [dc, dc, dc, dh].into_iter().enumerate() {
            let slot = &mut op.influence[(GATES * row + gate) * hidden + unit];
            *slot = if op.active[row] { T::from_f64(outer * slot.to_f64()) } else { T::ZERO };
        }
        let carried = quantized(dc * op.forget_gate[j].to_f64());
        op.cell_gradient[j] = if op.active[row] { carried } else { T::ZERO };
    }
}

/// Twin of [`TraceStep`].
pub fn trace_step<T: Real>(op: TraceStep<'_, T>) {
    let sizes = op.sizes();
    let (units, columns, per_row) = (sizes.units, sizes.columns, sizes.gates * sizes.units);
    for index in (0..op.trace.len()).filter(|index| op.active[index / (per_row * columns)]) {
        let (block, column) = (index / columns, index % columns);
        let (row, unit) = (block / per_row, block % per_row);
        let decay = op.decay[row * units + unit % units].to_f64();
        let influence = op.influence[row * sizes.influence + unit].to_f64();
        let next =
            decay * op.trace[index].to_f64() + influence * op.presynaptic[row * columns + column].to_f64();
        op.trace[index] = quantized(next);
    }
}

/// Twin of [`TraceContract`].
pub fn trace_contract<T: Real>(op: TraceContract<'_, T>) {
    let sizes = op.sizes();
    for index in 0..op.gradient.len() {
        let unit = index / sizes.columns % sizes.units;
        let terms = (0..op.active.len()).filter(|&row| op.active[row]).map(|row| {
            op.signal[row * sizes.units + unit].to_f64() * op.trace[row * op.gradient.len() + index].to_f64()
        });
        op.gradient[index] = T::from_f64(op.gradient[index].to_f64() + terms.sum::<f64>());
    }
}

/// Twin of [`TraceStepContract`].
pub fn trace_step_contract<T: Real>(op: TraceStepContract<'_, T>) {
    let columns = op.sizes().columns;
    let TraceStep { active, decay, influence, presynaptic, trace } = op.step;
    trace_step(TraceStep { active, decay, influence, presynaptic, trace: &mut *trace });
    trace_contract(TraceContract { active, columns, signal: op.signal, trace, gradient: op.gradient });
}

/// Twin of [`TraceFactors`].
pub fn trace_factors<T: Real>(op: TraceFactors<'_, T>) {
    let traces = op.traces();
    for trace in 0..traces {
        let mut product = 1.0;
        for step in (0..op.steps).rev() {
            let influence = op.influence.at(step, 0..traces)[trace].to_f64();
            op.factors[step * traces + trace] = T::from_f64(product * influence);
            product *= op.decay.at(step, 0..op.units)[trace % op.units].to_f64();
        }
        op.factors[op.steps * traces + trace] = T::from_f64(product);
    }
}

/// Twin of [`TraceSumFactors`].
pub fn trace_sum_factors<T: Real>(op: TraceSumFactors<'_, T>) {
    let (traces, TraceFactors { steps, units, decay, influence, factors }) = (op.traces(), op.factors);
    for trace in 0..traces {
        let mut lambda = 0.0;
        for step in (0..steps).rev() {
            lambda += op.weight.at(step, 0..units)[trace % units].to_f64();
            factors[step * traces + trace] =
                T::from_f64(lambda * influence.at(step, 0..traces)[trace].to_f64());
            lambda *= decay.at(step, 0..units)[trace % units].to_f64();
        }
        factors[steps * traces + trace] = T::from_f64(lambda);
    }
}

/// Twin of [`TraceBlock`]. Where P_0 is zero for all units, a reset, the old trace takes part in nothing.
pub fn trace_block<T: Real>(op: TraceBlock<'_, T>) {
    let (traces, row) = op.sizes();
    let forgotten = op.factors[op.steps * traces..].iter().all(|&kept| kept == T::ZERO);
    for index in (0..op.trace.len()).filter(|index| index % row < op.columns) {
        let (trace, column) = (index / row, index % row);
        let factor = |step: usize| op.factors[step * traces + trace].to_f64();
        let mut e = if forgotten { 0.0 } else { factor(op.steps) * op.trace[index].to_f64() };
        for step in 0..op.steps {
            e += factor(step) * op.presynaptic.at(step, 0..row)[column].to_f64();
        }
        op.trace[index] = quantized(e);
    }
}

/// Twin of [`TraceBlockContract`].
pub fn trace_block_contract<T: Real>(op: TraceBlockContract<'_, T>) {
    let ((_, row), units) = (op.sizes(), op.carried_signal.len());
    for index in (0..op.gradient.len()).filter(|index| index % row < op.block.columns) {
        let term = op.carried_signal[index / row % units].to_f64() * op.block.trace[index].to_f64();
        op.gradient[index] = T::from_f64(op.gradient[index].to_f64() + term);
    }
    trace_block(op.block);
}

/// Twin of [`Affine`].
pub fn affine<T: Real>(op: Affine<'_, T>) {
    let outputs = op.outputs();
    for (index, y) in op.output.iter_mut().enumerate() {
        let (batch_row, row) = (index / outputs, index % outputs);
        let panel = row / op.panel * op.panel;
        let (weights, width) = (&op.panels[panel * op.columns..], op.panel.min(outputs - panel));
        let start = match op.start {
            Start::Output => *y,
            Start::Each(start) => start[row],
        };
        let x = op.input.at(batch_row, 0..op.columns);
        let terms = x
            .iter()
            .enumerate()
            .map(|(column, x)| weights[column * width + row - panel].to_f64() * x.to_f64());
        *y = T::from_f64(start.to_f64() + terms.sum::<f64>());
    }
}

/// Twin of [`RowDot`].
pub fn row_dot<T: Real>(op: RowDot<'_, T>) {
    for (row, y) in op.output.iter_mut().enumerate() {
        let weights = op.weights.at(row, 0..op.input.len());
        let sum: f64 = weights.iter().zip(op.input).map(|(w, x)| w.to_f64() * x.to_f64()).sum();
        *y = T::from_f64(if op.add { y.to_f64() + sum } else { sum });
    }
}

/// Twin of [`Sgd`].
pub fn sgd<T: Real>(op: Sgd<'_, T>) {
    for (w, g) in op.parameters.iter_mut().zip(op.gradient) {
        *w = T::from_f64(w.to_f64() - op.rate.to_f64() * g.to_f64());
    }
}

/// rho and 1 - rho.
fn decay<T: Real>(decay: Decay<T>) -> [f64; 2] {
    [decay.kept().to_f64(), decay.rest().to_f64()]
}

/// Twin of [`RmsProp`].
pub fn rms_prop<T: Real>(op: RmsProp<'_, T>) {
    for ((w, g), v) in op.parameters.iter_mut().zip(op.gradient).zip(op.square) {
        let ([rho, rest], g) = (decay(op.decay), g.to_f64());
        *v = quantized_by(T::SQUARE_QUANTUM, rho * v.to_f64() + rest * g * g);
        let square = v.to_f64();
        *w = T::from_f64(w.to_f64() - op.rate.to_f64() * g / (square.sqrt() + op.epsilon.to_f64()));
    }
}

/// Twin of [`Adam`].
pub fn adam<T: Real>(op: Adam<'_, T>) {
    let averages = op.mean.iter_mut().zip(op.square);
    for ((w, g), (m, v)) in op.parameters.iter_mut().zip(op.gradient).zip(averages) {
        let ([[b1, rest1], [b2, rest2]], g) = (op.decays.map(decay), g.to_f64());
        *m = quantized(b1 * m.to_f64() + rest1 * g);
        *v = quantized_by(T::SQUARE_QUANTUM, b2 * v.to_f64() + rest2 * g * g);
        let (mean, square) = (m.to_f64(), v.to_f64());
        let root = (square * op.correction.to_f64()).sqrt();
        *w = T::from_f64(w.to_f64() - op.rate.to_f64() * mean / (root + op.epsilon.to_f64()));
    }
}
