//! A batch of sequences as a learner takes it: inputs, targets, resets, lengths.

use crate::error::{Error, check_nonempty, check_size, checked_product};
use crate::network::Shape;
use crate::readout::{At, CustomLoss, Goal, Loss};
use crate::scalar::Scalar;
use crate::state::State;

/// What the outputs are to be, and when: the kind of target is the timing of the learning signal.
#[derive(Clone, Copy)]
pub enum Targets<'a, T> {
    /// None: for outputs alone.
    None,
    /// `[batch]`: a class at each row's last step.
    LastClass(&'a [usize]),
    /// `[steps, batch]`: a class at every step.
    EveryClass(&'a [usize]),
    /// `[batch, output]`: values at each row's last step.
    LastValues(&'a [T]),
    /// `[steps, batch, output]`: values at every step.
    EveryValues(&'a [T]),
    /// A loss of one's own at each row's last step.
    Last(&'a CustomLoss<'a, T>),
    /// A loss of one's own at every step.
    Every(&'a CustomLoss<'a, T>),
}

impl<T> std::fmt::Debug for Targets<'_, T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::None => "none",
            Self::LastClass(_) => "classes at each row's last step",
            Self::EveryClass(_) => "classes at every step",
            Self::LastValues(_) => "values at each row's last step",
            Self::EveryValues(_) => "values at every step",
            Self::Last(_) => "a loss of one's own at each row's last step",
            Self::Every(_) => "a loss of one's own at every step",
        })
    }
}

/// A batch of sequences, time-major: step by step, and within a step row by row (`PyTorch`'s default order).
///
/// Rows start from a zero state unless [`Sequences::starting_from`] says otherwise; traces always start at zero.
///
/// ```
/// use eligibility::{Sequences, Targets};
/// // 3 steps of 2 rows with 1 input each; row 1 is one step shorter.
/// let inputs = [0.1_f32, 0.2, 0.3, 0.4, 0.5, 0.0];
/// let sequences = Sequences::new(3, 2, &inputs, Targets::LastClass(&[0, 1]))?.with_lengths(&[3, 2])?;
/// assert_eq!((sequences.steps(), sequences.batch()), (3, 2));
/// # Ok::<(), eligibility::Error>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Sequences<'a, T: Scalar> {
    steps: usize,
    batch: usize,
    inputs: &'a [T],
    targets: Targets<'a, T>,
    is_first: Option<&'a [bool]>,
    lengths: Option<&'a [usize]>,
    target_mask: Option<&'a [bool]>,
    initial: Option<&'a [State<T>]>,
}

impl<'a, T: Scalar> Sequences<'a, T> {
    /// `steps` steps of `batch` rows; `inputs` is `[steps, batch, input]`.
    ///
    /// # Errors
    ///
    /// If there are no steps or no rows, or a size does not fit.
    pub fn new(steps: usize, batch: usize, inputs: &'a [T], targets: Targets<'a, T>) -> Result<Self, Error> {
        check_nonempty("number of steps", steps)?;
        check_nonempty("batch", batch)?;
        let places = checked_product("steps x batch", &[steps, batch])?;
        if inputs.is_empty() || !inputs.len().is_multiple_of(places) {
            let expected = inputs.len().next_multiple_of(places).max(places);
            return Err(Error::Shape {
                what: "inputs (a multiple of steps x batch)",
                expected,
                found: inputs.len(),
            });
        }
        match targets {
            Targets::LastClass(classes) => check_size("classes", batch, classes.len())?,
            Targets::EveryClass(classes) => check_size("classes", places, classes.len())?,
            _ => {}
        }
        Ok(Self {
            steps,
            batch,
            inputs,
            targets,
            is_first: None,
            lengths: None,
            target_mask: None,
            initial: None,
        })
    }
    /// With a reset mask `[steps, batch]`: where it is true, x_t starts a new episode, so that row's state *and
    /// traces* are zeroed before the step.
    ///
    /// # Errors
    ///
    /// If the size does not fit.
    pub fn with_resets(self, is_first: &'a [bool]) -> Result<Self, Error> {
        check_size("is_first", self.steps * self.batch, is_first.len())?;
        Ok(Self { is_first: Some(is_first), ..self })
    }
    /// With lengths `[batch]`: row b ends after `lengths[b]` steps, at least 1. What lies beyond must be there, but is
    /// not read, and its targets do not count.
    ///
    /// # Errors
    ///
    /// If the size does not fit or a length is 0 or more than the number of steps.
    pub fn with_lengths(self, lengths: &'a [usize]) -> Result<Self, Error> {
        check_size("lengths", self.batch, lengths.len())?;
        for (index, &found) in lengths.iter().enumerate() {
            check_nonempty("every length", found)?;
            if found > self.steps {
                return Err(Error::OutOfRange { what: "lengths", index, largest: self.steps, found });
            }
        }
        Ok(Self { lengths: Some(lengths), ..self })
    }
    /// With a target mask `[steps, batch]`, for targets at every step: where it is false, that row has no target at that
    /// step. What lies in its place is not read and may be any class or NaN; nothing is scored there and no learning
    /// signal arises. The loss stays the mean over the rows of the sum over a row's targets.
    ///
    /// ```
    /// use eligibility::{Sequences, Targets};
    /// // A target every other step of one row.
    /// let values = [1.0, f32::NAN, -1.0, f32::NAN];
    /// let sequences = Sequences::new(4, 1, &[0.1, 0.2, 0.3, 0.4], Targets::EveryValues(&values))?;
    /// assert!(sequences.with_target_mask(&[true, false, true, false]).is_ok());
    /// # Ok::<(), eligibility::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// If the size does not fit or targets are at the last step only.
    pub fn with_target_mask(self, target_mask: &'a [bool]) -> Result<Self, Error> {
        if !self.every_step() {
            let found = if matches!(self.targets, Targets::None) {
                "none"
            } else {
                "targets at each row's last step"
            };
            let expected = "targets at every step";
            return Err(Error::Timing { what: "target mask", expected, found });
        }
        check_size("target mask", self.steps * self.batch, target_mask.len())?;
        Ok(Self { target_mask: Some(target_mask), ..self })
    }
    /// With an initial state of each layer, taken as a constant: no gradient flows into it. `std::slice::from_ref`
    /// makes a slice of a single layer's.
    #[must_use]
    pub fn starting_from(self, initial: &'a [State<T>]) -> Self {
        Self { initial: Some(initial), ..self }
    }
    /// Steps of the longest row.
    #[must_use]
    pub fn steps(&self) -> usize {
        self.steps
    }
    /// Rows.
    #[must_use]
    pub fn batch(&self) -> usize {
        self.batch
    }

