//! `runner run`: train everything the specs ask for.

use std::path::PathBuf;
use std::sync::atomic::Ordering;

use clap::{Args, ValueEnum};

use super::compare;
use super::options::{Specs, stdout_width, tell_earlier_defaults};
use super::output::{print, quoted, tell};
use super::{Exit, Failure};
use crate::engine::slurm::{self, Cluster, SlurmError};
use crate::engine::{self, Datasets, Growing, Local, Report, where_it_lies};
use crate::plan::{Plan, Search, run_directory};
use crate::progress::{Progress, ProgressMode, loading};
use crate::record::Manifest;
use crate::report::comparison::{By, Comparison, test_nll};
use crate::spec::{Diagnostics, ResolvedExperiment, counted};
use crate::train::Status;

#[derive(Args, Debug)]
pub(super) struct Run {
    #[command(flatten)]
    specs: Specs,
    /// Trials at once on this machine [default: cores, or what the GPUs take]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    jobs: Option<u16>,
    /// Folder of all results
    #[arg(long, value_name = "DIR", default_value = "results")]
    results: PathBuf,
    /// Start every trial again, whatever is there
    #[arg(long)]
    fresh: bool,
    /// Start diverged trials again (failed ones always go on)
    #[arg(long)]
    retry_failed: bool,
    /// Start no more trials once one has failed or diverged
    #[arg(long)]
    fail_fast: bool,
    /// Show the trials without running them (same as `plan`)
    #[arg(long)]
    dry_run: bool,
    /// Where trials run
    #[arg(long, value_enum, default_value_t)]
    engine: Engine,
    /// With --engine slurm: wait until all of them have ended, then show the table
    #[arg(long)]
    wait: bool,
    /// How to show running trials
    #[arg(long, value_enum, default_value_t)]
    progress: ProgressMode,
    /// Print results and errors only
    #[arg(long)]
    quiet: bool,
}

/// Where trials run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum Engine {
    /// In this process
    #[default]
    Local,
    /// As array jobs of the Slurm cluster that this machine submits to
    Slurm,
}

impl Run {
    pub fn execute(&self) -> Result<Exit, Failure> {
        if self.wait && self.engine == Engine::Local {
            return Err(Failure::usage("--wait: has no effect without --engine slurm"));
        }
        let experiments = self.specs.experiments(&self.results)?;
        if !self.quiet && !self.dry_run {
            tell_earlier_defaults(experiments.iter().map(|(experiment, _)| experiment));
        }
        let plans: Vec<Plan> = experiments
            .iter()
            .map(|(experiment, plan)| where_it_lies(plan.clone(), &experiment.path, &self.results))
            .collect();
        if self.dry_run {
            let experiments: Vec<_> = experiments.into_iter().map(|(experiment, _)| experiment).collect();
            return super::plan::show(&experiments, &plans, false);
        }
        let mode = if self.quiet { ProgressMode::None } else { self.progress };
        let datasets = Datasets::new(loading(mode));
        let warnings = self.specs.load(&experiments, &datasets)?;
        let runs = experiments.iter().zip(&plans).map(|((it, _), plan)| it.runs().max(plan.trials.len())).sum();
        let progress = Progress::new(mode, runs);
        for warning in warnings.iter().filter(|_| !self.quiet) {
            tell(format_args!("warning: {warning}"));
        }
        let stop = engine::stop_flag().map_err(Failure::run)?;
        std::fs::create_dir_all(&self.results).map_err(|error| {
            Failure::Usage(format!(
                "{}: cannot be made: {error}; name another folder with --results",
                self.results.display()
            ))
        })?;
        let growing = growing(&experiments, plans).map_err(Failure::run)?;
        if self.engine == Engine::Slurm {
            return self.submit(&experiments, growing, &datasets);
        }
        let local = Local {
            results: &self.results,
            jobs: self.jobs.map(usize::from),
            trials_per_gpu: experiments.iter().map(|(it, _)| it.engine.trials_per_gpu).min().unwrap_or(1),
            fresh: self.fresh,
            retry_failed: self.retry_failed,
            fail_fast: self.fail_fast,
            stop: &stop,
            datasets: &datasets,
            progress: &progress,
        };
        let reports = engine::run(growing, &local).map_err(Failure::run)?;
        progress.finish();
        for report in &reports {
            self.print(report)?;
        }
        let ended = |wanted: &[Status]| reports.iter().flat_map(|r| &r.runs).any(|run| wanted.contains(&run.status));
        let not_started: usize = reports.iter().map(|report| report.not_started).sum();
        let elsewhere: usize = reports.iter().map(|report| report.elsewhere.len()).sum();
        if stop.load(Ordering::Relaxed) && (ended(&[Status::Interrupted]) || not_started > 0) {
            tell("stopped after saving; run the same command again to go on");
            return Ok(Exit::Interrupted);
        }
        let failed = ended(&[Status::Failed, Status::Diverged]);
        if not_started > 0 && self.fail_fast && failed {
            tell(format_args!(
                "{} not started after the first failure (--fail-fast); run again without it for the rest",
                counted(not_started, "run")
            ));
        }
        if elsewhere > 0 {
            tell(format_args!(
                "{} left to another process; run the same command again after it",
                counted(elsewhere, "run")
            ));
        }
        Ok(if failed || not_started + elsewhere > 0 { Exit::TrialFailed } else { Exit::Success })
    }

