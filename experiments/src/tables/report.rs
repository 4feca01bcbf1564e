//! What a table leaves behind: `cells.jsonl`, `table.md` and the curves as SVG.

use std::collections::{BTreeSet, HashMap};
use std::fmt::Write;
use std::path::Path;

use super::conditions::Spec;
use super::run::{Found, Run, Status, error, step};
use super::{Row, protocol, spread};
use crate::checkpoint::replace;
use crate::failure::Failure;
use crate::plot::{Curve, learning_curve};
use crate::summary::table;
use crate::tca::Delay;

/// Writes everything to the directory; `command` repeats it.
pub(super) fn write(
    spec: &Spec,
    length: u64,
    command: &str,
    out: &Path,
    rows: &[Row],
) -> Result<(), Failure> {
    std::fs::create_dir_all(out).map_err(Failure::io("create", out))?;
    if spec.writes_table {
        let mut lines = String::new();
        for (cell, found) in rows.iter().flat_map(|row| &row.runs) {
            if let Status::Finished(numbers) = &found.status {
                let _ = writeln!(lines, "{}", cell.line(found, numbers));
            }
        }
        replace(&out.join("cells.jsonl"), lines.as_bytes())?;
        replace(&out.join("table.md"), markdown(spec, length, command, rows).as_bytes())?;
    }
    let unit = if spec.delays.is_empty() { "epoch" } else { "update" };
    learning_curve(&out.join(format!("{}.svg", spec.figure)), spec.title, unit, &curves(spec.drawn, rows))
}

/// The table, the protocol, and how to repeat it.
pub(super) fn markdown(spec: &Spec, length: u64, command: &str, rows: &[Row]) -> String {
    let (unit, what) = match spec.delays {
        [] => ("epochs", "test accuracy after the last epoch"),
        _ => ("updates", "training error, mean of the last 1,000 updates"),
    };
    let length = match length {
        length if length == spec.paper_length => format!("{length} {unit}, as in the paper"),
        length => format!("{length} of the paper's {} {unit}", spec.paper_length),
    };
    let runs = rows.iter().flat_map(|row| &row.runs).map(|(cell, found)| (&cell.run, found));
    let Footing { open, revisions, levels } = footing(unit, runs);
    format!(
        "# {}\n\nHoyer et al. 2022. Per cent, {what}, {length}: mean ± sample standard deviation (n = number of seeds), \
         beside the paper's.\n\n{}\n{open}## Protocol\n\n{}\n`{command}`\n\nRevision {}, level {}.\n",
        spec.title,
        results(spec, rows),
        protocol::options(spec.task, rows),
        revisions,
        levels,
    )
}

/// What every table says of its runs.
pub(super) struct Footing {
    /// The runs without a result, if there are any.
    pub(super) open: String,
    pub(super) revisions: String,
    pub(super) levels: String,
}

/// Of runs whose length counts `unit`s.
pub(super) fn footing<'a>(unit: &str, runs: impl Iterator<Item = (&'a Run, &'a Found)>) -> Footing {
    let [mut revisions, mut levels] = [BTreeSet::new(), BTreeSet::new()];
    let mut open = String::new();
    for (run, found) in runs {
        let problem = match &found.status {
            Status::Missing => continue,
            Status::Finished(_) => {
                revisions.insert(found.recorded["about"]["git-revision"].as_str().unwrap_or("unknown"));
                levels.insert(found.recorded["level"].as_str().unwrap_or("unknown"));
                continue;
            }
            Status::Unfinished(done) => format!("not finished: {done} {unit} so far"),
            Status::Failed(reason) => format!("failed (by hand, --fresh starts it over): {reason}"),
            Status::Other(what) => format!("left out: the directory holds {what}"),
        };
        let _ = writeln!(open, "- {}: {problem}", run.name);
    }
    let list = |names: BTreeSet<&str>| match names.len() {
        0 => "-".to_owned(),
        _ => names.into_iter().collect::<Vec<_>>().join(", "),
    };
    let open = if open.is_empty() { open } else { format!("Runs without a result:\n\n{open}\n") };
    Footing { open, revisions: list(revisions), levels: list(levels) }
}

