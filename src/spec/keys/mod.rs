//! The table of all keys of a spec. Checks, defaults, and what documents them come from here.
//!
//! A key has one row for each variant that treats it differently: `optimizer.momentum` has a row for sgd and one for
//! rmsprop with another default, and none for adam, so that setting it there is an error.

mod dataset;
mod engine;
mod experiment;
mod model;
mod optimizer;
mod row;
mod since;
mod sweep;
mod training;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use self::row::Row;
#[cfg(test)]
pub(crate) use self::row::{choice, row};
pub use self::since::Since;
use super::diagnostics::Diagnostic;
use super::kind::Kind;
use super::node::{Node, Value as Written};
use super::variant::When;

/// A row of the table.
#[derive(Clone, Debug)]
pub struct Key {
    path: &'static str,
    /// The values that it takes.
    pub kind: Kind,
    /// Its value where a spec does not set it.
    pub default: Fallback,
    /// `rows`, `steps`, …; empty where there is none.
    pub unit: &'static str,
    /// What the key means, in one line.
    pub doc: &'static str,
    /// The variant that uses it.
    pub when: When,
    /// Why its range ends where it does; empty where that needs no words.
    pub reason: &'static str,
    /// Since when it is there, and with it what the hash of a spec has of it.
    pub since: Since,
    /// Its default in earlier releases, as TOML, where that was another one; `earlier.rs` tells what for.
    pub formerly: Option<&'static str>,
    first_value: Option<toml::Value>,
    value: Option<toml::Value>,
}

/// What a key is where the spec leaves it out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fallback {
    /// It must be written.
    Required,
    /// It stays out, or is told by something else, as its line of documentation says.
    Absent,
    /// A value, as TOML.
    Value(&'static str),
}

impl Key {
    /// Its dotted path, such as `model.depth`.
    pub fn path(&self) -> &'static str {
        self.path
    }

    /// Whether every variant uses it.
    pub(crate) fn used_always(&self) -> bool {
        self.when == When::Always
    }

    /// The default in canonical form.
    pub fn default_value(&self) -> Option<&toml::Value> {
        self.value.as_ref()
    }

    /// The default that it had first, in canonical form.
    pub(crate) fn first_default(&self) -> Option<&toml::Value> {
        self.first_value.as_ref().or(self.value.as_ref())
    }

    /// Checks the value it was given, as [`Kind::check`] does, and says why a number is out of range.
    pub(crate) fn check(&self, node: &Node, problems: &mut Vec<Diagnostic>) -> Option<toml::Value> {
        let before = problems.len();
        let value = self.kind.check(self.path, node, problems);
        if !self.reason.is_empty() && matches!(node.value, Written::Integer(_) | Written::Float(_)) {
            problems[before..].iter_mut().for_each(|problem| problem.help = Some(self.reason.to_owned()));
        }
        value
    }
}

/// The sections: tables in which keys stand, and what each is about.
pub const SECTIONS: &[(&str, &str)] = &[
    ("dataset", "What is learned: a toy by `name`, or a file by `path`."),
    ("model", "The flow: a stack of coupling layers."),
    ("optimizer", "How the weights are moved."),
    ("optimizer.schedule", "The course of the learning rate; `schedule = \"cosine\"` is short for its `name`."),
    ("training", "How long, in which steps, and how often to look."),
    ("sweep", "Trials that differ in some keys; each runs with every seed."),
    ("sweep.parameters", "The keys that differ."),
    ("engine", "Where trials run, and which of them draw pictures; nothing here changes the numbers of a trial."),
    ("engine.slurm", "How `--engine slurm` submits them."),
];

/// `path` as the table spells it, where it is a section.
pub(crate) fn section(path: &str) -> Option<&'static str> {
    SECTIONS.iter().map(|(section, _)| *section).find(|section| *section == path)
}

/// Sections that may be written as the bare value of one of their keys: `schedule = "cosine"`.
pub(crate) const SHORT_FORMS: &[(&str, &str)] = &[("optimizer.schedule", "optimizer.schedule.name")];

/// Keys of which one takes the place of the other when an override sets it.
pub(crate) const ALTERNATIVES: &[(&str, &str)] =
    &[("dataset.name", "dataset.path"), ("training.steps", "training.epochs")];

/// Keys that a sweep cannot change: they do not tell one trial from another.
pub(crate) const NOT_SWEPT: &[&str] = &["name", "extends", "seeds"];

/// Whether a key says something of a trial, rather than of how many there are and where they run.
pub(crate) fn is_of_trial(path: &str) -> bool {
    !path.starts_with("sweep.") && !path.starts_with("engine.")
}

