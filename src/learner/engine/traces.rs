//! Traces beside a core: what its states owe to weights of all steps before.
//!
//! ```text
//! (1) E_t = A_t E_{t-1} + u_t a_t^T       e_t = A_t e_{t-1} + I_t            = ds_t/dW, ds_t/dq
//! (2) dE/dW += c_t . E_t                  dE/dq += c_t . e_t                 c_t = dE/ds_t at the step
//! ```
//!
//! Exact where units do not read each other (RTRL), else e-prop's (Hoyer et al. 2022, eq. 3 to 9). With a trace echo also
//! the sums of `D_t E_t` and `D_t e_t` (`crate::extensions`).

use eligibility_kernels::Level;
use eligibility_kernels::activation::Nonlinearity;

use super::core::{AnyCore, Weights};
use super::setting::{Run, Setting};
use crate::block::Block;
use crate::buffer::Buffer;
use crate::cells::Cell;
use crate::error::{Error, checked_product};
use crate::layout::Layer;
use crate::prepared::nonlinearities;
use crate::scalar::Scalar;
use crate::slots::{Local, Marks, OfRows, Slots, Visit};

mod blocks;
mod steps;
mod units;

pub(crate) use blocks::RowOfBlock;
pub(crate) use steps::StepSignal;
pub(crate) use units::UnitTraces;

/// The traces of a block of weights.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct WeightTraces<T: Scalar> {
    block: Block,
    rows: usize,
    units: usize,
    /// S.
    components: usize,
    /// Gates that have a trace, and those whose trace is stored: one of two where the other would be the same numbers
    /// (`eligibility_kernels::trace::pair`).
    gates: usize,
    stored: usize,
    /// S buffers `[rows, stored, units, stride]`: E; the second is empty if S = 1.
    trace: [Buffer<T>; 2],
    /// `[rows]`: E is zero, whatever the memory holds.
    empty: Vec<bool>,
    /// P_s u_s and P_0 of one row; empty for a step at a time.
    products: Buffer<T>,
    echo: Option<EchoSums<T>>,
}

/// What a trace echo needs besides.
#[derive(Clone, Debug, PartialEq)]
struct EchoSums<T: Scalar> {
    /// S buffers `[rows, gates, units, stride]`: the sums of `D_t E_t`.
    sum: [Buffer<T>; 2],
    /// Of one row and a block, as `products`; and the weights of its steps, `[steps, units]`, at least of one.
    products: Buffer<T>,
    weight: Buffer<T>,
}

/// What a sweep over traces reads besides them.
#[derive(Clone, Copy)]
pub(crate) struct Sweep<'a, T: Scalar> {
    pub(crate) level: Level,
    pub(crate) decay: Local<'a, T>,
    pub(crate) influence: Local<'a, T>,
    pub(crate) activity: &'a Slots<T>,
    /// D_t, if it is no constant.
    pub(crate) slope: Option<&'a Slots<T>>,
    pub(crate) marks: &'a Marks,
}

impl<'a, T: Scalar> Sweep<'a, T> {
    /// Of a block of a layer.
    pub(crate) fn new(
        weights: Weights<'a, T>,
        core: &'a AnyCore<T>,
        activity: &'a [Slots<T>; 2],
        marks: &'a Marks,
        block: usize,
    ) -> Option<Self> {
        let [decay, influence] = core.get().local(weights, block)?;
        let (activity, slope) = (&activity[block], core.get().slope());
        Some(Self { level: weights.level, decay, influence, activity, slope, marks })
    }
}

/// All traces of a layer.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Traces<T: Scalar> {
    pub(crate) blocks: Vec<WeightTraces<T>>,
    pub(crate) units: Option<UnitTraces<T>>,
    /// Whether they go a step at a time.
    pub(crate) stepwise: bool,
}

