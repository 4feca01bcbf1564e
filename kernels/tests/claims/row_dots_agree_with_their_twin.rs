//! Claim: a matrix by rows times a vector agrees with its scalar twin at every level, for every size, and a row's bits do not
//! depend on the rows beside it.

use crate::common::case::in_both_types;
use crate::common::{assert_agrees, config, levels, ordinary, values};
use eligibility_kernels::row_dot::RowDot;
use eligibility_kernels::{Level, Real, Strided, reference};
use proptest::prelude::*;

#[derive(Clone, Debug)]
struct Rows<T> {
    weights: Vec<T>,
    stride: usize,
    input: Vec<T>,
    add: bool,
    output: Vec<T>,
}

impl<T: Real> Rows<T> {
    fn op(&mut self) -> RowDot<'_, T> {
        let Self { weights, stride, input, add, output } = self;
        RowDot { weights: Strided { data: weights, stride: *stride }, input, add: *add, output }
    }
    fn row(&self, row: usize) -> &[T] {
        &self.weights[row * self.stride..][..self.input.len()]
    }
}

fn rows<T: Real>(special: bool) -> impl Strategy<Value = Rows<T>> {
    let sizes = (0..40_usize, 0..70_usize, 0..5_usize, any::<bool>());
    sizes.prop_flat_map(move |(rows, columns, gap, add)| {
        let draw = |length| if special { values(length).boxed() } else { ordinary(length).boxed() };
        let stride = columns + gap;
        (draw(rows * stride), draw(columns), draw(rows)).prop_map(move |(weights, input, output)| Rows {
            weights,
            stride,
            input,
            add,
            output,
        })
    })
}

fn check<T: Real>(before: &Rows<T>) {
    for level in levels() {
        let (mut found, mut expected) = (before.clone(), before.clone());
        level.run(found.op());
        reference::row_dot(expected.op());
        for (index, &y) in found.output.iter().enumerate() {
            let terms = before.row(index).iter().zip(&before.input);
            let start = if before.add { before.output[index].to_f64().abs() } else { 0.0 };
            let scale = start + terms.map(|(w, x)| (w.to_f64() * x.to_f64()).abs()).sum::<f64>();
            // A column rounds a product and a sum, then the lanes' sums and the start; the twin rounds once.
            let roundings = 2.0 * before.input.len() as f64 + 6.0;
            let tolerance = roundings * T::EPSILON.to_f64() * scale + f64::from(f32::MIN_POSITIVE);
            assert_agrees("output", index, y, expected.output[index], tolerance.min(f64::MAX));
            let mut alone = Rows {
                weights: before.row(index).to_vec(),
                output: vec![before.output[index]],
                ..before.clone()
            };
            level.run(alone.op());
            let same = alone.output[0] == y || (alone.output[0].to_f64().is_nan() && y.to_f64().is_nan());
            assert!(same, "row {index} alone");
        }
    }
}

in_both_types!(rows(false), check);

proptest! {
    #![proptest_config(config())]

    #[test]
    fn with_special_values(rows in rows::<f64>(true)) {
        check(&rows);
    }
}

#[test]
#[should_panic(expected = "weights has 3 elements where 2 slices of 2 at stride 2 need 4")]
fn a_wrong_length_is_named() {
    let weights = Strided { data: &[0.0_f32; 3], stride: 2 };
    Level::detect().run(RowDot { weights, input: &[0.0; 2], add: false, output: &mut [0.0; 2] });
}
