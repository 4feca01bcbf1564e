//! The epochs of a run: counters and sums while one lasts, a record when it ends, the summary after the last.

use eligibility::Score;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::failure::Failure;
use crate::plot::{Curve, learning_curve};
use crate::progress::Terminal;
use crate::run_dir::{Identity, RunDir};
use crate::summary::{bytes, duration, percent, table};

/// Counters and sums: with weights and averages, all that a run needs to go on, also from within an epoch.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct State {
    /// Whole epochs done.
    pub(crate) epoch: u64,
    /// Batches of the next epoch done.
    pub(crate) batch: usize,
    pub(crate) updates: u64,
    /// Of the epoch so far.
    pub(crate) loss: f64,
    pub(crate) images: usize,
    pub(crate) correct: usize,
    pub(crate) seconds: f64,
    /// Of all training so far.
    pub(crate) training_seconds: f64,
    pub(crate) learner_bytes: usize,
    /// Of the last whole epoch.
    pub(crate) test_accuracy: f64,
    pub(crate) best_accuracy: f64,
}

/// Records an epoch and makes the state ready for the next.
pub(crate) fn close_epoch(
    state: &mut State,
    test: &Score,
    dir: &mut RunDir,
    terminal: &Terminal,
) -> Result<(), Failure> {
    let images = state.images as f64;
    let (loss, error) = (state.loss / images, 1.0 - state.correct as f64 / images);
    let accuracy = 1.0 - test.error_rate();
    let epoch = state.epoch + 1;
    dir.log(&json!({
        "event": "epoch",
        "epoch": epoch,
        "updates": state.updates,
        "training_loss": loss,
        "training_error": error,
        "test_loss": test.mean_loss(),
        "test_accuracy": accuracy,
        "seconds": state.seconds,
    }))?;
    terminal.say(format_args!(
        "epoch {epoch:3}  training loss {loss:.4}, error {:>7}   test loss {:.4}, accuracy {:>7}   {} ({:.0} sequences/s)",
        percent(error),
        test.mean_loss(),
        percent(accuracy),
        duration(state.seconds),
        images / state.seconds,
    ));
    let best = state.best_accuracy.max(accuracy);
    *state = State {
        epoch,
        updates: state.updates,
        training_seconds: state.training_seconds + state.seconds,
        learner_bytes: state.learner_bytes,
        test_accuracy: accuracy,
        best_accuracy: best,
        ..State::default()
    };
    Ok(())
}

/// The last record, the summary and the curve.
pub(crate) fn finish(
    dir: &mut RunDir,
    identity: &Identity,
    line: &str,
    state: &State,
    terminal: &Terminal,
) -> Result<(), Failure> {
    let records = dir.records()?;
    let curve = |name: &str, error: fn(&serde_json::Value) -> Option<f64>| {
        let points = records.iter().filter_map(|record| Some((record["epoch"].as_f64()?, error(record)?)));
        Curve::new(name, points.collect())
    };
    let curves = [
        curve("training", |record| record["training_error"].as_f64()),
        curve("test", |record| record["test_accuracy"].as_f64().map(|accuracy| 1.0 - accuracy)),
    ];
    // The allocator counts for the whole process: of several runs at a time, nobody knows whose memory it is.
    let learner_bytes = terminal.is_alone().then_some(state.learner_bytes);
    dir.log(&json!({
        "event": "end",
        "updates": state.updates,
        "test_accuracy": state.test_accuracy,
        "best_test_accuracy": state.best_accuracy,
        "seconds": state.training_seconds,
        "learner_bytes": learner_bytes,
    }))?;
    let learner = identity.options["learner"].as_str().unwrap_or("?");
    let title = format!("{}: {learner}", identity.task);
    learning_curve(&dir.curve(), &title, "epoch", &curves)?;
    let rows = [
        ["test accuracy after the last epoch".into(), percent(state.test_accuracy)],
        ["best test accuracy of any epoch".into(), percent(state.best_accuracy)],
        ["epochs".into(), state.epoch.to_string()],
        ["updates".into(), state.updates.to_string()],
        ["time per update".into(), duration(state.training_seconds / state.updates as f64)],
        ["training time".into(), duration(state.training_seconds)],
        ["learner's memory at its peak".into(), learner_bytes.map_or("not known".into(), bytes)],
    ];
    let command = format!("experiments {} {line}", identity.task);
    let text = format!("# {title}\n\n{}\n`{command}`\n", table(&["", ""], &rows.map(Vec::from)));
    dir.summary(&text)?;
    terminal.detail(format_args!("\n{text}\ncurve: {}", dir.curve().display()));
    Ok(())
}
