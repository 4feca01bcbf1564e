//! Claim: streaming traces, blocks of any length and the whole-sequence reverse form are the same sum, for e-prop and for
//! RTRL, in any stack.

use eligibility::{Cell, Echo, Level, Rtu, Scalar, Schedule, Score, TraceScaling};
use proptest::prelude::*;

use crate::common::cells::{all_cells, between, diagonal_cells, kinds, lstm, mixed_stacks, stacks};
use crate::common::compare::assert_same_in;
use crate::common::learners::{Setup, scheduled};
use crate::common::problem::{Form, Problem, forms};

fn check<T: Scalar>(form: Form, blocks: &[usize], random: bool, tolerance: f64, floor: f64) {
    let problem = Problem::<T>::new(form);
    for level in Level::available() {
        let run = |schedule| {
            let setup = Setup { random, level: Some(level), ..Setup::default() };
            let learners = scheduled(&problem, schedule, setup).into_iter();
            learners.map(|(name, mut learner)| (name, problem.learn(&mut *learner))).collect::<Vec<_>>()
        };
        let streaming = run(Schedule::Streaming);
        assert!(!streaming.is_empty());
        let blocks = blocks.iter().map(|&block| Schedule::Blocked(block));
        let whole = [Schedule::WholeSequence { max_steps: problem.form.steps + 3 }, Schedule::default()];
        for schedule in blocks.chain(whole) {
            for ((_, (score, expected)), (name, (found_score, found))) in streaming.iter().zip(run(schedule))
            {
                let what = format!("{name}, {}, {level}", T::NAME);
                let counts = |score: &Score| (score.targets, score.correct);
                assert_eq!(counts(&found_score), counts(score), "{what}");
                let (network, pair) = (&problem.network, [&found[..], expected]);
                // What the readout adds up over the steps is of order one.
                let readout = |name: &str| name.starts_with("readout");
                assert_same_in(
                    readout,
                    &what,
                    network,
                    pair,
                    tolerance,
                    if floor == 1e-1 { 1.0 } else { floor },
                );
                assert_same_in(|name| !readout(name), &what, network, pair, tolerance, floor);
            }
        }
    }
}

/// An echo multiplies a learning signal with up to `steps` traces more, alpha of each, and these terms may cancel: they are
/// rounded relative to their own size, not to what is left of them.
fn terms(form: &Form) -> f64 {
    match form.echo {
        Echo::Off => 1.0,
        Echo::Modulated { alpha } | Echo::Literal { alpha } => 1.0 + alpha.abs() * form.steps as f64,
    }
}

proptest! {
    /// What 200 terms of order one leave when they cancel is good to 1e-5.
    #[test]
    fn for_any_problem_in_f32(form in forms(stacks(kinds, 1..2, 1..40)), steps in 1..200_usize, block in 1..40_usize,
        random: bool) {
        let form = Form { steps, ..form };
        check::<f32>(form.clone(), &[block, steps], random, 1e-5 * terms(&form), 1e-1);
    }

    /// More rows, so that there are several shards. What 200 terms of order one leave when they cancel is good to 1e-14.
    #[test]
    fn for_any_problem_in_f64(form in forms(stacks(kinds, 1..2, 1..40)), steps in 1..200_usize, block in 1..40_usize,
        batch in 1..20_usize, random: bool) {
        check::<f64>(Form { steps, batch, ..form }, &[block, steps], random, 1e-12, 1e-2);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn for_any_stack(form in forms(stacks(all_cells, 2..4, 1..12)), steps in 1..70_usize, block in 1..40_usize,
        batch in 1..20_usize, random: bool) {
        check::<f64>(Form { steps, batch, ..form }, &[block, 3, 32], random, 1e-12, 1e-3);
    }
}

/// Terms that cancel, in `f32`.
#[test]
fn with_a_strong_echo_over_many_steps() {
    let echo = Echo::Modulated { alpha: 0.9 };
    for seed in 0..8 {
        let form = Form { output: 2, steps: 102, every_step: false, echo, seed, ..Form::plain(lstm(1, 39)) };
        check::<f32>(form.clone(), &[1], false, 1e-5 * terms(&form), 1e-3);
    }
}

#[test]
fn of_trace_units_in_stacks() {
    for (index, mut layers) in between(diagonal_cells, 2, 5).into_iter().enumerate() {
        layers.push(Cell::from(Rtu::linear(4, 3).unwrap()));
        check::<f64>(Form::long(layers, 40, 3, index as u64), &[4, 33], false, 1e-12, 1e-6);
    }
}

#[test]
fn with_every_extension_in_a_stack() {
    let scaling = TraceScaling { output: 0.5, decay: 0.9 };
    let stacks = mixed_stacks().into_iter().chain([[lstm(2, 7), lstm(7, 11), lstm(11, 3)].concat()]);
    for layers in stacks {
        for echo in [Echo::Off, Echo::Modulated { alpha: 0.1 }, Echo::Literal { alpha: 0.1 }] {
            let form = Form { steps: 50, echo, scaling, ..Form::full(layers.clone()) };
            check::<f64>(form, &[2, 7, 32], true, 1e-12, 1e-3);
        }
    }
}
