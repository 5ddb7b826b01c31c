//! `runner list`: experiments and the state of their trials.

use std::path::{Path, PathBuf};

use clap::Args;
use comfy_table::Table;

use super::output::{print, tell};
use super::{Exit, Failure};
use crate::engine::was_killed;
use crate::record::read_runs;
use crate::report::quantity::number;
use crate::toys::TOYS;
use crate::train::Status;

#[derive(Args, Debug)]
pub(super) struct List {
    /// Folder of all results, or of one experiment
    #[arg(value_name = "DIR", default_value = "results")]
    directory: PathBuf,
    /// Show the toys and their entropies instead
    #[arg(long)]
    toys: bool,
}

impl List {
    pub fn execute(&self) -> Result<Exit, Failure> {
        if self.toys { toys() } else { self.runs() }
    }

    fn runs(&self) -> Result<Exit, Failure> {
        let mut table = table(&["experiment", "trial", "seed", "status", "step", "test NLL", "directory"]);
        let mut found = false;
        for experiment in experiments(&self.directory)? {
            let runs = read_runs(&experiment);
            for broken in &runs.broken {
                tell(format_args!("warning: {broken}"));
            }
            for run in &runs.manifests {
                found = true;
                let summary = run.summary.clone().unwrap_or_default();
                let nll = summary.test_nll.map(number).unwrap_or_default();
                // Killed, it had no time to say so; the same command resumes it like an interrupted one.
                let status = if was_killed(run) { Status::Interrupted } else { run.status };
                let step = if run.status == Status::Running { String::new() } else { summary.steps.to_string() };
                let directory = experiment.join(&run.trial).join(format!("seed-{}", run.seed));
                table.add_row([
                    run.experiment.clone(),
                    run.trial.clone(),
                    run.seed.to_string(),
                    status.as_str().to_owned(),
                    step,
                    nll,
                    directory.display().to_string(),
                ]);
            }
        }
        if found {
            print(table)?;
        } else {
            tell(format_args!("no runs in {}", self.directory.display()));
        }
        Ok(Exit::Success)
    }
}

fn toys() -> Result<Exit, Failure> {
    let mut table = table(&["toy", "entropy (nats)", "parameters", "what it is"]);
    for entry in TOYS {
        let toy = entry.build(&Default::default()).map_err(Failure::run)?;
        let parameters: Vec<String> =
            entry.parameters.iter().map(|p| format!("{} = {}", p.name, short(p.default))).collect();
        table.add_row([
            entry.name.to_owned(),
            format!("{:.4}", toy.entropy()),
            parameters.join(", "),
            entry.description.to_owned(),
        ]);
    }
    print(table)?;
    Ok(Exit::Success)
}

/// A number with at most four decimals.
fn short(value: f64) -> String {
    ((value * 1e4).round() / 1e4).to_string()
}

/// The experiment folders below `directory`, or `directory` itself where it is one.
fn experiments(directory: &Path) -> Result<Vec<PathBuf>, Failure> {
    if directory.join("plan.json").exists() {
        return Ok(vec![directory.to_owned()]);
    }
    let entries = std::fs::read_dir(directory).map_err(|error| {
        Failure::Usage(format!("{}: cannot be read: {error}; name the folder of the results", directory.display()))
    })?;
    let mut folders: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).filter(|path| path.is_dir()).collect();
    folders.sort();
    Ok(folders)
}

fn table(header: &[&str]) -> Table {
    let mut table = Table::new();
    table.load_style(comfy_table::presets::NOTHING).set_header(header.to_vec());
    table
}
