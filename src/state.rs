//! States as values: that of a layer, what a step reads of the step before; and all that a stream carries of a row.

use crate::buffer::Buffer;
use crate::cells::Cell;
use crate::error::{Error, check_size, checked_product};
use crate::scalar::Scalar;

/// The state of one layer for a batch of rows: a value, zero before a sequence.
///
/// | cell | parts, `[rows, width]` |
/// |---|---|
/// | [`Lstm`](crate::Lstm) | `cell`, `hidden` |
/// | [`Rtu`](crate::Rtu), [`OnlineLru`](crate::OnlineLru), [`BlockDiagonal`](crate::BlockDiagonal) | `state`: all first components of a row, then all second ones |
/// | [`MinGru`](crate::MinGru), [`Gru`](crate::Gru), [`Rnn`](crate::Rnn) | `hidden` |
/// | [`Elstm`](crate::Elstm) | `cell` |
/// | [`Dense`](crate::Dense) | none |
///
/// ```
/// use eligibility::{Lstm, State};
/// let mut state = State::<f32>::zeros(Lstm::new(2, 3)?, 4)?;
/// state.part_mut("cell")?[0] = 1.0;
/// assert_eq!(state.part("hidden")?.len(), 4 * 3);
/// assert!(state.part("memory").is_err());
/// # Ok::<(), eligibility::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct State<T: Scalar> {
    pub(crate) parts: Vec<(&'static str, Buffer<T>)>,
}

impl<T: Scalar> State<T> {
    /// The state before a sequence: all zero.
    ///
    /// # Errors
    ///
    /// If it would be too large for memory.
    pub fn zeros(cell: impl Into<Cell>, rows: usize) -> Result<Self, Error> {
        let part = |(name, width)| {
            let length = checked_product("a layer's state", &[rows, width])?;
            Ok((name, Buffer::zeros(length)))
        };
        Ok(Self { parts: cell.into().state_parts().map(part).collect::<Result<_, Error>>()? })
    }
    /// A part, `[rows, width]`.
    ///
    /// # Errors
    ///
    /// If there is no part of that name.
    pub fn part(&self, name: &str) -> Result<&[T], Error> {
        let part = self.parts.iter().find(|(found, _)| *found == name);
        part.map(|(_, part)| &part[..]).ok_or_else(|| self.no_part(name))
    }
    /// The same, to be written.
    ///
    /// # Errors
    ///
    /// If there is no part of that name.
    pub fn part_mut(&mut self, name: &str) -> Result<&mut [T], Error> {
        let error = self.no_part(name);
        let part = self.parts.iter_mut().find(|(found, _)| *found == name);
        part.map(|(_, part)| &mut part[..]).ok_or(error)
    }
    /// All parts, by name.
    pub fn parts(&self) -> impl Iterator<Item = (&'static str, &[T])> {
        self.parts.iter().map(|(name, part)| (*name, &part[..]))
    }
    /// Takes over another state of the same cell and rows.
    pub(crate) fn copy_from(&mut self, other: &Self) {
        for ((_, own), (_, part)) in self.parts.iter_mut().zip(&other.parts) {
            own.copy_from_slice(part);
        }
    }
    /// `Ok` if it is one of `rows` rows of this cell.
    pub(crate) fn check(&self, cell: &Cell, rows: usize) -> Result<(), Error> {
        let parts = cell.state_parts();
        check_size("parts of a layer's state", parts.len(), self.parts.len())?;
        for ((name, width), (found, part)) in parts.zip(&self.parts) {
            if name != *found {
                return Err(Error::NoPart { found: (*found).into(), expected: name.into() });
            }
            check_size("initial state", checked_product("a layer's state", &[rows, width])?, part.len())?;
        }
        Ok(())
    }
    fn no_part(&self, name: &str) -> Error {
        let names = self.parts.iter().map(|(name, _)| *name);
        Error::NoPart { found: name.into(), expected: names.collect::<Vec<_>>().join(", ") }
    }
}

/// All that a stream carries of one of its rows from step to step: states, traces, tape. Saved by
/// [`Stream::save`](crate::Stream::save), restored to the bit by [`Stream::restore`](crate::Stream::restore).
///
/// Slices of numbers, by name; what is no number is there as 0 and 1. Their sizes depend on the network and the kind of
/// stream alone.
///
/// ```
/// use eligibility::{EpropOptions, EpropStream, Init, Loss, Lstm, Network, Readout, Stream};
/// # use rand::{SeedableRng, rngs::StdRng};
/// # let (lstm, readout) = (Lstm::new(1, 4)?, Readout::new(1, Loss::SquaredError)?);
/// # let network: Network<f32> = Init::default().network(lstm, readout, &mut StdRng::seed_from_u64(1))?;
/// let mut stream = EpropStream::new(&network, 1, EpropOptions::default())?;
/// stream.step(&network, &[0.5], &[true])?;
/// let mut carry = stream.carry();
/// stream.save(0, &mut carry)?;
/// let first = stream.step(&network, &[0.25], &[false])?.to_vec();
/// stream.restore(0, &carry)?;
/// assert_eq!(stream.step(&network, &[0.25], &[false])?, first);
/// assert!(carry.slices().any(|(name, _)| name.ends_with("hidden")));
/// # Ok::<(), eligibility::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Carry<T: Scalar> {
    pub(crate) slices: Vec<(String, Buffer<T>)>,
}

impl<T: Scalar> Carry<T> {
    /// All slices, by name.
    pub fn slices(&self) -> impl Iterator<Item = (&str, &[T])> {
        self.slices.iter().map(|(name, slice)| (name.as_str(), &slice[..]))
    }
    /// The same, to be read from a file.
    pub fn slices_mut(&mut self) -> impl Iterator<Item = (&str, &mut [T])> {
        self.slices.iter_mut().map(|(name, slice)| (name.as_str(), &mut slice[..]))
    }
}
