//! What stands inside a panel: points, curves and histograms, in data units.

use plotters::style::{Color, RGBColor};

use super::axes::Panel;
use super::canvas::{Canvas, Rect};
use crate::matrix::Matrix;

/// At most this many points of one cloud are drawn: more only make it a blot.
const MOST_POINTS: usize = 6_000;

impl Panel {
    /// The points whose coordinates are columns `columns` of `rows`, small and translucent; those outside are left out.
    pub fn draw_points(
        &self,
        canvas: &mut Canvas,
        rows: &Matrix<f64>,
        columns: [usize; 2],
        radius: f64,
        color: RGBColor,
    ) {
        let drawn = chosen(rows.rows(), MOST_POINTS);
        // Ink per area stays about the same: the more points, the fainter each.
        let crowding = drawn.len() as f64 * radius * radius / (self.frame.width * self.frame.height);
        let opacity = (0.02 / crowding).sqrt().clamp(0.2, 0.85);
        let positions = drawn
            .into_iter()
            .map(|row| rows.row(row))
            .map(|row| (row[columns[0]], row[columns[1]]))
            .filter(|&(x, y)| self.contains(x, y))
            .map(|(x, y)| self.position(x, y));
        canvas.discs(positions, radius, color.mix(opacity));
    }

    /// What of the line through `(x, y)` lies within the frame; points that are not finite break it.
    pub fn draw_curve(&self, canvas: &mut Canvas, points: &[(f64, f64)], color: RGBColor) {
        self.draw_line(canvas, points, 2.0, color);
    }

    /// The same, `width` pixels wide.
    pub fn draw_line(&self, canvas: &mut Canvas, points: &[(f64, f64)], width: f64, color: RGBColor) {
        for piece in self.pieces(points) {
            let positions: Vec<_> = piece.into_iter().map(|(x, y)| self.position(x, y)).collect();
            canvas.line(&positions, width, color);
        }
    }

    /// Bars of a histogram over the x limits, standing on y = 0.
    pub fn draw_bars(&self, canvas: &mut Canvas, heights: &[f64], color: RGBColor) {
        let width = (self.x[1] - self.x[0]) / heights.len() as f64;
        for (i, &height) in heights.iter().enumerate() {
            let left = self.x[0] + i as f64 * width;
            let (from, top) = self.position(left, height.min(self.y[1]));
            let (to, bottom) = self.position(left + width, 0.0);
            canvas.fill(Rect { left: from, top, width: to - from, height: bottom - top }, color);
        }
    }

    /// The outline of a histogram over the x limits.
    pub fn draw_steps(&self, canvas: &mut Canvas, heights: &[f64], color: RGBColor) {
        let width = (self.x[1] - self.x[0]) / heights.len() as f64;
        let mut corners = vec![(self.x[0], 0.0)];
        for (i, &height) in heights.iter().enumerate() {
            let left = self.x[0] + i as f64 * width;
            corners.extend([(left, height), ((left + width).min(self.x[1]), height)]);
        }
        corners.push((self.x[1], 0.0));
        self.draw_curve(canvas, &corners, color);
    }
}

/// Which of `rows` rows to draw: all, or `most` spread over them.
fn chosen(rows: usize, most: usize) -> Vec<usize> {
    if rows <= most {
        return (0..rows).collect();
    }
    // Multiples of the golden ratio: even steps would see only one half of rows that alternate.
    (1..=most).map(|i| ((i as f64 * 0.618_033_988_749_895).fract() * rows as f64) as usize).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn alternating_rows_are_drawn_evenly() {
        assert_eq!(chosen(3, 10), [0, 1, 2]);
        let rows = chosen(20_000, 6_000);
        let even = rows.iter().filter(|&&row| row % 2 == 0).count();
        assert!(rows.len() == 6_000 && rows.iter().all(|&row| row < 20_000) && even.abs_diff(3_000) < 100, "{even}");
    }
}
