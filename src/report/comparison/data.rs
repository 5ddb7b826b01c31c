//! Whether runs saw the same data: a likelihood says nothing beside one of other data.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use super::{Comparison, Group, Row};
use crate::spec::counted;

/// A digest of all values of a file's data, where a run has kept one.
pub const DIGEST: &str = "data.sha256";

/// How many rows each part has, where a run has kept it.
pub const COUNTS: [(&str, &str); 3] =
    [("data.train", "training"), ("data.validation", "validation"), ("data.test", "test")];

/// What the data are called.
const NAMES: [&str; 2] = ["dataset.name", "dataset.path"];

/// Keys that say how rows are brought to model space or shown in training: a likelihood is of the columns as they are in the file,
/// with every Jacobian, and means the same whatever they say. Those of `dataset.transform` are meant with it.
const PREPROCESSING: [&str; 4] = ["dataset.standardize", "dataset.standardize_by", "dataset.logit", "dataset.augment"];
const TRANSFORMS: &str = "dataset.transform.";

/// What a likelihood depends on beside the values of the rows: what is given, and the noise that is added.
const BESIDE_VALUES: [&str; 4] = ["dataset.context", "dataset.condition", "dataset.label", "dataset.dequantize"];

/// In what the data of any of `others` differ from those of `row`: keys, and numbers of rows.
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
    let both = |name: &str| Some((a.get(name)?, b.get(name)?));
    // Older runs have no digest.
    let same_values = both(DIGEST).map(|(a, b)| a == b);
    let matters = |name: &str| match same_values {
        _ if !name.starts_with("dataset.") => false,
        _ if PREPROCESSING.contains(&name) || name.starts_with(TRANSFORMS) => false,
        Some(true) => BESIDE_VALUES.contains(&name),
        // How many rows of a toy a flow is shown changes nothing about those that it is tested on.
        _ => name != "dataset.train" || both(NAMES[0]).is_none(),
    };
    let names: BTreeSet<&String> = a.keys().chain(b.keys()).collect();
    let differs = |name: &str| matters(name) && a.get(name) != b.get(name);
    // Other data have other keys as well, which say nothing more.
    let mut found: Vec<String> = match NAMES.into_iter().find(|name| differs(name)) {
        Some(name) => vec![format!("`{name}`")],
        None => names.into_iter().filter(|name| differs(name)).map(|name| format!("`{name}`")).collect(),
    };
    if same_values == Some(false) {
        let counts = COUNTS.iter().filter_map(|(name, part)| Some((both(name)?, part)));
        let counts = counts.filter(|((a, b), _)| a != b).map(|((a, b), part)| format!("{b} against {a} {part} rows"));
        found.extend(counts);
        if found.is_empty() {
            found.push("other values in as many rows".to_owned());
        }
    }
    found
}

fn overridden(row: &Row) -> BTreeMap<String, toml::Value> {
    let of_data = row.keys.iter().filter(|(key, _)| key.starts_with("dataset."));
    of_data.map(|(key, value)| (key.clone(), value.clone())).collect()
}

impl Comparison {
    /// What the reader must know where the groups saw different data.
    pub fn data_note(&self) -> Option<String> {
        let all = counted(self.groups.len(), self.over.group());
        let mixed = self.groups.iter().filter(|group| group.mixes_data).count();
        if mixed > 0 && !self.metric.across_data {
            return Some(format!(
                "runs on different data are mixed in the means and errors of {mixed} of {all}; where a file has changed, `--fresh` \
                 trains the earlier ones again"
            ));
        }
        let apart = self.groups.len() - self.comparable();
        if apart == 0 {
            return None;
        }
        let names: BTreeSet<&str> =
            self.groups.iter().flat_map(|group| &group.other_data).map(String::as_str).collect();
        Some(format!(
            "the data of {apart} of {all} differ from those of the first ({}): `{}` over different data cannot be compared, so \
             that they stand last, without Δ; compare runs on the same data, or by `--metric gap` where all are toys",
            names.into_iter().collect::<Vec<_>>().join(", "),
            self.metric.name
        ))
    }