/// Conditions down, columns across.
fn results(spec: &Spec, rows: &[Row]) -> String {
    let mut columns: Vec<&str> = Vec::new();
    let mut names: Vec<&str> = Vec::new();
    for row in rows {
        if !columns.contains(&row.column.as_str()) {
            columns.push(&row.column);
        }
        if !names.contains(&row.condition.name) {
            names.push(row.condition.name);
        }
    }
    let mnist = spec.delays.is_empty();
    let mut header = vec!["condition".to_owned()];
    for column in &columns {
        header.push(if mnist { "test accuracy".into() } else { format!("delay {column}") });
        header.push("paper".into());
    }
    if mnist {
        header.push("best epoch".into());
    }
    let line = |name: &str| {
        let mut line = vec![name.to_owned()];
        for column in &columns {
            let Some(row) = rows.iter().find(|row| row.condition.name == name && row.column == *column)
            else {
                line.extend(["-".to_owned(), "-".to_owned()]);
                continue;
            };
            let (values, besides) = row.values();
            line.push(spread::show(&values, row.failed()));
            line.push(row.condition.paper(column).map_or("-".into(), |value| format!("{value:.2}")));
            if mnist {
                line.push(spread::show(&besides, row.failed()));
            }
        }
        line
    };
    let lines: Vec<Vec<String>> = names.iter().map(|name| line(name)).collect();
    table(&header.iter().map(String::as_str).collect::<Vec<_>>(), &lines)
}

/// One curve a condition and column.
fn curves(last: u64, rows: &[Row]) -> Vec<Curve> {
    let mut curves = Vec::new();
    for row in rows {
        let Some((first, _)) = row.runs.first() else { continue };
        let delay = match first.delay {
            None => String::new(),
            Some(Delay::Random) => ", random delay".into(),
            Some(delay) => format!(", delay {delay}"),
        };
        let name = format!("{}{delay}", row.condition.name);
        let founds: Vec<&Found> = row.runs.iter().map(|(_, found)| found).collect();
        curves.extend(mean_curve(&name, last.min(first.run.length), &founds));
    }
    curves
}

/// The mean over the finished runs, or over what there is if none is finished.
pub(super) fn mean_curve(name: &str, last: u64, runs: &[&Found]) -> Option<Curve> {
    let pick = |wanted: fn(&Found) -> bool| -> Vec<&Found> {
        runs.iter().copied().filter(|found| wanted(found)).collect()
    };
    let (runs, note) = match pick(|found| matches!(found.status, Status::Finished(_))) {
        runs if runs.is_empty() => {
            (pick(|found| matches!(found.status, Status::Unfinished(done) if done > 0)), ", unfinished")
        }
        runs => (runs, ""),
    };
    let name = format!("{name} (n = {}{note})", runs.len());
    (!runs.is_empty()).then(|| Curve::new(name, mean_points(last, &runs)))
}

/// The mean where all runs have a record.
fn mean_points(last: u64, runs: &[&Found]) -> Vec<(f64, f64)> {
    let mut sums: HashMap<u64, (usize, f64)> = HashMap::new();
    for found in runs {
        for record in &found.records {
            if let Some(at) = step(record).filter(|&at| at <= last) {
                let sum = sums.entry(at).or_default();
                *sum = (sum.0 + 1, sum.1 + error(record));
            }
        }
    }
    let mut points: Vec<(u64, f64)> = (sums.into_iter())
        .filter(|(_, (count, sum))| *count == runs.len() && sum.is_finite())
        .map(|(at, (count, sum))| (at, sum / count as f64))
        .collect();
    points.sort_by_key(|point| point.0);
    points.into_iter().map(|(at, error)| (at as f64, error)).collect()
}
