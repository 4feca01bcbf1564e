//! What the `experiments` binary claims, one file per claim.

mod common;

mod conditioning;
mod mnist;
mod studies;
mod tables;
mod tca;
mod time;
