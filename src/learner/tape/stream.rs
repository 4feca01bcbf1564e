//! A tape fed step by step: RTRL with one slot, truncated BPTT with a window of them.

use eligibility_kernels::Level;

use crate::affine::Scalar;
use crate::error::{Error, check_nonempty, check_size};
use crate::learner::tape::tapes::SPARE_SLOTS;
use crate::learner::tape::{Context, Prepared, Purpose, Tape, Way};
use crate::network::{Network, Shape};
use crate::readout::{Score, Target, check_targets, weights};

/// Some parallel streams.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct TapeStream<T: Scalar> {
    shape: Shape,
    level: Level,
    prepared: Vec<Prepared<T>>,
    tape: Tape<T>,
    /// Steps back from each learning signal; none: traces.
    window: Option<usize>,
    /// Slots in use.
    used: usize,
    started: bool,
    /// The traces have not taken the last step yet.
    pending: bool,
}

impl<T: Scalar> TapeStream<T> {
    pub(crate) fn new(
        shape: Shape,
        rows: usize,
        window: Option<usize>,
        level: Level,
        authors_theta_gradient: bool,
        input_gradient: bool,
    ) -> Result<Self, Error> {
        check_nonempty("number of streams", rows)?;
        let (slots, purpose) = match window {
            Some(window) => (window.saturating_add(SPARE_SLOTS), Purpose::Window),
            None => (1, Purpose::Traces),
        };
        let tape = Tape::zeros(&shape, rows, rows, slots, purpose)?;
        let tape = if input_gradient { tape.with_input_gradient()? } else { tape };
        let prepare = |layer| Prepared::zeros(layer, authors_theta_gradient);
        let prepared = shape.layout.layers().iter().map(prepare).collect();
        Ok(Self { shape, level, prepared, tape, window, used: 0, started: false, pending: false })
    }

    /// One step; y_t.
    pub(crate) fn step(
        &mut self,
        network: &Network<T>,
        input: &[T],
        is_first: &[bool],
    ) -> Result<&[T], Error> {
        network.check_same_shape(&self.shape)?;
        check_size("input", self.tape.rows() * self.shape.layout.input(), input.len())?;
        check_size("is_first", self.tape.rows(), is_first.len())?;
        let parameters = network.parameters();
        if std::mem::take(&mut self.pending) {
            // With the decays of the step itself, whatever the weights are now.
            let context = Context { level: self.level, parameters, prepared: &self.prepared };
            self.tape.back(context, 0..1, Way::Settle, &mut []);
        }
        Prepared::refresh_layers(&mut self.prepared, self.level, parameters);
        let context = Context { level: self.level, parameters, prepared: &self.prepared };
        let slot = match self.window {
            None => 0,
            Some(window) => {
                if self.used == self.tape.slots {
                    self.used = self.tape.move_to_front(window - 1, self.used);
                }
                self.used += 1;
                self.used - 1
            }
        };
        self.tape.marks.set_running(slot, is_first);
        self.tape.layers[0].io.take(slot..slot + 1, &self.tape.marks, input);
        self.tape.forward(context, slot..slot + 1);
        self.pending = self.window.is_none();
        self.started = true;
        let Tape { layers, outputs, rows, .. } = &mut self.tape;
        let top = layers.last().expect("a network has a layer");
        outputs.forward(parameters, top.io.outputs(slot..slot + 1));
        Ok(&outputs.output[..*rows * self.shape.readout.output()])
    }

