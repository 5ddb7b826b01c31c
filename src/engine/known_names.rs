//! A trial is what it computes, not what it is called: what is there already keeps its name, and its runs.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use crate::plan::{Plan, Trial, as_written, run_directory, settings_hash};
use crate::record::{Manifest, Runs};
use crate::spec::{Spec, counted};
use crate::trial::SavedRun;

/// `plan` with the names that its trials have in `results` already, where `runs` of its experiment are there. New seeds of a
/// trial go to its others. `tell` hears of names that are not those the plan asks for.
pub(super) fn under_known_names(plan: &Plan, results: &Path, runs: &Runs, tell: impl Fn(String)) -> Plan {
    let plan = &with_known_paths(plan, runs);
    let mut folders: BTreeMap<(&str, u64), String> = BTreeMap::new();
    let mut names: BTreeMap<&str, &str> = BTreeMap::new();
    for (run, directory) in runs.manifests.iter().zip(&runs.directories) {
        let Some(folder) = directory.parent().and_then(Path::file_name).map(|it| it.to_string_lossy()) else {
            continue;
        };
        let lies_so = run_directory(&results.join(&plan.experiment), &folder, run.seed);
        if *directory == lies_so {
            folders.insert((&run.spec_hash, run.seed), folder.into_owned());
            names.insert(&run.spec_hash, &run.trial);
        }
    }
    let known = |trial: &Trial| -> Option<String> {
        let hash = trial.spec_hash.as_str();
        let of_run = folders.get(&(hash, trial.seed)).cloned();
        // Not where it has a folder under its own name: even without a readable manifest, that may hold a run to go on with.
        of_run.or_else(|| names.get(hash).filter(|_| !trial.directory(results).exists()).map(|name| (*name).to_owned()))
    };
    let mut renamed: Vec<(String, String)> = Vec::new();
    let under_known_name = |trial: &Trial| {
        let id = known(trial).unwrap_or_else(|| trial.id.clone());
        Trial { id, ..trial.clone() }
    };
    let named = Plan {
        trials: plan.trials.iter().map(under_known_name).collect(),
        beside: plan.beside.iter().map(under_known_name).collect(),
        ..plan.clone()
    };
    for (asked, trial) in plan.trials.iter().zip(&named.trials) {
        let pair = (trial.id.clone(), asked.id.clone());
        if asked.id != trial.id && !renamed.contains(&pair) {
            renamed.push(pair);
        }
    }
    if let Some((there, asked)) = renamed.first() {
        let others = if renamed.len() > 1 { format!(", and {} like it", renamed.len() - 1) } else { String::new() };
        let trials = counted(renamed.len(), "trial");
        tell(format!("{}: {trials} there under another name: {there} (asked for as {asked}){others}", plan.experiment));
    }
    named
}

/// `plan` with the data files of its trials written as `runs` have them that are the same but for that: `data.csv` and
/// `/home/me/data.csv` make one trial, not two.
fn with_known_paths(plan: &Plan, runs: &Runs) -> Plan {
    let hashes: BTreeSet<&str> = runs.manifests.iter().map(|run| run.spec_hash.as_str()).collect();
    let is_new = |trial: &Trial| !hashes.contains(trial.spec_hash.as_str()) && !trial.spec.dataset.files().is_empty();
    if hashes.is_empty() || !plan.trials.iter().any(is_new) {
        return plan.clone();
    }
    let mut known: BTreeMap<String, (&str, Vec<PathBuf>)> = BTreeMap::new();
    for (run, directory) in runs.manifests.iter().zip(&runs.directories) {
        if let Ok(spec) = SavedRun::spec_of(directory) {
            known.entry(settings_hash(&spec)).or_insert_with(|| (&run.spec_hash, real_files(&spec)));
        }
    }
    let as_known = |trial: &Trial| -> Option<Trial> {
        let (hash, files) = known.get(&settings_hash(&trial.spec))?;
        // A run's own spec.toml names its files by absolute paths.
        let absolute: Spec = toml::from_str(&trial.spec.to_toml()).ok()?;
        let spec = as_written(&absolute, hash).filter(|_| *files == real_files(&trial.spec))?;
        Some(Trial { spec, spec_hash: (*hash).to_owned(), ..trial.clone() })
    };
    let trials = plan.trials.iter().map(|trial| match is_new(trial) {
        true => as_known(trial).unwrap_or_else(|| trial.clone()),
        false => trial.clone(),
    });
    Plan { trials: trials.collect(), ..plan.clone() }
}

/// Where the data files of a spec are, whatever they are called.
fn real_files(spec: &Spec) -> Vec<PathBuf> {
    let files = spec.dataset.files().into_iter().map(|(_, path)| spec.find(path));
    files.map(|path| path.canonicalize().unwrap_or(path)).collect()
}

/// Adds to the manifest of a run that is there already the keys that are swept or overridden only now, so that every table has
/// them in their columns.
pub(super) fn tell_overrides(trial: &Trial, results: &Path, run: &mut Manifest) {
    if run.learn(&trial.overrides) {
        // A failed write leaves the run's manifest as it was; this process's tables have the keys anyway.
        let _ = run.write(&trial.directory(results));
    }
}
