//! Claim: many steps of a trace in one pass agree with so many steps of the recursion, at every level and size; what a
//! reset forgets is not even read; the columns beyond the last are left alone.

use crate::common::case::{in_both_types, run};
use crate::common::{assert_agrees, assert_same_bits, lengths, levels, ordinary};
use eligibility_kernels::trace::{
    TraceBlock, TraceBlockContract, TraceContract, TraceFactors, TraceStep, TraceSumFactors,
};
use eligibility_kernels::{Level, Real, Strided, reference};
use proptest::prelude::*;

/// Elements between the end of a step and the next: a batch of rows has other rows there.
const GAP: usize = 3;

#[derive(Clone, Debug)]
struct Block<T> {
    steps: usize,
    units: usize,
    gates: usize,
    columns: usize,
    row: usize,
    decay: Vec<T>,
    influence: Vec<T>,
    presynaptic: Vec<T>,
    factors: Vec<T>,
    trace: Vec<T>,
    signal: Vec<T>,
    gradient: Vec<T>,
}

impl<T: Real> Block<T> {
    fn factors(&mut self, level: Option<Level>) {
        let Self { steps, units, gates, .. } = *self;
        let op = TraceFactors {
            steps,
            units,
            decay: Strided { data: &self.decay, stride: units + GAP },
            influence: Strided { data: &self.influence, stride: gates * units + GAP },
            factors: &mut self.factors,
        };
        run!(level, reference::trace_factors, op);
    }
    fn block(&mut self) -> TraceBlock<'_, T> {
        TraceBlock {
            steps: self.steps,
            columns: self.columns,
            presynaptic: Strided { data: &self.presynaptic, stride: self.row + GAP },
            factors: &self.factors,
            trace: &mut self.trace,
        }
    }
    fn run(&mut self, level: Level) {
        self.factors(Some(level));
        level.run(self.block());
    }
    fn run_contract(&mut self, level: Option<Level>) {
        self.factors(level);
        let (signal, mut gradient) = (self.signal.clone(), self.gradient.clone());
        let op = TraceBlockContract { block: self.block(), carried_signal: &signal, gradient: &mut gradient };
        run!(level, reference::trace_block_contract, op);
        self.gradient = gradient;
    }
    /// `sum += sum over s of w_s E_s`, with the signal of the block as every step's weight times its number.
    fn run_sum(&mut self, level: Option<Level>) {
        let Self { steps, units, gates, columns, row, .. } = *self;
        let traces = gates * units;
        let weight = self.weights();
        let op = TraceSumFactors {
            factors: TraceFactors {
                steps,
                units,
                decay: Strided { data: &self.decay, stride: units + GAP },
                influence: Strided { data: &self.influence, stride: traces + GAP },
                factors: &mut self.factors,
            },
            weight: Strided { data: &weight, stride: units },
        };
        run!(level, reference::trace_sum_factors, op);
        let omega = self.factors[steps * traces..][..units].to_vec();
        let (trace, sum) = (&self.trace, &mut self.gradient);
        let carried = TraceContract { active: &[true], columns: row, signal: &omega, trace, gradient: sum };
        Level::detect().run(carried);
        self.factors[steps * traces..].fill(T::ONE);
        let presynaptic = Strided { data: &self.presynaptic[..], stride: row + GAP };
        let block =
            TraceBlock { steps, columns, presynaptic, factors: &self.factors, trace: &mut self.gradient };
        run!(level, reference::trace_block, block);
    }
    fn weights(&self) -> Vec<T> {
        let step = |step: usize| self.signal.iter().map(move |&w| w * T::from_f64(step as f64));
        (0..self.steps).flat_map(step).collect()
    }
    /// The same, step by step.
    fn run_sum_stepwise(&mut self) {
        let (weight, last) = (self.weights(), self.steps);
        for step in 0..last {
            let mut one = self.clone();
            one.steps = 1;
            one.decay.drain(..step * (self.units + GAP));
            one.influence.drain(..step * (self.gates * self.units + GAP));
            one.presynaptic.drain(..step * (self.row + GAP));
            one.run_stepwise();
            self.trace = one.trace;
            reference::trace_contract(TraceContract {
                active: &[true],
                columns: self.row,
                signal: &weight[step * self.units..][..self.units],
                trace: &self.trace,
                gradient: &mut self.gradient,
            });
        }
    }
    /// The recursion, step by step.
    fn run_stepwise(&mut self) {
        let traces = self.gates * self.units;
        for step in 0..self.steps {
            reference::trace_step(TraceStep {
                active: &[true],
                decay: &self.decay[step * (self.units + GAP)..][..self.units],
                influence: &self.influence[step * (traces + GAP)..][..traces],
                presynaptic: &self.presynaptic[step * (self.row + GAP)..][..self.row],
                trace: &mut self.trace,
            });
        }
    }
}

fn blocks<T: Real>() -> impl Strategy<Value = Block<T>> {
    (0..6_usize, 1..7_usize, 1..4_usize, lengths(), 0..4_usize).prop_flat_map(
        |(steps, units, gates, columns, padding)| {
            let columns = columns.max(1);
            let (row, traces) = (columns + padding, gates * units);
            // Forget gates, with the two ends now and then.
            let gate = prop_oneof![8 => 0.0..1.0_f64, 1 => Just(0.0), 1 => Just(1.0)];
            let decay = prop::collection::vec(gate.prop_map(T::from_f64), steps * (units + GAP));
            let drives = (decay, ordinary(steps * (traces + GAP)), ordinary(steps * (row + GAP)));
            let sums = (ordinary(traces * row), ordinary(units), ordinary(traces * row));
            (drives, sums).prop_map(move |((decay, influence, presynaptic), (trace, signal, gradient))| {
                Block {
                    steps,
                    units,
                    gates,
                    columns,
                    row,
                    decay,
                    influence,
                    presynaptic,
                    // Any content, so that what is read before it is written shows.
                    factors: vec![T::from_f64(f64::NAN); (steps + 1) * traces],
                    trace,
                    signal,
                    gradient,
                }
            })
        },
    )
}

