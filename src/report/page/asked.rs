//! What was asked: every setting, once where all trials have it in common.

use std::collections::BTreeMap;

use maud::{Markup, html};

use super::Report;
use crate::report::charts::scale::number;
use crate::spec::keys::{Fallback, Key, keys};

/// Values that are written out; of more, the first and the last.
const WRITTEN: usize = 8;

/// Where a value comes from.
#[derive(Clone, Copy, PartialEq)]
enum Origin {
    /// Trials differ in it.
    Swept,
    /// All trials have it by a sweep or by an option.
    Overridden,
    /// Told by the spec, or worked out from it.
    Spec,
    /// As it is where a spec says nothing.
    Default,
}

struct Setting {
    path: String,
    values: Vec<toml::Value>,
    origin: Origin,
    key: Option<&'static Key>,
}

/// The settings that somebody chose, and behind them those at their defaults.
pub(super) fn tables(report: &Report) -> Markup {
    let (defaults, chosen): (Vec<Setting>, Vec<Setting>) =
        settings(report).into_iter().partition(|setting| setting.origin == Origin::Default);
    html! {
        (table(&chosen))
        @if !defaults.is_empty() {
            details { summary { (defaults.len()) " settings at their defaults" } (table(&defaults)) }
        }
    }
}

fn table(settings: &[Setting]) -> Markup {
    html! {
        div.scroll tabindex="0" role="region" aria-label="Table of settings" {
            table {
                thead { tr { @for head in ["key", "value", "from", "meaning"] { th scope="col" { (head) } } } }
                tbody { @for setting in settings { tr {
                    td { code { (setting.path) } }
                    td { code { (written(&setting.values)) } @if let Some(key) = setting.key { " " (key.unit) } }
                    td { (setting.origin.name()) }
                    td.muted { @if let Some(key) = setting.key { (key.doc.replace('`', "")) } }
                } } }
            }
        }
    }
}

fn settings(report: &Report) -> Vec<Setting> {
    let mut values: BTreeMap<&str, Vec<toml::Value>> = BTreeMap::new();
    for run in report.runs {
        // Lists of one seed each say nothing that the seeds of the runs do not.
        for (path, value) in run.spec.iter().filter(|(path, _)| *path != "seeds" && *path != "name") {
            let known = values.entry(path).or_default();
            if !known.contains(value) {
                known.push(value.clone());
            }
        }
    }
    let place = |path: &str| keys().iter().position(|key| key.path() == path).unwrap_or(usize::MAX);
    let mut settings: Vec<Setting> = values.into_iter().map(|(path, values)| setting(report, path, values)).collect();
    settings.sort_by_key(|setting| place(&setting.path));
    let mut seeds: Vec<toml::Value> =
        report.runs.iter().filter_map(|run| i64::try_from(run.manifest.seed).ok()).map(toml::Value::Integer).collect();
    seeds.sort_by_key(toml::Value::as_integer);
    seeds.dedup();
    settings.insert(0, Setting { path: "seeds".into(), values: seeds, origin: Origin::Spec, key: None });
    settings
}

fn setting(report: &Report, path: &str, mut values: Vec<toml::Value>) -> Setting {
    let rows = || keys().iter().filter(|key| key.path() == path);
    let is_default = |value: &toml::Value| rows().any(|key| key.default_value() == Some(value));
    let origin = if values.len() > 1 {
        Origin::Swept
    } else if report.runs.iter().all(|run| run.manifest.overrides.contains_key(path)) {
        Origin::Overridden
    } else if values.iter().all(is_default) && rows().all(|key| key.default != Fallback::Required) {
        Origin::Default
    } else {
        Origin::Spec
    };
    if values.iter().all(|value| number(value).is_some()) {
        values.sort_by(|a, b| number(a).partial_cmp(&number(b)).unwrap_or(std::cmp::Ordering::Equal));
    }
    Setting { path: path.to_owned(), values, origin, key: rows().next() }
}

fn written(values: &[toml::Value]) -> String {
    let text = |values: &[toml::Value]| values.iter().map(toml::Value::to_string).collect::<Vec<_>>().join(", ");
    match values {
        [first @ .., last] if values.len() > WRITTEN => {
            format!("{}, …, {last} ({} values)", text(&first[..WRITTEN - 2]), values.len())
        }
        few => text(few),
    }
}

impl Origin {
    fn name(self) -> &'static str {
        match self {
            Self::Swept => "swept",
            Self::Overridden => "overridden",
            Self::Spec => "spec",
            Self::Default => "default",
        }
    }
}
