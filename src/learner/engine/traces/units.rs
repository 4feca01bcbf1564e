//! Traces of scalar parameters of each unit, a step at a time.
//!
//! ```text
//! (1) e_t = A_t e_{t-1} + I_t        dE/dq += c_t . e_t
//! (2) sum_t = sum_{t-1} + D_t e_t    dE/dq += alpha dE/dy_t . sum_t                  trace echo only
//! ```

use eligibility_kernels::Level;
use eligibility_kernels::unit_trace::{UnitTraceContract, UnitTraceStep};

use super::steps::StepSignal;
use crate::buffer::Buffer;
use crate::error::{Error, checked_product};
use crate::learner::engine::core::{Core, Weights};
use crate::scalar::Scalar;
use crate::slots::{Marks, OfRows, Visit, clear};

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct UnitTraces<T: Scalar> {
    rows: usize,
    units: usize,
    components: usize,
    /// `[rows, P, S, units]`: e, and its sum; the latter is empty without an echo.
    trace: Buffer<T>,
    sum: Buffer<T>,
}

impl<T: Scalar> UnitTraces<T> {
    /// Of P = `parameters` parameters.
    pub(super) fn zeros(
        rows: usize,
        parameters: usize,
        components: usize,
        units: usize,
        echoes: bool,
    ) -> Result<Self, Error> {
        let length = checked_product("the traces", &[rows, parameters, components, units])?;
        let sum = Buffer::zeros(if echoes { length } else { 0 });
        Ok(Self { rows, units, components, trace: Buffer::zeros(length), sum })
    }
    pub(super) fn start(&mut self) {
        self.trace.fill(T::ZERO);
        self.sum.fill(T::ZERO);
    }

    /// (1) and (2) for the active rows of a slot.
    pub(crate) fn step(&mut self, weights: Weights<'_, T>, marks: &Marks, slot: usize, core: &dyn Core<T>) {
        let (Some([decay, _]), Some(immediate)) = (core.local(weights, 0), core.immediate()) else { return };
        let (active, first, slope) = (marks.active.at(slot), marks.first.at(slot), core.slope());
        clear(first, true, &mut self.trace);
        clear(first, true, &mut self.sum);
        weights.level.run(UnitTraceStep {
            components: self.components,
            units: self.units,
            active,
            decay: decay.rows(slot, 0),
            immediate: immediate.at(slot),
            trace: &mut self.trace,
        });
        if self.sum.is_empty() {
            return;
        }
        let (states, per_row) = (self.components * self.units, self.trace.len() / self.rows);
        for (row, _) in active.iter().enumerate().filter(|(_, active)| **active) {
            let of_row = row * per_row..(row + 1) * per_row;
            let slope = slope.map(|slope| slope.rows(slot, row..row + 1));
            let pairs = self.sum[of_row.clone()].iter_mut().zip(&self.trace[of_row]);
            for (index, (sum, &trace)) in pairs.enumerate() {
                *sum += slope.map_or(T::ONE, |slope| slope[index % states]) * trace;
            }
        }
    }

    /// What a learning signal does with them.
    pub(crate) fn learn(&mut self, level: Level, signal: &StepSignal<'_, T>, gradient: &mut [T]) {
        let (components, units, active) = (self.components, self.units, signal.heard);
        let mut contract = |signal: &[T], trace: &[T]| {
            level.run(UnitTraceContract { components, units, active, signal, trace, gradient });
        };
        contract(signal.state, &self.trace);
        if !self.sum.is_empty() {
            contract(signal.echo, &self.sum);
            if signal.forgets {
                clear(signal.heard, true, &mut self.sum);
            }
        }
    }

    pub(super) fn visit(&mut self, visit: Visit<'_, T>) {
        let width = self.trace.len() / self.rows;
        visit("unit trace", OfRows::Numbers(&mut self.trace, self.rows, width));
        let width = self.sum.len() / self.rows;
        visit("sum of unit traces", OfRows::Numbers(&mut self.sum, self.rows, width));
    }
}
