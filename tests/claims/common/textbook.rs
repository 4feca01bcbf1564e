//! The oracle: the LSTM as a textbook writes it, in scalar `f64`, sharing no line with the library.

use super::problem::Problem;

/// Weights without padding: `[4H, I]`, `[4H, H]`, `[4H]`, `[O, H]`, `[O]`.
#[derive(Clone, Debug)]
pub struct Weights(pub [Vec<f64>; 5]);

/// h_{t-1} and c_{t-1} as the gates saw them, and the output error dE/dy, of every step and row (`None`: no such step).
#[derive(Clone, Debug, Default)]
pub struct Record {
    pub hidden_prev: Vec<Vec<f64>>,
    pub cell_prev: Vec<Vec<f64>>,
    /// The step begins an episode: by a reset, or as the row's first.
    pub begins: Vec<bool>,
    pub output_error: Vec<Option<Vec<f64>>>,
}

/// What the loss is made of.
#[derive(Clone, Copy, Debug)]
pub enum Objective<'a> {
    /// The readout's loss.
    Real,
    /// `sum_t L_t . h_t` with constant L_t = B^T (dE/dy_t as recorded), B `[O, H]`: its gradient is what random
    /// feedback follows.
    Linear(&'a [f64]),
    /// `sum_t S_t . h_t` with these constant S_t, one for every recorded step.
    Signals(&'a [Vec<f64>]),
}

fn sigmoid(x: f64) -> f64 {
    1.0 / (1.0 + (-x).exp())
}

/// Mean over rows of the sum over targets. With `frozen`, the gates read h_{t-1} from there instead of from the cell.
pub fn loss(
    problem: &Problem<f64>,
    weights: &Weights,
    objective: Objective<'_>,
    frozen: Option<&Record>,
) -> (f64, Record) {
    decayed_loss(problem, weights, objective, frozen, 1.0)
}

/// The same with `decay` times the derivative by c_{t-1}: what depends on it differs from the record by so much less.
pub fn decayed_loss(
    problem: &Problem<f64>,
    weights: &Weights,
    objective: Objective<'_>,
    frozen: Option<&Record>,
    decay: f64,
) -> (f64, Record) {
    let form = problem.form;
    let (units, outputs) = (form.hidden, form.output);
    let mut record = Record::default();
    let mut total = 0.0;
    for row in 0..form.batch {
        let (mut h, mut c) = (vec![0.0; units], vec![0.0; units]);
        if form.initial {
            h.copy_from_slice(&problem.initial.hidden[row * units..][..units]);
            c.copy_from_slice(&problem.initial.cell[row * units..][..units]);
        }
        for t in 0..problem.lengths[row] {
            let cell = t * form.batch + row;
            if problem.is_first[cell] {
                h.fill(0.0);
                c.fill(0.0);
            }
            let index = record.hidden_prev.len();
            let h_prev = frozen.map_or_else(|| h.clone(), |frozen| frozen.hidden_prev[index].clone());
            record.hidden_prev.push(h_prev.clone());
            if let Some(frozen) = frozen.filter(|_| decay != 1.0) {
                for (c, recorded) in c.iter_mut().zip(&frozen.cell_prev[index]) {
                    *c = recorded + decay * (*c - recorded);
                }
            }
            record.cell_prev.push(c.clone());
            record.begins.push(t == 0 || problem.is_first[cell]);
            step(problem, weights, cell, &h_prev, &mut h, &mut c);
            if let Objective::Signals(signals) = objective {
                total += signals[index].iter().zip(&h).map(|(signal, h)| signal * h).sum::<f64>();
            }
            record.output_error.push(target(problem, t, row).map(|target| {
                let (value, error) = score(problem, target, &output(weights, &h));
                total += match objective {
                    Objective::Real => value,
                    Objective::Signals(_) => 0.0,
                    Objective::Linear(feedback) => {
                        let error = frozen.expect("recorded errors").output_error[index].as_ref().unwrap();
                        let signal =
                            |j: usize| (0..outputs).map(|k| feedback[k * units + j] * error[k]).sum::<f64>();
                        (0..units).map(|j| signal(j) * h[j]).sum()
                    }
                };
                error
            }));
        }
    }
    (total / form.batch as f64, record)
}

/// [`loss`] with the readout's objective, where every target looks back `steps` steps, its own included: the state
/// before those is that of `record`, whatever the weights.
pub fn truncated_loss(problem: &Problem<f64>, weights: &Weights, steps: usize, record: &Record) -> f64 {
    let mut total = 0.0;
    // Index in the record of the row's first step.
    let mut start = 0;
    for (row, &length) in problem.lengths.iter().enumerate() {
        for last in 0..length {
            let Some(target) = target(problem, last, row) else { continue };
            let first = (last + 1).saturating_sub(steps);
            let mut h = record.hidden_prev[start + first].clone();
            let mut c = record.cell_prev[start + first].clone();
            for t in first..=last {
                let cell = t * problem.form.batch + row;
                if problem.is_first[cell] {
                    h.fill(0.0);
                    c.fill(0.0);
                }
                step(problem, weights, cell, &h.clone(), &mut h, &mut c);
            }
            total += score(problem, target, &output(weights, &h)).0;
        }
        start += length;
    }
    total / problem.form.batch as f64
}

/// The target of a row at step t, if it has one.
fn target(problem: &Problem<f64>, t: usize, row: usize) -> Option<usize> {
    let cell = t * problem.form.batch + row;
    if problem.form.every_step {
        problem.target_mask[cell].then_some(cell)
    } else {
        (t + 1 == problem.lengths[row]).then_some(row)
    }
}

/// One step of the LSTM on the input of `cell`: h and c become those of the step.
fn step(
    problem: &Problem<f64>,
    weights: &Weights,
    cell: usize,
    h_prev: &[f64],
    h: &mut [f64],
    c: &mut [f64],
) {
    let (inputs, units) = (problem.form.input, problem.form.hidden);
    let Weights([w_ih, w_hh, bias, ..]) = weights;
    let x = &problem.inputs[cell * inputs..][..inputs];
    let z = |k: usize| {
        let from_x: f64 = (0..inputs).map(|i| w_ih[k * inputs + i] * x[i]).sum();
        let from_h: f64 = (0..units).map(|j| w_hh[k * units + j] * h_prev[j]).sum();
        from_x + from_h + bias[k]
    };
    for j in 0..units {
        let (i, f) = (sigmoid(z(j)), sigmoid(z(units + j)));
        let (g, o) = (z(2 * units + j).tanh(), sigmoid(z(3 * units + j)));
        c[j] = f * c[j] + i * g;
        h[j] = o * if problem.form.identity { c[j] } else { c[j].tanh() };
    }
}

/// y.
fn output(weights: &Weights, h: &[f64]) -> Vec<f64> {
    let Weights([.., w_out, b_out]) = weights;
    let rows = w_out.chunks_exact(h.len()).zip(b_out);
    rows.map(|(row, bias)| bias + row.iter().zip(h).map(|(w, h)| w * h).sum::<f64>()).collect()
}

/// Loss and dE/dy of one output.
fn score(problem: &Problem<f64>, target: usize, y: &[f64]) -> (f64, Vec<f64>) {
    if problem.form.classes {
        let class = problem.classes[target];
        let sum: f64 = y.iter().map(|y| y.exp()).sum();
        let error =
            y.iter().enumerate().map(|(k, y)| y.exp() / sum - f64::from(u8::from(k == class))).collect();
        (sum.ln() - y[class], error)
    } else {
        let values = &problem.values[target * y.len()..][..y.len()];
        let error: Vec<f64> = y.iter().zip(values).map(|(y, value)| y - value).collect();
        (0.5 * error.iter().map(|e| e * e).sum::<f64>(), error)
    }
}
