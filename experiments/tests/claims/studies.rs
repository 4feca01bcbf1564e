//! Claims about `experiments conditioning-table` and `three-state`: nothing is run twice, what was cut goes on, and what
//! cannot be run is a sentence.

use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::common::{experiments, log, run, tensors};

const TINY: &str = "--steps 300 --seeds 2 --episode 100 --log-every 50";

fn read(dir: &Path, name: &str) -> String {
    fs::read_to_string(dir.join(name)).unwrap()
}

fn cells(table: &Path) -> Vec<Value> {
    read(table, "cells.jsonl").lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn every_study_runs_once_and_a_report_of_it_is_the_same() {
    for (study, options, runs, named) in [
        ("architectures", "--hidden 2,3 --rates 0.01 --seeds 1", 16, "lru-nonlinear-projection-h3"),
        ("parameters", "--budget 60 --rates 0.01,0.001 --truncations 2", 12, "gru-tbptt2-p60"),
        ("compute", "--budget 2000 --rates 0.01 --truncations 1,3 --seeds 1", 5, "lru-tbptt-t3"),
        ("truncation", "--hidden 3 --rates 0.01 --truncations 1,3", 6, "rtu-tbptt-t3"),
        ("parameterisations", "--hidden 3 --rates 0.01,0.001 --seeds 1", 6, "exp-exp-h3"),
        ("rates", "--hidden 2,3 --rates 0.01,0.001", 8, "rtu-h2"),
        ("cells", "--hidden 3 --rates 0.01", 12, "elstm-h3"),
    ] {
        let dir = tempfile::tempdir().unwrap();
        let line = format!("conditioning-table {study} {TINY} {options}");
        // An option given twice holds as it was given last.
        let first = run(dir.path(), &line);
        assert!(first.output.contains(&format!("{runs} of {runs} runs to do")), "{}", first.output);
        let table = dir.path().join(format!("runs/conditioning-{study}"));
        let names = ["table.md", "cells.jsonl", &format!("{study}.svg")];
        let files = names.map(|name| read(&table, name));
        assert_eq!(cells(&table).len(), runs, "{study}");
        for cell in cells(&table) {
            let [msre, zero, least] = ["msre_last_tenth", "zero_msre_last_tenth", "least_msre"]
                .map(|key| cell[key].as_f64().unwrap());
            assert!(msre > 0.0 && zero > least, "{cell}");
            assert!(cell["flops_per_step"].as_u64() > cell["recurrent_parameters"].as_u64(), "{cell}");
        }
        for named in [named, "MSRE", "The constant 0 has", "diverged", "Revision"] {
            let is_over_rates = ["parameterisations", "rates"].contains(&study);
            assert!(
                files[0].contains(named) || (named == "diverged" && is_over_rates),
                "{named}: {}",
                files[0]
            );
        }
        for again in [line.clone(), format!("{line} --report")] {
            let output = run(dir.path(), &again).output;
            assert!(!output.contains("to do"), "{output}");
            assert_eq!(files, names.map(|name| read(&table, name)), "{study}");
        }
    }
}

#[test]
fn a_study_that_was_cut_goes_on_and_its_runs_are_those_of_the_plain_command() {
    let dir = tempfile::tempdir().unwrap();
    let by_hand = "trace-conditioning --isi 20 --lambda 0.9 --steps 300 --log-every 50 --episode 100 --cell lru \
                   --hidden 3 --lr 0.01 --seed 2";
    let study = format!("conditioning-table cells {TINY} --hidden 3 --rates 0.01 --conditions lru,mingru-h3");
    run(dir.path(), &format!("{by_hand} --out runs/conditioning-cells/lru-h3-lr0.01-seed2 --stop-after 100"));
    let report = run(dir.path(), &format!("{study} --report"));
    assert!(report.output.contains("lru-h3-lr0.01-seed2: not finished"), "{}", report.output);
    let output = run(dir.path(), &format!("{study} --jobs 3")).output;
    assert!(output.contains("lru-h3-lr0.01-seed2: going on after step 100"), "{output}");
    run(dir.path(), &format!("{by_hand} --out whole"));
    let [cell, whole] =
        ["runs/conditioning-cells/lru-h3-lr0.01-seed2", "whole"].map(|name| dir.path().join(name));
    assert_eq!((log(&cell), tensors(&cell)), (log(&whole), tensors(&whole)));
    // Longer: every run goes on from where it was.
    let output = run(dir.path(), &study.replace("300", "400")).output;
    assert!(output.contains("mingru-h3-lr0.01-seed1: going on after step 300"), "{output}");
    // A condition without a result has no rate.
    run(dir.path(), &format!("{study} --report --out nothing"));
    assert!(read(&dir.path().join("nothing"), "table.md").contains(" - |    - |"));
    // Other options are another run.
    let outcome = experiments(dir.path(), format!("{study} --lambda 0.5").split_whitespace());
    assert!(!outcome.success && outcome.errors.contains("option --lambda was 0.9"), "{}", outcome.errors);
}

#[test]
fn times_are_a_table() {
    let dir = tempfile::tempdir().unwrap();
    run(dir.path(), "conditioning-table runtime --hidden 2,3 --truncations 1,2 --steps 60");
    let table = dir.path().join("runs/conditioning-runtime");
    assert_eq!(cells(&table).len(), 2 * (2 + 3 * 2));
    let text = read(&table, "table.md");
    for named in ["rtu-rtrl-h2", "gru-tbptt-h3-t2", "us per step", "--truncations 1,2"] {
        assert!(text.contains(named), "{named}: {text}");
    }
    assert!(read(&table, "runtime.svg").contains("steps back"));
}

#[test]
fn the_three_state_chain_is_measured_seed_by_seed() {
    let dir = tempfile::tempdir().unwrap();
    let line = "three-state --seeds 2 --updates 4 --every 2 --steps 10 --batch 2";
    run(dir.path(), line);
    let out = dir.path().join("runs/three-state");
    let first = read(&out, "cells.jsonl");
    assert_eq!(cells(&out).len(), 6);
    let text = read(&out, "table.md");
    for named in ["accuracy at s3", "complex eigenvalues", "(n = 2)", "--truncation 10"] {
        assert!(text.contains(named), "{named}: {text}");
    }
    run(dir.path(), &format!("{line} --jobs 1"));
    assert_eq!(first, read(&out, "cells.jsonl"));
    let outcome = experiments(dir.path(), "three-state --lr inf".split_whitespace());
    assert!(!outcome.success && outcome.errors.contains("learning rate"), "{}", outcome.errors);
}

#[test]
fn impossible_studies_are_sentences() {
    let dir = tempfile::tempdir().unwrap();
    for (line, named) in [
        ("alchemy", "possible values: architectures"),
        ("cells --conditions gru", "cells has no condition `gru`; --conditions takes some of block, elstm"),
        ("cells --truncations 3", "--truncations is no option of the study cells"),
        ("parameters --hidden 3", "--hidden is no option of the study parameters"),
        ("rates --budget 3", "--budget is no option of the study rates"),
        ("compute --budget 100", "--budget 100 is too small"),
        ("rates --rates 0.1,-1", "--rates should be positive"),
        ("rates --lambda 2", "--lambda should be"),
        ("rates --seeds 0", "--seeds"),
        ("runtime --report", "runtime trains nothing"),
    ] {
        let outcome = experiments(dir.path(), format!("conditioning-table {line}").split_whitespace());
        assert!(!outcome.success && outcome.errors.contains(named), "{line}: {}", outcome.errors);
        assert!(!outcome.errors.contains("panicked"), "{}", outcome.errors);
        assert!(!dir.path().join("runs").exists(), "{line}");
    }
}
