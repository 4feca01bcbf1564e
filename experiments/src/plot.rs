//! Curves as SVG: learning curves, and measures over sizes.

use std::path::Path;

use plotters::coord::ranged1d::{AsRangedCoord, ValueFormatter};
use plotters::prelude::*;

use crate::checkpoint::replace;
use crate::failure::Failure;

/// A named curve: points (x, y).
#[derive(Clone, Debug)]
pub(crate) struct Curve {
    pub(crate) name: String,
    pub(crate) points: Vec<(f64, f64)>,
    /// Of y, where it is known: drawn as a bar from `y - deviation` to `y + deviation`.
    pub(crate) deviations: Vec<Option<f64>>,
}

impl Curve {
    /// Without deviations.
    pub(crate) fn new(name: impl Into<String>, points: Vec<(f64, f64)>) -> Self {
        Self { name: name.into(), points, deviations: Vec::new() }
    }

    /// The ends of the bars: x, from, to.
    fn bars(&self) -> impl Iterator<Item = (f64, f64, f64)> + '_ {
        let known = self.points.iter().zip(&self.deviations);
        known.filter_map(|(&(x, y), deviation)| deviation.map(|by| (x, (y - by).max(0.0), y + by)))
    }
}

/// One colour per curve, told apart also by colour-blind eyes.
const COLORS: [RGBColor; 9] = [
    RGBColor(0, 114, 178),
    RGBColor(213, 94, 0),
    RGBColor(0, 158, 115),
    RGBColor(120, 120, 120),
    RGBColor(204, 121, 167),
    RGBColor(230, 159, 0),
    RGBColor(86, 180, 233),
    RGBColor(0, 0, 0),
    RGBColor(136, 34, 85),
];

/// Draws the curves, fractions, to `path` in per cent; the vertical axis starts at zero.
pub(crate) fn learning_curve(
    path: &Path,
    title: &str,
    x_label: &str,
    curves: &[Curve],
) -> Result<(), Failure> {
    let percent =
        |curve: &Curve| Curve::new(&curve.name, curve.points.iter().map(|&(x, y)| (x, 100.0 * y)).collect());
    let curves: Vec<Curve> = curves.iter().map(percent).collect();
    linear(path, Scale { title, x: x_label, y: "error (%)" }, 1.0, &curves)
}

/// Draws the curves to `path`; the vertical axis goes from zero to at least `y_least`.
pub(crate) fn linear(path: &Path, scale: Scale<'_>, y_least: f64, curves: &[Curve]) -> Result<(), Failure> {
    let mut svg = String::new();
    let points = || curves.iter().flat_map(|curve| &curve.points);
    let x_max = points().map(|point| point.0).fold(1.0, f64::max);
    draw(&mut svg, scale, 0.0..x_max, highest(y_least, curves), curves, false)
        .map_err(|error| Failure::new(format!("cannot draw {}: {error}", path.display())))?;
    replace(path, svg.as_bytes())
}

/// Draws the curves with their points to `path`: x logarithmic, from end to end, the vertical axis from zero.
pub(crate) fn over_log(
    path: &Path,
    scale: Scale<'_>,
    [first, last]: [f64; 2],
    curves: &[Curve],
) -> Result<(), Failure> {
    let mut svg = String::new();
    let y_max = highest(0.0, curves);
    draw(&mut svg, scale, (first..last).log_scale(), if y_max > 0.0 { y_max } else { 1.0 }, curves, true)
        .map_err(|error| Failure::new(format!("cannot draw {}: {error}", path.display())))?;
    replace(path, svg.as_bytes())
}

/// Of the vertical axis.
fn highest(y_least: f64, curves: &[Curve]) -> f64 {
    let points = curves.iter().flat_map(|curve| &curve.points).map(|point| point.1);
    let bars = curves.iter().flat_map(Curve::bars).map(|bar| bar.2);
    points.chain(bars).map(|y| 1.05 * y).fold(y_least, f64::max)
}

fn draw<X>(
    svg: &mut String,
    scale: Scale<'_>,
    x: X,
    y_max: f64,
    curves: &[Curve],
    dots: bool,
) -> Result<(), DrawingAreaErrorKind<std::io::Error>>
where
    X: AsRangedCoord<Value = f64>,
    X::CoordDescType: ValueFormatter<f64>,
{
    // Curves are named beside the chart, where the names hide none.
    let whole = SVGBackend::with_string(svg, (1160, 480)).into_drawing_area();
    whole.fill(&WHITE)?;
    let (area, names) = whole.split_horizontally(800);
    let mut chart = ChartBuilder::on(&area)
        .caption(scale.title, ("sans-serif", 18))
        .margin(12)
        .x_label_area_size(40)
        .y_label_area_size(56)
        .build_cartesian_2d(x, 0.0..y_max)?;
    (chart.configure_mesh().x_desc(scale.x).y_desc(scale.y).max_light_lines(0))
        .x_label_formatter(&|x| if *x > 0.0 && *x < 1.0 { format!("{x:e}") } else { format!("{x:.0}") })
        .draw()?;
    for (curve, color) in curves.iter().zip(COLORS.iter().cycle()) {
        let points = || curve.points.iter().copied();
        chart.draw_series(LineSeries::new(points(), color.stroke_width(2)))?;
        if dots {
            chart.draw_series(points().map(|point| Circle::new(point, 3, color.filled())))?;
        }
        let bar = |(x, from, to)| PathElement::new([(x, from), (x, to)], color.stroke_width(1));
        chart.draw_series(curve.bars().map(bar))?;
    }
    for (row, (curve, color)) in (0..).zip(curves.iter().zip(COLORS.iter().cycle())) {
        let y = 60 + 22 * row;
        names.draw(&PathElement::new([(4, y), (28, y)], color.stroke_width(3)))?;
        names.draw(&Text::new(curve.name.clone(), (36, y - 6), ("sans-serif", 16)))?;
    }
    whole.present()
}

