//! Claims about `experiments tca`: it learns, and an interrupted run is the same to the bit as any other.

use std::fs;
use std::path::Path;

use crate::common::{experiments, log, run, tensors};

const SMALL: &str = "tca --delay 3 --hidden 5 --batch 6 --updates 50 --log-every 7";

fn assert_same_run(a: &Path, b: &Path) {
    assert_eq!(log(a), log(b));
    assert_eq!(tensors(a), tensors(b));
}

#[test]
fn a_resumed_run_is_the_same_to_the_bit() {
    let variants = [
        "",
        "--type f64 --optimizer adam --clip 0.5 --delay random",
        "--feedback random --optimizer sgd --schedule whole",
        "--learner bptt --delay random",
        "--learner readout",
        "--learner truncated --truncation 2",
        "--feedback adaptive --feedback-decay 0.01",
        "--echo modulated --trace-scale 0.5 --layers 2",
        "--echo literal:-1e-4 --trace-decay 0 --schedule streaming",
    ];
    for variant in variants {
        let dir = tempfile::tempdir().unwrap();
        let line = format!("{SMALL} {variant}");
        run(dir.path(), &format!("{line} --out whole"));
        for stop in ["--stop-after 11", "--stop-after 28 --checkpoint-every 5", ""] {
            run(dir.path(), &format!("{line} --out parts {stop}"));
        }
        assert_same_run(&dir.path().join("whole"), &dir.path().join("parts"));
        assert!(tensors(&dir.path().join("whole")).iter().any(|(name, _)| name == "parameters"));
    }
}

#[test]
fn records_written_after_the_last_checkpoint_are_written_again_once() {
    let dir = tempfile::tempdir().unwrap();
    let (whole, parts) = (dir.path().join("whole"), dir.path().join("parts"));
    run(dir.path(), &format!("{SMALL} --out whole"));
    run(dir.path(), &format!("{SMALL} --out parts --stop-after 20"));
    // As if the run had gone on and been killed while writing a record.
    let path = parts.join("log.jsonl");
    let torn =
        fs::read_to_string(&path).unwrap() + "{\"event\":\"progress\",\"update\":21}\n{\"event\":\"pro";
    fs::write(&path, torn).unwrap();
    fs::write(parts.join("checkpoint.tmp"), b"half a checkpoint").unwrap();
    run(dir.path(), &format!("{SMALL} --out parts"));
    assert_same_run(&whole, &parts);
}

#[test]
fn a_run_cannot_be_made_shorter() {
    let dir = tempfile::tempdir().unwrap();
    run(dir.path(), &format!("{SMALL} --out out"));
    let files = || {
        ["options.json", "log.jsonl", "summary.md"]
            .map(|name| fs::read(dir.path().join("out").join(name)).ok())
    };
    let before = (files(), tensors(&dir.path().join("out")));
    let shorter = SMALL.replace("--updates 50", "--updates 20");
    let outcome = experiments(dir.path(), format!("{shorter} --out out").split_whitespace());
    assert!(!outcome.success, "50 updates are no result of 20");
    for named in ["50 updates", "20", "--fresh"] {
        assert!(outcome.errors.contains(named), "{}", outcome.errors);
    }
    assert_eq!((files(), tensors(&dir.path().join("out"))), before);
    // Of a run that had not come so far, the rest is trained.
    run(dir.path(), &format!("{SMALL} --out paused --stop-after 11"));
    run(dir.path(), &format!("{shorter} --out paused"));
    run(dir.path(), &format!("{shorter} --out whole"));
    assert_eq!(tensors(&dir.path().join("paused")), tensors(&dir.path().join("whole")));
}

#[test]
fn a_finished_run_is_not_trained_again_unless_fresh() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("runs/tca-eprop-seed1");
    run(dir.path(), SMALL);
    let (records, weights) = (log(&out), tensors(&out));
    assert!(run(dir.path(), SMALL).output.contains("going on after update 50"));
    assert_eq!((log(&out), tensors(&out)), (records.clone(), weights.clone()));
    assert!(!run(dir.path(), &format!("{SMALL} --fresh")).output.contains("going on"));
    assert_eq!((log(&out), tensors(&out)), (records, weights));
    for file in ["options.json", "summary.md", "curve.svg"] {
        assert!(out.join(file).exists(), "{file}");
    }
}

#[test]
fn resuming_with_another_option_is_an_error_that_names_it() {
    let dir = tempfile::tempdir().unwrap();
    run(dir.path(), &format!("{SMALL} --out a --stop-after 10"));
    for (change, named) in [
        ("--lr 0.5", "option --lr was 0.01 and is now 0.5"),
        ("--type f64", "option --type"),
        ("--clip 1", "--clip"),
    ] {
        let outcome = experiments(dir.path(), format!("{SMALL} --out a {change}").split_whitespace());
        assert!(!outcome.success && outcome.errors.contains(named), "{}", outcome.errors);
        assert!(outcome.errors.contains("--fresh"), "{}", outcome.errors);
    }
    run(dir.path(), &format!("{SMALL} --out a --checkpoint-every 3"));
}

