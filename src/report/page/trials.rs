//! The table of trials.

use std::collections::BTreeSet;

use maud::{Markup, html};

use super::{Report, document};
use crate::quantity::{error_digits, with_error};
use crate::report::charts::scale::{number, word_of};
use crate::report::comparison::{Comparison, Group, METRICS, Metric};

/// The swept and overridden keys in which trials differ.
pub(super) fn differing_keys(comparison: &Comparison) -> Vec<&str> {
    let groups = &comparison.groups;
    let keys: BTreeSet<&String> = groups.iter().flat_map(|group| group.keys.keys()).collect();
    let differs = |key: &&String| groups.iter().any(|group| group.keys.get(*key) != groups[0].keys.get(*key));
    keys.into_iter().filter(differs).map(String::as_str).collect()
}

/// All trials, best first; the script makes it sortable and lets it choose curves.
pub(super) fn table(report: &Report) -> Markup {
    let comparison = report.comparison;
    let groups = &comparison.groups;
    let keys = differing_keys(comparison);
    let known = |metric: &&Metric| {
        let wanted = metric.usual || metric.name == comparison.metric.name || metric.name == "parameters";
        wanted && groups.iter().any(|group| group.estimates.contains_key(metric.name))
    };
    // What trials are ordered by stands first.
    let (first, others): (Vec<&Metric>, Vec<&Metric>) =
        METRICS.iter().filter(known).partition(|metric| metric.name == comparison.metric.name);
    let troubled = groups.iter().any(|group| group.runs > group.finished);
    html! {
        p.tools {
            label.scripted { "Filter " input #filter type="search" placeholder="depth=8, 3f9a, …" autocomplete="off"; }
            output.scripted #count aria-live="polite" {}
            a.button download={ (report.title) ".csv" } href=(document::data_uri("text/csv;charset=utf-8", report.csv)) {
                "Download CSV"
            }
        }
        div.scroll tabindex="0" role="region" aria-label="Table of trials" {
            table.sortable #trials {
                caption {
                    "Mean over seeds ± its standard error; in brackets, where it is larger, the standard error over the rows of "
                    "the test set. Δ: difference to the best trial, over pairs of runs with the same seed."
                }
                thead { tr {
                    th.scripted scope="col" data-fixed { "Curve" }
                    th scope="col" { "#" }
                    @for head in &comparison.heads { th scope="col" { (head) } }
                    @for key in &keys { (key_head(key)) }
                    th.number scope="col" { "n" }
                    @if troubled { th scope="col" { "not finished" } }
                    @for metric in &first { th.number scope="col" { (metric.axis()) } th.number scope="col" { "Δ best" } }
                    @for metric in &others { th.number scope="col" { (metric.axis()) } }
                } }
                tbody {
                    @for (i, group) in groups.iter().enumerate() {
                        tr data-trial=(i) {
                            td.scripted { input type="checkbox" aria-label={ "Highlight trial " (i + 1) }; }
                            td.number data-value=(i) { (i + 1) }
                            @for (head, label) in comparison.heads.iter().zip(&group.labels) {
                                (label_cell(head, &label.as_ref().map(word_of).unwrap_or_default(), !keys.is_empty()))
                            }
                            @for key in &keys { (value_cell(group.keys.get(*key))) }
                            td.number data-value=(group.finished) { (group.finished) }
                            @if troubled { td data-value=(group.runs - group.finished) { (trouble(group)) } }
                            @for metric in &first {
                                (estimate_cell(group, metric))
                                @match group.difference {
                                    Some(it) => td.number data-value=(it.mean) { (signed(&with_error(it.mean, it.error))) },
                                    None if group.is_apart(metric) => td { "other data" },
                                    None => td.number { @if i == 0 { "best" } },
                                }
                            }
                            @for metric in &others { (estimate_cell(group, metric)) }
                        }
                    }
                }
            }
        }
    }
}

/// The head of a key's column, which may be broken behind its section.
fn key_head(key: &str) -> Markup {
    let (section, name) = key.rsplit_once('.').map_or(("", key), |(section, name)| (section, name));
    html! { th.key scope="col" { @if !section.is_empty() { (section) "." wbr; } (name) } }
}

/// A trial is told by its hash where the columns beside it say the rest of its id.
fn label_cell(head: &str, label: &str, told: bool) -> Markup {
    match label.rsplit_once('-').filter(|_| told && head == "trial") {
        Some((_, hash)) => html! { td title=(label) { code.hash { (hash) } } },
        None => html! { td.name { (label) } },
    }
}

fn value_cell(value: Option<&toml::Value>) -> Markup {
    let text = value.map(word_of).unwrap_or_default();
    match value.and_then(number) {
        Some(number) => html! { td.number data-value=(number) { (text) } },
        None => html! { td { (text) } },
    }
}

fn estimate_cell(group: &Group, metric: &Metric) -> Markup {
    let Some(it) = group.estimates.get(metric.name) else { return html! { td.number {} } };
    let rows = group.larger_rows_error(metric);
    html! {
        td.number data-value=(it.mean) {
            ((metric.show)(*it))
            @if let Some(rows) = rows { " (" (error_digits(rows)) ")" }
        }
    }
}

fn signed(text: &str) -> String {
    if text.starts_with('-') { text.replacen('-', "−", 1) } else { format!("+{text}") }
}

fn trouble(group: &Group) -> String {
    let counts = [(group.diverged, "diverged"), (group.failed, "failed"), (group.unfinished, "unfinished")];
    let parts: Vec<String> =
        counts.iter().filter(|(runs, _)| *runs > 0).map(|(runs, state)| format!("{runs} {state}")).collect();
    parts.join(", ")
}
