//! One operation on one case, timed: what it computes, how long it takes, what memory it needs.

use std::fmt::{self, Display};
use std::hint::black_box;
use std::str::FromStr;
use std::time::{Duration, Instant};

use clap::ValueEnum;
use eligibility::{
    Bptt, BpttOptions, Buffer, Eprop, EpropOptions, EpropStream, Evaluator, EvaluatorOptions, Init, Learner,
    Loss, Lstm, Network, OnlineStream, Readout, Scalar, Sequences, Sgd, Stream, Target, Targets,
};
use peak_alloc::PeakAlloc;
use rand::RngExt;
use serde::Serialize;

use crate::failure::Failure;
use crate::options::{ScheduleKind, TypeKind};
use crate::seeds::{Purpose, rng};

/// Classes of the readout.
const CLASSES: usize = 10;
/// A case is repeated for at least so long, and so often.
const LEAST: (Duration, usize) = (Duration::from_secs(1), 5);

/// Sizes to time at, named `b<batch>_t<steps>_i<input>_h<hidden>_<f32|f64>`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Case {
    pub(crate) batch: usize,
    pub(crate) steps: usize,
    pub(crate) input: usize,
    pub(crate) hidden: usize,
    pub(crate) kind: TypeKind,
}

impl FromStr for Case {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("expected a name such as b32_t784_i1_h128_f32, found {text}");
        let parts: Vec<&str> = text.split('_').collect();
        let [batch, steps, input, hidden, kind] = parts[..] else { return Err(wrong()) };
        let size = |part: &str, letter: char| size(part, letter).ok_or_else(wrong);
        let kind = kind_named(kind).ok_or_else(wrong)?;
        Ok(Self {
            batch: size(batch, 'b')?,
            steps: size(steps, 't')?,
            input: size(input, 'i')?,
            hidden: size(hidden, 'h')?,
            kind,
        })
    }
}

/// A part of a name: a letter and a size.
pub(crate) fn size(part: &str, letter: char) -> Option<usize> {
    let digits = part.strip_prefix(letter).filter(|digits| !digits.starts_with(['+', '0']))?;
    digits.parse().ok().filter(|&size: &usize| size <= 1 << 20)
}

/// The last part of a name.
pub(crate) fn kind_named(part: &str) -> Option<TypeKind> {
    match part {
        "f32" => Some(TypeKind::F32),
        "f64" => Some(TypeKind::F64),
        _ => None,
    }
}

/// The same, to be written.
pub(crate) fn kind_name(kind: TypeKind) -> &'static str {
    match kind {
        TypeKind::F32 => "f32",
        TypeKind::F64 => "f64",
    }
}

impl Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { batch, steps, input, hidden, kind } = *self;
        let kind = kind_name(kind);
        write!(f, "b{batch}_t{steps}_i{input}_h{hidden}_{kind}")
    }
}

/// What is timed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Serialize)]
#[serde(rename_all = "snake_case")]
#[value(rename_all = "snake_case")]
pub(crate) enum Op {
    /// Inference: outputs scored, no tape
    Fwd,
    /// BPTT with the loss at the last step
    FwdbwdFinal,
    /// BPTT with a loss at every step
    FwdbwdAll,
    /// E-prop with the loss at the last step
    EpropFinal,
    /// E-prop with a loss at every step
    EpropAll,
    /// E-prop with an update of the weights (SGD) at every step; batch 1
    Online,
    /// RTRL of an RTU as a stream: forward, traces and gradient of one step
    Step,
    /// RTRL of an RTU over a sequence with a target at every step, per step
    ScanStep,
}

impl Op {
    pub(crate) fn is_eprop(self) -> bool {
        matches!(self, Self::EpropFinal | Self::EpropAll)
    }
    /// Whether it is for RTUs, and not for LSTMs.
    pub(crate) fn is_of_rtu(self) -> bool {
        matches!(self, Self::Step | Self::ScanStep)
    }
}

/// What was measured.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Timing {
    peer: &'static str,
    case: String,
    threads: usize,
    /// Processors that the process may use: fewer than the machine has where it is pinned to some.
    cpus: usize,
    pub(crate) op: Op,
    pub(crate) median_s: f64,
    min_s: f64,
    /// Peak heap of the learner, the gradient and whatever a call needs on top; network and data not counted.
    pub(crate) peak_mb: f64,
    schedule: Option<ScheduleKind>,
    level: &'static str,
    seed: u64,
    repeats: usize,
    loss: f64,
    /// Euclidean norm of the gradient, or of the change of the weights where they change at every step.
    gradient_norm: Option<f64>,
}

