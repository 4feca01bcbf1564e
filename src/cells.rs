//! Cells: what a layer of a network is. A cell is its sizes and form; its weights live in a [`Network`](crate::Network).
//!
//! | cell | recurrence | state of a unit |
//! |---|---|---|
//! | [`Lstm`] | dense, through the gates | c, h |
//! | [`Rtu`] | complex diagonal, linear or not | a complex number |
//! | [`OnlineLru`] | complex diagonal, linear | a complex number |
//! | [`BlockDiagonal`] | free 2 x 2 blocks | two numbers |
//! | [`MinGru`], [`Elstm`] | diagonal, gated | a number |
//! | [`Gru`], [`Rnn`] | dense | a number |
//! | [`Dense`] | none | - |
//!
//! What every layer of a network gives, and hence what the next layer or the readout takes, is [`Cell::output`] wide.

use std::ops::Range;

mod block_diagonal;
mod dense;
mod dense_recurrent;
mod lstm;
mod online_lru;
mod rtu;
mod single;

pub use block_diagonal::BlockDiagonal;
pub use dense::Dense;
pub use dense_recurrent::{Gru, Rnn};
pub use lstm::Lstm;
pub use online_lru::OnlineLru;
pub use rtu::{Parameterisation, Recurrence, Rtu};
pub use single::{Elstm, MinGru};

/// Any cell.
///
/// ```
/// use eligibility::{Cell, Lstm};
/// let cell = Cell::from(Lstm::new(2, 8)?);
/// assert_eq!((cell.name(), cell.input(), cell.output()), ("LSTM", 2, 8));
/// # Ok::<(), eligibility::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Cell {
    /// [`Lstm`]
    Lstm(Lstm),
    /// [`Rtu`]
    Rtu(Rtu),
    /// [`OnlineLru`]
    OnlineLru(OnlineLru),
    /// [`BlockDiagonal`]
    BlockDiagonal(BlockDiagonal),
    /// [`MinGru`]
    MinGru(MinGru),
    /// [`Elstm`]
    Elstm(Elstm),
    /// [`Gru`]
    Gru(Gru),
    /// [`Rnn`]
    Rnn(Rnn),
    /// [`Dense`]
    Dense(Dense),
}

macro_rules! cells {
    ($($cell:ident $name:literal),+) => {
        $(impl From<$cell> for Cell {
            fn from(cell: $cell) -> Self {
                Self::$cell(cell)
            }
        })+
        impl Cell {
            /// What people call it.
            #[must_use]
            pub fn name(&self) -> &'static str {
                match self {
                    $(Self::$cell(_) => $name),+
                }
            }
            /// Inputs.
            #[must_use]
            pub fn input(&self) -> usize {
                match self {
                    $(Self::$cell(cell) => cell.input()),+
                }
            }
            /// Units.
            #[must_use]
            pub fn units(&self) -> usize {
                match self {
                    $(Self::$cell(cell) => cell.units()),+
                }
            }
            /// Outputs: what the layer above, or the readout, takes.
            #[must_use]
            pub fn output(&self) -> usize {
                match self {
                    $(Self::$cell(cell) => cell.output()),+
                }
            }
            /// The matrices of its weights.
            pub(crate) fn blocks(&self) -> Blocks {
                match self {
                    $(Self::$cell(cell) => cell.blocks()),+
                }
            }
        }
    };
}

cells! {
    Lstm "LSTM",
    Rtu "RTU",
    OnlineLru "online LRU",
    BlockDiagonal "block-diagonal RNN",
    MinGru "minGRU",
    Elstm "eLSTM",
    Gru "GRU",
    Rnn "RNN",
    Dense "dense layer"
}

impl Cell {
    /// The parts of its [`State`](crate::State): their names, and how many numbers of each a row has.
    #[must_use]
    pub fn state_parts(&self) -> impl ExactSizeIterator<Item = (&'static str, usize)> + use<> {
        let units = self.units();
        let (count, first) = match self {
            Self::Lstm(_) => (2, ("cell", units)),
            Self::Rtu(_) | Self::OnlineLru(_) | Self::BlockDiagonal(_) => {
                (1, ("state", units.saturating_mul(2)))
            }
            Self::MinGru(_) | Self::Gru(_) | Self::Rnn(_) => (1, ("hidden", units)),
            Self::Elstm(_) => (1, ("cell", units)),
            Self::Dense(_) => (0, ("", 0)),
        };
        [first, ("hidden", units)].into_iter().take(count)
    }
    /// Whether its units read each other's states: then only BPTT is exact.
    pub(crate) fn has_dense_recurrence(&self) -> bool {
        matches!(self, Self::Lstm(_) | Self::Gru(_) | Self::Rnn(_))
    }
}

/// The matrices of a cell's weights, by their sizes `[rows, columns]`.
#[derive(Clone, Debug)]
pub(crate) struct Blocks {
    /// What is multiplied with the presynaptic activity.
    pub(crate) weights: [usize; 2],
    /// What is multiplied with the state, where that is a matrix of its own.
    pub(crate) recurrent: Option<[usize; 2]>,
    /// Scalar parameters of each unit: a row per parameter, a column per unit.
    pub(crate) unit: Option<[usize; 2]>,
    /// The named parts of all of them.
    pub(crate) parts: Vec<PartOf>,
}

/// A named part of one of a cell's blocks.
#[derive(Clone, Debug)]
pub(crate) struct PartOf {
    pub(crate) name: &'static str,
    pub(crate) of: Which,
    pub(crate) rows: Range<usize>,
    pub(crate) columns: Range<usize>,
}

/// One of a cell's blocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Which {
    Weights,
    Recurrent,
    Unit,
}

impl PartOf {
    /// Rows and columns of the weights.
    fn weights(name: &'static str, rows: Range<usize>, columns: Range<usize>) -> Self {
        Self { name, of: Which::Weights, rows, columns }
    }
    /// Rows of scalar parameters, one for each of so many units.
    fn unit(names: &'static [&'static str], units: usize) -> impl Iterator<Item = Self> {
        let part = move |(row, &name)| Self { name, of: Which::Unit, rows: row..row + 1, columns: 0..units };
        names.iter().enumerate().map(part)
    }
}

/// Two matrices `[units, input]`, one below the other.
fn pair_weights(names: [&'static str; 2], units: usize, input: usize) -> Vec<PartOf> {
    let [first, second] = names;
    let weights = |name, rows| PartOf::weights(name, rows, 0..input);
    vec![weights(first, 0..units), weights(second, units..units.saturating_mul(2))]
}
