//! Claim: trace, contraction and update in one sweep give the same bits as one after the other, at every level.

use crate::common::case::in_both_types;
use crate::common::{assert_same_bits, lengths, levels, ordinary, values};
use eligibility_kernels::trace::pair::{PairTraceStep, PairTraceStepContract};
use eligibility_kernels::trace::{TraceStep, TraceStepContract};
use eligibility_kernels::update::{
    Adam, Decay, OuterUpdate, PairTraceUpdate, RmsProp, Sgd, TraceUpdate, Update,
};
use eligibility_kernels::{Kernel, Level, Real, Strided};
use proptest::prelude::*;

#[derive(Clone, Debug)]
struct Weights<T> {
    parameters: Vec<T>,
    mean: Vec<T>,
    square: Vec<T>,
}

impl<T: Real> Weights<T> {
    fn sgd<'a>(&'a mut self, gradient: &'a [T]) -> Sgd<'a, T> {
        Sgd { rate: T::from_f64(0.1), gradient, parameters: &mut self.parameters }
    }
    fn rms_prop<'a>(&'a mut self, gradient: &'a [T]) -> RmsProp<'a, T> {
        let ([rate, epsilon], decay) = ([0.1, 1e-8].map(T::from_f64), Decay::new(0.9));
        let Self { parameters, square, .. } = self;
        RmsProp { rate, decay, epsilon, gradient, square, parameters }
    }
    fn adam<'a>(&'a mut self, gradient: &'a [T]) -> Adam<'a, T> {
        let [rate, correction, epsilon] = [0.1, 1.5, 1e-8].map(T::from_f64);
        let decays = [0.9, 0.99].map(Decay::new);
        let Self { parameters, mean, square } = self;
        Adam { rate, correction, decays, epsilon, gradient, mean, square, parameters }
    }
    fn assert_same(&self, other: &Self, what: &str) {
        assert_same_bits(what, &self.parameters, &other.parameters);
        assert_same_bits(what, &self.mean, &other.mean);
        assert_same_bits(what, &self.square, &other.square);
    }
}

/// One rule, alone and fused with whatever makes the gradient.
trait Rule<T: Real> {
    type Update<'a>: Update<T> + Kernel<T, Output = ()>;
    fn of<'a>(weights: &'a mut Weights<T>, gradient: &'a [T]) -> Self::Update<'a>;
}

macro_rules! rule {
    ($rule:ident, $method:ident) => {
        struct $rule;
        impl<T: Real> Rule<T> for $rule {
            type Update<'a> = eligibility_kernels::update::$method<'a, T>;
            fn of<'a>(weights: &'a mut Weights<T>, gradient: &'a [T]) -> Self::Update<'a> {
                rule!(@make weights, gradient, $method)
            }
        }
    };
    (@make $weights:ident, $gradient:ident, Sgd) => { $weights.sgd($gradient) };
    (@make $weights:ident, $gradient:ident, RmsProp) => { $weights.rms_prop($gradient) };
    (@make $weights:ident, $gradient:ident, Adam) => { $weights.adam($gradient) };
}
rule!(WithSgd, Sgd);
rule!(WithRmsProp, RmsProp);
rule!(WithAdam, Adam);

#[derive(Clone, Debug)]
struct Case<T> {
    decay: Vec<T>,
    influence: Vec<T>,
    presynaptic: Vec<T>,
    signal: Vec<T>,
    trace: Vec<T>,
    weights: Weights<T>,
}

fn cases<T: Real>() -> impl Strategy<Value = Case<T>> {
    (1..4_usize, 0..4_usize, lengths()).prop_flat_map(|(gates, units, columns)| {
        let count = gates * units * columns;
        let drives = (ordinary(units), ordinary(gates * units + 1), ordinary(columns), ordinary(units));
        (drives, ordinary(count), ordinary(count), ordinary(count), ordinary(count)).prop_map(
            |((decay, influence, presynaptic, signal), trace, parameters, mean, square)| {
                let square = square.into_iter().map(|x: T| x * x).collect();
                let weights = Weights { parameters, mean, square };
                Case { decay, influence, presynaptic, signal, trace, weights }
            },
        )
    })
}

fn check<T: Real, R: Rule<T>>(case: &Case<T>, level: Level) {
    let (mut apart, mut fused) = (case.clone(), case.clone());
    let mut gradient = vec![T::ZERO; case.trace.len()];
    let Case { decay, influence, presynaptic, signal, .. } = case;
    level.run(TraceStepContract {
        step: TraceStep { active: &[true], decay, influence, presynaptic, trace: &mut apart.trace },
        signal,
        gradient: &mut gradient,
    });
    level.run(R::of(&mut apart.weights, &gradient));
    let (trace, update) = (&mut fused.trace, R::of(&mut fused.weights, &[]));
    level.run(TraceUpdate { decay, influence, presynaptic, signal, trace, update });
    assert_same_bits("trace", &fused.trace, &apart.trace);
    fused.weights.assert_same(&apart.weights, "after a trace");

    let rows = case.trace.len().checked_div(presynaptic.len()).unwrap_or(0);
    let signal: Vec<T> = (0..rows).map(|row| influence[row]).collect();
    let outer: Vec<T> = signal.iter().flat_map(|&l| presynaptic.iter().map(move |&z| l * z)).collect();
    level.run(R::of(&mut apart.weights, &outer));
    let update = R::of(&mut fused.weights, &[]);
    level.run(OuterUpdate { signal: &signal, presynaptic, update });
    fused.weights.assert_same(&apart.weights, "after an outer product");
}

