//! A tape of factors and the scan back over it: backpropagation through time, and e-prop's whole-sequence form.
//!
//! ```text
//! (1) dE/dh_t = L_t + U^T dE/dz_{t+1}     through everything (BPTT);   dE/dh_t = L_t     through the cell only (e-prop)
//! (2) dE/dc_t = dE/dh_t dh_t/dc_t + f_{t+1} dE/dc_{t+1}
//! (3) dE/dz_t = dE/dc_t s_t for i, f, g;  dE/dh_t s_o for o
//! (4) dE/dW   = sum over t of dE/dz_t presynaptic_t^T
//! ```
//!
//! (2) and (3) are one kernel; (4) is one matrix product over all steps and rows; U is the recurrent part of W. With
//! the right-hand side of (1) for e-prop, (2) to (4) are exactly the sum that streaming traces evaluate forward in
//! time (Hoyer et al. 2022, eq. 3 to 9, summed in the other order).

use eligibility_kernels::Level;
use eligibility_kernels::lstm_gates::{GATES, LstmGatesBackward};

use crate::affine::{Beta, Rect, Scalar, add_transposed_times, times};
use crate::buffer::Buffer;
use crate::error::{Error, check_nonempty, checked_product};
use crate::feedback::Feedback;
use crate::learner::forward::{Factors, Forward};
use crate::learner::output::OutputRows;
use crate::learner::{add_in_order, for_each_shard, shards};
use crate::network::Shape;
use crate::readout::{Score, weights};
use crate::sequences::{Rows, Sequences};

/// What the scan back goes through.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Through<'a, T: Scalar> {
    /// Cell and recurrent weights: the exact gradient.
    Everything,
    /// The cell only, with learning signals through these feedback weights: the e-prop gradient.
    Cell(&'a Feedback<T>),
}

/// Tapes for a batch.
#[derive(Clone, Debug)]
pub(crate) struct Tape<T: Scalar> {
    shape: Shape,
    batch: usize,
    max_steps: usize,
    shards: Vec<TapeRows<T>>,
}

/// The tape of some batch rows.
#[derive(Clone, Debug)]
struct TapeRows<T: Scalar> {
    rows: Rows,
    forward: Forward<T>,
    output: OutputRows<T>,
    factors: Factors<T>,
    /// `[steps, rows, output]`: dE/dy_t, where there is a target at every step.
    errors: Buffer<T>,
    /// `[rows, hidden]`: L_t, the signal of this step or of the last.
    signal: Buffer<T>,
    /// `[rows, hidden]`: dE/dh_t.
    hidden_gradient: Buffer<T>,
    /// `[rows, hidden]`: f_{t+1} dE/dc_{t+1}.
    cell_gradient: Buffer<T>,
    gradient: Buffer<T>,
}

impl<T: Scalar> Tape<T> {
    pub(crate) fn new(shape: Shape, batch: usize, max_steps: usize) -> Result<Self, Error> {
        check_nonempty("batch", batch)?;
        check_nonempty("number of steps", max_steps)?;
        let shards = shards(batch)
            .map(|rows| TapeRows::zeros(shape, rows, batch, max_steps))
            .collect::<Result<_, _>>()?;
        Ok(Self { shape, batch, max_steps, shards })
    }

    /// Scans forward and back. The caller has checked the sizes of everything but the number of steps.
    pub(crate) fn gradient(
        &mut self,
        level: Level,
        parameters: &[T],
        sequences: &Sequences<'_, T>,
        through: Through<'_, T>,
        gradient: &mut [T],
    ) -> Result<Score, Error> {
        if sequences.steps() > self.max_steps {
            let (reserved, found) = (self.max_steps, sequences.steps());
            return Err(Error::Capacity { what: "steps on the tape", reserved, found });
        }
        let work = self.batch * sequences.steps() * self.shape.layout.len();
        let score = for_each_shard(&mut self.shards, work, |shard| {
            shard.gradient.fill(T::ZERO);
            let score = shard.scan_forward(level, parameters, sequences);
            shard.scan_back(level, parameters, sequences, through);
            score
        });
        add_in_order(gradient, self.shards.iter().map(|shard| &shard.gradient[..]));
        Ok(score)
    }
}

