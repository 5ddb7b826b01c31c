//! The density of a flow over a plane, as a heat map.

use super::ReportError;
use super::axes::{BELOW, NAME, NUMBER, Panel, TITLE, XAxis, YAxis, draw_title, plane_size, room_left};
use super::canvas::{Across, Along, Canvas, Lettering, Rect, text_width};
use super::colormap::color;
use super::limits::quantile;
use super::ticks::ticks;
use crate::matrix::Matrix;
use crate::train::Picture;

/// Log-densities at the centres of the cells of a regular grid over a rectangle.
#[derive(Clone, Debug, PartialEq)]
pub struct DensityGrid {
    /// Left and right edge of the rectangle, data units.
    pub x: [f64; 2],
    /// Lower and upper edge, data units.
    pub y: [f64; 2],
    /// Cells along x.
    pub columns: usize,
    /// Cells along y.
    pub rows: usize,
    /// log p in nats, length `rows * columns`, row after row, the lowest y first.
    pub log_prob: Vec<f64>,
}

impl DensityGrid {
    /// The centres of the cells in the order of `log_prob`, shape `[rows * columns, 2]`.
    pub fn points(x: [f64; 2], y: [f64; 2], columns: usize, rows: usize) -> Matrix<f64> {
        let centre = |[low, high]: [f64; 2], i: usize, n: usize| low + (high - low) * (i as f64 + 0.5) / n as f64;
        let positions = (0..rows).flat_map(|row| (0..columns).map(move |column| (row, column)));
        Matrix::new(positions.flat_map(|(row, column)| [centre(x, column, columns), centre(y, row, rows)]).collect(), 2)
    }

    /// The densities of the cells, held finite.
    fn values(&self) -> Vec<f64> {
        self.log_prob.iter().map(|&log_prob| finite_exp(log_prob)).collect()
    }

    pub(super) fn check(&self) -> Result<(), ReportError> {
        let ascending = |[low, high]: [f64; 2]| (high - low).is_finite() && low < high;
        let reason = if self.columns * self.rows == 0 || self.log_prob.len() != self.columns * self.rows {
            format!("{} log-densities for a grid of {} × {}", self.log_prob.len(), self.columns, self.rows)
        } else if !(ascending(self.x) && ascending(self.y)) {
            format!("limits {:?} and {:?} must be finite and ascending", self.x, self.y)
        } else {
            return Ok(());
        };
        Err(ReportError::Shape { picture: "density", reason })
    }
}

/// Heat map of exp(log p) with axes and a colour bar; tag `density`.
///
/// Both axes have equal units unless their ranges differ more than fourfold. Cells that are not a number are grey. The
/// scale ends at the 99.9 % quantile of the cells where a few of them stand far above it; an arrow on the bar says so.
///
/// `side`: length of the longer side of the plane, pixels.
///
/// # Errors
/// Where the grid's sizes do not fit together.
pub fn density_picture(
    density: &DensityGrid,
    title: &str,
    columns: [&str; 2],
    side: f64,
) -> Result<Picture, ReportError> {
    const BAR_GAP: f64 = 24.0;
    const BAR: f64 = 18.0;
    density.check()?;

    // Created first: it makes the font known, which the layout measures.
    let mut canvas = Canvas::new(1.0, 1.0)?;
    let (width, height) = plane_size(density.x, density.y, side);
    let (left, head) = (room_left(density.y, height), TITLE + 36.0);
    let values = density.values();
    let (top, cut) = scale(&values);
    let bar_ticks = ticks([0.0, top], ((height / 44.0) as usize).clamp(2, 8));
    let numbers = bar_ticks.iter().map(|tick| text_width(&tick.label, NUMBER)).fold(0.0, f64::max);
    let total = left + width + BAR_GAP + BAR + 11.0 + numbers + 38.0;
    canvas.resize(total, head + height + BELOW + 12.0);

    let panel = Panel { frame: Rect { left, top: head, width, height }, x: density.x, y: density.y };
    shade(&mut canvas, panel.frame, density);
    panel.draw_axes(&mut canvas, XAxis::Named(columns[0]), YAxis::Named(columns[1]));
    draw_title(&mut canvas, title, (left, 26.0), total - left - 16.0);

    let frame = Rect { left: left + width + BAR_GAP, top: head, width: BAR, height };
    let bar = Panel { frame, x: [0.0, 1.0], y: [0.0, top] };
    canvas.shade(frame, |y| move |_| color(1.0 - y));
    if cut {
        let [red, green, blue] = color(1.0);
        let peak = [(frame.left, head), (frame.left + BAR / 2.0, head - 13.0), (frame.right(), head)];
        canvas.polygon(&peak, plotters::style::RGBColor(red, green, blue).into());
    }
    for tick in &bar_ticks {
        let (_, y) = bar.position(0.0, tick.value);
        canvas.rule((frame.right(), y), (frame.right() + 5.0, y));
        let position = (frame.right() + 11.0, y);
        canvas.text(&tick.label, Lettering::new(NUMBER, Along::Start, Across::Middle), position);
    }
    let name = Lettering { upwards: true, ..Lettering::new(NAME, Along::Middle, Across::Middle) };
    canvas.text("density", name, (total - 18.0, head + height / 2.0));
    canvas.finish("density")
}

