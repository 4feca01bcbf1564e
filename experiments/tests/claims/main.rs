//! What the `experiments` binary claims, one file per claim.

mod common;

mod mnist;
mod tables;
mod tca;
mod time;
