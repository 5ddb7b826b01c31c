//! `trials.parquet`: one row a run of an experiment.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use polars::prelude::*;

use super::metrics_table::encode;
use super::same_trial::once_each;
use super::{Manifest, RecordError};
use crate::atomic::{sync, write_view};
use crate::columns::value_column;
use crate::train::Summary;

/// The runs below a folder.
#[derive(Debug, Default)]
pub struct Runs {
    /// In the order of experiment, trial and seed; a run that is there under several names once.
    pub manifests: Vec<Manifest>,
    /// The run directory of each of them.
    pub directories: Vec<PathBuf>,
    /// Directories of the same runs under other names.
    pub repeated: Vec<PathBuf>,
    /// Those that cannot be read, for a warning.
    pub broken: Vec<RecordError>,
}

/// Folders between the results folder and a run: `<experiment>/<trial>/seed-<n>`.
const DEEPEST: usize = 3;

/// Reads the `manifest.json` of every run in `folder`: a folder of results, an experiment, a trial, or a run itself. Runs
/// that have not started yet are left out; a folder that does not exist has no runs.
pub fn read_runs(folder: &Path) -> Runs {
    let mut found = Vec::new();
    let mut broken = Vec::new();
    collect(folder, DEEPEST, &mut found, &mut broken);
    let repeated = once_each(&mut found);
    found.sort_by(|(a, _), (b, _): &(Manifest, PathBuf)| {
        (&a.experiment, &a.trial, a.seed).cmp(&(&b.experiment, &b.trial, b.seed))
    });
    let (manifests, directories) = found.into_iter().unzip();
    Runs { manifests, directories, repeated, broken }
}

fn collect(folder: &Path, depth: usize, found: &mut Vec<(Manifest, PathBuf)>, broken: &mut Vec<RecordError>) {
    match Manifest::read(folder) {
        Ok(manifest) => return found.push((manifest, folder.to_owned())),
        Err(error) if is_missing(&error) => {}
        Err(error) => return broken.push(error),
    }
    if depth == 0 {
        return;
    }
    match fs::read_dir(folder).map_err(RecordError::read(folder)) {
        Ok(entries) => {
            let folders = entries.filter_map(Result::ok).map(|entry| entry.path()).filter(|path| path.is_dir());
            folders.for_each(|inner| collect(&inner, depth - 1, found, broken));
        }
        Err(error) if is_missing(&error) => {}
        Err(error) => broken.push(error),
    }
}

fn is_missing(error: &RecordError) -> bool {
    matches!(error, RecordError::Read { source, .. } if source.kind() == io::ErrorKind::NotFound)
}

/// Writes `trials.parquet` of the experiment in `experiment_dir`, atomically. It says nothing that the manifests do not, so the
/// disk is waited for only where it is the `last` time.
///
/// # Errors
/// [`RecordError::Write`].
pub fn write_trials(experiment_dir: &Path, rows: &[Manifest], last: bool) -> Result<(), RecordError> {
    let path = experiment_dir.join("trials.parquet");
    write_view(&path, |file| encode(file, trial_columns(rows)))?;
    if last {
        sync(&path)?;
    }
    Ok(())
}

/// The columns of `trials.parquet`: the fixed ones, then one for every key that any of `rows` sweeps or overrides, as
/// [`value_column`] makes it. Null where unknown.
pub fn trial_columns(rows: &[Manifest]) -> Vec<Column> {
    let mut columns = fixed_columns(rows);
    let keys: BTreeSet<&str> = rows.iter().flat_map(|row| row.overrides.keys().map(String::as_str)).collect();
    for key in keys {
        // `device` has its column already.
        if columns.iter().all(|column| column.name().as_str() != key) {
            let values: Vec<_> = rows.iter().map(|row| row.overrides.get(key)).collect();
            columns.push(value_column(key, &values));
        }
    }
    columns
}

fn fixed_columns(rows: &[Manifest]) -> Vec<Column> {
    let text = |name: &str, get: fn(&Manifest) -> Option<&str>| {
        Column::new(name.into(), rows.iter().map(get).collect::<Vec<_>>())
    };
    let integer = |name: &str, get: fn(&Manifest) -> Option<i64>| {
        Column::new(name.into(), rows.iter().map(get).collect::<Vec<_>>())
    };
    let result = |name: &str, get: fn(&Summary) -> Option<f64>| {
        let values: Vec<_> = rows.iter().map(|row| row.summary.as_ref().and_then(get)).collect();
        Column::new(name.into(), values)
    };
    vec![
        text("experiment", |row| Some(&row.experiment)),
        text("trial", |row| Some(&row.trial)),
        integer("seed", |row| i64::try_from(row.seed).ok()),
        text("status", |row| Some(row.status.as_str())),
        result("test_nll", |summary| summary.test_nll),
        result("test_nll_stderr", |summary| summary.test_nll_stderr),
        result("test_nll_standardized", |summary| summary.test_nll_standardized),
        result("validation_nll", |summary| summary.validation_nll),
        result("train_nll", |summary| summary.train_nll),
        result("gap", |summary| summary.gap),
        result("gap_stderr", |summary| summary.gap_stderr),
        result("bits_per_dim", |summary| summary.bits_per_dim),
        integer("steps", |row| row.summary.as_ref().map(|summary| summary.steps)),
        result("seconds", |summary| Some(summary.seconds)),
        result("samples_per_second", |summary| Some(summary.samples_per_second)),
        integer("parameters", |row| i64::try_from(row.parameters?).ok()),
        text("device", |row| Some(&row.device)),
        Column::new("static_shape".into(), rows.iter().map(|row| row.static_shape).collect::<Vec<_>>()),
        text("git_commit", |row| row.git_commit.as_deref()),
        text("spec_hash", |row| Some(&row.spec_hash)),
    ]
}

#[cfg(test)]
#[path = "trials_tests.rs"]
mod tests;
