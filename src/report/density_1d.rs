//! The density of a flow over one feature, against the histogram of the data.

use super::ReportError;
use super::axes::{BELOW, Panel, TITLE, XAxis, YAxis, draw_legend, draw_title, room_left};
use super::canvas::{Canvas, FLOW, Rect};
use super::density::finite_exp;
use super::histogram::{bin_count, heights};
use super::limits::{axis_limits, quantile};
use crate::train::Picture;

const BARS: plotters::style::RGBColor = plotters::style::RGBColor(206, 208, 212);

/// Histogram of `data` with the flow's density curve through the points `(x, exp(log_prob))`; tag `density`.
///
/// `x` ascends, data units; `log_prob` in nats, one a point of `x`.
///
/// # Errors
/// Where `x` and `log_prob` differ in length.
pub fn density_1d_picture(
    x: &[f64],
    log_prob: &[f64],
    data: &[f64],
    title: &str,
    column: &str,
) -> Result<Picture, ReportError> {
    if x.len() != log_prob.len() {
        let reason = format!("{} places but {} log-densities", x.len(), log_prob.len());
        return Err(ReportError::Shape { picture: "density", reason });
    }
    let limits = if data.is_empty() { axis_limits(x.iter().copied()) } else { axis_limits(data.iter().copied()) };
    let bars = heights(data, limits, bin_count(data, limits));
    let curve: Vec<(f64, f64)> = x.iter().zip(log_prob).map(|(&x, &log_prob)| (x, finite_exp(log_prob))).collect();
    let y = [0.0, 1.08 * tallest(&bars, &curve)];

    let mut canvas = Canvas::new(1.0, 1.0)?;
    let (width, height, head) = (780.0, 460.0, TITLE + 56.0);
    let left = room_left(y, height);
    canvas.resize(left + width + 24.0, head + height + BELOW + 12.0);
    let panel = Panel { frame: Rect { left, top: head, width, height }, x: limits, y };
    panel.draw_bars(&mut canvas, &bars, BARS);
    panel.draw_curve(&mut canvas, &curve, FLOW);
    panel.draw_axes(&mut canvas, XAxis::Named(column), YAxis::Named("density"));
    draw_title(&mut canvas, title, (left, 26.0), width);
    draw_legend(&mut canvas, &[("data", BARS), ("flow", FLOW)], (left + width, head - 16.0));
    canvas.finish("density")
}

/// Height of the picture: bars and curve, unless a spike of the curve would press the bars flat.
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

    #[test]
    fn a_spike_does_not_press_the_bars_flat() {
        assert_eq!(tallest(&[0.5, 1.0], &[(0.0, 2.0)]), 2.0);
        assert_eq!(tallest(&[0.5, 1.0], &[(0.0, 1e9)]), 3.0);
        assert_eq!(tallest(&[0.0], &[(0.0, 7.0), (1.0, f64::NAN)]), 7.0);
        assert_eq!(tallest(&[], &[]), 1.0);
    }

    #[test]
    fn strange_numbers_still_make_a_picture() {
        let cases: [(&[f64], &[f64], &[f64]); 5] = [
            (&[], &[], &[]),
            (&[0.0, 1.0], &[f64::NAN, f64::INFINITY], &[]),
            (&[0.0, 1.0], &[0.0, f64::NEG_INFINITY], &[f64::NAN, f64::INFINITY]),
            (&[0.0, f64::NAN, 2.0], &[0.0, 0.0, 1e9], &[1.0, 1.0, 1.0]),
            (&[0.0], &[0.0], &[0.0, f64::MAX]),
        ];
        for (x, log_prob, data) in cases {
            assert_eq!(density_1d_picture(x, log_prob, data, "t", "x").unwrap().tag, "density");
        }
        assert!(matches!(density_1d_picture(&[0.0], &[], &[], "t", "x"), Err(ReportError::Shape { .. })));
    }
}
