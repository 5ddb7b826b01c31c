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
use crate::quantity::{bytes, count, duration};
use crate::spec::{ResolvedExperiment, Sweep, counted};
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
            let experiments = self.specs.experiments()?;
            if let Some((experiment, _)) = experiments.iter().find(|(it, _)| is_open(it)) {
                return Err(Failure::Usage(format!(
                    "--kubernetes: {}: what its search proposes depends on how trials end, and a Job is one list of trials; use \
                     `runner run`, or `--engine slurm --wait`",
                    experiment.spec.name
                )));
            }
            let cluster = Cluster { image: &self.image, claim: &self.claim };
            for (i, (_, plan)) in experiments.iter().enumerate() {
                print(format_args!("{}{}", if i > 0 { "---\n" } else { "" }, kubernetes::job(plan, cluster)))?;
            }
            return Ok(Exit::Success);
        }
        let (experiments, plans): (Vec<_>, Vec<_>) = self.specs.experiments()?.into_iter().unzip();
        show(&experiments, &plans, self.json)
    }
}

/// Whether not all of its trials are known before any has run.
fn is_open(experiment: &ResolvedExperiment) -> bool {
    experiment.sweep.as_ref().and_then(Sweep::rounds).is_some()
}

/// Prints the plans of experiments, as a table or as JSON (one document an experiment).
pub(super) fn show(experiments: &[ResolvedExperiment], plans: &[plan::Plan], json: bool) -> Result<Exit, Failure> {
    let datasets = Datasets::new(loading(ProgressMode::Auto));
    for (experiment, plan) in experiments.iter().zip(plans) {
        if json {
            print(plan.to_json().map_err(Failure::usage)?)?;
            continue;
        }
        tell_composed(plan, &datasets)?;
        let mut table = Table::new();
        table.load_style(comfy_table::presets::NOTHING);
        table.set_header(["trial", "seeds", "overrides", "shape", "parameters", "steps", "time a run", "memory a run"]);
        let mut budget = Budget::default();
        for trial in plan.trials.iter().filter(|trial| is_first_seed(plan, trial)) {
            let dataset = datasets.of(&trial.spec).map_err(Failure::usage)?;
            let Estimate { static_shape, parameters, steps, seconds, memory } =
                estimate(trial, &dataset).map_err(Failure::run)?;
            if let Some(free) = free_bytes().filter(|free| memory > *free) {
                tell(format_args!("warning: {}: {}", trial.id, TooLittleMemory { needed: memory, free }));
            }
            let seeds: Vec<String> =
                plan.trials.iter().filter(|other| other.id == trial.id).map(|other| other.seed.to_string()).collect();
            budget = budget.with(seeds.len(), steps, seconds);
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
        if let Some((sweep, rounds)) = experiment.sweep.as_ref().and_then(|sweep| Some((sweep, sweep.rounds()?))) {
            let (all, shown) = (experiment.runs(), plan.trials.len().max(1));
            let share = all as f64 / shown as f64;
            print(format_args!(
                "round 1 of {}, {} of {} trials; the others are proposed as rounds end, by {}",
                rounds.count(sweep.trials),
                rounds.startup.min(sweep.trials),
                sweep.trials,
                rounds.metric.as_str()
            ))?;
            print(format_args!(
                "all rounds: {}, about {} steps and {} of computing if the others take as long as these",
                counted(all, "run"),
                count(budget.steps * share),
                duration(budget.seconds * share)
            ))?;
        }
        print(table)?;
    }
    Ok(Exit::Success)
}

/// What runs take together.
#[derive(Default)]
struct Budget {
    steps: f64,
    seconds: f64,
}

impl Budget {
    /// With so many `runs` more of so many steps and seconds each.
    fn with(self, runs: usize, steps: u64, seconds: f64) -> Self {
        let runs = runs as f64;
        Self { steps: self.steps + runs * steps as f64, seconds: self.seconds + runs * seconds }
    }
}

fn is_first_seed(plan: &plan::Plan, trial: &plan::Trial) -> bool {
    plan.trials.iter().find(|other| other.id == trial.id).is_some_and(|first| first.seed == trial.seed)
}
