//! Claim: the trace kernels agree with their scalar twins at every level, for every length and value, a value does not
//! depend on its position, and small traces are whole multiples of a quantum.

use crate::common::case::{Case, Draw, Shape, cases, in_both_types, run};
use crate::common::{assert_quantized, lengths, levels};
use eligibility_kernels::trace::{TraceContract, TraceStep, TraceStepContract};
use eligibility_kernels::{Level, Real, reference};
use proptest::prelude::*;

/// A product and a multiply-add, each rounded once: 1 epsilon per term, and one for what the twin itself rounds.
const TOLERANCE: f64 = 2.0;

#[derive(Clone, Copy, Debug)]
struct Form {
    gates: usize,
    units: usize,
    columns: usize,
}

/// Everything the three kernels read and write.
type Traces<T> = Case<T, Form, 6>;

impl Form {
    fn shapes(self) -> [Shape; 6] {
        let Self { gates, units, columns } = self;
        [
            Shape::rows("decay", units, 1),
            // One more per row than the traced gates need, as the LSTM's output gate is.
            Shape::rows("influence", (gates + 1) * units, 1),
            Shape::rows("presynaptic", 1, columns),
            Shape::stepped("trace", gates * units, columns),
            Shape::rows("signal", units, 1),
            Shape::sum("gradient", gates * units, columns),
        ]
    }
}

fn all_traces<T: Real>(draw: Draw<T>) -> impl Strategy<Value = Traces<T>> {
    let forms = (1..4_usize, 1..4_usize, lengths());
    let forms = forms.prop_map(|(gates, units, columns)| Form { gates, units, columns });
    forms.prop_flat_map(move |form| cases(form, form.shapes(), draw))
}

fn step<T: Real>(traces: &mut Traces<T>, level: Option<Level>) {
    let active = &traces.active;
    let [decay, influence, presynaptic, trace, ..] = &mut traces.slices;
    run!(level, reference::trace_step, TraceStep { active, decay, influence, presynaptic, trace });
}

fn contract<T: Real>(traces: &mut Traces<T>, level: Option<Level>) {
    let (Form { columns, .. }, active) = (traces.form, &traces.active);
    let [.., trace, signal, gradient] = &mut traces.slices;
    run!(level, reference::trace_contract, TraceContract { active, columns, signal, trace, gradient });
}

fn fused<T: Real>(traces: &mut Traces<T>, level: Option<Level>) {
    let active = &traces.active;
    let [decay, influence, presynaptic, trace, signal, gradient] = &mut traces.slices;
    let step = TraceStep { active, decay, influence, presynaptic, trace };
    run!(level, reference::trace_step_contract, TraceStepContract { step, signal, gradient });
}

/// The traces after the step.
fn step_agrees<T: Real>(before: &Traces<T>, level: Level) -> Traces<T> {
    let (outcome, Form { gates, units, columns }) = (before.outcome(step, level), before.form);
    let per_row = gates * units * columns;
    for index in 0..before["trace"].len() {
        let (row, unit) = (index / per_row, index % per_row / columns);
        let kept = before["decay"][row * units + unit % units].to_f64() * before["trace"][index].to_f64();
        let influence = before["influence"][row * (gates + 1) * units + unit].to_f64();
        let added = influence * before["presynaptic"][row * columns + index % columns].to_f64();
        let allowed = TOLERANCE * T::EPSILON.to_f64() * (kept.abs() + added.abs());
        // Two sums are rounded to half a quantum, and the twin's.
        outcome.check("trace", index, allowed + 1.501 * T::TRACE_QUANTUM.to_f64());
        if before.active[row] {
            assert_quantized("trace", index, outcome.found["trace"][index]);
        }
    }
    outcome.found
}

/// `stepped` holds the traces after the step.
fn contraction_agrees<T: Real>(stepped: &Traces<T>, level: Level) -> Traces<T> {
    let (outcome, Form { units, columns, .. }) = (stepped.outcome(contract, level), stepped.form);
    let (rows, length) = (stepped.active.len(), stepped["gradient"].len());
    for index in 0..length {
        let unit = index / columns % units;
        let terms = (0..rows).filter(|&row| stepped.active[row]).map(|row| {
            let signal = stepped["signal"][row * units + unit].to_f64();
            (signal * stepped["trace"][row * length + index].to_f64()).abs()
        });
        let scale = terms.sum::<f64>() + stepped["gradient"][index].to_f64().abs();
        let allowed = TOLERANCE * T::EPSILON.to_f64() * scale * rows as f64;
        outcome.check("gradient", index, allowed + f64::from(f32::MIN_POSITIVE));
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

fn single<T: Real>(decay: f64, influence: f64, presynaptic: f64, trace: f64, level: Level) -> f64 {
    let mut slot = [T::from_f64(trace)];
    level.run(TraceStep {
        active: &[true],
        decay: &[T::from_f64(decay)],
        influence: &[T::from_f64(influence)],
        presynaptic: &[T::from_f64(presynaptic)],
        trace: &mut slot,
    });
    slot[0].to_f64()
}

#[test]
fn trace_with_zero_decay_is_the_outer_product() {
    for level in levels() {
        assert_eq!(single::<f32>(0.0, 3.0, 0.5, 7.0, level), 1.5);
        assert_eq!(single::<f64>(0.0, 3.0, 0.5, 7.0, level), 1.5);
    }
}

#[test]
fn forget_gate_one_never_forgets() {
    for level in levels() {
        assert_eq!(single::<f32>(1.0, 0.0, 0.5, 7.0, level), 7.0);
    }
}

#[test]
fn a_silent_trace_ends_within_two_quanta_and_not_on_a_subnormal() {
    for level in levels() {
        let mut trace = 1.0;
        for _ in 0..300 {
            trace = single::<f32>(0.75, 0.0, 0.0, trace, level);
            assert!(trace == 0.0 || trace >= f64::from(f32::TRACE_QUANTUM));
        }
        assert!(trace <= 2.0 * f64::from(f32::TRACE_QUANTUM), "still at {trace}");
        assert_eq!(single::<f32>(0.2, 0.0, 0.0, trace, level), 0.0);
    }
}

#[test]
fn wrong_lengths_are_named() {
    let form = Form { gates: 2, units: 3, columns: 5 };
    let traces = Traces::<f32>::ones(form, form.shapes(), 2);
    traces.assert_lengths_are_named(fused, &[]);
    traces.assert_lengths_are_named(contract, &["decay", "influence", "presynaptic"]);
}
