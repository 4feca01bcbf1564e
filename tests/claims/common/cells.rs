//! Cells of every kind and form, and stacks of them.

use std::ops::Range;

use eligibility::{
    BlockDiagonal, Cell, Dense, Elstm, Gru, Lstm, MinGru, Nonlinearity, OnlineLru, Parameterisation, Rnn, Rtu,
};
use proptest::prelude::*;

/// Cells in several forms, with so many inputs and units.
pub type Cells = fn(usize, usize) -> Vec<Cell>;

pub fn lstm(input: usize, units: usize) -> Vec<Cell> {
    vec![Lstm::new(input, units).unwrap().into()]
}

pub fn lstms(input: usize, units: usize) -> Vec<Cell> {
    let lstm = Lstm::new(input, units).unwrap();
    vec![lstm.into(), lstm.with_nonlinearity(Nonlinearity::Identity).into()]
}

/// Every recurrent cell.
pub fn recurrent_cells(input: usize, units: usize) -> Vec<Cell> {
    [lstms(input, units), other_cells(input, units)].concat()
}

/// Those that are no LSTMs, which stack with each other.
pub fn other_cells(input: usize, units: usize) -> Vec<Cell> {
    let mut cells = diagonal_cells(input, units);
    cells.push(Gru::new(input, units).unwrap().into());
    for phi in [Nonlinearity::Tanh, Nonlinearity::Identity] {
        cells.push(Rnn::new(input, units).unwrap().with_nonlinearity(phi).into());
    }
    cells
}

/// Those with exact RTRL: their units do not read each other.
pub fn diagonal_cells(input: usize, units: usize) -> Vec<Cell> {
    let mut cells = Vec::new();
    for parameterisation in [Parameterisation::ExpExp, Parameterisation::Exp, Parameterisation::Direct] {
        for phi in [Nonlinearity::Identity, Nonlinearity::Relu, Nonlinearity::Tanh] {
            for rtu in [Rtu::linear(input, units).unwrap(), Rtu::nonlinear(input, units).unwrap()] {
                cells.push(rtu.with_nonlinearity(phi).with_parameterisation(parameterisation).into());
            }
        }
    }
    let lru = OnlineLru::new(input, units).unwrap();
    cells.extend([Cell::from(lru), lru.with_skip().into()]);
    for phi in [Nonlinearity::Identity, Nonlinearity::Relu, Nonlinearity::Tanh] {
        cells.push(BlockDiagonal::new(input, units).unwrap().with_nonlinearity(phi).into());
    }
    cells.extend([Cell::from(MinGru::new(input, units).unwrap()), Elstm::new(input, units).unwrap().into()]);
    cells
}

/// Relu has kinks, which differences may straddle.
pub fn smooth(cell: &Cell) -> bool {
    match cell {
        Cell::Rtu(rtu) => rtu.nonlinearity() != Nonlinearity::Relu,
        Cell::BlockDiagonal(cell) => cell.nonlinearity() != Nonlinearity::Relu,
        _ => true,
    }
}

/// Each of the cells alone.
pub fn alone(cells: Cells, input: usize, units: usize) -> Vec<Vec<Cell>> {
    cells(input, units).into_iter().map(|cell| vec![cell]).collect()
}

/// Each of the cells between an encoder and a projection.
pub fn between(cells: Cells, input: usize, units: usize) -> Vec<Vec<Cell>> {
    let dense = |input, units| Dense::new(input, units).unwrap().with_nonlinearity(Nonlinearity::Tanh);
    let stack = |middle: Cell| match middle {
        Cell::Lstm(_) => [lstm(input, 3), vec![middle], lstm(middle.output(), 4)].concat(),
        _ => vec![dense(input, 3).into(), middle, dense(middle.output(), 4).into()],
    };
    cells(3, units).into_iter().map(stack).collect()
}

/// Stacks of so many layers of so many units, drawn from those of `cells` that have no kinks.
pub fn stacks(cells: Cells, depth: Range<usize>, units: Range<usize>) -> impl Strategy<Value = Vec<Cell>> {
    let layers = prop::collection::vec((any::<prop::sample::Index>(), units), depth);
    (1..4_usize, layers).prop_map(move |(mut input, layers)| {
        let layer = |(kind, units): (prop::sample::Index, usize)| {
            let cells: Vec<Cell> = cells(input, units).into_iter().filter(smooth).collect();
            let cell = cells[kind.index(cells.len())];
            input = cell.output();
            cell
        };
        layers.into_iter().map(layer).collect()
    })
}

/// Stacks of any cells that go together.
pub fn any_stack(depth: Range<usize>, units: Range<usize>) -> impl Strategy<Value = Vec<Cell>> {
    let others: Cells = |input, units| {
        let dense = Dense::new(input, units).unwrap().with_nonlinearity(Nonlinearity::Tanh);
        [other_cells(input, units), vec![dense.into()]].concat()
    };
    prop_oneof![stacks(lstms, depth.clone(), units.clone()), stacks(others, depth, units)]
}
