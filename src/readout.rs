//! The readout: an affine output layer, its loss, and the error that becomes the learning signal.
//!
//! ```text
//! (1) y = W_out [h; 1]
//! (2) E = -log softmax(y)[class]        dE/dy = softmax(y) - onehot(class)
//! (3) E = 1/2 |y - target|^2            dE/dy = y - target
//! (4) L = B^T dE/dy                     B = W_out (symmetric) or fixed (random)
//! ```
//!
//! (4): Hoyer et al. 2022, eq. 10. What computes them for a batch is `crate::learner::output`.

use crate::affine::{Rect, Scalar};
use crate::error::{Error, check_nonempty, check_size};
use crate::layout::Block;

/// What the readout is trained to minimise, per step and batch row.
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

/// Loss and hits, summed over whatever was scored.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Score {
    /// Sum of the losses.
    pub loss: f64,
    /// Targets scored.
    pub targets: usize,
    /// Classes for which the output was largest (cross-entropy only; ties go to the lowest class).
    pub correct: usize,
}

impl Score {
    /// Adds another score.
    pub fn add(&mut self, other: &Self) {
        self.loss += other.loss;
        self.targets += other.targets;
        self.correct += other.correct;
    }
    /// Mean loss per target; NaN without targets.
    #[must_use]
    pub fn mean_loss(&self) -> f64 {
        self.loss / self.targets as f64
    }
    /// Fraction of classes missed; NaN without targets.
    #[must_use]
    pub fn error_rate(&self) -> f64 {
        1.0 - self.correct as f64 / self.targets as f64
    }
}

/// W_out, in the readout's block, without its bias column: `[output, hidden]`, also the feedback matrix of symmetric e-prop.
pub(crate) fn weights<T: Scalar>(block: Block, parameters: &[T]) -> Rect<&[T]> {
    Rect { columns: block.columns() - 1, ..block.matrix(parameters) }
}

/// `Ok` if every target goes with the readout.
pub(crate) fn check_targets<T: Scalar>(readout: &Readout, targets: &[Target<'_, T>]) -> Result<(), Error> {
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
