//! The tapes of a batch: its shards, on one thread or several.

use std::sync::Mutex;

use super::run::Pass;
use super::setting::{Run, Setting};
use super::tape::{Context, Tape};
use crate::error::{Error, check_nonempty, check_size};
use crate::feedback::Feedback;
use crate::network::{Network, Shape};
use crate::prepared::Prepared;
use crate::readout::Score;
use crate::scalar::Scalar;
use crate::sequences::Sequences;
use crate::shards::{Shards, most_rows};

/// What every learner of batches owns.
#[derive(Clone, Debug)]
pub(crate) struct Batch<T: Scalar> {
    pub(crate) shape: Shape,
    pub(crate) setting: Setting,
    pub(crate) feedback: Feedback<T>,
    prepared: Vec<Prepared<T>>,
    shards: Shards<Tape<T>, T>,
}

/// What a pass over a batch leaves besides a score: nothing where a slice is empty.
#[derive(Debug, Default)]
pub(crate) struct Leaves<'a, T> {
    pub(crate) gradient: &'a mut [T],
    /// `[steps, batch, input]`
    pub(crate) input_gradient: &'a mut [T],
    /// `[steps, batch, output]`
    pub(crate) outputs: &'a mut [T],
}

impl<T: Scalar> Batch<T> {
    /// For at most `batch` rows.
    pub(crate) fn new(
        network: &Network<T>,
        batch: usize,
        setting: Setting,
        feedback: Feedback<T>,
        learns_readout: bool,
    ) -> Result<Self, Error> {
        check_nonempty("batch", batch)?;
        let shape = network.shape();
        feedback.check(&shape)?;
        let most = most_rows(setting.traces(), size_of::<T>() * shape.layout.len());
        let gradient = if setting.learns() || learns_readout { shape.layout.len() } else { 0 };
        let shards = Shards::new(batch, most, gradient, |rows| Tape::zeros(&shape, rows, setting))?;
        let prepare = |layer| Prepared::zeros(layer, setting.purpose(shards.rows()));
        let prepared = shape.layout.layers().iter().map(prepare).collect();
        Ok(Self { shape, setting, feedback, prepared, shards })
    }

    pub(crate) fn setting(&self) -> &Setting {
        &self.setting
    }

    /// The score of `sequences`; what else is wanted is overwritten.
    pub(crate) fn run(
        &mut self,
        network: &Network<T>,
        sequences: &Sequences<'_, T>,
        leaves: Leaves<'_, T>,
    ) -> Result<Score, Error> {
        let Leaves { gradient, input_gradient, outputs } = leaves;
        network.check_same_shape(&self.shape)?;
        sequences.check(&self.shape, self.shards.batch())?;
        let found = sequences.steps();
        if let Run::Whole(reserved) = self.setting.run
            && found > reserved
        {
            return Err(Error::Capacity { what: "steps on the tape", reserved, found });
        }
        let (batch, places) = (sequences.batch(), sequences.steps() * sequences.batch());
        check_leaf("gradient", self.shape.layout.len(), gradient)?;
        check_leaf("input gradient", places * self.shape.layout.input(), input_gradient)?;
        check_leaf("outputs", places * self.shape.output(), outputs)?;
        let parameters = network.parameters();
        if self.setting.learns() {
            self.feedback.before_update(&self.shape, parameters);
        }
        Prepared::refresh_layers(&mut self.prepared, self.setting.level, parameters);
        let context = Context { parameters, prepared: &self.prepared, feedback: &self.feedback };
        let work = places * self.shape.layout.len();
        let [outputs, input_gradient] = &[outputs, input_gradient].map(Mutex::new);
        Ok(self.shards.run(batch, work, gradient, |tape, rows, gradient| {
            tape.run(Pass { context, sequences, rows, outputs, input_gradient }, gradient)
        }))
    }

    /// What is to be done after an update: `crate::feedback`.
    pub(crate) fn after_update(&mut self, network: &mut Network<T>) -> Result<(), Error> {
        network.check_same_shape(&self.shape)?;
        self.feedback.after_update(&self.shape, network);
        Ok(())
    }
}

/// `Ok` if a slice is not wanted, or has its size.
fn check_leaf<T>(what: &'static str, expected: usize, leaf: &[T]) -> Result<(), Error> {
    if leaf.is_empty() { Ok(()) } else { check_size(what, expected, leaf.len()) }
}
