//! Claim: the trace kernels of units with two components agree with their scalar twins at every level, for every length
//! and value; a value does not depend on its position; the half that one gate leaves out is equal to the bit.

use crate::common::case::{Case, Draw, Shape, cases, in_both_types, run};
use crate::common::{assert_quantized, assert_same_bits, config, lengths, levels, ordinary, values};
use eligibility_kernels::trace::pair::{PairTraceContract, PairTraceStep, PairTraceStepContract};
use eligibility_kernels::{Level, Real, Strided, reference};
use proptest::prelude::*;

/// A term passes at most three roundings of half an epsilon in the kernel, and as many in the twin, which in `f64` rounds
/// like one; with what is rounded twice this stays below 4.
const STEP: f64 = 4.0;

#[derive(Clone, Copy, Debug)]
struct Form {
    units: usize,
    gates: usize,
    columns: usize,
    /// Decay, influence: one row for all.
    shared: [bool; 2],
    /// Elements of each row of these beyond what is needed.
    gap: usize,
}

/// Everything the three kernels read and write.
type Traces<T> = Case<T, Form, 7>;

/// The slices of the two components' traces.
const TRACE: [&str; 2] = ["first", "second"];

impl Form {
    fn shapes(self) -> [Shape; 7] {
        let Self { units, gates, columns, shared, gap } = self;
        let factors = |of: usize| if shared[of] { Shape::shared } else { Shape::rows };
        [
            factors(0)("decay", 4 * units + gap, 1),
            factors(1)("influence", gates * units + gap, 1),
            Shape::rows("presynaptic", 1, columns),
            Shape::stepped(TRACE[0], gates * units, columns),
            Shape::stepped(TRACE[1], gates * units, columns),
            Shape::rows("signal", 2 * units, 1),
            Shape::sum("gradient", 2 * units, columns),
        ]
    }
    /// Of decay and influence, from one row to the next.
    fn strides(self) -> [usize; 2] {
        let Self { units, gates, shared, gap, .. } = self;
        let stride = |of: usize, needed: usize| if shared[of] { 0 } else { needed + gap };
        [stride(0, 4 * units), stride(1, gates * units)]
    }
}

fn all_traces<T: Real>(draw: Draw<T>) -> impl Strategy<Value = Traces<T>> {
    let forms = (1..3_usize, 1..4_usize, lengths(), prop::array::uniform2(prop::bool::ANY));
    forms.prop_flat_map(move |(gates, units, columns, shared)| {
        let form = Form { units, gates, columns, shared, gap: 1 };
        cases(form, form.shapes(), draw)
    })
}

/// The first or second component's traces of a row and gate.
fn gate<T>(traces: &Traces<T>, component: usize, row: usize, gate: usize) -> &[T] {
    let Form { units, gates, columns, .. } = traces.form;
    &traces[TRACE[component]][(row * gates + gate) * units * columns..][..units * columns]
}

/// Calls a kernel of the step, or of both, with its parts.
macro_rules! with_step {
    ($traces:ident, |$step:ident, $signal:ident, $gradient:ident| $run:expr) => {
        let ([decay_stride, influence_stride], active) = ($traces.form.strides(), &$traces.active);
        let [decay, influence, presynaptic, first, second, $signal, $gradient] = &mut $traces.slices;
        let $step = PairTraceStep {
            active,
            units: $traces.form.units,
            decay: Strided { data: decay, stride: decay_stride },
            influence: Strided { data: influence, stride: influence_stride },
            presynaptic,
            trace: [first, second],
        };
        $run
    };
}

fn step<T: Real>(traces: &mut Traces<T>, level: Option<Level>) {
    with_step!(traces, |step, _signal, _gradient| run!(level, reference::pair_trace_step, step));
}

fn fused<T: Real>(traces: &mut Traces<T>, level: Option<Level>) {
    with_step!(traces, |step, signal, gradient| {
        let op = PairTraceStepContract { step, signal, gradient };
        run!(level, reference::pair_trace_step_contract, op);
    });
}

fn contract<T: Real>(traces: &mut Traces<T>, level: Option<Level>) {
    let (Form { units, columns, .. }, active) = (traces.form, &traces.active);
    let [.., first, second, signal, gradient] = &mut traces.slices;
    let op = PairTraceContract { active, units, columns, signal, trace: [first, second], gradient };
    run!(level, reference::pair_trace_contract, op);
}