impl Timing {
    /// Of `repeats` of `op`, each of so many steps if the time is that of one.
    pub(crate) fn new(
        case: String,
        op: Op,
        schedule: Option<ScheduleKind>,
        seed: u64,
        mut repeats: Repeats,
        steps: usize,
    ) -> Result<Self, Failure> {
        let Outcome { loss, gradient_norm } = repeats.last;
        if !(loss.is_finite() && gradient_norm.is_none_or(f64::is_finite)) {
            return Err(Failure::new(format!(
                "{case}: the loss is {loss} and the gradient's norm {gradient_norm:?}"
            )));
        }
        repeats.seconds.sort_by(f64::total_cmp);
        Ok(Self {
            peer: "eligibility",
            case,
            threads: rayon::current_num_threads(),
            cpus: cpus(),
            op,
            median_s: repeats.seconds[repeats.seconds.len() / 2] / steps as f64,
            min_s: repeats.seconds[0] / steps as f64,
            peak_mb: repeats.peak_bytes as f64 / 1e6,
            schedule,
            level: eligibility::Level::from_env()?.name(),
            seed,
            repeats: repeats.seconds.len(),
            loss,
            gradient_norm,
        })
    }
}

/// Times `op` on `case`, in the thread pool it is called in.
pub(crate) fn time(case: Case, op: Op, schedule: ScheduleKind, seed: u64) -> Result<Timing, Failure> {
    match case.kind {
        TypeKind::F32 => time_in::<f32>(case, op, schedule, seed),
        TypeKind::F64 => time_in::<f64>(case, op, schedule, seed),
    }
}

fn time_in<T: Scalar>(case: Case, op: Op, schedule: ScheduleKind, seed: u64) -> Result<Timing, Failure> {
    if op.is_of_rtu() {
        return Err(Failure::new(format!("{case} is an LSTM: step and scan_step are for cases rtu_...")));
    }
    let mut random = rng(seed, Purpose::Timing, 0);
    let (lstm, readout) = (Lstm::new(case.input, case.hidden)?, Readout::new(CLASSES, Loss::CrossEntropy)?);
    let mut network: Network<T> = Init { forget_bias_offset: 1.8 }.network(lstm, readout, &mut random)?;
    let cells = case.steps * case.batch;
    let inputs: Vec<T> =
        (0..cells * case.input).map(|_| T::from_f64(random.random_range(0.0..1.0))).collect();
    let classes: Vec<usize> = (0..cells).map(|_| random.random_range(0..CLASSES)).collect();
    let targets = match op {
        Op::FwdbwdAll | Op::EpropAll => Targets::EveryClass(&classes),
        _ => Targets::LastClass(&classes[..case.batch]),
    };
    let sequences = Sequences::new(case.steps, case.batch, &inputs, targets)?;
    make_workspaces(&network)?;
    let start = network.parameters().to_vec();

    let before = start_counting();
    let options = EpropOptions { schedule: schedule.schedule(case.steps), ..EpropOptions::default() };
    let results = match op {
        Op::Fwd => {
            let mut evaluator = Evaluator::new(&network, case.batch, EvaluatorOptions::default())?;
            repeat(before, |clock| {
                let score = clock.time(|| evaluator.score(&network, &sequences))?;
                Ok(Outcome { loss: score.mean_loss(), gradient_norm: None })
            })?
        }
        Op::FwdbwdFinal | Op::FwdbwdAll => {
            let mut bptt = Bptt::new(&network, case.batch, case.steps, BpttOptions::default())?;
            time_learner(before, &mut bptt, &network, &sequences)?
        }
        Op::EpropFinal | Op::EpropAll => {
            let mut eprop = Eprop::new(&network, case.batch, options)?;
            time_learner(before, &mut eprop, &network, &sequences)?
        }
        Op::Online => {
            if case.batch != 1 {
                let found = case.batch;
                return Err(Failure::new(format!("online is for one stream: a case with b1, not b{found}")));
            }
            let mut stream = EpropStream::new(&network, 1, options)?;
            let mut sgd = Sgd::new(&network, 1e-3)?;
            repeat(before, |clock| {
                network.parameters_mut().copy_from_slice(&start);
                let steps = inputs.chunks_exact(case.input).zip(&classes).enumerate();
                let loss = clock.time(|| {
                    let mut loss = 0.0;
                    for (step, (input, &class)) in steps {
                        stream.step(&network, input, &[step == 0])?;
                        let targets = [Target::Class(class)];
                        loss += stream.learn_and_update(&mut network, &targets, &mut sgd)?.loss;
                    }
                    Ok::<f64, eligibility::Error>(loss / case.steps as f64)
                })?;
                let change = network.parameters().iter().zip(&start).map(|(&a, &b)| a - b);
                Ok(Outcome { loss, gradient_norm: Some(norm(change)) })
            })?
        }
        Op::Step | Op::ScanStep => unreachable!("refused above"),
    };
    Timing::new(case.to_string(), op, op.is_eprop().then_some(schedule), seed, results, 1)
}

