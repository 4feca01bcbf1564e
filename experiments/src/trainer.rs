//! Network, learner and optimiser as the options ask for them, and one update.
//!
//! ```text
//! gradient = learner(network, batch);   clip(gradient);   network = optimizer(network, gradient)
//! ```
//!
//! The learner is made for whole batches; the last one of an epoch may be smaller.

use eligibility::{
    Adam, AdaptiveFeedback, Bptt, BpttOptions, Buffer, Echo, Eprop, EpropOptions, Error, Evaluator,
    EvaluatorOptions, Feedback, Init, Learner, Loss, Lstm, Network, Optimizer, Readout, ReadoutOnly, RmsProp,
    Score, Sequences, Sgd, TraceScaling, TruncatedBptt, clip_global_norm,
};
use peak_alloc::PeakAlloc;

use crate::checkpoint::{Element, Trained};
use crate::failure::Failure;
use crate::options::{EchoKind, FeedbackKind, LearnerKind, OptimizerKind, Training};
use crate::seeds::{Purpose, rng};

/// Sizes that the task fixes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sizes {
    pub(crate) input: usize,
    pub(crate) output: usize,
    pub(crate) max_steps: usize,
}

/// A learner; e-prop's feedback weights may change with the updates.
enum Made<T: Element> {
    Eprop(Box<Eprop<T>>),
    Other(Box<dyn Learner<T>>),
}

impl<T: Element> Made<T> {
    /// What the options ask for.
    fn new(options: &Training, sizes: Sizes, network: &Network<T>) -> Result<Self, Error> {
        let rows = options.batch;
        Ok(match options.learner {
            LearnerKind::Eprop => {
                Self::Eprop(Box::new(Eprop::new(network, rows, eprop_options(options, sizes, network)?)?))
            }
            LearnerKind::Bptt => {
                Self::Other(Box::new(Bptt::new(network, rows, sizes.max_steps, BpttOptions::default())?))
            }
            LearnerKind::Truncated => {
                let steps = options.truncation.unwrap_or(sizes.max_steps);
                Self::Other(Box::new(TruncatedBptt::new(network, rows, steps, BpttOptions::default())?))
            }
            LearnerKind::Readout => {
                Self::Other(Box::new(ReadoutOnly::new(network, rows, EvaluatorOptions::default())?))
            }
        })
    }
    fn learner(&mut self) -> &mut dyn Learner<T> {
        match self {
            Self::Eprop(eprop) => eprop.as_mut(),
            Self::Other(other) => other.as_mut(),
        }
    }
}

/// Everything that changes, or is needed, from one update to the next.
pub(crate) struct Trainer<T: Element> {
    pub(crate) network: Network<T>,
    pub(crate) optimizer: Box<dyn Optimizer<T>>,
    learner: Made<T>,
    gradient: Buffer<T>,
    clip: Option<f64>,
    /// Bytes that the learner holds.
    held_bytes: usize,
    /// The most that a learner held, with what a gradient needed on top.
    learner_bytes: usize,
}

impl<T: Element> Trainer<T> {
    pub(crate) fn new(options: &Training, sizes: Sizes) -> Result<Self, Failure> {
        let init = Init { forget_bias_offset: options.forget_bias };
        let mut layers = vec![Lstm::new(sizes.input, options.hidden)?];
        layers.resize(options.layers.unwrap_or(1), Lstm::new(options.hidden, options.hidden)?);
        let readout = Readout::new(sizes.output, Loss::CrossEntropy)?;
        let network: Network<T> =
            init.stacked(&layers, readout, &mut rng(options.seed, Purpose::Weights, 0))?;
        if let Some(limit) = options.clip {
            clip_global_norm::<T>(&mut [], limit)?; // rejects a limit that is no norm, before anything is trained
        }
        let optimizer = optimizer(options.optimizer, options.lr, options.rmsprop_decay, &network)?;
        // The first learner of a thread also makes the thread's workspace of matrix products: let that be this one.
        drop(Evaluator::new(&network, 1, EvaluatorOptions::default())?);
        let before = PeakAlloc.current_usage();
        let learner = Made::new(options, sizes, &network)?;
        let held_bytes = PeakAlloc.current_usage().saturating_sub(before);
        let (gradient, clip) = (network.zero_gradient(), options.clip);
        Ok(Self { network, optimizer, learner, gradient, clip, held_bytes, learner_bytes: 0 })
    }

