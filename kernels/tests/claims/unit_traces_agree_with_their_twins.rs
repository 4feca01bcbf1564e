//! Claim: traces of scalar parameters of each unit agree with their scalar twins at every level, for every length and value,
//! small ones are whole multiples of a quantum, and contracted over a sequence they give the gradient that the steps back give.
//!
//! Tolerance: three terms, of which two are products, added: 2.5 roundings for each at most, half an epsilon each, and as
//! much for the twin; of the contraction, 1 epsilon for every row and component.

use crate::common::{
    assert_agrees, assert_quantized, assert_same_bits, config, lengths, levels, ordinary, smallest, values,
};
use eligibility_kernels::unit_back::UnitBackward;
use eligibility_kernels::unit_trace::{UnitTraceContract, UnitTraceStep};
use eligibility_kernels::{Level, Real, Strided, reference};
use proptest::prelude::*;

/// Everything the two kernels read and write; one decay for all rows if `shared`.
#[derive(Clone, Debug)]
struct Traces<T> {
    components: usize,
    units: usize,
    shared: bool,
    active: Vec<bool>,
    decay: Vec<T>,
    immediate: Vec<T>,
    trace: Vec<T>,
    signal: Vec<T>,
    gradient: Vec<T>,
}

impl<T: Real> Traces<T> {
    fn stride(&self) -> usize {
        if self.shared { 0 } else { self.components * self.components * self.units }
    }
    /// A step, then the contraction.
    fn ran(&self, level: Option<Level>) -> Self {
        let (mut after, stride) = (self.clone(), self.stride());
        let Self { components, units, active, decay, immediate, trace, signal, gradient, .. } = &mut after;
        let (components, units) = (*components, *units);
        let decay = Strided { data: &*decay, stride };
        let step = UnitTraceStep { components, units, active, decay, immediate, trace: &mut *trace };
        match level {
            Some(level) => level.run(step),
            None => reference::unit_trace_step(step),
        }
        let contract = UnitTraceContract { components, units, active, signal, trace, gradient };
        match level {
            Some(level) => level.run(contract),
            None => reference::unit_trace_contract(contract),
        }
        after
    }
    /// Reverses the units of every plane.
    fn turned(&self) -> Self {
        let turn = |values: &Vec<T>| -> Vec<T> {
            values.chunks(self.units.max(1)).flat_map(|plane| plane.iter().rev().copied()).collect()
        };
        Self {
            active: self.active.clone(),
            decay: turn(&self.decay),
            immediate: turn(&self.immediate),
            trace: turn(&self.trace),
            signal: turn(&self.signal),
            gradient: turn(&self.gradient),
            ..*self
        }
    }
}

fn traces<T: Real>() -> impl Strategy<Value = Traces<T>> {
    (1..3_usize, 1..4_usize, lengths(), 0..4_usize, any::<bool>()).prop_flat_map(
        |(components, rows, units, parameters, shared)| {
            let (state, block) = (components * rows * units, components * rows * parameters * units);
            let decay = components * components * units * if shared { 1 } else { rows };
            let active = prop::collection::vec(prop::bool::weighted(0.8), rows);
            (active, values(decay), (values(block), values(block)), values(state), values(parameters * units))
                .prop_map(move |(active, decay, (immediate, trace), signal, gradient)| Traces {
                    components,
                    units,
                    shared,
                    active,
                    decay,
                    immediate,
                    trace,
                    signal,
                    gradient,
                })
        },
    )
}