/// One row of traces with two components, and the weights of both.
#[derive(Clone, Debug)]
struct PairCase<T> {
    units: usize,
    decay: Vec<T>,
    influence: Vec<T>,
    presynaptic: Vec<T>,
    signal: Vec<T>,
    trace: [Vec<T>; 2],
    weights: Weights<T>,
}

/// Special values too, zeros of both signs among them.
fn pair_cases<T: Real>() -> impl Strategy<Value = PairCase<T>> {
    (1..3_usize, 0..4_usize, lengths()).prop_flat_map(|(gates, units, columns)| {
        let (traces, weights) = (gates * units * columns, 2 * units * columns);
        let inputs = (values(4 * units), values(gates * units), values(columns), values(2 * units));
        let averages = (values(weights), values(weights), values(weights));
        (inputs, [values(traces), values(traces)], averages).prop_map(
            move |((decay, influence, presynaptic, signal), trace, (parameters, mean, square))| {
                let square = square.into_iter().map(|x: T| x * x).collect();
                let weights = Weights { parameters, mean, square };
                PairCase { units, decay, influence, presynaptic, signal, trace, weights }
            },
        )
    })
}

fn check_pair<T: Real, R: Rule<T>>(case: &PairCase<T>, level: Level) {
    let (mut apart, mut fused) = (case.clone(), case.clone());
    let mut gradient = vec![T::ZERO; case.weights.parameters.len()];
    let PairCase { units, decay, influence, presynaptic, signal, .. } = case;
    let (units, [first, second]) = (*units, &mut apart.trace);
    level.run(PairTraceStepContract {
        step: PairTraceStep {
            active: &[true],
            units,
            decay: Strided { data: decay, stride: 0 },
            influence: Strided { data: influence, stride: 0 },
            presynaptic,
            trace: [first, second],
        },
        signal,
        gradient: &mut gradient,
    });
    level.run(R::of(&mut apart.weights, &gradient));
    let ([first, second], update) = (&mut fused.trace, R::of(&mut fused.weights, &[]));
    let trace = [&mut first[..], &mut second[..]];
    level.run(PairTraceUpdate { units, decay, influence, presynaptic, signal, trace, update });
    assert_same_bits("first component", &fused.trace[0], &apart.trace[0]);
    assert_same_bits("second component", &fused.trace[1], &apart.trace[1]);
    fused.weights.assert_same(&apart.weights, "after a pair of traces");
}

fn check_all_pairs<T: Real>(case: &PairCase<T>) {
    for level in levels() {
        check_pair::<T, WithSgd>(case, level);
        check_pair::<T, WithRmsProp>(case, level);
        check_pair::<T, WithAdam>(case, level);
    }
}

fn check_all<T: Real>(case: &Case<T>) {
    for level in levels() {
        check::<T, WithSgd>(case, level);
        check::<T, WithRmsProp>(case, level);
        check::<T, WithAdam>(case, level);
    }
}

in_both_types!(cases(), check_all);

mod of_two_components {
    use super::*;
    in_both_types!(pair_cases(), check_all_pairs);
}

#[test]
#[should_panic(expected = "signal has 2 elements where decay has 1")]
fn a_wrong_length_is_named() {
    Level::detect().run(TraceUpdate {
        decay: &[0.5],
        influence: &[3.0],
        presynaptic: &[1.0],
        signal: &[2.0, 1.0],
        trace: &mut [4.0_f32],
        update: Sgd { rate: 0.5, gradient: &[], parameters: &mut [1.0] },
    });
}

fn pair_of_lengths(decay: usize, trace: usize, weights: usize) {
    Level::detect().run(PairTraceUpdate {
        units: 1,
        decay: &vec![0.5; decay],
        influence: &[3.0; 2],
        presynaptic: &[1.0],
        signal: &[2.0, 1.0],
        trace: [&mut vec![4.0_f32; trace], &mut vec![4.0; trace]],
        update: Sgd { rate: 0.5, gradient: &[], parameters: &mut vec![1.0; weights] },
    });
}

#[test]
#[should_panic(expected = "trace has 3 and 3 elements for 1 or 2 gates x 1 units x 1 columns")]
fn three_gates_of_a_pair_are_named() {
    pair_of_lengths(4, 3, 2);
}

#[test]
#[should_panic(expected = "decay has 3 elements where 4 x 1 units are needed")]
fn a_wrong_length_of_a_pair_is_named() {
    pair_of_lengths(3, 1, 2);
}

#[test]
#[should_panic(expected = "parameters has 1 elements where there are 2 weights")]
fn a_wrong_number_of_weights_of_a_pair_is_named() {
    pair_of_lengths(4, 1, 1);
}
