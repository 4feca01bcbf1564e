//! The MNIST files, checked, and batches of them as sequences of pixels.
//!
//! ```text
//! x_t = pixel[permutation[t]] / 255        t = 0 .. 783, time-major: [784, rows, 1]
//! ```
//!
//! Sequential MNIST: rows from the upper left to the lower right. Permuted: one fixed permutation for all images.

use std::fs;
use std::io::{ErrorKind, Read};
use std::path::Path;

use eligibility::{Scalar, Sequences, Targets};
use flate2::bufread::GzDecoder;

use crate::failure::Failure;
use crate::idx;

/// Rows and columns of an image.
const SIDE: usize = 28;
/// Steps of a sequence.
pub(crate) const PIXELS: usize = SIDE * SIDE;
/// Digits.
pub(crate) const CLASSES: usize = 10;
/// Where the files come from.
const SOURCE: &str = "https://ossci-datasets.s3.amazonaws.com/mnist/";
/// What the first two bytes of a gzip file are.
const GZIP: [u8; 2] = [0x1f, 0x8b];
/// No file of this kind is larger; a compressed one that pretends to be is not unpacked.
const LARGEST_FILE: u64 = 1 << 30;

/// Images with their labels.
#[derive(Clone, Debug)]
pub(crate) struct Dataset {
    /// `[count, 784]`
    pixels: Vec<u8>,
    /// `[count]`
    labels: Vec<usize>,
}

impl Dataset {
    /// Reads images and labels; `part` is "train" or "t10k".
    pub(crate) fn load(dir: &Path, part: &str) -> Result<Self, Failure> {
        let (images_path, images) = read(dir, part, "images", 3)?;
        let (labels_path, labels) = read(dir, part, "labels", 1)?;
        let images = idx::parse_images(&images).map_err(|error| damaged(&images_path, &error))?;
        let labels = idx::parse_labels(&labels).map_err(|error| match error {
            idx::Error::Label { .. } => other_classes(&labels_path, &labels),
            error => damaged(&labels_path, &error),
        })?;
        if (images.rows, images.columns) != (SIDE, SIDE) {
            let size =
                format!("images should be {SIDE} x {SIDE}, but are {} x {}", images.rows, images.columns);
            return Err(damaged(&images_path, &size));
        }
        if images.count != labels.len() || labels.is_empty() {
            return Err(Failure::new(format!(
                "images and labels should be equally many and at least one, but {images_path} has {} images and \
                 {labels_path} has {} labels: get both from {SOURCE}",
                images.count,
                labels.len()
            )));
        }
        Ok(Self { pixels: images.pixels.to_vec(), labels: labels.iter().copied().map(usize::from).collect() })
    }

    pub(crate) fn len(&self) -> usize {
        self.labels.len()
    }

    /// A 64-bit FNV-1a hash of all pixels and labels: a resumed run must find the same data.
    pub(crate) fn fingerprint(&self) -> u64 {
        let bytes = self.pixels.iter().copied().chain(self.labels.iter().map(|&label| label as u8));
        bytes
            .fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
    }
}

/// The file's content, unpacked, and the name under which it was found.
fn read(dir: &Path, part: &str, what: &str, dimensions: u8) -> Result<(String, Vec<u8>), Failure> {
    let plain = ["-", "."].map(|dot| format!("{part}-{what}{dot}idx{dimensions}-ubyte"));
    let names: Vec<String> = plain.iter().flat_map(|name| [name.clone(), format!("{name}.gz")]).collect();
    for name in &names {
        let path = dir.join(name);
        match fs::read(&path) {
            Ok(bytes) => {
                let shown = path.display().to_string();
                let bytes = if bytes.starts_with(&GZIP) { unpack(&bytes, &shown)? } else { bytes };
                return Ok((shown, bytes));
            }
            // A folder of that name is not the file, which may be there under another.
            Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::IsADirectory) => {}
            Err(error) => return Err(Failure::io("read", &path)(error)),
        }
    }
    Err(Failure::new(format!(
        "no MNIST {what} in {}: looked for {}. The four files (train-images, train-labels, t10k-images, t10k-labels) are \
         those of LeCun, Cortes and Burges, for example from {SOURCE}; keep their names, packed (.gz) or not, and say \
         where they are with --data",
        dir.display(),
        names.join(", "),
    )))
}

