//! The LSTM's core. Equations of the gates: `eligibility_kernels::lstm_gates`.
//!
//! ```text
//! (1) z_t = W [x_t; h_{t-1}; 1]                            p_t = z_t    s_t = c_t    A_t = f_t    u_t = s_i, s_f, s_g
//! (2) dE/dh_t = dE/dy_t + U^T dE/dz_{t+1}                  the second term only if the way back is not cut
//! (3) dE/dc_t = dE/dh_t dh_t/dc_t + f_{t+1} dE/dc_{t+1}    dE/dz_t = dE/dc_t s_t for i, f, g;  dE/dh_t s_o for o
//! ```
//!
//! The output gate acts on h_t alone: it needs no trace. U is the recurrent part of W. A reset is
//! `h_{t-1} = c_{t-1} = 0` in (1) and dc_t/dc_{t-1} = 0 in the factors.

use std::ops::Range;

use eligibility_kernels::Strided;
use eligibility_kernels::lstm_gates::{GATES, LstmGates, LstmGatesBackward};

use super::{Activity, Core, StepBack, StepForward, Weights};
use crate::affine::{Beta, Rect, times, times_transposed};
use crate::block::Block;
use crate::cells::Lstm;
use crate::error::Error;
use crate::layout::Layer;
use crate::learner::engine::setting::{Cut, Setting};
use crate::scalar::Scalar;
use crate::slots::{Local, Slots, Visit, clear, scale, show};

/// Steps a single row's inputs are projected ahead: enough for a matrix product, few enough for L1.
const AHEAD: usize = 16;

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct LstmCore<T: Scalar> {
    cell: Lstm,
    block: Block,
    /// `[ahead, rows, 4, units]`: z of slots that are projected together.
    preactivation: Slots<T>,
    ahead: usize,
    /// `[slots, rows, 4, units]`: s_i, s_f, s_g, s_o; the way back makes dE/dz_t of it where it passes but once.
    influence: Slots<T>,
    /// `[slots, rows, units]`: f_t, times what traces decay by besides.
    decay: Slots<T>,
    /// `[slots, rows, units]`: dh_t/dc_t.
    slope: Slots<T>,
    /// `[rows, units]`: dE/dh_t.
    hidden_gradient: Slots<T>,
    trace_decay: T,
    in_place: bool,
}

impl<T: Scalar> LstmCore<T> {
    pub(crate) fn zeros(cell: Lstm, layer: &Layer, rows: usize, setting: &Setting) -> Result<Self, Error> {
        let (units, slots) = (cell.units(), setting.factor_slots(rows));
        let ahead = steps_ahead(rows, setting);
        Ok(Self {
            cell,
            block: layer.weights,
            preactivation: Slots::zeros(ahead, rows, GATES * units)?,
            ahead,
            influence: Slots::zeros(slots, rows, GATES * units)?,
            decay: Slots::zeros(slots, rows, units)?,
            slope: Slots::zeros(slots, rows, units)?,
            hidden_gradient: Slots::zeros(usize::from(setting.learns()), rows, units)?,
            trace_decay: T::from_f64(setting.extensions.scaling.decay),
            in_place: setting.learns() && !setting.revisits() && !setting.stream,
        })
    }
}

/// How many steps a recurrent map is projected ahead: with several rows it is bound by arithmetic, and reads all at once.
pub(super) fn steps_ahead(rows: usize, setting: &Setting) -> usize {
    if rows == 1 && !setting.stream { setting.chunk(rows).min(AHEAD) } else { 1 }
}

/// The inputs' part of a recurrent map, if that is projected ahead.
pub(super) fn project_ahead<T: Scalar>(
    weights: Weights<'_, T>,
    input: usize,
    activity: &Activity<T>,
    slots: Range<usize>,
    target: &mut Slots<T>,
) {
    if let Some(packed) = weights.prepared.packed.as_ref().filter(|packed| packed.projects_ahead()) {
        let target = target.range_mut(0..slots.len());
        packed.project(activity[0].matrix(slots, input), target);
    }
}

/// Takes h_{t-1} of the active rows, and the 1 of the bias, behind the inputs `[rows, stride]`.
pub(super) fn take_hidden<T: Scalar>(
    activity: &mut [T],
    active: &[bool],
    hidden: &[T],
    inputs: usize,
    stride: usize,
) {
    let units = hidden.len() / active.len();
    let rows = activity.chunks_exact_mut(stride).zip(hidden.chunks_exact(units)).zip(active);
    for ((activity, hidden), _) in rows.filter(|(_, active)| **active) {
        activity[inputs..inputs + units].copy_from_slice(hidden);
        activity[inputs + units] = T::ONE;
    }
}

/// z of the rows `[rows, rows of W]`, which are what was projected ahead, if it was.
pub(super) fn recurrent_map<T: Scalar>(
    weights: Weights<'_, T>,
    block: Block,
    activity: &[T],
    hidden: &[T],
    z: &mut [T],
) {
    let rows = activity.len() / block.stride();
    match &weights.prepared.packed {
        Some(packed) if packed.projects_ahead() => {
            packed.map(weights.level, rows, Strided { data: hidden, stride: hidden.len() / rows }, z);
        }
        Some(packed) => {
            packed.map(weights.level, rows, Strided { data: activity, stride: block.stride() }, z);
        }
        None => {
            let target = Rect::dense(z, rows, block.rows());
            let activity = Rect::padded(activity, rows, block.columns(), block.stride());
            let matrix = block.matrix(weights.parameters);
            times_transposed(weights.level, target, Beta::Replace, activity, matrix);
        }
    }
}

