//! What can be wrong with an input: every error names what, what was expected and what was found.

use std::fmt;

use eligibility_kernels::LevelError;

/// A rejected input. Nothing was changed where one is returned.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Error {
    /// A slice or count has the wrong size.
    Shape {
        /// The slice or count.
        what: &'static str,
        /// The size it must have.
        expected: usize,
        /// The size it has.
        found: usize,
    },
    /// A size that must be at least one is zero.
    Empty {
        /// The size.
        what: &'static str,
    },
    /// A number in a slice is too large.
    OutOfRange {
        /// The slice.
        what: &'static str,
        /// Index of the first offending element.
        index: usize,
        /// The largest value allowed.
        largest: usize,
        /// The value found.
        found: usize,
    },
    /// A setting has a value outside its domain (NaN is outside every domain).
    Setting {
        /// The setting.
        what: &'static str,
        /// What it must be.
        expected: &'static str,
        /// What it is.
        found: f64,
    },
    /// The kind of target does not go with the readout's loss.
    Target {
        /// The kind that the loss needs.
        expected: &'static str,
        /// The kind that was given.
        found: &'static str,
    },
    /// The timing of the targets does not go with something that was asked of them.
    Timing {
        /// What was asked.
        what: &'static str,
        /// The timing that it needs.
        expected: &'static str,
        /// The timing that was given.
        found: &'static str,
    },
    /// A network has the right sizes but another form than the one the learner was made for.
    Form {
        /// In what it differs.
        what: &'static str,
    },
    /// A learner cannot train a cell.
    Cell {
        /// The learner.
        learner: &'static str,
        /// The cells that it trains.
        expected: &'static str,
        /// The cell it was given.
        found: &'static str,
    },
    /// There is no part of that name.
    NoPart {
        /// The name that was asked for.
        found: String,
        /// The names that there are.
        expected: String,
    },
    /// A network without a readout was asked for what only a readout gives.
    NoReadout {
        /// What was asked.
        what: &'static str,
    },
    /// A learner was asked for something that means nothing for it.
    Meaningless {
        /// What was asked, and of whom.
        what: &'static str,
        /// Why it means nothing.
        why: &'static str,
    },
    /// More is asked than was reserved at construction.
    Capacity {
        /// What was reserved.
        what: &'static str,
        /// How much of it.
        reserved: usize,
        /// How much is needed.
        found: usize,
    },
    /// The sizes multiply to more than memory can address.
    TooLarge {
        /// What would be too large.
        what: &'static str,
    },
    /// A learning signal was given before any step was taken.
    NoStep,
    /// A fused update came after the step's traces had been used already.
    AlreadyLearned,
    /// A fused update was asked of a learner whose gradient is not made in one sweep.
    NotFused {
        /// What keeps it from that.
        what: &'static str,
    },
    /// `ELIGIBILITY_LEVEL` names no level of this machine.
    Level(LevelError),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Shape { what, expected, found } => {
                write!(f, "{what} must have size {expected}, but has {found}")
            }
            Self::Empty { what } => write!(f, "{what} must be at least 1, but is 0"),
            Self::OutOfRange { what, index, largest, found } => {
                write!(f, "{what} must be at most {largest}, but element {index} is {found}")
            }
            Self::Setting { what, expected, found } => write!(f, "{what} must be {expected}, but is {found}"),
            Self::Target { expected, found } => {
                write!(f, "this readout's loss needs {expected} as targets, but was given {found}")
            }
            Self::Timing { what, expected, found } => {
                write!(f, "{what} needs {expected}, but was given {found}")
            }
            Self::Form { what } => {
                write!(
                    f,
                    "network's {what} must be that of the network the learner was made for, but is another"
                )
            }
            Self::Cell { learner, expected, found } => {
                write!(f, "{learner} trains {expected}, but the network has a layer of another cell: {found}")
            }
            Self::NoPart { found, expected } => {
                write!(f, "there is no part {found:?}, but there are: {expected}")
            }
            Self::NoReadout { what } => write!(f, "{what} need a readout, but the network has none"),
            Self::Meaningless { what, why } => write!(f, "{what} means nothing: {why}"),
            Self::Capacity { what, reserved, found } => {
                write!(f, "{what}: {found} needed, but {reserved} were reserved at construction")
            }
            Self::TooLarge { what } => write!(f, "{what} is too large for this machine's address space"),
            Self::NoStep => write!(f, "a learning signal needs a step to belong to: call step first"),
            Self::AlreadyLearned => {
                write!(
                    f,
                    "a fused update must be the first learning signal of its step: use learn for others"
                )
            }
            Self::NotFused { what } => {
                write!(f, "{what} cannot be part of a fused update: use learn and an optimiser's update")
            }
            Self::Level(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for Error {}

impl From<LevelError> for Error {
    fn from(error: LevelError) -> Self {
        Self::Level(error)
    }
}

/// `Ok` if `found` is `expected`.
pub(crate) fn check_size(what: &'static str, expected: usize, found: usize) -> Result<(), Error> {
    if expected == found { Ok(()) } else { Err(Error::Shape { what, expected, found }) }
}

/// `Ok` if `size` is at least one.
pub(crate) fn check_nonempty(what: &'static str, size: usize) -> Result<(), Error> {
    if size == 0 { Err(Error::Empty { what }) } else { Ok(()) }
}

/// `Ok` if `found` is finite and `accept`s.
pub(crate) fn check_setting(
    what: &'static str,
    expected: &'static str,
    found: f64,
    accept: impl Fn(f64) -> bool,
) -> Result<(), Error> {
    if found.is_finite() && accept(found) { Ok(()) } else { Err(Error::Setting { what, expected, found }) }
}

/// The product of `sizes`, if memory could hold that many elements of 8 bytes.
pub(crate) fn checked_product(what: &'static str, sizes: &[usize]) -> Result<usize, Error> {
    let limit = isize::MAX.unsigned_abs() / size_of::<f64>();
    (sizes.iter().try_fold(1_usize, |product, &size| product.checked_mul(size)))
        .filter(|&product| product <= limit)
        .ok_or(Error::TooLarge { what })
}
