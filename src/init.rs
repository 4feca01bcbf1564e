//! Initialisation: the only file that draws random numbers.
//!
//! ```text
//! (1) every weight and bias ~ U(-1/sqrt(hidden), 1/sqrt(hidden))
//! (2) forget-gate biases are then raised by a fixed offset (Hoyer et al. 2022: +1.8)
//! ```
//!
//! (1) is `PyTorch`'s law, which fits the paper's remark that the biases were drawn like the weights. Other cells:
//!
//! ```text
//! (3) RTU, online LRU, block-diagonal:  r = sqrt(u)   theta = 2 pi u'   u, u' ~ U(0, 1): uniform in the unit disk
//!     RTU, block-diagonal:  W ~ N(0, 1/input)         LRU:  B ~ N(0, 1/(2 input))   gamma = sqrt(1 - r^2)
//! (4) GRU, RNN: as (1)      minGRU, eLSTM, dense: ~ U(-1/sqrt(input), 1/sqrt(input))
//! ```
//!
//! (3): Elelimy et al. 2024, Orvieto et al. 2023.

use std::f64::consts::TAU;

use rand::Rng;
use rand_distr::{Distribution, Normal, Uniform};

use crate::block::Block;
use crate::buffer::Buffer;
use crate::cells::{Cell, Parameterisation};
use crate::error::{Error, check_setting};
use crate::feedback::{AdaptiveFeedback, Feedback};
use crate::layout::{Gate, Layer};
use crate::network::Network;
use crate::readout::Readout;
use crate::scalar::Scalar;

/// How a network's weights are drawn.
///
/// ```
/// use eligibility::{Init, Loss, Lstm, Network, Readout};
/// use rand::{SeedableRng, rngs::StdRng};
/// let init = Init { forget_bias_offset: 1.8 };
/// let (lstm, readout) = (Lstm::new(4, 32)?, Readout::new(2, Loss::CrossEntropy)?);
/// let network: Network<f32> = init.network(lstm, readout, &mut StdRng::seed_from_u64(1))?;
/// # assert!(network.parameters().iter().any(|&w| w != 0.0));
/// # Ok::<(), eligibility::Error>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Init {
    /// Added to the forget gate's biases after they were drawn like all others.
    pub forget_bias_offset: f64,
}

impl Init {
    /// Draws a network. The same generator state gives the same weights for `f32` and `f64`, up to rounding.
    ///
    /// # Errors
    ///
    /// If the offset is not finite or the sizes are too large.
    pub fn network<T: Scalar>(
        &self,
        cell: impl Into<Cell>,
        readout: Readout,
        rng: &mut (impl Rng + ?Sized),
    ) -> Result<Network<T>, Error> {
        self.stacked(&[cell.into()], readout, rng)
    }

    /// The same for several layers, from the input up, as [`Network::stacked`]; each with its own sizes.
    ///
    /// # Errors
    ///
    /// If the offset is not finite, the layers do not fit each other or the sizes are too large.
    pub fn stacked<T: Scalar, C: Copy + Into<Cell>>(
        &self,
        layers: &[C],
        readout: Readout,
        rng: &mut (impl Rng + ?Sized),
    ) -> Result<Network<T>, Error> {
        self.draw(Network::new(layers, Some(readout))?, rng)
    }

    /// The same without a readout, as [`Network::without_readout`].
    ///
    /// # Errors
    ///
    /// As [`Init::stacked`].
    pub fn without_readout<T: Scalar, C: Copy + Into<Cell>>(
        &self,
        layers: &[C],
        rng: &mut (impl Rng + ?Sized),
    ) -> Result<Network<T>, Error> {
        self.draw(Network::new(layers, None)?, rng)
    }

    fn draw<T: Scalar>(
        self,
        mut network: Network<T>,
        rng: &mut (impl Rng + ?Sized),
    ) -> Result<Network<T>, Error> {
        check_setting("forget bias offset", "finite", self.forget_bias_offset, |_| true)?;
        let layout = network.layout().clone();
        for layer in layout.layers() {
            draw_layer(layer, network.parameters_mut(), rng);
        }
        if let Some(readout) = layout.readout() {
            draw(readout, network.parameters_mut(), law(layout.features()), rng);
        }
        for (index, layer) in layout.layers().iter().enumerate() {
            let Ok(rows) = layout.gate_rows(index, Gate::Forget) else { continue };
            let bias = layer.weights.columns() - 1;
            for row in rows {
                let weight = layer.weights.index(row, bias);
                network.parameters_mut()[weight] += T::from_f64(self.forget_bias_offset);
            }
        }
        Ok(network)
    }
}