#[test]
fn options_that_are_not_in_use_leave_no_trace_in_the_record() {
    // Runs recorded before these options existed go on: not in use, an option is as if it did not exist.
    let dir = tempfile::tempdir().unwrap();
    run(dir.path(), &format!("{SMALL} --out a --stop-after 10"));
    let path = dir.path().join("a/options.json");
    let recorded: serde_json::Value = serde_json::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
    let names: Vec<&str> = recorded["options"].as_object().unwrap().keys().map(String::as_str).collect();
    let first = "batch clip delay feedback forget-bias hidden learner log-every lr optimizer rmsprop-decay schedule \
                 seed type updates";
    assert_eq!(names, first.split_whitespace().collect::<Vec<_>>());
    run(dir.path(), &format!("{SMALL} --out a --echo off --layers 1 --trace-scale 1 --trace-decay 1"));
}

#[test]
fn a_damaged_checkpoint_is_an_error_and_stays_where_it_is() {
    let dir = tempfile::tempdir().unwrap();
    run(dir.path(), &format!("{SMALL} --out a --stop-after 10"));
    let path = dir.path().join("a/checkpoint.safetensors");
    let good = fs::read(&path).unwrap();
    for bytes in [&good[..good.len() / 2], &good[..3], b"", &[&good[..], b"x"].concat()] {
        fs::write(&path, bytes).unwrap();
        let outcome = experiments(dir.path(), format!("{SMALL} --out a").split_whitespace());
        assert!(!outcome.success && outcome.errors.contains("--fresh"), "{}", outcome.errors);
        assert!(!outcome.errors.contains("panicked"));
        assert_eq!(fs::read(&path).unwrap(), bytes);
    }
    let log = dir.path().join("a/log.jsonl");
    fs::write(&path, &good).unwrap();
    fs::write(&log, b"").unwrap();
    let outcome = experiments(dir.path(), format!("{SMALL} --out a").split_whitespace());
    assert!(!outcome.success && outcome.errors.contains("should have at least"), "{}", outcome.errors);
}

#[test]
fn impossible_options_are_sentences() {
    let dir = tempfile::tempdir().unwrap();
    for (options, named) in [
        ("--delay never", "a delay is"),
        ("--hidden 0", "from 1 to"),
        ("--batch 9999999", "from 1 to"),
        ("--lr -1", "learning rate"),
        ("--lr NaN", "learning rate"),
        ("--forget-bias inf", "forget bias"),
        ("--clip 0", "clipping norm"),
        ("--rmsprop-decay 1", "decay"),
        ("--learner bptt --feedback random", "option of e-prop"),
        ("--learner bptt --echo modulated", "--echo is an option of e-prop"),
        ("--learner readout --trace-scale 0.1", "option of e-prop"),
        ("--echo loud", "expected off, modulated"),
        ("--trace-decay 1.5", "from 0 to 1"),
        ("--trace-scale inf", "finite"),
        ("--layers 9", "from 1 to 8"),
        ("--learner truncated", "--truncation"),
        ("--truncation 3", "--truncation"),
        ("--feedback-decay 0.1", "--feedback adaptive"),
    ] {
        let outcome = experiments(dir.path(), format!("tca {options}").split_whitespace());
        assert!(!outcome.success && outcome.errors.contains(named), "{options}: {}", outcome.errors);
        assert!(!outcome.errors.contains("panicked"), "{}", outcome.errors);
        assert!(!dir.path().join("runs").exists(), "{options}");
    }
}

#[test]
fn a_run_that_diverges_says_so() {
    let dir = tempfile::tempdir().unwrap();
    let outcome = experiments(dir.path(), format!("{SMALL} --optimizer sgd --lr 1e38").split_whitespace());
    assert!(!outcome.success && outcome.errors.contains("diverged"), "{}", outcome.errors);
}

/// At the very last update there is no later loss that would tell.
#[test]
fn weights_that_are_not_finite_are_no_checkpoint() {
    let dir = tempfile::tempdir().unwrap();
    let options = "tca --hidden 3 --updates 1 --optimizer rmsprop --lr 3e38 --out out";
    let outcome = experiments(dir.path(), options.split_whitespace());
    assert!(!outcome.success && outcome.errors.contains("not finite"), "{}", outcome.errors);
    assert!(!dir.path().join("out/checkpoint.safetensors").exists());
}

#[test]
fn eprop_learns_delay_10_within_3000_updates() {
    let dir = tempfile::tempdir().unwrap();
    run(
        dir.path(),
        "tca --delay 10 --updates 3000 --log-every 200 --forget-bias 1.8 --optimizer rmsprop --lr 0.01",
    );
    let records = log(&dir.path().join("runs/tca-eprop-seed1"));
    let last = records.iter().rfind(|record| record["event"] == "progress").unwrap();
    let error = last["error"].as_f64().unwrap();
    assert!(error < 0.3, "the error over the last 200 updates should be below 30 %, but is {error}");
}

#[test]
fn both_learners_start_from_the_same_weights_and_data() {
    let dir = tempfile::tempdir().unwrap();
    let losses = ["eprop", "bptt"].map(|learner| {
        run(dir.path(), &format!("{SMALL} --learner {learner} --lr 0 --log-every 1"));
        let records = log(&dir.path().join(format!("runs/tca-{learner}-seed1")));
        records.iter().map(|record| record["loss"].clone()).collect::<Vec<_>>()
    });
    assert_eq!(losses[0], losses[1]);
}