fn agrees<T: Real>(before: &Traces<T>, level: Level) {
    let (found, expected) = (before.ran(Some(level)), before.ran(None));
    let Traces { components: s, units, .. } = *before;
    let (rows, epsilon) = (before.active.len(), T::EPSILON.to_f64());
    let parameters = before.gradient.len().checked_div(units).unwrap_or(0);
    let magnitude = |x: T| x.to_f64().abs();
    // The sum is rounded to half a quantum, and the twin's.
    let quantum = 1.001 * T::TRACE_QUANTUM.to_f64();
    let mut allowed = Vec::new();
    for index in 0..before.trace.len() {
        let (block, j) = (index / units, index % units);
        let (row, k) = (block / (parameters * s), block % s);
        if !before.active[row] {
            assert_same_bits("inactive", &found.trace[index..=index], &before.trace[index..=index]);
            allowed.push(0.0);
            continue;
        }
        let kept = (0..s).map(|l| {
            let a = magnitude(before.decay[row * before.stride() + (s * k + l) * units + j]);
            a * magnitude(before.trace[(block - k + l) * units + j])
        });
        let scale = magnitude(before.immediate[index]) + kept.sum::<f64>();
        allowed.push(2.5 * epsilon * scale + quantum);
        assert_agrees(
            "trace",
            index,
            found.trace[index],
            expected.trace[index],
            allowed[index].min(f64::MAX),
        );
        assert_quantized("trace", index, found.trace[index]);
    }
    for index in 0..parameters * units {
        let (q, j) = (index / units, index % units);
        let (mut scale, mut inherited) = (magnitude(before.gradient[index]), 0.0);
        for (row, k) in
            (0..rows).filter(|&row| before.active[row]).flat_map(|row| (0..s).map(move |k| (row, k)))
        {
            let (signal, at) =
                (before.signal[(s * row + k) * units + j], ((parameters * row + q) * s + k) * units + j);
            scale += magnitude(signal) * magnitude(expected.trace[at]);
            inherited += magnitude(signal) * allowed[at];
        }
        let tolerance =
            (1.0 + (s * rows) as f64) * epsilon * (scale + inherited) + inherited + 4.0 * smallest::<T>();
        assert_agrees(
            "gradient",
            index,
            found.gradient[index],
            expected.gradient[index],
            tolerance.min(f64::MAX),
        );
    }
    let turned = before.turned().ran(Some(level)).turned();
    assert_same_bits("turned trace", &turned.trace, &found.trace);
    assert_same_bits("turned gradient", &turned.gradient, &found.gradient);
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn in_f32(traces in traces::<f32>()) {
        for level in levels() {
            agrees(&traces, level);
        }
    }

    #[test]
    fn in_f64(traces in traces::<f64>()) {
        for level in levels() {
            agrees(&traces, level);
        }
    }

    /// Forward and backward are one sum in two orders. Decays below 0.5 keep both of magnitude 1; 12 steps of 20 roundings each.
    #[test]
    fn forward_in_time_is_backward_in_time(
        components in 1..3_usize,
        numbers in ordinary::<f64>(12 * (4 + 2 + 2)),
    ) {
        let level = Level::detect();
        let steps: Vec<_> = numbers.chunks(8).map(|step| step.iter().map(|x| x / 16.0).collect::<Vec<f64>>()).collect();
        let (mut trace, mut forward) = (vec![0.0; components], [0.0]);
        for step in &steps {
            level.run(UnitTraceStep {
                components,
                units: 1,
                active: &[true],
                decay: Strided { data: &step[..components * components], stride: 0 },
                immediate: &step[4..4 + components],
                trace: &mut trace,
            });
            level.run(UnitTraceContract {
                components,
                units: 1,
                active: &[true],
                signal: &step[6..6 + components],
                trace: &trace,
                gradient: &mut forward,
            });
        }
        let (mut carried, mut delta, mut backward) = (vec![0.0; components], [0.0; 2], [0.0]);
        for step in steps.iter().rev() {
            level.run(UnitBackward {
                components,
                units: 1,
                active: &[true],
                decay: Strided { data: &step[..components * components], stride: 0 },
                influence: Strided { data: &[0.0; 2], stride: 0 },
                immediate: &step[4..4 + components],
                signal: &step[6..6 + components],
                carried: &mut carried,
                delta: &mut delta,
                gradient: &mut backward,
            });
        }
        let allowed = 12.0 * 20.0 * f64::EPSILON;
        assert!((forward[0] - backward[0]).abs() <= allowed, "{} forward, {} backward", forward[0], backward[0]);
    }
}

#[test]
#[should_panic(expected = "decay has 3 elements where 1 slices of 4 at stride 4 need 4")]
fn a_wrong_length_is_named() {
    Level::detect().run(UnitTraceStep {
        components: 2,
        units: 1,
        active: &[true],
        decay: Strided { data: &[0.0_f32; 3], stride: 4 },
        immediate: &[0.0; 2],
        trace: &mut [0.0; 2],
    });
}
