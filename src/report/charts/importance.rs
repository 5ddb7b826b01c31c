//! What explains a metric: a bar for every setting, and for the strongest pairs.

use plotters::style::{Color, RGBColor};

use super::Figure;
use super::chart::{BEHIND, COLORS};
use crate::importance::Share;
use crate::report::ReportError;
use crate::report::axes::{NUMBER, TITLE, draw_title};
use crate::report::canvas::{Across, Along, Canvas, FAINT, INK, Lettering, Rect, fitted, text_width};
use crate::report::importance::Explained;

/// Height of a line, and of the bar in it.
const LINE: f64 = 34.0;
const BAR: f64 = 18.0;
/// Length of a bar that explains everything that the longest does.
const LENGTH: f64 = 420.0;
/// Widest name.
const NAME: f64 = 340.0;
const MARGIN: f64 = 16.0;

/// One bar for each setting, in blue, the most important first, and below them one for each of the strongest pairs, in orange;
/// whiskers: ± standard deviation over trees.
///
/// # Errors
/// Where there is no font.
pub fn importance_figure(title: &str, explained: &Explained) -> Result<Figure, ReportError> {
    let alone = explained.order.iter().map(|&it| (explained.settings[it].name.clone(), explained.alone[it], COLORS[0]));
    let pairs = explained.strongest().map(|(pair, share)| (explained.pair_name(*pair), *share, COLORS[1]));
    let bars: Vec<(String, Share, RGBColor)> = alone.chain(pairs).collect();
    // Created first: it makes the font known, which the layout measures.
    let mut canvas = Canvas::new(1.0, 1.0)?;
    let widest = bars.iter().map(|(name, ..)| text_width(name, NUMBER)).fold(0.0, f64::max).min(NAME);
    let left = (MARGIN + widest + 12.0).ceil();
    let longest = bars.iter().map(|(_, share, _)| share.mean + share.deviation).fold(1e-9, f64::max);
    let head = if title.is_empty() { 12.0 } else { TITLE + 30.0 };
    let foot = head + LINE * bars.len() as f64;
    canvas.resize(left + LENGTH + 84.0, foot + 2.0 * NUMBER + 26.0);
    let at = |share: f64| left + share.max(0.0) / longest * LENGTH;
    for (i, (name, Share { mean, deviation }, color)) in bars.iter().enumerate() {
        let middle = head + LINE * (i as f64 + 0.5);
        let name = fitted(name, NUMBER, NAME);
        canvas.text(&name, Lettering::new(NUMBER, Along::End, Across::Middle), (left - 10.0, middle));
        let (top, width) = (middle - BAR / 2.0, at(*mean) - left);
        let corners = [(left, top), (left + width, top), (left + width, top + BAR), (left, top + BAR)];
        canvas.polygon(&corners, color.mix(0.85));
        let ends = [at(mean - deviation), at(mean + deviation)];
        canvas.line(&[(ends[0], middle), (ends[1], middle)], 1.5, INK);
        for end in ends {
            canvas.line(&[(end, middle - 4.0), (end, middle + 4.0)], 1.5, INK);
        }
        let percent = match 100.0 * mean {
            little if little < 0.95 => format!("{little:.1} %"),
            more => format!("{more:.0} %"),
        };
        canvas.text(&percent, Lettering::new(NUMBER, Along::Start, Across::Middle), (ends[1] + 10.0, middle));
    }
    canvas.fill(Rect { left: left - 1.0, top: head, width: 1.0, height: foot - head }, BEHIND);
    let metric = explained.comparison.metric.head;
    let faint = |canvas: &mut Canvas, text: &str, line: f64| {
        let lettering = Lettering { color: FAINT, ..Lettering::new(NUMBER, Along::Start, Across::Middle) };
        let text = fitted(text, NUMBER, LENGTH + 60.0);
        canvas.text(&text, lettering, (left, foot + 18.0 + line * (NUMBER + 4.0)));
    };
    let trials = explained.observations.values.len();
    faint(&mut canvas, &format!("share of the variance of {metric} over {trials} trials"), 0.0);
    faint(&mut canvas, "whiskers: standard deviation over trees; orange: pairs, beyond both alone", 1.0);
    draw_title(&mut canvas, title, (MARGIN, 26.0), left + LENGTH + 50.0);
    let words: Vec<String> =
        bars.iter().map(|(name, share, _)| format!("{name} {:.0} %", 100.0 * share.mean)).collect();
    let description = format!("Share of the variance of {metric} that settings explain: {}", words.join(", "));
    Ok(Figure { stem: "importance".into(), description, canvas })
}
