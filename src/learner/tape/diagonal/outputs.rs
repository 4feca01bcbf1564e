//! What a diagonal cell gives of its state, and how a learning signal for that becomes one for the state.
//!
//! ```text
//! linear RTU  y = phi(s)      c = phi'(s) dE/dy              online LRU  y = [s_1; -s_2; x]      c = [dE/dy_1; -dE/dy_2]
//! others      y = s           c = dE/dy
//! ```

use std::ops::Range;

use eligibility_kernels::activation::Nonlinear;

use crate::affine::Scalar;
use crate::cells::Cell;
use crate::learner::tape::Context;
use crate::learner::tape::diagonal::DiagonalTape;
use crate::learner::tape::io::Io;
use crate::learner::tape::marks::Marks;
use crate::learner::tape::prepared::nonlinearities;

impl<T: Scalar> DiagonalTape<T> {
    /// y_t of s_t.
    pub(super) fn give(&mut self, context: Context<'_, T>, io: &mut Io<T>, slot: usize) {
        let units = self.factors.units;
        let outputs = match self.layer.cell {
            Cell::OnlineLru(_) => {
                let stride = io.stride();
                let (inputs, outputs) = io.inputs_and_outputs_mut(slot);
                let (width, input) = (outputs.len() / self.rows, self.layer.cell.input());
                let rows = outputs.chunks_exact_mut(width).zip(self.state.chunks_exact(2 * units));
                for ((y, s), x) in rows.zip(inputs.chunks_exact(stride)) {
                    y[..units].copy_from_slice(&s[..units]);
                    for (y, &s) in y[units..2 * units].iter_mut().zip(&s[units..]) {
                        *y = -s;
                    }
                    // x_t behind them, if it is passed on.
                    if width > 2 * units {
                        y[2 * units..].copy_from_slice(&x[..input]);
                    }
                }
                return;
            }
            _ => io.outputs_mut(slot..slot + 1),
        };
        if self.slope.is_empty() {
            outputs.copy_from_slice(&self.state);
        } else {
            let [_, nonlinearity] = nonlinearities(self.layer.cell);
            let slope = &mut self.slope[slot * outputs.len()..(slot + 1) * outputs.len()];
            context.level.run(Nonlinear { nonlinearity, input: &self.state, output: outputs, slope });
        }
    }

    /// (2), for the rows that take the step; zero for the others.
    pub(super) fn take_signal(&mut self, io: &Io<T>, marks: &Marks, slot: usize) {
        let (signals, units) = (io.signals(slot..slot + 1), self.factors.units);
        if let Cell::OnlineLru(_) = self.layer.cell {
            let width = signals.len() / self.rows;
            for (c, dy) in self.signal.chunks_exact_mut(2 * units).zip(signals.chunks_exact(width)) {
                c[..units].copy_from_slice(&dy[..units]);
                for (c, &dy) in c[units..].iter_mut().zip(&dy[units..2 * units]) {
                    *c = -dy;
                }
            }
        } else if self.slope.is_empty() {
            self.signal.copy_from_slice(signals);
        } else {
            let slope = &self.slope[slot * signals.len()..(slot + 1) * signals.len()];
            for (c, (&dy, &slope)) in self.signal.iter_mut().zip(signals.iter().zip(slope)) {
                *c = slope * dy;
            }
        }
        marks.clear_ended(slot, &mut self.signal);
    }

    /// What x_t was passed on as brings back its learning signal.
    pub(super) fn pass_skip(&self, io: &Io<T>, slots: Range<usize>, below: &mut [T]) {
        let Cell::OnlineLru(lru) = self.layer.cell else { return };
        if !lru.skip() || below.is_empty() {
            return;
        }
        let cells = below.chunks_exact_mut(lru.input());
        for (dx, dy) in cells.zip(io.signals(slots).chunks_exact(lru.output())) {
            for (dx, &dy) in dx.iter_mut().zip(&dy[2 * lru.units()..]) {
                *dx += dy;
            }
        }
    }
}
