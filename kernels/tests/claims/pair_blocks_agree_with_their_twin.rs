//! Claim: many steps of the traces of units with two components in one pass agree with so many steps of the recursion, at
//! every level and size; what a reset forgets is not even read; the half that one gate leaves out is equal to the bit.

use crate::common::case::{in_both_types, run};
use crate::common::{assert_agrees, assert_quantized, assert_same_bits, config, lengths, levels, ordinary};
use eligibility_kernels::trace::pair::{
    PairTraceBlock, PairTraceBlockContract, PairTraceFactors, PairTraceStep,
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
    /// Of decay and influence, from one step to the next: 0, or with a gap.
    strides: [usize; 2],
    decay: Vec<T>,
    influence: Vec<T>,
    presynaptic: Vec<T>,
    factors: Vec<T>,
    trace: [Vec<T>; 2],
    signal: Vec<T>,
    gradient: Vec<T>,
}

impl<T: Real> Block<T> {
    fn factors(&mut self, level: Option<Level>) {
        let Self { steps, units, gates, strides, .. } = *self;
        let op = PairTraceFactors {
            steps,
            units,
            gates,
            decay: Strided { data: &self.decay, stride: strides[0] },
            influence: Strided { data: &self.influence, stride: strides[1] },
            factors: &mut self.factors,
        };
        run!(level, reference::pair_trace_factors, op);
    }
    fn block(&mut self) -> PairTraceBlock<'_, T> {
        let Self { steps, units, gates, columns, row, .. } = *self;
        let [first, second] = &mut self.trace;
        let presynaptic = Strided { data: &self.presynaptic[..], stride: row + GAP };
        let factors = &self.factors;
        PairTraceBlock { steps, columns, units, gates, presynaptic, factors, trace: [first, second] }
    }
    fn run(&mut self, level: Level) {
        self.factors(Some(level));
        level.run(self.block());
    }
    fn run_contract(&mut self, level: Option<Level>) {
        self.factors(level);
        let (signal, mut gradient) = (self.signal.clone(), self.gradient.clone());
        let (block, carried_signal) = (self.block(), &signal[..]);
        let op = PairTraceBlockContract { block, carried_signal, gradient: &mut gradient };
        run!(level, reference::pair_trace_block_contract, op);
        self.gradient = gradient;
    }
    /// The recursion, step by step: by the kernel, or without a level by the twin.
    fn run_stepwise(&mut self, level: Option<Level>) {
        for step in 0..self.steps {
            let [first, second] = &mut self.trace;
            let op = PairTraceStep {
                active: &[true],
                units: self.units,
                decay: Strided { data: &self.decay[step * self.strides[0]..], stride: 0 },
                influence: Strided { data: &self.influence[step * self.strides[1]..], stride: 0 },
                presynaptic: &self.presynaptic[step * (self.row + GAP)..][..self.row],
                trace: [first, second],
            };
            run!(level, reference::pair_trace_step, op);
        }
    }
    /// The sum of the magnitudes of all terms of every trace after the steps: the same recursion with magnitudes.
    fn scales(&self) -> [Vec<f64>; 2] {
        let magnitudes = |values: &[T]| values.iter().map(|x| x.to_f64().abs()).collect::<Vec<_>>();
        let Self { steps, units, gates, columns, row, strides, .. } = *self;
        let mut scales = Block::<f64> {
            steps,
            units,
            gates,
            columns,
            row,
            strides,
            decay: magnitudes(&self.decay),
            influence: magnitudes(&self.influence),
            presynaptic: magnitudes(&self.presynaptic),
            trace: [magnitudes(&self.trace[0]), magnitudes(&self.trace[1])],
            factors: vec![],
            signal: vec![],
            gradient: vec![],
        };
        scales.run_stepwise(None);
        scales.trace
    }
}

