//! Network, learner and optimiser as the options ask for them, and one update.
//!
//! ```text
//! gradient = learner(network, batch);   clip(gradient);   network = optimizer(network, gradient)
//! ```
//!
//! A learner is made for a fixed number of rows. For a batch of another size (the last one of an epoch) a new one takes
//! its place: learners hold no state from one update to the next, so this changes nothing else, and the memory of only
//! one is ever in use.

use eligibility::{
    Adam, AdaptiveFeedback, Bptt, Buffer, Echo, Eprop, EpropOptions, Error, Evaluator, Feedback, Init,
    Learner, Loss, Lstm, Network, Optimizer, Readout, ReadoutOnly, RmsProp, Score, Sequences, Sgd,
    TraceScaling, TruncatedBptt, clip_global_norm,
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

/// What learners are made from.
#[derive(Debug)]
enum Recipe<T: Element> {
    Eprop(EpropOptions<T>),
    Bptt { max_steps: usize },
    Truncated { steps: usize },
    Readout,
}

/// A learner; e-prop's feedback weights may change with the updates.
enum Made<T: Element> {
    Eprop(Box<Eprop<T>>),
    Other(Box<dyn Learner<T>>),
}

impl<T: Element> Made<T> {
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
    recipe: Recipe<T>,
    /// With the number of rows it was made for.
    learner: Option<(usize, Made<T>)>,
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
        let recipe = match options.learner {
            LearnerKind::Bptt => Recipe::Bptt { max_steps: sizes.max_steps },
            LearnerKind::Truncated => {
                Recipe::Truncated { steps: options.truncation.unwrap_or(sizes.max_steps) }
            }
            LearnerKind::Readout => Recipe::Readout,
            LearnerKind::Eprop => Recipe::Eprop(eprop_options(options, sizes, &network)?),
        };
        if let Some(limit) = options.clip {
            clip_global_norm::<T>(&mut [], limit)?; // rejects a limit that is no norm, before anything is trained
        }
        Ok(Self {
            optimizer: optimizer(options.optimizer, options.lr, options.rmsprop_decay, &network)?,
            recipe,
            learner: None,
            gradient: network.zero_gradient(),
            network,
            clip: options.clip,
            held_bytes: 0,
            learner_bytes: 0,
        })
    }

    /// One update on one batch.
    pub(crate) fn update(&mut self, sequences: &Sequences<'_, T>) -> Result<Score, Failure> {
        let mut learner = self.learner_for(sequences.batch())?;
        let before = PeakAlloc.current_usage();
        PeakAlloc.reset_peak_usage();
        let score = learner.1.learner().gradient(&self.network, sequences, &mut self.gradient)?;
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
        learner.1.learner().after_update(&mut self.network)?;
        if let (Made::Eprop(eprop), Recipe::Eprop(options)) = (&learner.1, &mut self.recipe)
            && let Feedback::Adaptive(_) = options.feedback
        {
            // For the next learner, and for checkpoints.
            options.feedback.clone_from(eprop.feedback());
        }
        self.learner = Some(learner);
        Ok(score)
    }

    /// Heap bytes of the learner at the peak of training so far, without the workspace of matrix products, which is the
    /// same for all learners (0 if no counting allocator is installed).
    pub(crate) fn learner_bytes(&self) -> usize {
        self.learner_bytes
    }

    /// The learner, if it is for this number of rows, else a new one.
    fn learner_for(&mut self, rows: usize) -> Result<(usize, Made<T>), Error> {
        if let Some(learner) = self.learner.take_if(|(made_for, _)| *made_for == rows) {
            return Ok(learner);
        }
        self.learner = None;
        // The first learner of a thread also makes the thread's workspace of matrix products: let that be this one.
        drop(Evaluator::new(&self.network, 1)?);
        let before = PeakAlloc.current_usage();
        let network = &self.network;
        let learner = match &self.recipe {
            Recipe::Bptt { max_steps } => Made::Other(Box::new(Bptt::new(network, rows, *max_steps)?)),
            Recipe::Truncated { steps } => Made::Other(Box::new(TruncatedBptt::new(network, rows, *steps)?)),
            Recipe::Readout => Made::Other(Box::new(ReadoutOnly::new(network, rows)?)),
            Recipe::Eprop(options) => Made::Eprop(Box::new(Eprop::new(network, rows, options.clone())?)),
        };
        self.held_bytes = PeakAlloc.current_usage().saturating_sub(before);
        Ok((rows, learner))
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
        match &self.recipe {
            Recipe::Eprop(EpropOptions { feedback: Feedback::Adaptive(feedback), .. }) => {
                Some(feedback.matrix())
            }
            _ => None,
        }
    }
    fn set_adaptive_feedback(&mut self, weights: &[T]) -> Result<(), Error> {
        if let Recipe::Eprop(EpropOptions { feedback: Feedback::Adaptive(feedback), .. }) = &mut self.recipe {
            let mut matrix = Buffer::zeros(feedback.matrix().len());
            matrix.copy_from_slice(weights);
            *feedback = AdaptiveFeedback::new(matrix, feedback.decay())?;
            self.learner = None;
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
        level: None,
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