    /// `Ok` if this batch goes with a network of `shape` and a learner for at most `batch` rows.
    pub(crate) fn check(&self, shape: &Shape, batch: usize) -> Result<(), Error> {
        if self.batch > batch {
            return Err(Error::Capacity { what: "rows of a batch", reserved: batch, found: self.batch });
        }
        let places = self.steps * self.batch;
        check_size("inputs", checked_product("inputs", &[places, shape.layout.input()])?, self.inputs.len())?;
        if let Some(initial) = self.initial {
            check_size("initial states (one for each layer)", shape.layout.layers().len(), initial.len())?;
            for (layer, initial) in shape.layout.layers().iter().zip(initial) {
                initial.check(&layer.cell, self.batch)?;
            }
        }
        if let Targets::None | Targets::Last(_) | Targets::Every(_) = self.targets {
            return Ok(());
        }
        let Some(readout) = &shape.readout else {
            return Err(Error::NoReadout { what: "classes or values as targets" });
        };
        let outputs = readout.output();
        match (self.targets, readout.loss()) {
            (Targets::None | Targets::Last(_) | Targets::Every(_), _) => Ok(()),
            (Targets::LastClass(classes) | Targets::EveryClass(classes), Loss::CrossEntropy) => {
                let read = |place: usize| {
                    !self.every_step() || self.has_target(place / self.batch, place % self.batch)
                };
                let mut wrong = classes.iter().enumerate().filter(|&(_, &class)| class >= outputs);
                match wrong.find(|&(index, _)| read(index)) {
                    None => Ok(()),
                    Some((index, &found)) => {
                        Err(Error::OutOfRange { what: "target class", index, largest: outputs - 1, found })
                    }
                }
            }
            (Targets::LastValues(values), Loss::SquaredError) => {
                check_size("target values", self.batch * outputs, values.len())
            }
            (Targets::EveryValues(values), Loss::SquaredError) => {
                check_size("target values", checked_product("targets", &[places, outputs])?, values.len())
            }
            (_, Loss::CrossEntropy) => Err(Error::Target { expected: "classes", found: "values" }),
            (_, Loss::SquaredError) => Err(Error::Target { expected: "values", found: "classes" }),
        }
    }

    /// `[rows, input]`: x_t of the rows.
    pub(crate) fn input(&self, step: usize, rows: Rows) -> &'a [T] {
        let input = self.inputs.len() / (self.steps * self.batch);
        &self.inputs[(step * self.batch + rows.start) * input..][..rows.count * input]
    }
    /// `[rows]`: which rows start an episode with x_t.
    pub(crate) fn is_first(&self, step: usize, rows: Rows) -> Option<&'a [bool]> {
        self.is_first.map(|mask| &mask[step * self.batch + rows.start..][..rows.count])
    }
    /// Steps of a row.
    pub(crate) fn length(&self, row: usize) -> usize {
        self.lengths.map_or(self.steps, |lengths| lengths[row])
    }
    /// Where the rows start from in a layer.
    pub(crate) fn initial(&self, layer: usize) -> Option<&'a State<T>> {
        self.initial.map(|states| &states[layer])
    }
    /// Whether targets are per step, not per row.
    pub(crate) fn every_step(&self) -> bool {
        matches!(self.targets, Targets::EveryClass(_) | Targets::EveryValues(_) | Targets::Every(_))
    }
    /// Whether a row has a target at `step`. Nothing else decides it.
    pub(crate) fn has_target(&self, step: usize, row: usize) -> bool {
        if self.every_step() {
            let masked_in = |mask: &[bool]| mask[step * self.batch + row];
            step < self.length(row) && self.target_mask.is_none_or(masked_in)
        } else {
            !matches!(self.targets, Targets::None) && step + 1 == self.length(row)
        }
    }
    /// What the output of a row at `step` is compared with, where it has a target.
    pub(crate) fn goal(&self, step: usize, row: usize) -> Option<Goal<'a, T>> {
        let values = |values: &'a [T], index: usize, count: usize| {
            let outputs = values.len() / count;
            Goal::Values(&values[index * outputs..][..outputs])
        };
        let place = step * self.batch + row;
        Some(match self.targets {
            Targets::None => return None,
            Targets::LastClass(classes) => Goal::Class(classes[row]),
            Targets::EveryClass(classes) => Goal::Class(classes[place]),
            Targets::LastValues(all) => values(all, row, self.batch),
            Targets::EveryValues(all) => values(all, place, self.steps * self.batch),
            Targets::Last(loss) | Targets::Every(loss) => Goal::Custom(loss, At { step, row }),
        })
    }
}

/// A run of batch rows, processed together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Rows {
    pub(crate) start: usize,
    pub(crate) count: usize,
}
