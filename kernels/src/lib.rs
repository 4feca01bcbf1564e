//! Vector kernels for eligibility traces and LSTM gates.
#![cfg_attr(not(feature = "std"), no_std)]

pub mod activation;
pub mod lanes;
pub mod level;
pub mod lstm_gates;
pub mod real;
#[cfg(feature = "std")]
pub mod reference;
pub mod trace;
pub mod update;

pub use level::{Kernel, LEVEL_VARIABLE, Level, LevelError};
pub use real::Real;
