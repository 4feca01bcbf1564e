//! Any bits as weights and input, at every level: a matrix by rows times a vector agrees with its scalar twin, NaN and all.
#![no_main]

use eligibility_fuzz::{compare, floats};
use eligibility_kernels::row_dot::RowDot;
use eligibility_kernels::{Level, Strided, reference};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Some((&first, bytes)) = bytes.split_first() else { return };
    let (values, columns) = (floats(bytes), usize::from(first) % 40 + 1);
    if values.len() < 2 * columns {
        return;
    }
    let (input, weights) = values.split_at(columns);
    let rows = weights.len() / columns;
    let body = |level: Option<Level>| {
        let mut output = vec![0.0; rows];
        let weights = Strided { data: weights, stride: columns };
        let op = RowDot { weights, input, add: false, output: &mut output };
        match level {
            None => reference::row_dot(op),
            Some(level) => level.run(op),
        }
        output
    };
    compare(body, |row| {
        let terms = weights[row * columns..].iter().zip(input);
        let scale: f64 = terms.map(|(&w, &x)| (f64::from(w) * f64::from(x)).abs()).sum();
        // A product or a sum may overflow in f32 alone.
        if scale >= f64::from(f32::MAX) / 2.0 {
            return f64::INFINITY;
        }
        (2.0 * columns as f64 + 6.0) * f64::from(f32::EPSILON) * scale + f64::from(f32::MIN_POSITIVE)
    });
});
