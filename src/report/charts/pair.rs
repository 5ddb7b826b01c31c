//! A metric over two settings, the mean over all others.

use super::Figure;
use super::scale::Scale;
use crate::report::ReportError;
use crate::report::axes::{NAME, NAME_MIDDLE, NUMBER, Panel, TITLE, XAxis, YAxis, draw_remark, draw_title};
use crate::report::canvas::{Across, Along, Canvas, INK, Lettering, Rect, fitted, text_width};
use crate::report::colormap::color;
use crate::report::importance::{Explained, Level, Setting};
use crate::report::ticks::{MOST_LOG_TICKS, Tick, log_ticks, ticks};

/// Side of the panel.
const SIDE: f64 = 440.0;
const BAR_GAP: f64 = 24.0;
const BAR: f64 = 18.0;
const BELOW: f64 = 58.0;
/// Widest word beside the panel.
const WORD: f64 = 180.0;

/// How the levels of a setting lie along an axis: its limits and ticks. Every level has a part of equal length.
struct Axis {
    limits: [f64; 2],
    ticks: Vec<Tick>,
    /// Whether it is in numbers, not in numbers of levels.
    is_range: bool,
}

/// The mean of the metric over the two settings that explain most together; bright is good, dots are trials. `None` where there is
/// one setting alone.
///
/// # Errors
/// Where there is no font.
pub fn pair_figure(title: &str, explained: &Explained) -> Result<Option<Figure>, ReportError> {
    let Some((pair, _)) = explained.pairs.first() else { return Ok(None) };
    // The more important of both lies along the paper.
    let [x, y] = if explained.alone[pair[0]].mean < explained.alone[pair[1]].mean { [pair[1], pair[0]] } else { *pair };
    let [along, up] = [x, y].map(|it| &explained.settings[it]);
    let (columns, rows) = (along.levels.len(), up.levels.len());
    let surface = explained.forest.surface(x, y);
    let metric = explained.comparison.metric;
    let low = surface.iter().copied().fold(f64::INFINITY, f64::min);
    let high = surface.iter().copied().fold(f64::NEG_INFINITY, f64::max).max(low + f64::MIN_POSITIVE);
    let tone = |value: f64| {
        let share = (value - low) / (high - low);
        color(if metric.larger_is_better { share } else { 1.0 - share })
    };
    let mut canvas = Canvas::new(1.0, 1.0)?;
    let (below, beside) = (axis(along), axis(up));
    let widest = beside.ticks.iter().map(|tick| text_width(&tick.label, NUMBER)).fold(0.0, f64::max).min(WORD);
    let left = (11.0 + widest + 18.0 + NAME_MIDDLE).ceil();
    let head = TITLE + 36.0;
    let bar_ticks = ticks([low, high], 8);
    let numbers = bar_ticks.iter().map(|tick| text_width(&tick.label, NUMBER)).fold(0.0, f64::max);
    let total = left + SIDE + BAR_GAP + BAR + 11.0 + numbers + 38.0;
    canvas.resize(total, head + SIDE + BELOW + NUMBER + 16.0);
    let frame = Rect { left, top: head, width: SIDE, height: SIDE };
    let panel = Panel { frame, x: below.limits, y: beside.limits };
    canvas.shade(frame, |down| {
        let row = (((1.0 - down) * rows as f64) as usize).min(rows - 1);
        let surface = &surface;
        move |across| tone(surface[((across * columns as f64) as usize).min(columns - 1) * rows + row])
    });
    let [across, over] = [(x, &below), (y, &beside)].map(|(index, axis)| places(explained, index, axis));
    let at = |(across, over): (f64, f64)| (left + across * SIDE, head + (1.0 - over) * SIDE);
    let dots: Vec<(f64, f64)> = across.into_iter().zip(over).map(at).collect();
    canvas.discs(dots.iter().copied(), 3.6, plotters::style::WHITE.into());
    canvas.discs(dots, 2.4, INK.into());
    panel.draw_axes(&mut canvas, XAxis::Marked(Some(&along.name), &below.ticks), YAxis::Bare);
    for tick in &beside.ticks {
        let (_, y) = panel.position(below.limits[0], tick.value);
        canvas.rule((left - 5.0, y), (left, y));
        let label = fitted(&tick.label, NUMBER, WORD);
        canvas.text(&label, Lettering::new(NUMBER, Along::End, Across::Middle), (left - 11.0, y));
    }
    let name = Lettering { upwards: true, ..Lettering::new(NAME, Along::Middle, Across::Middle) };
    canvas.text(&fitted(&up.name, NAME, SIDE), name, (NAME_MIDDLE, head + SIDE / 2.0));
    let frame = Rect { left: left + SIDE + BAR_GAP, top: head, width: BAR, height: SIDE };
    canvas.shade(frame, |down| move |_| tone(high - down * (high - low)));
    let bar = Panel { frame, x: [0.0, 1.0], y: [low, high] };
    for tick in &bar_ticks {
        let (_, y) = bar.position(0.0, tick.value);
        canvas.rule((frame.right(), y), (frame.right() + 5.0, y));
        canvas.text(&tick.label, Lettering::new(NUMBER, Along::Start, Across::Middle), (frame.right() + 11.0, y));
    }
    canvas.text(&metric.axis(), name, (total - 18.0, head + SIDE / 2.0));
    draw_title(&mut canvas, title, (left, 26.0), total - left - 16.0);
    let remark = "mean over all other settings; dots: trials";
    draw_remark(&mut canvas, remark, (left + SIDE, head + SIDE + BELOW + 8.0));
    let description = format!("{} over {} and {}", metric.axis(), along.name, up.name);
    let stem = format!("pair-{}-{}", along.name, up.name).replace(", ", "+");
    Ok(Some(Figure { stem, description, canvas }))
}

