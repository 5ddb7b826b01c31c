//! Runs that the experiment's plan does not ask for (any more).

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::atomic::WriteError;
use crate::plan::{Plan, StoredPlanError};
use crate::record::{Manifest, RecordError, read_runs, remove_bands, write_bands, write_trials};
use crate::train::Status;
use crate::trial::{stranger, was_killed};

/// What an experiment has beside the runs that its plan asks for.
#[derive(Debug, Default)]
pub struct Unasked {
    /// Directories of runs that nothing asks for, runs under a second name among them.
    pub runs: Vec<PathBuf>,
    /// What stays though it is not asked for, and why.
    pub left: Vec<String>,
}

/// Why it is not known what is asked for.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "every message tells what its fields are")]
pub enum UnaskedError {
    #[error("{} has no plan.json that can be read ({source}); name an experiment, a folder like results/moons", path.display())]
    NoPlan { path: PathBuf, source: io::Error },
    #[error("{}: {source}", path.display())]
    Plan { path: PathBuf, source: StoredPlanError },
}

/// The runs of `experiment` that its plan does not ask for.
///
/// # Errors
/// Where there is no plan, or none that this release understands.
pub fn unasked(experiment: &Path) -> Result<Unasked, UnaskedError> {
    let path = experiment.join("plan.json");
    let text =
        fs::read_to_string(&path).map_err(|source| UnaskedError::NoPlan { path: experiment.to_owned(), source })?;
    let plan = Plan::from_json(&text).map_err(|source| UnaskedError::Plan { path, source })?;
    let asked: BTreeSet<(&str, u64)> = plan.trials.iter().map(|trial| trial.run()).collect();
    let runs = read_runs(experiment);
    let beside = runs.manifests.iter().zip(&runs.directories);
    let beside = beside.filter(|(run, _)| !asked.contains(&(run.spec_hash.as_str(), run.seed)));
    let mut found = Unasked::default();
    for directory in beside.map(|(_, directory)| directory).chain(&runs.repeated) {
        match why_kept(experiment, directory) {
            None => found.runs.push(directory.clone()),
            Some(reason) => found.left.push(format!("{}: left, {reason}", directory.display())),
        }
    }
    found.left.extend(runs.broken.iter().map(|error| format!("left: {error}")));
    Ok(found)
}

/// Why a run that is not asked for must not be removed.
fn why_kept(experiment: &Path, directory: &Path) -> Option<String> {
    let run = match Manifest::read(directory) {
        Ok(run) => run,
        Err(error) => return Some(error.to_string()),
    };
    let lies_so = directory.parent().and_then(Path::parent) == Some(experiment) && !directory.is_symlink();
    if !lies_so {
        return Some("it is not of the form <experiment>/<trial>/seed-<n>".to_owned());
    }
    if run.status == Status::Running && !was_killed(&run) {
        return Some(format!("process {} of {} may be running it", run.pid, run.host));
    }
    stranger(directory).map(|name| format!("it holds `{name}`, which no run leaves there"))
}

/// Removes the directories of `runs` from `experiment`, and brings its tables up to date. Returns how many are gone; one that was
/// started since stays.
///
/// # Errors
/// Where something cannot be removed or written.
pub fn remove(experiment: &Path, runs: &[PathBuf]) -> Result<usize, RecordError> {
    let mut removed = 0;
    let mut trials = BTreeSet::new();
    for directory in runs.iter().filter(|directory| why_kept(experiment, directory).is_none()) {
        fs::remove_dir_all(directory).map_err(WriteError::at(directory))?;
        removed += 1;
        trials.extend(directory.parent());
    }
    for trial in trials {
        // Removed only if it is empty: other seeds of the trial may remain.
        let gone = fs::remove_dir(trial).is_ok();
        let name = trial.file_name().map(|name| name.to_string_lossy()).unwrap_or_default();
        remove_bands(experiment, &name);
        if !gone {
            write_bands(experiment, &name)?;
        }
    }
    write_trials(experiment, &read_runs(experiment).manifests, true)?;
    Ok(removed)
}