/// `dh` `[rows, units]` from dE/dz `[rows, rows of W]` through U, which begins behind `first` columns.
pub(super) fn recurrent_map_back<T: Scalar>(
    weights: Weights<'_, T>,
    (block, first): (Block, usize),
    beta: Beta,
    dz: &[T],
    dh: &mut [T],
) {
    if let Some(packed) = &weights.prepared.packed_back {
        packed.map(weights.level, beta, dz, dh);
        return;
    }
    let (rows, units) = (dz.len() / block.rows(), block.columns() - 1 - first);
    let matrix = block.matrix(weights.parameters);
    let recurrent = Rect { data: &matrix.data[first..], columns: units, ..matrix };
    times(Rect::dense(dh, rows, units), beta, Rect::dense(dz, rows, block.rows()), recurrent);
}

impl<T: Scalar> Core<T> for LstmCore<T> {
    fn ahead(&self) -> usize {
        self.ahead
    }
    fn project(&mut self, weights: Weights<'_, T>, activity: &Activity<T>, slots: Range<usize>) {
        project_ahead(weights, self.cell.input(), activity, slots, &mut self.preactivation);
    }

    fn forward(&mut self, weights: Weights<'_, T>, mut step: StepForward<'_, T>) {
        step.forget();
        let StepForward { slot, factors, projected, marks, state, activity, output } = step;
        let (active, activity) = (marks.active.at(slot), activity[0].at_mut(slot));
        let [(_, cell), (_, hidden)] = &mut state.parts[..] else { return };
        take_hidden(activity, active, hidden, self.cell.input(), self.block.stride());
        let z = self.preactivation.at_mut(projected);
        recurrent_map(weights, self.block, activity, hidden, z);
        let decay = self.decay.at_mut(factors);
        weights.level.run(LstmGates {
            nonlinearity: self.cell.nonlinearity(),
            active,
            preactivation: z,
            cell,
            hidden,
            influence: self.influence.at_mut(factors),
            forget_gate: decay,
            dhidden_dcell: self.slope.at_mut(factors),
        });
        clear(marks.first.at(slot), true, decay);
        if self.trace_decay != T::ONE {
            scale(decay, self.trace_decay);
        }
        output.copy_from_slice(hidden);
    }

    fn begin_back(&mut self) {
        self.hidden_gradient.fill(T::ZERO);
    }
    fn end_row(&mut self, row: usize) {
        self.hidden_gradient.rows_mut(0, row..row + 1).fill(T::ZERO);
    }

    fn back(&mut self, weights: Weights<'_, T>, step: StepBack<'_, T>) {
        let StepBack { slot, rows, heard, live, cut, goes_on, signal, carried, deltas: [delta, _], .. } =
            step;
        let units = self.cell.units();
        // (2)
        let dh = self.hidden_gradient.rows_mut(0, rows.clone());
        if cut == Cut::Recurrence {
            dh.fill(T::ZERO);
        }
        let arriving = dh.chunks_exact_mut(units).zip(signal.chunks_exact(units)).zip(heard);
        for ((dh, signal), _) in arriving.filter(|(_, heard)| **heard) {
            for (dh, &signal) in dh.iter_mut().zip(signal) {
                *dh += signal;
            }
        }
        // (3)
        let influence = if delta.is_empty() {
            self.influence.rows_mut(slot, rows.clone())
        } else {
            delta.copy_from_slice(self.influence.rows(slot, rows.clone()));
            delta
        };
        weights.level.run(LstmGatesBackward {
            active: live,
            hidden_gradient: dh,
            forget_gate: self.decay.rows(slot, rows.clone()),
            dhidden_dcell: self.slope.rows(slot, rows),
            cell_gradient: carried,
            influence: &mut *influence,
        });
        if cut == Cut::None && goes_on {
            recurrent_map_back(weights, (self.block, self.cell.input()), Beta::Replace, influence, dh);
        }
    }

    fn state_signal(&self, slot: usize, rows: Range<usize>, signal: &[T], target: &mut [T]) {
        let slope = self.slope.rows(slot, rows);
        for (target, (&signal, &slope)) in target.iter_mut().zip(signal.iter().zip(slope)) {
            *target = signal * slope;
        }
    }
    fn slope(&self) -> Option<&Slots<T>> {
        Some(&self.slope)
    }
    fn local<'a>(&'a self, _weights: Weights<'a, T>, _block: usize) -> Option<[Local<'a, T>; 2]> {
        Some([self.decay.local(), self.influence.local()])
    }
    fn untraced(&self) -> usize {
        self.cell.units()
    }
    fn delta_in_place(&self) -> Option<&Slots<T>> {
        self.in_place.then_some(&self.influence)
    }
    fn delta_in_place_mut(&mut self) -> Option<&mut Slots<T>> {
        self.in_place.then_some(&mut self.influence)
    }

    fn visit(&mut self, visit: Visit<'_, T>) {
        show(visit, "influence", &mut self.influence);
        show(visit, "decay", &mut self.decay);
        show(visit, "slope", &mut self.slope);
    }
}
