//! Which keys a spec uses, given what it chose: files or toys, the optimizer, the schedule, the device.

use std::collections::BTreeMap;

use super::keys::{self, Key};
use super::settings::Settings;
use super::suggest::listed;

/// The variant of a spec that uses a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    Always,
    /// The data are a toy.
    Toy,
    /// The data are a file.
    File,
    /// The key of this path has one of these values.
    Is(&'static str, &'static [&'static str]),
    /// The key of this path has another value.
    IsNot(&'static str, &'static str),
    /// The key of this path is not set.
    Without(&'static str),
}

/// What a spec chose at one key.
#[derive(Clone, Debug, PartialEq)]
enum Choice {
    Word(String),
    /// The key is not set and has no default.
    Nothing,
    /// What was written is wrong, so nothing follows from it.
    Unknown,
}

/// What a spec chose at all keys that decide over others.
pub(crate) struct Variant<'a> {
    settings: &'a Settings,
    chosen: BTreeMap<&'static str, Choice>,
}

impl<'a> Variant<'a> {
    pub fn of(settings: &'a Settings) -> Self {
        let selectors = ["device", "dataset.name", "optimizer.name", "optimizer.schedule.name", "sweep.method"];
        let chosen = selectors.into_iter().map(|path| (path, choice(settings, path))).collect();
        Self { settings, chosen }
    }

    /// Whether the condition holds; `None` where the spec is too wrong to tell.
    pub fn holds(&self, when: &When) -> Option<bool> {
        let is_set = |path| self.settings.get(path).is_some();
        match when {
            When::Always => Some(true),
            When::Toy | When::File => match (is_set("dataset.name"), is_set("dataset.path")) {
                (toy, file) if toy != file => Some(toy == (*when == When::Toy)),
                _ => None,
            },
            When::Is(path, of) => match self.chosen.get(path)? {
                Choice::Word(word) => Some(of.contains(&word.as_str())),
                Choice::Nothing => Some(false),
                Choice::Unknown => None,
            },
            When::IsNot(path, other) => match self.chosen.get(path)? {
                Choice::Word(word) => Some(word != other),
                Choice::Nothing => Some(true),
                Choice::Unknown => None,
            },
            When::Without(path) => Some(!is_set(path)),
        }
    }

    /// Why none of the rows of key `path` is in use, and what to do.
    pub fn explain(&self, path: &str, rows: &[&Key]) -> (String, String) {
        let without_effect = format!("`{path}` has no effect");
        let leave_out = "leave it out".to_owned();
        match rows[0].when {
            When::Without(other) => {
                (format!("both `{other}` and `{path}` are set"), format!("keep one of `{other}` and `{path}`"))
            }
            When::Toy => (format!("{without_effect} on a file"), leave_out),
            When::File => (format!("{without_effect} on a toy: it is for files"), leave_out),
            When::Is(selector, _) => {
                let with = match self.chosen.get(selector) {
                    Some(Choice::Word(word)) => format!("with `{selector} = \"{word}\"`"),
                    _ => "on a file".to_owned(),
                };
                let takers = rows.iter().flat_map(|row| match row.when {
                    When::Is(_, of) => of,
                    _ => &[],
                });
                let takers = listed(takers.copied());
                (format!("{without_effect} {with}"), format!("leave it out; it is for {takers}"))
            }
            When::Always | When::IsNot(..) => (without_effect, leave_out),
        }
    }
}

fn choice(settings: &Settings, path: &str) -> Choice {
    let Some((_, rows)) = keys::rows(path) else {
        return Choice::Unknown;
    };
    let value = match settings.get(path) {
        Some(setting) => rows[0].kind.check(path, &setting.node, &mut Vec::new()),
        None => match rows[0].default_value() {
            Some(value) => Some(value.clone()),
            // Neither a toy nor a file: that is reported, and no key's fault.
            None if path == "dataset.name" && settings.get("dataset.path").is_none() => None,
            None => return Choice::Nothing,
        },
    };
    match value {
        Some(toml::Value::String(word)) => Choice::Word(word),
        _ => Choice::Unknown,
    }
}

#[cfg(test)]
impl When {
    /// Whether no spec can meet both conditions.
    pub(crate) fn excludes(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Toy, Self::File) | (Self::File, Self::Toy) => true,
            (Self::Is(a, of), Self::Is(b, others)) => a == b && !of.iter().any(|word| others.contains(word)),
            (Self::Is(a, of), Self::IsNot(b, word)) | (Self::IsNot(b, word), Self::Is(a, of)) => {
                a == b && of.iter().all(|one| one == word)
            }
            _ => false,
        }
    }
}
