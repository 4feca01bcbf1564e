//! The directory of a run, and the rule by which a run may be resumed.
//!
//! | file | what |
//! |---|---|
//! | `options.json` | all options, version, level; `about`: what may differ when resuming |
//! | `log.jsonl` | one JSON object per record |
//! | `checkpoint.safetensors` | where to go on (`crate::checkpoint`) |
//! | `summary.md`, `curve.svg` | the result, for people |
//!
//! A run goes on from its checkpoint if task, options, version and level are those recorded; otherwise the first
//! difference is an error. Only its length, `--updates`, `--epochs` or `--steps`, may change: a finished run can be continued. The
//! log is cut back to what the checkpoint has seen.

use std::fs::{self, File};
use std::io::{Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::process::Command;

use eligibility::Level;
use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::checkpoint::{self, Checkpoint, Element, Trained};
use crate::failure::Failure;
use crate::options::RunArgs;

pub(crate) const OPTIONS: &str = "options.json";
pub(crate) const LOG: &str = "log.jsonl";
const CHECKPOINT: &str = "checkpoint.safetensors";
const SUMMARY: &str = "summary.md";
const CURVE: &str = "curve.svg";

/// Options that say how long a run lasts, and nothing about what it computes until then.
const LENGTHS: [&str; 3] = ["updates", "epochs", "steps"];

/// An open run.
#[derive(Debug)]
pub(crate) struct RunDir {
    path: PathBuf,
    log: File,
}

/// What a run is: its task and options, complete.
#[derive(Debug)]
pub(crate) struct Identity {
    pub(crate) task: &'static str,
    /// Compared when resuming.
    pub(crate) options: Map<String, Value>,
    /// Recorded only.
    pub(crate) about: Map<String, Value>,
    /// Where to write unless told otherwise.
    pub(crate) default_out: PathBuf,
}

impl Identity {
    pub(crate) fn new(
        task: &'static str,
        options: &impl Serialize,
        default_out: PathBuf,
    ) -> Result<Self, Failure> {
        let wrong = || Failure::new("cannot record the options: a number is not finite");
        match serde_json::to_value(options) {
            Ok(Value::Object(options)) => Ok(Self { task, options, about: Map::new(), default_out }),
            _ => Err(wrong()),
        }
    }

    /// The options as one line.
    pub(crate) fn line(&self) -> String {
        let words = (self.options.iter()).filter(|(_, value)| !value.is_null()).map(|(key, value)| {
            format!("--{key} {}", value.as_str().map_or(value.to_string(), str::to_owned))
        });
        words.collect::<Vec<_>>().join(" ")
    }

    fn record(&self, level: &str) -> Value {
        let mut about = self.about.clone();
        about.insert("git-revision".into(), revision().into());
        json!({
            "task": self.task,
            "version": env!("CARGO_PKG_VERSION"),
            "level": level,
            "options": self.options,
            "about": about,
        })
    }
}

impl RunDir {
    /// Opens the directory, new or to be resumed, for this process alone.
    pub(crate) fn open(identity: &Identity, args: &RunArgs) -> Result<(Self, Option<Checkpoint>), Failure> {
        let path = args.out.clone().unwrap_or_else(|| identity.default_out.clone());
        fs::create_dir_all(&path).map_err(Failure::io("create", &path))?;
        let log = path.join(LOG);
        let file = (File::options().create(true).truncate(false).read(true).write(true).open(&log))
            .map_err(Failure::io("open", &log))?;
        if let Err(fs::TryLockError::WouldBlock) = file.try_lock() {
            return Err(Failure::new(format!(
                "another process is writing to {}: wait for it, or give another --out",
                path.display()
            )));
        }
        let mut dir = Self { path, log: file };
        let record = identity.record(Level::from_env()?.name());
        let checkpoint = if args.fresh { dir.remove_results()? } else { dir.resume(&record)? };
        if let Some(checkpoint) = &checkpoint {
            check_length(&dir.path, &identity.options, &checkpoint.progress()?)?;
        }
        let log_bytes = checkpoint.as_ref().map_or(Ok(0), Checkpoint::log_bytes)?;
        dir.cut_log(log_bytes)?;
        checkpoint::replace(&dir.path.join(OPTIONS), format!("{record:#}\n").as_bytes())?;
        Ok((dir, checkpoint))
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Appends a record to the log.
    pub(crate) fn log(&mut self, record: &impl Serialize) -> Result<(), Failure> {
        let line = serde_json::to_string(record)
            .map_err(|error| Failure::new(format!("cannot write a record to the log: {error}")))?;
        self.log.write_all(format!("{line}\n").as_bytes()).map_err(Failure::io("write", &self.path.join(LOG)))
    }

    /// Records why a run cannot go on after so many updates, and hands the reason back.
    pub(crate) fn failed<R>(&mut self, update: u64, reason: Failure) -> Result<R, Failure> {
        self.failed_at("update", update, reason)
    }

    /// The same after so many of another `unit`.
    pub(crate) fn failed_at<R>(&mut self, unit: &str, done: u64, reason: Failure) -> Result<R, Failure> {
        self.log(&json!({"event": "failed", unit: done, "reason": reason.to_string()}))?;
        Err(reason)
    }

    /// All records so far, of a resumed run from its beginning.
    pub(crate) fn records(&self) -> Result<Vec<Value>, Failure> {
        let path = self.path.join(LOG);
        let text = fs::read_to_string(&path).map_err(Failure::io("read", &path))?;
        let parse = |line| serde_json::from_str(line);
        text.lines()
            .map(parse)
            .collect::<Result<_, _>>()
            .map_err(|error| Failure::new(format!("{} is damaged: {error}", path.display())))
    }

    /// Saves a checkpoint that goes with the log as it is now; of weights that are not finite none, so that the last good one
    /// stays.
    pub(crate) fn checkpoint<T: Element>(
        &mut self,
        trained: &impl Trained<T>,
        progress: &impl Serialize,
    ) -> Result<(), Failure> {
        if !trained.network().parameters().iter().all(|&w| eligibility::Real::is_finite(w)) {
            return Err(Failure::new(format!(
                "training diverged: after update {} weights are not finite, and no checkpoint of them was saved; try a \
                 smaller --lr, or --clip",
                trained.optimizer().updates()
            )));
        }
        let log_bytes = (self.log.sync_data().and_then(|()| self.log.stream_position()))
            .map_err(Failure::io("write", &self.path.join(LOG)))?;
        checkpoint::save(&self.path.join(CHECKPOINT), trained, progress, log_bytes)
    }

    /// Writes the summary.
    pub(crate) fn summary(&self, text: &str) -> Result<(), Failure> {
        checkpoint::replace(&self.path.join(SUMMARY), text.as_bytes())
    }

    /// Where the learning curve goes.
    pub(crate) fn curve(&self) -> PathBuf {
        self.path.join(CURVE)
    }

    fn remove_results(&self) -> Result<Option<Checkpoint>, Failure> {
        for name in [CHECKPOINT, OPTIONS, SUMMARY, CURVE] {
            let path = self.path.join(name);
            match fs::remove_file(&path) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                    return Err(Failure::io("remove", &path)(error));
                }
                _ => {}
            }
        }
        Ok(None)
    }

    fn resume(&self, now: &Value) -> Result<Option<Checkpoint>, Failure> {
        let path = self.path.join(OPTIONS);
        let text = match fs::read_to_string(&path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return self.without_options(),
            other => other.map_err(Failure::io("read", &path))?,
        };
        let recorded: Value = serde_json::from_str(&text).map_err(|error| {
            Failure::new(format!(
                "{} is damaged ({error}): start over with --fresh, or give another --out",
                path.display()
            ))
        })?;
        if let Some(difference) = difference(&recorded, now) {
            return Err(Failure::new(format!(
                "{} holds a run with other options: {difference}. Use the recorded value to go on with it, give \
                 another --out, or start over with --fresh",
                self.path.display()
            )));
        }
        Checkpoint::read(&self.path.join(CHECKPOINT))
    }

    /// A checkpoint of which nobody knows what it belongs to is not used.
    fn without_options(&self) -> Result<Option<Checkpoint>, Failure> {
        if self.path.join(CHECKPOINT).exists() {
            return Err(Failure::new(format!(
                "{} has a checkpoint but no {OPTIONS}: start over with --fresh, or give another --out",
                self.path.display()
            )));
        }
        Ok(None)
    }

    fn cut_log(&mut self, log_bytes: u64) -> Result<(), Failure> {
        let path = self.path.join(LOG);
        let found = self.log.metadata().map_err(Failure::io("read", &path))?.len();
        if found < log_bytes {
            return Err(Failure::new(format!(
                "{} should have at least {log_bytes} bytes, but has {found}: cannot resume; start over with --fresh",
                path.display()
            )));
        }
        (self.log.set_len(log_bytes).and_then(|()| self.log.seek(SeekFrom::Start(log_bytes))))
            .map_err(Failure::io("cut", &path))?;
        Ok(())
    }
}

