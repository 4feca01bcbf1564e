//! Forward-in-time training of recurrent networks.

mod affine;
mod buffer;
mod error;
mod feedback;
mod init;
mod layout;
mod learner;
mod lstm;
mod network;
mod optimizer;
mod readout;
mod sequences;

pub use affine::Scalar;
pub use buffer::Buffer;
pub use error::Error;
pub use feedback::Feedback;
pub use init::Init;
pub use layout::{Block, Gate, Layout, LstmBlocks, ReadoutBlocks};
pub use learner::{Bptt, Eprop, EpropOptions, EpropStream, Evaluator, Learner, Schedule};
pub use lstm::{Lstm, LstmState};
pub use network::Network;
pub use optimizer::{Adam, Optimizer, RmsProp, Sgd, clip_global_norm};
pub use readout::{Loss, Readout, Score, Target};
pub use sequences::{Sequences, Targets};

pub use eligibility_kernels as kernels;
pub use eligibility_kernels::lstm_gates::OutputNonlinearity;
pub use eligibility_kernels::{LEVEL_VARIABLE, Level, LevelError, Real};
