//! One operation on a recurrent trace unit, timed: a step of an agent, or a step inside a sequence.

use std::fmt::{self, Display};
use std::str::FromStr;

use eligibility::{
    Error, Init, Loss, Network, Readout, Rtrl, RtrlOptions, RtrlStream, Rtu, Scalar, Sequences, Stream,
    Target, Targets,
};
use rand::RngExt;

use crate::failure::Failure;
use crate::options::{ScheduleKind, TypeKind};
use crate::seeds::{Purpose, rng};
use crate::timing::{
    Op, Outcome, Timing, kind_name, kind_named, make_workspaces, norm, repeat, size, start_counting,
    time_learner,
};

/// Steps of a sequence.
const STEPS: usize = 256;

/// Sizes to time at, named `rtu_<linear|nonlinear>_b<batch>_d<input>_n<units>_<f32|f64>`. The readout has one output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RtuCase {
    linear: bool,
    batch: usize,
    input: usize,
    units: usize,
    kind: TypeKind,
}

impl FromStr for RtuCase {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("expected a name such as rtu_linear_b1_d64_n64_f32, found {text}");
        let parts: Vec<&str> = text.split('_').collect();
        let ["rtu", recurrence @ ("linear" | "nonlinear"), batch, input, units, kind] = parts[..] else {
            return Err(wrong());
        };
        Ok(Self {
            linear: recurrence == "linear",
            batch: size(batch, 'b').ok_or_else(wrong)?,
            input: size(input, 'd').ok_or_else(wrong)?,
            units: size(units, 'n').ok_or_else(wrong)?,
            kind: kind_named(kind).ok_or_else(wrong)?,
        })
    }
}

impl Display for RtuCase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { linear, batch, input, units, kind } = *self;
        let (recurrence, kind) = (if linear { "linear" } else { "nonlinear" }, kind_name(kind));
        write!(f, "rtu_{recurrence}_b{batch}_d{input}_n{units}_{kind}")
    }
}

/// Times `op` on `case`, in the thread pool it is called in.
pub(crate) fn time(case: RtuCase, op: Op, schedule: ScheduleKind, seed: u64) -> Result<Timing, Failure> {
    match case.kind {
        TypeKind::F32 => time_in::<f32>(case, op, schedule, seed),
        TypeKind::F64 => time_in::<f64>(case, op, schedule, seed),
    }
}

fn time_in<T: Scalar>(case: RtuCase, op: Op, schedule: ScheduleKind, seed: u64) -> Result<Timing, Failure> {
    if !op.is_of_rtu() {
        return Err(Failure::new(format!("{case} is an RTU: only step and scan_step are for it")));
    }
    let RtuCase { linear, batch, input, units, .. } = case;
    let mut random = rng(seed, Purpose::Timing, 0);
    let rtu = if linear { Rtu::linear(input, units)? } else { Rtu::nonlinear(input, units)? };
    let readout = Readout::new(1, Loss::SquaredError)?;
    let network: Network<T> = Init::default().network(rtu, readout, &mut random)?;
    let mut draw = |length: usize| -> Vec<T> {
        (0..length).map(|_| T::from_f64(random.random_range(-1.0..1.0))).collect()
    };
    let (inputs, targets) = (draw(STEPS * batch * input), draw(STEPS * batch));
    let sequences = Sequences::new(STEPS, batch, &inputs, Targets::EveryValues(&targets))?;
    make_workspaces(&network)?;

    if op == Op::ScanStep {
        let before = start_counting();
        let options = RtrlOptions { schedule: schedule.schedule(STEPS), ..RtrlOptions::default() };
        let mut rtrl = Rtrl::new(&network, batch, options)?;
        let repeats = time_learner(before, &mut rtrl, &network, &sequences)?;
        return Timing::new(case.to_string(), op, Some(schedule), seed, repeats, STEPS);
    }
    let first = [vec![true; batch], vec![false; batch]];
    let mut now = Vec::with_capacity(batch);
    // The mean loss; `each` is given the gradient of each step.
    let mut pass = |stream: &mut RtrlStream<T>, gradient: &mut [T], each: &mut dyn FnMut(&[T])| {
        let (mut loss, steps) = (0.0, inputs.chunks_exact(batch * input).zip(targets.chunks_exact(batch)));
        for (step, (input, targets)) in steps.enumerate() {
            stream.step(&network, input, &first[usize::from(step > 0)])?;
            now.clear();
            now.extend(targets.chunks_exact(1).map(Target::Values));
            loss += stream.learn(&network, &now, gradient)?.loss;
            each(gradient);
        }
        Ok::<f64, Error>(loss / (STEPS * batch) as f64)
    };
    // The gradient of a sequence is the sum over its steps, added up outside of what is timed.
    let [mut gradient, mut sum] = [(); 2].map(|()| network.zero_gradient());
    let mut stream = RtrlStream::new(&network, batch, RtrlOptions::default())?;
    pass(&mut stream, &mut gradient, &mut |gradient| {
        for (sum, &g) in sum.iter_mut().zip(gradient) {
            *sum += g;
        }
    })?;
    let norm = norm(sum.iter().copied());
    drop((stream, gradient, sum));

    let before = start_counting();
    let mut stream = RtrlStream::new(&network, batch, RtrlOptions::default())?;
    let mut gradient = network.zero_gradient();
    let repeats = repeat(before, |clock| {
        let loss = clock.time(|| pass(&mut stream, &mut gradient, &mut |_| ()))?;
        Ok(Outcome { loss, gradient_norm: Some(norm) })
    })?;
    Timing::new(case.to_string(), op, None, seed, repeats, STEPS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_case_is_read_as_it_is_written() {
        for name in ["rtu_linear_b1_d64_n256_f32", "rtu_nonlinear_b32_d8_n1024_f64"] {
            let case: RtuCase = name.parse().unwrap();
            assert_eq!(case.to_string(), name);
        }
        let case: RtuCase = "rtu_nonlinear_b32_d8_n1024_f64".parse().unwrap();
        assert_eq!((case.linear, case.batch, case.input, case.units), (false, 32, 8, 1024));
        for wrong in ["rtu", "rtu_b1_d1_n1_f32", "rtu_cubic_b1_d1_n1_f32", "rtu_linear_b1_n1_d1_f32"] {
            let error = wrong.parse::<RtuCase>().unwrap_err();
            assert!(error.contains("rtu_linear_b1_d64_n64_f32"), "{error}");
        }
    }
}