/// All rows, in the order of the documentation; the rows of one key one after the other.
pub fn keys() -> &'static [Key] {
    &TABLE
}

/// The rows of the key `path`, and the path as the table spells it.
pub(crate) fn rows(path: &str) -> Option<(&'static str, &'static [&'static Key])> {
    GROUPS.get_key_value(path).map(|(path, rows)| (*path, rows.as_slice()))
}

/// The key that has taken the place of `path`, which specs of earlier releases had.
pub(crate) fn in_place_of(path: &str) -> Option<&'static Key> {
    keys().iter().find(|key| matches!(key.since, Since::InPlaceOf(old, _) if old == path))
}

/// All keys with their rows.
pub(crate) fn groups() -> impl Iterator<Item = (&'static str, &'static [&'static Key])> {
    GROUPS.iter().map(|(path, rows)| (*path, rows.as_slice()))
}

/// The dotted names of all keys.
pub(crate) fn key_paths() -> impl Iterator<Item = &'static str> {
    GROUPS.keys().copied()
}

/// A dotted path as its section and its last part.
pub(crate) fn split(path: &str) -> (&str, &str) {
    path.rsplit_once('.').unwrap_or(("", path))
}

/// All keys with their rows, in the order of the documentation.
pub(crate) fn in_order() -> impl Iterator<Item = (&'static str, &'static [&'static Key])> {
    let mut last = "";
    keys().iter().map(Key::path).filter(move |path| std::mem::replace(&mut last, path) != *path).filter_map(rows)
}

/// The word that the key `path` has where it is left out.
pub(crate) fn default_word(path: &str) -> Option<&'static str> {
    rows(path)?.1[0].default_value()?.as_str()
}

/// Whether a sweep cannot change the key or section `path`.
pub(crate) fn is_not_swept(path: &str) -> bool {
    NOT_SWEPT.contains(&path) || path == "sweep" || path == "engine" || !is_of_trial(path)
}

/// The keys whose values decide which variant a spec is.
pub(crate) fn selectors() -> impl Iterator<Item = &'static str> {
    SELECTORS.iter().copied()
}

static SELECTORS: LazyLock<BTreeSet<&'static str>> = LazyLock::new(|| {
    fn of(when: When) -> Vec<&'static str> {
        match when {
            When::Is(path, _) => vec![path],
            When::Both(one, other) => [of(*one), of(*other)].concat(),
            When::Always | When::Toy | When::File | When::Format(_) | When::Without(_) | When::With(_) => Vec::new(),
        }
    }
    keys().iter().flat_map(|key| of(key.when)).collect()
});

static GROUPS: LazyLock<BTreeMap<&'static str, Vec<&'static Key>>> = LazyLock::new(|| {
    let mut groups: BTreeMap<&'static str, Vec<&'static Key>> = BTreeMap::new();
    for key in keys() {
        groups.entry(key.path()).or_default().push(key);
    }
    groups
});

static TABLE: LazyLock<Vec<Key>> = LazyLock::new(|| {
    let sections = [model::ROWS, optimizer::ROWS, training::ROWS, sweep::ROWS, engine::ROWS];
    let source = [experiment::ROWS, dataset::SOURCE].concat();
    source.into_iter().chain(dataset::rows()).chain(sections.concat()).map(Row::key).collect()
});

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_default_is_a_value_that_its_key_takes() {
        for key in keys() {
            let expected = matches!(key.default, Fallback::Value(_));
            assert_eq!(key.default_value().is_some(), expected, "{}", key.path());
            assert_eq!(key.first_value.is_some(), key.formerly.is_some(), "{}", key.path());
        }
    }

    #[test]
    fn every_key_is_documented_and_stands_in_a_section() {
        for key in keys() {
            assert!(key.doc.ends_with('.'), "{}: {}", key.path(), key.doc);
            if let Some((section, _)) = key.path().rsplit_once('.') {
                assert!(super::section(section).is_some(), "{}", key.path());
            }
        }
    }

    #[test]
    fn what_decides_the_variant_is_a_key() {
        for selector in selectors() {
            assert!(rows(selector).is_some(), "{selector}");
        }
    }

    #[test]
    fn no_variant_finds_two_rows_of_one_key() {
        for (path, rows) in groups() {
            for (i, one) in rows.iter().enumerate() {
                for other in &rows[i + 1..] {
                    assert!(one.when.excludes(&other.when), "{path}: {:?} and {:?}", one.when, other.when);
                }
            }
        }
    }
}