    /// Hands the trials over to Slurm.
    fn submit(
        &self,
        experiments: &[(ResolvedExperiment, Plan)],
        growing: Vec<Growing<'_>>,
        datasets: &Datasets,
    ) -> Result<Exit, Failure> {
        if self.fresh {
            return Err(Failure::usage(
                "--fresh: not with --engine slurm; remove the folders of the runs to start again",
            ));
        }
        let failed = |error| match error {
            SlurmError::Missing { .. } => Failure::usage(error),
            error => Failure::run(error),
        };
        let (results, retry_failed) = (self.results.as_path(), self.retry_failed);
        let heard = |text: String| {
            if !self.quiet {
                tell(text);
            }
        };
        // The jobs are the result of a submission, and a way to it where it is waited for.
        let shown = |text: String| if self.quiet && self.wait { Ok(()) } else { print(text) };
        let mut submitted = Vec::new();
        for ((experiment, _), growing) in experiments.iter().zip(growing) {
            let cluster = Cluster { slurm: &experiment.engine.slurm, results, retry_failed };
            let (laid_out, submission) = slurm::submit(growing, cluster, heard).map_err(failed)?;
            let name = &laid_out.plan().experiment;
            shown(format!("{name}: {submission}"))?;
            shown(format!("progress     runner list {}", quoted(&self.results.join(name))))?;
            submitted.push((laid_out, cluster, submission));
        }
        if !self.wait {
            return Ok(Exit::Success);
        }
        let mut exit = Exit::Success;
        for (laid_out, cluster, submission) in &mut submitted {
            loop {
                slurm::wait(submission.earlier_jobs.iter().chain(&submission.jobs), heard).map_err(failed)?;
                let Some(next) = slurm::submit_next(laid_out, *cluster, submission, heard).map_err(failed)? else {
                    break;
                };
                shown(format!("{}: {next}", laid_out.plan().experiment))?;
                *submission = next;
            }
            laid_out.draw_best(&self.results, datasets, heard);
            let report = slurm::report(laid_out.plan(), &self.results);
            if report.not_started > 0
                || report.runs.iter().any(|run| !matches!(run.status, Status::Finished | Status::Stopped))
            {
                exit = Exit::TrialFailed;
            }
            self.print(&report)?;
        }
        Ok(exit)
    }

    /// Prints the table of results, the reasons of failures, and where the files are.
    fn print(&self, report: &Report) -> Result<(), Failure> {
        print(&report.experiment)?;
        let shown: Vec<Manifest> = report.runs.iter().chain(&report.elsewhere).cloned().collect();
        let folder = self.results.join(&report.experiment);
        let directories: Vec<PathBuf> = shown.iter().map(|run| run_directory(&folder, &run.trial, run.seed)).collect();
        let rows = compare::rows_with_specs(&shown, &directories, &[])?;
        let comparison = Comparison::new(&rows, &By::Trial, test_nll());
        print(comparison.text(stdout_width()))?;
        if let Some(note) = comparison.data_note() {
            tell(format_args!("note: {note}"));
        }
        for run in report.runs.iter().filter(|run| matches!(run.status, Status::Failed | Status::Diverged)) {
            let reason = run.reason.as_deref().unwrap_or("no reason recorded");
            // The reason of a diverged run names the step.
            let steps = run.summary.as_ref().map_or(0, |summary| summary.steps);
            let after =
                if run.status == Status::Failed && steps > 0 { format!(" after step {steps}") } else { String::new() };
            tell(format_args!("{} seed {}: {}{after}: {reason}", run.trial, run.seed, run.status.as_str()));
        }
        print(format_args!("results      {}", folder.display()))?;
        let scored = shown.iter().zip(&directories).filter(|(run, _)| run.status == Status::Finished);
        let nll =
            |run: &Manifest| run.summary.as_ref().and_then(|summary| summary.validation_nll).unwrap_or(f64::INFINITY);
        if let Some((_, best)) = scored.min_by(|(a, _), (b, _)| nll(a).total_cmp(&nll(b))) {
            print(format_args!("best run     {}", quoted(best)))?;
        }
        print(format_args!("table        {}", folder.join("trials.parquet").display()))?;
        print(format_args!("TensorBoard  tensorboard --logdir {}", quoted(&folder)))
    }
}

/// The plans of the experiments, with the searches that make them grow.
fn growing<'a>(
    experiments: &'a [(ResolvedExperiment, Plan)],
    plans: Vec<Plan>,
) -> Result<Vec<Growing<'a>>, Diagnostics> {
    experiments.iter().zip(plans).map(|((experiment, _), plan)| Growing::new(plan, Search::new(experiment))).collect()
}
