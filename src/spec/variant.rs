//! Which keys a spec uses, given what it chose: files or toys, the optimizer, the schedule, the device.

use std::collections::BTreeMap;
use std::path::Path;

use super::file_format::FileFormat;
use super::keys::{self, Key};
use super::node::Value;
use super::settings::Settings;
use super::suggest::listed;

/// The variant of a spec that uses a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    /// Every spec.
    Always,
    /// The data are a toy.
    Toy,
    /// The data are files.
    File,
    /// The data are files of one of these formats.
    Format(&'static [&'static str]),
    /// The key of this path has one of these values.
    Is(&'static str, &'static [&'static str]),
    /// The key of this path is not set.
    Without(&'static str),
    /// The key of this path is set.
    With(&'static str),
    /// Both hold.
    Both(&'static When, &'static When),
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
        let chosen = keys::selectors().map(|path| (path, choice(settings, path))).collect();
        Self { settings, chosen }
    }

    /// Whether the condition holds; `None` where the spec is too wrong to tell.
    pub fn holds(&self, when: &When) -> Option<bool> {
        let is_set = |path| self.settings.get(path).is_some();
        match when {
            When::Always => Some(true),
            When::Toy | When::File => match (is_set("dataset.name"), names_a_file(self.settings)) {
                (toy, file) if toy != file => Some(toy == (*when == When::Toy)),
                _ => None,
            },
            When::Format(of) => match self.holds(&When::File)? {
                true => Some(self.format().is_none_or(|format| of.contains(&format.as_str()))),
                false => Some(false),
            },
            When::Is(path, of) => match self.chosen.get(path)? {
                Choice::Word(word) => Some(of.contains(&word.as_str())),
                Choice::Nothing => Some(false),
                Choice::Unknown => None,
            },
            When::Without(path) => Some(!is_set(path)),
            When::With(path) => Some(is_set(path)),
            When::Both(one, other) => match (self.holds(one), self.holds(other)) {
                (Some(false), _) | (_, Some(false)) => Some(false),
                (one, other) => one.and(other),
            },
        }
    }

    /// The format of the data, written or told by the first file's name; `None` where neither tells it.
    fn format(&self) -> Option<String> {
        match &self.settings.get("dataset.format").map(|setting| &setting.node.value) {
            Some(Value::Text(format)) => Some(format.clone()),
            _ => {
                let file = FILE_KEYS.iter().find_map(|path| file(self.settings, path))?;
                Some(FileFormat::of(Path::new(file))?.name().to_owned())
            }
        }
    }

    /// Why none of the rows of key `path` is in use, and what to do.
    pub fn explain(&self, path: &str, rows: &[&Key]) -> (String, String) {
        let whens: Vec<When> = rows.iter().map(|row| self.unmet(row.when)).collect();
        let without_effect = format!("`{path}` has no effect");
        let leave_out = "leave it out".to_owned();
        match whens[0] {
            When::Without(other) => {
                (format!("both `{other}` and `{path}` are set"), format!("keep one of `{other}` and `{path}`"))
            }
            When::Toy => (format!("{without_effect} on a file"), leave_out),
            When::File => (format!("{without_effect} on a toy: it is for files"), leave_out),
            When::Format(_) => {
                let on = match self.format() {
                    Some(format) if self.holds(&When::File) == Some(true) => format!("with the format `{format}`"),
                    _ => "on a toy".to_owned(),
                };
                let takers = whens.iter().flat_map(|when| match *when {
                    When::Format(of) => of,
                    _ => &[],
                });
                (format!("{without_effect} {on}"), format!("leave it out; it is for {}", listed(takers.copied())))
            }
            When::With(other) => {
                (format!("{without_effect} without `{other}`"), format!("set `{other}` too, or leave it out"))
            }
            When::Is(selector, _) => {
                let with = match self.chosen.get(selector) {
                    Some(Choice::Word(word)) => format!("with `{selector} = \"{word}\"`"),
                    _ => "on a file".to_owned(),
                };
                let takers = whens.iter().flat_map(|when| match *when {
                    When::Is(other, of) if other == selector => of,
                    _ => &[],
                });
                let takers = listed(takers.copied());
                let help = match self.settings.get(selector) {
                    // What keeps it from having an effect is a default that the reader may not know of.
                    None if keys::default_word(selector).is_some() => {
                        format!("it is for {takers}; set `{selector}`, or leave it out")
                    }
                    _ => format!("leave it out; it is for {takers}"),
                };
                (format!("{without_effect} {with}"), help)
            }
            When::Always | When::Both(..) => (without_effect, leave_out),
        }
    }

    /// The part of a condition that does not hold.
    fn unmet(&self, when: When) -> When {
        match when {
            When::Both(one, _) if self.holds(one) == Some(false) => self.unmet(*one),
            When::Both(_, other) => self.unmet(*other),
            when => when,
        }
    }
}

/// Keys that can name a data file.
pub(crate) const FILE_KEYS: [&str; 4] = ["dataset.path", "dataset.train", "dataset.validation", "dataset.test"];

/// Whether the spec names a file to learn from.
pub(crate) fn names_a_file(settings: &Settings) -> bool {
    let toy = settings.get("dataset.name").is_some();
    file(settings, "dataset.path").is_some() || (!toy && file(settings, "dataset.train").is_some())
}

/// The data file that the key `path` names.
fn file<'a>(settings: &'a Settings, path: &str) -> Option<&'a str> {
    match &settings.get(path)?.node.value {
        Value::Text(text) if text != "fresh" => Some(text),
        // Whatever else it holds, `path` says that the data are files.
        _ if path == "dataset.path" => Some(""),
        _ => None,
    }
}

fn choice(settings: &Settings, path: &str) -> Choice {
    let Some((_, rows)) = keys::rows(path) else {
        return Choice::Unknown;
    };
    let value = match settings.get(path) {
        // A word that only another variant takes is told apart by the row that is in use.
        Some(setting) => rows.iter().find_map(|row| row.kind.check(path, &setting.node, &mut Vec::new())),
        None => match rows[0].default_value() {
            Some(value) => Some(value.clone()),
            // Neither a toy nor a file: that is reported, and no key's fault.
            None if path == "dataset.name" && !names_a_file(settings) => None,
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
            (Self::Both(one, two), other) | (other, Self::Both(one, two)) => one.excludes(other) || two.excludes(other),
            (Self::Toy, Self::File) | (Self::File, Self::Toy) => true,
            (Self::Is("dataset.name", _), Self::File) | (Self::File, Self::Is("dataset.name", _)) => true,
            (Self::Format(of), Self::Format(others)) => !of.iter().any(|format| others.contains(format)),
            (Self::Is(a, of), Self::Is(b, others)) if a == b => !of.iter().any(|word| others.contains(word)),
            (Self::Is(a, _), Self::Is(b, _)) => {
                // A spec that has the one key may not have the other.
                let never = |path, when| {
                    keys::rows(path).is_some_and(|(_, rows)| rows.iter().all(|row| row.when.excludes(when)))
                };
                never(a, other) || never(b, self)
            }
            _ => false,
        }
    }
}
