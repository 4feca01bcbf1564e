//! Claim: the matrix-vector product agrees with its scalar twin at every level, for every size and panel width.

use crate::common::{assert_agrees, config, levels, ordinary, values};
use eligibility_kernels::mat_vec::{MatVec, panel_rows};
use eligibility_kernels::{Level, Real, reference};
use proptest::prelude::*;

#[derive(Clone, Debug)]
struct Product<T> {
    panel: usize,
    panels: Vec<T>,
    input: Vec<T>,
    output: Vec<T>,
}

impl<T: Real> Product<T> {
    fn op(&mut self) -> MatVec<'_, T> {
        let Self { panel, panels, input, output } = self;
        MatVec { panel: *panel, panels, input, output }
    }
    /// Weight of a row in a column.
    fn weight(&self, row: usize, column: usize) -> f64 {
        let panel = row / self.panel * self.panel;
        let width = self.panel.min(self.output.len() - panel);
        self.panels[panel * self.input.len() + column * width + row - panel].to_f64()
    }
}

fn products<T: Real>(special: bool) -> impl Strategy<Value = Product<T>> {
    (0..150_usize, 0..9_usize, 1..140_usize).prop_flat_map(move |(rows, columns, panel)| {
        let draw = |length| if special { values(length).boxed() } else { ordinary(length).boxed() };
        (draw(rows * columns), draw(columns), draw(rows)).prop_map(move |(panels, input, output)| Product {
            panel,
            panels,
            input,
            output,
        })
    })
}

fn check<T: Real>(before: &Product<T>) {
    for level in levels() {
        for panel in [before.panel, panel_rows::<T>(level)] {
            let start = Product { panel, ..before.clone() };
            agrees(&start, level);
        }
    }
}

fn agrees<T: Real>(start: &Product<T>, level: Level) {
    let (mut found, mut expected) = (start.clone(), start.clone());
    level.run(found.op());
    reference::mat_vec(expected.op());
    for row in 0..start.output.len() {
        let terms =
            (0..start.input.len()).map(|column| start.weight(row, column) * start.input[column].to_f64());
        let scale = terms.map(f64::abs).sum::<f64>() + start.output[row].to_f64().abs();
        // Every column rounds a product and a sum that is at most the scale; the twin rounds once.
        let tolerance = (2.0 * start.input.len() as f64 + 1.0) * T::EPSILON.to_f64() * scale;
        let tolerance = (tolerance + f64::from(f32::MIN_POSITIVE)).min(f64::MAX);
        assert_agrees("output", row, found.output[row], expected.output[row], tolerance);
    }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn in_f32(product in products::<f32>(false)) {
        check(&product);
    }

    #[test]
    fn in_f64(product in products::<f64>(false)) {
        check(&product);
    }

    #[test]
    fn with_special_values(product in products::<f64>(true)) {
        check(&product);
    }
}

#[test]
#[should_panic(expected = "panels has 3 elements for 2 rows of 2 columns")]
fn a_wrong_length_is_named() {
    Level::detect().run(MatVec { panel: 8, panels: &[0.0; 3], input: &[0.0; 2], output: &mut [0.0_f32; 2] });
}
