//! Parallel coordinates: an axis for every setting in which trials differ and one for what came out; every trial is a line.

use maud::{Markup, html};
use serde_json::{Value, json};

use super::trials::differing_keys;
use crate::quantity::shortened;
use crate::report::Comparison;
use crate::report::charts::scale::{Scale, number, scale, word_of};
use crate::report::ticks::{log_ticks, ticks as round_ticks};

/// Width of a letter of a number and of a head, on average.
const LETTER: f64 = 6.4;
const HEAD_LETTER: f64 = 7.2;
/// Lines of heads, taken in turn, so that each may be as wide as that many axes.
const HEAD_LINES: usize = 2;
/// How far an axis can be touched, to each side of it and beyond its ends.
const REACH: f64 = 14.0;

/// Numbers along an axis, at most.
const TICKS: usize = 6;

/// How the axes lie; the page has both drawings, and its style shows the one that the screen has room for.
#[derive(Clone, Copy, PartialEq)]
enum Layout {
    /// Side by side, each from below to above.
    Upright,
    /// One below the other, each from left to right: for the screens of phones.
    Flat,
}

const LAYOUTS: [Layout; 2] = [Layout::Upright, Layout::Flat];

impl Layout {
    fn id(self) -> &'static str {
        match self {
            Self::Upright => "coordinates",
            Self::Flat => "coordinates-flat",
        }
    }

    /// Width and height of a drawing of so many axes.
    fn size(self, axes: usize) -> [f64; 2] {
        match self {
            Self::Upright => [1000.0, 320.0],
            Self::Flat => [360.0, self.across(axes - 1, axes) + 24.0],
        }
    }

    /// Where an axis begins and ends, along its direction.
    fn ends(self) -> [f64; 2] {
        match self {
            Self::Upright => [306.0, 50.0],
            Self::Flat => [24.0, 336.0],
        }
    }

    /// Where axis `i` stands, across its direction.
    fn across(self, i: usize, axes: usize) -> f64 {
        match self {
            Self::Upright => 70.0 + self.step(axes) * i as f64,
            Self::Flat => 34.0 + self.step(axes) * i as f64,
        }
    }

    /// From axis to axis.
    fn step(self, axes: usize) -> f64 {
        match self {
            Self::Upright => 860.0 / (axes - 1).max(1) as f64,
            Self::Flat => 58.0,
        }
    }

    /// Where `at`, from 0 to 1, lies along an axis.
    fn along(self, at: f64) -> f64 {
        let [start, end] = self.ends();
        start + at * (end - start)
    }

    /// x and y of a place of axis `i`.
    fn point(self, i: usize, axes: usize, at: f64) -> [f64; 2] {
        let (along, across) = (self.along(at), self.across(i, axes));
        match self {
            Self::Upright => [across, along],
            Self::Flat => [along, across],
        }
    }
}

struct Axis {
    name: String,
    /// Where each trial meets it, from 0 (below) to 1.
    at: Vec<Option<f64>>,
    ticks: Vec<(f64, String)>,
    scale: Scale,
    /// Values at both ends; of words, their indices.
    ends: [f64; 2],
}

pub(super) struct Parallel {
    axes: Vec<Axis>,
}

impl Parallel {
    /// `None` where trials do not differ in anything.
    pub fn new(comparison: &Comparison) -> Option<Self> {
        let groups = &comparison.groups;
        let keys = differing_keys(comparison).into_iter();
        let mut axes: Vec<Axis> = keys
            .filter_map(|key| {
                axis(key.to_owned(), &groups.iter().map(|group| group.keys.get(key).cloned()).collect::<Vec<_>>())
            })
            .collect();
        if axes.is_empty() {
            return None;
        }
        for metric in [crate::report::comparison::metric("seconds"), Some(comparison.metric)].into_iter().flatten() {
            let value = |group: &crate::report::comparison::Group| {
                Some(toml::Value::Float(group.estimates.get(metric.name)?.mean))
            };
            axes.extend(axis(metric.axis(), &groups.iter().map(value).collect::<Vec<_>>()));
        }
        Some(Self { axes })
    }

    pub fn markup(&self, names: &[String]) -> Markup {
        html! {
            p.muted {
                "One line a trial, the stronger the better."
                span.scripted {
                    " Drag along an axis to choose trials by it, in the table and among the curves too; click it to let go."
                }
            }
            div.scroll tabindex="0" role="region" aria-label="Parallel coordinates" {
                @for layout in LAYOUTS { (self.drawing(layout, names)) }
            }
            details.scripted {
                summary { "Choose by numbers" }
                div.ranges #ranges {}
            }
        }
    }

