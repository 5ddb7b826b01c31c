//! Series over one x axis, with a legend beside them.

use plotters::style::{Color, RGBColor};

use super::super::ReportError;
use super::super::axes::{BELOW, NUMBER, Panel, TITLE, XAxis, YAxis, draw_title, room_left};
use super::super::canvas::{Across, Along, Canvas, FAINT, Lettering, Rect, fitted, text_width};
use super::super::ticks::{MOST_LOG_TICKS, Tick, log_ticks};
use super::mark::{MARKS, Mark};
use super::scale::Scale;
use crate::quantity::number;

/// Colours that the colour-blind tell apart (Okabe and Ito, Color Universal Design, 2008), without those too light for
/// white paper.
pub(in crate::report) const COLORS: [RGBColor; 7] = [
    RGBColor(0, 114, 178),
    RGBColor(213, 94, 0),
    RGBColor(0, 158, 115),
    RGBColor(204, 121, 167),
    RGBColor(230, 159, 0),
    RGBColor(86, 180, 233),
    RGBColor(90, 60, 30),
];
/// Colour and mark of the trial at this place, best first, the same in all charts: where the colours are used up they begin again
/// with another mark.
pub(super) fn look(place: usize) -> (RGBColor, Mark) {
    (COLORS[place % COLORS.len()], MARKS[place / COLORS.len() % MARKS.len()])
}

/// What stands behind the named series.
pub(super) const BEHIND: RGBColor = RGBColor(196, 198, 204);

/// What belongs together in a chart; data units.
#[derive(Clone, Debug, Default)]
pub(super) struct Series {
    /// In the legend, where there is a name.
    pub name: String,
    pub color: RGBColor,
    /// `(x, y)`, joined.
    pub line: Vec<(f64, f64)>,
    /// `(x, low, high)`, shaded between.
    pub band: Vec<(f64, f64, f64)>,
    /// `(x, y)`, a mark each.
    pub dots: Vec<(f64, f64)>,
    pub mark: Mark,
    /// `(x, low, high)`, a vertical line each.
    pub bars: Vec<(f64, f64, f64)>,
}

/// A chart that is not drawn yet.
#[derive(Clone, Debug)]
pub struct Chart {
    /// Stem of its file.
    pub stem: String,
    pub(super) title: String,
    pub(super) x_name: String,
    pub(super) y_name: String,
    pub(super) scale: Scale,
    /// x values that stand below the axis; where there are none, round numbers do.
    pub(super) marked: Vec<(f64, String)>,
    /// The x axis begins here, where it would begin later.
    pub(super) begins: Option<f64>,
    pub(super) y: [f64; 2],
    /// The first one lies on top of the others.
    pub(super) series: Vec<Series>,
    /// What the reader must know, below the legend.
    pub(super) notes: Vec<String>,
}

/// A drawn chart.
pub struct Drawn {
    /// The chart as pixels: the bytes of a PNG file.
    pub png: Vec<u8>,
    /// The chart as lines and text: an SVG document.
    pub svg: String,
}

/// Width and height of a frame, unless a page has less room.
pub(in crate::report) const SIZE: [f64; 2] = [720.0, 460.0];
/// Widest legend.
const LEGEND: f64 = 400.0;
const LINE_HEIGHT: f64 = 24.0;
/// Half the width of an arrow, and its height.
const ARROW: [f64; 2] = [6.0, 11.0];

impl Chart {
    /// Draws it.
    ///
    /// # Errors
    /// Where the drawing library refuses.
    pub fn draw(&self) -> Result<Drawn, ReportError> {
        let canvas = self.canvas(SIZE)?;
        Ok(Drawn { png: canvas.finish("chart")?.png, svg: canvas.svg()? })
    }

    /// Draws it as an SVG document alone, with a frame of `size`: width and height in pixels.
    ///
    /// # Errors
    /// Where the drawing library refuses.
    pub(in crate::report) fn svg(&self, size: [f64; 2]) -> Result<String, ReportError> {
        self.canvas(size)?.svg()
    }