/// Fills `frame` with the colours of the densities, from 0 to the end of their scale.
pub(super) fn shade(canvas: &mut Canvas, frame: Rect, density: &DensityGrid) {
    let values = density.values();
    let (top, _) = scale(&values);
    canvas.shade(frame, |y| {
        let line = between_lines(&values, density.columns, 1.0 - y);
        move |x| match interpolated(&line, x) {
            value if value.is_nan() => [214, 214, 214],
            value => color(value / top),
        }
    });
}

/// exp(log p), held finite: exp(700) is the most that is drawn. NaN stays NaN.
pub(super) fn finite_exp(log_prob: f64) -> f64 {
    // Not `min`, which would turn NaN into 700.
    if log_prob > 700.0 { 700f64.exp() } else { log_prob.exp() }
}

/// Upper end of the colour scale, and whether some cells lie above it.
fn scale(values: &[f64]) -> (f64, bool) {
    let mut sorted: Vec<f64> = values.iter().copied().filter(|value| value.is_finite()).collect();
    sorted.sort_by(f64::total_cmp);
    let most = sorted.last().copied().unwrap_or(0.0);
    if most <= f64::MIN_POSITIVE {
        return (1.0, false);
    }
    let usual = quantile(&sorted, 0.999);
    if usual > 0.0 && most > 1.5 * usual { (usual, true) } else { (most, false) }
}

/// The line of a grid at a share of its height: every column, linear between the centres of its cells.
fn between_lines(values: &[f64], columns: usize, y: f64) -> Vec<f64> {
    let (low, high, up) = neighbours(y, values.len() / columns);
    let line = |row: usize| &values[row * columns..(row + 1) * columns];
    line(low).iter().zip(line(high)).map(|(a, b)| a * (1.0 - up) + b * up).collect()
}

/// The value at a share of a line's length, linear between the centres of its cells; NaN beside a cell that is NaN.
fn interpolated(line: &[f64], x: f64) -> f64 {
    let (left, right, across) = neighbours(x, line.len());
    line[left] * (1.0 - across) + line[right] * across
}

/// The cells of `n` between whose centres a share of the whole length lies, and how far beyond the first centre it is, in
/// cells.
fn neighbours(share: f64, n: usize) -> (usize, usize, f64) {
    let at = (share * n as f64 - 0.5).clamp(0.0, (n - 1) as f64);
    let below = at as usize;
    (below, (below + 1).min(n - 1), at - below as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grid(columns: usize, rows: usize, log_prob: impl Fn(f64, f64) -> f64) -> DensityGrid {
        let (x, y) = ([-3.0, 3.0], [-2.0, 2.0]);
        let points = DensityGrid::points(x, y, columns, rows);
        DensityGrid { x, y, columns, rows, log_prob: points.iter_rows().map(|p| log_prob(p[0], p[1])).collect() }
    }

    #[test]
    fn cell_centres_make_the_riemann_sum_of_a_gaussian_one() {
        let (x, y) = ([-6.0, 6.0], [-5.0, 7.0]);
        let points = DensityGrid::points(x, y, 60, 80);
        let density = |p: &[f64]| (-0.5 * (p[0] * p[0] + p[1] * p[1])).exp() / std::f64::consts::TAU;
        let sum: f64 = points.iter_rows().map(density).sum::<f64>() * (12.0 / 60.0) * (12.0 / 80.0);
        assert!((sum - 1.0).abs() < 1e-5, "{sum}");
    }

    #[test]
    fn bilinear_interpolation_is_exact_for_planes() {
        let values: Vec<f64> = (0..12).map(|i| f64::from(i % 4) + 10.0 * f64::from(i / 4)).collect();
        for (x, y) in [(0.5, 0.5), (0.3, 0.7), (0.125, 1.0 / 6.0)] {
            let plane = (4.0 * x - 0.5) + 10.0 * (3.0 * y - 0.5);
            let value = interpolated(&between_lines(&values, 4, y), x);
            assert!((value - plane).abs() < 1e-12);
        }
    }

    #[test]
    fn the_brightest_place_is_where_the_density_is_highest() {
        let picture = density_picture(&grid(60, 40, |x, y| -(x * x + y * y)), "", ["x", "y"], 300.0).unwrap();
        let image = image::load_from_memory(&picture.png).unwrap().to_rgb8();
        assert_eq!((picture.width, picture.height), image.dimensions());
        let yellow = |pixel: &image::Rgb<u8>| pixel.0.iter().zip(color(1.0)).all(|(&a, b)| a.abs_diff(b) < 4);
        assert!(image.pixels().filter(|pixel| yellow(pixel)).count() > 50);
    }

    #[test]
    fn strange_numbers_still_make_a_picture() {
        for value in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 1e9, -1e9, 0.0] {
            density_picture(&grid(3, 3, |x, _| if x > 0.0 { value } else { -1.0 }), "t", ["x", "y"], 300.0).unwrap();
            density_picture(&grid(1, 1, |_, _| value), "t", ["x", "y"], 300.0).unwrap();
        }
    }

    #[test]
    fn a_grid_that_does_not_fit_is_refused() {
        let good = grid(3, 2, |_, _| 0.0);
        for bad in [
            DensityGrid { columns: 4, ..good.clone() },
            DensityGrid { columns: 0, log_prob: vec![], ..good.clone() },
            DensityGrid { x: [1.0, 1.0], ..good.clone() },
            DensityGrid { y: [0.0, f64::NAN], ..good },
        ] {
            assert!(matches!(density_picture(&bad, "", ["x", "y"], 300.0), Err(ReportError::Shape { .. })));
        }
    }
}