    fn drawing(&self, layout: Layout, names: &[String]) -> Markup {
        let (axes, trials) = (self.axes.len(), names.len());
        let [width, height] = layout.size(axes);
        // A gap where a trial does not have the setting.
        let path = |trial: usize| -> String {
            let mut pen = 'M';
            let mut path = String::new();
            for (i, axis) in self.axes.iter().enumerate() {
                if let Some(at) = axis.at[trial] {
                    let [x, y] = layout.point(i, axes, at);
                    path += &format!("{pen}{x:.1} {y:.1}");
                }
                pen = if axis.at[trial].is_some() { 'L' } else { 'M' };
            }
            path
        };
        // The better, the stronger; the best are drawn last.
        let strength = |trial: usize| 1.0 - 0.85 * (trial as f64 / trials.max(2) as f64).sqrt();
        html! {
            svg.coordinates id=(layout.id()) viewBox={ "0 0 " (width) " " (height) } role="img"
                aria-label={ "Parallel coordinates of " (trials) " trials; the table has the same numbers" } {
                g.lines { @for trial in (0..trials).rev() {
                    path data-trial=(trial) d=(path(trial)) stroke-opacity=(format!("{:.2}", strength(trial))) {
                        title { (names[trial]) }
                    }
                } }
                @for (i, axis) in self.axes.iter().enumerate() {
                    @let [[x1, y1], [x2, y2]] = [0.0, 1.0].map(|at| layout.point(i, axes, at));
                    g.axis data-axis=(i) {
                        line x1=(x1) x2=(x2) y1=(y1) y2=(y2) {}
                        @match layout {
                            Layout::Upright => (axis.upright_labels(i, axes)),
                            Layout::Flat => (axis.flat_labels(i, axes)),
                        }
                        @let (left, top) = (x1.min(x2), y1.min(y2));
                        @match layout {
                            Layout::Upright => rect.brush x=(left - 8.0) width="16" y=(top) height="0" {},
                            Layout::Flat => rect.brush x=(left) width="0" y=(top - 8.0) height="16" {},
                        }
                        rect.reach x=(left - REACH) y=(top - REACH)
                            width=((x2 - x1).abs() + 2.0 * REACH) height=((y2 - y1).abs() + 2.0 * REACH) {}
                    }
                }
            }
        }
    }

    /// For the script: where trials meet the axes, and how places on an axis read.
    pub fn data(&self) -> Value {
        let axis = |axis: &Axis| {
            let at: Vec<Option<f64>> = axis.at.iter().map(|at| at.map(|at| (at * 1e4).round() / 1e4)).collect();
            let words = if let Scale::Words(words) = &axis.scale { json!(words) } else { Value::Null };
            json!({ "name": axis.name, "at": at, "ends": axis.ends, "log": axis.scale == Scale::Log, "words": words })
        };
        json!({
            "layouts": LAYOUTS.map(|it| json!({ "id": it.id(), "upright": it == Layout::Upright, "ends": it.ends() })),
            "list": self.axes.iter().map(axis).collect::<Vec<_>>(),
        })
    }
}

impl Axis {
    /// Its name, shortened to a width. The last axes are the metrics, whose names are all the reader has.
    fn head(&self, width: f64) -> String {
        let name = self.name.rsplit_once('.').map_or(self.name.as_str(), |(_, name)| name);
        shortened(name, (width / HEAD_LETTER) as usize)
    }

    /// Its name above it and numbers beside it.
    fn upright_labels(&self, i: usize, axes: usize) -> Markup {
        let layout = Layout::Upright;
        let x = layout.across(i, axes);
        html! {
            text.head x=(x) y=(14 + 16 * (i % HEAD_LINES)) text-anchor=(anchor(i, axes)) {
                title { (self.name) }
                (self.head(HEAD_LINES as f64 * layout.step(axes)))
            }
            @for (at, label) in &self.ticks {
                @let width = LETTER * label.chars().count() as f64 + 4.0;
                @let y = layout.along(*at);
                rect.plate x=(format!("{:.1}", x + if i == 0 { -4.0 - width } else { 4.0 }))
                    y=(format!("{:.1}", y - 7.0)) width=(format!("{width:.1}")) height="14" {}
                text x=(x + if i == 0 { -6.0 } else { 6.0 }) y=(format!("{:.1}", y + 4.0))
                    text-anchor=(if i == 0 { "end" } else { "start" }) { (label) }
            }
        }
    }

    /// Its name above its beginning and numbers below it, of those that would stand on each other the lower.
    fn flat_labels(&self, i: usize, axes: usize) -> Markup {
        let layout = Layout::Flat;
        let (y, [left, right]) = (layout.across(i, axes), layout.ends());
        let mut taken = f64::NEG_INFINITY;
        let placed = self.ticks.iter().filter_map(|(at, label)| {
            let half = 0.5 * LETTER * label.chars().count() as f64;
            let x = layout.along(*at).clamp(half, (left + right - half).max(half));
            let free = x - half >= taken + LETTER;
            if free {
                taken = x + half;
            }
            free.then_some((x, label))
        });
        let placed: Vec<(f64, &String)> = placed.collect();
        html! {
            text.head x=(left - REACH) y=(y - 12.0) {
                title { (self.name) }
                (self.head(right - left))
            }
            @for (x, label) in placed {
                text x=(format!("{x:.1}")) y=(y + 15.0) text-anchor="middle" { (label) }
            }
        }
    }
}

