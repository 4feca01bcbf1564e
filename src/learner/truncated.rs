//! Truncated backpropagation through time: every target's error goes back L steps, and no further.
//!
//! ```text
//! dE_t/dW = sum over s of dE_t/dz_s presynaptic_s^T        s = t - L + 1, ..., t;  h_{t-L} and c_{t-L} are constants
//! ```
//!
//! Equations of the way back: `crate::learner::rolling` for LSTMs, `crate::learner::tape` for all other cells. With L = 1 this is the instantaneous gradient, with L as long as
//! the sequence that of [`Bptt`](crate::Bptt).

use eligibility_kernels::Level;

use crate::affine::Scalar;
use crate::error::{Error, check_nonempty};
use crate::learner::packed::{Packed, PackedBack};
use crate::learner::rolling::Rolling;
use crate::learner::shards::{ROWS_WITHOUT_TRACES, Shards};
use crate::learner::tape::{Form, TapeStream, Tapes};
use crate::learner::window::Pass;
use crate::learner::{Learner, Stream, check_call};
use crate::network::{Network, Shape};
use crate::readout::{Score, Target};
use crate::sequences::Sequences;

/// Truncated backpropagation through time with a rolling window of L steps: the error of every target is propagated back
/// through everything for at most L steps, its own included. A learning signal at each target, as in e-prop, each with
/// the same horizon.
///
/// Gradient: exact for the last L steps before each target (the state before them is taken as a constant), approximate
/// beyond: drops the paths longer than that. A reset or the start of a sequence ends a path earlier.
///
/// Memory of an LSTM layer: 11 x hidden + input + 1 elements per step of L and batch row, for up to 16 rows per thread (rows of larger
/// batches take turns), reserved at construction, whatever the number of steps. No allocation after that on one thread;
/// handing shards to threads may allocate.
///
/// Cost: L times the way back of a step per target and row; nothing for rows without a target.
///
/// ```
/// use eligibility::{Init, Learner, Loss, Lstm, Network, Readout, Sequences, Targets, TruncatedBptt};
/// use rand::{SeedableRng, rngs::StdRng};
/// let mut rng = StdRng::seed_from_u64(1);
/// let network: Network<f64> =
///     Init::default().network(Lstm::new(1, 8)?, Readout::new(1, Loss::SquaredError)?, &mut rng)?;
/// let mut truncated = TruncatedBptt::new(&network, 1, 2)?; // back over two steps
/// let mut gradient = network.zero_gradient();
/// let (inputs, targets) = ([0.1, 0.2, 0.3, 0.4], [1.0, -1.0, 1.0, -1.0]);
/// truncated.gradient(&network, &Sequences::new(4, 1, &inputs, Targets::EveryValues(&targets))?, &mut gradient)?;
/// # assert!(gradient.iter().any(|&g| g != 0.0));
/// # Ok::<(), eligibility::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct TruncatedBptt<T: Scalar> {
    shape: Shape,
    batch: usize,
    steps: usize,
    level: Level,
    engine: Engine<T>,
}

#[derive(Clone, Debug)]
enum Engine<T: Scalar> {
    Lstms { packed: Vec<Packed<T>>, packed_back: Vec<PackedBack<T>>, shards: Shards<Rolling<T>, T> },
    Others(Tapes<T>),
}

impl<T: Scalar> TruncatedBptt<T> {
    /// For networks of this network's sizes and `batch` rows; errors go back at most `steps` steps, L.
    ///
    /// # Errors
    ///
    /// If a size is zero, the window would be too large, or `ELIGIBILITY_LEVEL` names no level of this machine.
    pub fn new(network: &Network<T>, batch: usize, steps: usize) -> Result<Self, Error> {
        check_nonempty("batch", batch)?;
        check_nonempty("number of steps back", steps)?;
        let (shape, level) = (network.shape(), Level::from_env()?);
        let engine = if shape.layout.lstms().is_empty() {
            Engine::Others(Tapes::new(&shape, batch, Form::windows(steps))?)
        } else {
            let rolling = |rows| Rolling::zeros(&shape, rows, batch, steps);
            let shards = Shards::new(batch, ROWS_WITHOUT_TRACES, shape.layout.len(), rolling)?;
            let (packed, packed_back) = Self::pack(&shape, shards.rows(), level);
            Engine::Lstms { packed, packed_back, shards }
        };
        Ok(Self { shape, batch, steps, level, engine })
    }
    fn pack(shape: &Shape, rows: usize, level: Level) -> (Vec<Packed<T>>, Vec<PackedBack<T>>) {
        (Packed::of_layers(&shape.layout, rows, level), PackedBack::of_layers(&shape.layout, rows, level))
    }
    /// At another instruction-set level.
    #[must_use]
    pub fn with_level(mut self, level: Level) -> Self {
        if let Engine::Lstms { packed, packed_back, shards } = &mut self.engine {
            (*packed, *packed_back) = Self::pack(&self.shape, shards.rows(), level);
        }
        Self { level, ..self }
    }
    /// The instruction-set level in use.
    #[must_use]
    pub fn level(&self) -> Level {
        self.level
    }
    /// L: how many steps an error goes back, that of its target included.
    #[must_use]
    pub fn steps(&self) -> usize {
        self.steps
    }
}