/// Title and axes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Scale<'a> {
    pub(crate) title: &'a str,
    pub(crate) x: &'a str,
    pub(crate) y: &'a str,
}

/// Draws the curves to `path`, both axes logarithmic.
pub(crate) fn log_log(path: &Path, scale: Scale<'_>, curves: &[Curve]) -> Result<(), Failure> {
    let mut svg = String::new();
    draw_log_log(&mut svg, scale, curves)
        .map_err(|error| Failure::new(format!("cannot draw {}: {error}", path.display())))?;
    replace(path, svg.as_bytes())
}

fn draw_log_log(
    svg: &mut String,
    scale: Scale<'_>,
    curves: &[Curve],
) -> Result<(), DrawingAreaErrorKind<std::io::Error>> {
    let range = |of: fn(&(f64, f64)) -> f64| {
        let values = || curves.iter().flat_map(|curve| &curve.points).map(of);
        (values().fold(f64::INFINITY, f64::min), values().fold(0.0, f64::max))
    };
    let ((x_min, x_max), (y_min, y_max)) = (range(|point| point.0), range(|point| point.1));
    let area = SVGBackend::with_string(svg, (800, 480)).into_drawing_area();
    area.fill(&WHITE)?;
    let mut chart = ChartBuilder::on(&area)
        .caption(scale.title, ("sans-serif", 18))
        .margin(12)
        .x_label_area_size(40)
        .y_label_area_size(64)
        .build_cartesian_2d((x_min..x_max).log_scale(), (0.5 * y_min..2.0 * y_max).log_scale())?;
    (chart.configure_mesh().x_desc(scale.x).y_desc(scale.y).x_labels(6).max_light_lines(0))
        .x_label_formatter(&|x| format!("{x:.0}"))
        .y_label_formatter(&|y| format!("{y:.0}"))
        .draw()?;
    for (curve, color) in curves.iter().zip(COLORS.iter().cycle()) {
        let points = || curve.points.iter().copied();
        chart
            .draw_series(LineSeries::new(points(), color.stroke_width(2)))?
            .label(&curve.name)
            .legend(|(x, y)| PathElement::new([(x, y), (x + 16, y)], color.stroke_width(2)));
        chart.draw_series(points().map(|point| Circle::new(point, 3, color.filled())))?;
    }
    let position = SeriesLabelPosition::UpperLeft;
    let mut labels = chart.configure_series_labels();
    labels.position(position).background_style(WHITE).border_style(BLACK).draw()?;
    area.present()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_curve_becomes_an_svg_with_its_name() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("curve.svg");
        let curve = Curve::new("e-prop", vec![(1.0, 0.5), (2.0, 0.25)]);
        learning_curve(&path, "title", "update", &[curve]).unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(text.starts_with("<svg") && text.contains("e-prop") && text.contains("title"));
        let many: Vec<Curve> = (0..9).map(|i| Curve::new(format!("curve {i}"), vec![(1.0, 0.1)])).collect();
        learning_curve(&path, "title", "update", &many).unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(many.iter().all(|curve| text.contains(&curve.name)), "{text}");
        over_log(&path, Scale { title: "title", x: "rate", y: "error" }, [1e-4, 1e-2], &many[..2]).unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(text.contains("rate") && text.contains("curve 1"), "{text}");
        let without = Curve::new("bars", vec![(1e-3, 0.25), (1e-2, 0.5)]);
        let bars = Curve { deviations: vec![Some(0.375), None], ..without.clone() };
        assert_eq!(bars.bars().collect::<Vec<_>>(), [(1e-3, 0.0, 0.625)]);
        let bars = Curve { deviations: vec![Some(0.125), None], ..without.clone() };
        let lines = |curve: Curve| {
            over_log(&path, Scale { title: "title", x: "rate", y: "error" }, [1e-4, 1e-2], &[curve]).unwrap();
            std::fs::read_to_string(&path).unwrap().matches("<polyline").count()
        };
        assert_eq!(lines(bars), lines(without) + 1);
        let nowhere = dir.path().join("missing").join("curve.svg");
        assert!(learning_curve(&nowhere, "title", "update", &[]).is_err());
    }
}
