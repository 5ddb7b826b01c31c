//! Samples of a flow beside and over the data, for two features.

use super::ReportError;
use super::axes::{BELOW, NAME, Panel, TITLE, XAxis, YAxis, draw_remark, draw_title, plane_size, room_left};
use super::canvas::{Across, Along, Canvas, FLOW, INK, Lettering, Rect};
use super::limits::column_limits;
use crate::matrix::Matrix;
use crate::train::Picture;

const BEHIND: plotters::style::RGBColor = plotters::style::RGBColor(206, 208, 212);
const RADIUS: f64 = 1.5;

/// Two panels on the same axes: the data, and the flow's samples over the data in light grey; tag `samples`.
///
/// `data` and `samples` have shape `[rows, 2]`, data units; `side`: length of the
/// longer side of a panel, pixels. The limits come from the data alone; where more than 0.5 %
/// of the samples lie outside, the picture says how many.
///
/// # Errors
/// Where a matrix has not two columns.
pub fn samples_picture(
    data: &Matrix<f64>,
    samples: &Matrix<f64>,
    title: &str,
    columns: [&str; 2],
    side: f64,
) -> Result<Picture, ReportError> {
    const BETWEEN: f64 = 28.0;
    if [data, samples].iter().any(|rows| rows.rows() > 0 && rows.columns() != 2) {
        let reason = format!("data with {} and samples with {} columns; expected 2", data.columns(), samples.columns());
        return Err(ReportError::Shape { picture: "samples", reason });
    }
    let limits_from = if data.rows() > 0 { data } else { samples };
    let (x, y) = (column_limits(limits_from, 0), column_limits(limits_from, 1));

    let mut canvas = Canvas::new(1.0, 1.0)?;
    let (width, height) = plane_size(x, y, side);
    let (left, head) = (room_left(y, height), TITLE + 64.0);
    let total = left + 2.0 * width + BETWEEN + 16.0;
    canvas.resize(total, head + height + BELOW + 12.0);

    let panel = |left: f64| Panel { frame: Rect { left, top: head, width, height }, x, y };
    let (first, second) = (panel(left), panel(left + width + BETWEEN));
    first.draw_points(&mut canvas, data, [0, 1], RADIUS, INK);
    second.draw_points(&mut canvas, data, [0, 1], RADIUS, BEHIND);
    second.draw_points(&mut canvas, samples, [0, 1], RADIUS, FLOW);
    first.draw_axes(&mut canvas, XAxis::Named(columns[0]), YAxis::Named(columns[1]));
    second.draw_axes(&mut canvas, XAxis::Named(columns[0]), YAxis::Shared);
    draw_title(&mut canvas, title, (left, 26.0), total - left - 16.0);
    for (panel, name, color) in [(first, "data", INK), (second, "flow samples", FLOW)] {
        let lettering = Lettering { color, ..Lettering::new(NAME, Along::Start, Across::Middle) };
        canvas.text(name, lettering, (panel.frame.left, head - 18.0));
    }
    if let Some(remark) = outside(samples, &second) {
        draw_remark(&mut canvas, &remark, (second.frame.right(), head - 18.0));
    }
    canvas.finish("samples")
}

/// Says how many samples the panel cannot show, where that is more than 0.5 %.
fn outside(samples: &Matrix<f64>, panel: &Panel) -> Option<String> {
    let out = samples.iter_rows().filter(|row| !panel.contains(row[0], row[1])).count();
    let percent = 100.0 * out as f64 / samples.rows().max(1) as f64;
    (percent > 0.5).then(|| format!("{percent:.1} % outside"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn panel() -> Panel {
        Panel { frame: Rect { left: 0.0, top: 0.0, width: 9.0, height: 9.0 }, x: [0.0, 1.0], y: [0.0, 1.0] }
    }

    #[test]
    fn samples_that_cannot_be_shown_are_counted() {
        let samples = Matrix::new(vec![0.5, 0.5, 2.0, 0.5, f64::NAN, 0.5, 0.1, 0.2], 2);
        assert_eq!(outside(&samples, &panel()).as_deref(), Some("50.0 % outside"));
        assert_eq!(outside(&Matrix::new(vec![0.5, 0.5], 2), &panel()), None);
        assert_eq!(outside(&Matrix::new(vec![], 2), &panel()), None);
    }

    #[test]
    fn strange_numbers_still_make_a_picture() {
        let strange = Matrix::new(vec![f64::NAN, f64::INFINITY, 1.0, f64::MAX, f64::MIN, 0.0], 2);
        let empty = Matrix::new(vec![], 2);
        for (data, samples) in [(&strange, &strange), (&empty, &strange), (&strange, &empty), (&empty, &empty)] {
            assert_eq!(samples_picture(data, samples, "t", ["x", "y"], 300.0).unwrap().tag, "samples");
        }
        let three = Matrix::zeros(1, 3);
        assert!(matches!(samples_picture(&three, &empty, "t", ["x", "y"], 300.0), Err(ReportError::Shape { .. })));
    }
}