impl<T: Scalar> TapeRows<T> {
    fn zeros(shape: Shape, rows: Rows, batch: usize, steps: usize) -> Result<Self, Error> {
        let units = rows.count * shape.lstm.hidden();
        let errors = checked_product("the learner's memory", &[steps, rows.count, shape.readout.output()])?;
        Ok(Self {
            rows,
            forward: Forward::zeros(shape, rows.count)?,
            output: OutputRows::zeros(&shape, rows, batch)?,
            factors: Factors::zeros(&shape, rows.count, steps)?,
            errors: Buffer::zeros(errors),
            signal: Buffer::zeros(units),
            hidden_gradient: Buffer::zeros(units),
            cell_gradient: Buffer::zeros(units),
            gradient: Buffer::zeros(shape.layout.len()),
        })
    }

    /// Records the factors of every step; scores the outputs and adds the readout's gradient.
    fn scan_forward(&mut self, level: Level, parameters: &[T], sequences: &Sequences<'_, T>) -> Score {
        let Self { rows, forward, output, factors, errors, gradient, .. } = self;
        let rows = *rows;
        let mut score = Score::default();
        forward.start(sequences, rows);
        for step in 0..sequences.steps() {
            forward.activate(sequences, rows, step);
            let mut factors = factors.at(step);
            factors.clear_inactive(&forward.active);
            let (input, is_first) = (sequences.input(step, rows), sequences.is_first(step, rows));
            forward.step(level, parameters, input, is_first, &mut factors);
            if sequences.every_step() {
                let hidden = &forward.state.hidden;
                output.score_step(parameters, hidden, sequences, step, &mut score);
                output.add_gradient(hidden, gradient);
                errors[step * output.error.len()..][..output.error.len()].copy_from_slice(&output.error);
            }
        }
        if !sequences.every_step() {
            let hidden = &forward.state.hidden;
            output.score_last(parameters, hidden, sequences, &mut score);
            output.add_gradient(hidden, gradient);
        }
        score
    }

    /// (1) to (4), from the last step to the first.
    fn scan_back(
        &mut self,
        level: Level,
        parameters: &[T],
        sequences: &Sequences<'_, T>,
        through: Through<'_, T>,
    ) {
        let Self { rows, forward, output, factors, errors, signal, hidden_gradient, cell_gradient, gradient } =
            self;
        let rows = *rows;
        let shape = *forward.shape();
        let (block, hidden) = (shape.layout.lstm(), shape.lstm.hidden());
        let feedback = match through {
            Through::Everything => weights(&shape.layout, parameters),
            Through::Cell(feedback) => feedback.matrix(&shape, parameters),
        };
        let recurrent = Rect {
            data: &parameters[block.range()][shape.lstm.input()..],
            columns: hidden,
            ..block.matrix(parameters)
        };
        if !sequences.every_step() {
            output.signal(signal, feedback);
        }
        hidden_gradient.fill(T::ZERO);
        cell_gradient.fill(T::ZERO);
        for step in (0..sequences.steps()).rev() {
            let factors = factors.at(step);
            // (1)
            if sequences.every_step() {
                let length = output.error.len();
                output.error.copy_from_slice(&errors[step * length..][..length]);
                output.signal(signal, feedback);
            }
            let signals = signal.chunks_exact(hidden).zip(hidden_gradient.chunks_exact_mut(hidden));
            for (row, (signal, dh)) in signals.enumerate() {
                if sequences.every_step() || sequences.length(rows.start + row) == step + 1 {
                    for (dh, &signal) in dh.iter_mut().zip(signal) {
                        *dh += signal;
                    }
                }
            }
            // (2) and (3): the factors become dE/dz
            level.run(LstmGatesBackward {
                rows: rows.count,
                hidden_gradient,
                forget_gate: factors.forget_gate,
                dhidden_dcell: factors.dhidden_dcell,
                cell_gradient,
                influence: factors.influence,
            });
            match through {
                Through::Cell(_) => hidden_gradient.fill(T::ZERO),
                Through::Everything => {
                    let dz = Rect::dense(&*factors.influence, rows.count, GATES * hidden);
                    times(
                        Rect::dense(&mut hidden_gradient[..], rows.count, hidden),
                        Beta::Replace,
                        dz,
                        recurrent,
                    );
                    if let Some(is_first) = sequences.is_first(step, rows) {
                        let resets = hidden_gradient.chunks_exact_mut(hidden).zip(is_first);
                        for (dh, _) in resets.filter(|(_, first)| **first) {
                            dh.fill(T::ZERO);
                        }
                    }
                }
            }
        }
        // (4)
        let cells = sequences.steps() * rows.count;
        let dz = &factors.influence[..cells * GATES * hidden];
        let presynaptic = &factors.presynaptic[..cells * block.stride()];
        add_transposed_times(
            block.matrix_mut(gradient),
            Rect::dense(dz, cells, GATES * hidden),
            Rect::padded(presynaptic, cells, block.columns(), block.stride()),
        );
    }
}
