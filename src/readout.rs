//! The readout: an affine output layer, its loss, and the error that becomes the learning signal.
//!
//! ```text
//! (1) y = W_out [h; 1]
//! (2) E = -log softmax(y)[class]        dE/dy = softmax(y) - onehot(class)
//! (3) E = 1/2 |y - target|^2            dE/dy = y - target
//! (4) L = B^T dE/dy                     B = W_out (symmetric) or fixed (random)
//! ```
//!
//! (4): Hoyer et al. 2022, eq. 10. What computes them for a batch is `crate::learner::engine::output`.

use crate::affine::Rect;
use crate::block::Block;
use crate::error::{Error, check_nonempty, check_size};
use crate::scalar::Scalar;

/// What the readout is trained to minimise, per step and batch row.
///
/// Of a batch it is the mean over the rows of the sum over a row's targets, `1/B sum_r sum_t E_rt`: that is what gradients are of. Rows
/// that have ended, or have no target, count in B. [`Score::mean_loss`] is per target instead, for people to read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Loss {
    /// Softmax with cross-entropy, for one class out of `output`.
    CrossEntropy,
    /// Half the squared distance to a target vector.
    SquaredError,
}

/// An affine output layer with its loss; its weights live in a [`Network`](crate::Network).
///
/// ```
/// use eligibility::{Loss, Readout};
/// let readout = Readout::new(10, Loss::CrossEntropy)?;
/// assert_eq!(readout.output(), 10);
/// # Ok::<(), eligibility::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Readout {
    output: usize,
    loss: Loss,
}

impl Readout {
    /// `output` outputs.
    ///
    /// # Errors
    ///
    /// If `output` is zero.
    pub fn new(output: usize, loss: Loss) -> Result<Self, Error> {
        check_nonempty("output size", output)?;
        Ok(Self { output, loss })
    }
    /// Outputs.
    #[must_use]
    pub fn output(&self) -> usize {
        self.output
    }
    /// The loss.
    #[must_use]
    pub fn loss(&self) -> Loss {
        self.loss
    }
}

/// What one batch row is to be at one step.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Target<'a, T> {
    /// A class, for [`Loss::CrossEntropy`].
    Class(usize),
    /// `[output]`: values, for [`Loss::SquaredError`].
    Values(&'a [T]),
    /// None, for any loss: nothing is scored and no learning signal arises.
    Absent,
}

/// A step of a row: what a loss of one's own is asked about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct At {
    /// Step, from 0.
    pub step: usize,
    /// Row of the batch.
    pub row: usize,
}

/// A loss of one's own: of y_t `[output]` of a row, writes dE/dy_t, which is zero before, and returns E. The loss of the batch
/// is the mean over its rows of the sum of these, as for the built-in losses, which are two of them.
///
/// A function of its arguments alone: it is called once for each target, in no particular order and perhaps on several
/// threads.
///
/// ```
/// use eligibility::{At, CustomLoss, Sequences, Targets};
/// // Q-learning: half the squared error of the value of the action that was taken.
/// let (actions, returns) = ([0_usize, 2, 1], [0.5_f32, 1.0, -1.0]);
/// let loss = |at: At, values: &[f32], error: &mut [f32]| {
///     let difference = values[actions[at.step]] - returns[at.step];
///     error[actions[at.step]] = difference;
///     f64::from(0.5 * difference * difference)
/// };
/// let targets = Targets::Every(&loss as &CustomLoss<'_, f32>);
/// let sequences = Sequences::new(3, 1, &[0.1, 0.2, 0.3], targets)?;
/// # assert_eq!(sequences.steps(), 3);
/// # Ok::<(), eligibility::Error>(())
/// ```
pub type CustomLoss<'a, T> = dyn Fn(At, &[T], &mut [T]) -> f64 + Sync + 'a;

/// What one output is compared with.
#[derive(Clone, Copy)]
pub(crate) enum Goal<'a, T> {
    Class(usize),
    Values(&'a [T]),
    Custom(&'a CustomLoss<'a, T>, At),
}

impl<'a, T> Target<'a, T> {
    pub(crate) fn goal(&self) -> Option<Goal<'a, T>> {
        match *self {
            Self::Class(class) => Some(Goal::Class(class)),
            Self::Values(values) => Some(Goal::Values(values)),
            Self::Absent => None,
        }
    }
}