/// The first thing in which two records differ, as a clause.
fn difference(recorded: &Value, now: &Value) -> Option<String> {
    let clause = |what: String, recorded: &Value, now: &Value| {
        (recorded != now).then(|| format!("{what} was {recorded} and is now {now}"))
    };
    for key in ["task", "version", "level"] {
        if let Some(clause) = clause(key.into(), &recorded[key], &now[key]) {
            return Some(clause);
        }
    }
    let empty = Map::new();
    let [old, new] = [recorded, now].map(|record| record["options"].as_object().unwrap_or(&empty));
    difference_of_options(old, new, &LENGTHS)
}

/// The first option in which two runs differ, as a clause; those in `except` may.
pub(crate) fn difference_of_options(
    old: &Map<String, Value>,
    new: &Map<String, Value>,
    except: &[&str],
) -> Option<String> {
    let mut keys = old.keys().chain(new.keys()).filter(|key| !except.contains(&key.as_str()));
    keys.find_map(|key| {
        let [old, new] = [old, new].map(|options| options.get(key).unwrap_or(&Value::Null));
        (old != new).then(|| format!("option --{key} was {old} and is now {new}"))
    })
}

/// The revision of the sources: baked in at build time, asked of git, or unknown.
pub(crate) fn revision() -> String {
    if let Some(revision) = option_env!("ELIGIBILITY_REVISION") {
        return revision.into();
    }
    let git = Command::new("git")
        .args(["-C", env!("CARGO_MANIFEST_DIR"), "describe", "--always", "--dirty", "--abbrev=12"])
        .output();
    match git {
        Ok(output) if output.status.success() => String::from_utf8_lossy(&output.stdout).trim().into(),
        _ => "unknown".into(),
    }
}

