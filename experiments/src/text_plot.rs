//! Curves as text, for a terminal: one letter per curve, `*` where two meet.

use std::fmt::Write;

const WIDTH: usize = 72;
const HEIGHT: usize = 15;

/// Draws curves of points (x, fraction) with x from 0 to `x_max` and the fraction from 0 to `y_max`, in per cent.
pub(crate) fn plot(curves: &[(char, &[(f64, f64)])], x_label: &str, x_max: f64, y_max: f64) -> String {
    let mut grid = [[' '; WIDTH]; HEIGHT];
    // The last of `cells` equal parts of 0..max that begins at or below `value`; the first for all below 0.
    let cell = |value: f64, max: f64, cells: usize| {
        (0..cells).rfind(|&part| part as f64 * max <= value * cells as f64).unwrap_or(0)
    };
    for (letter, points) in curves {
        for &(x, y) in *points {
            let place = &mut grid[HEIGHT - 1 - cell(y, y_max, HEIGHT)][cell(x, x_max, WIDTH)];
            *place = if *place == ' ' || *place == *letter { *letter } else { '*' };
        }
    }
    let mut text = String::new();
    for (row, cells) in grid.iter().enumerate() {
        let top = 100.0 * y_max * (HEIGHT - row) as f64 / HEIGHT as f64;
        let line: String = cells.iter().collect();
        let _ = match row % 3 {
            0 => writeln!(text, "{top:4.0} % |{}", line.trim_end()),
            _ => writeln!(text, "       |{}", line.trim_end()),
        };
    }
    let right = format!("{x_max:.0} {x_label}");
    let _ = writeln!(text, "   0 % +{}\n        0{right:>width$}", "-".repeat(WIDTH), width = WIDTH - 1);
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn curves_are_drawn_where_they_are_and_stars_where_they_meet() {
        let falling = [(0.0, 0.5), (100.0, 0.0)];
        let text = plot(&[('e', &falling), ('b', &[(0.0, 0.5), (100.0, 0.25)])], "updates", 100.0, 0.5);
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[0], "  50 % |*");
        assert!(lines[HEIGHT - 1].ends_with('e') && lines[HEIGHT - 1].len() == 8 + WIDTH - 1 + 1);
        assert!(lines.last().unwrap().ends_with("100 updates"));
    }
}
