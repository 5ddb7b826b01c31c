//! A panel with two axes: from numbers to positions on the canvas, with a frame, ticks and names.

use plotters::style::RGBColor;

use super::canvas::{Across, Along, CAPITAL, Canvas, FAINT, INK, Lettering, Rect, fitted, text_width};
use super::ticks::{Tick, ticks};

/// Font sizes, in pixels.
pub(super) const TITLE: f64 = 24.0;
pub(super) const NAME: f64 = 20.0;
pub(super) const NUMBER: f64 = 16.0;

const TICK_LENGTH: f64 = 5.0;
/// How far the numbers of the x axis may stick out of their panel.
const OVERHANG: f64 = 5.0;
const GAP: f64 = 6.0;
/// What a panel needs below its frame, or above it, for numbers and the axis name.
pub(super) const BELOW: f64 = 58.0;
/// How much of that lies beyond the name's upper edge, or its lower one above the panel.
const BENEATH_NAME: f64 = 26.0;
/// Between the numbers of the y axis and its name's middle.
const NAME_OFFSET: f64 = 18.0;
/// Between the left end of the picture and the middle of the y axis' name.
pub(super) const NAME_MIDDLE: f64 = NAME / 2.0 + 8.0;
/// Beyond this ratio of the two ranges, equal units on both axes would leave a strip.
const STEEPEST_ASPECT: f64 = 4.0;

/// A drawing area with its limits, in data units.
#[derive(Clone, Copy, Debug)]
pub(super) struct Panel {
    pub frame: Rect,
    pub x: [f64; 2],
    pub y: [f64; 2],
}

