//! One run of a table: its command, its directory, and how far it is.

use std::fs;
use std::path::PathBuf;

use serde_json::{Map, Value};

use crate::cli::TaskRun;
use crate::conditioning::returns::last_tenth;
use crate::failure::Failure;
use crate::run_dir::{LOG, OPTIONS, difference_of_options};

/// May differ between what is asked and what is recorded: the length, and what only the data tell.
const FREE: [&str; 4] = ["updates", "epochs", "steps", "data (fingerprint)"];

/// One run of a table.
#[derive(Clone, Debug)]
pub(super) struct Run {
    /// Also the directory's name.
    pub(super) name: String,
    pub(super) seed: u64,
    /// Updates, epochs or steps.
    pub(super) length: u64,
    pub(super) path: PathBuf,
    /// The plain command that is this run, after the program's name.
    pub(super) words: Vec<String>,
}

/// How far a run is.
#[derive(Debug)]
pub(super) enum Status {
    Missing,
    /// So many updates, epochs or steps are in the log.
    Unfinished(u64),
    /// Its numbers at the asked length.
    Finished(Numbers),
    /// It cannot go on: a repetition would end in the same way.
    Failed(String),
    /// The directory holds another run.
    Other(String),
}

/// What a run came to.
#[derive(Debug)]
pub(super) struct Numbers {
    /// Error or accuracy, a fraction, or MSRE: what the table shows.
    pub(super) value: f64,
    /// The running error, the accuracy of the best epoch, or the MSRE of the constant 0.
    pub(super) beside: f64,
    pub(super) seconds: f64,
}

/// A run as found on disk.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) status: Status,
    /// All of `options.json`, null without.
    pub(super) recorded: Value,
    pub(super) records: Vec<Value>,
}

impl Run {
    /// Looks at the directory.
    pub(super) fn find(&self) -> Result<Found, Failure> {
        let path = self.path.join(OPTIONS);
        let text = match fs::read_to_string(&path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Ok(Found { status: Status::Missing, recorded: Value::Null, records: Vec::new() });
            }
            other => other.map_err(Failure::io("read", &path))?,
        };
        let recorded: Value = serde_json::from_str(&text).map_err(|error| {
            Failure::new(format!(
                "{} is damaged ({error}): remove the directory, or give another --out",
                path.display()
            ))
        })?;
        let log = self.path.join(LOG);
        let text = fs::read_to_string(&log).map_err(Failure::io("read", &log))?;
        // The last line of a run that is going on, or was killed, may be half a line.
        let records: Vec<Value> = text.lines().map_while(|line| serde_json::from_str(line).ok()).collect();
        let empty = Map::new();
        let asked = TaskRun::parse(&self.words)?.identity()?;
        let options = recorded["options"].as_object().unwrap_or(&empty);
        let status = match difference_of_options(options, &asked.options, &FREE) {
            _ if recorded["task"] != asked.task => Status::Other(format!(
                "a run of {}",
                recorded["task"].as_str().unwrap_or("nobody knows what")
            )),
            Some(difference) => Status::Other(format!("a run with other options: {difference}")),
            None => self.status(&records),
        };
        Ok(Found { status, recorded, records })
    }

    fn status(&self, records: &[Value]) -> Status {
        let done = records.iter().filter_map(step).max().unwrap_or(0);
        let at = records.iter().position(|record| step(record) == Some(self.length));
        match (at, records.last()) {
            // Whatever follows the record of the asked length shows that the run got beyond it.
            (Some(at), Some(_)) if at + 1 < records.len() => {
                Status::Finished(numbers(&records[..=at], self.length))
            }
            (_, Some(last)) if last["event"] == "failed" => {
                Status::Failed(last["reason"].as_str().unwrap_or("no reason is recorded").into())
            }
            _ if done > self.length => Status::Other(format!(
                "a longer run, of {done}, without a record of {}: ask for its length",
                self.length
            )),
            _ => Status::Unfinished(done),
        }
    }
}

