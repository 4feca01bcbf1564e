//! Real-time recurrent learning of cells whose units do not read each other: exact, forward in time.
//!
//! ```text
//! dE/dW = sum over t of c_t . E_t       c_t = dE/ds_t at the step       E_t = A_t E_{t-1} + u_t a_t^T = ds_t/dW
//! ```
//!
//! It is e-prop of cells with no recurrent weights to cut.

use eligibility_kernels::Level;

use crate::error::Error;
use crate::feedback::Feedback;
use crate::learner::engine::{Batch, Cut, Run, Setting, Streams};
use crate::network::Network;
use crate::scalar::Scalar;
use crate::schedule::Schedule;

/// The choices of [`Rtrl`] and [`RtrlStream`].
#[derive(Clone, Copy, Debug, Default)]
pub struct RtrlOptions {
    /// How the sum over time is evaluated; a stream does not use it. [`Schedule::WholeSequence`] stores no traces: it is
    /// the oracle of the other two.
    pub schedule: Schedule,
    /// Whether the learner also computes dE/dx_t, for an encoder below.
    pub input_gradient: bool,
    /// For comparisons only: leaves out the factor theta of d lambda/d w_theta in exp-exp RTUs, as the published code of
    /// Elelimy et al. 2024 does. The gradient by w_theta is then the exact one divided by theta.
    pub authors_theta_gradient: bool,
    /// The instruction-set level; `None`: what `ELIGIBILITY_LEVEL` says, or the best.
    pub level: Option<Level>,
}

impl RtrlOptions {
    fn setting<T: Scalar>(self, network: &Network<T>, run: Run) -> Result<Setting, Error> {
        for cell in network.layers() {
            if cell.has_dense_recurrence() {
                let expected =
                    "cells whose units do not read each other (RTU, LRU, block-diagonal, minGRU, eLSTM)";
                return Err(Error::Cell { learner: "RTRL", expected, found: cell.name() });
            }
        }
        let Self { input_gradient, authors_theta_gradient, level, .. } = self;
        let setting = Setting::new(run, Cut::Recurrence, level)?;
        Ok(Setting { input_gradient, authors_theta_gradient, ..setting })
    }
}

/// RTRL over batches of sequences, for [`Rtu`](crate::Rtu), [`OnlineLru`](crate::OnlineLru),
/// [`BlockDiagonal`](crate::BlockDiagonal), [`MinGru`](crate::MinGru) and [`Elstm`](crate::Elstm) layers, alone or with
/// [`Dense`](crate::Dense) layers below and above.
///
/// Gradient: exact for a recurrent layer whose outputs reach the readout through dense layers only. What lies below a
/// recurrent layer learns from the step alone: approximate, drops what x_t does to later steps. [`Eprop`](crate::Eprop) of such
/// cells is the same, and has the paper's extensions.
///
/// Memory, blocked or streaming: traces of 2nd elements per batch row for linear complex cells (n units, d inputs), else
/// 4nd, and 2nd for cells with one number of state; for up to 8 rows per thread (rows of larger batches take turns),
/// whatever the number of steps. No allocation after construction on one thread; handing shards to threads may allocate.
///
/// ```
/// use eligibility::{Init, Learner, Loss, Network, Readout, Rtrl, RtrlOptions, Rtu, Sequences, Targets};
/// use rand::{SeedableRng, rngs::StdRng};
/// let mut rng = StdRng::seed_from_u64(1);
/// let network: Network<f32> =
///     Init::default().network(Rtu::linear(1, 8)?, Readout::new(1, Loss::SquaredError)?, &mut rng)?;
/// let mut rtrl = Rtrl::new(&network, 1, RtrlOptions::default())?;
/// let mut gradient = network.zero_gradient();
/// let sequences = Sequences::new(4, 1, &[0.1, 0.2, 0.3, 0.4], Targets::LastValues(&[1.0]))?;
/// let score = rtrl.gradient(&network, &sequences, &mut gradient)?;
/// assert!(score.mean_loss() > 0.0);
/// # Ok::<(), eligibility::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Rtrl<T: Scalar> {
    pub(super) engine: Batch<T>,
}

impl<T: Scalar> Rtrl<T> {
    /// For networks of this network's sizes and at most `batch` rows.
    ///
    /// # Errors
    ///
    /// If a layer's cell has no exact RTRL at linear cost, the batch or a block is empty, the memory would be too large, or
    /// `ELIGIBILITY_LEVEL` names no level of this machine.
    pub fn new(network: &Network<T>, batch: usize, options: RtrlOptions) -> Result<Self, Error> {
        let setting = options.setting(network, Run::of(options.schedule))?;
        Ok(Self { engine: Batch::new(network, batch, setting, Feedback::Symmetric, false)? })
    }
}

/// RTRL step by step, for `rows` parallel streams (usually one): feed an input, get the output, learn if there is something
/// to learn.
///
/// State and traces are carried until a reset; weights may change between any two calls. Memory never grows, and no call
/// allocates.
///
/// Gradient: as [`Rtrl`]'s; after a change of the weights the traces still hold the influence of the old ones, as in every
/// online rule.
///
/// ```
/// use eligibility::{Init, Loss, Network, Optimizer, Readout, RtrlOptions, RtrlStream, Rtu, Sgd, Stream, Target};
/// use rand::{SeedableRng, rngs::StdRng};
/// let mut rng = StdRng::seed_from_u64(1);
/// let mut network: Network<f32> =
///     Init::default().network(Rtu::linear(1, 8)?, Readout::new(1, Loss::SquaredError)?, &mut rng)?;
/// let mut stream = RtrlStream::new(&network, 1, RtrlOptions::default())?;
/// let mut sgd = Sgd::new(&network, 0.01)?;
/// let mut gradient = network.zero_gradient();
/// for t in 0..100 {
///     let (x, next) = ((0.1 * t as f32).sin(), (0.1 * (t + 1) as f32).sin());
///     stream.step(&network, &[x], &[t == 0])?; // x starts an episode only at t = 0
///     stream.learn(&network, &[Target::Values(&[next])], &mut gradient)?;
///     sgd.update(network.parameters_mut(), &gradient)?;
/// }
/// # Ok::<(), eligibility::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct RtrlStream<T: Scalar> {
    pub(super) engine: Streams<T>,
}

impl<T: Scalar> RtrlStream<T> {
    /// For networks of this network's sizes and `rows` parallel streams.
    ///
    /// # Errors
    ///
    /// As [`Rtrl::new`].
    pub fn new(network: &Network<T>, rows: usize, options: RtrlOptions) -> Result<Self, Error> {
        let setting = options.setting(network, Run::Block(1))?;
        Ok(Self { engine: Streams::new(network, rows, setting, Feedback::Symmetric)? })
    }
}
