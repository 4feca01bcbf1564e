//! Claim: the steps of minGRU and eLSTM agree with their scalar twins at every level, for every length and value; their
//! local factors are the derivatives of the twins' steps.
//!
//! Tolerance: an activation adds 2 epsilon (1.5 ULP, and the twin's own) to what its argument is off by, no slope being larger
//! than 1; products pass the error of each factor on, times the other, and each of at most 4 roundings adds an epsilon.
//! Two sums on the way to the state are rounded to half a quantum, and the twin's.

use crate::common::case::{Case, Draw, Shape, cases, in_both_types, run};
use crate::common::derivative::{assert_derivative, derivative, moderate};
use crate::common::{assert_quantized, assert_silent, lengths, levels, smallest};
use eligibility_kernels::elstm::Elstm;
use eligibility_kernels::min_gru::MinGru;
use eligibility_kernels::{Level, Real, reference};
use proptest::prelude::*;

#[derive(Clone, Copy, Debug)]
struct Form {
    elstm: bool,
    units: usize,
}

/// Everything the two kernels read and write; minGRU has no use for weights and immediates.
type Cells<T> = Case<T, Form, 6>;

fn shapes(units: usize) -> [Shape; 6] {
    [
        Shape::rows("projection", 2, units),
        Shape::shared("weights", 2, units),
        Shape::stepped("state", 1, units),
        Shape::stepped("decay", 1, units),
        Shape::stepped("influence", 2, units),
        Shape::stepped("immediate", 2, units),
    ]
}

fn all_cells<T: Real>(draw: Draw<T>) -> impl Strategy<Value = Cells<T>> {
    let forms = (any::<bool>(), lengths()).prop_map(|(elstm, units)| Form { elstm, units });
    forms.prop_flat_map(move |form| cases(form, shapes(form.units), draw))
}

fn step<T: Real>(cells: &mut Cells<T>, level: Option<Level>) {
    let (Form { elstm, units }, active) = (cells.form, &cells.active);
    let [projection, weights, state, decay, influence, immediate] = &mut cells.slices;
    if elstm {
        let op = Elstm { units, active, projection, weights, state, decay, influence, immediate };
        run!(level, reference::elstm, op);
    } else {
        run!(level, reference::min_gru, MinGru { units, active, projection, state, decay, influence });
    }
}

/// What state, decay, the two influences and the two immediates of a unit may be off by.
fn tolerances<T: Real>(cells: &Cells<T>, row: usize, j: usize) -> [f64; 6] {
    let (Form { elstm, units }, epsilon, tiny) = (cells.form, T::EPSILON.to_f64(), 4.0 * smallest::<T>());
    let x = [0, 1].map(|plane| cells["projection"][(2 * row + plane) * units + j].to_f64().abs());
    let state = cells["state"][row * units + j].to_f64().abs();
    if !elstm {
        // u is off by 2 epsilon, and so is 1 - u; v and h' are what they are multiplied by.
        let sum = (2.0 + 4.0) * epsilon * (x[0] + state);
        let next = sum + 1.501 * T::TRACE_QUANTUM.to_f64();
        return [next, 3.0 * epsilon, 2.0 * epsilon, sum, 0.0, 0.0].map(|allowed| allowed + tiny);
    }
    let w = [0, 1].map(|plane| cells["weights"][plane * units + j].to_f64().abs());
    let [z, f] = [0, 1].map(|gate| epsilon * (2.0 + 2.0 * (x[gate] + w[gate] * state)));
    let s_z = f + 2.0 * z + 4.0 * epsilon;
    let s_f = z + (state + 1.0) * (f + 4.0 * epsilon);
    let cell = (state + 1.0) * f + z + 4.0 * epsilon * (state + 1.0);
    // The influences are at most 1 and |c'| + 1.
    let sum = 4.0 * epsilon * (1.0 + w[0] + w[1] * (state + 1.0));
    let decay = f + w[0] * (s_z + tiny) + w[1] * (s_f + tiny) + sum;
    let [i_z, i_f] = [s_z + 4.0 * epsilon, s_f + 4.0 * epsilon * (state + 1.0)].map(|s| state * (s + tiny));
    [cell, decay, s_z, s_f, i_z, i_f].map(|allowed| allowed + tiny)
}

fn agrees<T: Real>(before: &Cells<T>, level: Level) {
    let (outcome, units) = (before.outcome(step, level), before.form.units);
    for place in 0..before["state"].len() {
        let (row, j) = (place / units, place % units);
        let [plane_0, plane_1] = [0, 1].map(|plane| (2 * row + plane) * units + j);
        let indices = [place, place, plane_0, plane_1, plane_0, plane_1];
        let names = ["state", "decay", "influence", "influence", "immediate", "immediate"];
        for (slot, allowed) in tolerances(before, row, j).into_iter().enumerate() {
            outcome.check(names[slot], indices[slot], allowed);
        }
        if before.active[row] {
            assert_quantized("state", place, outcome.found["state"][place]);
        }
    }
}

fn factors_are_derivatives(cells: &Cells<f64>) {
    let (units, found) = (cells.form.units, cells.after(step, Some(Level::detect())));
    for place in (0..cells["state"].len()).filter(|place| cells.active[place / units]) {
        let by = |name: &str, at: usize| {
            derivative(|change| {
                let mut changed = cells.clone();
                changed[name][at] += change;
                changed.after(step, None)["state"][place]
            })
        };
        assert_derivative("decay", place, found["decay"][place], by("state", place));
        for gate in 0..2 {
            let at = (2 * (place / units) + gate) * units + place % units;
            assert_derivative("influence", at, found["influence"][at], by("projection", at));
            if cells.form.elstm {
                let expected = by("weights", gate * units + place % units);
                assert_derivative("immediate", at, found["immediate"][at], expected);
            }
        }
    }
}

in_both_types!(all_cells, agrees);

proptest! {
    // Each case is thousands of steps of the twin.
    #![proptest_config(ProptestConfig::with_cases(100))]

    #[test]
    fn local_factors_are_derivatives(cells in all_cells(|length| moderate(length).boxed())) {
        factors_are_derivatives(&cells);
    }
}

/// With 1 - u or f = 0.75 no more than 1 / (2 - 1.5) quanta are left.
#[test]
fn a_silent_state_ends_within_two_quanta_and_not_on_a_subnormal() {
    for (level, elstm) in levels().into_iter().flat_map(|level| [(level, false), (level, true)]) {
        let mut cells = Case::<f32, _, 6>::ones(Form { elstm, units: 19 }, shapes(19), 1);
        cells["weights"].fill(0.0);
        cells["projection"].fill(0.0);
        cells["projection"][19..].fill(if elstm { 3.0_f32.ln() } else { -3.0_f32.ln() });
        (0..400).for_each(|_| step(&mut cells, Some(level)));
        assert_silent("state", &cells["state"], f32::TRACE_QUANTUM, 2.0);
    }
}

#[test]
fn wrong_lengths_are_named() {
    let case = |elstm| Case::<f32, _, 6>::ones(Form { elstm, units: 3 }, shapes(3), 2);
    case(true).assert_lengths_are_named(step, &[]);
    case(false).assert_lengths_are_named(step, &["weights", "immediate"]);
}