impl<T: Scalar> Learner<T> for TruncatedBptt<T> {
    fn gradient(
        &mut self,
        network: &Network<T>,
        sequences: &Sequences<'_, T>,
        gradient: &mut [T],
    ) -> Result<Score, Error> {
        let Self { ref shape, batch, steps, level, ref mut engine } = *self;
        check_call(shape, batch, network, sequences, gradient)?;
        let parameters = network.parameters();
        match engine {
            Engine::Lstms { packed, packed_back, shards } => {
                let weights = Packed::refresh_layers(packed, &shape.layout, parameters);
                let recurrent = PackedBack::refresh_layers(packed_back, &shape.layout, parameters);
                let work = batch * sequences.steps() * shape.layout.len();
                Ok(shards.run(work, gradient, |rolling, rows, gradient| {
                    rolling.run(Pass { level, parameters, weights, sequences, rows }, recurrent, gradient)
                }))
            }
            Engine::Others(tapes) => {
                Ok(tapes.gradient_of_windows(level, parameters, sequences, steps, gradient))
            }
        }
    }
}

/// Truncated backpropagation through time step by step, for `rows` parallel streams (usually one) of cells that are no
/// LSTMs: what an agent that learns at every step does without traces.
///
/// Gradient: as [`TruncatedBptt`]'s; after a change of the weights the window still holds the activities of the old ones,
/// as in every online rule.
///
/// Memory: a window of L steps and some more. No call allocates. Cost: L times the way back of a step for each learning
/// signal.
///
/// ```
/// use eligibility::{Gru, Init, Loss, Network, Readout, Target, TruncatedStream};
/// use rand::{SeedableRng, rngs::StdRng};
/// let mut rng = StdRng::seed_from_u64(1);
/// let network: Network<f32> =
///     Init::default().network(Gru::new(1, 8)?, Readout::new(1, Loss::SquaredError)?, &mut rng)?;
/// let mut stream = TruncatedStream::new(&network, 1, 10)?; // back over ten steps
/// let mut gradient = network.zero_gradient();
/// for t in 0..100 {
///     let (x, next) = ((0.1 * t as f32).sin(), (0.1 * (t + 1) as f32).sin());
///     stream.step(&network, &[x], &[t == 0])?;
///     gradient.fill(0.0);
///     stream.learn(&network, &[Target::Values(&[next])], &mut gradient)?;
/// }
/// # assert!(gradient.iter().any(|&g| g != 0.0));
/// # Ok::<(), eligibility::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct TruncatedStream<T: Scalar>(TapeStream<T>);

impl<T: Scalar> TruncatedStream<T> {
    /// For networks of this network's sizes and `rows` parallel streams; errors go back at most `steps` steps, L.
    ///
    /// # Errors
    ///
    /// If a layer is an LSTM, a size is zero, the window would be too large, or `ELIGIBILITY_LEVEL` names no level of this
    /// machine.
    pub fn new(network: &Network<T>, rows: usize, steps: usize) -> Result<Self, Error> {
        check_nonempty("number of steps back", steps)?;
        let (shape, level) = (network.shape(), Level::from_env()?);
        if !shape.layout.lstms().is_empty() {
            let (expected, found) = ("layers that are no LSTMs", "LSTM");
            return Err(Error::Cell { learner: "a stream of truncated BPTT", expected, found });
        }
        TapeStream::new(shape, rows, Some(steps), level, false, false).map(Self)
    }
}

super::tape::stream_methods!(TruncatedStream);
