//! Whether runs saw the same data: a likelihood says nothing beside one of other data.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use super::{Comparison, Row};

/// A digest of all values of a file's data, where a run has kept one.
pub const DIGEST: &str = "data.sha256";

/// What the data are called.
const NAMES: [&str; 2] = ["dataset.name", "dataset.path"];

/// The dotted names in which the data of any of `others` differ from those of `row`.
pub(super) fn differing<'a>(row: &Row, others: impl Iterator<Item = &'a &'a Row>) -> Vec<String> {
    let names: BTreeSet<String> = others.flat_map(|other| between(row, other)).collect();
    names.into_iter().collect()
}

fn between(one: &Row, other: &Row) -> Vec<String> {
    let (a, b) = match (&one.data, &other.data) {
        (Some(a), Some(b)) => (Cow::Borrowed(a), Cow::Borrowed(b)),
        // Tables of trials hold what was swept and overridden alone.
        _ => (Cow::Owned(overridden(one)), Cow::Owned(overridden(other))),
    };
    let digests = a.contains_key(DIGEST) && b.contains_key(DIGEST);
    let toys = a.contains_key("dataset.name") && b.contains_key("dataset.name");
    let matters = |name: &str| match name {
        // Older runs have none.
        DIGEST => digests,
        // The same data may lie elsewhere and be written otherwise.
        "dataset.path" | "dataset.format" | "dataset.delimiter" | "dataset.header" => !digests,
        // How many rows of a toy a flow is shown changes nothing about those that it is tested on.
        "dataset.train" => !toys,
        _ => true,
    };
    let names: BTreeSet<&String> = a.keys().chain(b.keys()).collect();
    // Other data have other keys as well, which say nothing more.
    if let Some(name) = NAMES.into_iter().find(|name| matters(name) && a.get(*name) != b.get(*name)) {
        return vec![name.to_owned()];
    }
    names.into_iter().filter(|name| matters(name) && a.get(*name) != b.get(*name)).cloned().collect()
}

fn overridden(row: &Row) -> BTreeMap<String, toml::Value> {
    let of_data = row.keys.iter().filter(|(key, _)| key.starts_with("dataset."));
    of_data.map(|(key, value)| (key.clone(), value.clone())).collect()
}

impl Comparison {
    /// What the reader must know where the groups saw different data.
    pub fn data_note(&self) -> Option<String> {
        let mixed = self.groups.iter().filter(|group| group.mixes_data).count();
        if mixed > 0 && !self.metric.across_data {
            return Some(format!(
                "{mixed} of {} rows hold runs on different data, and mix them in their means and errors; where a file has changed, \
                 `--fresh` trains the earlier ones again",
                self.groups.len()
            ));
        }
        let apart = self.groups.iter().filter(|group| !group.other_data.is_empty()).count();
        if apart == 0 || self.metric.across_data {
            return None;
        }
        let names: BTreeSet<&str> =
            self.groups.iter().flat_map(|group| &group.other_data).map(String::as_str).collect();
        let names: Vec<String> = names.into_iter().map(|name| format!("`{name}`")).collect();
        Some(format!(
            "the data of {apart} of {} rows differ from those of the best ({}): `{}` over different data cannot be compared, so \
             their Δ is left out; compare experiments on the same data, or by `--metric gap` where all are toys",
            self.groups.len(),
            names.join(", "),
            self.metric.name
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::super::{By, metric};
    use super::*;
    use crate::train::Status;

    fn row(trial: &str, test_nll: f64, data: Option<&str>, keys: &str) -> Row {
        Row {
            experiment: "e".into(),
            trial: trial.into(),
            seed: 0,
            status: Status::Finished,
            metrics: BTreeMap::from([("test_nll", test_nll), ("gap", test_nll)]),
            keys: toml::from_str(keys).expect("TOML"),
            data: data.map(|text| toml::from_str(text).expect("TOML")),
            spec_hash: None,
        }
    }

    #[test]
    fn a_difference_is_taken_on_the_same_data_alone() {
        let cases = [
            (Some("'dataset.name' = 'moons'"), Some("'dataset.name' = 'rings'"), "", "dataset.name"),
            (Some("'dataset.name' = 'moons'"), Some("'dataset.name' = 'moons'"), "", ""),
            (Some("'dataset.name' = 'moons'\n'dataset.train' = 9"), Some("'dataset.name' = 'moons'"), "", ""),
            (Some("'dataset.path' = 'a.csv'"), Some("'dataset.path' = 'b.csv'"), "", "dataset.path"),
            (
                Some("'dataset.path' = 'a.csv'\n'data.sha256' = '1'"),
                Some("'dataset.path' = 'b.csv'\n'data.sha256' = '1'"),
                "",
                "",
            ),
            (
                Some("'dataset.path' = 'a.csv'\n'data.sha256' = '1'"),
                Some("'dataset.path' = 'a.csv'\n'data.sha256' = '2'"),
                "",
                "data.sha256",
            ),
            (Some("'dataset.path' = 'a.csv'\n'data.sha256' = '1'"), Some("'dataset.path' = 'a.csv'"), "", ""),
            (None, Some("'dataset.name' = 'moons'"), "", ""),
            (None, None, "'dataset.noise' = 0.1", "dataset.noise"),
        ];
        for (best, other, keys, name) in cases {
            let rows = [row("a", 0.1, best, ""), row("b", 0.2, other, keys)];
            let of = |name| Comparison::new(&rows, &By::Trial, metric(name).expect("a metric"));
            let comparison = of("test_nll");
            assert_eq!(comparison.groups[1].other_data.join(" "), name, "{best:?} {other:?}");
            assert_eq!(comparison.groups[1].difference.is_none(), !name.is_empty());
            assert_eq!(comparison.data_note().is_some(), !name.is_empty());
            // The gap takes the toy's entropy off.
            assert!(of("gap").groups[1].difference.is_some() && of("gap").data_note().is_none());
        }
    }
}
