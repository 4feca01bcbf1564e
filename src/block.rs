//! Padded row-major matrices inside a flat slice, and their named parts.

use std::ops::Range;

use crate::affine::{Rect, add_transposed_times};
use crate::buffer::padded;
use crate::error::{Error, check_size, checked_product};
use crate::scalar::Scalar;

/// One padded row-major matrix inside the flat slice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Block {
    pub(crate) offset: usize,
    pub(crate) rows: usize,
    pub(crate) columns: usize,
    pub(crate) stride: usize,
}

impl Block {
    pub(crate) fn new<T: Scalar>(
        what: &'static str,
        offset: usize,
        rows: usize,
        columns: usize,
    ) -> Result<Self, Error> {
        checked_product(what, &[rows.saturating_add(1), columns.saturating_add(64)])?;
        Ok(Self { offset, rows, columns, stride: padded::<T>(columns) })
    }
    /// Rows: units.
    pub(crate) fn rows(&self) -> usize {
        self.rows
    }
    /// Columns without padding: presynaptic activities, the last of which is the constant 1 of the bias.
    pub(crate) fn columns(&self) -> usize {
        self.columns
    }
    /// Elements from one row to the next.
    pub(crate) fn stride(&self) -> usize {
        self.stride
    }
    /// The block's place in the flat slice, padding included.
    pub(crate) fn range(&self) -> Range<usize> {
        self.offset..self.offset + self.rows * self.stride
    }
    /// Flat index of one weight.
    pub(crate) fn index(&self, row: usize, column: usize) -> usize {
        self.offset + row * self.stride + column
    }
    pub(crate) fn matrix<'a, T>(&self, flat: &'a [T]) -> Rect<&'a [T]> {
        Rect::padded(&flat[self.range()], self.rows, self.columns, self.stride)
    }
    pub(crate) fn matrix_mut<'a, T>(&self, flat: &'a mut [T]) -> Rect<&'a mut [T]> {
        Rect::padded(&mut flat[self.range()], self.rows, self.columns, self.stride)
    }
    /// Some of its rows.
    pub(crate) fn rows_mut<'a, T>(&self, rows: Range<usize>, flat: &'a mut [T]) -> Rect<&'a mut [T]> {
        let part = &mut flat[self.range()][rows.start * self.stride..rows.end * self.stride];
        Rect::padded(part, rows.len(), self.columns, self.stride)
    }
    /// Adds `sum over some places of delta activity^T` to some of its rows.
    pub(crate) fn add_products<T: Scalar>(
        &self,
        rows: Range<usize>,
        places: Range<usize>,
        delta: Rect<&[T]>,
        activity: Rect<&[T]>,
        flat: &mut [T],
    ) {
        let delta = Rect {
            data: &delta.data[places.start * delta.stride + rows.start..],
            rows: places.len(),
            columns: rows.len(),
            ..delta
        };
        let activity =
            Rect { data: &activity.data[places.start * activity.stride..], rows: places.len(), ..activity };
        add_transposed_times(self.rows_mut(rows, flat), delta, activity);
    }
}

/// A named part of a block: some of its rows by some of its columns.
///
/// ```
/// use eligibility::{Loss, Lstm, Network, Readout};
/// let network = Network::<f32>::zeros(Lstm::new(2, 3)?, Readout::new(1, Loss::SquaredError)?)?;
/// let parts = network.layout().parts(0)?;
/// let names: Vec<_> = parts.iter().map(|part| part.name()).collect();
/// assert_eq!(names, ["weight_ih", "weight_hh", "bias"]);
/// assert_eq!((parts[0].rows(), parts[0].columns()), (4 * 3, 2));
/// assert_eq!(parts[0].read(network.parameters()), [0.0; 4 * 3 * 2]);
/// # Ok::<(), eligibility::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    pub(crate) name: &'static str,
    pub(crate) block: Block,
    pub(crate) rows: Range<usize>,
    pub(crate) columns: Range<usize>,
}

impl Part {
    /// What it is called, for instance `weight_ih`.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.name
    }
    /// Rows.
    #[must_use]
    pub fn rows(&self) -> usize {
        self.rows.len()
    }
    /// Columns.
    #[must_use]
    pub fn columns(&self) -> usize {
        self.columns.len()
    }
    /// Flat index of each of its weights, row by row.
    pub fn indices(&self) -> impl Iterator<Item = usize> + '_ {
        self.rows.clone().flat_map(|row| {
            let first = self.block.index(row, 0);
            self.columns.clone().map(move |column| first + column)
        })
    }
    /// Its weights `[rows, columns]` in a flat slice (parameters, gradient, optimiser state).
    ///
    /// # Panics
    ///
    /// If `flat` is not as long as the layout, as indexing does.
    #[must_use]
    pub fn read<T: Scalar>(&self, flat: &[T]) -> Vec<T> {
        self.indices().map(|index| flat[index]).collect()
    }
    /// Writes `[rows, columns]` weights into a flat slice.
    ///
    /// # Errors
    ///
    /// If the size of `source` is wrong; nothing is written then.
    ///
    /// # Panics
    ///
    /// If `flat` is not as long as the layout, as indexing does.
    pub fn write<T: Scalar>(&self, flat: &mut [T], source: &[T]) -> Result<(), Error> {
        check_size(self.name, self.rows() * self.columns(), source.len())?;
        for (index, &weight) in self.indices().zip(source) {
            flat[index] = weight;
        }
        Ok(())
    }
}
