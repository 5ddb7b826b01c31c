//! A flow of one feature: its density over the data, the map to latent space, and the base density over the latents.

use super::ReportError;
use super::axes::{BELOW, NAME, NAME_MIDDLE, Panel, TITLE, XAxis, YAxis, draw_legend, draw_title, room_left};
use super::canvas::{Across, Along, BARS, Canvas, FLOW, INK, Lettering, Rect};
use super::density::finite_exp;
use super::histogram::{bin_count, heights};
use super::limits::quantile;
use crate::train::Picture;

/// A density of one feature on both sides of a flow. What is computed at the places `x` and `base_z` has their lengths.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct DensityLine {
    /// Places along the axis of x, ascending from one end to the other, data units.
    pub x: Vec<f64>,
    /// The flow's log-density at `x`, nats.
    pub log_prob: Vec<f64>,
    /// The log-density that the data were drawn from at `x`, nats, where it is known.
    pub exact: Option<Vec<f64>>,
    /// Where the flow maps `x` to, latent space.
    pub z: Vec<f64>,
    /// Places along the axis of z, ascending from one end to the other, latent space.
    pub base_z: Vec<f64>,
    /// The base's log-density at `base_z`, nats.
    pub base_log_prob: Vec<f64>,
    /// Values for the histogram above, data units.
    pub data: Vec<f64>,
    /// Values for the histogram below, latent space.
    pub latents: Vec<f64>,
}

impl DensityLine {
    fn check(&self) -> Result<(), ReportError> {
        let places = [("x", &self.x), ("z", &self.base_z)];
        let values = [(&self.x, &self.log_prob), (&self.x, &self.z), (&self.base_z, &self.base_log_prob)];
        let exact = self.exact.iter().map(|exact| (&self.x, exact));
        let reason = if let Some((places, values)) = values.into_iter().chain(exact).find(|(a, b)| a.len() != b.len()) {
            format!("{} places but {} values", places.len(), values.len())
        } else if let Some((name, _)) = places.into_iter().find(|(_, places)| !is_ascending(places)) {
            format!("the places along {name} must be finite and ascending, two at least")
        } else {
            return Ok(());
        };
        Err(ReportError::Shape { picture: "density", reason })
    }

    /// The middles of `count` equal shares of the flow's mass between the ends of the axis of x, and where they land. As the flow
    /// moves mass and makes none, their images divide the base density's in the same way. None where there is no mass.
    fn quantiles(&self, count: usize) -> Vec<(f64, f64)> {
        let density: Vec<f64> = self.log_prob.iter().map(|&log_prob| finite_exp(log_prob)).collect();
        let mass = |i: usize| 0.5 * (density[i] + density[i + 1]) * (self.x[i + 1] - self.x[i]);
        let pieces: Vec<f64> = (0..self.x.len() - 1).map(|i| if mass(i).is_finite() { mass(i) } else { 0.0 }).collect();
        let total: f64 = pieces.iter().sum();
        if !(total > 0.0 && total.is_finite()) {
            return Vec::new();
        }
        let (mut piece, mut below) = (0, 0.0);
        let at = |k: usize| {
            let wanted = total * (k as f64 + 0.5) / count as f64;
            while piece + 1 < pieces.len() && below + pieces[piece] < wanted {
                below += pieces[piece];
                piece += 1;
            }
            let share = ((wanted - below) / pieces[piece]).clamp(0.0, 1.0);
            let between = |values: &[f64]| values[piece] + share * (values[piece + 1] - values[piece]);
            (between(&self.x), between(&self.z))
        };
        (0..count).map(at).collect()
    }
}

fn is_ascending(places: &[f64]) -> bool {
    let ends = [places.first(), places.last()].map(|end| end.copied().unwrap_or(f64::NAN));
    (ends[1] - ends[0]).is_finite() && places.is_sorted_by(|a, b| a < b) && places.len() > 1
}

/// Lines from x to z.
const LINES: usize = 33;
/// Their colour: lighter than that of the density.
const PALE: plotters::style::RGBColor = plotters::style::RGBColor(126, 168, 212);

const WIDTH: f64 = 760.0;
/// Heights of the panels, from above.
const HEIGHTS: [f64; 3] = [280.0, 170.0, 190.0];

