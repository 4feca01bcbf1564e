//! Cells: what a layer of a network is. A cell is its sizes and form; its weights live in a [`Network`](crate::Network).
//!
//! | cell | recurrence | state of a unit | exact RTRL |
//! |---|---|---|---|
//! | [`Lstm`] | dense, through the gates | c, h | no: e-prop |
//!
//! What every layer of a network gives, and hence what the next layer or the readout takes, is [`Cell::output`] wide.

use std::ops::Range;

mod lstm;

pub use lstm::{Lstm, LstmState};

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

cells! { Lstm "LSTM" }

impl Cell {
    /// The LSTM, if it is one.
    #[must_use]
    pub fn as_lstm(&self) -> Option<&Lstm> {
        match self {
            Self::Lstm(lstm) => Some(lstm),
        }
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
}
