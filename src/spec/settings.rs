//! A spec as a flat list of settings: dotted key, value, and where both stand.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use super::diagnostics::{Diagnostic, quoted};
use super::keys::{self, SECTIONS, SHORT_FORMS, Since};
use super::kind::Kind;
use super::load::is_of_a_run;
use super::node::{Entry, Node, Value};
use super::source::Place;
use super::suggest::{listed, nearest};

/// What was written for one key.
#[derive(Clone, Debug)]
pub(crate) struct Setting {
    pub key: Place,
    pub node: Node,
}

/// What one layer (a file, an override) or several laid over each other say.
#[derive(Clone, Debug, Default)]
pub(crate) struct Settings {
    values: BTreeMap<&'static str, Setting>,
    /// Entries of `[sweep.parameters]` under the key as written, in order.
    pub axes: Vec<(String, Setting)>,
    sections: BTreeMap<&'static str, Place>,
    /// Sections that are written as something else than a table.
    misshapen: Vec<&'static str>,
}

impl Settings {
    /// Sorts the entries of a document into settings. Keys that no spec has go to `problems`.
    pub fn read(entries: Vec<Entry>, problems: &mut Vec<Diagnostic>) -> Self {
        let mut settings = Self::default();
        settings.read_section("", entries, problems);
        settings
    }

    pub fn get(&self, path: &str) -> Option<&Setting> {
        self.values.get(path)
    }

    pub fn set(&mut self, path: &'static str, setting: Setting) {
        self.values.insert(path, setting);
    }

    pub fn take(&mut self, path: &str) -> Option<Setting> {
        self.values.remove(path)
    }

    /// The bytes that all values but those of the sweep take where they are written.
    pub fn length(&self) -> usize {
        self.values.values().map(|setting| setting.node.place.span.len()).sum()
    }

    /// The same without the entries of `[sweep.parameters]`.
    pub fn without_axes(&self) -> Self {
        Self {
            values: self.values.clone(),
            axes: Vec::new(),
            sections: self.sections.clone(),
            misshapen: self.misshapen.clone(),
        }
    }

    /// Puts `folder` before all relative paths of files.
    pub fn rebase(&mut self, folder: &Path) {
        for (path, setting) in &mut self.values {
            let names_file = |kind: &Kind| matches!(kind, Kind::Path | Kind::Amount { file: true, .. });
            let names_file = keys::rows(path).is_some_and(|(_, rows)| rows.iter().any(|row| names_file(&row.kind)));
            if let (true, Value::Text(text)) = (names_file && *path != "extends", &mut setting.node.value)
                && !text.is_empty()
                && text != "fresh"
            {
                *text = folder.join(&*text).to_string_lossy().into_owned();
            }
        }
    }

    pub fn paths(&self) -> impl Iterator<Item = &'static str> {
        self.values.keys().copied()
    }

    /// Where the header or first key of a section stands.
    pub fn section(&self, path: &str) -> Option<&Place> {
        self.sections.get(path)
    }

    /// Whether a section was refused, so that nothing can be said about what it lacks.
    pub fn is_misshapen(&self, section: &str) -> bool {
        self.misshapen.contains(&section)
    }

    /// Lays `over` on top: its values replace those of the same key, or of the key's alternative.
    pub fn lay_over(&mut self, over: &Self) {
        for (path, setting) in &over.values {
            for (one, other) in keys::ALTERNATIVES {
                let replaced = if path == one { other } else { one };
                // An override that sets both is a mistake of its own.
                if (path == one || path == other) && !over.values.contains_key(replaced) {
                    self.values.remove(replaced);
                }
            }
            self.values.insert(path, setting.clone());
        }
        let mut known = HashMap::new();
        for (index, (key, _)) in self.axes.iter().enumerate() {
            known.entry(key.clone()).or_insert(index);
        }
        for (key, setting) in &over.axes {
            // What `over` sweeps twice stays so, to be reported.
            match known.remove(key) {
                Some(index) => self.axes[index].1 = setting.clone(),
                None => self.axes.push((key.clone(), setting.clone())),
            }
        }
        self.misshapen.extend(&over.misshapen);
        for (path, place) in &over.sections {
            self.sections.entry(path).or_insert_with(|| place.clone());
        }
    }

    fn read_section(&mut self, section: &str, entries: Vec<Entry>, problems: &mut Vec<Diagnostic>) {
        for entry in entries {
            let path = join(section, &entry.key);
            if let Some(known) = keys::section(&path) {
                self.read_table(known, entry, problems);
            } else if let Some((known, _)) = keys::rows(&path) {
                self.set(known, Setting { key: entry.place, node: entry.node });
            } else if let Some((known, word)) = stored_by_an_earlier_release(&entry, &path) {
                let node = Node { place: entry.node.place, value: Value::Text(word.to_owned()) };
                self.set(known, Setting { key: entry.place, node });
            } else {
                problems.push(outdated(&entry.place, &path).unwrap_or_else(|| unknown(section, &entry)));
            }
        }
    }

    fn read_table(&mut self, section: &'static str, entry: Entry, problems: &mut Vec<Diagnostic>) {
        let short = SHORT_FORMS.iter().find(|(long, _)| *long == section).map(|(_, key)| *key);
        match (entry.node.value, short) {
            (Value::Table(entries), _) => {
                self.sections.entry(section).or_insert(entry.place);
                if section == "sweep.parameters" {
                    self.read_axes("", entries);
                } else {
                    self.read_section(section, entries, problems);
                }
            }
            (value @ Value::Text(_), Some(key)) => {
                self.set(key, Setting { key: entry.place, node: Node { place: entry.node.place, value } });
            }
            (value, short) => {
                let or = if short.is_some() { " or a name" } else { "" };
                let message = format!("`{section}` takes a table{or}, not {}", value.type_name());
                self.misshapen.push(section);
                let header = format!("write `[{section}]` and its keys below");
                problems.push(Diagnostic::error(&entry.node.place, message).help(header));
            }
        }
    }

    /// Entries of `[sweep.parameters]`; `model.depth = …` without quotes is a table in TOML and means the same.
    fn read_axes(&mut self, prefix: &str, entries: Vec<Entry>) {
        for entry in entries {
            let key = join(prefix, entry.key.trim());
            match entry.node.value {
                Value::Table(inner) if keys::section(&key).is_some() => self.read_axes(&key, inner),
                value => {
                    let node = Node { place: entry.node.place, value };
                    self.axes.push((key, Setting { key: entry.place, node }));
                }
            }
        }
    }
}