/// Three panels, one above the other: the flow's density over the histogram of the data, with the exact density where it is
/// known; the map as lines between equal quantiles of both densities; the base density over the histogram of the latents. Tag
/// `density`.
///
/// # Errors
/// Where the lengths of `line` do not fit together, or its places do not ascend.
pub fn density_1d_picture(line: &DensityLine, title: &str, column: &str) -> Result<Picture, ReportError> {
    line.check()?;
    let x = Side::new(&line.x, &line.log_prob, line.exact.as_deref(), &line.data);
    let z = Side::new(&line.base_z, &line.base_log_prob, None, &line.latents);

    let mut canvas = Canvas::new(1.0, 1.0)?;
    let [above, between, below] = HEIGHTS;
    let left = room_left(x.y, above).max(room_left(z.y, below));
    let head = TITLE + 28.0 + BELOW;
    let frame = |top: f64, height: f64| Rect { left, top, width: WIDTH, height };
    let map = frame(head + above, between);
    canvas.resize(left + WIDTH + 24.0, map.bottom() + below + BELOW + 12.0);

    x.draw(&mut canvas, frame(head, above), XAxis::Above(column), "density");
    z.draw(&mut canvas, frame(map.bottom(), below), XAxis::Below("latent z"), "base density");
    draw_map(&mut canvas, map, &line.quantiles(LINES), [x.limits, z.limits]);
    draw_title(&mut canvas, title, (left, 26.0), WIDTH);
    let exact = x.exact.is_some().then_some(("exact", INK));
    let entries: Vec<_> = [("data", BARS), ("flow", FLOW)].into_iter().chain(exact).collect();
    draw_legend(&mut canvas, &entries, (left + WIDTH, TITLE + 38.0));
    canvas.finish("density")
}

/// What the flow sees of one of its two spaces.
struct Side {
    limits: [f64; 2],
    y: [f64; 2],
    bars: Vec<f64>,
    curve: Vec<(f64, f64)>,
    exact: Option<Vec<(f64, f64)>>,
}

impl Side {
    fn new(places: &[f64], log_prob: &[f64], exact: Option<&[f64]>, values: &[f64]) -> Self {
        let limits = [places[0], places[places.len() - 1]];
        // Two narrow modes far from each other have quartiles so far apart that a count by these is too small.
        let bins = bin_count(values, limits).max(values.len().isqrt().min(40));
        let bars = heights(values, limits, bins);
        let curve = |log_prob: &[f64]| -> Vec<(f64, f64)> {
            places.iter().zip(log_prob).map(|(&place, &log_prob)| (place, finite_exp(log_prob))).collect()
        };
        let (curve, exact) = (curve(log_prob), exact.map(curve));
        let y = [0.0, 1.08 * tallest(&bars, &curve)];
        Self { limits, y, bars, curve, exact }
    }

    fn draw(&self, canvas: &mut Canvas, frame: Rect, axis: XAxis<'_>, name: &str) {
        let panel = Panel { frame, x: self.limits, y: self.y };
        panel.draw_bars(canvas, &self.bars, BARS);
        panel.draw_curve(canvas, &self.curve, FLOW);
        if let Some(exact) = &self.exact {
            panel.draw_line(canvas, exact, 1.0, INK);
        }
        panel.draw_axes(canvas, axis, YAxis::Named(name));
    }
}

/// Lines from places on the upper edge of `frame` to places on its lower edge, in units of `limits`, those of the upper edge first.
fn draw_map(canvas: &mut Canvas, frame: Rect, lines: &[(f64, f64)], limits: [[f64; 2]; 2]) {
    // Both edges have scales of their own: within the frame, places are shares of its width.
    let panel = Panel { frame, x: [0.0, 1.0], y: [0.0, 1.0] };
    let share = |value: f64, [low, high]: [f64; 2]| (value - low) / (high - low);
    for &(x, z) in lines {
        panel.draw_line(canvas, &[(share(x, limits[0]), 1.0), (share(z, limits[1]), 0.0)], 1.5, PALE);
    }
    canvas.frame(frame);
    let middle = (NAME_MIDDLE, frame.top + frame.height / 2.0);
    let lettering = Lettering { upwards: true, ..Lettering::new(NAME, Along::Middle, Across::Middle) };
    canvas.text("equal quantiles", lettering, middle);
}

