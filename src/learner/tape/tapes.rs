//! The tapes of a batch: its shards, on one thread or several.

use std::sync::{Mutex, PoisonError};

use eligibility_kernels::Level;

use crate::affine::Scalar;
use crate::error::{Error, check_nonempty};
use crate::learner::shards::{ROWS_WITH_TRACES, ROWS_WITHOUT_TRACES, Shards};
use crate::learner::tape::run::Pass;
use crate::learner::tape::{Context, Prepared, Purpose, Tape};
use crate::network::Shape;
use crate::readout::Score;
use crate::sequences::Sequences;

/// What a learner of networks without LSTMs owns.
#[derive(Clone, Debug)]
pub(crate) struct Tapes<T: Scalar> {
    batch: usize,
    work: usize,
    input: usize,
    prepared: Vec<Prepared<T>>,
    shards: Shards<Tape<T>, T>,
}

/// Slots beyond a window: as many steps as go by before the tape has to be moved.
pub(super) const SPARE_SLOTS: usize = 32;

/// How a tape of a batch is made.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Form {
    pub(crate) slots: usize,
    pub(crate) purpose: Purpose,
    pub(crate) authors_theta_gradient: bool,
    pub(crate) input_gradient: bool,
    /// Whether gradients are asked for at all.
    pub(crate) gradient: bool,
}

impl Form {
    pub(crate) fn new(slots: usize, purpose: Purpose) -> Self {
        Self { slots, purpose, authors_theta_gradient: false, input_gradient: false, gradient: true }
    }
    /// For windows of `steps` steps back.
    pub(crate) fn windows(steps: usize) -> Self {
        Self::new(steps.saturating_add(SPARE_SLOTS), Purpose::Window)
    }
}

impl<T: Scalar> Tapes<T> {
    /// For `batch` rows.
    pub(crate) fn new(shape: &Shape, batch: usize, form: Form) -> Result<Self, Error> {
        check_nonempty("batch", batch)?;
        let most = if form.purpose == Purpose::Traces { ROWS_WITH_TRACES } else { ROWS_WITHOUT_TRACES };
        let length = shape.layout.len();
        let tape = |rows| {
            let tape = Tape::zeros(shape, rows, batch, form.slots, form.purpose)?;
            if form.input_gradient { tape.with_input_gradient() } else { Ok(tape) }
        };
        let shards = Shards::new(batch, most, if form.gradient { length } else { 0 }, tape)?;
        let prepare = |layer| Prepared::zeros(layer, form.authors_theta_gradient);
        let prepared = shape.layout.layers().iter().map(prepare).collect();
        Ok(Self { batch, work: length, input: shape.layout.input(), prepared, shards })
    }

    /// The score of `sequences`; their gradient replaces `gradient` unless that is empty. dE/dx_t `[steps, batch, input]`
    /// replaces `input_gradient`, unless that is empty.
    pub(crate) fn gradient(
        &mut self,
        level: Level,
        parameters: &[T],
        sequences: &Sequences<'_, T>,
        gradient: &mut [T],
        input_gradient: &mut [T],
    ) -> Score {
        Prepared::refresh_layers(&mut self.prepared, level, parameters);
        let (batch, input, wanted) = (self.batch, self.input, !input_gradient.is_empty());
        let input_gradient = Mutex::new(input_gradient);
        let context = Context { level, parameters, prepared: &self.prepared };
        let work = batch * sequences.steps() * self.work;
        self.shards.run(work, gradient, |tape, rows, gradient| {
            tape.run(Pass { context, sequences, rows }, gradient, |tape, first, steps| {
                if wanted {
                    let mut target = input_gradient.lock().unwrap_or_else(PoisonError::into_inner);
                    let sources = tape.input_gradient.chunks_exact(tape.rows() * input).take(steps);
                    for (step, source) in (first..).zip(sources) {
                        let (start, length) = ((step * batch + rows.start) * input, rows.count * input);
                        target[start..start + length].copy_from_slice(&source[..length]);
                    }
                }
            })
        })
    }

    /// The same with windows of `window` steps back from each target.
    pub(crate) fn gradient_of_windows(
        &mut self,
        level: Level,
        parameters: &[T],
        sequences: &Sequences<'_, T>,
        window: usize,
        gradient: &mut [T],
    ) -> Score {
        Prepared::refresh_layers(&mut self.prepared, level, parameters);
        let context = Context { level, parameters, prepared: &self.prepared };
        let work = self.batch * sequences.steps() * self.work;
        self.shards.run(work, gradient, |tape, rows, gradient| {
            tape.run_windows(Pass { context, sequences, rows }, window, gradient)
        })
    }
}
