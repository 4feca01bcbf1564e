//! Claim: the trace kernels of units with two components agree with their scalar twins at every level, for every length
//! and value; a value does not depend on its position; the half that one gate leaves out is equal to the bit.

use crate::common::{
    assert_agrees, assert_quantized, assert_same_bits, config, lengths, levels, ordinary, values,
};
use eligibility_kernels::trace::pair::{PairTraceContract, PairTraceStep, PairTraceStepContract};
use eligibility_kernels::{Level, Real, Strided, reference};
use proptest::prelude::*;

/// A term passes at most three roundings of half an epsilon in the kernel, and as many in the twin, which in `f64` rounds
/// like one; with what is rounded twice this stays below 4.
const STEP: f64 = 4.0;

#[derive(Clone, Debug)]
struct Traces<T> {
    units: usize,
    gates: usize,
    columns: usize,
    /// Of decay and influence, from one row to the next: 0, or with a gap.
    strides: [usize; 2],
    active: Vec<bool>,
    decay: Vec<T>,
    influence: Vec<T>,
    presynaptic: Vec<T>,
    trace: [Vec<T>; 2],
    signal: Vec<T>,
    gradient: Vec<T>,
}

impl<T: Real> Traces<T> {
    fn step(&mut self) -> PairTraceStep<'_, T> {
        let Self { units, strides, active, decay, influence, presynaptic, trace: [first, second], .. } = self;
        PairTraceStep {
            active,
            units: *units,
            decay: Strided { data: decay, stride: strides[0] },
            influence: Strided { data: influence, stride: strides[1] },
            presynaptic,
            trace: [first, second],
        }
    }
    /// Calls `run` with the step and its contraction.
    fn fused(&mut self, run: impl FnOnce(PairTraceStepContract<'_, T>)) {
        let (signal, mut gradient) = (self.signal.clone(), self.gradient.clone());
        run(PairTraceStepContract { step: self.step(), signal: &signal, gradient: &mut gradient });
        self.gradient = gradient;
    }
    fn contract(&mut self) -> PairTraceContract<'_, T> {
        let Self { units, columns, active, trace, signal, gradient, .. } = self;
        let trace = [&trace[0][..], &trace[1][..]];
        PairTraceContract { active, units: *units, columns: *columns, signal, trace, gradient }
    }
    /// The first or second component's traces of a row and gate.
    fn gate(&self, component: usize, row: usize, gate: usize) -> &[T] {
        let length = self.units * self.columns;
        &self.trace[component][(row * self.gates + gate) * length..][..length]
    }
}

fn traces<T: Real>() -> impl Strategy<Value = Traces<T>> {
    (1..4_usize, 1..3_usize, 1..4_usize, lengths(), prop::array::uniform2(prop::bool::ANY)).prop_flat_map(
        |(rows, gates, units, columns, shared)| {
            let block = rows * gates * units * columns;
            let active = prop::collection::vec(prop::bool::weighted(0.8), rows);
            // One element more per row than is needed, or one row for all.
            let lengths = [4 * units, gates * units];
            let stride = |of: usize| if shared[of] { 0 } else { lengths[of] + 1 };
            let total = |of: usize| lengths[of] + (rows - 1) * stride(of);
            let strides = [stride(0), stride(1)];
            let inputs = (values(total(0)), values(total(1)), values(rows * columns));
            let sums = (values(rows * 2 * units), values(2 * units * columns));
            (active, inputs, [values(block), values(block)], sums).prop_map(
                move |(active, (decay, influence, presynaptic), trace, (signal, gradient))| Traces {
                    units,
                    gates,
                    columns,
                    strides,
                    active,
                    decay,
                    influence,
                    presynaptic,
                    trace,
                    signal,
                    gradient,
                },
            )
        },
    )
}

fn step_agrees<T: Real>(before: &Traces<T>, level: Level) -> Traces<T> {
    let (mut found, mut expected) = (before.clone(), before.clone());
    level.run(found.step());
    reference::pair_trace_step(expected.step());
    let (units, columns, per_row) = (before.units, before.columns, before.gates * before.units);
    for index in 0..before.trace[0].len() {
        let (row, trace) = (index / columns / per_row, index / columns % per_row);
        let (gate, unit) = (trace / units, trace % units);
        for component in 0..2 {
            let terms = (0..2).map(|l| {
                let plane = (2 * component + l) * units + unit;
                let a = before.decay[row * before.strides[0] + plane].to_f64();
                (a * before.trace[l][index].to_f64()).abs()
            });
            let mut scale = terms.sum::<f64>();
            if gate == component {
                let u = before.influence[row * before.strides[1] + trace].to_f64();
                scale += (u * before.presynaptic[row * columns + index % columns].to_f64()).abs();
            }
            // Three sums are rounded to half a quantum, and the twin's.
            let tolerance = STEP * T::EPSILON.to_f64() * scale + 2.001 * T::TRACE_QUANTUM.to_f64();
            let [found, expected] = [&found, &expected].map(|traces| traces.trace[component][index]);
            assert_agrees("trace", index, found, expected, tolerance.min(f64::MAX));
            if before.active[row] {
                assert_quantized("trace", index, found);
            } else {
                assert_same_bits("inactive trace", &[found], &[before.trace[component][index]]);
            }
        }
    }
    found
}

