//! The shapes of a chart's single points.

use plotters::style::RGBAColor;

use super::super::canvas::{Canvas, Position};

/// Shape of a mark: tells apart series of one colour.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Mark {
    #[default]
    Disc,
    Square,
    Diamond,
}

/// In the order in which they are taken.
pub(super) const MARKS: [Mark; 3] = [Mark::Disc, Mark::Square, Mark::Diamond];

/// Radius of a disc; the others have about its area.
const RADIUS: f64 = 4.0;

impl Mark {
    /// Draws one around each of `positions`.
    pub fn draw(self, canvas: &mut Canvas, positions: impl IntoIterator<Item = Position>, color: RGBAColor) {
        let (square, diamond) = (0.9 * RADIUS, 1.3 * RADIUS);
        let corners = match self {
            Self::Disc => return canvas.discs(positions, RADIUS, color),
            Self::Square => [(-square, -square), (square, -square), (square, square), (-square, square)],
            Self::Diamond => [(0.0, -diamond), (diamond, 0.0), (0.0, diamond), (-diamond, 0.0)],
        };
        for (x, y) in positions {
            canvas.polygon(&corners.map(|(right, down)| (x + right, y + down)), color);
        }
    }
}
