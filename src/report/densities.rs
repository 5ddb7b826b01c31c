//! Densities over one plane side by side, as heat maps: a density given each of several contexts.

use super::ReportError;
use super::axes::{BELOW, NUMBER, Panel, TITLE, XAxis, YAxis, draw_title, plane_size, room_left};
use super::canvas::{Across, Along, Canvas, Lettering, Rect, fitted};
use super::density::{DensityGrid, shade};
use crate::train::Picture;

/// Most panels that are drawn.
pub const PANELS: usize = 9;
/// Panels side by side.
const ALONG: usize = 3;
const GAP: f64 = 20.0;
/// For the line above a panel.
const LABEL: f64 = 30.0;

/// A heat map of exp(log p) for each of `densities`, over the same rectangle, with a line that says what it is of; tag `density`.
/// Each has colours of its own, up to its highest density.
///
/// `side`: length of the longer side of a panel, pixels. Of more than [`PANELS`], the first are drawn.
///
/// # Errors
/// Where there is none, or the sizes of a grid do not fit together.
pub fn densities_picture(
    densities: &[(String, DensityGrid)],
    title: &str,
    columns: [&str; 2],
    side: f64,
) -> Result<Picture, ReportError> {
    let densities = &densities[..densities.len().min(PANELS)];
    let Some((_, first)) = densities.first() else {
        return Err(ReportError::Shape { picture: "density", reason: "no densities to draw".to_owned() });
    };
    for (_, density) in densities {
        density.check()?;
    }
    // Created first: it makes the font known, which the layout measures.
    let mut canvas = Canvas::new(1.0, 1.0)?;
    let (width, height) = plane_size(first.x, first.y, side);
    let (left, head) = (room_left(first.y, height), TITLE + 26.0);
    let along = densities.len().min(ALONG);
    let lines = densities.len().div_ceil(along);
    let total = left + along as f64 * (width + GAP);
    canvas.resize(total, head + lines as f64 * (LABEL + height + GAP) + BELOW);
    for (place, (label, density)) in densities.iter().enumerate() {
        let (line, column) = (place / along, place % along);
        let top = head + LABEL + line as f64 * (LABEL + height + GAP);
        let frame = Rect { left: left + column as f64 * (width + GAP), top, width, height };
        shade(&mut canvas, frame, density);
        // Only where no panel is below has the axis its numbers.
        let x = if place + along < densities.len() { XAxis::Shared } else { XAxis::Named(columns[0]) };
        let y = if column == 0 { YAxis::Named(columns[1]) } else { YAxis::Shared };
        Panel { frame, x: density.x, y: density.y }.draw_axes(&mut canvas, x, y);
        let lettering = Lettering::new(NUMBER, Along::Start, Across::Middle);
        canvas.text(&fitted(label, NUMBER, width), lettering, (frame.left, top - LABEL / 2.0));
    }
    draw_title(&mut canvas, title, (left, 26.0), total - left - 16.0);
    canvas.finish("density")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::colormap::color;

    fn grid(centre: f64) -> DensityGrid {
        let (x, y) = ([-3.0, 3.0], [-3.0, 3.0]);
        let points = DensityGrid::points(x, y, 40, 40);
        let log_prob = points.iter_rows().map(|p| -(p[0] - centre).powi(2) - p[1] * p[1]).collect();
        DensityGrid { x, y, columns: 40, rows: 40, log_prob }
    }

    #[test]
    fn every_panel_is_brightest_where_its_own_density_is_highest() {
        let densities: Vec<_> = (0..4).map(|i| (format!("kind = {i}"), grid(f64::from(i) - 1.5))).collect();
        let picture = densities_picture(&densities, "t", ["x", "y"], 200.0).expect("a picture");
        let image = image::load_from_memory(&picture.png).expect("a PNG").to_rgb8();
        let bright = |pixel: &image::Rgb<u8>| pixel.0.iter().zip(color(1.0)).all(|(&a, b)| a.abs_diff(b) < 4);
        let places: Vec<(u32, u32)> =
            image.enumerate_pixels().filter(|(_, _, pixel)| bright(pixel)).map(|(x, y, _)| (x, y)).collect();
        let near = |x: f64, y: f64| {
            places.iter().filter(|(px, py)| (f64::from(*px) - x).hypot(f64::from(*py) - y) < 12.0).count()
        };
        let (left, head) = (room_left([-3.0, 3.0], 200.0), TITLE + 26.0);
        for (place, (_, density)) in densities.iter().enumerate() {
            let (line, column, centre) = ((place / 3) as f64, (place % 3) as f64, place as f64 - 1.5);
            let x = left + column * (200.0 + GAP) + 200.0 * (centre - density.x[0]) / 6.0;
            let y = head + LABEL + line * (LABEL + 200.0 + GAP) + 100.0;
            assert!(near(x, y) > 5, "panel {place}");
        }
        assert!(densities_picture(&[], "t", ["x", "y"], 200.0).is_err());
    }
}
