//! The twins of the kernels for traces of units with two components.

use super::quantized;
use crate::real::Real;
use crate::trace::pair::{
    PairTraceBlock, PairTraceBlockContract, PairTraceContract, PairTraceFactors, PairTraceStep,
    PairTraceStepContract,
};

/// Twin of [`PairTraceStep`].
pub fn pair_trace_step<T: Real>(op: PairTraceStep<'_, T>) {
    let (sizes, [first, second]) = (op.sizes(), op.trace);
    let (units, columns, per_row) = (sizes.units, sizes.columns, sizes.gates * sizes.units);
    for index in (0..first.len()).filter(|index| op.active[index / (per_row * columns)]) {
        let (row, trace, column) = (index / columns / per_row, index / columns % per_row, index % columns);
        let (gate, unit) = (trace / units, trace % units);
        let a = |k: usize, l: usize| op.decay.at(row, 0..4 * units)[(2 * k + l) * units + unit].to_f64();
        let added = op.influence.at(row, 0..per_row)[trace].to_f64()
            * op.presynaptic[row * columns + column].to_f64();
        let (e1, e2) = (first[index].to_f64(), second[index].to_f64());
        first[index] = quantized(a(0, 0) * e1 + a(0, 1) * e2 + if gate == 0 { added } else { 0.0 });
        second[index] = quantized(a(1, 0) * e1 + a(1, 1) * e2 + if gate == 1 { added } else { 0.0 });
    }
}

/// Twin of [`PairTraceContract`].
pub fn pair_trace_contract<T: Real>(op: PairTraceContract<'_, T>) {
    let (sizes, [first, second]) = (op.sizes(), op.trace);
    let (units, length) = (sizes.units, sizes.units * sizes.columns);
    for index in 0..if sizes.gates == 0 { 0 } else { op.gradient.len() } {
        let (gate, unit) = (index / length, index % length / sizes.columns);
        let terms = (0..op.active.len()).filter(|&row| op.active[row]).map(|row| {
            let c = [0, 1].map(|k| op.signal[(2 * row + k) * units + unit].to_f64());
            let at = row * sizes.gates * length + index % (sizes.gates * length);
            let (e1, e2) = (first[at].to_f64(), second[at].to_f64());
            if gate < sizes.gates { c[0] * e1 + c[1] * e2 } else { c[1] * e1 - c[0] * e2 }
        });
        op.gradient[index] = T::from_f64(op.gradient[index].to_f64() + terms.sum::<f64>());
    }
}

/// Twin of [`PairTraceStepContract`].
pub fn pair_trace_step_contract<T: Real>(op: PairTraceStepContract<'_, T>) {
    let (units, columns) = (op.sizes().units, op.sizes().columns);
    let PairTraceStep { active, decay, influence, presynaptic, trace: [first, second], .. } = op.step;
    let trace = [&mut *first, &mut *second];
    pair_trace_step(PairTraceStep { active, units, decay, influence, presynaptic, trace });
    let (signal, gradient, trace) = (op.signal, op.gradient, [&*first, &*second]);
    pair_trace_contract(PairTraceContract { active, units, columns, signal, trace, gradient });
}

/// Twin of [`PairTraceFactors`].
pub fn pair_trace_factors<T: Real>(op: PairTraceFactors<'_, T>) {
    op.check();
    let PairTraceFactors { steps, units, gates, decay, influence, factors } = op;
    for unit in 0..units {
        let mut p = [[1.0, 0.0], [0.0, 1.0]];
        for step in (0..steps).rev() {
            for (gate, k) in (0..gates).flat_map(|gate| [(gate, 0), (gate, 1)]) {
                let u = influence.at(step, 0..gates * units)[gate * units + unit].to_f64();
                factors[((step * gates + gate) * 2 + k) * units + unit] = T::from_f64(p[k][gate] * u);
            }
            let a = [0, 1, 2, 3].map(|plane| decay.at(step, 0..4 * units)[plane * units + unit].to_f64());
            p = p.map(|[p1, p2]| [p1 * a[0] + p2 * a[2], p1 * a[1] + p2 * a[3]]);
        }
        for (plane, p) in p.as_flattened().iter().enumerate() {
            factors[(2 * steps * gates + plane) * units + unit] = T::from_f64(*p);
        }
    }
}

/// Twin of [`PairTraceBlock`]. Where P_0 is zero for all units, a reset, the old traces take part in nothing.
pub fn pair_trace_block<T: Real>(op: PairTraceBlock<'_, T>) {
    let (row, [first, second]) = (op.row(), op.trace);
    let (factors, kept) = op.factors.split_at(2 * op.steps * op.gates * op.units);
    let forgotten = kept.iter().all(|&kept| kept == T::ZERO);
    for index in (0..first.len()).filter(|index| index % row < op.columns) {
        let (gate, unit) = (index / row / op.units, index / row % op.units);
        let carried = if forgotten { [0.0; 2] } else { [first[index].to_f64(), second[index].to_f64()] };
        for (k, target) in [&mut *first, &mut *second].into_iter().enumerate() {
            let p = |l: usize| kept[(2 * k + l) * op.units + unit].to_f64();
            let added = |step: usize| {
                let factor = factors[((step * op.gates + gate) * 2 + k) * op.units + unit].to_f64();
                factor * op.presynaptic.at(step, 0..row)[index % row].to_f64()
            };
            let sum = (0..op.steps).map(added).sum::<f64>();
            target[index] = quantized(p(0) * carried[0] + p(1) * carried[1] + sum);
        }
    }
}

/// Twin of [`PairTraceBlockContract`].
pub fn pair_trace_block_contract<T: Real>(op: PairTraceBlockContract<'_, T>) {
    let (row, units) = (op.row(), op.block.units);
    let traces = op.block.trace[0].len();
    for index in (0..op.gradient.len()).filter(|index| index % row < op.block.columns) {
        let c = [0, 1].map(|k| op.carried_signal[k * units + index / row % units].to_f64());
        let [e1, e2] = [0, 1].map(|k| op.block.trace[k][index % traces].to_f64());
        let term = if index < traces { c[0] * e1 + c[1] * e2 } else { c[1] * e1 - c[0] * e2 };
        op.gradient[index] = T::from_f64(op.gradient[index].to_f64() + term);
    }
    pair_trace_block(op.block);
}
