//! Where and from what the runs were made.

use std::collections::BTreeMap;

use maud::{Markup, html};

use super::Report;
use crate::quantity::duration;
use crate::record::Manifest;
use crate::spec::counted;

/// What a manifest tells of one thing.
type Told = fn(&Manifest) -> Option<String>;

/// What is told of a run's origin.
const TOLD: [(&str, Told); 7] = [
    ("experiment", |run| Some(run.experiment.clone())),
    ("runner", |run| Some(run.runner.clone())),
    ("git commit", |run| run.git_commit.clone()),
    ("machine", |run| Some(run.host.clone())),
    ("device", |run| Some(run.device.clone())),
    ("instruction set", |run| Some(run.instruction_set.clone())),
    ("data", data),
];

fn data(run: &Manifest) -> Option<String> {
    let data = run.data.as_ref()?;
    // Fresh rows have no number.
    let train = data.train.map_or("fresh".to_owned(), |rows| rows.to_string());
    let rows = format!("rows: {train} training, {} validation, {} test; ", data.validation, data.test);
    Some(format!("{rows}SHA-256 {}", data.sha256))
}

pub(super) fn table(report: &Report) -> Markup {
    let runs = || report.runs.iter().map(|run| &run.manifest);
    let started = runs().filter_map(|run| run.started.as_deref()).min();
    let ended = runs().filter_map(|run| run.ended.as_deref()).max();
    let seconds: f64 = runs().filter_map(|run| Some(run.summary.as_ref()?.seconds)).sum();
    html! {
        div.scroll tabindex="0" role="region" aria-label="Where it ran" {
            table.facts { tbody {
                @for (head, get) in TOLD { (row(head, &counts(runs().map(get)))) }
                tr { th scope="row" { "first start" } td { (started.unwrap_or("–")) } }
                tr { th scope="row" { "last end" } td { (ended.unwrap_or("–")) } }
                tr { th scope="row" { "training time" } td { (duration(seconds)) " over all runs" } }
            } }
        }
    }
}

/// Every value with the number of runs that have it.
fn counts(values: impl Iterator<Item = Option<String>>) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for value in values {
        *counts.entry(value.unwrap_or_else(|| "not recorded".to_owned())).or_default() += 1;
    }
    counts
}

fn row(head: &str, counts: &BTreeMap<String, usize>) -> Markup {
    html! {
        tr {
            th scope="row" { (head) }
            td { @for (value, runs) in counts {
                div { code { (value) } @if counts.len() > 1 { " " span.muted { (counted(*runs, "run")) } } }
            } }
        }
    }
}
