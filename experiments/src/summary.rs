//! Tables of results, in Markdown that also reads well on a terminal.

use std::fmt::Write;

/// A table with its columns aligned: the first to the left, the others to the right.
pub(crate) fn table(header: &[&str], rows: &[Vec<String>]) -> String {
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count());
        cells.chain(header.get(column).map(|cell| cell.chars().count())).max().unwrap_or(0).max(3)
    };
    let widths: Vec<usize> = (0..header.len()).map(width).collect();
    let mut text = String::new();
    let mut line = |cells: &mut dyn Iterator<Item = &str>| {
        for (column, (cell, width)) in cells.zip(&widths).enumerate() {
            let _ = match column {
                0 => write!(text, "| {cell:width$} |"),
                _ => write!(text, " {cell:>width$} |"),
            };
        }
        text.push('\n');
    };
    line(&mut header.iter().copied());
    let rules: Vec<String> = (widths.iter().enumerate())
        .map(|(column, &width)| if column == 0 { "-".repeat(width) } else { "-".repeat(width - 1) + ":" })
        .collect();
    line(&mut rules.iter().map(String::as_str));
    for row in rows {
        line(&mut row.iter().map(String::as_str));
    }
    text
}

/// `12.34 %`
pub(crate) fn percent(fraction: f64) -> String {
    format!("{:.2} %", 100.0 * fraction)
}

/// `1.5 ms` or `12 us`
pub(crate) fn duration(seconds: f64) -> String {
    match seconds {
        s if s >= 100.0 => format!("{s:.0} s"),
        s if s >= 1.0 => format!("{s:.1} s"),
        s if s >= 1e-3 => format!("{:.2} ms", 1e3 * s),
        s => format!("{:.0} us", 1e6 * s),
    }
}

/// `1.25 MiB`
pub(crate) fn bytes(count: usize) -> String {
    format!("{:.2} MiB", count as f64 / f64::from(1 << 20))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_aligned() {
        let text = table(&["", "value"], &[vec!["error".into(), percent(0.0312)]]);
        assert_eq!(text, "|       |  value |\n| ----- | -----: |\n| error | 3.12 % |\n");
    }

    #[test]
    fn quantities_have_units() {
        assert_eq!([duration(120.4), duration(0.0015), duration(2e-5)], ["120 s", "1.50 ms", "20 us"]);
        assert_eq!(bytes(3 << 19), "1.50 MiB");
    }
}
