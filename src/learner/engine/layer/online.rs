//! The gradient of a layer at the only slot of a single row, made where it is used.

use std::ops::Range;

use super::Layer;
use crate::learner::engine::core::Weights;
use crate::learner::engine::traces::{StepSignal, Sweep};
use crate::online_gradient::OnlineGradient;
use crate::scalar::Scalar;
use crate::slots::{Marks, scale};

impl<T: Scalar> Layer<T> {
    /// Part by part, from learning signals in `values`: of each a range of the weights. Traces take their step on the way.
    pub(crate) fn take_online(
        &mut self,
        weights: Weights<'_, T>,
        marks: &Marks,
        take: &mut dyn FnMut(Range<usize>, OnlineGradient<'_, T>),
    ) {
        let heard = self.heard.at(0)[0];
        let Some(mut traces) = self.traces.take() else {
            let (block, activity) = (self.layout.weights, self.activity[0].at(0));
            let gradient = OnlineGradient::Outer { signal: self.deltas[0].at(0), presynaptic: activity };
            take(block.range(), if heard { gradient } else { OnlineGradient::Zero });
            return;
        };
        if heard {
            self.prepare_signals(0, 0);
            let beta = T::from_f64(self.extensions.scaling.output);
            scale(&mut self.state_signal, beta);
        }
        for (index, block) in traces.blocks.iter_mut().enumerate() {
            let Some(sweep) = Sweep::new(weights, &self.core, &self.activity, marks, index) else { continue };
            let range = block.traced();
            if heard {
                take(range, block.online(sweep, &self.state_signal));
            } else {
                block.step(sweep, 0, None, &mut []);
                take(range, OnlineGradient::Zero);
            }
        }
        if let Some(units) = &mut traces.units {
            units.step(weights, marks, 0, self.core.get());
            if heard {
                let (heard, state) = (&[true][..], &self.state_signal[..]);
                let signal = StepSignal { heard, state, echo: &[], forgets: false };
                units.learn(weights.level, &signal, self.core.get_mut().unit_gradient());
            }
        }
        self.traces = Some(traces);
        self.take_untraced(weights, heard, take);
        let Some(block) = self.layout.unit else { return };
        let gradient = self.core.get_mut().unit_gradient();
        for (row, gradient) in gradient.chunks_exact_mut(block.columns()).enumerate() {
            let start = block.index(row, 0);
            take(start..start + block.stride(), OnlineGradient::Plain(gradient));
            gradient.fill(T::ZERO);
        }
    }

    /// Gates that act on the output alone.
    fn take_untraced(
        &mut self,
        weights: Weights<'_, T>,
        heard: bool,
        take: &mut dyn FnMut(Range<usize>, OnlineGradient<'_, T>),
    ) {
        let (block, untraced) = (self.layout.weights, self.core.get().untraced());
        if untraced == 0 {
            return;
        }
        let range = block.range().end - untraced * block.stride()..block.range().end;
        if !heard {
            take(range, OnlineGradient::Zero);
            return;
        }
        self.untraced_deltas(weights, 0, 0);
        let (signal, presynaptic) = (&self.carried[..untraced], self.activity[0].at(0));
        take(range, OnlineGradient::Outer { signal, presynaptic });
    }
}
