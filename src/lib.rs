#![doc = include_str!("../README.md")]
//! # Words
//!
//! | term | here |
//! |---|---|
//! | preactivation | z, what a gate's nonlinearity is applied to |
//! | input, forget, output gate, cell candidate | i, f, o, g; in parameters in `PyTorch`'s order i, f, g, o ([`Gate`]) |
//! | cell state, hidden state | c and h, `cell` and `hidden` of an LSTM's [`State`] |
//! | presynaptic activity | `[x_t; h_{t-1}; 1]`, what a unit's weights are multiplied with |
//! | local factor, influence | s, the derivative of a step's cell (or hidden) state by a preactivation, the past held fixed |
//! | eligibility trace, `trace` | the recursion e_t = f_t e_{t-1} + dc_t/dW. Bellec et al. (2020) call this the eligibility *vector*, and dh/dc times it the *trace*; here the word always means the recursion |
//! | sensitivity | ds_t/dw, the derivative of a unit's state by a weight, all of the past included. RTRL carries all of them; of a diagonal cell only a unit's own weights have one, and it follows the same recursion as an eligibility trace: here it is called `trace` too, and said to be exact |
//! | unit, component | a complex unit has two components, its real and imaginary part; so has a pair of a block-diagonal RNN |
//! | learning signal | L, the derivative of the loss by h_t, perhaps through feedback weights |
//! | trace echo, trace scaling | [`Echo`], [`TraceScaling`] |
//! | feedback weights | B, from output error to learning signal: [`Feedback`] |
//! | readout | the output layer: [`Readout`] |
//! | reset mask, `is_first` | x_t starts a new episode: state and traces are zeroed before it |
//! | exact, approximate | said of every gradient: BPTT is exact; e-prop drops the paths through h_{t-1}, truncated BPTT those of more than L steps |
//!
//! # Map
//!
//! x_t goes through the affine map ([`kernels::affine`], or a matrix product by `faer`) to a cell's gates ([`kernels::lstm_gates`],
//! [`kernels::pair_cell`] and others), which give its state and all local factors in one pass, then into the traces
//! ([`kernels::trace`], [`kernels::trace::pair`], [`kernels::unit_trace`]); the readout turns h_t into an error and the error into
//! a learning signal; signal and trace make the gradient; an [`Optimizer`] makes the update. Parameters, gradients and
//! optimiser state share one flat [`Layout`].

mod affine;
mod block;
mod buffer;
mod cells;
mod error;
mod extensions;
mod feedback;
mod init;
mod layout;
mod learner;
mod network;
mod online;
mod online_gradient;
mod optimizer;
mod prepared;
mod readout;
mod scalar;
mod schedule;
mod sequences;
mod shards;
mod slots;
mod state;

pub use block::Part;
pub use buffer::Buffer;
pub use cells::{
    BlockDiagonal, Cell, Dense, Elstm, Gru, Lstm, MinGru, OnlineLru, Parameterisation, Recurrence, Rnn, Rtu,
};
pub use error::Error;
pub use extensions::{Echo, TraceScaling};
pub use feedback::{AdaptiveFeedback, Feedback};
pub use init::Init;
pub use layout::{Gate, Layout};
pub use learner::{
    Bptt, BpttOptions, Eprop, EpropOptions, EpropStream, Evaluator, EvaluatorOptions, Exactness, Learner,
    ReadoutOnly, Rtrl, RtrlOptions, RtrlStream, Stream, TruncatedBptt, TruncatedStream,
};
pub use network::Network;
pub use online::OnlineStream;
pub use optimizer::{Adam, Optimizer, RmsProp, Sgd, clip_global_norm};
pub use readout::{At, CustomLoss, Loss, Readout, Score, Target};
pub use scalar::Scalar;
pub use schedule::Schedule;
pub use sequences::{Sequences, Targets};
pub use state::{Carry, State};

pub use eligibility_kernels as kernels;
pub use eligibility_kernels::activation::Nonlinearity;
pub use eligibility_kernels::{LEVEL_VARIABLE, Level, LevelError, Real};
