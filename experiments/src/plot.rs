//! Learning curves as SVG.

use std::path::Path;

use plotters::prelude::*;

use crate::checkpoint::replace;
use crate::failure::Failure;

/// A named curve: points (x, fraction), drawn in per cent.
#[derive(Clone, Debug)]
pub(crate) struct Curve {
    pub(crate) name: String,
    pub(crate) points: Vec<(f64, f64)>,
}

/// One colour per curve, told apart also by colour-blind eyes.
const COLORS: [RGBColor; 4] =
    [RGBColor(0, 114, 178), RGBColor(213, 94, 0), RGBColor(0, 158, 115), RGBColor(120, 120, 120)];

/// Draws the curves to `path`; the vertical axis starts at zero.
pub(crate) fn learning_curve(
    path: &Path,
    title: &str,
    x_label: &str,
    curves: &[Curve],
) -> Result<(), Failure> {
    let mut svg = String::new();
    draw(&mut svg, title, x_label, curves)
        .map_err(|error| Failure::new(format!("cannot draw {}: {error}", path.display())))?;
    replace(path, svg.as_bytes())
}

fn draw(
    svg: &mut String,
    title: &str,
    x_label: &str,
    curves: &[Curve],
) -> Result<(), DrawingAreaErrorKind<std::io::Error>> {
    let points = || curves.iter().flat_map(|curve| &curve.points);
    let x_max = points().map(|point| point.0).fold(1.0, f64::max);
    let y_max = points().map(|point| 105.0 * point.1).fold(1.0, f64::max);
    let area = SVGBackend::with_string(svg, (800, 480)).into_drawing_area();
    area.fill(&WHITE)?;
    let mut chart = ChartBuilder::on(&area)
        .caption(title, ("sans-serif", 18))
        .margin(12)
        .x_label_area_size(40)
        .y_label_area_size(56)
        .build_cartesian_2d(0.0..x_max, 0.0..y_max)?;
    (chart.configure_mesh().x_desc(x_label).y_desc("error (%)").max_light_lines(0))
        .x_label_formatter(&|x| format!("{x:.0}"))
        .draw()?;
    for (curve, color) in curves.iter().zip(COLORS.iter().cycle()) {
        let points = curve.points.iter().map(|&(x, y)| (x, 100.0 * y));
        chart
            .draw_series(LineSeries::new(points, color.stroke_width(2)))?
            .label(&curve.name)
            .legend(|(x, y)| PathElement::new([(x, y), (x + 16, y)], color.stroke_width(2)));
    }
    (chart.configure_series_labels().background_style(WHITE).border_style(BLACK)).draw()?;
    area.present()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_curve_becomes_an_svg_with_its_name() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("curve.svg");
        let curve = Curve { name: "e-prop".into(), points: vec![(1.0, 0.5), (2.0, 0.25)] };
        learning_curve(&path, "title", "update", &[curve]).unwrap();
        let text = std::fs::read_to_string(path).unwrap();
        assert!(text.starts_with("<svg") && text.contains("e-prop") && text.contains("title"));
        let nowhere = dir.path().join("missing").join("curve.svg");
        assert!(learning_curve(&nowhere, "title", "update", &[]).is_err());
    }
}
