//! Vector kernels for training recurrent networks forward in time: LSTM gates with every local factor, eligibility
//! traces, their contraction with learning signals, optimiser updates.
//!
//! Pure functions on borrowed slices: no allocation, no matrices, no random numbers, no I/O, no `unsafe`. Every kernel is
//! a struct of slices that a [`Level`] runs; the level is chosen at run time, so a default build is fast:
//!
//! ```
//! use eligibility_kernels::{Level, trace::TraceStep};
//! let level = Level::detect(); // AVX-512, AVX2 + FMA, or what the build targets
//! let mut trace = [0.0_f32; 4];
//! level.run(TraceStep {
//!     active: &[true],
//!     decay: &[0.9],
//!     influence: &[0.5],
//!     presynaptic: &[1.0, 2.0, 3.0, 4.0],
//!     trace: &mut trace,
//! });
//! assert_eq!(trace, [0.5, 1.0, 1.5, 2.0]);
//! ```
//!
//! | module | equation |
//! |---|---|
//! | [`activation`] | exp, sigmoid, tanh, at most 1.5 ULP; sine and cosine; a cell's nonlinearity with its slope |
//! | [`affine`] | `y = b + W x`, W packed in panels |
//! | [`row_dot`] | `y = W x`, W row by row as it lies |
//! | [`lstm_gates`] | preactivations to c_t, h_t and dc_t/dz, dh_t/dz, dh_t/dc_t; and the step back |
//! | [`pair_cell`] | `h = phi(A h' + gain x)`, two components a unit (RTU, LRU, block-diagonal RNN), with every local factor |
//! | [`min_gru`], [`elstm`] | steps of minGRU and eLSTM, one component a unit, with every local factor |
//! | [`unit_back`] | `lambda <- A^T lambda + dE/dh`: the step back of the three before |
//! | [`unit_trace`] | `e <- A e + I`, `G += c e`: traces of scalar parameters of each unit |
//! | [`gru_gates`] | a step of the GRU; and the step back |
//! | [`trace`] | `E <- A E + u z^T`, `G += l E`; step by step or many steps in one pass |
//! | [`trace::pair`] | the same with a complex or 2x2 A: exact gradients of trace units |
//! | [`update`] | Sgd, `RMSProp`, Adam; also fused with traces of one or two components, for learning at every step |
//! | `reference` | the scalar twin of each, the oracle (feature `std`) |
//!
//! # Non-finite values
//!
//! NaN or infinities in give non-finite values out (or saturated gates), never a panic and never undefined behaviour.
//! Results do not depend on the position of a value in its slice, and never read the floating-point control register:
//! what keeps traces off subnormal numbers is arithmetic (see [`Real::TRACE_QUANTUM`]).
//!
//! # Determinism
//!
//! One level gives the same bits on every run. `avx2` and `avx512` do the same operations per element; `portable` rounds
//! a multiply-add twice where the build target has no fused one, and differs within the stated accuracy.
//!
//! # Features
//!
//! `std` (default): detection of the level at run time, the environment variable `ELIGIBILITY_LEVEL`, the scalar twins.
//! Without it the crate is `no_std` and has the portable level only, which `-C target-cpu` makes fast.
#![cfg_attr(not(feature = "std"), no_std)]

pub mod activation;
pub mod affine;
pub mod elstm;
pub mod gru_gates;
mod instances;
pub mod lanes;
pub mod level;
pub mod lstm_gates;
pub mod min_gru;
pub mod pair_cell;
mod planes;
mod quantized;
pub mod real;
mod recursion;
#[cfg(feature = "std")]
pub mod reference;
pub mod row_dot;
pub mod strided;
pub mod trace;
pub mod unit_back;
pub mod unit_trace;
pub mod update;

pub use level::{Kernel, LEVEL_VARIABLE, Level, LevelError};
pub use real::Real;
pub use strided::Strided;
