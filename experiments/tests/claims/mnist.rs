//! Claims about `experiments smnist` and `psmnist`, on small files in the format of the real ones.

use std::fs;
use std::io::Write;
use std::path::Path;

use flate2::Compression;
use flate2::write::GzEncoder;

use crate::common::{Outcome, experiments, log, run, tensors};

const TRAIN: usize = 7;
const TEST: usize = 5;
const SMALL: &str = "smnist --data data --hidden 3 --batch 3 --epochs 2";

fn header(magic: u32, sizes: &[usize]) -> Vec<u8> {
    let sizes = sizes.iter().map(|&size| u32::try_from(size).unwrap());
    std::iter::once(magic).chain(sizes).flat_map(u32::to_be_bytes).collect()
}

fn images(count: usize) -> Vec<u8> {
    let mut bytes = header(0x803, &[count, 28, 28]);
    bytes.extend((0..count * 784).map(|i| (i * 31 % 251) as u8));
    bytes
}

fn labels(count: usize) -> Vec<u8> {
    let mut bytes = header(0x801, &[count]);
    bytes.extend((0..count).map(|i| (i % 10) as u8));
    bytes
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// A directory with four good files.
pub(crate) fn good_data() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    fs::create_dir(&data).unwrap();
    fs::write(data.join("train-images-idx3-ubyte"), images(TRAIN)).unwrap();
    fs::write(data.join("train-labels.idx1-ubyte"), labels(TRAIN)).unwrap();
    fs::write(data.join("t10k-images-idx3-ubyte.gz"), gzip(&images(TEST))).unwrap();
    fs::write(data.join("t10k-labels.idx1-ubyte.gz"), gzip(&labels(TEST))).unwrap();
    dir
}

fn fails(dir: &Path) -> Outcome {
    let outcome = experiments(dir, SMALL.split_whitespace());
    assert!(!outcome.success);
    assert!(!outcome.errors.contains("panicked"), "{}", outcome.errors);
    assert!(!dir.join("runs").exists(), "nothing is written if the data are bad");
    outcome
}

#[test]
fn plain_and_packed_files_in_both_spellings_are_trained_on_to_the_last_partial_batch() {
    let dir = good_data();
    run(dir.path(), SMALL);
    let records = log(&dir.path().join("runs/smnist-eprop-seed1"));
    let updates: Vec<_> = records.iter().map(|record| record["updates"].as_u64().unwrap()).collect();
    assert_eq!(updates, [3, 6, 6]); // 7 images in batches of 3, 3 and 1
    assert_eq!(records[2]["event"], "end");
}

#[test]
fn a_missing_file_is_an_error_that_says_what_was_looked_for_and_where_to_get_it() {
    let dir = good_data();
    fs::remove_file(dir.path().join("data/t10k-labels.idx1-ubyte.gz")).unwrap();
    let errors = fails(dir.path()).errors;
    for name in ["t10k-labels-idx1-ubyte.gz", "t10k-labels.idx1-ubyte", "https://", "--data"] {
        assert!(errors.contains(name), "{errors}");
    }
}

#[test]
fn damaged_files_are_errors_that_say_how() {
    let truncated = &images(TRAIN)[..5000];
    let mut trailing = images(TRAIN);
    trailing.push(0);
    let packed = gzip(&images(TRAIN));
    let mut flipped = packed.clone();
    let checksum = flipped.len() - 6;
    flipped[checksum] ^= 1;
    let narrow = [header(0x803, &[TRAIN, 28, 27]), vec![0; TRAIN * 28 * 27]].concat();
    for (bytes, named) in [
        (&b""[..], "the header should have"),
        (truncated, "promises 5488 bytes of data, but only 4984"),
        (&trailing, "promises 5488 bytes of data, but 5489"),
        (&labels(TRAIN), "magic number should be 0x00000803, but is 0x00000801"),
        (&images(TRAIN + 1), "has 8 images"),
        (&images(0), "has 0 images"),
        (&narrow, "should be 28 x 28, but are 28 x 27"),
        (&packed[..packed.len() / 2], "gzip data are cut off"),
        (&flipped, "gzip data are cut off or corrupt"),
        (&[&packed[..], b"more"].concat(), "4 bytes follow the gzip data"),
    ] {
        let dir = good_data();
        fs::write(dir.path().join("data/train-images-idx3-ubyte"), bytes).unwrap();
        let errors = fails(dir.path()).errors;
        assert!(errors.contains(named) && errors.contains("train-images-idx3-ubyte"), "{named}: {errors}");
    }
}

#[test]
fn a_label_that_is_no_digit_is_an_error() {
    let dir = good_data();
    let mut bytes = labels(TRAIN);
    bytes[10] = 11;
    fs::write(dir.path().join("data/train-labels.idx1-ubyte"), bytes).unwrap();
    let errors = fails(dir.path()).errors;
    assert!(errors.contains("label 2 is 11") && errors.contains("0 to 11"), "{errors}");
    assert!(errors.contains("another data set") && !errors.contains("damaged"), "{errors}");
}

/// Two members, zeros behind them, and a folder where the file could be.
#[test]
fn whatever_gzip_unpacks_is_trained_on() {
    let (plain, dir) = (good_data(), good_data());
    let (all, data) = (images(TRAIN), dir.path().join("data"));
    fs::remove_file(data.join("train-images-idx3-ubyte")).unwrap();
    fs::create_dir(data.join("train-images-idx3-ubyte")).unwrap();
    let packed = [gzip(&all[..2000]), gzip(&all[2000..]), vec![0; 512]].concat();
    fs::write(data.join("train-images.idx3-ubyte.gz"), packed).unwrap();
    let [expected, found] = [&plain, &dir].map(|dir| {
        run(dir.path(), &format!("{SMALL} --out out"));
        tensors(&dir.path().join("out"))
    });
    assert_eq!(expected, found);
}

#[test]
fn a_resumed_run_is_the_same_to_the_bit_from_within_an_epoch_and_between_two() {
    for task in ["smnist", "psmnist --permutation-seed 4 --learner bptt"] {
        let dir = good_data();
        let line = SMALL.replace("smnist", task);
        run(dir.path(), &format!("{line} --out whole"));
        for stop in ["--stop-after 2", "--stop-after 3", "--stop-after 4", ""] {
            run(dir.path(), &format!("{line} --out parts {stop}"));
        }
        let [whole, parts] = ["whole", "parts"].map(|name| dir.path().join(name));
        assert_eq!(log(&whole), log(&parts));
        assert_eq!(tensors(&whole), tensors(&parts));
    }
}

#[test]
fn resuming_on_other_data_is_an_error() {
    let dir = good_data();
    run(dir.path(), &format!("{SMALL} --stop-after 2"));
    let mut bytes = images(TRAIN);
    bytes[100] ^= 1;
    fs::write(dir.path().join("data/train-images-idx3-ubyte"), bytes).unwrap();
    let outcome = experiments(dir.path(), SMALL.split_whitespace());
    assert!(!outcome.success && outcome.errors.contains("data (fingerprint)"), "{}", outcome.errors);
}

#[test]
fn limits_are_for_quick_looks_and_are_printed() {
    let dir = good_data();
    let output = run(dir.path(), &format!("{SMALL} --train-limit 4 --test-limit 2")).output;
    assert!(output.contains("4 of 7 training images, 2 of 5 test images"), "{output}");
}