fn anchor(i: usize, axes: usize) -> &'static str {
    match i {
        0 => "start",
        _ if i + 1 == axes => "end",
        _ => "middle",
    }
}

fn axis(name: String, values: &[Option<toml::Value>]) -> Option<Axis> {
    let scale = scale(values.iter().flatten())?;
    let along = |value: &toml::Value| match &scale {
        Scale::Words(words) => words.iter().position(|word| *word == word_of(value)).map(|i| i as f64),
        Scale::Log => number(value).map(f64::log10),
        Scale::Linear => number(value),
    };
    let places: Vec<Option<f64>> =
        values.iter().map(|value| along(value.as_ref()?).filter(|place| place.is_finite())).collect();
    let low = places.iter().flatten().copied().fold(f64::INFINITY, f64::min);
    let high = places.iter().flatten().copied().fold(f64::NEG_INFINITY, f64::max);
    if low >= high {
        return None;
    }
    let share = |place: f64| (place - low) / (high - low);
    let mut ticks: Vec<(f64, String)> =
        values.iter().flatten().filter_map(|value| Some((share(along(value)?), word_of(value)))).collect();
    ticks.sort_by(|a, b| a.0.total_cmp(&b.0));
    ticks.dedup_by(|a, b| a.0 == b.0);
    // Too many values to write them all, or too long ones: round numbers along the axis.
    if (ticks.len() > 8 || ticks.iter().any(|(_, label)| label.len() > 8)) && !matches!(scale, Scale::Words(_)) {
        let round = if scale == Scale::Log { log_ticks([low, high], TICKS) } else { round_ticks([low, high], TICKS) };
        ticks = round.into_iter().map(|tick| (share(tick.value), tick.label)).collect();
    }
    let value = |place: f64| if scale == Scale::Log { 10f64.powf(place) } else { place };
    let ends = [value(low), value(high)];
    Some(Axis { name, at: places.iter().map(|place| place.map(share)).collect(), ticks, scale, ends })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_along_an_axis_are_round_and_differ() {
        let values = [10.311_812_3, 10.348, 10.383, 10.401].map(|value| Some(toml::Value::Float(value)));
        let axis = axis("test NLL".into(), &values).expect("an axis");
        let labels: Vec<&str> = axis.ticks.iter().map(|(_, label)| label.as_str()).collect();
        assert_eq!(labels, ["10.32", "10.34", "10.36", "10.38", "10.40"]);
        // 10.32 lies at (10.32 − 10.3118123)/(10.401 − 10.3118123) of the axis.
        assert!((axis.ticks[0].0 - 0.008_187_7 / 0.089_187_7).abs() < 1e-9);
        assert_eq!(axis.ends, [10.311_812_3, 10.401]);
    }

    #[test]
    fn heads_beside_each_other_stand_on_two_lines() {
        let axis = |i: usize| Axis {
            name: format!("optimizer.a_rather_long_name_{i}"),
            at: vec![Some(0.0), Some(1.0)],
            ticks: Vec::new(),
            scale: Scale::Linear,
            ends: [0.0, 1.0],
        };
        let page = Parallel { axes: (0..9).map(axis).collect() }.markup(&["a".into(), "b".into()]).into_string();
        assert!(page.contains("y=\"14\"") && page.contains("y=\"30\""), "{page}");
        assert!(page.contains("<title>optimizer.a_rather_long_name_4</title>a_rather_long_name_4<"), "{page}");
    }

    #[test]
    fn flat_axes_fit_a_phone_and_their_numbers_do_not_overlap() {
        let tick = |i: usize| (i as f64 / 15.0, format!("{}.125", 100 + i));
        let axis = |_| Axis {
            name: "model.depth".into(),
            at: vec![Some(0.0), Some(1.0)],
            ticks: (0..16).map(tick).collect(),
            scale: Scale::Linear,
            ends: [0.0, 1.0],
        };
        let page = Parallel { axes: (0..9).map(axis).collect() }.drawing(Layout::Flat, &["a".into(), "b".into()]);
        let page = page.into_string();
        assert!(page.contains("viewBox=\"0 0 360 522\""), "{page}");
        // The first trial goes straight down where axes begin, from one to the next.
        assert!(page.contains("d=\"M24.0 34.0L24.0 92.0L24.0 150.0"), "{page}");
        let numbers = page.split("text-anchor=\"middle\">").skip(1).map(|it| &it[..it.find('<').expect("an end")]);
        // A number is 45 wide, with 6.4 to the next, and ticks lie 20.8 apart: every third has room.
        assert_eq!(
            numbers.take(6).collect::<Vec<_>>(),
            ["100.125", "103.125", "106.125", "109.125", "112.125", "115.125"]
        );
    }
}
