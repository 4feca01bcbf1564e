//! Backpropagation through time: the exact gradient, on a tape as long as the sequence.
//!
//! Equations and scan: `crate::learner::window` for LSTMs, `crate::learner::tape` for all other cells.

use eligibility_kernels::Level;

use crate::affine::Scalar;
use crate::error::{Error, check_nonempty, check_size};
use crate::extensions::Extensions;
use crate::learner::packed::{Packed, PackedBack};
use crate::learner::shards::{ROWS_WITHOUT_TRACES, Shards};
use crate::learner::tape::{Form, Purpose, Tapes};
use crate::learner::window::{Pass, Through, Window};
use crate::learner::{Learner, check_call, check_steps};
use crate::network::{Network, Shape};
use crate::readout::Score;
use crate::sequences::Sequences;

/// Backpropagation through time over batches of sequences of at most a fixed number of steps.
///
/// Gradient: exact, for every cell.
///
/// Memory of an LSTM layer: 7 x hidden + input + 1 elements per step and batch row, for up to 16 rows per thread (rows of larger batches
/// take turns), reserved at construction. No allocation after that on one thread; handing shards to threads may allocate.
///
/// ```
/// use eligibility::{Bptt, Init, Learner, Loss, Lstm, Network, Readout, Sequences, Targets};
/// use rand::{SeedableRng, rngs::StdRng};
/// let mut rng = StdRng::seed_from_u64(1);
/// let network: Network<f64> =
///     Init::default().network(Lstm::new(1, 8)?, Readout::new(1, Loss::SquaredError)?, &mut rng)?;
/// let mut bptt = Bptt::new(&network, 1, 4)?;
/// let mut gradient = network.zero_gradient();
/// let (inputs, target) = ([0.1, 0.2, 0.3, 0.4], [1.0]);
/// bptt.gradient(&network, &Sequences::new(4, 1, &inputs, Targets::LastValues(&target))?, &mut gradient)?;
/// # assert!(gradient.iter().any(|&g| g != 0.0));
/// # Ok::<(), eligibility::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Bptt<T: Scalar> {
    shape: Shape,
    batch: usize,
    max_steps: usize,
    level: Level,
    engine: Engine<T>,
}

#[derive(Clone, Debug)]
enum Engine<T: Scalar> {
    Lstms { packed: Vec<Packed<T>>, packed_back: Vec<PackedBack<T>>, shards: Shards<Window<T>, T> },
    Others { tapes: Tapes<T>, input_gradient: bool },
}

impl<T: Scalar> Bptt<T> {
    /// For networks of this network's sizes, `batch` rows and at most `max_steps` steps.
    ///
    /// # Errors
    ///
    /// If a size is zero, the tape would be too large, or `ELIGIBILITY_LEVEL` names no level of this machine.
    pub fn new(network: &Network<T>, batch: usize, max_steps: usize) -> Result<Self, Error> {
        check_nonempty("batch", batch)?;
        check_nonempty("number of steps", max_steps)?;
        let (shape, level) = (network.shape(), Level::from_env()?);
        let engine = if shape.layout.lstms().is_empty() {
            let tapes = Tapes::new(&shape, batch, Form::new(max_steps, Purpose::Time))?;
            Engine::Others { tapes, input_gradient: false }
        } else {
            let window =
                |rows| Window::zeros(shape.clone(), rows, batch, max_steps, false, Extensions::default());
            let shards = Shards::new(batch, ROWS_WITHOUT_TRACES, shape.layout.len(), window)?;
            let (packed, packed_back) = Self::pack(&shape, shards.rows(), level);
            Engine::Lstms { packed, packed_back, shards }
        };
        Ok(Self { shape, batch, max_steps, level, engine })
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
    /// With room for dE/dx_t, for [`Bptt::gradient_with_inputs`].
    ///
    /// # Errors
    ///
    /// If the network is one of LSTMs, whose inputs have no gradient here, or the memory would be too large.
    pub fn with_input_gradient(self) -> Result<Self, Error> {
        if !self.shape.layout.lstms().is_empty() {
            let (expected, found) = ("layers that are no LSTMs", "LSTM");
            return Err(Error::Cell { learner: "BPTT with a gradient of the inputs", expected, found });
        }
        let form = Form { input_gradient: true, ..Form::new(self.max_steps, Purpose::Time) };
        let tapes = Tapes::new(&self.shape, self.batch, form)?;
        Ok(Self { engine: Engine::Others { tapes, input_gradient: true }, ..self })
    }
    /// The instruction-set level in use.
    #[must_use]
    pub fn level(&self) -> Level {
        self.level
    }

    /// [`Learner::gradient`], and dE/dx_t of every step into `input_gradient` `[steps, batch, input]`: exact, through all
    /// later steps. Zero for steps beyond a row's length.
    ///
    /// # Errors
    ///
    /// As [`Learner::gradient`]; if a size is wrong or the learner was not made for it
    /// ([`Bptt::with_input_gradient`]).
    pub fn gradient_with_inputs(
        &mut self,
        network: &Network<T>,
        sequences: &Sequences<'_, T>,
        gradient: &mut [T],
        input_gradient: &mut [T],
    ) -> Result<Score, Error> {
        let made_for_it = matches!(self.engine, Engine::Others { input_gradient: true, .. });
        let cells = sequences.steps() * sequences.batch();
        let expected = if made_for_it { cells * self.shape.layout.input() } else { 0 };
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
        let Self { ref shape, batch, max_steps, level, ref mut engine } = *self;
        check_call(shape, batch, network, sequences, gradient)?;
        check_steps(max_steps, sequences)?;
        let parameters = network.parameters();
        match engine {
            Engine::Lstms { packed, packed_back, shards } => {
                let weights = Packed::refresh_layers(packed, &shape.layout, parameters);
                let recurrent = PackedBack::refresh_layers(packed_back, &shape.layout, parameters);
                let through = Through::Everything(recurrent);
                let work = batch * sequences.steps() * shape.layout.len();
                Ok(shards.run(work, gradient, |window, rows, gradient| {
                    window.run(Pass { level, parameters, weights, sequences, rows }, through, gradient)
                }))
            }
            Engine::Others { tapes, .. } => {
                Ok(tapes.gradient(level, parameters, sequences, gradient, input_gradient))
            }
        }
    }
}

impl<T: Scalar> Learner<T> for Bptt<T> {
    fn gradient(
        &mut self,
        network: &Network<T>,
        sequences: &Sequences<'_, T>,
        gradient: &mut [T],
    ) -> Result<Score, Error> {
        self.run(network, sequences, gradient, &mut [])
    }
}
