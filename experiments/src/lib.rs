//! The papers' tasks, trained, recorded and drawn: what the `experiments` binary does.
//!
//! | layer | modules |
//! |---|---|
//! | what is asked | `cli`, `options`, `kinds`, `tables` |
//! | data | [`idx`], `mnist`, `tca`, `conditioning`, `three_state`, `seeds` |
//! | training | `trainer`, `run_tca`, `run_mnist`, `epochs`, `run_conditioning`, `run_three_state`, `tour` |
//! | measuring | `time`, `timing`, `timing_rtu`, `scaling`, `depth` |
//! | what is left behind | `run_dir`, `checkpoint`, `plot`, `text_plot`, `progress`, `summary` |
//!
//! Every random number is drawn from a generator keyed by (seed, purpose, index), so no generator state has to be
//! saved, and a resumed run is the same to the bit as one that was never interrupted.

use std::process::ExitCode;

mod checkpoint;
mod cli;
mod conditioning;
mod depth;
mod epochs;
mod failure;
pub mod idx;
mod kinds;
mod mnist;
mod options;
mod plot;
mod progress;
mod run_conditioning;
mod run_dir;
mod run_mnist;
mod run_tca;
mod run_three_state;
mod scaling;
mod seeds;
mod summary;
mod tables;
mod tca;
mod text_plot;
mod three_state;
mod time;
mod timing;
mod timing_rtu;
mod tour;
mod trainer;

/// Reads the command line, runs what it asks for, and prints what went wrong in a sentence.
#[must_use]
pub fn main() -> ExitCode {
    match cli::run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            progress::warn(format_args!("error: {failure}"));
            ExitCode::FAILURE
        }
    }
}