impl<T: Scalar> Feedback<T> {
    /// A fixed feedback matrix, drawn from the law of the network's weights (Hoyer et al. 2022).
    pub fn random(network: &Network<T>, rng: &mut (impl Rng + ?Sized)) -> Self {
        let (outputs, hidden) = (network.output(), network.layout().features());
        Self::Random(draw_feedback(outputs, hidden, rng))
    }

    /// A feedback matrix that starts as [`Feedback::random`] and follows the readout; 0.001 is a usual decay.
    ///
    /// # Errors
    ///
    /// If the decay is not in [0, 1).
    pub fn adaptive(network: &Network<T>, decay: f64, rng: &mut (impl Rng + ?Sized)) -> Result<Self, Error> {
        let (outputs, hidden) = (network.output(), network.layout().features());
        AdaptiveFeedback::new(draw_feedback(outputs, hidden, rng), decay).map(Self::Adaptive)
    }
}

fn draw_feedback<T: Scalar>(outputs: usize, hidden: usize, rng: &mut (impl Rng + ?Sized)) -> Buffer<T> {
    let law = law(hidden);
    let mut matrix = Buffer::zeros(outputs * hidden);
    matrix.fill_with(|| T::from_f64(law.sample(rng)));
    matrix
}

fn law(hidden: usize) -> Uniform<f64> {
    let bound = 1.0 / (hidden as f64).sqrt();
    Uniform::new(-bound, bound).expect("a hidden size is at least 1, so the bounds are finite and ordered")
}

fn draw_layer<T: Scalar>(layer: &Layer, flat: &mut [T], rng: &mut (impl Rng + ?Sized)) {
    let input = layer.cell.input() as f64;
    match layer.cell {
        // Matrix after matrix, though both lie in one block.
        Cell::Rnn(cell) => {
            let (block, law) = (layer.weights, law(cell.units()));
            let hidden = cell.input()..block.columns() - 1;
            let others: Vec<usize> = (0..block.columns()).filter(|column| !hidden.contains(column)).collect();
            for columns in [others, hidden.collect()] {
                for (row, &column) in (0..block.rows()).flat_map(|row| columns.iter().map(move |c| (row, c)))
                {
                    flat[block.index(row, column)] = T::from_f64(law.sample(rng));
                }
            }
        }
        Cell::Lstm(_) | Cell::Gru(_) => {
            for block in layer.blocks() {
                draw(block, flat, law(layer.cell.output()), rng);
            }
        }
        Cell::MinGru(_) | Cell::Elstm(_) | Cell::Dense(_) => {
            for block in layer.blocks() {
                draw(block, flat, law(layer.cell.input()), rng);
            }
        }
        Cell::Rtu(_) | Cell::BlockDiagonal(_) => draw(layer.weights, flat, normal(1.0 / input), rng),
        Cell::OnlineLru(_) => draw(layer.weights, flat, normal(0.5 / input), rng),
    }
    let (Some(block), true) = (layer.unit, draws_disk(layer.cell)) else { return };
    for unit in 0..block.columns() {
        let mut write = |row: usize, value: f64| flat[block.index(row, unit)] = T::from_f64(value);
        // Never 0, whose logarithm is infinite.
        let mut uniform =
            || -> f64 { Uniform::new(1e-12, 1.0).expect("the bounds are finite and ordered").sample(rng) };
        let (r, theta) = (uniform().sqrt(), TAU * uniform());
        match layer.cell {
            Cell::Rtu(rtu) => {
                let (nu, angle) = match rtu.parameterisation() {
                    Parameterisation::ExpExp => ((-r.ln()).ln(), theta.ln()),
                    Parameterisation::Exp => (-r.ln(), theta),
                    Parameterisation::Direct => (r, theta),
                };
                write(0, nu);
                write(1, angle);
            }
            Cell::OnlineLru(_) => {
                write(0, (-r.ln()).ln());
                write(1, theta);
                write(2, 0.5 * (1.0 - r * r).ln());
            }
            _ => {
                for (row, value) in
                    [theta.cos(), -theta.sin(), theta.sin(), theta.cos()].into_iter().enumerate()
                {
                    write(row, r * value);
                }
            }
        }
    }
}

/// Whether a cell's eigenvalues are drawn from the unit disk.
fn draws_disk(cell: Cell) -> bool {
    matches!(cell, Cell::Rtu(_) | Cell::OnlineLru(_) | Cell::BlockDiagonal(_))
}

fn normal(variance: f64) -> Normal<f64> {
    Normal::new(0.0, variance.sqrt()).expect("a variance is finite and positive")
}

fn draw<T: Scalar>(block: Block, flat: &mut [T], law: impl Distribution<f64>, rng: &mut (impl Rng + ?Sized)) {
    for row in flat[block.range()].chunks_exact_mut(block.stride()) {
        row[..block.columns()].fill_with(|| T::from_f64(law.sample(rng)));
    }
}
