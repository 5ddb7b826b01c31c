//! The first lines: what came out, in words.

use std::collections::BTreeMap;

use maud::{Markup, html};

use super::Report;
use crate::quantity::{error_digits, with_error};
use crate::spec::counted;

pub(super) fn summary(report: &Report, names: &[String]) -> Markup {
    let comparison = report.comparison;
    let metric = comparison.metric;
    let best = comparison.groups.first().zip(names.first());
    let best = best
        .and_then(|(group, name)| Some((name, *group.estimates.get(metric.name)?, group.larger_rows_error(metric))));
    let mut states: BTreeMap<&str, usize> = BTreeMap::new();
    for run in report.runs {
        *states.entry(run.manifest.status.as_str()).or_default() += 1;
    }
    if report.waiting > 0 {
        states.insert("waiting", report.waiting);
    }
    let states: Vec<String> = states.iter().map(|(state, runs)| format!("{runs} {state}")).collect();
    html! {
        p.lead {
            @match best {
                Some((name, it, rows)) => {
                    "Best of " (counted(comparison.comparable(), "trial")) ": " strong { (name) } ", " (metric.head) " "
                    strong { (with_error(it.mean, it.error.or(rows))) }
                    @if let Some(unit) = metric.unit { " " (unit) }
                    @match (it.error, rows) {
                        (None, Some(_)) => { " over the rows of the test set, of " (counted(it.count, "seed")) "." }
                        (Some(_), Some(rows)) => {
                            " over " (counted(it.count, "seed")) "; standard error over the rows of the test set: "
                            (error_digits(rows)) "."
                        }
                        (_, None) => { " over " (counted(it.count, "seed")) "." }
                    }
                }
                None => { "No trial has a " (metric.head) " yet." }
            }
        }
        p.muted { (counted(report.runs.len() + report.waiting, "run")) ": " (states.join(", ")) "." }
        @if let Some(note) = comparison.data_note() { p.warning { "Note: " (note) "." } }
    }
}