/// `stepped` holds the traces after the step.
fn contraction_agrees<T: Real>(stepped: &Traces<T>, level: Level) -> Traces<T> {
    let (mut found, mut expected) = (stepped.clone(), stepped.clone());
    level.run(found.contract());
    reference::pair_trace_contract(expected.contract());
    let (rows, units, length) = (stepped.active.len(), stepped.units, stepped.units * stepped.columns);
    for index in 0..stepped.gradient.len() {
        let (unit, gate) = (index % length / stepped.columns, index / length);
        let mut scale = stepped.gradient[index].to_f64().abs();
        for row in (0..rows).filter(|&row| stepped.active[row]) {
            let signal = |k: usize| stepped.signal[(2 * row + k) * units + unit].to_f64();
            let e = |k: usize| stepped.gate(k, row, gate % stepped.gates)[index % length].to_f64();
            let swapped = usize::from(gate >= stepped.gates);
            scale += (signal(0) * e(swapped)).abs() + (signal(1) * e(1 - swapped)).abs();
        }
        // A sum may overflow on the way where the twin's, which rounds later, does not.
        if scale > f64::from(f32::MAX) && T::NAME == "f32" {
            continue;
        }
        // Two terms a row and what was there, each passing at most so many roundings, in the kernel and in the twin.
        let roundings = (2 * rows + 2) as f64;
        let tolerance = roundings * T::EPSILON.to_f64() * scale + f64::from(f32::MIN_POSITIVE);
        let [found, expected] = [&found, &expected].map(|traces| traces.gradient[index]);
        assert_agrees("gradient", index, found, expected, tolerance.min(f64::MAX));
    }
    found
}

/// Reverses the columns everywhere.
fn reversed<T: Real>(before: &Traces<T>) -> Traces<T> {
    let turn = |values: &[T]| -> Vec<T> {
        values.chunks(before.columns.max(1)).flat_map(|chunk| chunk.iter().rev().copied()).collect()
    };
    Traces {
        presynaptic: turn(&before.presynaptic),
        trace: [turn(&before.trace[0]), turn(&before.trace[1])],
        gradient: turn(&before.gradient),
        ..before.clone()
    }
}

#[track_caller]
fn assert_same<T: Real>(what: &str, found: &Traces<T>, expected: &Traces<T>) {
    assert_same_bits(what, &found.trace[0], &expected.trace[0]);
    assert_same_bits(what, &found.trace[1], &expected.trace[1]);
    assert_same_bits(what, &found.gradient, &expected.gradient);
}

fn check<T: Real>(before: &Traces<T>) {
    for level in levels() {
        let stepped = step_agrees(before, level);
        let separate = contraction_agrees(&stepped, level);
        // Fused and separate are the same operations in the same order.
        let mut fused = before.clone();
        fused.fused(|op| level.run(op));
        assert_same("fused", &fused, &separate);
        let mut turned = reversed(before);
        turned.fused(|op| level.run(op));
        assert_same("turned", &reversed(&turned), &fused);
    }
    let (mut twin, mut parts) = (before.clone(), before.clone());
    twin.fused(reference::pair_trace_step_contract);
    reference::pair_trace_step(parts.step());
    reference::pair_trace_contract(parts.contract());
    assert_same("twin", &twin, &parts);
}

/// A rotation times a radius for every unit, and an influence, for `steps` steps of one row.
#[derive(Clone, Debug)]
struct Rotations<T> {
    units: usize,
    columns: usize,
    rotation: Vec<(f64, f64)>,
    influence: Vec<T>,
    presynaptic: Vec<T>,
    signal: Vec<T>,
    gradient: Vec<T>,
}

impl<T: Real> Rotations<T> {
    /// After all steps, with so many gates.
    fn run(&self, gates: usize, level: Level) -> Traces<T> {
        let Self { units, columns, .. } = *self;
        let plane = |of: fn(f64) -> f64, sign: T| {
            self.rotation.iter().map(move |&(radius, angle)| sign * T::from_f64(radius * of(angle)))
        };
        let (cosine, sine) = (plane(f64::cos, T::ONE), plane(f64::sin, T::ONE));
        let decay = cosine.clone().chain(plane(f64::sin, -T::ONE)).chain(sine).chain(cosine).collect();
        let mut traces = Traces {
            units,
            gates,
            columns,
            strides: [0, 0],
            active: vec![true],
            decay,
            influence: self.influence.repeat(gates),
            presynaptic: vec![],
            trace: [vec![T::ZERO; gates * units * columns], vec![T::ZERO; gates * units * columns]],
            signal: vec![],
            gradient: self.gradient.clone(),
        };
        let steps = self.presynaptic.chunks(columns).zip(self.signal.chunks(2 * units));
        for (presynaptic, signal) in steps {
            (traces.presynaptic, traces.signal) = (presynaptic.to_vec(), signal.to_vec());
            traces.fused(|op| level.run(op));
        }
        traces
    }
}