    /// Scores y_t and adds the gradient of the loss.
    pub(crate) fn learn(
        &mut self,
        network: &Network<T>,
        targets: &[Target<'_, T>],
        gradient: &mut [T],
    ) -> Result<Score, Error> {
        self.check(network, gradient)?;
        check_size("targets", self.tape.rows(), targets.len())?;
        check_targets(&self.shape.readout, targets)?;
        let mut score = Score::default();
        for (row, target) in targets.iter().enumerate() {
            self.tape.outputs.score(row, *target, &mut score);
        }
        self.add_gradient(network.parameters(), gradient);
        Ok(score)
    }

    /// Adds the gradient for a given dE/dy_t.
    pub(crate) fn learn_from_error(
        &mut self,
        network: &Network<T>,
        output_error: &[T],
        gradient: &mut [T],
    ) -> Result<(), Error> {
        self.check(network, gradient)?;
        let expected = self.tape.rows() * self.shape.readout.output();
        check_size("output error", expected, output_error.len())?;
        self.tape.outputs.set_errors(output_error);
        self.add_gradient(network.parameters(), gradient);
        Ok(())
    }

    /// `[rows, input]`: dE/dx_t of the last learning signal.
    pub(crate) fn input_gradient(&self) -> &[T] {
        let per_slot = self.tape.rows() * self.shape.layout.input();
        let last = self.used.saturating_sub(1) * per_slot;
        self.tape.input_gradient.get(last..last + per_slot).unwrap_or_default()
    }

    /// `[rows, features]`: what the top layer gave at the last step.
    pub(crate) fn features(&self) -> &[T] {
        let slot = self.used.saturating_sub(1);
        self.tape.layers.last().map_or(&[], |top| top.io.outputs(slot..slot + 1))
    }

    fn check(&self, network: &Network<T>, gradient: &[T]) -> Result<(), Error> {
        network.check_same_shape(&self.shape)?;
        check_size("gradient", self.shape.layout.len(), gradient.len())?;
        if self.started { Ok(()) } else { Err(Error::NoStep) }
    }

    fn add_gradient(&mut self, parameters: &[T], gradient: &mut [T]) {
        let context = Context { level: self.level, parameters, prepared: &self.prepared };
        let slot = self.used.saturating_sub(1);
        let Tape { layers, outputs, .. } = &mut self.tape;
        let top = &mut layers.last_mut().expect("a network has a layer").io;
        outputs.add_gradient(top.outputs(slot..slot + 1), gradient);
        let feedback = weights(outputs.block, parameters);
        outputs.signal(top.signals_mut(slot..slot + 1), feedback);
        match self.window {
            None => {
                let way = if std::mem::take(&mut self.pending) { Way::Learn } else { Way::Again };
                self.tape.back(context, 0..1, way, gradient);
                self.tape.add_gradient(0..1, gradient);
            }
            Some(window) => {
                self.tape.back_from(context, slot, window, gradient);
                let first = self.used.saturating_sub(window);
                self.tape.add_gradient(first..self.used, gradient);
            }
        }
    }
}

/// What every stream on a tape has.
macro_rules! stream_methods {
    ($stream:ident) => {
        impl<T: $crate::affine::Scalar> $stream<T> {
            /// Takes x_t `[rows, input]` and returns y_t `[rows, output]` (before the softmax, if that is the loss).
            ///
            /// `is_first` `[rows]`: x_t starts a new episode of that stream, so its state and its past are forgotten before
            /// it.
            ///
            /// # Errors
            ///
            /// If a size is wrong; nothing was changed then.
            pub fn step(
                &mut self,
                network: &Network<T>,
                input: &[T],
                is_first: &[bool],
            ) -> Result<&[T], Error> {
                self.0.step(network, input, is_first)
            }
            /// *Adds* the gradient of the loss at the last step to `gradient`: the mean over the streams, of which those
            /// whose target is [`Target::Absent`] have no loss.
            ///
            /// `targets` is `[rows]`. May be called not at all, once or several times after a step.
            ///
            /// # Errors
            ///
            /// If a size is wrong, a class is out of range, the kind of target does not go with the loss, or there was no
            /// step yet; nothing was changed then.
            pub fn learn(
                &mut self,
                network: &Network<T>,
                targets: &[Target<'_, T>],
                gradient: &mut [T],
            ) -> Result<Score, Error> {
                self.0.learn(network, targets, gradient)
            }
            /// *Adds* the gradient for a given dE/dy_t `[rows, output]`: for losses of your own, such as a TD error on the
            /// action taken. Nothing is averaged.
            ///
            /// # Errors
            ///
            /// If a size is wrong or there was no step yet; nothing was changed then.
            pub fn learn_from_error(
                &mut self,
                network: &Network<T>,
                output_error: &[T],
                gradient: &mut [T],
            ) -> Result<(), Error> {
                self.0.learn_from_error(network, output_error, gradient)
            }
        }

        impl<T: $crate::affine::Scalar> Stream<T> for $stream<T> {
            fn step(&mut self, network: &Network<T>, input: &[T], is_first: &[bool]) -> Result<&[T], Error> {
                self.0.step(network, input, is_first)
            }
            fn learn_from_error(
                &mut self,
                network: &Network<T>,
                output_error: &[T],
                gradient: &mut [T],
            ) -> Result<(), Error> {
                self.0.learn_from_error(network, output_error, gradient)
            }
        }
    };
}
pub(crate) use stream_methods;