/// The traces after the step.
fn step_agrees<T: Real>(before: &Traces<T>, level: Level) -> Traces<T> {
    let (outcome, Form { units, gates, columns, .. }) = (before.outcome(step, level), before.form);
    let (strides, per_row) = (before.form.strides(), gates * units);
    for index in 0..before[TRACE[0]].len() {
        let (row, trace) = (index / columns / per_row, index / columns % per_row);
        let (gate, unit) = (trace / units, trace % units);
        for component in 0..2 {
            let terms = (0..2).map(|l| {
                let a = before["decay"][row * strides[0] + (2 * component + l) * units + unit].to_f64();
                (a * before[TRACE[l]][index].to_f64()).abs()
            });
            let mut scale = terms.sum::<f64>();
            if gate == component {
                let u = before["influence"][row * strides[1] + trace].to_f64();
                scale += (u * before["presynaptic"][row * columns + index % columns].to_f64()).abs();
            }
            // Three sums are rounded to half a quantum, and the twin's.
            let allowed = STEP * T::EPSILON.to_f64() * scale + 2.001 * T::TRACE_QUANTUM.to_f64();
            outcome.check(TRACE[component], index, allowed);
            if before.active[row] {
                assert_quantized("trace", index, outcome.found[TRACE[component]][index]);
            }
        }
    }
    outcome.found
}

/// `stepped` holds the traces after the step.
fn contraction_agrees<T: Real>(stepped: &Traces<T>, level: Level) -> Traces<T> {
    let (outcome, Form { units, gates, columns, .. }) = (stepped.outcome(contract, level), stepped.form);
    let (rows, length) = (stepped.active.len(), units * columns);
    for index in 0..stepped["gradient"].len() {
        let (unit, of) = (index % length / columns, index / length);
        let mut scale = stepped["gradient"][index].to_f64().abs();
        for row in (0..rows).filter(|&row| stepped.active[row]) {
            let signal = |k: usize| stepped["signal"][(2 * row + k) * units + unit].to_f64();
            let e = |k: usize| gate(stepped, k, row, of % gates)[index % length].to_f64();
            let swapped = usize::from(of >= gates);
            scale += (signal(0) * e(swapped)).abs() + (signal(1) * e(1 - swapped)).abs();
        }
        // A sum may overflow on the way where the twin's, which rounds later, does not.
        if scale > f64::from(f32::MAX) && T::NAME == "f32" {
            continue;
        }
        // Two terms a row and what was there, each passing at most so many roundings, in the kernel and in the twin.
        let roundings = (2 * rows + 2) as f64;
        outcome.check(
            "gradient",
            index,
            roundings * T::EPSILON.to_f64() * scale + f64::from(f32::MIN_POSITIVE),
        );
    }
    outcome.found
}

fn agrees<T: Real>(before: &Traces<T>, level: Level) {
    let separate = contraction_agrees(&step_agrees(before, level), level);
    // Fused and separate are the same operations in the same order.
    let fused_at_once = before.outcome(fused, level);
    fused_at_once.found.assert_same("fused", &separate);
    fused_at_once.expected.assert_same("twin", &before.after(step, None).after(contract, None));
}

in_both_types!(all_traces, agrees);

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
        let form = Form { units, gates, columns, shared: [true; 2], gap: 0 };
        let mut traces = Traces::ones(form, form.shapes(), 1);
        traces["decay"] = decay;
        traces["influence"] = self.influence.repeat(gates);
        traces["gradient"].clone_from(&self.gradient);
        for name in TRACE {
            traces[name].fill(T::ZERO);
        }
        let steps = self.presynaptic.chunks(columns).zip(self.signal.chunks(2 * units));
        for (presynaptic, signal) in steps {
            traces["presynaptic"].copy_from_slice(presynaptic);
            traces["signal"].copy_from_slice(signal);
            traces = traces.after(fused, Some(level));
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
        assert_turned(gate(&two, 0, 0, 1), -T::ONE, gate(&two, 1, 0, 0));
        assert_turned(gate(&two, 1, 0, 1), T::ONE, gate(&two, 0, 0, 0));
        assert_turned(gate(&two, 0, 0, 0), T::ONE, gate(&one, 0, 0, 0));
        assert_turned(gate(&two, 1, 0, 0), T::ONE, gate(&one, 1, 0, 0));
        assert_turned(&two["gradient"], T::ONE, &one["gradient"]);
    }
}

proptest! {
    #![proptest_config(config())]

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

#[test]
fn wrong_lengths_are_named() {
    let form = Form { units: 3, gates: 2, columns: 5, shared: [false, true], gap: 0 };
    let traces = Traces::<f32>::ones(form, form.shapes(), 2);
    traces.assert_lengths_are_named(fused, &TRACE);
    traces.assert_lengths_are_named(contract, &["decay", "influence", "presynaptic", TRACE[0], TRACE[1]]);
}
