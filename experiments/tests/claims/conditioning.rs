//! Claims about `experiments trace-conditioning`: a run that goes on after a pause is the same to the bit, what it says
//! of itself repeats it, and what cannot be is a sentence.

use std::fs;

use crate::common::{experiments, log, run, tensors};

const SMALL: &str = "trace-conditioning --hidden 3 --isi 6 --iti 10-14 --distractors 2 --steps 1000 --episode 200 \
                     --log-every 70";

#[test]
fn a_resumed_run_is_the_same_to_the_bit() {
    let variants = [
        "",
        "--lambda 0 --type f64 --optimizer sgd --lr 0.01",
        "--optimizer rmsprop --clip 0.1 --seed 3",
        "--distractors 0 --horizon 7 --gamma 0.5",
        "--steps 930",
        "--cell rtu --recurrence nonlinear --nonlinearity tanh --parameterisation direct",
        "--cell gru --truncation 3 --projection 2 --projection-nonlinearity relu",
    ];
    for variant in variants {
        let dir = tempfile::tempdir().unwrap();
        let line = format!("{SMALL} {variant}");
        run(dir.path(), &format!("{line} --out whole"));
        for stop in ["--stop-after 200", "--stop-after 600 --checkpoint-every 400", ""] {
            run(dir.path(), &format!("{line} --out parts {stop}"));
        }
        let [whole, parts] = ["whole", "parts"].map(|name| dir.path().join(name));
        assert_eq!(log(&whole), log(&parts), "{variant}");
        assert_eq!(tensors(&whole), tensors(&parts), "{variant}");
        assert!(tensors(&whole).iter().any(|(name, _)| name == "parameters"));
    }
}

#[test]
fn every_pair_of_cell_and_learner_runs_and_its_record_repeats_it() {
    let dir = tempfile::tempdir().unwrap();
    let line = SMALL.replace("1000", "150");
    for (options, name) in [
        ("--cell rtu", "rtu-rtrl"),
        ("--cell rtu --parameterisation exp --nonlinearity identity --projection 4", "rtu-rtrl"),
        ("--cell rtu --authors-theta-gradient --projection 4 --projection-nonlinearity tanh", "rtu-rtrl"),
        ("--cell rtu --learner truncated", "rtu-truncated10"),
        ("--cell lru --skip", "lru-rtrl"),
        ("--cell lru --learner truncated --truncation 2 --type f64", "lru-truncated2"),
        ("--cell block --nonlinearity relu", "block-rtrl"),
        ("--cell block --learner truncated", "block-truncated10"),
        ("--cell mingru", "mingru-rtrl"),
        ("--cell mingru --learner truncated", "mingru-truncated10"),
        ("--cell elstm", "elstm-rtrl"),
        ("--cell elstm --learner truncated", "elstm-truncated10"),
        ("--cell gru", "gru-truncated10"),
        ("--cell gru --learner eprop", "gru-eprop"),
        ("--cell rnn --nonlinearity relu", "rnn-truncated10"),
        ("--cell rnn --learner eprop", "rnn-eprop"),
        ("--cell rtu --learner eprop", "rtu-eprop"),
        ("--projection 4 --projection-nonlinearity relu", "lstm-eprop"),
        ("--learner truncated --truncation 3 --projection 2", "lstm-truncated3"),
    ] {
        run(dir.path(), &format!("{line} {options} --fresh"));
        let out = dir.path().join(format!("runs/trace-conditioning-{name}-seed1"));
        let summary = fs::read_to_string(out.join("summary.md")).unwrap();
        for row in ["| parameters ", "recurrent layer", "FLOPs per step"] {
            assert!(summary.contains(row), "{options}: {summary}");
        }
        let command = summary.lines().find_map(|line| line.strip_prefix("`experiments ")).unwrap();
        run(dir.path(), &format!("{} --out again --fresh", command.trim_end_matches('`')));
        assert_eq!(log(&dir.path().join("again")), log(&out), "{options}");
    }
}

#[test]
fn a_run_can_be_made_longer_from_the_end_of_an_episode_only() {
    let dir = tempfile::tempdir().unwrap();
    let line = SMALL.replace("--log-every 70", "--log-every 100");
    let longer = line.replace("1000", "1200");
    run(dir.path(), &format!("{longer} --out whole"));
    run(dir.path(), &format!("{line} --out parts"));
    run(dir.path(), &format!("{longer} --out parts"));
    assert_eq!(log(&dir.path().join("whole")), log(&dir.path().join("parts")));
    let shorter = line.replace("1000", "900");
    run(dir.path(), &format!("{shorter} --out within"));
    let outcome = experiments(dir.path(), format!("{line} --out within").split_whitespace());
    assert!(!outcome.success && outcome.errors.contains("cannot be made longer"), "{}", outcome.errors);
}

