//! Claim: `time` prints what was asked for, one JSON object a line, and computes the same gradient under any schedule.

use crate::common::{experiments, run};
use serde_json::Value;

fn records(line: &str) -> Vec<Value> {
    let dir = tempfile::tempdir().unwrap();
    let output = run(dir.path(), line).output;
    output.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn a_case_is_timed_and_its_gradient_is_really_computed() {
    let case = "b3_t7_i2_h5_f64";
    let norms: Vec<f64> = ["streaming", "blocked:3", "whole"]
        .map(|schedule| {
            let found = records(&format!("time {case} --ops eprop_all --threads 2 --schedule {schedule}"));
            let [record] = &found[..] else { panic!("one line per operation, not {found:?}") };
            assert_eq!(record["peer"], "eligibility");
            assert_eq!(record["case"], case);
            assert_eq!(record["op"], "eprop_all");
            assert_eq!(record["schedule"], schedule);
            assert_eq!(record["threads"], 2);
            assert!(record["cpus"].as_u64().unwrap() > 0);
            assert!(record["min_s"].as_f64().unwrap() <= record["median_s"].as_f64().unwrap());
            assert!(record["peak_mb"].as_f64().unwrap() > 0.0);
            record["gradient_norm"].as_f64().unwrap()
        })
        .to_vec();
    assert!(norms[0] > 0.0);
    assert!(norms.iter().all(|norm| (norm - norms[0]).abs() < 1e-12 * norms[0]), "{norms:?}");
}

/// Whatever threads that ended have given back, and whichever of the new ones came first.
#[test]
fn the_same_learner_takes_the_same_memory_every_time() {
    let found =
        records("time b64_t64_i1_h32_f32 --ops fwdbwd_final,fwd,fwdbwd_final,fwdbwd_final --threads 2");
    let peaks: Vec<&Value> = found
        .iter()
        .filter(|record| record["op"] == "fwdbwd_final")
        .map(|record| &record["peak_mb"])
        .collect();
    assert_eq!(peaks, [peaks[0]; 3]);
}

#[test]
fn a_step_of_a_trace_unit_is_timed_alone_and_inside_a_sequence() {
    for recurrence in ["linear", "nonlinear"] {
        let case = format!("rtu_{recurrence}_b2_d3_n5_f64");
        let found = records(&format!("time {case}"));
        let [step, scan] = &found[..] else { panic!("two operations, not {found:?}") };
        assert_eq!((&step["op"], &scan["op"]), (&Value::from("step"), &Value::from("scan_step")));
        let norm = |record: &Value| record["gradient_norm"].as_f64().unwrap();
        assert_eq!(step["case"], case.as_str());
        assert!(norm(step) > 0.0 && step["peak_mb"].as_f64().unwrap() > 0.0);
        // The same steps with the same targets.
        assert!((norm(step) - norm(scan)).abs() < 1e-9 * norm(step), "{found:?}");
    }
}

#[test]
fn what_cannot_be_timed_is_an_error() {
    let dir = tempfile::tempdir().unwrap();
    for (line, expected) in [
        ("time", "required"),
        ("time b1_t1", "b32_t784_i1_h128_f32"),
        ("time b2_t2_i1_h2_f32 --ops online", "one stream"),
        ("time b1_t2_i1_h2_f32 --schedule sometimes", "blocked:K"),
        ("time b1_t2_i1_h2_f32 --ops step", "LSTM"),
        ("time rtu_linear_b1_d2_n2_f32 --ops fwd", "RTU"),
        ("time rtu_linear_b1", "rtu_linear_b1_d64_n64_f32"),
    ] {
        let outcome = experiments(dir.path(), line.split_whitespace());
        assert!(!outcome.success && outcome.errors.contains(expected), "{line}: {}", outcome.errors);
    }
}
