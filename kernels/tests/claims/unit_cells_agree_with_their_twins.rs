//! Claim: the steps of minGRU and eLSTM agree with their scalar twins at every level, for every length and value; their
//! local factors are the derivatives of the twins' steps.
//!
//! Tolerance: an activation adds 2 epsilon (1.5 ULP, and the twin's own) to what its argument is off by, no slope being larger
//! than 1; products pass the error of each factor on, times the other, and each of at most 4 roundings adds an epsilon.

use crate::common::derivative::{assert_derivative, derivative, moderate};
use crate::common::{assert_agrees, assert_same_bits, config, lengths, levels, smallest, values};
use eligibility_kernels::elstm::Elstm;
use eligibility_kernels::min_gru::MinGru;
use eligibility_kernels::{Level, Real, reference};
use proptest::prelude::*;

/// Everything the two kernels read and write; minGRU has no use for weights and immediates.
#[derive(Clone, Debug)]
struct Cells<T> {
    elstm: bool,
    units: usize,
    active: Vec<bool>,
    projection: Vec<T>,
    weights: Vec<T>,
    state: Vec<T>,
    decay: Vec<T>,
    influence: Vec<T>,
    immediate: Vec<T>,
}

impl<T: Real> Cells<T> {
    fn ran(&self, level: Option<Level>) -> Self {
        let mut after = self.clone();
        let Self { elstm, units, active, projection, weights, state, decay, influence, immediate } =
            &mut after;
        if *elstm {
            let op = Elstm { units: *units, active, projection, weights, state, decay, influence, immediate };
            match level {
                Some(level) => level.run(op),
                None => reference::elstm(op),
            }
            return after;
        }
        let op = MinGru { units: *units, active, projection, state, decay, influence };
        match level {
            Some(level) => level.run(op),
            None => reference::min_gru(op),
        }
        after
    }
    fn outputs(&self) -> [(&'static str, &Vec<T>); 4] {
        [
            ("state", &self.state),
            ("decay", &self.decay),
            ("influence", &self.influence),
            ("immediate", &self.immediate),
        ]
    }
    /// Reverses the units of every plane.
    fn turned(&self) -> Self {
        let turn = |values: &Vec<T>| -> Vec<T> {
            values.chunks(self.units.max(1)).flat_map(|plane| plane.iter().rev().copied()).collect()
        };
        Self {
            projection: turn(&self.projection),
            weights: turn(&self.weights),
            state: turn(&self.state),
            decay: turn(&self.decay),
            influence: turn(&self.influence),
            immediate: turn(&self.immediate),
            ..self.clone()
        }
    }
    /// What state, decay, the two influences and the two immediates of a unit may be off by.
    fn tolerances(&self, row: usize, j: usize) -> [f64; 6] {
        let (epsilon, tiny) = (T::EPSILON.to_f64(), 4.0 * smallest::<T>());
        let x = [0, 1].map(|plane| self.projection[(2 * row + plane) * self.units + j].to_f64().abs());
        let state = self.state[row * self.units + j].to_f64().abs();
        if !self.elstm {
            // u is off by 2 epsilon, and so is 1 - u; v and h' are what they are multiplied by.
            let sum = (2.0 + 4.0) * epsilon * (x[0] + state);
            return [sum, 3.0 * epsilon, 2.0 * epsilon, sum, 0.0, 0.0].map(|allowed| allowed + tiny);
        }
        let w = [0, 1].map(|plane| self.weights[plane * self.units + j].to_f64().abs());
        let [z, f] = [0, 1].map(|gate| epsilon * (2.0 + 2.0 * (x[gate] + w[gate] * state)));
        let s_z = f + 2.0 * z + 4.0 * epsilon;
        let s_f = z + (state + 1.0) * (f + 4.0 * epsilon);
        let cell = (state + 1.0) * f + z + 4.0 * epsilon * (state + 1.0);
        // The influences are at most 1 and |c'| + 1.
        let sum = 4.0 * epsilon * (1.0 + w[0] + w[1] * (state + 1.0));
        let decay = f + w[0] * (s_z + tiny) + w[1] * (s_f + tiny) + sum;
        let [i_z, i_f] =
            [s_z + 4.0 * epsilon, s_f + 4.0 * epsilon * (state + 1.0)].map(|s| state * (s + tiny));
        [cell, decay, s_z, s_f, i_z, i_f].map(|allowed| allowed + tiny)
    }
}

fn cells<T: Real, S: Strategy<Value = Vec<T>>>(values: fn(usize) -> S) -> impl Strategy<Value = Cells<T>> {
    (any::<bool>(), 1..3_usize, lengths()).prop_flat_map(move |(elstm, rows, units)| {
        let plane = rows * units;
        let active = prop::collection::vec(prop::bool::weighted(0.8), rows);
        let inputs = (values(2 * plane), values(2 * units), values(plane));
        (active, inputs, values(plane), values(2 * plane), values(2 * plane)).prop_map(
            move |(active, (projection, weights, state), decay, influence, immediate)| Cells {
                elstm,
                units,
                active,
                projection,
                weights,
                state,
                decay,
                influence,
                immediate,
            },
        )
    })
}

fn agrees<T: Real>(before: &Cells<T>, level: Level) {
    let (found, expected, units) = (before.ran(Some(level)), before.ran(None), before.units);
    for place in 0..before.state.len() {
        let (row, j) = (place / units, place % units);
        let [plane_0, plane_1] = [0, 1].map(|plane| (2 * row + plane) * units + j);
        let indices = [place, place, plane_0, plane_1, plane_0, plane_1];
        for (slot, tolerance) in before.tolerances(row, j).into_iter().enumerate() {
            let (output, index) = ([0, 1, 2, 2, 3, 3][slot], indices[slot]);
            let ((what, found), (_, expected)) = (found.outputs()[output], expected.outputs()[output]);
            assert_agrees(what, index, found[index], expected[index], tolerance.min(f64::MAX));
        }
    }
    let turned = before.turned().ran(Some(level)).turned();
    for (slot, (what, found)) in found.outputs().into_iter().enumerate() {
        assert_same_bits(what, turned.outputs()[slot].1, found);
        let per_row = found.len() / before.active.len();
        for (row, _) in before.active.iter().enumerate().filter(|(_, active)| !**active) {
            let range = row * per_row..(row + 1) * per_row;
            assert_same_bits(what, &found[range.clone()], &before.outputs()[slot].1[range]);
        }
    }
}

fn factors_are_derivatives(cells: &Cells<f64>) {
    let (units, found) = (cells.units, cells.ran(Some(Level::detect())));
    for place in (0..cells.state.len()).filter(|place| cells.active[place / units]) {
        let by = |change: &dyn Fn(&mut Cells<f64>, f64)| {
            derivative(|step| {
                let mut changed = cells.clone();
                change(&mut changed, step);
                changed.ran(None).state[place]
            })
        };
        let expected = by(&|cells, step| cells.state[place] += step);
        assert_derivative("decay", place, found.decay[place], expected);
        for gate in 0..2 {
            let at = (2 * (place / units) + gate) * units + place % units;
            let expected = by(&|cells, step| cells.projection[at] += step);
            assert_derivative("influence", at, found.influence[at], expected);
            if cells.elstm {
                let expected = by(&|cells, step| cells.weights[gate * units + place % units] += step);
                assert_derivative("immediate", at, found.immediate[at], expected);
            }
        }
    }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn in_f32(cells in cells(values::<f32>)) {
        for level in levels() {
            agrees(&cells, level);
        }
    }

    #[test]
    fn in_f64(cells in cells(values::<f64>)) {
        for level in levels() {
            agrees(&cells, level);
        }
    }
}

proptest! {
    // Each case is thousands of steps of the twin.
    #![proptest_config(ProptestConfig::with_cases(100))]

    #[test]
    fn local_factors_are_derivatives(cells in cells(moderate)) {
        factors_are_derivatives(&cells);
    }
}

#[test]
#[should_panic(expected = "weights has 1 elements where 1 rows of 1 units ask for 2")]
fn a_wrong_length_is_named() {
    Level::detect().run(Elstm {
        units: 1,
        active: &[true],
        projection: &[0.0_f32; 2],
        weights: &[0.0],
        state: &mut [0.0],
        decay: &mut [0.0],
        influence: &mut [0.0; 2],
        immediate: &mut [0.0; 2],
    });
}