pub(crate) fn time_learner<T: Scalar>(
    before: usize,
    learner: &mut dyn Learner<T>,
    network: &Network<T>,
    sequences: &Sequences<'_, T>,
) -> Result<Repeats, Failure> {
    let mut gradient: Buffer<T> = network.zero_gradient();
    repeat(before, |clock| {
        let score = clock.time(|| learner.gradient(network, black_box(sequences), &mut gradient))?;
        Ok(Outcome { loss: score.mean_loss(), gradient_norm: Some(norm(gradient.iter().copied())) })
    })
}

/// Seconds of each repeat, the peak heap above `before`, and the result of the last repeat.
pub(crate) struct Repeats {
    seconds: Vec<f64>,
    peak_bytes: usize,
    last: Outcome,
}

/// What a call gives.
pub(crate) struct Outcome {
    pub(crate) loss: f64,
    pub(crate) gradient_norm: Option<f64>,
}

/// Takes the time of what is timed of a call, and not of what prepares or checks it.
#[derive(Default)]
pub(crate) struct Clock(Duration);

impl Clock {
    pub(crate) fn time<R>(&mut self, timed: impl FnOnce() -> R) -> R {
        let start = Instant::now();
        let result = black_box(timed());
        self.0 += start.elapsed();
        result
    }
}

/// One call to warm up, then as many as [`LEAST`] says.
pub(crate) fn repeat(
    before: usize,
    mut call: impl FnMut(&mut Clock) -> Result<Outcome, eligibility::Error>,
) -> Result<Repeats, Failure> {
    let mut last = call(&mut Clock::default())?;
    let peak_bytes = PeakAlloc.peak_usage().saturating_sub(before);
    let mut seconds = Vec::new();
    let begin = Instant::now();
    while begin.elapsed() < LEAST.0 || seconds.len() < LEAST.1 {
        let mut clock = Clock::default();
        last = call(&mut clock)?;
        seconds.push(clock.0.as_secs_f64());
    }
    Ok(Repeats { seconds, peak_bytes, last })
}

/// Makes every thread's workspace of matrix products, as the first learner of a thread does: it is not the learner's memory.
pub(crate) fn make_workspaces<T: Scalar>(network: &Network<T>) -> Result<(), eligibility::Error> {
    let made = rayon::broadcast(|_| Evaluator::new(network, 1, EvaluatorOptions::default()).map(drop));
    made.into_iter().collect()
}

/// Live bytes now; the peak is counted from here on.
pub(crate) fn start_counting() -> usize {
    PeakAlloc.reset_peak_usage();
    PeakAlloc.current_usage()
}

/// Processors that this process may use.
pub(crate) fn cpus() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

pub(crate) fn norm<T: Scalar>(elements: impl Iterator<Item = T>) -> f64 {
    elements.map(|g| g.to_f64() * g.to_f64()).sum::<f64>().sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_case_is_read_as_it_is_written() {
        let name = "b32_t784_i1_h128_f32";
        let case: Case = name.parse().unwrap();
        assert_eq!((case.batch, case.steps, case.input, case.hidden), (32, 784, 1, 128));
        assert_eq!(case.to_string(), name);
        for wrong in [
            "",
            "b32",
            "b0_t1_i1_h1_f32",
            "b1_t1_i1_h1_f16",
            "b1_t1_i1_h1_f32_",
            "t1_b1_i1_h1_f32",
            "b-1_t1_i1_h1_f32",
        ] {
            let error = wrong.parse::<Case>().unwrap_err();
            assert!(error.contains("b32_t784_i1_h128_f32"), "{error}");
        }
    }
}
