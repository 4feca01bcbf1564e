//! The protocol of a table, as recorded in its runs, and what the paper says about it.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::Row;
use crate::summary::table;

/// Told by the table itself.
const ELSEWHERE: [&str; 4] = ["delay", "seed", "updates", "epochs"];

/// All options of all runs, with what the paper states; then those in which conditions differ, condition by condition.
pub(super) fn options(task: &str, rows: &[Row]) -> String {
    let mut keys: Vec<&String> = rows.iter().flat_map(recorded).flat_map(Map::keys).collect();
    keys.sort();
    keys.dedup();
    keys.retain(|key| !ELSEWHERE.contains(&key.as_str()));
    let (mut lines, mut differing) = (Vec::new(), Vec::new());
    for key in keys {
        let mut values = rows.iter().flat_map(|row| values(row, key));
        let first = values.next().unwrap_or_default();
        let same = values.all(|value| value == first);
        if !same {
            differing.push(key.as_str());
        }
        let value = if same { first } else { "by condition".into() };
        lines.push(vec![format!("`--{key}`"), value, stated(task, key).into()]);
    }
    lines.extend(fixed(task).iter().map(|line| line.map(String::from).to_vec()));
    let common = left_aligned(&table(&["option", "value", "stated in the paper"], &lines));
    let mut names: Vec<&str> = rows.iter().map(|row| row.condition.name).collect();
    names.dedup();
    let line = |name: &&str| {
        let cells = differing.iter().map(|key| by_column(rows, name, key));
        std::iter::once((*name).to_owned()).chain(cells).collect()
    };
    let lines: Vec<Vec<String>> = names.iter().map(line).collect();
    if differing.is_empty() {
        return common;
    }
    let header: Vec<&str> = std::iter::once("condition").chain(differing.iter().copied()).collect();
    format!("{common}\n{}", left_aligned(&table(&header, &lines)))
}

fn recorded(row: &Row) -> impl Iterator<Item = &Map<String, Value>> {
    row.runs.iter().filter_map(|(_, found)| found.recorded["options"].as_object())
}

/// The different values of an option in the runs of a condition.
fn values(row: &Row, key: &str) -> BTreeSet<String> {
    recorded(row).map(|options| show(options.get(key).unwrap_or(&Value::Null))).collect()
}

/// The value of an option in one condition: `adam`, or `adam; rmsprop at 20`.
fn by_column(rows: &[Row], name: &str, key: &str) -> String {
    let mut columns: Vec<(String, Vec<&str>)> = Vec::new();
    for row in rows.iter().filter(|row| row.condition.name == name) {
        for value in values(row, key) {
            match columns.iter_mut().find(|(known, _)| *known == value) {
                Some((_, users)) => users.push(&row.column),
                None => columns.push((value, vec![&row.column])),
            }
        }
    }
    match columns.as_slice() {
        [] => "-".into(),
        [(value, _)] => value.clone(),
        several => {
            let parts = several.iter().map(|(value, users)| format!("{value} at {}", users.join(", ")));
            parts.collect::<Vec<_>>().join("; ")
        }
    }
}

/// Text columns are read from the left.
fn left_aligned(markdown: &str) -> String {
    let mut lines: Vec<String> = markdown.lines().map(str::to_owned).collect();
    if let Some(rule) = lines.get_mut(1) {
        *rule = rule.replace("-:", "--");
    }
    lines.join("\n") + "\n"
}

fn show(value: &Value) -> String {
    match value {
        Value::Null => "none".into(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// What Hoyer et al. 2022 say about an option.
fn stated(task: &str, key: &str) -> &'static str {
    match (task, key) {
        ("tca", "batch") => "yes (64)",
        ("tca", "optimizer") => "yes; plain e-prop's no",
        ("tca", "lr") => "extended e-prop's only (0.01); plain e-prop failed at it",
        ("smnist" | "psmnist", "lr") => "yes (e-prop 0.001, BPTT 0.0005)",
        ("smnist" | "psmnist", "clip") => "yes (none)",
        (_, "learner" | "feedback" | "hidden" | "optimizer") => "yes",
        (_, "forget-bias") => "yes (+1.8)",
        (_, "echo") => "neither the exact form nor the factor",
        (_, "batch" | "rmsprop-decay" | "clip" | "permutation-seed" | "type") => "no",
        (_, "schedule") => "no; the same gradient up to rounding",
        (_, "log-every" | "train-limit" | "test-limit" | "data (fingerprint)") => "ours",
        _ => "a control of ours",
    }
}

/// What has no option.
fn fixed(task: &str) -> &'static [[&'static str; 3]] {
    match task {
        "tca" => &[
            ["initial weights", "uniform in ±1/√units", "no"],
            ["draws without a winner", "drawn again", "no; its figures rule out that they were kept"],
            ["sides", "uniform in [0, 1)", "between zero and one"],
            ["steps", "15 + delay, the answer at the last", "no; the 15 is"],
            ["error", "mean of the last 1,000 updates", "a running mean"],
        ],
        _ => &[
            ["initial weights", "uniform in ±1/√units", "no"],
            ["pixels", "in [0, 1]", "no"],
            ["images", "60,000 to train on, 10,000 to test", "no"],
            ["accuracy", "after the last epoch", "after 350 epochs; of the last or the best is not said"],
        ],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_of_text_are_read_from_the_left() {
        let text = left_aligned(&table(&["option", "value"], &[vec!["lr".into(), "-:".into()]]));
        assert_eq!(text.lines().nth(1), Some("| ------ | ----- |"));
        assert!(text.contains("-:"));
    }

    #[test]
    fn every_task_says_what_is_not_in_the_paper() {
        assert_eq!(stated("tca", "batch"), "yes (64)");
        assert_eq!(stated("smnist", "batch"), "no");
        assert_eq!(stated("psmnist", "rmsprop-decay"), "no");
    }
}
