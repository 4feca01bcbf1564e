//! Real-time recurrent learning of cells whose units do not read each other: exact, forward in time.
//!
//! ```text
//! dE/dW = sum over t of c_t . E_t       c_t = dE/ds_t at the step       E_t = A_t E_{t-1} + u_t a_t^T = ds_t/dW
//! ```
//!
//! Equations of cells and traces: `crate::learner::tape`.

use eligibility_kernels::Level;

use crate::affine::Scalar;
use crate::cells::Cell;
use crate::error::{Error, check_nonempty, check_size};
use crate::learner::eprop::Schedule;
use crate::learner::tape::{Form, Purpose, TapeStream, Tapes};
use crate::learner::{Learner, Stream, check_call, check_steps};
use crate::network::{Network, Shape};
use crate::readout::{Score, Target};
use crate::sequences::Sequences;

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

/// RTRL over batches of sequences, for [`Rtu`](crate::Rtu), [`OnlineLru`](crate::OnlineLru),
/// [`BlockDiagonal`](crate::BlockDiagonal), [`MinGru`](crate::MinGru) and [`Elstm`](crate::Elstm) layers, alone or with
/// [`Dense`](crate::Dense) layers below and above.
///
/// Gradient: exact for a recurrent layer whose outputs reach the readout through dense layers only. What lies below a
/// recurrent layer learns from the step alone: approximate, drops what x_t does to later steps.
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
    shape: Shape,
    batch: usize,
    schedule: Schedule,
    input_gradient: bool,
    level: Level,
    tapes: Tapes<T>,
}

impl<T: Scalar> Rtrl<T> {
    /// For networks of this network's sizes and `batch` rows.
    ///
    /// # Errors
    ///
    /// If a layer's cell has no exact RTRL at linear cost, the batch or a block is empty, the memory would be too large, or
    /// `ELIGIBILITY_LEVEL` names no level of this machine.
    pub fn new(network: &Network<T>, batch: usize, options: RtrlOptions) -> Result<Self, Error> {
        let RtrlOptions { schedule, input_gradient, authors_theta_gradient, level } = options;
        let shape = network.shape();
        check_cells(&shape)?;
        let level = level.map_or_else(Level::from_env, Ok)?;
        let (slots, purpose) = match schedule {
            Schedule::Streaming => (1, Purpose::Traces),
            Schedule::Blocked(steps) => {
                check_nonempty("block of steps", steps)?;
                (steps, Purpose::Traces)
            }
            Schedule::WholeSequence { max_steps } => {
                check_nonempty("number of steps", max_steps)?;
                (max_steps, Purpose::Step)
            }
        };
        let form = Form { authors_theta_gradient, input_gradient, ..Form::new(slots, purpose) };
        let tapes = Tapes::new(&shape, batch, form)?;
        Ok(Self { shape, batch, schedule, input_gradient, level, tapes })
    }
    /// The instruction-set level in use.
    #[must_use]
    pub fn level(&self) -> Level {
        self.level
    }
    /// The schedule in use.
    #[must_use]
    pub fn schedule(&self) -> Schedule {
        self.schedule
    }

    /// [`Learner::gradient`], and dE/dx_t of every step into `input_gradient` `[steps, batch, input]`: of the step alone,
    /// not of what x_t does to later steps. Zero for steps beyond a row's length.
    ///
    /// # Errors
    ///
    /// As [`Learner::gradient`]; if a size is wrong or the learner was not made for it ([`RtrlOptions::input_gradient`]).
    pub fn gradient_with_inputs(
        &mut self,
        network: &Network<T>,
        sequences: &Sequences<'_, T>,
        gradient: &mut [T],
        input_gradient: &mut [T],
    ) -> Result<Score, Error> {
        let cells = sequences.steps() * sequences.batch();
        let expected = if self.input_gradient { cells * self.shape.layout.input() } else { 0 };
        check_size("input gradient", expected, input_gradient.len())?;
        self.run(network, sequences, gradient, input_gradient)
    }

    fn run(
        &mut self,
        network: &Network<T>,
        sequences: &Sequences<'_, T>,
        gradient: &mut [T],
        input_gradient: &mut [T],
    ) -> Result<Score, Error> {
        check_call(&self.shape, self.batch, network, sequences, gradient)?;
        if let Schedule::WholeSequence { max_steps } = self.schedule {
            check_steps(max_steps, sequences)?;
        }
        Ok(self.tapes.gradient(self.level, network.parameters(), sequences, gradient, input_gradient))
    }
}

impl<T: Scalar> Learner<T> for Rtrl<T> {
    fn gradient(
        &mut self,
        network: &Network<T>,
        sequences: &Sequences<'_, T>,
        gradient: &mut [T],
    ) -> Result<Score, Error> {
        self.run(network, sequences, gradient, &mut [])
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
/// use eligibility::{Init, Loss, Network, Optimizer, Readout, RtrlOptions, RtrlStream, Rtu, Sgd, Target};
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
///     gradient.fill(0.0);
///     stream.learn(&network, &[Target::Values(&[next])], &mut gradient)?;
///     sgd.update(network.parameters_mut(), &gradient)?;
/// }
/// # Ok::<(), eligibility::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct RtrlStream<T: Scalar>(TapeStream<T>);

impl<T: Scalar> RtrlStream<T> {
    /// For networks of this network's sizes and `rows` parallel streams.
    ///
    /// # Errors
    ///
    /// As [`Rtrl::new`].
    pub fn new(network: &Network<T>, rows: usize, options: RtrlOptions) -> Result<Self, Error> {
        let RtrlOptions { input_gradient, authors_theta_gradient, level, .. } = options;
        let shape = network.shape();
        check_cells(&shape)?;
        let level = level.map_or_else(Level::from_env, Ok)?;
        TapeStream::new(shape, rows, None, level, authors_theta_gradient, input_gradient).map(Self)
    }
    /// `[rows, features]`: what the readout was given at the last step, for heads of your own.
    #[must_use]
    pub fn features(&self) -> &[T] {
        self.0.features()
    }
    /// `[rows, input]`: dE/dx_t of the last learning signal, of the step alone; empty unless
    /// [`RtrlOptions::input_gradient`] asks for it.
    #[must_use]
    pub fn input_gradient(&self) -> &[T] {
        self.0.input_gradient()
    }
}

super::tape::stream_methods!(RtrlStream);

/// `Ok` if every layer is one that RTRL can train.
fn check_cells(shape: &Shape) -> Result<(), Error> {
    for layer in shape.layout.layers() {
        if matches!(layer.cell, Cell::Lstm(_) | Cell::Gru(_) | Cell::Rnn(_)) {
            let expected =
                "cells whose units do not read each other (RTU, LRU, block-diagonal, minGRU, eLSTM)";
            return Err(Error::Cell { learner: "RTRL", expected, found: layer.cell.name() });
        }
    }
    Ok(())
}
