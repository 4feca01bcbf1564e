//! Claim: traces of scalar parameters of each unit agree with their scalar twins at every level, for every length and value,
//! small ones are whole multiples of a quantum, and contracted over a sequence they give the gradient that the steps back give.
//!
//! Tolerance: three terms, of which two are products, added: 2.5 roundings for each at most, half an epsilon each, and as
//! much for the twin; of the contraction, 1 epsilon for every row and component.

use crate::common::assert_quantized;
use crate::common::case::{Case, Draw, Shape, cases, in_both_types, run};
use crate::common::{config, lengths, ordinary, smallest};
use eligibility_kernels::unit_back::UnitBackward;
use eligibility_kernels::unit_trace::{UnitTraceContract, UnitTraceStep};
use eligibility_kernels::{Level, Real, Strided, reference};
use proptest::prelude::*;

#[derive(Clone, Copy, Debug)]
struct Form {
    components: usize,
    units: usize,
    parameters: usize,
    /// One decay for all rows.
    shared: bool,
}

/// Everything the two kernels read and write.
type Traces<T> = Case<T, Form, 5>;

impl Form {
    fn shapes(self) -> [Shape; 5] {
        let Self { components, units, parameters, shared } = self;
        let decay = if shared { Shape::shared } else { Shape::rows };
        [
            decay("decay", components * components, units),
            Shape::rows("immediate", parameters * components, units),
            Shape::stepped("trace", parameters * components, units),
            Shape::rows("signal", components, units),
            Shape::sum("gradient", parameters, units),
        ]
    }
    fn stride(self) -> usize {
        if self.shared { 0 } else { self.components * self.components * self.units }
    }
}

fn all_traces<T: Real>(draw: Draw<T>) -> impl Strategy<Value = Traces<T>> {
    let forms = (1..3_usize, lengths(), 0..4_usize, any::<bool>());
    forms.prop_flat_map(move |(components, units, parameters, shared)| {
        let form = Form { components, units, parameters, shared };
        cases(form, form.shapes(), draw)
    })
}

/// A step, then the contraction.
fn both<T: Real>(traces: &mut Traces<T>, level: Option<Level>) {
    let (form @ Form { components, units, .. }, active) = (traces.form, &traces.active);
    let [decay, immediate, trace, signal, gradient] = &mut traces.slices;
    let decay = Strided { data: &*decay, stride: form.stride() };
    let step = UnitTraceStep { components, units, active, decay, immediate, trace: &mut *trace };
    run!(level, reference::unit_trace_step, step);
    let contract = UnitTraceContract { components, units, active, signal, trace, gradient };
    run!(level, reference::unit_trace_contract, contract);
}

fn agrees<T: Real>(before: &Traces<T>, level: Level) {
    let outcome = before.outcome(both, level);
    let Form { components: s, units, parameters, .. } = before.form;
    let (rows, epsilon) = (before.active.len(), T::EPSILON.to_f64());
    let magnitude = |x: T| x.to_f64().abs();
    // The sum is rounded to half a quantum, and the twin's.
    let quantum = 1.001 * T::TRACE_QUANTUM.to_f64();
    let mut allowed = Vec::new();
    for index in 0..before["trace"].len() {
        let (block, j) = (index / units, index % units);
        let (row, k) = (block / (parameters * s), block % s);
        if !before.active[row] {
            allowed.push(0.0);
            continue;
        }
        let kept = (0..s).map(|l| {
            let a = magnitude(before["decay"][row * before.form.stride() + (s * k + l) * units + j]);
            a * magnitude(before["trace"][(block - k + l) * units + j])
        });
        let scale = magnitude(before["immediate"][index]) + kept.sum::<f64>();
        allowed.push(2.5 * epsilon * scale + quantum);
        outcome.check("trace", index, allowed[index]);
        assert_quantized("trace", index, outcome.found["trace"][index]);
    }
    for index in 0..parameters * units {
        let (q, j) = (index / units, index % units);
        let (mut scale, mut inherited) = (magnitude(before["gradient"][index]), 0.0);
        for (row, k) in
            (0..rows).filter(|&row| before.active[row]).flat_map(|row| (0..s).map(move |k| (row, k)))
        {
            let (signal, at) =
                (before["signal"][(s * row + k) * units + j], ((parameters * row + q) * s + k) * units + j);
            scale += magnitude(signal) * magnitude(outcome.expected["trace"][at]);
            inherited += magnitude(signal) * allowed[at];
        }
        let tolerance =
            (1.0 + (s * rows) as f64) * epsilon * (scale + inherited) + inherited + 4.0 * smallest::<T>();
        outcome.check("gradient", index, tolerance);
    }
}

in_both_types!(all_traces, agrees);

proptest! {
    #![proptest_config(config())]

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
fn wrong_lengths_are_named() {
    for (components, shared) in [(1, false), (2, true)] {
        let form = Form { components, units: 3, parameters: 2, shared };
        Traces::<f32>::ones(form, form.shapes(), 2).assert_lengths_are_named(both, &[]);
    }
}