    /// One update on one batch.
    pub(crate) fn update(&mut self, sequences: &Sequences<'_, T>) -> Result<Score, Failure> {
        let learner = self.learner.learner();
        let before = PeakAlloc.current_usage();
        PeakAlloc.reset_peak_usage();
        let score = learner.gradient(&self.network, sequences, &mut self.gradient)?;
        // What stays allocated is no memory of the learner (it allocates nothing after it was made), but the workspace
        // that matrix products keep for each thread from the first product on, whoever asks for it.
        let kept = PeakAlloc.current_usage().max(before);
        let on_top = PeakAlloc.peak_usage().saturating_sub(kept);
        self.learner_bytes = self.learner_bytes.max(self.held_bytes + on_top);
        if !score.loss.is_finite() {
            return Err(Failure::new(format!(
                "training diverged: the loss at update {} is {}; try a smaller --lr, or --clip",
                self.optimizer.updates() + 1,
                score.loss
            )));
        }
        if let Some(limit) = self.clip {
            clip_global_norm(&mut self.gradient, limit)?;
        }
        self.optimizer.update(self.network.parameters_mut(), &self.gradient)?;
        learner.after_update(&mut self.network)?;
        Ok(score)
    }

    /// Heap bytes of the learner at the peak of training so far, without the workspace of matrix products, which is the
    /// same for all learners (0 if no counting allocator is installed).
    pub(crate) fn learner_bytes(&self) -> usize {
        self.learner_bytes
    }
}

impl<T: Element> Trained<T> for Trainer<T> {
    fn network(&self) -> &Network<T> {
        &self.network
    }
    fn optimizer(&self) -> &dyn Optimizer<T> {
        self.optimizer.as_ref()
    }
    fn parts_mut(&mut self) -> (&mut Network<T>, &mut dyn Optimizer<T>) {
        (&mut self.network, self.optimizer.as_mut())
    }
    fn adaptive_feedback(&self) -> Option<&[T]> {
        match &self.learner {
            Made::Eprop(eprop) => match eprop.feedback() {
                Feedback::Adaptive(feedback) => Some(feedback.matrix()),
                Feedback::Symmetric | Feedback::Random(_) => None,
            },
            Made::Other(_) => None,
        }
    }
    fn set_adaptive_feedback(&mut self, weights: &[T]) -> Result<(), Error> {
        if let Made::Eprop(eprop) = &mut self.learner
            && let Feedback::Adaptive(feedback) = eprop.feedback()
        {
            let mut matrix = Buffer::zeros(feedback.matrix().len());
            matrix.copy_from_slice(weights);
            let feedback = AdaptiveFeedback::new(matrix, feedback.decay())?;
            eprop.set_feedback(Feedback::Adaptive(feedback))?;
        }
        Ok(())
    }
}

/// What the options ask of e-prop.
fn eprop_options<T: Element>(
    options: &Training,
    sizes: Sizes,
    network: &Network<T>,
) -> Result<EpropOptions<T>, Error> {
    let mut rng = rng(options.seed, Purpose::Feedback, 0);
    let feedback = match options.feedback {
        None | Some(FeedbackKind::Symmetric) => Feedback::Symmetric,
        Some(FeedbackKind::Random) => Feedback::random(network, &mut rng),
        Some(FeedbackKind::Adaptive) => {
            Feedback::adaptive(network, options.feedback_decay.unwrap_or_default(), &mut rng)?
        }
    };
    let echo = match options.echo {
        None | Some(EchoKind::Off) => Echo::Off,
        Some(EchoKind::Modulated(alpha)) => Echo::Modulated { alpha },
        Some(EchoKind::Literal(alpha)) => Echo::Literal { alpha },
    };
    let factor = |given: Option<f64>| given.unwrap_or(1.0);
    Ok(EpropOptions {
        feedback,
        schedule: options.schedule.unwrap_or_default().schedule(sizes.max_steps),
        echo,
        scaling: TraceScaling { output: factor(options.trace_scale), decay: factor(options.trace_decay) },
        ..EpropOptions::default()
    })
}

/// The optimiser; `rmsprop_decay` none for the library's own.
pub(crate) fn optimizer<T: Element>(
    kind: OptimizerKind,
    lr: f64,
    rmsprop_decay: Option<f64>,
    network: &Network<T>,
) -> Result<Box<dyn Optimizer<T>>, Error> {
    Ok(match kind {
        OptimizerKind::Sgd => Box::new(Sgd::new(network, lr)?),
        OptimizerKind::Adam => Box::new(Adam::new(network, lr)?),
        OptimizerKind::Rmsprop => {
            let rmsprop = RmsProp::new(network, lr)?;
            match rmsprop_decay {
                Some(decay) => Box::new(rmsprop.with_decay(decay)?),
                None => Box::new(rmsprop),
            }
        }
    })
}
