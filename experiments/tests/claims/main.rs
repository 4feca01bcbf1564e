//! What the `experiments` binary claims, one file per claim.

mod common;

mod mnist;
mod tca;
mod time;
