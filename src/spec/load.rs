//! Spec files to resolved experiments: the entrance of this room.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::diagnostics::{Diagnostic, Diagnostics, Severity};
use super::earlier::Defaults;
use super::engine::{Engine, Pictures};
use super::extends::{LONGEST_CHAIN, over_bases};
use super::file_format::FileFormat;
use super::near_file::near_file;
use super::node::{self, Value};
use super::overrides::{OverrideLayer, Overrides};
use super::resolve::resolve;
use super::settings::Settings;
use super::source::{Place, Source};
use super::sweep::Sweep;
use super::types::Spec;

/// Longest spec file, in bytes; a longer one was not meant as a spec.
const MAX_BYTES: u64 = 1 << 20;

/// A spec file as it was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SpecFile {
    /// Path as it was given.
    pub path: PathBuf,
    /// What the file says.
    pub text: String,
}

/// What one spec file asks for.
#[derive(Clone, Debug)]
pub struct ResolvedExperiment {
    /// Path of the spec file.
    pub path: PathBuf,
    /// The spec without its sweep; where there is one, with the swept keys at their first values.
    pub spec: Spec,
    /// What may not be meant so.
    pub warnings: Vec<Diagnostic>,
    /// The values that are tried, where the spec has a `[sweep]`.
    pub sweep: Option<Sweep>,
    /// How a cluster runs its trials.
    pub engine: Engine,
    /// Which defaults it has.
    pub defaults: Defaults,
    /// File and overrides laid over each other, without the sweep's values.
    pub(crate) settings: Settings,
    /// Overridden keys that stand in a trial's identity.
    pub(crate) overridden: BTreeSet<&'static str>,
    /// The start of the spec file.
    pub(crate) home: Place,
}

impl ResolvedExperiment {
    /// Runs of all trials, those that a search is still to propose among them.
    pub fn runs(&self) -> usize {
        self.sweep.as_ref().map_or(1, |sweep| sweep.trials) * self.spec.seeds.len()
    }

    /// Which of them draw pictures.
    pub fn pictures(&self) -> Pictures {
        self.engine.pictures.unwrap_or(Pictures::of(self.runs()))
    }

    /// Tells `message` at the key `path`, where it is written; in a list at `item`.
    pub(crate) fn problem_at(&self, path: &str, item: Option<&str>, message: &str) -> Option<Diagnostic> {
        let node = &self.settings.get(path)?.node;
        let place = match (&node.value, item) {
            (_, None) => &node.place,
            (Value::Text(text), Some(item)) if text == item => &node.place,
            (Value::List(items), Some(item)) => {
                &items.iter().find(|it| matches!(&it.value, Value::Text(text) if text == item))?.place
            }
            _ => return None,
        };
        Some(Diagnostic::error(place, message))
    }

    /// The file's name without its extension: the experiment's default name.
    pub(crate) fn stem(&self) -> String {
        stem(&self.path)
    }
}

impl SpecFile {
    /// Reads a spec file.
    ///
    /// # Errors
    /// Where it cannot be read, is longer than 1 MiB, or is not UTF-8.
    pub fn read(path: &Path) -> Result<Self, Diagnostics> {
        read(path, 0)
    }
}

pub(crate) fn read(path: &Path, order: usize) -> Result<SpecFile, Diagnostics> {
    let name = path.display().to_string();
    let fail = |message: String, help: &str| {
        Diagnostics::new(vec![Diagnostic::of_file(name.clone(), order, message).help(help)])
    };
    let mut bytes = Vec::new();
    File::open(path).and_then(|file| file.take(MAX_BYTES + 1).read_to_end(&mut bytes)).map_err(|error| {
        let help = match error.kind() {
            std::io::ErrorKind::NotFound => match near_file(path) {
                Some(near) => &*format!("did you mean `{}`?", near.display()),
                None => "check the path, which starts at the working directory; for a command, see `runner --help`",
            },
            _ => "name a TOML file that can be read",
        };
        fail(format!("cannot read the spec `{name}`: {error}"), help)
    })?;
    if path.extension().is_some() && FileFormat::of(path).is_some() {
        let help = format!("`runner init --data {name}` writes a spec for it");
        return Err(fail(format!("`{name}` is a data file, not a spec"), &help));
    }
    if bytes.len() as u64 > MAX_BYTES {
        return Err(fail(format!("`{name}` is longer than 1 MiB"), "a spec is a short TOML file; is this the data?"));
    }
    match String::from_utf8(bytes) {
        Ok(text) => Ok(SpecFile { path: path.to_path_buf(), text }),
        Err(error) => {
            let at = error.utf8_error().valid_up_to();
            // The text up to there is shown, so that the place can be found.
            let text = String::from_utf8_lossy(error.as_bytes()).into_owned();
            let place = Place { source: Source::new(name, text, order), span: at..at };
            Err(Diagnostics::new(vec![
                Diagnostic::error(&place, "this is not UTF-8").help("save the file as UTF-8 text"),
            ]))
        }
    }
}

