//! `runner list`: experiments and the state of their trials.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use clap::Args;
use comfy_table::Table;

use super::output::{print, quoted, tell};
use super::{Exit, Failure};
use crate::plan::{Plan, Trial};
use crate::quantity::number;
use crate::record::{Manifest, read_curve, read_runs};
use crate::spec::counted;
use crate::toys::TOYS;
use crate::train::Status;
use crate::trial::was_killed;

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
        let mut rows: Vec<[String; 9]> = Vec::new();
        let mut totals = Vec::new();
        for experiment in experiments(&self.directory)? {
            let runs = read_runs(&experiment);
            for broken in &runs.broken {
                tell(format_args!("warning: {broken}"));
            }
            let plan = plan(&experiment);
            let waiting = waiting(plan.as_ref(), &runs.manifests);
            let asked: Option<BTreeSet<_>> = plan.as_ref().map(|plan| plan.trials.iter().map(Trial::run).collect());
            let planned: BTreeMap<_, _> =
                plan.iter().flat_map(|plan| &plan.trials).map(|it| (it.run(), (it.round, it.until))).collect();
            let shown = |number: Option<usize>| number.map_or_else(String::new, |number| number.to_string());
            let stage = |run: (&str, u64)| {
                let (round, rung) = planned.get(&run).copied().unwrap_or_default();
                [round, rung].map(shown)
            };
            let mut unasked = runs.repeated.len();
            let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
            for (run, directory) in runs.manifests.iter().zip(&runs.directories) {
                let status = status(run);
                *counts.entry(status).or_default() += 1;
                let is_asked = asked.as_ref().is_none_or(|asked| asked.contains(&(&run.spec_hash, run.seed)));
                unasked += usize::from(!is_asked);
                let nll = run.summary.as_ref().and_then(|summary| summary.test_nll).map(number);
                let [round, rung] = stage((&run.spec_hash, run.seed));
                rows.push([
                    run.experiment.clone(),
                    run.trial.clone(),
                    run.seed.to_string(),
                    round,
                    rung,
                    if is_asked { status.to_owned() } else { format!("{status} {UNASKED}") },
                    step(run, directory),
                    nll.unwrap_or_default(),
                    directory.display().to_string(),
                ]);
            }
            for trial in &waiting {
                let (experiment, seed) = (trial.experiment.clone(), trial.seed.to_string());
                let nothing = String::new();
                let [round, rung] = stage(trial.run());
                rows.push([
                    experiment,
                    trial.id.clone(),
                    seed,
                    round,
                    rung,
                    WAITING.into(),
                    nothing.clone(),
                    nothing.clone(),
                    nothing,
                ]);
            }
            if !waiting.is_empty() {
                counts.insert(WAITING, waiting.len());
            }
            if !counts.is_empty() {
                let counts: Vec<String> = counts.iter().map(|(status, runs)| format!("{runs} {status}")).collect();
                totals.push(format!("{}: {}", experiment.display(), counts.join(", ")));
                if unasked > 0 {
                    tell(format_args!(
                        "{}: {} no longer asked for; `runner prune {}` removes them",
                        experiment.display(),
                        counted(unasked, "run"),
                        quoted(&experiment)
                    ));
                }
            }
        }
        if totals.is_empty() {
            tell(format_args!("no runs in {}", self.directory.display()));
        } else {
            print(runs_table(rows))?;
            print(format_args!("\n{}", totals.join("\n")))?;
        }
        Ok(Exit::Success)
    }
}

/// The table of runs, with their rounds and the steps of their last rungs where there are any.
fn runs_table(rows: Vec<[String; 9]>) -> Table {
    const HEADER: [&str; 9] =
        ["experiment", "trial", "seed", "round", "rung", "status", "step", "test NLL", "directory"];
    let is_shown = |i: &usize| !["round", "rung"].contains(&HEADER[*i]) || rows.iter().any(|row| !row[*i].is_empty());
    let shown: Vec<usize> = (0..HEADER.len()).filter(is_shown).collect();
    let mut table = table(&shown.iter().map(|i| HEADER[*i]).collect::<Vec<_>>());
    for row in &rows {
        table.add_row(shown.iter().map(|i| &row[*i]));
    }
    table
}

/// Status shown for a run that the plan asks for and that has not started.
const WAITING: &str = "waiting";

/// Remark behind the status of a run that the plan does not ask for.
const UNASKED: &str = "(not asked for)";

pub(super) fn plan(experiment: &Path) -> Option<Plan> {
    let text = std::fs::read_to_string(experiment.join("plan.json")).ok()?;
    Plan::from_json(&text).ok()
}

/// The runs of the experiment's plan that have not started.
pub(super) fn waiting(plan: Option<&Plan>, started: &[Manifest]) -> Vec<Trial> {
    let started: BTreeSet<(&str, u64)> = started.iter().map(|run| (run.spec_hash.as_str(), run.seed)).collect();
    let planned = plan.into_iter().flat_map(|plan| &plan.trials);
    planned.filter(|trial| !started.contains(&trial.run())).cloned().collect()
}

fn status(run: &Manifest) -> &'static str {
    // A killed run still says `running`; the same command resumes it like an interrupted one.
    if was_killed(run) { Status::Interrupted.as_str() } else { run.status.as_str() }
}

/// How far it is: from its summary, or while it runs from its curve.
fn step(run: &Manifest, directory: &Path) -> String {
    let step = match (&run.summary, run.status) {
        (Some(summary), status) if status != Status::Running => Some(summary.steps),
        _ => read_curve(directory).0.last().map(|row| row.step),
    };
    step.map(|step| step.to_string()).unwrap_or_default()
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
