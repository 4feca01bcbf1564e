//! One run of a table of Hoyer et al. 2022: its condition, delay and seed.

use serde_json::{Value, json};

use super::conditions::Condition;
use super::run::{Found, Numbers, Run};
use crate::tca::Delay;

/// One run of a table.
#[derive(Clone, Debug)]
pub(super) struct Cell {
    pub(super) condition: &'static Condition,
    pub(super) delay: Option<Delay>,
    pub(super) run: Run,
}

/// The name of a run, its directory's too.
pub(super) fn name(condition: &Condition, delay: Option<Delay>, seed: u64) -> String {
    let delay = delay.map_or(String::new(), |delay| format!("-delay{delay}"));
    format!("{}{delay}-seed{seed}", condition.name)
}

impl Cell {
    /// Name of the column it belongs to.
    pub(super) fn column(&self) -> String {
        self.delay.map_or(String::new(), |delay| delay.to_string())
    }

    /// The line of `cells.jsonl`.
    pub(super) fn line(&self, found: &Found, numbers: &Numbers) -> Value {
        let [value, beside] = match self.delay {
            Some(_) => ["error_last_1000", "running_error"],
            None => ["test_accuracy", "best_test_accuracy"],
        };
        json!({
            "condition": self.condition.name,
            "delay": self.delay.map(|delay| delay.to_string()),
            "seed": self.run.seed,
            "length": self.run.length,
            value: numbers.value,
            beside: numbers.beside,
            "seconds": numbers.seconds,
            "task": found.recorded["task"],
            "options": found.recorded["options"],
            "level": found.recorded["level"],
            "revision": found.recorded["about"]["git-revision"],
        })
    }
}
