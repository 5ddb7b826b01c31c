//! Parallel coordinates: an axis for every setting in which trials differ and one for what came out; every trial is a line.

use maud::{Markup, html};
use serde_json::{Value, json};

use super::trials::differing_keys;
use crate::quantity::shortened;
use crate::report::Comparison;
use crate::report::charts::scale::{Scale, number, scale, word_of};
use crate::report::ticks::{log_ticks, ticks as round_ticks};

const WIDTH: f64 = 1000.0;
const HEIGHT: f64 = 320.0;
/// Room above and below the axes, and beside the outer ones.
const ABOVE: f64 = 50.0;
const BELOW: f64 = 14.0;
const BESIDE: f64 = 70.0;
/// Width of a letter of a number and of a head, on average.
const LETTER: f64 = 6.4;
const HEAD_LETTER: f64 = 7.2;
/// Lines of heads, taken in turn, so that each may be as wide as that many axes.
const HEAD_LINES: usize = 2;

/// Numbers along an axis, at most.
const TICKS: usize = 6;

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
        let step = (WIDTH - 2.0 * BESIDE) / (self.axes.len() - 1).max(1) as f64;
        let x = |i: usize| BESIDE + step * i as f64;
        let y = |at: f64| ABOVE + (1.0 - at) * (HEIGHT - ABOVE - BELOW);
        // The last ones are the metrics, whose names are all the reader has.
        let head = |axis: &Axis| {
            let name = axis.name.rsplit_once('.').map_or(axis.name.as_str(), |(_, name)| name);
            shortened(name, (HEAD_LINES as f64 * step / HEAD_LETTER) as usize)
        };
        let trials = names.len();
        // A gap where a trial does not have the setting.
        let path = |trial: usize| -> String {
            let mut pen = 'M';
            let mut path = String::new();
            for (i, axis) in self.axes.iter().enumerate() {
                if let Some(at) = axis.at[trial] {
                    path += &format!("{pen}{:.1} {:.1}", x(i), y(at));
                }
                pen = if axis.at[trial].is_some() { 'L' } else { 'M' };
            }
            path
        };
        // The better, the stronger; the best are drawn last.
        let strength = |trial: usize| 1.0 - 0.85 * (trial as f64 / trials.max(2) as f64).sqrt();
        html! {
            p.muted {
                "One line a trial, the stronger the better."
                span.scripted {
                    " Drag along an axis to choose trials by it, in the table and among the curves too; click it to let go."
                }
            }
            div.scroll tabindex="0" role="region" aria-label="Parallel coordinates" {
                svg #coordinates viewBox={ "0 0 " (WIDTH) " " (HEIGHT) } role="img"
                    aria-label={ "Parallel coordinates of " (trials) " trials; the table has the same numbers" } {
                    g.lines { @for trial in (0..trials).rev() {
                        path data-trial=(trial) d=(path(trial)) stroke-opacity=(format!("{:.2}", strength(trial))) {
                            title { (names[trial]) }
                        }
                    } }
                    @for (i, axis) in self.axes.iter().enumerate() {
                        g.axis data-axis=(i) {
                            line x1=(x(i)) x2=(x(i)) y1=(y(1.0)) y2=(y(0.0)) {}
                            text.head x=(x(i)) y=(14 + 16 * (i % HEAD_LINES)) text-anchor=(anchor(i, self.axes.len())) {
                                title { (axis.name) }
                                (head(axis))
                            }
                            @for (at, label) in &axis.ticks {
                                @let width = LETTER * label.chars().count() as f64 + 4.0;
                                rect.plate x=(format!("{:.1}", x(i) + if i == 0 { -4.0 - width } else { 4.0 }))
                                    y=(format!("{:.1}", y(*at) - 7.0)) width=(format!("{width:.1}")) height="14" {}
                                text x=(x(i) + if i == 0 { -6.0 } else { 6.0 }) y=(format!("{:.1}", y(*at) + 4.0))
                                    text-anchor=(if i == 0 { "end" } else { "start" }) { (label) }
                            }
                            rect.brush x=(x(i) - 8.0) width="16" y=(y(1.0)) height="0" {}
                            rect.reach x=(x(i) - 14.0) width="28" y=(y(1.0) - BELOW) height=(y(0.0) - y(1.0) + 2.0 * BELOW) {}
                        }
                    }
                }
            }
            details.scripted {
                summary { "Choose by numbers" }
                div.ranges #ranges {}
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
            "top": ABOVE, "height": HEIGHT - ABOVE - BELOW,
            "list": self.axes.iter().map(axis).collect::<Vec<_>>(),
        })
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
}