    /// What it shows, in words.
    pub(in crate::report) fn description(&self) -> String {
        format!("{} over {}", self.y_name, self.x_name)
    }

    /// Limits of its y axis.
    pub(in crate::report) fn limits(&self) -> [f64; 2] {
        self.y
    }

    fn canvas(&self, [width, height]: [f64; 2]) -> Result<Canvas, ReportError> {
        let mut canvas = Canvas::new(1.0, 1.0)?;
        let head = if self.title.is_empty() { 12.0 } else { TITLE + 36.0 };
        let left = room_left(self.y, height);
        let beside = left + width + 20.0;
        let named: Vec<&Series> = self.series.iter().filter(|series| !series.name.is_empty()).collect();
        let notes: Vec<String> = self.notes.iter().cloned().chain(self.outside_note()).collect();
        let texts = named.iter().map(|series| &series.name).chain(&notes);
        let widest = texts.map(|text| text_width(text, NUMBER)).fold(0.0, f64::max).min(LEGEND);
        let legend = if widest > 0.0 { widest + 46.0 } else { 16.0 };
        canvas.resize(beside + legend, head + height + BELOW + 12.0);

        let (x, ticks) = self.x_axis();
        let frame = Rect { left, top: head, width, height };
        let panel = Panel { frame, x, y: self.y };
        // All surfaces lie below all lines, and arrows on top.
        for draw in [Self::draw_band, Self::draw_lines] {
            self.series.iter().rev().for_each(|series| draw(self, &mut canvas, &panel, series));
        }
        self.draw_arrows(&mut canvas, &panel);
        let x_name = format!("{}{}", self.x_name, if self.scale == Scale::Log { " (logarithmic)" } else { "" });
        let x_axis = ticks.as_ref().map_or(XAxis::Named(&x_name), |ticks| XAxis::Marked(Some(&x_name), ticks));
        panel.draw_axes(&mut canvas, x_axis, YAxis::Named(&self.y_name));
        draw_title(&mut canvas, &self.title, (left, 26.0), width + legend);
        let mut y = head + 10.0;
        for series in named {
            match series.line.is_empty() {
                true => series.mark.draw(&mut canvas, [(beside + 7.0, y)], series.color.to_rgba()),
                false => canvas.fill(Rect { left: beside, top: y - 5.0, width: 14.0, height: 10.0 }, series.color),
            }
            let name = fitted(&series.name, NUMBER, LEGEND);
            canvas.text(&name, Lettering::new(NUMBER, Along::Start, Across::Middle), (beside + 22.0, y));
            y += LINE_HEIGHT;
        }
        for note in &notes {
            let lettering = Lettering { color: FAINT, ..Lettering::new(NUMBER, Along::Start, Across::Middle) };
            canvas.text(&fitted(note, NUMBER, LEGEND), lettering, (beside, y));
            y += LINE_HEIGHT;
        }
        Ok(canvas)
    }

    fn draw_band(&self, canvas: &mut Canvas, panel: &Panel, series: &Series) {
        let low = series.band.iter().map(|&(x, low, _)| (self.along(x), low));
        let high = series.band.iter().rev().map(|&(x, _, high)| (self.along(x), high));
        let corners = panel.surface(&low.chain(high).collect::<Vec<_>>());
        if !corners.is_empty() {
            let positions: Vec<_> = corners.into_iter().map(|(x, y)| panel.position(x, y)).collect();
            canvas.polygon(&positions, series.color.mix(0.16));
        }
    }

    fn draw_lines(&self, canvas: &mut Canvas, panel: &Panel, series: &Series) {
        let line: Vec<_> = series.line.iter().map(|&(x, y)| (self.along(x), y)).collect();
        panel.draw_curve(canvas, &line, series.color);
        for &(x, low, high) in &series.bars {
            if let Some((from, to)) = panel.segment((self.along(x), low), (self.along(x), high)) {
                canvas.line(&[panel.position(from.0, from.1), panel.position(to.0, to.1)], 1.5, series.color);
            }
        }
        let dots = series.dots.iter().map(|&(x, y)| (self.along(x), y)).filter(|&(x, y)| panel.contains(x, y));
        series.mark.draw(canvas, dots.map(|(x, y)| panel.position(x, y)), series.color.to_rgba());
    }

