//! The protocol of a table, as recorded in its runs, and what the paper says about it.

use std::collections::BTreeMap;

use serde_json::Value;

use super::Row;
use crate::summary::table;

/// Told by the table itself.
const ELSEWHERE: [&str; 4] = ["delay", "seed", "updates", "epochs"];

/// All options of all runs, one line each.
pub(super) fn options(task: &str, rows: &[Row]) -> String {
    let recorded: Vec<(&Row, &Value)> = (rows.iter())
        .flat_map(|row| row.runs.iter().map(move |(_, found)| (row, &found.recorded["options"])))
        .filter(|(_, options)| options.is_object())
        .collect();
    let mut keys: Vec<&String> =
        recorded.iter().filter_map(|(_, o)| o.as_object()).flat_map(|o| o.keys()).collect();
    keys.sort();
    keys.dedup();
    keys.retain(|key| !ELSEWHERE.contains(&key.as_str()));
    let mut lines = Vec::new();
    for key in keys {
        // Which conditions, at which delays, have a value.
        let mut values: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for (row, options) in &recorded {
            let users = values.entry(show(&options[key])).or_default();
            let label = match row.column.as_str() {
                "" => row.condition.name.to_owned(),
                delay => format!("{} at {delay}", row.condition.name),
            };
            if !users.contains(&label) {
                users.push(label);
            }
        }
        let value = match values.len() {
            1 => values.into_keys().next().unwrap_or_default(),
            _ => (values.into_iter())
                .map(|(value, users)| format!("{value}: {}", users.join(", ")))
                .collect::<Vec<_>>()
                .join("; "),
        };
        lines.push(vec![format!("`--{key}`"), value, stated(task, key).into()]);
    }
    lines.extend(fixed(task).iter().map(|line| line.map(String::from).to_vec()));
    left_aligned(&table(&["option", "value", "stated in the paper"], &lines))
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
