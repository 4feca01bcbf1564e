//! Any bytes as an IDX file, plain or gzipped: an error or a data set, never a panic.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(images) = experiments::idx::parse_images(bytes) {
        assert_eq!(images.pixels.len(), images.count * images.rows * images.columns);
    }
    let _ = experiments::idx::parse_labels(bytes);
});