/// A run can be made longer, and not shorter: what was trained for 400 updates is not the result of 100.
fn check_length(path: &Path, options: &Map<String, Value>, progress: &Value) -> Result<(), Failure> {
    for (option, counter) in [("updates", "update"), ("epochs", "epoch"), ("steps", "step")] {
        let asked = options.get(option).and_then(Value::as_u64);
        let (Some(asked), Some(done)) = (asked, progress[counter].as_u64()) else { continue };
        let within_the_next = progress["batch"].as_u64().is_some_and(|batch| batch > 0);
        if done > asked || (done == asked && within_the_next) {
            let more = if within_the_next { "more than " } else { "" };
            return Err(Failure::new(format!(
                "{} holds a run of {more}{done} {option}, and {asked} are asked for: ask for at least as many, give another \
                 --out, or start over with --fresh",
                path.display()
            )));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_differing_option_is_named() {
        let record = |lr: f64| json!({"task": "tca", "options": {"hidden": 32, "lr": lr, "clip": null}});
        assert_eq!(difference(&record(0.1), &record(0.1)), None);
        let clause = difference(&record(0.1), &record(0.2)).unwrap();
        assert_eq!(clause, "option --lr was 0.1 and is now 0.2");
        let clause = difference(&json!({"options": {}}), &json!({"options": {"clip": 1}})).unwrap();
        assert_eq!(clause, "option --clip was null and is now 1");
    }

    #[test]
    fn a_run_may_be_made_longer() {
        let record = |epochs: u64| json!({"task": "smnist", "options": {"epochs": epochs, "lr": 0.1}});
        assert_eq!(difference(&record(1), &record(3)), None);
    }
}