    /// What the frame does not show and an arrow stands for: dots above or below it, and lines that end there.
    fn outside<'a>(&'a self, series: &'a Series) -> impl Iterator<Item = (f64, f64)> + 'a {
        let is_finite = |point: &(f64, f64)| point.0.is_finite() && point.1.is_finite();
        let end = series.line.iter().copied().rfind(is_finite);
        let mut points: Vec<(f64, f64)> = series.dots.iter().copied().filter(is_finite).chain(end).collect();
        // A line may end in a dot.
        points.dedup();
        points.into_iter().filter(|point| !(self.y[0]..=self.y[1]).contains(&point.1))
    }

    fn draw_arrows(&self, canvas: &mut Canvas, panel: &Panel) {
        const STEP: f64 = 2.0 * ARROW[0] + 2.0;
        let mut taken: Vec<(f64, bool)> = Vec::new();
        for series in &self.series {
            for (x, y) in self.outside(series) {
                let up = y > panel.y[1];
                let (mut at, _) = panel.position(self.along(x), panel.y[0]);
                // Side by side where several leave at one position.
                while taken.iter().any(|&(other, is_up)| is_up == up && (other - at).abs() < STEP) {
                    at -= STEP;
                }
                taken.push((at, up));
                let (tip, base) = match up {
                    true => (panel.frame.top + 2.0, panel.frame.top + 2.0 + ARROW[1]),
                    false => (panel.frame.bottom() - 2.0, panel.frame.bottom() - 2.0 - ARROW[1]),
                };
                let corners = [(at - ARROW[0], base), (at, tip), (at + ARROW[0], base)];
                canvas.polygon(&corners, series.color.to_rgba());
            }
        }
    }

    /// Says what the arrows stand for.
    fn outside_note(&self) -> Option<String> {
        let values: Vec<f64> =
            self.series.iter().flat_map(|series| self.outside(series)).map(|point| point.1).collect();
        let low = values.iter().copied().reduce(f64::min)?;
        let high = values.iter().copied().reduce(f64::max)?;
        let values = if low == high { number(low) } else { format!("{} to {}", number(low), number(high)) };
        Some(format!("arrows: outside, at {values}"))
    }

    /// Where a value lies on the axis.
    fn along(&self, x: f64) -> f64 {
        if self.scale == Scale::Log { x.log10() } else { x }
    }

    /// Limits, with some room at both ends, and ticks where the scale is not linear.
    fn x_axis(&self) -> ([f64; 2], Option<Vec<Tick>>) {
        if let Scale::Words(words) = &self.scale {
            let tick = |(i, word): (usize, &String)| Tick { value: i as f64, label: word.clone() };
            return ([-0.5, words.len() as f64 - 0.5], Some(words.iter().enumerate().map(tick).collect()));
        }
        let all = self.series.iter().flat_map(|it| {
            let pairs = it.line.iter().chain(&it.dots).map(|&(x, _)| x);
            pairs.chain(it.band.iter().chain(&it.bars).map(|&(x, ..)| x))
        });
        let all = all.chain(self.begins).map(|x| self.along(x)).filter(|x| x.is_finite());
        let (low, high) = all.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), x| (low.min(x), high.max(x)));
        if low > high {
            return ([0.0, 1.0], None);
        }
        let spread = if high > low { high - low } else { low.abs().max(1.0) };
        // Curves fill the frame but for the last number below them; dots need room.
        let share = if self.series.iter().any(|it| !it.dots.is_empty()) { 0.06 } else { 0.025 };
        let limits = [low - share * spread, high + share * spread];
        let marked = self.marked.iter().map(|(x, label)| Tick { value: self.along(*x), label: label.clone() });
        let ticks = match (marked.collect::<Vec<Tick>>(), &self.scale) {
            (marked, _) if !marked.is_empty() => Some(marked),
            (_, Scale::Log) => Some(log_ticks(limits, MOST_LOG_TICKS)),
            _ => None,
        };
        (limits, ticks)
    }
}
