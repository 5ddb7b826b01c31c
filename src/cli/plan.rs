//! `runner plan`: show the trials of a spec without running them.

use std::path::PathBuf;

use clap::Args;
use comfy_table::Table;

use super::check::tell_composed;
use super::options::{Specs, tell_earlier_defaults};
use super::output::{print, tell};
use super::{Exit, Failure};
use crate::engine::kubernetes::{self, Cluster};
use crate::engine::{Datasets, TooLittleMemory, free_bytes};
use crate::flow::outline;
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
    /// Folder of all results: an experiment that has begun there keeps its defaults
    #[arg(long, value_name = "DIR", default_value = "results")]
    results: PathBuf,
}

impl Plan {
    pub fn execute(&self) -> Result<Exit, Failure> {
        if self.resolved {
            for (experiment, _) in self.specs.experiments(&self.results)? {
                print(experiment.to_annotated_toml())?;
            }
            return Ok(Exit::Success);
        }
        if self.kubernetes {
            let experiments = self.specs.experiments(&self.results)?;
            if let Some((experiment, _)) = experiments.iter().find(|(it, _)| is_open(it)) {
                return Err(Failure::Usage(format!(
                    "--kubernetes: {}: what its search runs depends on how trials end, and a Job is one list of trials; use \
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
        let (experiments, plans): (Vec<_>, Vec<_>) = self.specs.experiments(&self.results)?.into_iter().unzip();
        show(&experiments, &plans, self.json)
    }
}

/// Most trials whose views are shown.
const OUTLINES: usize = 3;

/// Whether not all of its trials are known before any has run.
fn is_open(experiment: &ResolvedExperiment) -> bool {
    experiment.sweep.as_ref().and_then(Sweep::rounds).is_some()
}

/// Prints the plans of experiments, as a table or as JSON (one document an experiment).
pub(super) fn show(experiments: &[ResolvedExperiment], plans: &[plan::Plan], json: bool) -> Result<Exit, Failure> {
    tell_earlier_defaults(experiments);
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
        // Of flows of images, the first trial of each: what its couplings work on.
        let mut outlines: Vec<(String, Vec<String>)> = Vec::new();
        for trial in plan.trials.iter().filter(|trial| is_first_seed(plan, trial)) {
            let dataset = datasets.fitting(trial).map_err(Failure::usage)?;
            let Estimate { static_shape, parameters, steps, seconds, memory } =
                estimate(trial, &dataset).map_err(Failure::run)?;
            let outline = outline(&trial.spec.model, dataset.layout());
            if !outline.is_empty() && outlines.last().is_none_or(|(_, last)| *last != outline) {
                outlines.push((trial.id.clone(), outline));
            }
            if let Some(free) = free_bytes().filter(|free| memory > *free) {
                tell(format_args!("warning: {}: {}", trial.id, TooLittleMemory { needed: memory, free }));
            }
            let seeds: Vec<String> =
                plan.trials.iter().filter(|other| other.id == trial.id).map(|other| other.seed.to_string()).collect();
            budget = budget.with(seeds.len(), steps, seconds, trial.spec.training.evaluate_every);
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
        if let Some(sweep) = &experiment.sweep {
            show_search(experiment, sweep, plan, &budget)?;
        }
        print(table)?;
        for (trial, lines) in outlines.iter().take(OUTLINES) {
            print(format_args!("{trial}:\n  {}", lines.join("\n  ")))?;
        }
    }
    Ok(Exit::Success)
}

/// Prints how a search goes on whose runs depend on how others end, and what all of it takes.
fn show_search(
    experiment: &ResolvedExperiment,
    sweep: &Sweep,
    plan: &plan::Plan,
    first_round: &Budget,
) -> Result<(), Failure> {
    let Some(rounds) = sweep.rounds() else { return Ok(()) };
    let number = rounds.count(sweep.trials);
    if number > 1 {
        print(format_args!(
            "round 1 of {number}, {} of {} trials; the others are proposed as rounds end, by {}",
            rounds.startup.min(sweep.trials),
            sweep.trials,
            rounds.metric.as_str()
        ))?;
    }
    let mut share = 1.0;
    if let Some(halving) = sweep.halving() {
        let runs = plan.trials.len().max(1) as f64;
        let of_round = |index: usize| {
            let trials = rounds.trials(index);
            trials.end.min(sweep.trials) - trials.start.min(sweep.trials)
        };
        for rung in halving.rungs(of_round(0), Some(first_round.last)) {
            print(format_args!(
                "rung at step {}: {} of {} go on",
                rung.step,
                rung.go_on,
                counted(rung.trials, "trial")
            ))?;
        }
        // In runs of full length.
        let Budget { longest, last, .. } = *first_round;
        let length = |index: usize| halving.steps(of_round(index), longest, last) as f64 / longest.max(1) as f64;
        let seeds = experiment.spec.seeds.len() as f64;
        share = (0..number).map(length).sum::<f64>() * seeds / runs;
    } else if number > 1 {
        share = experiment.runs() as f64 / plan.trials.len().max(1) as f64;
    }
    let others = if number > 1 { " if the others take as long as these" } else { "" };
    print(format_args!(
        "{}: {}, about {} steps and {} of computing{others}",
        if number > 1 { "all rounds" } else { "all rungs" },
        counted(experiment.runs(), "run"),
        count(first_round.steps * share),
        duration(first_round.seconds * share)
    ))
}

/// What runs of full length take together.
#[derive(Default)]
struct Budget {
    steps: f64,
    seconds: f64,
    /// Steps of the longest.
    longest: usize,
    /// The last evaluation of any before its end.
    last: usize,
}

impl Budget {
    /// With so many `runs` more of so many steps and seconds each, and how often they are evaluated.
    fn with(self, runs: usize, steps: u64, seconds: f64, evaluate_every: usize) -> Self {
        let runs = runs as f64;
        Self {
            steps: self.steps + runs * steps as f64,
            seconds: self.seconds + runs * seconds,
            longest: self.longest.max(steps as usize),
            last: self.last.max(plan::last_evaluation(steps as usize, evaluate_every)),
        }
    }
}

fn is_first_seed(plan: &plan::Plan, trial: &plan::Trial) -> bool {
    plan.trials.iter().find(|other| other.id == trial.id).is_some_and(|first| first.seed == trial.seed)
}