    /// How many groups, the first ones, can be compared with the best; the others saw other data, and the metric depends on them.
    pub fn comparable(&self) -> usize {
        let apart = |group: &&Group| group.is_apart(self.metric);
        self.groups.len() - self.groups.iter().skip(1).filter(apart).count()
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
            (Some("'dataset.name' = 'moons'"), Some("'dataset.name' = 'rings'"), "", "`dataset.name`"),
            (Some("'dataset.name' = 'moons'"), Some("'dataset.name' = 'moons'"), "", ""),
            (Some("'dataset.name' = 'moons'\n'dataset.train' = 9"), Some("'dataset.name' = 'moons'"), "", ""),
            (Some("'dataset.path' = 'a.csv'"), Some("'dataset.path' = 'b.csv'"), "", "`dataset.path`"),
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
                "other values in as many rows",
            ),
            (Some("'dataset.path' = 'a.csv'\n'data.sha256' = '1'"), Some("'dataset.path' = 'a.csv'"), "", ""),
            (
                Some("'dataset.path' = 'a.csv'\n'data.sha256' = '1'\n'data.train' = 80\n'data.test' = 9"),
                Some("'dataset.path' = 'a.csv'\n'data.sha256' = '2'\n'data.train' = 81\n'data.test' = 9"),
                "",
                "81 against 80 training rows",
            ),
            // The same values: what they go through on their way to the flow changes nothing, unlike what is given and noise.
            (
                Some("'data.sha256' = '1'\n'dataset.drop' = ['a']\n'dataset.transform.b.kind' = 'log'"),
                Some("'data.sha256' = '1'\n'dataset.columns' = ['b']\n'dataset.standardize' = false"),
                "",
                "",
            ),
            (
                Some("'data.sha256' = '1'\n'dataset.context' = ['b']"),
                Some("'data.sha256' = '1'"),
                "",
                "`dataset.context`",
            ),
            (
                Some("'data.sha256' = '1'\n'dataset.dequantize' = 1"),
                Some("'data.sha256' = '1'"),
                "",
                "`dataset.dequantize`",
            ),
            (Some("'dataset.name' = 'moons'\n'dataset.standardize' = false"), Some("'dataset.name' = 'moons'"), "", ""),
            (None, Some("'dataset.name' = 'moons'"), "", ""),
            (None, None, "'dataset.noise' = 0.1", "`dataset.noise`"),
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

    #[test]
    fn what_cannot_be_compared_with_most_stands_last() {
        let [one, other] = ["'data.sha256' = '1'", "'data.sha256' = '2'"].map(Some);
        let rows =
            [row("a", 0.1, other, ""), row("b", 0.2, one, ""), row("c", 0.3, one, ""), row("d", 0.25, other, "")];
        let of = |rows: &[Row], metric_name| {
            let comparison = Comparison::new(rows, &By::Trial, metric(metric_name).expect("a metric"));
            let names = comparison
                .groups
                .iter()
                .map(|it| it.labels[0].as_ref().and_then(|it| it.as_str()).expect("text").to_owned());
            (names.collect::<Vec<_>>().concat(), comparison.comparable())
        };
        assert_eq!(of(&rows[..3], "test_nll"), ("bca".to_owned(), 2));
        // As many of both: the best says which.
        assert_eq!(of(&rows, "test_nll"), ("adbc".to_owned(), 2));
        assert_eq!(of(&rows, "gap"), ("abdc".to_owned(), 4));
        let comparison = Comparison::new(&rows[..3], &By::Trial, metric("test_nll").expect("a metric"));
        let lines: Vec<String> = comparison.text(None).lines().map(str::to_owned).collect();
        assert!(lines[2].starts_with('b') && lines[3].starts_with('c') && lines[5].starts_with('a'), "{lines:?}");
        assert!(lines[4].contains("not to be compared"), "{lines:?}");
        assert!(comparison.markdown().lines().all(|line| line.starts_with('|')), "{}", comparison.markdown());
    }
}
