//! Backpropagation through time: the exact gradient, on a tape as long as the sequence.
//!
//! Equations and scan: `crate::learner::window`.

use eligibility_kernels::Level;

use crate::affine::Scalar;
use crate::error::{Error, check_nonempty};
use crate::extensions::Extensions;
use crate::learner::packed::{Packed, PackedBack};
use crate::learner::shards::{ROWS_WITHOUT_TRACES, Shards};
use crate::learner::window::{Pass, Through, Window};
use crate::learner::{Learner, check_call, check_steps};
use crate::network::{Network, Shape};
use crate::readout::Score;
use crate::sequences::Sequences;

/// Backpropagation through time over batches of sequences of at most a fixed number of steps.
///
/// Gradient: exact.
///
/// Memory: 7 x hidden + input + 1 elements per step and batch row, for up to 16 rows per thread (rows of larger batches
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
    packed: Vec<Packed<T>>,
    packed_back: Vec<PackedBack<T>>,
    shards: Shards<Window<T>, T>,
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
        shape.check_lstms("BPTT")?;
        let window =
            |rows| Window::zeros(shape.clone(), rows, batch, max_steps, false, Extensions::default());
        let shards = Shards::new(batch, ROWS_WITHOUT_TRACES, shape.layout.len(), window)?;
        let rows = shards.rows();
        let packed = Packed::of_layers(&shape.layout, rows, level);
        let packed_back = PackedBack::of_layers(&shape.layout, rows, level);
        Ok(Self { shape, batch, max_steps, level, packed, packed_back, shards })
    }
    /// At another instruction-set level.
    #[must_use]
    pub fn with_level(self, level: Level) -> Self {
        let rows = self.shards.rows();
        let packed = Packed::of_layers(&self.shape.layout, rows, level);
        let packed_back = PackedBack::of_layers(&self.shape.layout, rows, level);
        Self { level, packed, packed_back, ..self }
    }
    /// The instruction-set level in use.
    #[must_use]
    pub fn level(&self) -> Level {
        self.level
    }
}

impl<T: Scalar> Learner<T> for Bptt<T> {
    fn gradient(
        &mut self,
        network: &Network<T>,
        sequences: &Sequences<'_, T>,
        gradient: &mut [T],
    ) -> Result<Score, Error> {
        let Self { ref shape, batch, max_steps, level, .. } = *self;
        check_call(shape, batch, network, sequences, gradient)?;
        check_steps(max_steps, sequences)?;
        let parameters = network.parameters();
        let weights = Packed::refresh_layers(&mut self.packed, &shape.layout, parameters);
        let recurrent = PackedBack::refresh_layers(&mut self.packed_back, &shape.layout, parameters);
        let through = Through::Everything(recurrent);
        let work = batch * sequences.steps() * shape.layout.len();
        Ok(self.shards.run(work, gradient, |window, rows, gradient| {
            window.run(Pass { level, parameters, weights, sequences, rows }, through, gradient)
        }))
    }
}
