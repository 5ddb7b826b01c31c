//! From settings to a [`Spec`]: every value checked, every default filled in, nothing left without effect.

use std::collections::BTreeMap;
use std::path::Path;

use super::diagnostics::Diagnostic;
use super::fit::fit_defaults;
use super::keys::{self, Fallback};
use super::kind::Kind;
use super::rules;
use super::settings::Settings;
use super::source::Place;
use super::types::Spec;
use super::variant::Variant;

/// Canonical values under their dotted keys.
pub(crate) type Table = BTreeMap<&'static str, toml::Value>;

/// What came of the keys of a spec.
pub(crate) struct Consumed {
    /// Values of all keys that the variant uses and that have one.
    pub values: Table,
    /// Keys that are set and that the variant does not use.
    pub unused: Vec<(&'static str, Diagnostic)>,
    pub problems: Vec<Diagnostic>,
    /// Whether it is open which variant some key belongs to, because what decides it is wrong.
    pub undecided: bool,
}

/// Checks the settings of all keys that `wanted` names and fills in defaults. What is missing is reported at `home`.
pub(crate) fn consume(settings: &Settings, home: &Place, wanted: impl Fn(&str) -> bool) -> Consumed {
    let variant = Variant::of(settings);
    let mut found = Consumed { values: Table::new(), unused: Vec::new(), problems: Vec::new(), undecided: false };
    for (path, rows) in keys::groups().filter(|(path, rows)| wanted(path) && rows[0].kind != Kind::Parameters) {
        let setting = settings.get(path);
        let holding: Vec<_> = rows.iter().map(|row| (row, variant.holds(&row.when))).collect();
        if let Some((row, _)) = holding.iter().find(|(_, holds)| *holds == Some(true)) {
            let value = match (setting, row.default) {
                (Some(setting), _) => row.check(&setting.node, &mut found.problems),
                (None, Fallback::Required) => {
                    let problem = Diagnostic::error(home, format!("`{path}` is missing"));
                    found.problems.push(problem.help(format!("it takes {}", row.kind)));
                    None
                }
                (None, _) => row.default_value().cloned(),
            };
            found.values.extend(value.map(|value| (path, value)));
            continue;
        }
        found.undecided |= holding.iter().any(|(_, holds)| holds.is_none());
        let Some(setting) = setting else { continue };
        let open: Vec<_> = holding.iter().filter(|(_, holds)| holds.is_none()).map(|(row, _)| **row).collect();
        if open.is_empty() {
            let (message, help) = variant.explain(path, rows);
            found.unused.push((path, Diagnostic::error(&setting.key, message).help(help)));
        } else {
            check_any(&open, setting, &mut found.problems);
        }
    }
    found
}

/// Checks a value where it is not known which of several rows applies: one of them must take it.
pub(crate) fn check_any(
    rows: &[&keys::Key],
    setting: &super::settings::Setting,
    problems: &mut Vec<Diagnostic>,
) -> Option<toml::Value> {
    let mut refusals = Vec::new();
    for row in rows {
        let mut refusal = Vec::new();
        match row.check(&setting.node, &mut refusal) {
            Some(value) => return Some(value),
            None => refusals.push(refusal),
        }
    }
    problems.extend(refusals.into_iter().next().unwrap_or_default());
    None
}

/// What came of a spec.
pub(crate) struct Resolution {
    /// `None` where a single value, or the choice of a variant, is wrong already.
    pub spec: Option<Spec>,
    pub values: Table,
    pub unused: Vec<(&'static str, Diagnostic)>,
    /// Values that are wrong on their own.
    pub problems: Vec<Diagnostic>,
    /// Values that do not go together, and warnings.
    pub conflicts: Vec<Diagnostic>,
}

/// Resolves everything but the sweep. `home` is the start of the spec file, in `folder`.
pub(crate) fn resolve(settings: &Settings, home: &Place, folder: &Path, stem: &str) -> Resolution {
    let Consumed { mut values, unused, mut problems, undecided } = consume(settings, home, keys::is_of_trial);
    rules::names(settings, home, stem, &mut values, &mut problems);
    fit_defaults(&mut values, |path| settings.get(path).is_some());
    let mut resolution = Resolution { spec: None, values, unused, problems, conflicts: Vec::new() };
    if resolution.problems.is_empty() && !undecided {
        match build(&resolution.values) {
            Ok(mut spec) => {
                spec.folder = folder.to_path_buf();
                rules::check(&spec, settings, home, &mut resolution.conflicts);
                resolution.spec = Some(spec);
            }
            // Only a table of keys that disagrees with the types of a spec leads here; a test holds them together.
            Err(error) => resolution.problems.push(Diagnostic::error(home, error.message())),
        }
    }
    resolution
}

fn build(values: &Table) -> Result<Spec, toml::de::Error> {
    toml::Value::Table(nested(values)).try_into()
}

/// The dotted values as the nested tables that the types describe.
pub(crate) fn nested(values: &Table) -> toml::Table {
    let mut root = toml::Table::new();
    for (path, value) in values {
        let mut table = &mut root;
        let mut parts = path.split('.').peekable();
        while let Some(part) = parts.next() {
            if parts.peek().is_none() {
                table.insert(part.to_owned(), value.clone());
            } else if let toml::Value::Table(inner) =
                table.entry(part).or_insert_with(|| toml::Value::Table(toml::Table::new()))
            {
                table = inner;
            } else {
                break;
            }
        }
    }
    root
}