/// (2), (3) or a loss of one's own: sets `error` to `weight * dE/dy`. The largest y is subtracted before exp, so that it cannot
/// overflow.
pub(crate) fn evaluate<T: Scalar>(
    goal: Goal<'_, T>,
    weight: T,
    output: &[T],
    error: &mut [T],
    total: &mut Score,
) {
    total.targets += 1;
    match goal {
        Goal::Class(class) => {
            let largest = output.iter().fold(f64::NEG_INFINITY, |largest, y| largest.max(y.to_f64()));
            let sum: f64 = output.iter().map(|y| (y.to_f64() - largest).exp()).sum();
            for (index, (error, y)) in error.iter_mut().zip(output).enumerate() {
                let probability = (y.to_f64() - largest).exp() / sum;
                let onehot = f64::from(u8::from(index == class));
                *error = weight * T::from_f64(probability - onehot);
            }
            let loss = largest + sum.ln() - output[class].to_f64();
            let first_largest = output.iter().position(|y| y.to_f64() >= largest);
            total.loss += loss;
            total.classes += 1;
            // Beside NaN nothing is largest.
            total.correct += usize::from(first_largest == Some(class) && !loss.is_nan());
        }
        Goal::Values(values) => {
            let mut squares = 0.0;
            for ((error, &y), &value) in error.iter_mut().zip(output).zip(values) {
                let difference = y - value;
                squares += difference.to_f64() * difference.to_f64();
                *error = weight * difference;
            }
            total.loss += 0.5 * squares;
        }
        Goal::Custom(loss, at) => {
            error.fill(T::ZERO);
            total.loss += loss(at, output, error);
            for error in error {
                *error *= weight;
            }
        }
    }
}

/// Loss and hits, summed over whatever was scored.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Score {
    /// Sum of the losses.
    pub loss: f64,
    /// Targets scored.
    pub targets: usize,
    /// Of these, targets that are a class.
    pub classes: usize,
    /// Classes for which the output was largest; ties go to the lowest class. None where an output is NaN.
    pub correct: usize,
}

impl Score {
    /// Adds another score.
    pub fn add(&mut self, other: &Self) {
        self.loss += other.loss;
        self.targets += other.targets;
        self.classes += other.classes;
        self.correct += other.correct;
    }
    /// Mean loss per target, which is not what gradients are of ([`Loss`]); NaN without targets.
    #[must_use]
    pub fn mean_loss(&self) -> f64 {
        self.loss / self.targets as f64
    }
    /// Fraction of classes missed; NaN without classes, as in a regression.
    ///
    /// ```
    /// let score = eligibility::Score { loss: 2.0, targets: 4, classes: 4, correct: 3 };
    /// assert_eq!((score.mean_loss(), score.error_rate()), (0.5, 0.25));
    /// assert!(eligibility::Score { classes: 0, correct: 0, ..score }.error_rate().is_nan());
    /// ```
    #[must_use]
    pub fn error_rate(&self) -> f64 {
        1.0 - self.correct as f64 / self.classes as f64
    }
}

/// W_out, in the readout's block, without its bias column: `[output, hidden]`, also the feedback matrix of symmetric e-prop.
pub(crate) fn weights<T: Scalar>(block: Block, parameters: &[T]) -> Rect<&[T]> {
    Rect { columns: block.columns() - 1, ..block.matrix(parameters) }
}

/// `Ok` if every target goes with the readout.
pub(crate) fn check_targets<T: Scalar>(
    readout: Option<&Readout>,
    targets: &[Target<'_, T>],
) -> Result<(), Error> {
    let Some(readout) = readout else {
        let there = targets.iter().any(|target| !matches!(target, Target::Absent));
        return if there { Err(Error::NoReadout { what: "classes or values as targets" }) } else { Ok(()) };
    };
    for (index, target) in targets.iter().enumerate() {
        match (*target, readout.loss) {
            (Target::Class(found), Loss::CrossEntropy) if found >= readout.output => {
                let largest = readout.output - 1;
                return Err(Error::OutOfRange { what: "target class", index, largest, found });
            }
            (Target::Class(_), Loss::CrossEntropy) | (Target::Absent, _) => {}
            (Target::Values(values), Loss::SquaredError) => {
                check_size("target values", readout.output, values.len())?;
            }
            (_, Loss::CrossEntropy) => {
                return Err(Error::Target { expected: "classes", found: "values" });
            }
            (_, Loss::SquaredError) => {
                return Err(Error::Target { expected: "values", found: "classes" });
            }
        }
    }
    Ok(())
}
