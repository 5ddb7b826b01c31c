//! Series over one x axis, with a legend beside them.

use plotters::style::{Color, RGBColor};

use super::super::ReportError;
use super::super::axes::{BELOW, NUMBER, Panel, TITLE, XAxis, YAxis, draw_title, room_left};
use super::super::canvas::{Across, Along, Canvas, FAINT, Lettering, Rect, fitted, text_width};
use super::super::ticks::{Tick, log_ticks};

/// Colours that the colour-blind tell apart (Okabe and Ito, Color Universal Design, 2008), without those too light for
/// white paper.
pub(super) const COLORS: [RGBColor; 7] = [
    RGBColor(0, 114, 178),
    RGBColor(213, 94, 0),
    RGBColor(0, 158, 115),
    RGBColor(204, 121, 167),
    RGBColor(230, 159, 0),
    RGBColor(86, 180, 233),
    RGBColor(90, 60, 30),
];
/// What stands behind the named series.
pub(super) const BEHIND: RGBColor = RGBColor(196, 198, 204);

/// How x values lie along their axis.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Scale {
    Linear,
    /// Positive values, at their logarithm.
    Log,
    /// The i-th word at x = i.
    Words(Vec<String>),
}

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
    /// `(x, y)`, a disc each.
    pub dots: Vec<(f64, f64)>,
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
    pub(super) y: [f64; 2],
    /// The first one lies on top of the others.
    pub(super) series: Vec<Series>,
    /// What the reader must know, below the legend.
    pub(super) notes: Vec<String>,
}

/// A drawn chart.
pub struct Drawn {
    pub png: Vec<u8>,
    pub svg: String,
}

const WIDTH: f64 = 720.0;
const HEIGHT: f64 = 460.0;
/// Widest legend.
const LEGEND: f64 = 400.0;
const LINE_HEIGHT: f64 = 24.0;

impl Chart {
    /// Draws it.
    ///
    /// # Errors
    /// Where the drawing library refuses.
    pub fn draw(&self) -> Result<Drawn, ReportError> {
        let mut canvas = Canvas::new(1.0, 1.0)?;
        let head = TITLE + 36.0;
        let left = room_left(self.y, HEIGHT);
        let beside = left + WIDTH + 20.0;
        let named: Vec<&Series> = self.series.iter().filter(|series| !series.name.is_empty()).collect();
        let texts = named.iter().map(|series| &series.name).chain(&self.notes);
        let widest = texts.map(|text| text_width(text, NUMBER)).fold(0.0, f64::max).min(LEGEND);
        let legend = if widest > 0.0 { widest + 46.0 } else { 16.0 };
        canvas.resize(beside + legend, head + HEIGHT + BELOW + 12.0);

        let (x, ticks) = self.x_axis();
        let frame = Rect { left, top: head, width: WIDTH, height: HEIGHT };
        let panel = Panel { frame, x, y: self.y };
        for series in self.series.iter().rev() {
            self.draw_series(&mut canvas, &panel, series);
        }
        let x_axis = ticks.as_ref().map_or(XAxis::Named(&self.x_name), |ticks| XAxis::Marked(&self.x_name, ticks));
        panel.draw_axes(&mut canvas, x_axis, YAxis::Named(&self.y_name));
        draw_title(&mut canvas, &self.title, (left, 26.0), WIDTH + legend);
        let mut y = head + 10.0;
        for series in named {
            canvas.fill(Rect { left: beside, top: y - 5.0, width: 14.0, height: 10.0 }, series.color);
            let name = fitted(&series.name, NUMBER, LEGEND);
            canvas.text(&name, Lettering::new(NUMBER, Along::Start, Across::Middle), (beside + 22.0, y));
            y += LINE_HEIGHT;
        }
        for note in &self.notes {
            let lettering = Lettering { color: FAINT, ..Lettering::new(NUMBER, Along::Start, Across::Middle) };
            canvas.text(&fitted(note, NUMBER, LEGEND), lettering, (beside, y));
            y += LINE_HEIGHT;
        }
        Ok(Drawn { png: canvas.finish("chart")?.png, svg: canvas.svg()? })
    }

    fn draw_series(&self, canvas: &mut Canvas, panel: &Panel, series: &Series) {
        let within = |y: f64| y.clamp(panel.y[0], panel.y[1]);
        if !series.band.is_empty() {
            let low = series.band.iter().map(|&(x, low, _)| panel.place(self.along(x), within(low)));
            let high = series.band.iter().rev().map(|&(x, _, high)| panel.place(self.along(x), within(high)));
            canvas.polygon(&low.chain(high).collect::<Vec<_>>(), series.color.mix(0.18));
        }
        let line: Vec<_> = series.line.iter().map(|&(x, y)| (self.along(x), y)).collect();
        panel.draw_curve(canvas, &line, series.color);
        for &(x, low, high) in &series.bars {
            let ends = [low, high].map(|y| panel.place(self.along(x), within(y)));
            canvas.line(&ends, 1.5, series.color);
        }
        let dots = series.dots.iter().map(|&(x, y)| (self.along(x), y)).filter(|&(x, y)| panel.contains(x, y));
        canvas.discs(dots.map(|(x, y)| panel.place(x, y)), 4.0, series.color.to_rgba());
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
        let all = all.map(|x| self.along(x)).filter(|x| x.is_finite());
        let (low, high) = all.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), x| (low.min(x), high.max(x)));
        if low > high {
            return ([0.0, 1.0], None);
        }
        let spread = if high > low { high - low } else { low.abs().max(1.0) };
        // Curves fill the frame but for the last number below them; dots need room.
        let share = if self.series.iter().any(|it| !it.dots.is_empty()) { 0.06 } else { 0.025 };
        let limits = [low - share * spread, high + share * spread];
        (limits, (self.scale == Scale::Log).then(|| log_ticks(limits)))
    }
}