fn rotations<T: Real>() -> impl Strategy<Value = Rotations<T>> {
    (1..4_usize, lengths(), 1..20_usize).prop_flat_map(|(units, columns, steps)| {
        let columns = columns.max(1);
        let rotation = prop::collection::vec((0.0..1.0_f64, -4.0..4.0_f64), units);
        let inputs = (values(units), values(steps * columns), values(steps * 2 * units));
        (rotation, inputs, ordinary(2 * units * columns)).prop_map(
            move |(rotation, (influence, presynaptic, signal), gradient)| Rotations {
                units,
                columns,
                rotation,
                influence,
                presynaptic,
                signal,
                gradient,
            },
        )
    })
}

/// `found` is `sign` times `expected` to the bit, or both are zero or NaN.
fn assert_turned<T: Real>(found: &[T], sign: T, expected: &[T]) {
    // 0 - x is no zero with a sign, and the same for all other x as -x.
    let turned = |values: &[T]| -> Vec<T> { values.iter().map(|&x| T::ZERO + sign * x).collect() };
    assert_same_bits("half", &found.iter().map(|&x| T::ZERO + x).collect::<Vec<_>>(), &turned(expected));
}

fn check_redundancy<T: Real>(rotations: &Rotations<T>) {
    for level in levels() {
        let (one, two) = (rotations.run(1, level), rotations.run(2, level));
        assert_turned(two.gate(0, 0, 1), -T::ONE, two.gate(1, 0, 0));
        assert_turned(two.gate(1, 0, 1), T::ONE, two.gate(0, 0, 0));
        assert_turned(two.gate(0, 0, 0), T::ONE, one.gate(0, 0, 0));
        assert_turned(two.gate(1, 0, 0), T::ONE, one.gate(1, 0, 0));
        assert_turned(&two.gradient, T::ONE, &one.gradient);
    }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn in_f32(traces in traces::<f32>()) {
        check(&traces);
    }

    #[test]
    fn in_f64(traces in traces::<f64>()) {
        check(&traces);
    }

    #[test]
    fn the_redundant_half_is_equal_to_the_bit_in_f32(rotations in rotations::<f32>()) {
        check_redundancy(&rotations);
    }

    #[test]
    fn the_redundant_half_is_equal_to_the_bit_in_f64(rotations in rotations::<f64>()) {
        check_redundancy(&rotations);
    }
}

/// Steps the traces of one gate, unit and input.
fn single(decay: [f32; 4], influence: f32, trace: [f32; 2], level: Level) -> [f32; 2] {
    let [mut first, mut second] = trace.map(|e| [e]);
    level.run(PairTraceStep {
        active: &[true],
        units: 1,
        decay: Strided { data: &decay, stride: 0 },
        influence: Strided { data: &[influence], stride: 0 },
        presynaptic: &[0.5],
        trace: [&mut first, &mut second],
    });
    [first[0], second[0]]
}

#[test]
fn a_step_is_the_matrix_times_the_trace_and_the_new_influence() {
    for level in levels() {
        assert_eq!(single([2.0, 3.0, 5.0, 7.0], 4.0, [1.0, 10.0], level), [34.0, 75.0]);
        assert_eq!(single([0.0; 4], 4.0, [1.0, 10.0], level), [2.0, 0.0]);
    }
}

#[test]
fn a_silent_trace_ends_within_four_quanta_and_not_on_a_subnormal() {
    for level in levels() {
        // Of modulus 0.75: a step adds two sums' roundings to each component, and a quarter of the trace is lost.
        let mut trace = [1.0, 0.0];
        for _ in 0..400 {
            trace = single([0.6, -0.45, 0.45, 0.6], 0.0, trace, level);
            assert!(trace.iter().all(|&e| e == 0.0 || e.abs() >= f32::TRACE_QUANTUM));
        }
        assert!(trace.iter().all(|&e| e.abs() <= 4.0 * f32::TRACE_QUANTUM), "still at {trace:?}");
    }
}

fn step_of_lengths(trace: usize, signal: usize) {
    let (mut first, mut second) = (vec![0.0_f32; trace], vec![0.0; trace]);
    let step = PairTraceStep {
        active: &[true],
        units: 1,
        decay: Strided { data: &[0.5; 4], stride: 0 },
        influence: Strided { data: &[1.0; 2], stride: 0 },
        presynaptic: &[1.0],
        trace: [&mut first, &mut second],
    };
    Level::detect().run(PairTraceStepContract { step, signal: &vec![1.0; signal], gradient: &mut [0.0; 2] });
}

#[test]
#[should_panic(expected = "trace has 3 and 3 elements for 1 rows of 1 or 2 gates x 1 units x 1 columns")]
fn three_gates_are_named() {
    step_of_lengths(3, 2);
}

#[test]
#[should_panic(expected = "signal has 1 elements where 1 rows x 2 components x 1 units are 2")]
fn a_wrong_length_is_named() {
    step_of_lengths(2, 1);
}