fn join(section: &str, key: &str) -> String {
    if section.is_empty() { key.to_owned() } else { format!("{section}.{key}") }
}

/// Names of keys and sections that stand directly in `section`.
fn members(section: &str) -> Vec<&'static str> {
    let here = |path: &'static str| match path.rsplit_once('.') {
        Some((parent, last)) => (parent == section).then_some(last),
        None => section.is_empty().then_some(path),
    };
    let mut names: Vec<_> = keys::keys()
        .iter()
        .map(|key| key.path())
        .chain(SECTIONS.iter().map(|(section, _)| *section))
        .filter_map(here)
        .collect();
    let mut seen = std::collections::HashSet::new();
    names.retain(|name| seen.insert(*name));
    names
}

/// The key and its word that take the place of what only earlier releases had, where a run's own `spec.toml` says so: that file
/// repeats the run, whatever release wrote it.
fn stored_by_an_earlier_release(entry: &Entry, path: &str) -> Option<(&'static str, &'static str)> {
    let file = Path::new(&entry.place.source.name);
    let key = keys::in_place_of(path).filter(|_| is_of_a_run(file))?;
    let (Since::InPlaceOf(_, words), Value::Bool(stored)) = (key.since, &entry.node.value) else { return None };
    let (word, _) = words.iter().find(|(_, then)| *then == stored.to_string())?;
    Some((key.path(), word))
}

/// What to write in place of a key that only earlier releases had.
fn outdated(place: &Place, path: &str) -> Option<Diagnostic> {
    let key = keys::in_place_of(path)?;
    let Since::InPlaceOf(_, words) = key.since else { return None };
    let spelt = words.iter().map(|(word, then)| format!("`{} = \"{word}\"` for `{then}`", keys::split(key.path()).1));
    let message = format!("`{path}` is now `{}`", key.path());
    Some(Diagnostic::error(place, message).help(format!("write {}", spelt.collect::<Vec<_>>().join(", "))))
}

fn unknown(section: &str, entry: &Entry) -> Diagnostic {
    let place = if section.is_empty() { "".to_owned() } else { format!(" in `[{section}]`") };
    let problem = Diagnostic::error(&entry.place, format!("unknown key {}{place}", quoted(&entry.key)));
    let members = members(section);
    let elsewhere = keys::groups().map(|(path, _)| path).find(|path| path.rsplit('.').next() == Some(&entry.key));
    match (nearest(&entry.key, members.iter().copied()), elsewhere) {
        (Some(found), _) => problem.help(format!("did you mean `{found}`?")),
        (None, Some(path)) => problem.help(format!("did you mean `{path}`?")),
        (None, None) => {
            let words = members.into_iter();
            problem.help(format!("known keys{}: {}", if section.is_empty() { "" } else { " here" }, listed(words)))
        }
    }
}

/// A key that no spec has, named by its dotted path, with what may have been meant.
pub(crate) fn unknown_path(place: &Place, path: &str) -> Diagnostic {
    if let Some(problem) = outdated(place, path) {
        return problem;
    }
    let problem = Diagnostic::error(place, format!("unknown key {}", quoted(path)));
    let swept = || keys::groups().map(|(path, _)| path).filter(|path| keys::is_of_trial(path));
    let by_last = || {
        let last = path.rsplit('.').next().unwrap_or(path);
        let lasts = swept().map(|path| path.rsplit('.').next().unwrap_or(path));
        let found = nearest(last, lasts)?;
        swept().find(|path| path.rsplit('.').next() == Some(found))
    };
    match nearest(path, swept()).or_else(by_last) {
        Some(found) => problem.help(format!("did you mean `{found}`?")),
        None => problem.help("write the dotted path of a key, such as `model.depth`"),
    }
}