/// Reads, checks and resolves spec files, with the same overrides for each.
///
/// # Errors
/// All problems of all files and overrides.
pub fn load(paths: &[PathBuf], overrides: impl Into<Overrides>) -> Result<Vec<ResolvedExperiment>, Diagnostics> {
    let (experiments, problems) = load_each(paths, overrides, |_| Defaults::Today);
    problems.into_result()?;
    Ok(experiments)
}

/// Like [`load`], but returns the experiments that are well beside the problems of the others. `defaults`: which an
/// experiment has, by its name.
pub fn load_each(
    paths: &[PathBuf],
    overrides: impl Into<Overrides>,
    defaults: impl Fn(&str) -> Defaults,
) -> (Vec<ResolvedExperiment>, Diagnostics) {
    let mut problems = Vec::new();
    let layer = overrides.into().read(paths.len() * LONGEST_CHAIN, &mut problems);
    let mut experiments = Vec::new();
    let mut names: BTreeMap<String, PathBuf> = BTreeMap::new();
    for (i, path) in paths.iter().enumerate() {
        let order = i * LONGEST_CHAIN;
        let Ok(file) = read(path, order).map_err(|found| problems.extend(found)) else {
            continue;
        };
        let Some(experiment) = load_one(file, order, &layer, &defaults, &mut problems) else {
            continue;
        };
        match names.get(&experiment.spec.name) {
            None => {
                names.insert(experiment.spec.name.clone(), path.clone());
                experiments.push(experiment);
            }
            Some(first) => {
                let place = experiment.settings.get("name").map_or(&experiment.home, |setting| &setting.node.place);
                let message = format!("experiment `{}` is in `{}` too", experiment.spec.name, first.display());
                let help = "give each spec of one command its own `name`: it names the folder of its results";
                problems.push(Diagnostic::error(place, message).help(help));
            }
        }
    }
    (experiments, Diagnostics::new(problems))
}

fn load_one(
    file: SpecFile,
    order: usize,
    layer: &OverrideLayer,
    defaults: &dyn Fn(&str) -> Defaults,
    problems: &mut Vec<Diagnostic>,
) -> Option<ResolvedExperiment> {
    let source: Arc<Source> = Source::new(file.path.display().to_string(), file.text, order);
    let home = Place::start_of(&source);
    let mut found = Vec::new();
    let entries = node::parse_document(&source, &mut found);
    if !found.is_empty() {
        // What a broken document seems to say would only draw attention from where it is broken.
        problems.append(&mut found);
        return None;
    }
    let settings = Settings::read(entries, &mut found);
    let Some(mut settings) = over_bases(settings, &file.path, order, &mut found) else {
        // What a spec lacks may stand in the base.
        problems.append(&mut found);
        return None;
    };
    settings.lay_over(&layer.settings);
    let defaults = match &settings.get("name").map(|setting| &setting.node.value) {
        Some(Value::Text(name)) => defaults(name),
        _ => defaults(&stem(&file.path)),
    };
    let settings = defaults.complete(settings, order);
    let sweep = Sweep::read(&settings, &layer.keys, &mut found);
    let engine = Engine::read(&settings, &home, &mut found);
    let first = sweep.as_ref().map(|sweep| sweep.with_first_values(&settings));
    let folder = file.path.parent().unwrap_or(Path::new(""));
    let resolution = resolve(first.as_ref().unwrap_or(&settings), &home, folder, &stem(&file.path));
    found.extend(resolution.problems);
    let mut warnings = Vec::new();
    // Which combinations a sweep makes, and which keys they use, is told by its expansion.
    if sweep.is_none() || resolution.spec.is_none() {
        found.extend(resolution.unused.into_iter().map(|(_, problem)| problem));

        let errors = |problem: &Diagnostic| problem.severity == Severity::Error;
        let (conflicts, mild): (Vec<_>, Vec<_>) = resolution.conflicts.into_iter().partition(errors);
        found.extend(conflicts);
        warnings = mild;
    }
    let failed = !found.is_empty();
    problems.append(&mut found);
    let spec = resolution.spec.filter(|_| !failed)?;
    Some(ResolvedExperiment {
        path: file.path,
        spec,
        warnings,
        sweep,
        engine,
        defaults,
        settings,
        overridden: layer.keys.clone(),
        home,
    })
}

/// Whether this is the resolved spec that lies in a run's folder: it repeats the run, whatever release wrote it.
pub(super) fn is_of_a_run(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name == "spec.toml") && path.with_file_name("manifest.json").exists()
}

fn stem(path: &Path) -> String {
    path.file_stem().map_or_else(String::new, |stem| stem.to_string_lossy().into_owned())
}
