//! `runner plot`: charts of an experiment or a run.

use std::fmt::Display;
use std::io::Write;
use std::path::{Path, PathBuf};

use clap::Args;

use super::compare::{has_metric, metric_named, rows_of};
use super::options::no_runs;
use super::output::{print, tell};
use super::spare::{learned_from, spare};
use super::{Exit, Failure};
use crate::atomic::write_atomically;
use crate::engine::Datasets;
use crate::progress::{ProgressMode, loading};
use crate::record::{read_curve, read_runs};
use crate::report::charts::{Chart, experiment_charts, run_chart};
use crate::report::comparison::{By, Comparison};
use crate::train::Metrics;
use crate::trial::SavedRun;

#[derive(Args, Debug)]
pub(super) struct Plot {
    /// An experiment (results/<experiment>) or a run directory (results/<experiment>/<trial>/seed-<n>)
    #[arg(value_name = "RUN|EXPERIMENT")]
    path: PathBuf,
    /// What to draw against swept keys and cost: a numeric column of trials.parquet
    #[arg(long, value_name = "NAME", default_value = "test_nll")]
    metric: String,
    /// Where to write the pictures [default: the folder `plots` in the experiment or run]
    #[arg(long, short, value_name = "DIR")]
    output: Option<PathBuf>,
}

impl Plot {
    pub fn execute(&self) -> Result<Exit, Failure> {
        let metric = metric_named(&self.metric)?;
        let runs = read_runs(&self.path);
        for broken in &runs.broken {
            tell(format_args!("warning: {broken}"));
        }
        let Some(first) = runs.manifests.first() else {
            return Err(no_runs(&self.path));
        };
        let folder = self.output.clone().unwrap_or_else(|| self.path.join("plots"));
        let learned_from = learned_from(&self.path);
        let learned_from: Vec<&Path> = learned_from.iter().map(PathBuf::as_path).collect();
        spare(&folder.join("curves.png"), &learned_from)?;
        std::fs::create_dir_all(&folder).map_err(|error| {
            Failure::Usage(format!("{}: cannot be made: {error}; name another folder with --output", folder.display()))
        })?;
        if runs.directories == [self.path.clone()] {
            let title = format!("{} · {} · seed {}", first.experiment, first.trial, first.seed);
            save(&folder, &run_chart(&title, &curve(&self.path)))?;
            return redraw(&self.path, &folder, &title);
        }
        let comparison = Comparison::new(&rows_of(&runs.manifests)?, &By::Trial, metric);
        has_metric(&comparison)?;
        let title = first.experiment.as_str();
        let curves: Vec<Vec<Metrics>> = runs.directories.iter().map(|run| curve(run)).collect();
        for chart in experiment_charts(title, &comparison, &curves) {
            save(&folder, &chart)?;
        }
        Ok(Exit::Success)
    }
}

fn save(folder: &Path, chart: &Chart) -> Result<(), Failure> {
    let drawn = chart.draw().map_err(Failure::run)?;
    for (extension, bytes) in [("png", drawn.png.as_slice()), ("svg", drawn.svg.as_bytes())] {
        write(&folder.join(format!("{}.{extension}", chart.stem)), bytes)?;
    }
    Ok(())
}

fn write(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    spare(path, &[])?;
    write_atomically(path, |file| file.write_all(bytes)).map_err(Failure::run)?;
    print(path.display())
}

/// Density and samples of the best weights, drawn anew where weights and data are there.
fn redraw(run: &Path, folder: &Path, title: &str) -> Result<Exit, Failure> {
    let pictures = SavedRun::open(run).map_err(|error| error.to_string()).and_then(|mut saved| {
        let none = |error: &dyn Display| format!("no pictures of the density: {error}");
        let dataset = Datasets::new(loading(ProgressMode::Auto)).of(&saved.spec).map_err(|error| none(&error))?;
        saved.pictures(&dataset, title).map_err(|error| none(&error))
    });
    match pictures {
        Ok(pictures) => {
            for picture in pictures {
                write(&folder.join(format!("{}.png", picture.tag)), &picture.png)?;
            }
        }
        Err(reason) => tell(format_args!("warning: {reason}")),
    }
    Ok(Exit::Success)
}

/// What can be read of the curve of a run; what cannot is told.
pub(super) fn curve(run: &Path) -> Vec<Metrics> {
    let (rows, damage) = read_curve(run);
    if let Some(damage) = damage {
        tell(format_args!("warning: {damage}"));
    }
    rows
}