#[test]
fn the_records_hold_the_error_of_the_last_tenth_and_the_command_that_repeats_the_run() {
    let dir = tempfile::tempdir().unwrap();
    run(dir.path(), SMALL);
    let out = dir.path().join("runs/trace-conditioning-lstm-eprop-seed1");
    let records = log(&out);
    let (end, progress) = records.split_last().unwrap();
    assert_eq!(end["event"], "end");
    let steps: Vec<u64> = progress.iter().map(|record| record["step"].as_u64().unwrap()).collect();
    assert_eq!(steps, (1..=14).map(|i| 70 * i).chain([1000]).collect::<Vec<_>>());
    // 1,000 predictions, of which the last 100 wait for a return that nobody sees.
    assert_eq!(progress.iter().map(|record| record["scored"].as_u64().unwrap()).sum::<u64>(), 900);
    assert!(progress[0]["msre"].is_null(), "nothing is known after 70 steps: {}", progress[0]);
    let last: Vec<_> = progress.iter().filter(|record| record["step"].as_u64() > Some(900)).collect();
    let sum = |key: &str| -> f64 {
        last.iter().map(|record| record["scored"].as_f64().unwrap() * record[key].as_f64().unwrap()).sum()
    };
    let scored: f64 = last.iter().map(|record| record["scored"].as_f64().unwrap()).sum();
    assert_eq!(end["msre_last_tenth"].as_f64(), Some(sum("msre") / scored));
    assert_eq!(end["zero_msre_last_tenth"].as_f64(), Some(sum("zero_msre") / scored));
    assert!(fs::read_to_string(out.join("curve.svg")).unwrap().contains("mean squared return error"));
    let summary = fs::read_to_string(out.join("summary.md")).unwrap();
    let command = summary.lines().find_map(|line| line.strip_prefix("`experiments ")).unwrap();
    run(dir.path(), &format!("{} --out again", command.trim_end_matches('`')));
    assert_eq!(log(&dir.path().join("again")), records);
}

#[test]
fn impossible_options_are_sentences() {
    let dir = tempfile::tempdir().unwrap();
    for (options, named) in [
        ("--cell alchemy", "possible values: lstm, rtu, lru, block, mingru, elstm, gru, rnn"),
        ("--learner bptt", "possible values: eprop, rtrl, truncated"),
        ("--cell gru --learner rtrl", "units do not read each other; ask for truncated or eprop"),
        ("--learner rtrl", "ask for eprop or truncated"),
        ("--cell rtu --truncation 5", "--learner truncated"),
        ("--cell gru --truncation 0", "--truncation"),
        ("--isi 0", "1..=10000"),
        ("--isi-range 26-14", "a range of steps such as 14-26"),
        ("--iti 0-3", "a range of steps"),
        ("--us-length 81", "shortest --iti"),
        ("--cs-length 94", "shortest trial"),
        ("--distractors 101", "from 0 to 100"),
        ("--gamma 1", "--gamma should be"),
        ("--gamma NaN", "--gamma should be"),
        ("--lambda -0.1", "--lambda should be"),
        ("--horizon 0", "from 1 to"),
        ("--lr inf", "learning rate"),
        ("--clip 0", "clipping norm"),
        ("--rmsprop-decay 0.5", "--optimizer rmsprop"),
        ("--forget-bias NaN", "forget bias"),
        ("--stop-after 1000", "multiple of --episode 200000"),
        ("--checkpoint-every 1000", "multiple of --episode 200000"),
    ] {
        let outcome = experiments(dir.path(), format!("trace-conditioning {options}").split_whitespace());
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
    let records = log(&dir.path().join("runs/trace-conditioning-lstm-eprop-seed1"));
    assert_eq!(records.last().unwrap()["event"], "failed");
}

#[test]
fn predictions_get_better_than_none() {
    let dir = tempfile::tempdir().unwrap();
    run(
        dir.path(),
        "trace-conditioning --isi 6 --iti 10-14 --distractors 0 --hidden 8 --steps 20000 --log-every 2000",
    );
    let records = log(&dir.path().join("runs/trace-conditioning-lstm-eprop-seed1"));
    let end = records.last().unwrap();
    let [msre, zero] = ["msre_last_tenth", "zero_msre_last_tenth"].map(|key| end[key].as_f64().unwrap());
    let least = end["least_msre"].as_f64().unwrap();
    assert!(
        0.0 < least && least < msre && msre < 0.5 * zero,
        "{msre}, of the constant 0 {zero}, at least {least}"
    );
}
