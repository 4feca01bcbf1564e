//! The network of a predictor, the stream that feeds and differentiates it, and how large it is.

use eligibility::{
    BlockDiagonal, BpttOptions, Cell, Dense, Elstm, EpropOptions, EpropStream, Gru, Init, Loss, Lstm, MinGru,
    Network, Nonlinearity, OnlineLru, Parameterisation, Readout, Rnn, RtrlOptions, RtrlStream, Rtu, Stream,
    TruncatedStream,
};

use super::cells::{CellKind, OnlineLearnerKind, Predictor, RecurrenceKind};
use super::cost::multiply_adds;
use crate::checkpoint::Element;
use crate::failure::Failure;
use crate::seeds::{Purpose, rng};

/// A network of one output with weights drawn by `seed`, and what feeds it and differentiates its output.
pub(crate) type Built<T> = (Network<T>, Box<dyn Stream<T>>);

/// How large a predictor is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Size {
    /// All weights.
    pub(crate) parameters: usize,
    /// Those of the recurrent layer.
    pub(crate) recurrent_parameters: usize,
    /// Of one step, forward and learning: two for each multiply-add.
    pub(crate) flops: u64,
}

/// Builds a predictor that takes `inputs` inputs.
pub(crate) fn build<T: Element>(
    predictor: &Predictor,
    inputs: usize,
    seed: u64,
) -> Result<Built<T>, Failure> {
    let mut rng = rng(seed, Purpose::Weights, 0);
    let init = Init { forget_bias_offset: predictor.forget_bias.unwrap_or_default() };
    let network = init.stacked(&layers(predictor, inputs)?, readout()?, &mut rng)?;
    let stream: Box<dyn Stream<T>> = match predictor.learner {
        OnlineLearnerKind::Eprop => Box::new(EpropStream::new(&network, 1, EpropOptions::default())?),
        OnlineLearnerKind::Rtrl => {
            let authors_theta_gradient = predictor.authors_theta_gradient.unwrap_or(false);
            let options = RtrlOptions { authors_theta_gradient, ..RtrlOptions::default() };
            Box::new(RtrlStream::new(&network, 1, options)?)
        }
        OnlineLearnerKind::Truncated => {
            let steps = predictor.truncation.unwrap_or(1);
            Box::new(TruncatedStream::new(&network, 1, steps, BpttOptions::default())?)
        }
    };
    Ok((network, stream))
}

impl Predictor {
    /// Its size with `inputs` inputs.
    pub(crate) fn size(&self, inputs: usize) -> Result<Size, Failure> {
        let layers = layers(self, inputs)?;
        let parameters = Network::<f32>::stacked(&layers, readout()?)?.layout().parameter_count();
        let recurrent_parameters = Network::<f32>::without_readout(&layers[..1])?.layout().parameter_count();
        Ok(Size { parameters, recurrent_parameters, flops: 2 * multiply_adds(self, inputs) })
    }
}

/// The loss is never asked for: TD gives its own error.
fn readout() -> Result<Readout, Failure> {
    Ok(Readout::new(1, Loss::SquaredError)?)
}

/// The recurrent layer, and the projection if there is one.
fn layers(predictor: &Predictor, inputs: usize) -> Result<Vec<Cell>, Failure> {
    let units = predictor.hidden;
    let phi: Nonlinearity = predictor.nonlinearity.map(Into::into).unwrap_or_default();
    let cell: Cell = match predictor.cell {
        CellKind::Lstm => Lstm::new(inputs, units)?.into(),
        CellKind::Rtu => {
            let rtu = match predictor.recurrence {
                Some(RecurrenceKind::Nonlinear) => Rtu::nonlinear(inputs, units)?,
                _ => Rtu::linear(inputs, units)?,
            };
            let parameterisation: Parameterisation =
                predictor.parameterisation.map(Into::into).unwrap_or_default();
            rtu.with_nonlinearity(phi).with_parameterisation(parameterisation).into()
        }
        CellKind::Lru => match OnlineLru::new(inputs, units)? {
            lru if predictor.skip == Some(true) => lru.with_skip().into(),
            lru => lru.into(),
        },
        CellKind::Block => BlockDiagonal::new(inputs, units)?.with_nonlinearity(phi).into(),
        CellKind::Mingru => MinGru::new(inputs, units)?.into(),
        CellKind::Elstm => Elstm::new(inputs, units)?.into(),
        CellKind::Gru => Gru::new(inputs, units)?.into(),
        CellKind::Rnn => Rnn::new(inputs, units)?.with_nonlinearity(phi).into(),
    };
    let mut layers = vec![cell];
    if let Some(projection) = predictor.projection {
        let phi = predictor.projection_nonlinearity.map(Into::into).unwrap_or_default();
        layers.push(Dense::new(cell.output(), projection)?.with_nonlinearity(phi).into());
    }
    Ok(layers)
}
