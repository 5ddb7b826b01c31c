//! What draws at the contexts of rows say of a conditional flow: histograms of ranks, and how much regions hold.

use plotters::style::{Color, RGBColor};

use super::Figure;
use super::chart::{BEHIND, COLORS};
use crate::diagnose::{Calibration, Coverage, Ranks, normal_quantile};
use crate::report::ReportError;
use crate::report::axes::{BELOW, NUMBER, Panel, TITLE, XAxis, YAxis, draw_legend, draw_remark, draw_title, room_left};
use crate::report::canvas::{Across, Along, Canvas, FAINT, Lettering, Rect, fitted};
use crate::report::ticks::Tick;

/// Histograms at most.
const SHOWN: usize = 9;
/// Side of the panel of coverage, and height of all histograms together.
const SIDE: f64 = 380.0;
/// Width of a histogram.
const WIDTH: f64 = 230.0;
const GAP: f64 = 20.0;
/// For the line above a panel.
const LABEL: f64 = 30.0;
const MARGIN: f64 = 16.0;
/// Kolmogorov's 95 % quantile.
const KOLMOGOROV: f64 = 1.358;

/// Histograms of the ranks of the features that are farthest off, orange where a test says so, and beside them the share of rows in
/// regions of every level. Grey: of what is calibrated, 95 of 100 histograms and 95 of 100 curves stay within.
///
/// # Errors
/// Where there is no font.
pub fn calibration_figure(title: &str, calibration: &Calibration) -> Result<Figure, ReportError> {
    // Created first: it makes the font known, which the layout measures.
    let mut canvas = Canvas::new(1.0, 1.0)?;
    let mut order: Vec<usize> = (0..calibration.features.len()).collect();
    let distance = |feature: usize| calibration.features[feature].distance;
    order.sort_by(|&a, &b| distance(b).total_cmp(&distance(a)));
    order.truncate(SHOWN);
    order.sort_unstable();
    let shown: Vec<&Ranks> = order.into_iter().map(|feature| &calibration.features[feature]).collect();
    let lines = (1..).find(|lines| lines * lines >= shown.len()).unwrap_or(1);
    let along = shown.len().div_ceil(lines);
    let bins = shown.first().map_or(1, |it| it.histogram.len());
    let expected = calibration.rows as f64 / bins as f64;
    let chance = normal_quantile(1.0 - 0.025 / bins as f64) * (expected * (1.0 - 1.0 / bins as f64)).sqrt();
    let tallest =
        shown.iter().flat_map(|it| &it.histogram).map(|&count| count as f64).fold(expected + chance, f64::max);
    let y = [0.0, 1.08 * tallest];
    let height = ((SIDE - (lines - 1) as f64 * (GAP + LABEL)) / lines as f64).floor();
    let head = LABEL + if title.is_empty() { 8.0 } else { TITLE + 26.0 };
    let left = room_left(y, height);
    let ranks_at = shares(2);
    for (place, ranks) in shown.iter().enumerate() {
        let (line, column) = (place / along, place % along);
        let top = head + line as f64 * (height + GAP + LABEL);
        let frame = Rect { left: left + column as f64 * (WIDTH + GAP), top, width: WIDTH, height };
        let panel = Panel { frame, x: [0.0, 1.0], y };
        draw_histogram(&mut canvas, &panel, ranks, [expected - chance, expected + chance]);
        // Only where no panel is below has the axis its numbers.
        let x_axis = if place + along < shown.len() {
            XAxis::Shared
        } else {
            XAxis::Marked(Some("rank among samples"), &ranks_at)
        };
        let y_axis = if column == 0 { YAxis::Named("rows") } else { YAxis::Shared };
        panel.draw_axes(&mut canvas, x_axis, y_axis);
    }
    let between = left + along as f64 * (WIDTH + GAP) + GAP;
    let frame = Rect { left: between + room_left([0.0, 1.0], SIDE), top: head, width: SIDE, height: SIDE };
    draw_coverage(&mut canvas, frame, calibration);
    let remark = match calibration.features.len() - shown.len() {
        0 => "grey: chance".to_owned(),
        more => format!("grey: chance; {more} more, less far off, not shown"),
    };
    draw_remark(&mut canvas, &remark, (frame.right(), frame.bottom() + BELOW + 10.0));
    draw_title(&mut canvas, title, (left, 26.0), frame.right() - left);
    canvas.resize(frame.right() + MARGIN, frame.bottom() + BELOW + NUMBER + 14.0);
    let held = Coverage::NAMED.iter().filter_map(|&level| Some((level, calibration.regions.at(level)?)));
    let held: Vec<String> =
        held.map(|(level, held)| format!("{:.0} %: {:.0} %", 100.0 * level, 100.0 * held)).collect();
    let description = format!("Ranks of rows among samples, and shares of rows in regions of {}", held.join(", "));
    Ok(Figure { stem: "calibration".into(), description, canvas })
}

