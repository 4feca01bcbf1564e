//! How long a step takes: RTRL, and truncated BPTT over the steps it goes back. Nothing is claimed of training.
//!
//! A step: the prediction of one observation, and its derivative by all weights; with trace conditioning's 12 inputs, f32,
//! one thread. Conditions take turns, and the median over the turns is reported: what else the machine does meets all alike.

use std::fmt::Write;
use std::path::Path;
use std::time::Instant;

use eligibility::{Buffer, Network, Stream};
use serde_json::json;

use super::conditions::{Condition, Lists, StudyKind};
use super::options;
use crate::checkpoint::replace;
use crate::conditioning::build::{Size, build};
use crate::conditioning::{Clock, Conditioning};
use crate::failure::Failure;
use crate::plot::{Curve, Scale, over_log};
use crate::progress::say;
use crate::run_dir::revision;
use crate::summary::table;

/// Turns; the first warms up and is not counted.
const TURNS: usize = 12;

/// What is timed.
struct Timed {
    condition: Condition,
    size: Size,
    network: Network<f32>,
    stream: Box<dyn Stream<f32>>,
    gradient: Buffer<f32>,
    observation: Vec<f32>,
    conditioning: Conditioning,
    clock: Clock,
    started: bool,
    /// Seconds per step.
    turns: Vec<f64>,
}

impl Timed {
    fn new(condition: Condition) -> Result<Self, Failure> {
        let options = options(&condition.words)?;
        let inputs = options.protocol.inputs();
        let (network, stream) = build(&options.predictor, inputs, 1)?;
        let conditioning = Conditioning::new(options.protocol, 1)?;
        Ok(Self {
            condition,
            size: options.predictor.size(inputs)?,
            gradient: network.zero_gradient(),
            observation: vec![0.0; inputs],
            clock: conditioning.start(),
            network,
            stream,
            conditioning,
            started: false,
            turns: Vec::new(),
        })
    }

    /// So many steps; the making of the observations is not counted.
    fn turn(&mut self, steps: u64) -> Result<(), Failure> {
        let mut observations = Vec::new();
        for _ in 0..steps {
            self.conditioning.observe(&mut self.clock, &mut self.observation);
            observations.extend_from_slice(&self.observation);
        }
        let start = Instant::now();
        for observation in observations.chunks_exact(self.observation.len()) {
            self.stream.step(&self.network, observation, &[!self.started])?;
            self.started = true;
            self.stream.learn_from_error(&self.network, &[1.0], &mut self.gradient)?;
        }
        self.turns.push(start.elapsed().as_secs_f64() / steps as f64);
        Ok(())
    }

    fn median(&self) -> f64 {
        let mut turns = self.turns[1..].to_vec();
        turns.sort_by(f64::total_cmp);
        turns[turns.len() / 2]
    }
}

/// Times all conditions, about `steps` steps each, and writes the table.
pub(super) fn run(lists: &Lists, steps: u64, out: &Path) -> Result<(), Failure> {
    let kind = StudyKind::Runtime;
    let mut all: Vec<Timed> =
        kind.conditions(lists)?.into_iter().map(Timed::new).collect::<Result<_, _>>()?;
    let turn = steps.div_ceil(TURNS as u64);
    for _ in 0..TURNS {
        for timed in &mut all {
            timed.turn(turn)?;
        }
    }
    let (mut rows, mut lines) = (Vec::new(), String::new());
    let mut curves: Vec<Curve> = Vec::new();
    let ends = [&lists.truncations[0], &lists.truncations[lists.truncations.len() - 1]].map(|&l| l as f64);
    for timed in &all {
        let Timed { condition, size, .. } = timed;
        let seconds = timed.median();
        // Conditions of one size follow their RTU with RTRL.
        let base = all.iter().filter(|other| other.condition.series.starts_with("rtu-rtrl"));
        let hidden = |timed: &Timed| {
            timed
                .condition
                .words
                .split_whitespace()
                .skip_while(|word| *word != "--hidden")
                .nth(1)
                .map(str::to_owned)
        };
        let base = base.into_iter().find(|other| hidden(other) == hidden(timed)).unwrap_or(timed);
        let (ratio, flops) = (seconds / base.median(), size.flops as f64 / base.size.flops as f64);
        let _ = writeln!(
            lines,
            "{}",
            json!({
                "condition": condition.name(),
                "options": condition.words,
                "steps_back": condition.x,
                "parameters": size.parameters,
                "flops_per_step": size.flops,
                "seconds_per_step": seconds,
                "ratio_to_rtu_rtrl": ratio,
            })
        );
        rows.push(vec![
            condition.name(),
            size.parameters.to_string(),
            size.flops.to_string(),
            format!("{flops:.2}"),
            format!("{:.2}", 1e6 * seconds),
            format!("{ratio:.2}"),
        ]);
        let points = match condition.x {
            Some(x) => vec![(x as f64, 1e6 * seconds)],
            None => ends.map(|x| (x, 1e6 * seconds)).to_vec(),
        };
        match curves.iter_mut().find(|curve| curve.name == condition.series) {
            Some(curve) => curve.points.extend(points),
            None => curves.push(Curve::new(&condition.series, points)),
        }
    }
    let header = ["condition", "parameters", "FLOPs per step", "ratio", "us per step", "ratio"];
    let join = |list: &[usize]| list.iter().map(usize::to_string).collect::<Vec<_>>().join(",");
    let text = format!(
        "# {}\n\nA prediction and its derivative, 12 inputs, f32, one thread: median over {} turns of {turn} steps. Ratios: to \
         the RTU with RTRL of the same units.\n\n{}\n`experiments conditioning-table runtime --hidden {} --truncations {} \
         --steps {steps}`\n\nRevision {}.\n",
        kind.title(),
        TURNS - 1,
        table(&header, &rows),
        join(&lists.hidden),
        join(&lists.truncations),
        revision(),
    );
    std::fs::create_dir_all(out).map_err(Failure::io("create", out))?;
    replace(&out.join("cells.jsonl"), lines.as_bytes())?;
    replace(&out.join("table.md"), text.as_bytes())?;
    if ends[0] < ends[1] {
        let scale = Scale { title: kind.title(), x: kind.axis(), y: "time per step (us)" };
        over_log(&out.join("runtime.svg"), scale, ends, &curves)?;
    }
    say(format_args!("{text}\neverything is in {}", out.display()));
    Ok(())
}