/// Where each trial lies along an axis, as a share of its length. Trials at one level are spread over its part, for they would
/// lie on one dot.
fn places(explained: &Explained, index: usize, axis: &Axis) -> Vec<f64> {
    let setting = &explained.settings[index];
    let of_level = |trial: usize, level: usize| {
        // Another irrational step for each setting, so that dots do not lie on lines.
        let turn = (trial as f64 * (0.754_877_666 + 0.1 * index as f64)).fract() - 0.5;
        (level as f64 + 0.5 + 0.6 * turn) / setting.levels.len() as f64
    };
    let [low, high] = axis.limits;
    let levels = explained.observations.levels.iter().map(|levels| levels[index]);
    let place = |(trial, (level, number)): (usize, (usize, Option<f64>))| match number {
        Some(number) if axis.is_range => (setting.along(number) - low) / (high - low),
        _ => of_level(trial, level),
    };
    levels.zip(explained.numbers(index)).enumerate().map(place).collect()
}

/// Every level has a part of equal length; a range has round numbers below it, where all its trials have it.
fn axis(setting: &Setting) -> Axis {
    let ends: Option<Vec<[f64; 2]>> = setting
        .levels
        .iter()
        .map(|level| match level {
            Level::Cell(ends) => Some(*ends),
            _ => None,
        })
        .collect();
    if let Some(ends) = ends.filter(|ends| !ends.is_empty()) {
        let limits = [ends[0][0], ends[ends.len() - 1][1]].map(|end| setting.along(end));
        let ticks = if setting.scale == Scale::Log { log_ticks(limits, MOST_LOG_TICKS) } else { ticks(limits, 7) };
        return Axis { limits, ticks, is_range: true };
    }
    let every = setting.levels.len().div_ceil(12);
    let tick = |(i, level): (usize, &Level)| Tick { value: i as f64, label: level.label() };
    let ticks = setting.levels.iter().enumerate().step_by(every).map(tick).collect();
    Axis { limits: [-0.5, setting.levels.len() as f64 - 0.5], ticks, is_range: false }
}