/// How much of an x axis is drawn.
#[derive(Clone, Copy, Debug)]
pub(super) enum XAxis<'a> {
    /// Ticks at round numbers, numbers and a name.
    Named(&'a str),
    /// Just these ticks, for scales that are not linear; their numbers where there is a name, else the panel below has them.
    Marked(Option<&'a str>, &'a [Tick]),
    /// Ticks alone: the panel below has the numbers.
    Shared,
    /// As `Named`, with numbers and name above the panel: its lower edge, which has ticks too, is where something else begins.
    Above(&'a str),
    /// As `Named`, with ticks at the upper edge too, where something else ends.
    Below(&'a str),
}

/// How much of a y axis is drawn.
#[derive(Clone, Copy, Debug)]
pub(super) enum YAxis<'a> {
    /// Ticks, numbers and a name.
    Named(&'a str),
    /// Just these ticks, as on an x axis.
    Marked(Option<&'a str>, &'a [Tick]),
    /// Ticks alone: the panel to the left has the numbers.
    Shared,
    /// Nothing: the height means nothing to the reader.
    Bare,
}

impl Panel {
    pub fn position(&self, x: f64, y: f64) -> (f64, f64) {
        let share = |value: f64, [low, high]: [f64; 2]| (value - low) / (high - low);
        (
            self.frame.left + share(x, self.x) * self.frame.width,
            self.frame.bottom() - share(y, self.y) * self.frame.height,
        )
    }

    /// Within the limits; never for NaN.
    pub fn contains(&self, x: f64, y: f64) -> bool {
        (self.x[0]..=self.x[1]).contains(&x) && (self.y[0]..=self.y[1]).contains(&y)
    }

    /// Ticks of the x axis at round numbers that fit side by side.
    pub fn x_ticks(&self) -> Vec<Tick> {
        // The labels themselves decide how many stand side by side.
        (2..=((self.frame.width / 40.0) as usize).clamp(2, 9))
            .rev()
            .map(|at_most| ticks(self.x, at_most))
            .find(|ticks| {
                let widest = ticks.iter().map(|tick| text_width(&tick.label, NUMBER)).fold(0.0, f64::max);
                let room = self.frame.width / (ticks.len().max(2) as f64);
                widest + 10.0 <= room
            })
            .unwrap_or_default()
    }

    /// Ticks of the y axis at round numbers.
    pub fn y_ticks(&self) -> Vec<Tick> {
        ticks(self.y, ((self.frame.height / 36.0) as usize).clamp(2, 9))
    }

    /// The frame with its axes.
    pub fn draw_axes(&self, canvas: &mut Canvas, x_axis: XAxis<'_>, y_axis: YAxis<'_>) {
        let frame = self.frame;
        let (y_name, y_ticks) = match y_axis {
            YAxis::Named(name) => (Some(name), self.y_ticks()),
            YAxis::Marked(name, ticks) => (name, ticks.to_vec()),
            YAxis::Shared => (None, self.y_ticks()),
            YAxis::Bare => (None, Vec::new()),
        };
        let (left, right, top, bottom) = (frame.left, frame.right(), frame.top, frame.bottom());
        canvas.frame(frame);
        let (x_name, x_ticks) = match x_axis {
            XAxis::Named(name) | XAxis::Above(name) | XAxis::Below(name) => (Some(name), self.x_ticks()),
            XAxis::Marked(name, ticks) => (name, ticks.to_vec()),
            XAxis::Shared => (None, self.x_ticks()),
        };
        // Upper edges of the numbers and of the name.
        let (numbers, names) = match x_axis {
            XAxis::Above(_) => {
                (top - TICK_LENGTH - GAP - CAPITAL * NUMBER, top - BELOW + BENEATH_NAME - CAPITAL * NAME)
            }
            _ => (bottom + TICK_LENGTH + GAP, bottom + BELOW - BENEATH_NAME),
        };
        let mut taken = f64::NEG_INFINITY;
        for tick in x_ticks {
            let (x, _) = self.position(tick.value, self.y[0]);
            canvas.rule((x, bottom), (x, bottom + TICK_LENGTH));
            if let XAxis::Above(_) | XAxis::Below(_) = x_axis {
                canvas.rule((x, top - TICK_LENGTH), (x, top));
            }
            // A number that sticks out further could meet one of the next panel.
            let half = text_width(&tick.label, NUMBER) / 2.0;
            let inside = x - half > left - OVERHANG && x + half < right + OVERHANG;
            if x_name.is_some() && inside && x - half > taken {
                taken = x + half + GAP;
                canvas.text(&tick.label, Lettering::new(NUMBER, Along::Middle, Across::Top), (x, numbers));
            }
        }
        let mut widest: f64 = 0.0;
        for tick in y_ticks {
            let (_, y) = self.position(self.x[0], tick.value);
            canvas.rule((left - TICK_LENGTH, y), (left, y));
            if y_name.is_some() {
                widest = widest.max(text_width(&tick.label, NUMBER));
                let beside = left - TICK_LENGTH - GAP;
                canvas.text(&tick.label, Lettering::new(NUMBER, Along::End, Across::Middle), (beside, y));
            }
        }
        if let Some(name) = x_name {
            let name = fitted(name, NAME, frame.width);
            canvas.text(&name, Lettering::new(NAME, Along::Middle, Across::Top), (left + frame.width / 2.0, names));
        }
        if let Some(name) = y_name {
            let name = fitted(name, NAME, frame.height);
            let position = (left - TICK_LENGTH - GAP - widest - NAME_OFFSET, top + frame.height / 2.0);
            let lettering = Lettering { upwards: true, ..Lettering::new(NAME, Along::Middle, Across::Middle) };
            canvas.text(&name, lettering, position);
        }
    }
}

/// What a panel of this height needs left of its frame for numbers and the axis name, in whole pixels.
pub(super) fn room_left(y: [f64; 2], height: f64) -> f64 {
    let panel = Panel { frame: Rect { left: 0.0, top: 0.0, width: 1.0, height }, x: [0.0, 1.0], y };
    room_beside(&panel.y_ticks())
}

/// The same, where the y axis has these ticks.
pub(super) fn room_beside(ticks: &[Tick]) -> f64 {
    let widest = ticks.iter().map(|tick| text_width(&tick.label, NUMBER)).fold(0.0, f64::max);
    (TICK_LENGTH + GAP + widest + NAME_OFFSET + NAME_MIDDLE).ceil()
}

/// Width and height of a panel within a square of side `most`: equal units on both axes, unless their ranges differ so
/// much (more than fourfold) that a square shows more.
pub(super) fn plane_size(x: [f64; 2], y: [f64; 2], most: f64) -> (f64, f64) {
    let aspect = (x[1] - x[0]) / (y[1] - y[0]);
    match aspect {
        wide if (1.0..=STEEPEST_ASPECT).contains(&wide) => (most, (most / wide).round()),
        tall if (1.0 / STEEPEST_ASPECT..1.0).contains(&tall) => ((most * tall).round(), most),
        _ => (most, most),
    }
}

/// A title, its middle left out where it is wider than `width`.
pub(super) fn draw_title(canvas: &mut Canvas, title: &str, at: (f64, f64), width: f64) {
    canvas.text(&fitted(title, TITLE, width), Lettering::new(TITLE, Along::Start, Across::Middle), at)
}

/// A row of coloured marks with their names, ending at `at`.
pub(super) fn draw_legend(canvas: &mut Canvas, entries: &[(&str, RGBColor)], at: (f64, f64)) {
    let (mut right, middle) = at;
    for (name, color) in entries.iter().rev() {
        let lettering = Lettering { color: INK, ..Lettering::new(NUMBER, Along::End, Across::Middle) };
        canvas.text(name, lettering, (right, middle));
        right -= text_width(name, NUMBER) + 8.0;
        let mark = Rect { left: right - 14.0, top: middle - 5.0, width: 14.0, height: 10.0 };
        canvas.fill(mark, *color);
        right -= 14.0 + 18.0;
    }
}

/// A remark in small, faint letters, ending at `at`.
pub(super) fn draw_remark(canvas: &mut Canvas, remark: &str, at: (f64, f64)) {
    canvas.text(remark, Lettering { color: FAINT, ..Lettering::new(NUMBER, Along::End, Across::Middle) }, at)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_map_to_the_corners_of_the_frame() {
        let frame = Rect { left: 10.0, top: 20.0, width: 100.0, height: 50.0 };
        let panel = Panel { frame, x: [-1.0, 1.0], y: [0.0, 4.0] };
        for ((x, y), position) in [((-1.0, 0.0), (10.0, 70.0)), ((1.0, 4.0), (110.0, 20.0)), ((0.0, 2.0), (60.0, 45.0))]
        {
            assert_eq!(panel.position(x, y), position);
        }
        assert!(!panel.contains(f64::NAN, 1.0) && !panel.contains(0.0, 4.1) && panel.contains(1.0, 4.0));
    }

    #[test]
    fn similar_ranges_get_equal_units_and_others_a_square() {
        for (x, y, size) in [
            ([0.0, 2.0], [0.0, 1.0], (600.0, 300.0)),
            ([0.0, 1.0], [0.0, 3.0], (200.0, 600.0)),
            ([0.0, 1000.0], [0.0, 1.0], (600.0, 600.0)),
            ([0.0, 1.0], [0.0, 1000.0], (600.0, 600.0)),
        ] {
            assert_eq!(plane_size(x, y, 600.0), size);
        }
    }
}
