//! What a study leaves behind: `cells.jsonl`, `table.md` and an SVG.

use std::fmt::Write;

use serde_json::{Value, json};

use super::super::report::{Footing, footing, mean_curve};
use super::super::run::{Found, Status};
use super::super::spread::{Spread, show_as};
use super::{Plan, Row, best};
use crate::checkpoint::replace;
use crate::failure::Failure;
use crate::plot::{Curve, Scale, linear, over_log};
use crate::summary::table;

/// Writes everything to the directory.
pub(super) fn write(plan: &Plan, rows: &[Row<'_>]) -> Result<(), Failure> {
    std::fs::create_dir_all(&plan.out).map_err(Failure::io("create", &plan.out))?;
    let mut lines = String::new();
    for row in rows {
        for line in row.runs.iter().filter_map(|(run, found)| line(plan, row, run.seed, found)) {
            let _ = writeln!(lines, "{line}");
        }
    }
    replace(&plan.out.join("cells.jsonl"), lines.as_bytes())?;
    replace(&plan.out.join("table.md"), markdown(plan, rows).as_bytes())?;
    draw(plan, rows)
}

/// The line of `cells.jsonl` of a finished run.
fn line(plan: &Plan, row: &Row<'_>, seed: u64, found: &Found) -> Option<Value> {
    let Status::Finished(numbers) = &found.status else { return None };
    let (condition, size) = &plan.conditions[row.condition];
    Some(json!({
        "condition": condition.name(),
        "series": condition.series,
        "x": condition.x,
        "rate": row.rate,
        "seed": seed,
        "length": plan.steps,
        "msre_last_tenth": numbers.value,
        "zero_msre_last_tenth": numbers.beside,
        "least_msre": plan.least,
        "parameters": size.parameters,
        "recurrent_parameters": size.recurrent_parameters,
        "flops_per_step": size.flops,
        "seconds": numbers.seconds,
        "task": found.recorded["task"],
        "options": found.recorded["options"],
        "level": found.recorded["level"],
        "revision": found.recorded["about"]["git-revision"],
    }))
}

/// The table, and how to repeat it.
pub(super) fn markdown(plan: &Plan, rows: &[Row<'_>]) -> String {
    let runs = rows.iter().flat_map(|row| &row.runs).map(|(run, found)| (*run, found));
    let Footing { open, revisions, levels } = footing("steps", runs);
    let msre = |values: &[f64], failed| show_as(values, failed, &|x| format!("{x:.4}"));
    let zero: Vec<f64> = rows.iter().flat_map(|row| row.values().1).collect();
    let mut lines = Vec::new();
    for (index, (condition, size)) in plan.conditions.iter().enumerate() {
        let chosen = best(rows, index);
        let is_chosen = |row: &&Row<'_>| chosen.is_some_and(|chosen| std::ptr::eq(*row, chosen));
        for row in rows.iter().filter(|row| row.condition == index) {
            if !plan.kind.is_over_rates() && !is_chosen(&row) {
                continue;
            }
            // Without a mean nothing is chosen.
            let rate = match (plan.kind.is_over_rates(), row.mean().is_some()) {
                (true, true) if is_chosen(&row) => format!("{} *", row.rate),
                (false, false) => "-".into(),
                _ => row.rate.to_string(),
            };
            let mut line = vec![condition.name()];
            line.extend([size.parameters, size.recurrent_parameters].map(|count| count.to_string()));
            line.push(size.flops.to_string());
            line.push(rate);
            line.push(msre(&row.values().0, row.failed()));
            lines.push(line);
        }
    }
    let header = ["condition", "parameters", "recurrent", "FLOPs per step", "learning rate", "MSRE"];
    let rate = if plan.kind.is_over_rates() {
        "Marked with *: the learning rate of the least mean".to_owned()
    } else {
        let mut rates: Vec<String> = Vec::new();
        for row in rows {
            let rate = row.rate.to_string();
            if !rates.contains(&rate) {
                rates.push(rate);
            }
        }
        format!(
            "Learning rate: of {} the one of the least mean, chosen on these seeds, for each condition; none at which a run \
             diverged",
            rates.join(", ")
        )
    };
    let mut options = String::new();
    for (condition, _) in &plan.conditions {
        let _ = writeln!(options, "- {}: `{}`", condition.name(), condition.words.trim());
    }
    format!(
        "# {}\n\nAfter Elelimy et al. 2024. MSRE over the last tenth of {} steps: mean ± sample standard deviation (n = \
         number of seeds). The constant 0 has {}; no predictor can have less than {:.4} in the mean. FLOPs: forward and \
         learning.\n\n{}\n{rate}.\n\n{open}## Conditions\n\nOptions of `experiments trace-conditioning`, beside those of the whole study:\n\n\
         {options}\n`{}`\n\nRevision {revisions}, level {levels}.\n",
        plan.kind.title(),
        plan.steps,
        Spread::of(&zero).map_or("-".into(), |spread| format!("{:.4}", spread.mean)),
        plan.least,
        table(&header, &lines),
        plan.command,
    )
}

/// MSRE over the study's axis; where there is but one place on it, over the steps.
fn draw(plan: &Plan, rows: &[Row<'_>]) -> Result<(), Failure> {
    let path = plan.out.join(format!("{}.svg", plan.kind.name()));
    let title = plan.kind.title();
    let mut places: Vec<f64> = if plan.kind.is_over_rates() {
        rows.iter().map(|row| row.rate).collect()
    } else {
        plan.conditions.iter().filter_map(|(condition, _)| Some(condition.x? as f64)).collect()
    };
    places.sort_by(f64::total_cmp);
    places.dedup();
    let y = "mean squared return error";
    let &[first, .., last] = places.as_slice() else {
        let curve = |(index, (condition, _)): (usize, &(super::Condition, _))| {
            let row = best(rows, index)?;
            let founds: Vec<&Found> = row.runs.iter().map(|(_, found)| found).collect();
            mean_curve(&format!("{}, {}", condition.name(), row.rate), plan.steps, &founds)
        };
        let mut curves: Vec<Curve> = plan.conditions.iter().enumerate().filter_map(curve).collect();
        curves.push(level("least there can be", plan.least, [0.0, plan.steps as f64]));
        return linear(&path, Scale { title, x: "step", y }, 0.1, &curves);
    };
    let mut curves: Vec<Curve> = Vec::new();
    for (index, (condition, _)) in plan.conditions.iter().enumerate() {
        let shown: Vec<&Row<'_>> = if plan.kind.is_over_rates() {
            rows.iter().filter(|row| row.condition == index).collect()
        } else {
            best(rows, index).into_iter().collect()
        };
        let known = curves.iter().position(|curve| curve.name == condition.series);
        let at = known.unwrap_or(curves.len());
        if known.is_none() {
            curves.push(Curve::new(&condition.series, Vec::new()));
        }
        for row in shown {
            let Some(mean) = row.mean() else { continue };
            let deviation = Spread::of(&row.values().0).and_then(|spread| spread.deviation);
            let places = match condition.x {
                _ if plan.kind.is_over_rates() => vec![row.rate],
                Some(x) => vec![x as f64],
                None => vec![first, last],
            };
            curves[at].points.extend(places.iter().map(|&x| (x, mean)));
            curves[at].deviations.extend(places.iter().map(|_| deviation));
        }
    }
    curves.push(level("least there can be", plan.least, [first, last]));
    over_log(&path, Scale { title, x: plan.kind.axis(), y }, [first, last], &curves)
}

/// The same everywhere.
fn level(name: &str, value: f64, ends: [f64; 2]) -> Curve {
    Curve::new(name, ends.map(|x| (x, value)).to_vec())
}
