//! The IDX format of the MNIST files (<http://yann.lecun.com/exdb/mnist/>), read in place.
//!
//! ```text
//! offset 0    0, 0, type, D        type 8: unsigned bytes, the only one here
//! offset 4    D sizes              big-endian 32-bit
//! then        product of the sizes bytes, and nothing after them
//! ```
//!
//! Parsing borrows: it never panics, whatever the bytes, and allocates nothing.

use std::fmt;

/// Type code of unsigned bytes.
const UNSIGNED_BYTES: u8 = 8;
/// Dimensions that [`parse`] reads at most: one more than images have.
pub const MAX_DIMENSIONS: usize = 4;
/// Digits are 0 to 9.
const LARGEST_LABEL: u8 = 9;

/// An array of unsigned bytes, row-major.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Array<'a> {
    sizes: [usize; MAX_DIMENSIONS],
    dimensions: usize,
    /// The elements.
    pub data: &'a [u8],
}

impl Array<'_> {
    /// The size of each dimension, slowest first.
    #[must_use]
    pub fn sizes(&self) -> &[usize] {
        &self.sizes[..self.dimensions]
    }
}

/// Images of one size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Images<'a> {
    /// Images.
    pub count: usize,
    /// Rows of pixels of one image.
    pub rows: usize,
    /// Pixels in a row.
    pub columns: usize,
    /// `[count, rows, columns]`: 0 is background, 255 is ink.
    pub pixels: &'a [u8],
}

/// What is wrong with the bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Error {
    /// The file ends inside its header.
    Header {
        /// Bytes the header has.
        expected: usize,
        /// Bytes there are.
        found: usize,
    },
    /// The first four bytes are not those of this kind of file.
    Magic {
        /// The magic number of this kind of file, or `None` if any array of bytes would do.
        expected: Option<u32>,
        /// The first four bytes, big-endian.
        found: u32,
    },
    /// The sizes multiply to more than this machine can address.
    TooLarge,
    /// The data end before the sizes are used up.
    Truncated {
        /// Bytes the header promises.
        expected: usize,
        /// Bytes there are.
        found: usize,
    },
    /// Something follows the data.
    Trailing {
        /// Bytes the header promises.
        expected: usize,
        /// Bytes there are.
        found: usize,
    },
    /// A label is no digit.
    Label {
        /// Which label.
        index: usize,
        /// Its value.
        found: u8,
    },
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Header { expected, found } => {
                write!(f, "the header should have {expected} bytes, but the file ends after {found}")
            }
            Self::Magic { expected: Some(expected), found } => {
                write!(f, "the magic number should be {expected:#010x}, but is {found:#010x}")
            }
            Self::Magic { expected: None, found } => write!(
                f,
                "the magic number should be 0x0000080D for bytes in D = 1 to {MAX_DIMENSIONS} dimensions, \
                 but is {found:#010x}"
            ),
            Self::TooLarge => f.write_str("the sizes in the header are larger than any memory"),
            Self::Truncated { expected, found } => {
                write!(f, "the header promises {expected} bytes of data, but only {found} are there")
            }
            Self::Trailing { expected, found } => {
                write!(f, "the header promises {expected} bytes of data, but {found} are there")
            }
            Self::Label { index, found } => {
                write!(f, "labels should be 0 to {LARGEST_LABEL}, but label {index} is {found}")
            }
        }
    }
}

impl std::error::Error for Error {}

/// Reads an array of unsigned bytes of 1 to [`MAX_DIMENSIONS`] dimensions.
///
/// # Errors
///
/// If the bytes are not exactly such an array.
///
/// ```
/// let array = experiments::idx::parse(&[0, 0, 8, 1, 0, 0, 0, 2, 7, 3])?;
/// assert_eq!((array.sizes(), array.data), (&[2][..], &[7, 3][..]));
/// # Ok::<(), experiments::idx::Error>(())
/// ```
pub fn parse(bytes: &[u8]) -> Result<Array<'_>, Error> {
    let short = |expected| Error::Header { expected, found: bytes.len() };
    let (&magic, rest) = bytes.split_first_chunk::<4>().ok_or(short(4))?;
    let [0, 0, UNSIGNED_BYTES, dimensions @ 1..=255] = magic else {
        return Err(Error::Magic { expected: None, found: u32::from_be_bytes(magic) });
    };
    let dimensions = usize::from(dimensions);
    if dimensions > MAX_DIMENSIONS {
        return Err(Error::Magic { expected: None, found: u32::from_be_bytes(magic) });
    }
    let (header, data) = rest.split_at_checked(4 * dimensions).ok_or(short(4 + 4 * dimensions))?;
    let mut sizes = [0; MAX_DIMENSIONS];
    let mut expected = 1_usize;
    for (size, bytes) in sizes.iter_mut().zip(header.as_chunks::<4>().0) {
        *size = usize::try_from(u32::from_be_bytes(*bytes)).map_err(|_| Error::TooLarge)?;
        expected = expected.checked_mul(*size).ok_or(Error::TooLarge)?;
    }
    let found = data.len();
    match found.cmp(&expected) {
        std::cmp::Ordering::Less => Err(Error::Truncated { expected, found }),
        std::cmp::Ordering::Greater => Err(Error::Trailing { expected, found }),
        std::cmp::Ordering::Equal => Ok(Array { sizes, dimensions, data }),
    }
}

