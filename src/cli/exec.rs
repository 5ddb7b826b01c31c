//! `runner exec`: run trials of a stored plan, as an array job does.

use std::path::PathBuf;
use std::sync::atomic::Ordering;

use clap::Args;

use super::output::tell;
use super::{Exit, Failure};
use crate::engine::{self, Datasets, Local, slurm};
use crate::plan::Plan;
use crate::progress::{Progress, ProgressMode, loading};
use crate::train::Status;

#[derive(Args, Debug)]
pub(super) struct Exec {
    /// A plan.json that `runner` stored, in results/<experiment>/
    #[arg(long, value_name = "FILE")]
    plan: PathBuf,
    /// Which of its runs, from 0; several one after the other: 3,4,5
    #[arg(long, value_name = "I", required = true, value_delimiter = ',')]
    index: Vec<usize>,
    /// Folder of all results [default: the one above the plan's folder]
    #[arg(long, value_name = "DIR")]
    results: Option<PathBuf>,
    /// Start the trial again if it diverged (a failed one always goes on)
    #[arg(long)]
    retry_failed: bool,
}

impl Exec {
    pub fn execute(&self) -> Result<Exit, Failure> {
        let named = |error: &dyn std::fmt::Display| Failure::Usage(format!("{}: {error}", self.plan.display()));
        let text = std::fs::read_to_string(&self.plan).map_err(|error| {
            let plan = self.plan.display();
            Failure::Usage(format!("cannot read the plan `{plan}`: {error}; name a plan.json in results/<experiment>/"))
        })?;
        let plan = Plan::from_json(&text).map_err(|error| named(&error))?;
        let runs = plan.trials.len();
        if let Some(index) = self.index.iter().find(|index| **index >= runs) {
            return Err(Failure::Usage(format!("--index {index}: the plan has runs 0 to {}", runs.max(1) - 1)));
        }
        let results = match &self.results {
            Some(results) => Some(results.clone()),
            None => self.plan.parent().and_then(|folder| folder.join("..").canonicalize().ok()),
        };
        let results = results.ok_or_else(|| Failure::usage("the plan's folder has no folder above it"))?;
        let stop = engine::stop_flag().map_err(Failure::run)?;
        let time_up = engine::time_up_flag(&stop).map_err(Failure::run)?;
        let progress = Progress::new(ProgressMode::Auto, self.index.len());
        let local = Local {
            results: &results,
            jobs: Some(1),
            trials_per_gpu: 1,
            fresh: false,
            retry_failed: self.retry_failed,
            fail_fast: false,
            stop: &stop,
            datasets: &Datasets::new(loading(ProgressMode::Auto)),
            progress: &progress,
        };
        let mut failed = false;
        for index in &self.index {
            let run = engine::run_one(&plan.trials[*index], &local).map_err(Failure::run)?;
            failed |= run.is_none_or(|run| matches!(run.status, Status::Failed | Status::Diverged));
            if stop.load(Ordering::Relaxed) {
                break;
            }
        }
        engine::draw_best_of_stored(&plan, &results, local.datasets, |text| progress.println(text));
        progress.finish();
        if stop.load(Ordering::Relaxed) {
            // Only at the time limit: a run that somebody stopped with another signal is not wanted back in the queue.
            let again = time_up.load(Ordering::Relaxed) && slurm::requeue();
            tell(if again { "out of time: saved, and queued again" } else { "stopped after saving" });
            return Ok(Exit::Interrupted);
        }
        Ok(if failed { Exit::TrialFailed } else { Exit::Success })
    }
}
