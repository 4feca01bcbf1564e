//! Progress on standard error: a bar on a terminal, a plain line now and then elsewhere.
//!
//! A run has the terminal to itself, or is one of several at a time: then it says less, with its name before each line.

use std::fmt::Display;
use std::io::{IsTerminal, Write};
use std::time::{Duration, Instant};

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};

/// On a terminal.
const REDRAW: Duration = Duration::from_millis(100);
/// Elsewhere.
const PLAIN_LINE: Duration = Duration::from_secs(10);
/// Elsewhere, of one of many runs.
const NAMED_LINE: Duration = Duration::from_secs(120);

/// Prints a line on standard output. Training goes on if nobody reads it any more.
pub(crate) fn say(line: impl Display) {
    let _ = writeln!(std::io::stdout(), "{line}");
}

/// The same on standard error.
pub(crate) fn warn(line: impl Display) {
    let _ = writeln!(std::io::stderr(), "{line}");
}

/// Where a run reports.
#[derive(Clone, Debug, Default)]
pub(crate) struct Terminal {
    /// The run's name and the bars of all runs, if it is one of several at a time.
    shared: Option<(String, MultiProgress)>,
}

impl Terminal {
    /// The terminal of the run `name`, beside others.
    pub(crate) fn shared(name: impl Into<String>, bars: &MultiProgress) -> Self {
        Self { shared: Some((name.into(), bars.clone())) }
    }

    /// Whether no other run goes on in this process.
    pub(crate) fn is_alone(&self) -> bool {
        self.shared.is_none()
    }

    /// Prints a line, after the run's name if there are others.
    pub(crate) fn say(&self, line: impl Display) {
        match &self.shared {
            None => say(line),
            Some((name, bars)) => bars.suspend(|| say(format_args!("{name}: {line}"))),
        }
    }

    /// Prints what only the reader of a single run wants to know.
    pub(crate) fn detail(&self, line: impl Display) {
        if self.is_alone() {
            say(line);
        }
    }

    /// Progress of `label`: `done` of `total` are done already.
    pub(crate) fn progress(&self, label: &str, unit: &'static str, done: u64, total: u64) -> Progress {
        match &self.shared {
            None => Progress::new(label, unit, done, total),
            Some((name, bars)) => {
                let mut progress = Progress::new(format!("{name}, {label}"), unit, done, total);
                progress.bar = progress.bar.take().map(|bar| bars.add(bar));
                progress.plain_line = NAMED_LINE;
                progress
            }
        }
    }
}

/// How far something is.
#[derive(Debug)]
pub(crate) struct Progress {
    label: String,
    unit: &'static str,
    done: u64,
    total: u64,
    /// Done before this command: does not count for the throughput.
    resumed: u64,
    start: Instant,
    last: Instant,
    plain_line: Duration,
    /// None where standard error is no terminal.
    bar: Option<ProgressBar>,
}

impl Progress {
    /// `done` of `total` are done already.
    pub(crate) fn new(label: impl Into<String>, unit: &'static str, done: u64, total: u64) -> Self {
        let label = label.into();
        let now = Instant::now();
        let bar = std::io::stderr().is_terminal().then(|| {
            let template = "{prefix} {bar:16} {pos}/{len} {wide_msg}";
            let style =
                ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
            let bar = ProgressBar::with_draw_target(Some(total), ProgressDrawTarget::stderr());
            bar.with_style(style).with_prefix(label.clone()).with_position(done)
        });
        Self { label, unit, done, total, resumed: done, start: now, last: now, plain_line: PLAIN_LINE, bar }
    }

    /// Counts `count` more; `message` is asked for only when there is something to show.
    pub(crate) fn advance(&mut self, count: u64, message: impl FnOnce() -> String) {
        self.done += count;
        let interval = if self.bar.is_some() { REDRAW } else { self.plain_line };
        let now = Instant::now();
        if now - self.last < interval {
            return;
        }
        self.last = now;
        let rate = (self.done - self.resumed) as f64 / (now - self.start).as_secs_f64();
        let left = Duration::from_secs_f64(((self.total.saturating_sub(self.done)) as f64 / rate).min(1e9));
        let message = format!("{rate:.0} {}/s, {}, {} left", self.unit, message(), clock(left));
        match &self.bar {
            Some(bar) => {
                bar.set_message(message);
                bar.set_position(self.done);
            }
            None => warn(format_args!("{} {}/{} {message}", self.label, self.done, self.total)),
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

/// `1:02:03` or `2:03`.
fn clock(duration: Duration) -> String {
    let seconds = duration.as_secs();
    let (hours, minutes, seconds) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    if hours > 0 { format!("{hours}:{minutes:02}:{seconds:02}") } else { format!("{minutes}:{seconds:02}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_read_like_a_clock() {
        assert_eq!(clock(Duration::from_secs(63)), "1:03");
        assert_eq!(clock(Duration::from_secs(7384)), "2:03:04");
    }
}
