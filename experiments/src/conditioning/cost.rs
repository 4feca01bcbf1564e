//! Multiply-adds of one step, forward and learning; FLOPs are twice as many.
//!
//! ```text
//! RTRL             forward + traces          traces: their update and their contraction with the learning signal
//! truncated BPTT   forward + L back + L weights           e-prop   forward + traces
//! every dense layer above, the output included, m units over f inputs:   m (f + 1) + m f + m (f + 1)
//!
//! n units, d inputs   forward          back         weights        traces
//! RTU                 2nd + 6n         4n           2nd + 4n       8nd + 12n, nonlinear recurrence 12nd + 12n
//! LRU                 2nd + 6n         4n           2nd + 6n       8nd + 18n
//! block-diagonal      2nd + 4n         4n           2nd + 4n       12nd + 24n
//! minGRU              2nd + 2n         n            2nd            4nd
//! eLSTM               2n(d+1) + 4n     3n           2n(d+1) + 2n   4n(d+1) + 4n
//! GRU                 p + 3n           3nn + 6n     p              2p              p = 3n(d+1) + 3n(n+1)
//! RNN                 p                nn + n       p              p               p = n(d+1) + nn
//! LSTM                p + 3n           4nn + 6n     p              7p / 4          p = 4n(d+n+1)
//! ```
//!
//! A matrix counts once for its elements, biases included; a 2 x 2 matrix times a pair counts 4. A linear complex cell has a
//! trace of nd pairs, of which each is turned (4) and contracted with both weights (4); where the recurrence is not linear
//! there are 2nd pairs (4 + 2 each). A parameter of a unit of a complex cell has one pair (4 + 2). Of the LSTM, weights of
//! three gates of four have a trace; of the RNN none has one, there is but the gradient of the step. Activations, TD's own
//! trace and the optimiser are the same few operations per weight for all, and are left out.

use super::cells::{CellKind, OnlineLearnerKind, Predictor, RecurrenceKind};

/// Multiply-adds of the recurrent layer.
#[derive(Clone, Copy, Debug)]
struct Layer {
    forward: u64,
    /// An error, one step back.
    back: u64,
    /// The gradient by the weights of one step.
    weights: u64,
    /// All of the learning, forward in time.
    traces: u64,
    /// What the layer above takes.
    outputs: u64,
}

fn layer(predictor: &Predictor, d: u64) -> Layer {
    let n = predictor.hidden as u64;
    let (nd, biased) = (n * d, n * (d + 1));
    match predictor.cell {
        CellKind::Rtu => {
            let nonlinear = predictor.recurrence == Some(RecurrenceKind::Nonlinear);
            let traces = if nonlinear { 12 * nd } else { 8 * nd } + 12 * n;
            Layer { forward: 2 * nd + 6 * n, back: 4 * n, weights: 2 * nd + 4 * n, traces, outputs: 2 * n }
        }
        CellKind::Lru => {
            let (traces, skipped) = (8 * nd + 18 * n, if predictor.skip == Some(true) { d } else { 0 });
            let outputs = 2 * n + skipped;
            Layer { forward: 2 * nd + 6 * n, back: 4 * n, weights: 2 * nd + 6 * n, traces, outputs }
        }
        CellKind::Block => {
            let (pass, traces) = (2 * nd + 4 * n, 12 * nd + 24 * n);
            Layer { forward: pass, back: 4 * n, weights: pass, traces, outputs: 2 * n }
        }
        CellKind::Mingru => {
            Layer { forward: 2 * nd + 2 * n, back: n, weights: 2 * nd, traces: 4 * nd, outputs: n }
        }
        CellKind::Elstm => {
            let (forward, weights) = (2 * biased + 4 * n, 2 * biased + 2 * n);
            Layer { forward, back: 3 * n, weights, traces: 4 * biased + 4 * n, outputs: n }
        }
        CellKind::Gru => {
            let p = 3 * biased + 3 * n * (n + 1);
            Layer { forward: p + 3 * n, back: 3 * n * n + 6 * n, weights: p, traces: 2 * p, outputs: n }
        }
        CellKind::Rnn => {
            let p = biased + n * n;
            Layer { forward: p, back: n * n + n, weights: p, traces: p, outputs: n }
        }
        CellKind::Lstm => {
            let gate = n * (d + n + 1);
            let (p, back) = (4 * gate, 4 * n * n + 6 * n);
            Layer { forward: p + 3 * n, back, weights: p, traces: 7 * gate, outputs: n }
        }
    }
}

