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

/// Every recurrent cell.
pub fn recurrent_cells(input: usize, units: usize) -> Vec<Cell> {
    let mut cells = diagonal_cells(input, units);
    for phi in [Nonlinearity::Tanh, Nonlinearity::Identity, Nonlinearity::Relu] {
        cells.push(Lstm::new(input, units).unwrap().with_nonlinearity(phi).into());
        cells.push(Rnn::new(input, units).unwrap().with_nonlinearity(phi).into());
    }
    cells.push(Gru::new(input, units).unwrap().into());
    cells
}

/// Every cell.
pub fn all_cells(input: usize, units: usize) -> Vec<Cell> {
    let mut cells = recurrent_cells(input, units);
    for phi in [Nonlinearity::Tanh, Nonlinearity::Identity, Nonlinearity::Relu] {
        cells.push(Dense::new(input, units).unwrap().with_nonlinearity(phi).into());
    }
    cells
}

/// One of each kind, in the form that is most different from the others.
pub fn kinds(input: usize, units: usize) -> Vec<Cell> {
    let rtu = Rtu::linear(input, units).unwrap();
    vec![
        Lstm::new(input, units).unwrap().into(),
        Gru::new(input, units).unwrap().into(),
        Rnn::new(input, units).unwrap().into(),
        rtu.with_nonlinearity(Nonlinearity::Identity).into(),
        rtu.with_nonlinearity(Nonlinearity::Tanh).into(),
        Rtu::nonlinear(input, units).unwrap().with_nonlinearity(Nonlinearity::Tanh).into(),
        OnlineLru::new(input, units).unwrap().with_skip().into(),
        BlockDiagonal::new(input, units).unwrap().into(),
        MinGru::new(input, units).unwrap().into(),
        Elstm::new(input, units).unwrap().into(),
    ]
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

/// Whether its units read each other.
pub fn is_diagonal(cell: &Cell) -> bool {
    !matches!(cell, Cell::Lstm(_) | Cell::Gru(_) | Cell::Rnn(_))
}

/// Relu has kinks, which differences may straddle.
pub fn smooth(cell: &Cell) -> bool {
    let phi = match cell {
        Cell::Lstm(cell) => cell.nonlinearity(),
        Cell::Rnn(cell) => cell.nonlinearity(),
        Cell::Rtu(cell) => cell.nonlinearity(),
        Cell::BlockDiagonal(cell) => cell.nonlinearity(),
        Cell::Dense(cell) => cell.nonlinearity(),
        _ => Nonlinearity::Identity,
    };
    phi != Nonlinearity::Relu
}

/// Each of the cells alone.
pub fn alone(cells: Cells, input: usize, units: usize) -> Vec<Vec<Cell>> {
    cells(input, units).into_iter().map(|cell| vec![cell]).collect()
}

/// Each of the cells between an encoder and a projection.
pub fn between(cells: Cells, input: usize, units: usize) -> Vec<Vec<Cell>> {
    let stack = |middle: Cell| vec![dense(input, 3), middle, dense(middle.output(), 4)];
    cells(3, units).into_iter().map(stack).collect()
}

pub fn dense(input: usize, units: usize) -> Cell {
    Dense::new(input, units).unwrap().with_nonlinearity(Nonlinearity::Tanh).into()
}

/// Layers of different kinds, with 2 inputs: each finds others of its class and of others below and above it.
pub fn mixed_stacks() -> Vec<Vec<Cell>> {
    let stack = |layers: &[&dyn Fn(usize) -> Cell]| {
        let mut input = 2;
        let layers = layers.iter().map(|layer| {
            let cell = layer(input);
            input = cell.output();
            cell
        });
        layers.collect::<Vec<_>>()
    };
    let (below, lstm) = (|i| dense(i, 3), |i| Lstm::new(i, 3).unwrap().into());
    let (gru, rnn) = (|i| Gru::new(i, 3).unwrap().into(), |i| Rnn::new(i, 4).unwrap().into());
    let rtu = |i| Rtu::linear(i, 2).unwrap().with_nonlinearity(Nonlinearity::Tanh).into();
    let (lru, block) =
        (|i| OnlineLru::new(i, 2).unwrap().with_skip().into(), |i| BlockDiagonal::new(i, 2).unwrap().into());
    let (min_gru, elstm) = (|i| MinGru::new(i, 3).unwrap().into(), |i| Elstm::new(i, 3).unwrap().into());
    vec![
        stack(&[&below, &lstm, &rtu, &below]),
        stack(&[&gru, &lstm]),
        stack(&[&rtu, &lstm]),
        stack(&[&lstm, &lstm]),
        stack(&[&lru, &min_gru, &elstm]),
        stack(&[&rnn, &below, &gru]),
        stack(&[&lstm, &block]),
        stack(&[&min_gru, &rnn, &lru]),
    ]
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
