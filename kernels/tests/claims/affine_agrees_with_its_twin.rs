//! Claim: the affine map agrees with its scalar twin at every level, for every number of rows, size and panel width.

use crate::common::case::in_both_types;
use crate::common::{assert_agrees, config, levels, ordinary, values};
use eligibility_kernels::affine::{Affine, Start, panel_rows};
use eligibility_kernels::{Level, Real, Strided, reference};
use proptest::prelude::*;

/// Elements between the end of one row's input and the next.
const GAP: usize = 2;

#[derive(Clone, Debug)]
struct Map<T> {
    rows: usize,
    columns: usize,
    panel: usize,
    panels: Vec<T>,
    bias: Option<Vec<T>>,
    input: Vec<T>,
    output: Vec<T>,
}

impl<T: Real> Map<T> {
    fn op(&mut self) -> Affine<'_, T> {
        let Self { rows, columns, panel, panels, bias, input, output } = self;
        let start = bias.as_ref().map_or(Start::Output, |bias| Start::Each(bias));
        let input = Strided { data: input, stride: *columns + GAP };
        Affine { rows: *rows, columns: *columns, panel: *panel, panels, start, input, output }
    }
    /// Sum of the magnitudes of what makes one output.
    fn scale(&self, index: usize) -> f64 {
        let outputs = self.output.len() / self.rows;
        let (batch_row, row) = (index / outputs, index % outputs);
        let panel = row / self.panel * self.panel;
        let width = self.panel.min(outputs - panel);
        let weight =
            |column: usize| self.panels[panel * self.columns + column * width + row - panel].to_f64();
        let x = |column: usize| self.input[batch_row * (self.columns + GAP) + column].to_f64();
        let start = self.bias.as_ref().map_or(self.output[index], |bias| bias[row]).to_f64();
        start.abs() + (0..self.columns).map(|column| (weight(column) * x(column)).abs()).sum::<f64>()
    }
}

fn maps<T: Real>(special: bool) -> impl Strategy<Value = Map<T>> {
    let sizes = (1..20_usize, 0..150_usize, 0..9_usize, 1..140_usize, any::<bool>());
    sizes.prop_flat_map(move |(rows, outputs, columns, panel, biased)| {
        let draw = |length| if special { values(length).boxed() } else { ordinary(length).boxed() };
        let input = draw(rows * (columns + GAP));
        (draw(outputs * columns), draw(outputs), input, draw(rows * outputs)).prop_map(
            move |(panels, bias, input, output)| Map {
                rows,
                columns,
                panel,
                panels,
                bias: biased.then_some(bias),
                input,
                output,
            },
        )
    })
}

fn check<T: Real>(before: &Map<T>) {
    for level in levels() {
        for panel in [before.panel, panel_rows::<T>(level, 1), panel_rows::<T>(level, before.rows)] {
            let start = Map { panel, ..before.clone() };
            let (mut found, mut expected) = (start.clone(), start.clone());
            level.run(found.op());
            reference::affine(expected.op());
            for index in 0..start.output.len() {
                // Every column rounds a product and a sum that is at most the scale; the twin rounds once.
                let roundings = 2.0 * start.columns as f64 + 1.0;
                let tolerance = roundings * T::EPSILON.to_f64() * start.scale(index);
                let tolerance = (tolerance + f64::from(f32::MIN_POSITIVE)).min(f64::MAX);
                assert_agrees("output", index, found.output[index], expected.output[index], tolerance);
            }
        }
    }
}

in_both_types!(maps(false), check);

proptest! {
    #![proptest_config(config())]

    #[test]
    fn with_special_values(map in maps::<f64>(true)) {
        check(&map);
    }
}

#[test]
#[should_panic(expected = "panels has 3 elements for 2 rows of 2 columns")]
fn a_wrong_length_is_named() {
    Level::detect().run(Affine {
        rows: 1,
        columns: 2,
        panel: 8,
        panels: &[0.0; 3],
        start: Start::Output,
        input: Strided { data: &[0.0; 2], stride: 2 },
        output: &mut [0.0_f32; 2],
    });
}
