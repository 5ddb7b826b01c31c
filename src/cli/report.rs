//! `runner report`: one page of everything that came out.

use std::io::Write;
use std::path::{Path, PathBuf};

use clap::Args;
use polars::prelude::{CsvWriter, SerWriter};
use rayon::prelude::*;

use super::compare::{has_metric, metric_named, resolved, rows_with_specs};
use super::list::{plan, waiting};
use super::options::no_runs;
use super::output::{print, tell};
use super::plot::curve;
use super::spare::{learned_from, spare};
use super::{Exit, Failure};
use crate::atomic::write_atomically;
use crate::record::{RunDiagnosis, Runs, read_runs};
use crate::report::Comparison;
use crate::report::comparison::By;
use crate::report::page::{self, Album, Run};

#[derive(Args, Debug)]
pub(super) struct Report {
    /// Experiments (results/<experiment>); they may still run
    #[arg(required = true, value_name = "EXPERIMENT")]
    paths: Vec<PathBuf>,
    /// What to order trials by: a numeric column of trials.parquet
    #[arg(long, value_name = "NAME", default_value = "test_nll")]
    metric: String,
    /// Show pictures of this many trials, the best ones, as long as the page stays small enough to send
    #[arg(long, value_name = "N", default_value_t = 4)]
    pictures: usize,
    /// Show pictures of this trial too: its id, or the start of its hash (repeatable)
    #[arg(long, value_name = "TRIAL")]
    show: Vec<String>,
    /// The page [default: report.html in the experiment]
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
}

impl Report {
    pub fn execute(&self) -> Result<Exit, Failure> {
        let metric = metric_named(&self.metric)?;
        let target = self.target()?;
        let (found, waiting) = self.read()?;
        let comparison =
            Comparison::new(&rows_with_specs(&found.manifests, &found.directories, &[])?, &By::Trial, metric);
        has_metric(&comparison)?;
        let runs: Vec<Run> = found
            .manifests
            .par_iter()
            .zip(&found.directories)
            .map(|(manifest, directory)| Run {
                manifest: manifest.clone(),
                curve: curve(directory),
                spec: resolved(directory).unwrap_or_default(),
                diagnosis: RunDiagnosis::read(directory, manifest).map(|it| it.diagnosis),
            })
            .collect();
        let mut csv = Vec::new();
        let mut frame = comparison.frame().map_err(Failure::run)?;
        CsvWriter::new(&mut csv).finish(&mut frame).map_err(Failure::run)?;
        let experiments: std::collections::BTreeSet<&str> =
            found.manifests.iter().map(|run| run.experiment.as_str()).collect();
        let report = page::Report {
            title: &experiments.into_iter().collect::<Vec<_>>().join(", "),
            made: &format!("{:.0}", jiff::Timestamp::now()),
            comparison: &comparison,
            runs: &runs,
            waiting,
            albums: &self.albums(&comparison, &runs, &found.directories)?,
            csv: &csv,
        };
        let html = report.html().map_err(Failure::run)?;
        write_atomically(&target, |file| file.write_all(html.as_bytes())).map_err(Failure::usage)?;
        print(target.display())?;
        Ok(Exit::Success)
    }

    /// Where the page goes.
    fn target(&self) -> Result<PathBuf, Failure> {
        let target = match (&self.output, self.paths.as_slice()) {
            (Some(target), _) => target.clone(),
            (None, [experiment]) => experiment.join("report.html"),
            (None, _) => return Err(Failure::usage("several experiments: name the page with -o FILE.html")),
        };
        let files: Vec<PathBuf> = self.paths.iter().flat_map(|path| learned_from(path)).collect();
        spare(&target, &files.iter().map(PathBuf::as_path).collect::<Vec<_>>())?;
        let extension = target.extension().and_then(|it| it.to_str()).map(str::to_lowercase);
        if !matches!(extension.as_deref(), Some("html" | "htm")) {
            return Err(Failure::Usage(format!(
                "{}: the page is HTML; name it {}",
                target.display(),
                target.with_extension("html").display()
            )));
        }
        Ok(target)
    }

    /// All runs of the experiments, each once, and how many more are asked for.
    fn read(&self) -> Result<(Runs, usize), Failure> {
        let mut all = Runs::default();
        let mut missing = 0;
        for path in &self.paths {
            let found = read_runs(path);
            found.broken.iter().for_each(|broken| tell(format_args!("warning: {broken}")));
            if found.manifests.is_empty() {
                return Err(no_runs(path));
            }
            missing += waiting(plan(path).as_ref(), &found.manifests).len();
            for (manifest, directory) in found.manifests.into_iter().zip(found.directories) {
                if !all.directories.contains(&directory) {
                    all.manifests.push(manifest);
                    all.directories.push(directory);
                }
            }
        }
        Ok((all, missing))
    }

    /// Pictures of the best trials and of those that are asked for by name: of each its run with the best validation NLL.
    fn albums(&self, comparison: &Comparison, runs: &[Run], directories: &[PathBuf]) -> Result<Vec<Album>, Failure> {
        let mut trials: Vec<usize> = (0..comparison.groups.len().min(self.pictures)).collect();
        for name in &self.show {
            let is_named = |run: &usize| {
                let manifest = &runs[*run].manifest;
                manifest.trial == *name || (name.len() >= 4 && manifest.spec_hash.starts_with(name.as_str()))
            };
            let trial = comparison.groups.iter().position(|group| group.members.iter().any(is_named));
            let trial = trial.ok_or_else(|| {
                Failure::Usage(format!("--show {name}: no such trial; `runner compare` tells their ids"))
            })?;
            if !trials.contains(&trial) {
                trials.push(trial);
            }
        }
        let nll = |run: &usize| {
            runs[*run].manifest.summary.as_ref().and_then(|it| it.validation_nll).unwrap_or(f64::INFINITY)
        };
        let best =
            |trial: usize| comparison.groups[trial].members.iter().copied().min_by(|a, b| nll(a).total_cmp(&nll(b)));
        let album = |run: usize| Album { run, pictures: pictures(&directories[run]) };
        Ok(trials.into_iter().filter_map(best).map(album).filter(|album| !album.pictures.is_empty()).collect())
    }
}

/// The pictures that a run has left, by name.
fn pictures(run: &Path) -> Vec<(String, Vec<u8>)> {
    let entries = std::fs::read_dir(run).into_iter().flatten().flatten().map(|entry| entry.path());
    let pictures = entries.filter(|path| path.extension().is_some_and(|extension| extension == "png"));
    let mut read: Vec<(String, Vec<u8>)> = pictures
        .filter_map(|path| Some((path.file_stem()?.to_string_lossy().into_owned(), std::fs::read(&path).ok()?)))
        .collect();
    read.sort();
    read
}