/// Reads a file of images: an array `[count, rows, columns]`.
///
/// # Errors
///
/// If the bytes are not exactly such an array.
pub fn parse_images(bytes: &[u8]) -> Result<Images<'_>, Error> {
    let array = parse_dimensions::<3>(bytes)?;
    let [count, rows, columns, _] = array.sizes;
    Ok(Images { count, rows, columns, pixels: array.data })
}

/// Reads a file of labels: an array `[count]` of digits.
///
/// # Errors
///
/// If the bytes are not exactly such an array, or a label is above 9.
pub fn parse_labels(bytes: &[u8]) -> Result<&[u8], Error> {
    let labels = parse_dimensions::<1>(bytes)?.data;
    match labels.iter().position(|&label| label > LARGEST_LABEL) {
        None => Ok(labels),
        Some(index) => Err(Error::Label { index, found: labels[index] }),
    }
}

/// An array of exactly `D` dimensions.
fn parse_dimensions<const D: u8>(bytes: &[u8]) -> Result<Array<'_>, Error> {
    let magic = u32::from_be_bytes([0, 0, UNSIGNED_BYTES, D]);
    match bytes.first_chunk::<4>() {
        Some(&found) if u32::from_be_bytes(found) != magic => {
            Err(Error::Magic { expected: Some(magic), found: u32::from_be_bytes(found) })
        }
        _ => parse(bytes),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const IMAGES: [u8; 28] =
        [0, 0, 8, 3, 0, 0, 0, 2, 0, 0, 0, 2, 0, 0, 0, 3, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 255];

    #[test]
    fn images_are_read_in_place() {
        let images = parse_images(&IMAGES).unwrap();
        assert_eq!((images.count, images.rows, images.columns), (2, 2, 3));
        assert_eq!(images.pixels, &IMAGES[16..]);
    }

    #[test]
    fn every_shorter_file_is_an_error_and_so_is_a_longer_one() {
        for length in 0..IMAGES.len() {
            let error = parse_images(&IMAGES[..length]).unwrap_err();
            assert_eq!(matches!(error, Error::Header { .. }), length < 16, "{length}: {error}");
            assert_eq!(matches!(error, Error::Truncated { expected: 12, .. }), length >= 16);
        }
        let longer: Vec<u8> = IMAGES.iter().copied().chain([0]).collect();
        assert_eq!(parse_images(&longer), Err(Error::Trailing { expected: 12, found: 13 }));
    }

    #[test]
    fn a_magic_number_of_another_kind_is_named() {
        assert_eq!(
            parse_labels(&IMAGES).unwrap_err().to_string(),
            "the magic number should be 0x00000801, but is 0x00000803"
        );
        for magic in [[0, 0, 9, 1], [0, 0, 8, 0], [0, 0, 8, 5], [0x1f, 0x8b, 8, 0]] {
            assert!(matches!(parse(&magic), Err(Error::Magic { .. })));
        }
    }

    #[test]
    fn sizes_beyond_any_memory_are_an_error() {
        let mut bytes = vec![0, 0, 8, 4];
        bytes.extend([0xff; 16]);
        assert_eq!(parse(&bytes), Err(Error::TooLarge));
    }

    #[test]
    fn labels_are_digits() {
        assert_eq!(parse_labels(&[0, 0, 8, 1, 0, 0, 0, 2, 9, 0]), Ok(&[9, 0][..]));
        let found = parse_labels(&[0, 0, 8, 1, 0, 0, 0, 2, 9, 10]);
        assert_eq!(found, Err(Error::Label { index: 1, found: 10 }));
    }
}