/// Height of a panel: bars and curve, unless a spike of the curve would press the bars flat.
fn tallest(bars: &[f64], curve: &[(f64, f64)]) -> f64 {
    let bars = bars.iter().copied().fold(0.0, f64::max);
    let mut values: Vec<f64> = curve.iter().map(|&(_, value)| value).filter(|value| value.is_finite()).collect();
    values.sort_by(f64::total_cmp);
    let peak = if values.is_empty() { 0.0 } else { quantile(&values, 1.0) };
    match bars.max(if bars > 0.0 { peak.min(3.0 * bars) } else { peak }) {
        height if height > f64::MIN_POSITIVE => height,
        _ => 1.0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The affine flow z = (x − 1) / 2 of a standard normal, seen out to 8 deviations.
    fn affine() -> DensityLine {
        let base_z: Vec<f64> = (-800..=800).map(|i| 0.01 * f64::from(i)).collect();
        let log_normal = |z: &f64| -0.5 * z * z - 0.5 * std::f64::consts::TAU.ln();
        DensityLine {
            x: base_z.iter().map(|z| 2.0 * z + 1.0).collect(),
            log_prob: base_z.iter().map(|z| log_normal(z) - 2f64.ln()).collect(),
            exact: None,
            z: base_z.clone(),
            base_log_prob: base_z.iter().map(log_normal).collect(),
            base_z,
            data: vec![0.0, 1.0, 2.0],
            latents: vec![-0.5, 0.0, 0.5],
        }
    }

    #[test]
    fn lines_join_equal_quantiles_of_both_densities() {
        // The middles of six equal shares of a standard normal: its quantiles at 1/12, 3/12 and so forth.
        let expected = [-1.382_994, -0.674_490, -0.210_428, 0.210_428, 0.674_490, 1.382_994];
        for ((x, z), expected) in affine().quantiles(6).into_iter().zip(expected) {
            assert!((z - expected).abs() < 1e-4 && (x - (2.0 * z + 1.0)).abs() < 1e-9, "{x} {z} {expected}");
        }
        let nothing = DensityLine { log_prob: vec![f64::NEG_INFINITY; affine().x.len()], ..affine() };
        assert!(nothing.quantiles(6).is_empty());
    }

    #[test]
    fn a_flow_that_turns_the_axis_round_is_followed() {
        let turned = DensityLine { z: affine().z.iter().map(|z| -z).collect(), ..affine() };
        let ends = [turned.quantiles(6)[0], turned.quantiles(6)[5]];
        assert!(ends[0].0 < ends[1].0 && ends[0].1 > ends[1].1, "{ends:?}");
    }

    #[test]
    fn a_spike_does_not_press_the_bars_flat() {
        assert_eq!(tallest(&[0.5, 1.0], &[(0.0, 2.0)]), 2.0);
        assert_eq!(tallest(&[0.5, 1.0], &[(0.0, 1e9)]), 3.0);
        assert_eq!(tallest(&[0.0], &[(0.0, 7.0), (1.0, f64::NAN)]), 7.0);
        assert_eq!(tallest(&[], &[]), 1.0);
    }

    #[test]
    fn strange_numbers_still_make_a_picture() {
        let line = |log_prob: [f64; 3], z: [f64; 3], data: &[f64]| DensityLine {
            x: vec![0.0, 1.0, 3.0],
            log_prob: log_prob.to_vec(),
            exact: Some(log_prob.to_vec()),
            z: z.to_vec(),
            base_z: vec![-1.0, 1.0],
            base_log_prob: vec![f64::NEG_INFINITY, f64::NAN],
            data: data.to_vec(),
            latents: data.to_vec(),
        };
        let infinite = f64::INFINITY;
        for line in [
            line([f64::NAN, infinite, 0.0], [0.0; 3], &[]),
            line([0.0, -infinite, 1e9], [f64::NAN, infinite, -infinite], &[f64::NAN, infinite]),
            line([-infinite; 3], [0.0; 3], &[1.0, 1.0, 1.0]),
            line([0.0; 3], [f64::MAX, f64::MIN, 0.0], &[0.0, f64::MAX]),
        ] {
            assert_eq!(density_1d_picture(&line, "t", "x").unwrap().tag, "density");
        }
    }

    #[test]
    fn lengths_that_differ_and_places_that_do_not_ascend_are_refused() {
        let shorter = || vec![0.0; 3];
        for line in [
            DensityLine::default(),
            DensityLine { log_prob: shorter(), ..affine() },
            DensityLine { exact: Some(shorter()), ..affine() },
            DensityLine { z: shorter(), ..affine() },
            DensityLine { base_log_prob: shorter(), ..affine() },
            DensityLine { base_z: shorter(), base_log_prob: shorter(), ..affine() },
        ] {
            assert!(matches!(density_1d_picture(&line, "t", "x"), Err(ReportError::Shape { .. })));
        }
    }
}
