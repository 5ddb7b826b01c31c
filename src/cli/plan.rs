//! `runner plan`: show the trials of a spec without running them.

use clap::Args;
use comfy_table::Table;

use super::check::tell_composed;
use super::options::Specs;
use super::output::{print, tell};
use super::{Exit, Failure};
use crate::engine::kubernetes::{self, Cluster};
use crate::engine::{Datasets, TooLittleMemory, free_bytes};
use crate::plan;
use crate::progress::{ProgressMode, loading};
use crate::quantity::{bytes, duration};
use crate::spec::counted;
use crate::trial::{Estimate, estimate};

#[derive(Args, Debug)]
pub(super) struct Plan {
    #[command(flatten)]
    specs: Specs,
    /// Print the plan as JSON, as it is stored in plan.json
    #[arg(long)]
    json: bool,
    /// Print an indexed Kubernetes Job that runs every trial (YAML); plan and results lie on a volume that the pods share
    #[arg(long, conflicts_with_all = ["json", "resolved"])]
    kubernetes: bool,
    /// Container image of the Job
    #[arg(long, value_name = "IMAGE", default_value = "runner:latest", requires = "kubernetes")]
    image: String,
    /// Persistent volume claim of the Job, mounted at /results
    #[arg(long, value_name = "CLAIM", default_value = "results", requires = "kubernetes")]
    claim: String,
    /// Print the resolved spec with the origin of each value
    #[arg(long, conflicts_with = "json")]
    resolved: bool,
}

impl Plan {
    pub fn execute(&self) -> Result<Exit, Failure> {
        if self.resolved {
            for (experiment, _) in self.specs.experiments()? {
                print(experiment.to_annotated_toml())?;
            }
            return Ok(Exit::Success);
        }
        if self.kubernetes {
            let cluster = Cluster { image: &self.image, claim: &self.claim };
            for (i, plan) in self.specs.plans()?.iter().enumerate() {
                print(format_args!("{}{}", if i > 0 { "---\n" } else { "" }, kubernetes::job(plan, cluster)))?;
            }
            return Ok(Exit::Success);
        }
        show(&self.specs.plans()?, self.json)
    }
}

/// Prints plans, as a table or as JSON (one document an experiment).
pub(super) fn show(plans: &[plan::Plan], json: bool) -> Result<Exit, Failure> {
    let datasets = Datasets::new(loading(ProgressMode::Auto));
    for plan in plans {
        if json {
            print(plan.to_json().map_err(Failure::usage)?)?;
            continue;
        }
        tell_composed(plan, &datasets)?;
        let mut table = Table::new();
        table.load_style(comfy_table::presets::NOTHING);
        table.set_header(["trial", "seeds", "overrides", "shape", "parameters", "steps", "time a run", "memory a run"]);
        for trial in plan.trials.iter().filter(|trial| is_first_seed(plan, trial)) {
            let dataset = datasets.of(&trial.spec).map_err(Failure::usage)?;
            let Estimate { static_shape, parameters, steps, seconds, memory } =
                estimate(trial, &dataset).map_err(Failure::run)?;
            if let Some(free) = free_bytes().filter(|free| memory > *free) {
                tell(format_args!("warning: {}: {}", trial.id, TooLittleMemory { needed: memory, free }));
            }
            let seeds: Vec<String> =
                plan.trials.iter().filter(|other| other.id == trial.id).map(|other| other.seed.to_string()).collect();
            let overrides: Vec<String> =
                trial.overrides.iter().map(|(key, value)| format!("{key} = {value}")).collect();
            table.add_row([
                trial.id.clone(),
                seeds.join(","),
                overrides.join(", "),
                if static_shape { "compiled" } else { "run time" }.to_owned(),
                parameters.to_string(),
                steps.to_string(),
                duration(seconds),
                bytes(memory),
            ]);
        }
        print(format_args!("{}: {}", plan.experiment, counted(plan.trials.len(), "run")))?;
        print(table)?;
    }
    Ok(Exit::Success)
}

fn is_first_seed(plan: &plan::Plan, trial: &plan::Trial) -> bool {
    plan.trials.iter().find(|other| other.id == trial.id).is_some_and(|first| first.seed == trial.seed)
}