fn check<T: Real>(before: &Block<T>) {
    let (mut twin, mut stepwise) = (before.clone(), before.clone());
    twin.run_contract(None);
    stepwise.run_stepwise();
    // A decay is at most 1, so a trace is at most the sum of its terms; each step rounds its factor, a product and a
    // sum, and a factor carries the roundings of its decays.
    let terms = 8.0 * 8.0 * before.steps as f64 + 8.0;
    let tolerance =
        (before.steps as f64 + 4.0) * T::EPSILON.to_f64() * terms + 1.001 * T::TRACE_QUANTUM.to_f64();
    for level in levels() {
        let (mut alone, mut both) = (before.clone(), before.clone());
        alone.run(level);
        both.run_contract(Some(level));
        assert_same_bits("trace with and without contraction", &both.trace, &alone.trace);
        for index in (0..before.trace.len()).filter(|index| index % before.row < before.columns) {
            assert_agrees("trace", index, both.trace[index], twin.trace[index], tolerance);
            assert_agrees("trace step by step", index, both.trace[index], stepwise.trace[index], tolerance);
            let product = 4.0 * T::EPSILON.to_f64() * (64.0 + 8.0);
            assert_agrees("gradient", index, both.gradient[index], twin.gradient[index], product);
        }
        let (mut sum, mut sum_stepwise) = (before.clone(), before.clone());
        sum.run_sum(Some(level));
        sum_stepwise.run_sum_stepwise();
        // As many traces as there are steps, each with a weight of at most 8 times its step.
        let tolerance = tolerance * 8.0 * (before.steps * before.steps + 1) as f64;
        for index in (0..before.trace.len()).filter(|index| index % before.row < before.columns) {
            let [found, expected] = [sum.gradient[index], sum_stepwise.gradient[index]];
            assert_agrees("sum of traces", index, found, expected, tolerance);
        }
        let reach = before.columns.next_multiple_of(level.width::<T>());
        for index in (0..before.trace.len()).filter(|index| index % before.row >= reach) {
            assert_same_bits("beyond", &alone.trace[index..=index], &before.trace[index..=index]);
            assert_same_bits("beyond", &both.gradient[index..=index], &before.gradient[index..=index]);
        }
    }
}

in_both_types!(blocks(), check);

/// One unit with a trace of two inputs through two steps with the presynaptic activity [1, 2], [3, 4].
fn two_steps(decay: [f64; 2], trace: [f64; 2], level: Level) -> [f64; 2] {
    let (mut trace, mut factors) = (trace, [0.0; 3]);
    let (decay, influence) =
        (Strided { data: &decay[..], stride: 1 }, Strided { data: &[2.0, 1.0], stride: 1 });
    level.run(TraceFactors { steps: 2, units: 1, decay, influence, factors: &mut factors });
    let presynaptic = Strided { data: &[1.0, 2.0, 3.0, 4.0], stride: 2 };
    level.run(TraceBlock { steps: 2, columns: 2, presynaptic, factors: &factors, trace: &mut trace });
    trace
}

#[test]
fn a_reset_forgets_what_is_not_finite() {
    for level in levels() {
        assert_eq!(two_steps([0.0, 0.5], [f64::NAN, f64::INFINITY], level), [4.0, 6.0]);
        assert_eq!(two_steps([0.5, 0.0], [f64::NAN, f64::INFINITY], level), [3.0, 4.0]);
    }
}

#[test]
fn what_is_not_finite_stays_without_a_reset() {
    for level in levels() {
        let [nan, infinity] = two_steps([0.5, 0.5], [f64::NAN, f64::INFINITY], level);
        assert!(nan.is_nan() && infinity == f64::INFINITY);
    }
}

#[test]
fn a_silent_trace_ends_within_two_quanta_and_not_on_a_subnormal() {
    for level in levels() {
        let (mut trace, mut factors) = ([1.0_f32], [0.0; 3]);
        let zeros = Strided { data: &[0.0; 2], stride: 1 };
        for _ in 0..200 {
            let decay = Strided { data: &[0.75; 2], stride: 1 };
            level.run(TraceFactors { steps: 2, units: 1, decay, influence: zeros, factors: &mut factors });
            level.run(TraceBlock {
                steps: 2,
                columns: 1,
                presynaptic: zeros,
                factors: &factors,
                trace: &mut trace,
            });
            assert!(trace[0] == 0.0 || trace[0] >= f32::TRACE_QUANTUM);
        }
        assert!(trace[0] <= 2.0 * f32::TRACE_QUANTUM, "still at {}", trace[0]);
    }
}

#[test]
#[should_panic(expected = "decay has 1 elements where 2 slices of 1 at stride 1 need 2")]
fn a_wrong_length_is_named() {
    Level::detect().run(TraceFactors {
        steps: 2,
        units: 1,
        decay: Strided { data: &[0.5_f32], stride: 1 },
        influence: Strided { data: &[0.5; 2], stride: 1 },
        factors: &mut [0.0; 3],
    });
}
