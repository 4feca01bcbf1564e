//! A layer of a tape: what goes in and out, and the cell between.

use std::ops::Range;

use crate::affine::Scalar;
use crate::cells::Cell;
use crate::error::Error;
use crate::layout::Layer;
use crate::learner::tape::dense::DenseTape;
use crate::learner::tape::diagonal::DiagonalTape;
use crate::learner::tape::gru::GruTape;
use crate::learner::tape::io::Io;
use crate::learner::tape::marks::Marks;
use crate::learner::tape::rnn::RnnTape;
use crate::learner::tape::{Context, Purpose, Way};

/// One layer's part of a tape.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct LayerTape<T: Scalar> {
    pub(super) io: Io<T>,
    pub(super) core: Core<T>,
}

/// What a kind of cell keeps on the tape.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Core<T: Scalar> {
    Diagonal(Box<DiagonalTape<T>>),
    Gru(Box<GruTape<T>>),
    Rnn(Box<RnnTape<T>>),
    Dense(Box<DenseTape<T>>),
}

/// Calls the same method of whatever core there is.
macro_rules! each_core {
    ($self:expr, $core:ident => $call:expr) => {
        match $self {
            Core::Diagonal($core) => $call,
            Core::Gru($core) => $call,
            Core::Rnn($core) => $call,
            Core::Dense($core) => $call,
        }
    };
}

impl<T: Scalar> LayerTape<T> {
    pub(super) fn zeros(layer: &Layer, rows: usize, slots: usize, purpose: Purpose) -> Result<Self, Error> {
        let io = Io::zeros(layer, rows, slots, purpose != Purpose::Forward)?;
        let core = match layer.cell {
            Cell::Gru(_) => Core::Gru(Box::new(GruTape::zeros(layer, rows, slots, purpose)?)),
            Cell::Rnn(cell) => Core::Rnn(Box::new(RnnTape::zeros(layer, cell, rows, slots, purpose)?)),
            Cell::Dense(cell) => Core::Dense(Box::new(DenseTape::zeros(cell, rows, slots, purpose)?)),
            _ => Core::Diagonal(Box::new(DiagonalTape::zeros(layer, rows, slots, purpose)?)),
        };
        Ok(Self { io, core })
    }
    pub(super) fn start(&mut self) {
        each_core!(&mut self.core, core => core.start());
    }
    pub(super) fn forward(
        &mut self,
        context: Context<'_, T>,
        index: usize,
        marks: &Marks,
        slots: Range<usize>,
    ) {
        let Self { io, core } = self;
        match core {
            Core::Diagonal(core) => core.forward(context, &context.prepared[index], io, marks, slots),
            Core::Gru(core) => core.forward(context, io, marks, slots),
            Core::Rnn(core) => core.forward(context, io, marks, slots),
            Core::Dense(core) => core.forward(context, io, marks, slots),
        }
    }
    /// Leaves dE/dp_t on the tape, and dE/dx_t in `below` unless that is empty. Traces take their step, and add to the
    /// gradient if there are learning signals.
    #[expect(clippy::too_many_arguments, reason = "each is a thing of its own, and there is one caller")]
    pub(super) fn back(
        &mut self,
        context: Context<'_, T>,
        index: usize,
        marks: &Marks,
        slots: Range<usize>,
        way: Way,
        gradient: &mut [T],
        below: &mut [T],
    ) {
        let Self { io, core } = self;
        match core {
            Core::Diagonal(core) => {
                let prepared = &context.prepared[index];
                core.back(context, prepared, io, marks, slots, way, gradient, below);
            }
            Core::Gru(core) if way.learns() => core.back(context, io, marks, slots, below),
            Core::Rnn(core) if way.learns() => core.back(context, io, marks, slots, below),
            Core::Dense(core) if way.learns() => core.back(context, io, slots, below),
            _ => {}
        }
    }
    pub(super) fn add_gradient(&mut self, slots: Range<usize>, gradient: &mut [T]) {
        let Self { io, core } = self;
        each_core!(core, core => core.add_gradient(io, slots, gradient));
    }
    /// As if a row had not been there before slot `begin`.
    pub(super) fn forget(&mut self, row: usize, begin: usize) {
        self.io.forget(row, begin);
        match &mut self.core {
            // Its factors are not read where a row is not there.
            Core::Diagonal(_) => {}
            Core::Gru(core) => core.forget(row, begin),
            Core::Rnn(core) => core.forget(row, begin),
            Core::Dense(core) => core.forget(row, begin),
        }
    }
    pub(super) fn shift(&mut self, slots: Range<usize>) {
        self.io.shift(slots.clone());
        each_core!(&mut self.core, core => core.shift(slots));
    }
}
