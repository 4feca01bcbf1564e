//! Runs the binary and reads what it left behind.

use std::ffi::OsStr;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

/// Exit status and both outputs as text.
pub(crate) struct Outcome {
    pub(crate) success: bool,
    pub(crate) output: String,
    pub(crate) errors: String,
}

/// Runs `experiments` in `dir`.
pub(crate) fn experiments<S: AsRef<OsStr>>(dir: &Path, arguments: impl IntoIterator<Item = S>) -> Outcome {
    let outcome = Command::new(env!("CARGO_BIN_EXE_experiments"))
        .current_dir(dir)
        .args(arguments)
        .output()
        .expect("the binary was built for this test");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Outcome {
        success: outcome.status.success(),
        output: text(&outcome.stdout),
        errors: text(&outcome.stderr),
    }
}

/// Runs `experiments` with the words of `line`; it must succeed.
pub(crate) fn run(dir: &Path, line: &str) -> Outcome {
    let outcome = experiments(dir, line.split_whitespace());
    assert!(outcome.success, "{line}\n{}\n{}", outcome.output, outcome.errors);
    outcome
}

/// The records of a run, without what the clock and the allocator said.
pub(crate) fn log(run: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(run.join("log.jsonl")).unwrap();
    let mut records: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    for record in &mut records {
        let record = record.as_object_mut().unwrap();
        for key in ["seconds", "data_seconds", "learner_bytes"] {
            record.remove(key);
        }
    }
    records
}

/// The tensors of a run's checkpoint: name and bytes.
pub(crate) fn tensors(run: &Path) -> Vec<(String, Vec<u8>)> {
    let bytes = std::fs::read(run.join("checkpoint.safetensors")).unwrap();
    let checkpoint = safetensors::SafeTensors::deserialize(&bytes).unwrap();
    let tensors = checkpoint.iter().map(|(name, tensor)| (name.to_owned(), tensor.data().to_vec()));
    let mut tensors: Vec<_> = tensors.collect();
    tensors.sort();
    tensors
}
