//! Why a run stopped: one sentence that says what was expected, what was found and what to do.

use std::fmt;
use std::io;
use std::path::Path;

/// A sentence for the person at the terminal.
#[derive(Debug)]
pub(crate) struct Failure(String);

impl Failure {
    pub(crate) fn new(sentence: impl Into<String>) -> Self {
        Self(sentence.into())
    }

    /// `cannot <action> <path>: <reason>`, as a function for `map_err`.
    pub(crate) fn io(action: &str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |error| Self(format!("cannot {action} {}: {error}", path.display()))
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Failure {}

impl From<eligibility::Error> for Failure {
    fn from(error: eligibility::Error) -> Self {
        Self(error.to_string())
    }
}

impl From<eligibility::LevelError> for Failure {
    fn from(error: eligibility::LevelError) -> Self {
        Self(error.to_string())
    }
}