/// The update, step or epoch of a record of the curve.
pub(super) fn step(record: &Value) -> Option<u64> {
    match record["event"].as_str()? {
        "progress" => record["update"].as_u64().or_else(|| record["step"].as_u64()),
        "epoch" => record["epoch"].as_u64(),
        _ => None,
    }
}

/// The error of a record of the curve: a fraction, or MSRE.
pub(super) fn error(record: &Value) -> f64 {
    match record["event"].as_str() {
        Some("progress") if record["step"].is_u64() => number(&record["msre"]),
        Some("progress") => number(&record["running_error"]),
        _ => 1.0 - number(&record["test_accuracy"]),
    }
}

/// JSON has no NaN: it is written as null.
fn number(value: &Value) -> f64 {
    value.as_f64().unwrap_or(f64::NAN)
}

/// Of a run of `length` that ends with these records.
fn numbers(records: &[Value], length: u64) -> Numbers {
    let epochs = || records.iter().filter(|record| record["event"] == "epoch");
    match records.last() {
        Some(last) if last["event"] == "progress" && last["step"].is_u64() => {
            let [value, beside] = last_tenth(records, length).unwrap_or([f64::NAN; 2]);
            Numbers { value, beside, seconds: number(&last["seconds"]) }
        }
        Some(last) if last["event"] == "progress" => Numbers {
            value: number(&last["error_last_1000"]),
            beside: number(&last["running_error"]),
            seconds: number(&last["seconds"]),
        },
        last => Numbers {
            value: last.map_or(f64::NAN, |last| number(&last["test_accuracy"])),
            beside: epochs().map(|epoch| number(&epoch["test_accuracy"])).fold(f64::NAN, f64::max),
            seconds: epochs().map(|epoch| number(&epoch["seconds"])).sum(),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn status(records: &[Value]) -> Status {
        Run { name: String::new(), seed: 1, length: 20, path: PathBuf::new(), words: Vec::new() }
            .status(records)
    }

    fn progress(update: u64, error: f64) -> Value {
        json!({"event": "progress", "update": update, "error_last_1000": error, "running_error": 0.5, "seconds": 1.0})
    }

    #[test]
    fn a_run_is_finished_when_something_follows_the_record_of_its_length() {
        let (half, whole, end) =
            (progress(10, 0.5), progress(20, 0.25), json!({"event": "end", "update": 20}));
        assert!(matches!(status(&[]), Status::Unfinished(0)));
        assert!(matches!(status(std::slice::from_ref(&half)), Status::Unfinished(10)));
        assert!(matches!(status(&[half.clone(), whole.clone()]), Status::Unfinished(20)));
        for next in [end, progress(30, 0.125)] {
            let status = status(&[half.clone(), whole.clone(), next]);
            assert!(matches!(status, Status::Finished(Numbers { value: 0.25, .. })), "{status:?}");
        }
        let failed = json!({"event": "failed", "update": 12, "reason": "training diverged"});
        assert!(matches!(status(&[half, failed]), Status::Failed(_)));
        assert!(matches!(status(&[progress(15, 0.5), progress(30, 0.5)]), Status::Other(_)));
    }

    #[test]
    fn a_number_that_was_not_finite_stays_so() {
        let records = [progress(20, f64::NAN), json!({"event": "end"})];
        assert!(records[0]["error_last_1000"].is_null());
        let Status::Finished(numbers) = status(&records) else { panic!("the run is finished") };
        assert!(numbers.value.is_nan());
    }

    #[test]
    fn of_a_run_of_steps_the_last_tenth_counts() {
        let progress = |step: u64, msre: f64| json!({"event": "progress", "step": step, "scored": 5, "msre": msre, "zero_msre": 2.0, "seconds": 1.0});
        let records = [progress(18, 9.0), progress(19, 0.5), progress(20, 0.25), progress(30, 8.0)];
        assert_eq!((step(&records[0]), error(&records[0])), (Some(18), 9.0));
        let Status::Finished(numbers) = status(&records) else { panic!("the run is finished") };
        assert_eq!((numbers.value, numbers.beside), (0.375, 2.0));
    }
}
