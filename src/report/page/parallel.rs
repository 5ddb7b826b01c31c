//! Parallel coordinates: an axis for every setting in which trials differ and one for what came out; every trial is a line.

use maud::{Markup, html};
use serde_json::{Value, json};

use super::trials::differing_keys;
use crate::report::Comparison;
use crate::report::charts::scale::{Scale, number, scale, short, word_of};

const WIDTH: f64 = 1000.0;
const HEIGHT: f64 = 320.0;
/// Room above and below the axes, and beside the outer ones.
const ABOVE: f64 = 34.0;
const BELOW: f64 = 14.0;
const BESIDE: f64 = 70.0;

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
                            text.head x=(x(i)) y="14" text-anchor=(anchor(i, self.axes.len())) { (axis.name) }
                            @for (at, label) in &axis.ticks {
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
    let value = |share: f64| {
        let place = low + share * (high - low);
        if scale == Scale::Log { 10f64.powf(place) } else { place }
    };
    // Too many values to write them all, or too long ones: some along the axis.
    if (ticks.len() > 8 || ticks.iter().any(|(_, label)| label.len() > 8)) && !matches!(scale, Scale::Words(_)) {
        ticks = [0.0, 0.25, 0.5, 0.75, 1.0].map(|share| (share, short(value(share)))).to_vec();
    }
    let ends = [value(0.0), value(1.0)];
    Some(Axis { name, at: places.iter().map(|place| place.map(share)).collect(), ticks, scale, ends })
}
