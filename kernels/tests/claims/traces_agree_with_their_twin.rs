//! Claim: the trace kernels agree with their scalar twins at every level, for every length and value, a value does not
//! depend on its position, and small traces are whole multiples of a quantum.

use crate::common::{assert_agrees, assert_quantized, assert_same_bits, config, lengths, levels, values};
use eligibility_kernels::trace::{TraceContract, TraceStep, TraceStepContract};
use eligibility_kernels::{Level, Real, reference};
use proptest::prelude::*;

/// A product and a multiply-add, each rounded once: 1 epsilon per term, and one for what the twin itself rounds.
const TOLERANCE: f64 = 2.0;

#[derive(Clone, Debug)]
struct Traces<T> {
    columns: usize,
    active: Vec<bool>,
    decay: Vec<T>,
    influence: Vec<T>,
    presynaptic: Vec<T>,
    trace: Vec<T>,
    signal: Vec<T>,
    gradient: Vec<T>,
}

impl<T: Real> Traces<T> {
    fn step(&mut self) -> TraceStep<'_, T> {
        let Self { active, decay, influence, presynaptic, trace, .. } = self;
        TraceStep { active, decay, influence, presynaptic, trace }
    }
    fn fused(&mut self) -> TraceStepContract<'_, T> {
        let Self { active, decay, influence, presynaptic, trace, signal, gradient, .. } = self;
        TraceStepContract {
            step: TraceStep { active, decay, influence, presynaptic, trace },
            signal,
            gradient,
        }
    }
    fn contract(&mut self) -> TraceContract<'_, T> {
        let Self { columns, active, trace, signal, gradient, .. } = self;
        TraceContract { active, columns: *columns, signal, trace, gradient }
    }
    fn units(&self) -> usize {
        self.decay.len() / self.active.len()
    }
}

fn traces<T: Real>() -> impl Strategy<Value = Traces<T>> {
    (1..4_usize, 1..4_usize, 1..4_usize, lengths()).prop_flat_map(|(rows, gates, units, columns)| {
        let block = gates * units * columns;
        let active = prop::collection::vec(prop::bool::weighted(0.8), rows);
        // One influence more per row than the traced gates need, as the LSTM's output gate is.
        let inputs = (values(rows * units), values(rows * (gates + 1) * units), values(rows * columns));
        (active, inputs, values(rows * block), values(rows * units), values(block)).prop_map(
            move |(active, (decay, influence, presynaptic), trace, signal, gradient)| Traces {
                columns,
                active,
                decay,
                influence,
                presynaptic,
                trace,
                signal,
                gradient,
            },
        )
    })
}

fn step_agrees<T: Real>(before: &Traces<T>, level: Level) -> Traces<T> {
    let (mut found, mut expected) = (before.clone(), before.clone());
    level.run(found.step());
    reference::trace_step(expected.step());
    let (rows, units, columns) = (before.active.len(), before.units(), before.columns);
    let per_row = before.trace.len() / rows;
    for index in 0..before.trace.len() {
        let (row, unit) = (index / per_row, index % per_row / columns);
        let kept = before.decay[row * units + unit % units].to_f64() * before.trace[index].to_f64();
        let influence = before.influence[row * before.influence.len() / rows + unit].to_f64();
        let added = influence * before.presynaptic[row * columns + index % columns].to_f64();
        let tolerance = TOLERANCE * T::EPSILON.to_f64() * (kept.abs() + added.abs());
        // Two sums are rounded to half a quantum, and the twin's.
        let tolerance = (tolerance + 1.501 * T::TRACE_QUANTUM.to_f64()).min(f64::MAX);
        assert_agrees("trace", index, found.trace[index], expected.trace[index], tolerance);
        if before.active[row] {
            assert_quantized("trace", index, found.trace[index]);
        } else {
            assert_same_bits("inactive trace", &found.trace[index..=index], &before.trace[index..=index]);
        }
    }
    found
}

/// `stepped` holds the traces after the step.
fn contraction_agrees<T: Real>(stepped: &Traces<T>, level: Level) -> Traces<T> {
    let (mut found, mut expected) = (stepped.clone(), stepped.clone());
    level.run(found.contract());
    reference::trace_contract(expected.contract());
    let (rows, units) = (stepped.active.len(), stepped.units());
    for index in 0..stepped.gradient.len() {
        let unit = index / stepped.columns % units;
        let terms = (0..rows).filter(|&row| stepped.active[row]).map(|row| {
            let signal = stepped.signal[row * units + unit].to_f64();
            (signal * stepped.trace[row * stepped.gradient.len() + index].to_f64()).abs()
        });
        let scale = terms.sum::<f64>() + stepped.gradient[index].to_f64().abs();
        let tolerance = TOLERANCE * T::EPSILON.to_f64() * scale * rows as f64 + f64::from(f32::MIN_POSITIVE);
        assert_agrees(
            "gradient",
            index,
            found.gradient[index],
            expected.gradient[index],
            tolerance.min(f64::MAX),
        );
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
        trace: turn(&before.trace),
        gradient: turn(&before.gradient),
        ..before.clone()
    }
}

fn check<T: Real>(before: &Traces<T>) {
    for level in levels() {
        let stepped = step_agrees(before, level);
        let separate = contraction_agrees(&stepped, level);
        // Fused and separate are the same operations in the same order.
        let mut fused = before.clone();
        level.run(fused.fused());
        assert_same_bits("fused trace", &fused.trace, &separate.trace);
        assert_same_bits("fused gradient", &fused.gradient, &separate.gradient);
        let mut twin = before.clone();
        reference::trace_step_contract(twin.fused());
        let mut turned = reversed(before);
        level.run(turned.fused());
        let turned = reversed(&turned);
        assert_same_bits("turned trace", &turned.trace, &fused.trace);
        assert_same_bits("turned gradient", &turned.gradient, &fused.gradient);
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
}

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
#[should_panic(expected = "signal has 2 elements where decay has 1")]
fn a_wrong_length_is_named() {
    let step = TraceStep {
        active: &[true],
        decay: &[0.5_f32],
        influence: &[1.0],
        presynaptic: &[1.0],
        trace: &mut [0.0],
    };
    Level::detect().run(TraceStepContract { step, signal: &[1.0, 2.0], gradient: &mut [0.0] });
}
