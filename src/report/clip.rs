//! What of a line or a surface lies within a panel, in data units. Nothing is moved: what is outside is cut off where it crosses
//! the edge.

use super::axes::Panel;

pub(super) type Point = (f64, f64);

/// Beyond this a number is drawn like the end of the scale: differences of such numbers are still finite.
const MOST: f64 = f64::MAX / 4.0;

impl Panel {
    /// The parts within the panel of the line through `points`, in their order. A point that is not a finite number breaks the
    /// line.
    pub fn pieces(&self, points: &[Point]) -> Vec<Vec<Point>> {
        let mut pieces: Vec<Vec<Point>> = Vec::new();
        for run in points.split(|(x, y)| !(x.is_finite() && y.is_finite())) {
            let mut joined = false;
            for pair in run.windows(2) {
                let Some((from, to)) = self.segment(pair[0], pair[1]) else {
                    joined = false;
                    continue;
                };
                match pieces.last_mut().filter(|_| joined) {
                    Some(piece) => piece.push(to),
                    None => pieces.push(vec![from, to]),
                }
                joined = to == pair[1];
            }
        }
        pieces
    }

    /// The part within the panel of the straight line between two points (Liang and Barsky, 1984).
    pub fn segment(&self, from: Point, to: Point) -> Option<(Point, Point)> {
        let [from, to] = [from, to].map(|(x, y)| (x.clamp(-MOST, MOST), y.clamp(-MOST, MOST)));
        let (dx, dy) = (to.0 - from.0, to.1 - from.1);
        let (mut enters, mut leaves) = (0.0f64, 1.0f64);
        for (start, change, [low, high]) in [(from.0, dx, self.x), (from.1, dy, self.y)] {
            if change == 0.0 {
                if !(low..=high).contains(&start) {
                    return None;
                }
                continue;
            }
            let (one, other) = ((low - start) / change, (high - start) / change);
            enters = enters.max(one.min(other));
            leaves = leaves.min(one.max(other));
        }
        let at = |share: f64| match share {
            0.0 => from,
            1.0 => to,
            _ => (from.0 + share * dx, from.1 + share * dy),
        };
        (enters <= leaves).then(|| (at(enters), at(leaves)))
    }

    /// The part within the panel of the surface with these corners (Sutherland and Hodgman, 1974); empty where there is none.
    pub fn surface(&self, corners: &[Point]) -> Vec<Point> {
        let finite = corners.iter().filter(|(x, y)| x.is_finite() && y.is_finite());
        let mut corners: Vec<Point> = finite.map(|&(x, y)| (x.clamp(-MOST, MOST), y.clamp(-MOST, MOST))).collect();
        // How far a point lies beyond each edge; both coordinates change evenly along a side.
        let beyond: [&dyn Fn(Point) -> f64; 4] =
            [&|(x, _)| self.x[0] - x, &|(x, _)| x - self.x[1], &|(_, y)| self.y[0] - y, &|(_, y)| y - self.y[1]];
        for beyond in beyond {
            let mut kept = Vec::new();
            for (i, &corner) in corners.iter().enumerate() {
                let before = corners[(i + corners.len() - 1) % corners.len()];
                let (there, here) = (beyond(before), beyond(corner));
                if (there > 0.0) != (here > 0.0) {
                    let share = there / (there - here);
                    kept.push((before.0 + share * (corner.0 - before.0), before.1 + share * (corner.1 - before.1)));
                }
                if here <= 0.0 {
                    kept.push(corner);
                }
            }
            corners = kept;
        }
        corners
    }
}

#[cfg(test)]
mod tests {
    use super::super::canvas::Rect;
    use super::*;

    const PANEL: Panel =
        Panel { frame: Rect { left: 0.0, top: 0.0, width: 10.0, height: 10.0 }, x: [0.0, 10.0], y: [0.0, 2.0] };

    #[test]
    fn a_line_ends_where_it_crosses_the_edge() {
        let cases: [(&[Point], &[&[Point]]); 7] = [
            (&[(0.0, 1.0), (5.0, 1.5)], &[&[(0.0, 1.0), (5.0, 1.5)]]),
            // From 4 down to 0 within 4: enters at half the way.
            (&[(0.0, 4.0), (4.0, 0.0), (8.0, 1.0)], &[&[(2.0, 2.0), (4.0, 0.0), (8.0, 1.0)]]),
            // Out through the top and back.
            (&[(0.0, 1.0), (2.0, 3.0), (4.0, 1.0)], &[&[(0.0, 1.0), (1.0, 2.0)], &[(3.0, 2.0), (4.0, 1.0)]]),
            // Never measured within: no plateau along the edge.
            (&[(0.0, 3.0), (5.0, 9.0)], &[]),
            (&[(0.0, 1.0), (1.0, f64::NAN), (2.0, 1.0), (3.0, 1.0)], &[&[(2.0, 1.0), (3.0, 1.0)]]),
            (&[(0.0, 1.0), (1.0, 1.0), (2.0, f64::INFINITY)], &[&[(0.0, 1.0), (1.0, 1.0)]]),
            // Both ends outside, the middle inside.
            (&[(-5.0, 1.0), (15.0, 1.0)], &[&[(0.0, 1.0), (10.0, 1.0)]]),
        ];
        for (points, expected) in cases {
            assert_eq!(PANEL.pieces(points), expected, "{points:?}");
        }
    }

    #[test]
    fn a_surface_keeps_the_area_that_it_has_within() {
        let area = |corners: &[Point]| -> f64 {
            let next = corners.iter().cycle().skip(1);
            corners.iter().zip(next).map(|(a, b)| a.0 * b.1 - b.0 * a.1).sum::<f64>().abs() / 2.0
        };
        // A triangle with its tip at 4: above 2 lies a quarter of its area.
        let triangle = [(0.0, 0.0), (8.0, 0.0), (4.0, 4.0)];
        assert!((area(&PANEL.surface(&triangle)) - 12.0).abs() < 1e-12);
        assert_eq!(PANEL.surface(&[(0.0, 3.0), (5.0, 3.0), (5.0, 4.0)]), []);
        assert!(area(&PANEL.surface(&[(0.0, 0.0), (10.0, 0.0), (10.0, 2.0), (0.0, f64::MAX)])).is_finite());
    }
}