/// Undoes gzip: one member after another (RFC 1952, 2.2), and then nothing but zeros, with which some media pad files.
fn unpack(packed: &[u8], shown: &str) -> Result<Vec<u8>, Failure> {
    let (mut rest, mut bytes) = (packed, Vec::new());
    while rest.starts_with(&GZIP) {
        let mut decoder = GzDecoder::new(rest);
        let room = (LARGEST_FILE + 1).saturating_sub(bytes.len() as u64);
        (decoder.by_ref().take(room).read_to_end(&mut bytes))
            .map_err(|error| damaged(shown, &format!("gzip data are cut off or corrupt: {error}")))?;
        if bytes.len() as u64 > LARGEST_FILE {
            return Err(damaged(shown, &format!("it unpacks to more than {LARGEST_FILE} bytes")));
        }
        rest = decoder.into_inner();
    }
    if rest.iter().all(|&byte| byte == 0) {
        return Ok(bytes);
    }
    Err(damaged(shown, &format!("{} bytes follow the gzip data", rest.len())))
}

/// A good file of labels that are not digits.
fn other_classes(path: &str, file: &[u8]) -> Failure {
    let labels = idx::parse(file).map_or(&[][..], |array| array.data);
    let [least, largest] =
        [labels.iter().min(), labels.iter().max()].map(|label| label.copied().unwrap_or(0));
    let first = labels.iter().position(|&label| usize::from(label) >= CLASSES).unwrap_or(0);
    Failure::new(format!(
        "{path} is of another data set: its labels are {least} to {largest} (label {first} is {}), where digits are 0 to {}. \
         Give --data a folder with MNIST, or with a set of ten classes in its format",
        labels.get(first).copied().unwrap_or(0),
        CLASSES - 1
    ))
}

fn damaged(path: &str, error: &dyn std::fmt::Display) -> Failure {
    Failure::new(format!("{path} is damaged: {error}. Get it again from {SOURCE}; nothing was trained"))
}

/// A batch of images as sequences, assembled in place.
#[derive(Clone, Debug)]
pub(crate) struct Batch<T> {
    permutation: Vec<usize>,
    /// The input of each pixel value.
    scale: Vec<T>,
    /// `[784, rows, 1]`
    inputs: Vec<T>,
    classes: Vec<usize>,
}

impl<T: Scalar> Batch<T> {
    /// `permutation` says which pixel comes at each step.
    pub(crate) fn new(permutation: Vec<usize>) -> Self {
        let scale = (0..=u8::MAX).map(|pixel| T::from_f64(f64::from(pixel) / 255.0)).collect();
        Self { permutation, scale, inputs: Vec::new(), classes: Vec::new() }
    }

    /// Takes the images `indices` of `data`.
    pub(crate) fn assemble(&mut self, data: &Dataset, indices: &[usize]) {
        let rows = indices.len();
        self.inputs.resize(PIXELS * rows, T::ZERO);
        for (row, &index) in indices.iter().enumerate() {
            let image = &data.pixels[index * PIXELS..][..PIXELS];
            for (step, &pixel) in self.permutation.iter().enumerate() {
                self.inputs[step * rows + row] = self.scale[usize::from(image[pixel])];
            }
        }
        self.classes.clear();
        self.classes.extend(indices.iter().map(|&index| data.labels[index]));
    }

    /// The batch as a learner takes it.
    pub(crate) fn sequences(&self) -> Result<Sequences<'_, T>, eligibility::Error> {
        Sequences::new(PIXELS, self.classes.len(), &self.inputs, Targets::LastClass(&self.classes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn batches_are_time_major_and_scaled_to_the_unit_interval() {
        let pixels = (0..2 * PIXELS).map(|i| (i % 256) as u8).collect();
        let data = Dataset { pixels, labels: vec![3, 7] };
        let mut batch = Batch::<f64>::new((0..PIXELS).rev().collect());
        batch.assemble(&data, &[1, 0]);
        assert_eq!(batch.classes, [7, 3]);
        for step in [0, 1, 500, 783] {
            for (row, image) in [(0, 1), (1, 0)] {
                let pixel = (image * PIXELS + 783 - step) % 256;
                assert_eq!(batch.inputs[step * 2 + row], pixel as f64 / 255.0);
            }
        }
        assert_eq!(batch.sequences().unwrap().steps(), 784);
        batch.assemble(&data, &[0]);
        assert_eq!(batch.inputs.len(), PIXELS);
    }
}
