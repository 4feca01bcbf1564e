//! One engine for all cells and learners.
//!
//! | concept | what it is | room |
//! |---|---|---|
//! | core | what a cell computes at a step, its local factors, its step back | `core`, one file a cell |
//! | traces | beside the core: what its states owe to weights of all steps before | `traces` |
//! | tape | layers by slots: what the way back needs | `tape`, `layer` |
//! | run | how time is walked: a step, a block of K, the whole, a window of L | `run`, `stream` |
//! | cut | whether the way back passes the recurrent weights; with cell and depth it says what is exact | `setting` |
//!
//! Around them: `output`, the readout at work; `batch`, rows on threads (`crate::shards`); `crate::prepared`, what is computed
//! once of the weights; `crate::slots`, what all of it lies in. A number passes `sequences`, `run`, `tape`, `layer`, `core`, `output` and back through `layer`
//! into the gradient.

mod batch;
mod core;
mod layer;
mod output;
mod run;
mod setting;
mod stream;
mod tape;
mod traces;

pub(crate) use batch::{Batch, Leaves};
pub(crate) use setting::{Cut, Run, Setting};
pub(crate) use stream::Streams;