impl<T: Scalar> Traces<T> {
    /// None if the cell has no state. `untraced` rows at the end of its weights need no trace.
    pub(crate) fn zeros(
        layer: &Layer,
        untraced: usize,
        rows: usize,
        setting: &Setting,
    ) -> Result<Option<Self>, Error> {
        let (Run::Block(steps), Some((_, states))) = (setting.run, layer.cell.state_parts().next()) else {
            return Ok(None);
        };
        let complex = matches!(layer.cell, Cell::Rtu(_) | Cell::OnlineLru(_));
        let pair = complex || matches!(layer.cell, Cell::BlockDiagonal(_));
        let echoes = setting.extensions.echoes();
        // A block's sum of traces has a kernel for one component only.
        let stepwise = steps == 1 || (echoes && pair);
        let components = if pair { 2 } else { 1 };
        let units = states / components;
        let linear = complex && nonlinearities(layer.cell)[0] == Nonlinearity::Identity;
        let block = |block: Block, untraced: usize| {
            let gates = (block.rows() - untraced) / units;
            let stored = if linear { 1 } else { gates };
            let steps = if stepwise { 0 } else { steps };
            WeightTraces::zeros(block, [rows, units, components, gates, stored, steps], echoes)
        };
        let mut blocks = vec![block(layer.weights, untraced)?];
        blocks.extend(layer.recurrent.map(|recurrent| block(recurrent, 0)).transpose()?);
        let parameters = layer.unit.map_or(0, |block| block.rows());
        let units = (parameters > 0).then(|| UnitTraces::zeros(rows, parameters, components, units, echoes));
        Ok(Some(Self { blocks, units: units.transpose()?, stepwise }))
    }
    pub(crate) fn start(&mut self) {
        for block in &mut self.blocks {
            block.empty.fill(true);
            if let Some(echo) = &mut block.echo {
                echo.sum.iter_mut().for_each(|sum| sum.fill(T::ZERO));
            }
        }
        if let Some(units) = &mut self.units {
            units.start();
        }
    }
    pub(crate) fn visit(&mut self, visit: Visit<'_, T>) {
        for block in &mut self.blocks {
            block.visit(visit);
        }
        if let Some(units) = &mut self.units {
            units.visit(visit);
        }
    }
}

impl<T: Scalar> WeightTraces<T> {
    /// For `rows` rows and, unless they go a step at a time, blocks of `steps` steps.
    fn zeros(
        block: Block,
        [rows, units, components, gates, stored, steps]: [usize; 6],
        echoes: bool,
    ) -> Result<Self, Error> {
        let length = |sizes: &[usize]| checked_product("the traces", sizes);
        let trace = length(&[rows, stored, units, block.stride()])?;
        let last = components * components.max(stored) * units;
        let products = if steps == 0 { 0 } else { length(&[steps, stored, components, units])? + last };
        let sum = length(&[rows, gates, units, block.stride()])?;
        let of_each =
            |length: usize| [1, 2].map(|s| Buffer::staggered(s, if s <= components { length } else { 0 }));
        let echo = echoes.then(|| EchoSums {
            sum: of_each(sum),
            products: Buffer::zeros(products),
            weight: Buffer::zeros(steps.max(1) * units),
        });
        Ok(Self {
            block,
            rows,
            units,
            components,
            gates,
            stored,
            trace: of_each(trace),
            empty: vec![true; rows],
            products: Buffer::zeros(products),
            echo,
        })
    }
    /// Where the gradient of the gates that have a trace lies.
    pub(crate) fn traced(&self) -> std::ops::Range<usize> {
        let start = self.block.range().start;
        start..start + self.gates * self.units * self.block.stride()
    }
    fn of_row(buffer: &Buffer<T>, rows: usize, row: usize) -> std::ops::Range<usize> {
        let length = buffer.len() / rows;
        row * length..(row + 1) * length
    }
    /// Makes E and its sums of a row zero.
    fn clear_row(&mut self, row: usize) {
        let sums = self.echo.iter_mut().flat_map(|echo| &mut echo.sum);
        for buffer in self.trace.iter_mut().chain(sums) {
            let range = Self::of_row(buffer, self.rows, row);
            buffer[range].fill(T::ZERO);
        }
        self.empty[row] = false;
    }
    fn visit(&mut self, visit: Visit<'_, T>) {
        let Self { trace, empty, echo, rows, .. } = self;
        visit("empty", OfRows::Marks(empty, *rows));
        for trace in trace {
            let width = trace.len() / *rows;
            visit("trace", OfRows::Numbers(trace, *rows, width));
        }
        for sum in echo.iter_mut().flat_map(|echo| &mut echo.sum) {
            let width = sum.len() / *rows;
            visit("sum of traces", OfRows::Numbers(sum, *rows, width));
        }
    }
}