/// Of one step of a predictor with `inputs` inputs.
pub(super) fn multiply_adds(predictor: &Predictor, inputs: usize) -> u64 {
    let Layer { forward, back, weights, traces, outputs } = layer(predictor, inputs as u64);
    let learning = match predictor.learner {
        OnlineLearnerKind::Rtrl | OnlineLearnerKind::Eprop => traces,
        OnlineLearnerKind::Truncated => predictor.truncation.unwrap_or(1) as u64 * (back + weights),
    };
    let dense = |units: u64, inputs: u64| units * (3 * inputs + 2);
    let above = match predictor.projection.map(|units| units as u64) {
        None => dense(1, outputs),
        Some(units) => dense(units, outputs) + dense(1, units),
    };
    forward + learning + above
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conditioning::cells::tests::predictor;

    #[test]
    fn small_cases_are_those_counted_by_hand() {
        for (line, expected) in [
            // 2x3x2 + 6x3 = 30 forward, 8x3x2 + 12x3 = 84 for the traces, 3x6 + 2 = 20 for the output
            ("--cell rtu --hidden 3", 134),
            ("--cell rtu --hidden 3 --recurrence nonlinear", 134 + 24),
            // 30 forward, twice 12 back and 24 for the weights
            ("--cell rtu --hidden 3 --learner truncated --truncation 2", 30 + 2 * 36 + 20),
            // a layer of 4 over 6 and an output over 4
            ("--cell rtu --hidden 3 --projection 4", 30 + 84 + 4 * 20 + 14),
            ("--cell lru --hidden 3", 30 + 102 + 20),
            ("--cell lru --hidden 3 --skip", 30 + 102 + 26),
            // p = 27 + 36 = 63
            ("--cell gru --hidden 3 --truncation 5", 72 + 5 * (45 + 63) + 11),
            // p = 9 + 9 = 18
            ("--cell rnn --hidden 3 --truncation 1", 18 + 12 + 18 + 11),
            ("--cell gru --hidden 3 --learner eprop", 72 + 126 + 11),
            ("--cell rnn --hidden 3 --learner eprop", 18 + 18 + 11),
            // p = 12x6 = 72, of which 54 have a trace
            ("--hidden 3", 81 + 2 * 54 + 18 + 11),
            ("--hidden 3 --learner truncated --truncation 5", 81 + 5 * (54 + 72) + 11),
        ] {
            assert_eq!(multiply_adds(&predictor(line), 2), expected, "{line}");
        }
    }

    #[test]
    fn a_gradient_by_dense_weights_costs_one_for_each_of_them() {
        for line in ["--cell gru --hidden 7", "--cell rnn --hidden 7", "--hidden 7"] {
            let predictor = predictor(line);
            let parameters = predictor.size(5).unwrap().recurrent_parameters;
            assert_eq!(layer(&predictor, 5).weights, parameters as u64, "{line}");
        }
    }

    #[test]
    fn truncation_costs_the_same_for_each_of_its_steps_and_rtrl_grows_with_the_units() {
        let of = |line: &str| multiply_adds(&predictor(line), 12);
        for cell in ["rtu", "lru", "gru", "rnn", "lstm"] {
            let [one, two, forty] =
                [1, 2, 40].map(|l| of(&format!("--cell {cell} --learner truncated --truncation {l}")));
            assert_eq!(forty - one, 39 * (two - one), "{cell}");
        }
        // All but the output's two are in proportion to the units.
        assert_eq!(of("--cell rtu --hidden 200") - 2, 2 * (of("--cell rtu --hidden 100") - 2));
    }
}
