//! Learning at every step without a stored gradient: signals first, then each part of the gradient where it is used.

use std::ops::Range;

use super::Streams;
use crate::error::{Error, check_size};
use crate::learner::engine::setting::Run;
use crate::learner::engine::tape::Context;
use crate::network::Network;
use crate::online_gradient::OnlineGradient;
use crate::readout::{Score, Target};
use crate::scalar::Scalar;

impl<T: Scalar> Streams<T> {
    /// Whether the gradient can be made part by part: of one row, in the sweep in which its traces take the last step.
    pub(super) fn is_online(&self) -> bool {
        self.tape.rows == 1 && self.pending && !self.setting().extensions.echoes()
    }
    /// Scores y_t, and gives every layer its learning signals: `weights` are the network's own length.
    pub(crate) fn begin_online(
        &mut self,
        network: &Network<T>,
        targets: &[Target<'_, T>],
        weights: usize,
    ) -> Result<Score, Error> {
        let found = self.tape.rows;
        if found > 1 {
            return Err(Error::Capacity { what: "streams of a fused update", reserved: 1, found });
        }
        if self.setting().extensions.echoes() {
            return Err(Error::NotFused { what: "a trace echo" });
        }
        if let Run::Window(_) = self.setting().run {
            return Err(Error::NotFused { what: "truncated BPTT" });
        }
        check_size("optimiser", self.shape.layout.len(), weights)?;
        self.check_learn(network)?;
        if !self.pending {
            return Err(Error::AlreadyLearned);
        }
        let score = self.score(network, targets)?;
        self.feedback.before_update(&self.shape, network.parameters());
        let context =
            Context { parameters: network.parameters(), prepared: &self.prepared, feedback: &self.feedback };
        self.tape.signals_alone(context);
        Ok(score)
    }

    /// The gradient, part by part: of each a range of the weights. The traces take the last step on the way.
    pub(crate) fn take_online(&mut self, take: &mut dyn FnMut(Range<usize>, OnlineGradient<'_, T>)) {
        self.pending = false;
        let context = Context { parameters: &[], prepared: &self.prepared, feedback: &self.feedback };
        for index in 0..self.tape.layers.len() {
            let weights = self.tape.weights(context, index);
            self.tape.layers[index].take_online(weights, &self.tape.marks, take);
        }
        let Some(block) = self.shape.layout.readout() else { return };
        if !self.tape.outputs.heard.at(0)[0] {
            take(block.range(), OnlineGradient::Zero);
            return;
        }
        let features = self.features.len();
        self.readout_input[..features].copy_from_slice(&self.features);
        self.readout_input[features] = T::ONE;
        let signal = self.tape.outputs.errors_of_rows(0);
        take(block.range(), OnlineGradient::Outer { signal, presynaptic: &self.readout_input });
    }
}
