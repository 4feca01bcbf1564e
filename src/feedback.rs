//! Feedback weights: the matrix B that turns the output error into a learning signal, `L = B^T dE/dy`.
//!
//! Adaptive feedback follows the readout without ever being told its weights (Kolen & Pollack 1994; Akrout et al. 2019):
//! both get the same change, and both decay, so that what they differ in is forgotten. For an update of W_out from W to
//! W + dW by any optimiser,
//!
//! ```text
//! (1) W <- W + dW - decay W        B <- B + dW - decay B        hence        W - B <- (1 - decay) (W - B)
//! ```

use crate::affine::Rect;
use crate::buffer::Buffer;
use crate::error::{Error, check_setting, check_size};
use crate::network::{Network, Shape};
use crate::readout::weights;
use crate::scalar::Scalar;

/// Where B comes from (Hoyer et al. 2022, eq. 10).
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Feedback<T: Scalar> {
    /// The readout's own weights, as they are at each step.
    #[default]
    Symmetric,
    /// `[output, hidden]`: fixed. [`Feedback::random`] draws one.
    Random(Buffer<T>),
    /// Random at first, then ever closer to the readout's weights. [`Feedback::adaptive`] draws one. The training loop
    /// has to call [`Learner::after_update`](crate::Learner::after_update), or B stays as it is.
    Adaptive(AdaptiveFeedback<T>),
}

/// Feedback weights that get the readout's changes.
///
/// ```
/// use eligibility::{AdaptiveFeedback, Buffer, Eprop, EpropOptions, Feedback, Learner, Optimizer, RmsProp};
/// # use eligibility::{Init, Loss, Lstm, Network, Readout, Sequences, Targets};
/// # use rand::{SeedableRng, rngs::StdRng};
/// # let mut rng = StdRng::seed_from_u64(1);
/// # let mut network: Network<f32> =
/// #     Init::default().network(Lstm::new(1, 4)?, Readout::new(2, Loss::CrossEntropy)?, &mut rng)?;
/// # let sequences = Sequences::new(3, 1, &[0.5, -0.5, 1.0], Targets::LastClass(&[1]))?;
/// let feedback = Feedback::adaptive(&network, 0.001, &mut rng)?;
/// let mut eprop = Eprop::new(&network, 1, EpropOptions { feedback, ..EpropOptions::default() })?;
/// let (mut rmsprop, mut gradient) = (RmsProp::new(&network, 0.001)?, network.zero_gradient());
/// for _ in 0..3 {
///     eprop.gradient(&network, &sequences, &mut gradient)?;
///     rmsprop.update(network.parameters_mut(), &gradient)?;
///     eprop.after_update(&mut network)?;
/// }
/// # Ok::<(), eligibility::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct AdaptiveFeedback<T: Scalar> {
    decay: f64,
    /// `[output, hidden]`: B.
    matrix: Buffer<T>,
    /// `[output, hidden]`: W_out as the last gradient was computed with it.
    seen: Buffer<T>,
    /// Whether there was a gradient since the last change.
    waiting: bool,
}

impl<T: Scalar> AdaptiveFeedback<T> {
    /// From a first B, `[output, hidden]`, and what of it and of the readout's weights decays with each update.
    ///
    /// # Errors
    ///
    /// If the decay is not in [0, 1).
    pub fn new(matrix: Buffer<T>, decay: f64) -> Result<Self, Error> {
        check_setting("feedback decay", "in [0, 1)", decay, |decay| (0.0..1.0).contains(&decay))?;
        let seen = Buffer::zeros(matrix.len());
        Ok(Self { decay, matrix, seen, waiting: false })
    }
    /// B, `[output, hidden]`.
    #[must_use]
    pub fn matrix(&self) -> &[T] {
        &self.matrix
    }
    /// What decays with each update.
    #[must_use]
    pub fn decay(&self) -> f64 {
        self.decay
    }
}

impl<T: Scalar> Feedback<T> {
    pub(crate) fn check(&self, shape: &Shape) -> Result<(), Error> {
        match (self, shape.readout) {
            (Self::Symmetric, _) => Ok(()),
            (_, None) => Err(Error::NoReadout { what: "feedback weights other than symmetric ones" }),
            (Self::Random(matrix) | Self::Adaptive(AdaptiveFeedback { matrix, .. }), Some(readout)) => {
                let features = shape.layout.features();
                check_size("feedback weights", readout.output() * features, matrix.len())
            }
        }
    }
    /// B; none without a readout.
    pub(crate) fn matrix<'a>(&'a self, shape: &Shape, parameters: &'a [T]) -> Option<Rect<&'a [T]>> {
        let block = shape.layout.readout()?;
        Some(match self {
            Self::Symmetric => weights(block, parameters),
            Self::Random(matrix) | Self::Adaptive(AdaptiveFeedback { matrix, .. }) => {
                Rect::dense(&matrix[..], shape.output(), shape.layout.features())
            }
        })
    }
    /// Takes note of the weights with which a gradient is computed.
    pub(crate) fn before_update(&mut self, shape: &Shape, parameters: &[T]) {
        if let (Self::Adaptive(AdaptiveFeedback { seen, waiting, .. }), Some(block)) =
            (self, shape.layout.readout())
        {
            let weights = weights(block, parameters);
            for (seen, row) in seen.chunks_exact_mut(weights.columns).zip(weights.data.chunks(weights.stride))
            {
                seen.copy_from_slice(&row[..weights.columns]);
            }
            *waiting = true;
        }
    }
    /// (1), where the network's weights are W + dW.
    pub(crate) fn after_update(&mut self, shape: &Shape, network: &mut Network<T>) {
        let Self::Adaptive(AdaptiveFeedback { decay, matrix, seen, waiting }) = self else { return };
        if !std::mem::take(waiting) {
            return;
        }
        let (decay, Some(block)) = (T::from_f64(*decay), shape.layout.readout()) else { return };
        let (columns, parameters) = (block.columns() - 1, network.parameters_mut());
        let rows = parameters[block.range()].chunks_exact_mut(block.stride());
        let old = matrix.chunks_exact_mut(columns).zip(seen.chunks_exact(columns));
        for (row, (feedback, seen)) in rows.zip(old) {
            for ((w, b), &seen) in row[..columns].iter_mut().zip(feedback).zip(seen) {
                *b += *w - seen - decay * *b;
                *w -= decay * seen;
            }
        }
    }
}