/// The counts of `ranks`, what chance makes of them, and a line above that says which way they are off.
fn draw_histogram(canvas: &mut Canvas, panel: &Panel, ranks: &Ranks, chance: [f64; 2]) {
    let (is_off, bins) = (ranks.p < 0.05, ranks.histogram.len() as f64);
    let color = if is_off { COLORS[1] } else { COLORS[0] };
    draw_area(canvas, panel, &[(0.0, chance[0], chance[1]), (1.0, chance[0], chance[1])], BEHIND);
    let middle = (chance[0] + chance[1]) / 2.0;
    canvas.line(&[panel.position(0.0, middle), panel.position(1.0, middle)], 1.2, FAINT);
    let edges = |(i, &count): (usize, &usize)| [i, i + 1].map(|edge| panel.position(edge as f64 / bins, count as f64));
    canvas.line(&ranks.histogram.iter().enumerate().flat_map(edges).collect::<Vec<_>>(), 2.0, color);
    let label = match is_off {
        true => format!("{}: samples {}", ranks.name, ranks.direction.words()),
        false => ranks.name.clone(),
    };
    let lettering = Lettering::new(NUMBER, Along::Start, Across::Middle);
    canvas.text(
        &fitted(&label, NUMBER, panel.frame.width),
        lettering,
        (panel.frame.left, panel.frame.top - LABEL / 2.0),
    );
}

/// The share of rows in regions that should hold a share of them.
fn draw_coverage(canvas: &mut Canvas, frame: Rect, calibration: &Calibration) {
    let panel = Panel { frame, x: [0.0, 1.0], y: [0.0, 1.0] };
    let chance = KOLMOGOROV / (calibration.rows as f64).sqrt();
    // Corners where the band meets the frame are among them.
    let mut levels = vec![0.0, chance, 1.0 - chance, 1.0];
    levels.sort_by(f64::total_cmp);
    let band: Vec<(f64, f64, f64)> =
        levels.into_iter().map(|level| (level, (level - chance).max(0.0), (level + chance).min(1.0))).collect();
    draw_area(canvas, &panel, &band, BEHIND);
    canvas.line(&[panel.position(0.0, 0.0), panel.position(1.0, 1.0)], 1.2, FAINT);
    let curves = [("highest density", COLORS[0], &calibration.regions), ("TARP", COLORS[2], &calibration.balls)];
    for (_, color, coverage) in &curves {
        let ends = [(0.0, 0.0)].into_iter().chain(coverage.held.iter().copied()).chain([(1.0, 1.0)]);
        let points: Vec<(f64, f64)> = ends.map(|(level, held)| panel.position(level, held)).collect();
        canvas.line(&points, 2.2, *color);
    }
    panel.draw_axes(
        canvas,
        XAxis::Marked(Some("share of samples in a region"), &shares(5)),
        YAxis::Named("share of rows in it"),
    );
    let legend: Vec<(&str, RGBColor)> = curves.iter().map(|(name, color, _)| (*name, *color)).collect();
    draw_legend(canvas, &legend, (frame.right(), frame.top - LABEL / 2.0));
}

/// Ticks from 0 to 1 in so many steps.
fn shares(steps: u32) -> Vec<Tick> {
    let tick = |value: f64| Tick { value, label: value.to_string() };
    (0..=steps).map(|i| tick(f64::from(i) / f64::from(steps))).collect()
}

/// Shades what lies between `(x, low, high)`, all within the panel.
fn draw_area(canvas: &mut Canvas, panel: &Panel, area: &[(f64, f64, f64)], color: RGBColor) {
    let low = area.iter().map(|&(x, low, _)| panel.position(x, low.max(panel.y[0])));
    let high = area.iter().rev().map(|&(x, _, high)| panel.position(x, high.min(panel.y[1])));
    canvas.polygon(&low.chain(high).collect::<Vec<_>>(), color.mix(0.7));
}
