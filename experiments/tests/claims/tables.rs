//! Claims about `experiments table2` and its sisters: each run is the plain command's, nothing is run twice, and what
//! is there can be collected at any time.

use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::common::{experiments, log, run, tensors};
use crate::mnist::good_data;

/// Conditions that need no extension, so that the runs are quick.
const TABLE3: &str =
    "table3 --updates 20 --seeds 2 --delays 10 --conditions bptt,eprop-plain,eprop-bias --out t";
const TABLE2: &str =
    "table2 --updates 20 --seeds 2 --delays 10,random --conditions bptt --hidden 4 --batch 3";

fn read(dir: &Path, name: &str) -> String {
    fs::read_to_string(dir.join(name)).unwrap()
}

fn cells(table: &Path) -> Vec<Value> {
    read(table, "cells.jsonl").lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn a_table_runs_once_and_a_report_of_it_is_the_same() {
    let dir = tempfile::tempdir().unwrap();
    let first = run(dir.path(), TABLE3);
    assert!(first.output.contains("6 of 6 runs to do"), "{}", first.output);
    let table = dir.path().join("t");
    let files = ["table.md", "cells.jsonl", "table3.svg"].map(|name| read(&table, name));
    assert_eq!(cells(&table).len(), 6);
    for cell in cells(&table) {
        assert!(cell["error_last_1000"].as_f64().unwrap() <= 1.0 && cell["running_error"].is_f64());
        assert_eq!((&cell["delay"], &cell["length"]), (&Value::from("10"), &Value::from(20)));
    }
    for named in ["eprop-plain", "(n = 2)", "16.35", "`--lr`", "stated in the paper", "Revision"] {
        assert!(files[0].contains(named), "{named}: {}", files[0]);
    }
    assert!(files[0].contains("20 of the paper's 50000 updates"), "{}", files[0]);
    for again in [TABLE3.to_owned(), format!("{TABLE3} --report"), format!("{TABLE3} --jobs 1")] {
        let output = run(dir.path(), &again).output;
        assert!(!output.contains("to do"), "{output}");
        assert_eq!(files, ["table.md", "cells.jsonl", "table3.svg"].map(|name| read(&table, name)));
    }
    // A figure draws the same runs.
    run(dir.path(), &TABLE3.replace("table3", "figure4"));
    assert!(read(&table, "figure4.svg").contains("eprop-plain, delay 10 (n = 2)"));
}

#[test]
fn a_table_that_was_cut_goes_on_and_its_runs_are_those_of_the_plain_command() {
    let dir = tempfile::tempdir().unwrap();
    let by_hand =
        "tca --delay random --updates 20 --learner bptt --forget-bias 0 --hidden 4 --batch 3 --seed 2";
    run(dir.path(), &format!("{by_hand} --out runs/table2/bptt-delayrandom-seed2 --stop-after 7"));
    let report = run(dir.path(), &format!("{TABLE2} --report"));
    assert!(report.output.contains("bptt-delayrandom-seed2: not finished"), "{}", report.output);
    let output = run(dir.path(), &format!("{TABLE2} --jobs 3")).output;
    assert!(output.contains("bptt-delayrandom-seed2: going on after update 7"), "{output}");
    run(dir.path(), &format!("{by_hand} --out whole"));
    let [cell, whole] = ["runs/table2/bptt-delayrandom-seed2", "whole"].map(|name| dir.path().join(name));
    assert_eq!((log(&cell), tensors(&cell)), (log(&whole), tensors(&whole)));
    // Longer: every run goes on from where it was.
    let output = run(dir.path(), &TABLE2.replace("20", "25")).output;
    assert!(output.contains("bptt-delay10-seed1: going on after update 20"), "{output}");
}

#[test]
fn digits_have_tables_too_and_figures_share_their_runs() {
    let dir = good_data();
    let options = "--data data --hidden 3 --batch 3 --epochs 2 --seeds 2";
    let rows = "--conditions symmetric-plain,random-extended,bptt-plain";
    run(dir.path(), &format!("table1 {options} {rows}"));
    let table = dir.path().join("runs/table1");
    assert_eq!(cells(&table).len(), 6);
    assert!(cells(&table)[0]["best_test_accuracy"].is_f64());
    let text = read(&table, "table.md");
    for named in ["2 of the paper's 350 epochs", "98.92", "best epoch", "(n = 2)", "--data DIR"] {
        assert!(text.contains(named), "{named}: {text}");
    }
    let output =
        run(dir.path(), &format!("figure1 {options} --conditions symmetric-plain,symmetric-echo")).output;
    assert!(output.contains("2 of 4 runs to do"), "{output}");
    assert!(read(&table, "figure1.svg").contains("symmetric-echo (n = 2)"));
    assert_eq!(read(&table, "table.md"), text);
    // What went further is read at the length asked for.
    run(dir.path(), &format!("table1 {} {rows}", options.replace("epochs 2", "epochs 3")));
    let output = run(dir.path(), &format!("table1 {options} {rows}")).output;
    assert!(!output.contains("to do"), "{output}");
    assert_eq!(read(&table, "table.md"), text);
    run(dir.path(), &format!("figure2 {options}"));
    assert!(read(&dir.path().join("runs/figure2"), "table.md").contains("84.83"));
}

#[test]
fn runs_that_are_missing_are_a_dash() {
    let dir = tempfile::tempdir().unwrap();
    run(dir.path(), &format!("{TABLE2} --report"));
    let text = read(&dir.path().join("runs/table2"), "table.md");
    assert!(text.lines().any(|line| line.starts_with("| bptt") && line.contains(" - ")), "{text}");
    assert!(read(&dir.path().join("runs/table2"), "cells.jsonl").is_empty());
}

#[test]
fn a_run_that_fails_is_counted_and_not_averaged_nor_run_again() {
    let dir = tempfile::tempdir().unwrap();
    let line = format!("{TABLE2} --bptt-lr 1e38");
    let outcome = experiments(dir.path(), line.split_whitespace());
    assert!(!outcome.success && outcome.errors.contains("4 of 4 runs"), "{}", outcome.errors);
    let text = read(&dir.path().join("runs/table2"), "table.md");
    assert!(text.contains("- (2 failed)") && text.contains("diverged"), "{text}");
    let again = run(dir.path(), &line).output;
    assert!(!again.contains("to do"), "{again}");
    assert_eq!(text, read(&dir.path().join("runs/table2"), "table.md"));
}

#[test]
fn what_cannot_be_run_is_a_sentence() {
    let dir = tempfile::tempdir().unwrap();
    for (line, named) in [
        (
            "table2 --conditions bptt,alchemy",
            "no condition `alchemy`; --conditions takes some of bptt, eprop-extended",
        ),
        ("table3 --delays never", "a delay is"),
        ("table1 --seeds 0", "--seeds"),
        ("table2 --echo loud", "modulated"),
    ] {
        let outcome = experiments(dir.path(), line.split_whitespace());
        assert!(!outcome.success && outcome.errors.contains(named), "{line}: {}", outcome.errors);
        assert!(!dir.path().join("runs").exists(), "{line}");
    }
    run(dir.path(), TABLE2);
    let outcome = experiments(dir.path(), format!("{TABLE2} --bptt-lr 0.5").split_whitespace());
    assert!(!outcome.success && outcome.errors.contains("option --lr was 0.003"), "{}", outcome.errors);
}