fn blocks<T: Real>() -> impl Strategy<Value = Block<T>> {
    // Also more units than are looked at together, with whatever is left of them.
    let units = prop_oneof![3 => 1..9_usize, 1 => 9..50_usize];
    let sizes = (0..6_usize, units, 1..3_usize, lengths(), 0..4_usize);
    (sizes, prop::array::uniform2(prop::bool::ANY)).prop_flat_map(
        |((steps, units, gates, columns, padding), shared)| {
            let columns = columns.max(1);
            let (row, block) = (columns + padding, gates * units * (columns + padding));
            // With exact zeros and ones now and then.
            let entry = prop_oneof![8 => -1.0..1.0_f64, 1 => Just(0.0), 1 => Just(1.0)];
            let lengths = [4 * units, gates * units];
            let stride = |of: usize| if shared[of] { 0 } else { lengths[of] + GAP };
            let total = |of: usize| lengths[of] + steps * stride(of);
            let strides = [stride(0), stride(1)];
            let decay = prop::collection::vec(entry.prop_map(T::from_f64), total(0));
            let drives = (decay, ordinary(total(1)), ordinary(steps * (row + GAP)));
            let sums = ([ordinary(block), ordinary(block)], ordinary(2 * units), ordinary(2 * units * row));
            (drives, sums).prop_map(move |((decay, influence, presynaptic), (trace, signal, gradient))| {
                Block {
                    steps,
                    units,
                    gates,
                    columns,
                    row,
                    strides,
                    decay,
                    influence,
                    presynaptic,
                    // Any content, so that what is read before it is written shows.
                    factors: vec![T::from_f64(f64::NAN); (2 * steps * gates + 4) * units],
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
    stepwise.run_stepwise(None);
    let scales = before.scales();
    // A path through the factors passes at most three roundings a step, one with u, and then in the tile at most one a
    // step and two more; three a step on the way of the recursion, and the twin rounds each factor: halves of epsilon.
    let roundings = (7 * before.steps + 8) as f64;
    // Products are rounded to whole quanta before they meet factors of at most 8 and 64, grown at most 2^steps times.
    let quantized = 1e6 * T::TRACE_QUANTUM.to_f64();
    for level in levels() {
        let (mut alone, mut both, mut steps) = (before.clone(), before.clone(), before.clone());
        alone.run(level);
        both.run_contract(Some(level));
        steps.run_stepwise(Some(level));
        let reach = before.columns.next_multiple_of(level.width::<T>());
        for (component, scales) in scales.iter().enumerate() {
            assert_same_bits("contracted trace", &both.trace[component], &alone.trace[component]);
            let traces = |block: &Block<T>, index: usize| block.trace[component][index];
            for (index, &scale) in scales.iter().enumerate() {
                if index % before.row >= reach {
                    assert_same_bits("beyond", &[traces(&alone, index)], &[traces(before, index)]);
                }
                if index % before.row >= before.columns {
                    continue;
                }
                let (found, tolerance) =
                    (traces(&alone, index), roundings * T::EPSILON.to_f64() * scale + quantized);
                assert_agrees("trace", index, found, traces(&twin, index), tolerance);
                assert_agrees("trace of the twin's steps", index, found, traces(&stepwise, index), tolerance);
                assert_agrees("trace step by step", index, found, traces(&steps, index), tolerance);
                assert_quantized("trace", index, found);
            }
        }
        for index in 0..before.gradient.len() {
            if index % before.row >= reach {
                let [found, expected] = [&both, before].map(|block| block.gradient[index]);
                assert_same_bits("gradient beyond", &[found], &[expected]);
            } else if index % before.row < before.columns {
                // Two products of at most 64 and a sum of at most 8, in the kernel and in the twin three roundings each.
                let tolerance = 3.0 * T::EPSILON.to_f64() * (2.0 * 64.0 + 8.0);
                assert_agrees("gradient", index, both.gradient[index], twin.gradient[index], tolerance);
            }
        }
    }
}

/// Makes the decays rotations, the two gates' influences equal, and the traces what the first gate's make of them.
fn check_redundancy<T: Real>(mut one: Block<T>) {
    one.gates = 1;
    one.strides = [4 * one.units, one.units];
    let (units, length) = (one.units, one.units * one.row);
    // Steps of these lengths fit in what was drawn.
    one.decay.resize(4 * units * (one.steps + 1), T::from_f64(0.5));
    one.influence.resize(units * (one.steps + 1), T::ONE);
    for step in one.decay.chunks_exact_mut(4 * units) {
        for unit in 0..units {
            (step[3 * units + unit], step[2 * units + unit]) = (step[unit], -step[units + unit]);
        }
    }
    one.trace.iter_mut().for_each(|trace| trace.truncate(length));
    let mut two = one.clone();
    (two.gates, two.strides) = (2, [4 * units, 2 * units]);
    two.influence = one.influence.chunks_exact(units).flat_map(|u| u.repeat(2)).collect();
    two.trace[0] = one.trace[0].iter().copied().chain(one.trace[1].iter().map(|&e| -e)).collect();
    two.trace[1] = one.trace[1].iter().chain(&one.trace[0]).copied().collect();
    one.factors.resize((2 * one.steps + 4) * units, T::ZERO);
    two.factors.resize((4 * one.steps + 4) * units, T::ZERO);
    // What -0 becomes 0 in.
    let plain = |values: &[T], sign: T| values.iter().map(|&x| T::ZERO + sign * x).collect::<Vec<_>>();
    for level in levels() {
        let (mut one, mut two) = (one.clone(), two.clone());
        one.run_contract(Some(level));
        two.run_contract(Some(level));
        let stored = one.trace.each_ref().map(|trace| plain(trace, T::ONE));
        assert_same_bits("first gate", &plain(&two.trace[0][..length], T::ONE), &stored[0]);
        assert_same_bits("first gate", &plain(&two.trace[1][..length], T::ONE), &stored[1]);
        // What lies beyond the vectors of a row was not stepped, and began as these, too.
        assert_same_bits("second gate", &plain(&two.trace[0][length..], -T::ONE), &stored[1]);
        assert_same_bits("second gate", &plain(&two.trace[1][length..], T::ONE), &stored[0]);
        assert_same_bits("gradient", &plain(&two.gradient, T::ONE), &plain(&one.gradient, T::ONE));
    }
}

in_both_types!(blocks(), check);

proptest! {
    #![proptest_config(config())]

    #[test]
    fn the_redundant_half_is_equal_to_the_bit_in_f32(block in blocks::<f32>()) {
        check_redundancy(block);
    }

    #[test]
    fn the_redundant_half_is_equal_to_the_bit_in_f64(block in blocks::<f64>()) {
        check_redundancy(block);
    }
}

/// One unit and gate with traces of one input through two steps with the presynaptic activity 1, 3.
fn two_steps(decay: [[f64; 4]; 2], trace: [f64; 2], level: Level) -> [f64; 2] {
    let ([mut first, mut second], mut factors) = (trace.map(|e| [e]), [0.0; 8]);
    level.run(PairTraceFactors {
        steps: 2,
        units: 1,
        gates: 1,
        decay: Strided { data: decay.as_flattened(), stride: 4 },
        influence: Strided { data: &[2.0, 1.0], stride: 1 },
        factors: &mut factors,
    });
    level.run(PairTraceBlock {
        steps: 2,
        columns: 1,
        units: 1,
        gates: 1,
        presynaptic: Strided { data: &[1.0, 3.0], stride: 1 },
        factors: &factors,
        trace: [&mut first, &mut second],
    });
    [first[0], second[0]]
}

const TURN: [f64; 4] = [0.5, -0.5, 0.5, 0.5];

#[test]
fn a_reset_forgets_what_is_not_finite() {
    for level in levels() {
        assert_eq!(two_steps([[0.0; 4], TURN], [f64::NAN, f64::INFINITY], level), [4.0, 1.0]);
        assert_eq!(two_steps([TURN, [0.0; 4]], [f64::NAN, f64::INFINITY], level), [3.0, 0.0]);
    }
}

#[test]
fn what_is_not_finite_stays_without_a_reset() {
    for level in levels() {
        let trace = two_steps([TURN, TURN], [f64::NAN, 1.0], level);
        assert!(trace.iter().all(|e| e.is_nan()));
    }
}

#[test]
#[should_panic(expected = "decay has 4 elements where 2 slices of 4 at stride 4 need 8")]
fn a_wrong_length_is_named() {
    Level::detect().run(PairTraceFactors {
        steps: 2,
        units: 1,
        gates: 1,
        decay: Strided { data: &[0.5_f32; 4], stride: 4 },
        influence: Strided { data: &[0.5; 2], stride: 1 },
        factors: &mut [0.0; 8],
    });
}

#[test]
#[should_panic(expected = "gates is 3 where 1 or 2 are possible")]
fn a_wrong_number_of_gates_is_named() {
    Level::detect().run(PairTraceFactors {
        steps: 0,
        units: 1,
        gates: 3,
        decay: Strided { data: &[0.5_f32; 4], stride: 4 },
        influence: Strided { data: &[0.5; 2], stride: 1 },
        factors: &mut [0.0; 4],
    });
}
