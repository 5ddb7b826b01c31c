//! `runner exec`: run one trial of a stored plan, as an array job does.

use std::path::PathBuf;

use clap::Args;

use super::{Exit, Failure};
use crate::engine::{self, Datasets, Local};
use crate::plan::Plan;
use crate::record::progress::{Progress, ProgressMode, loading};
use crate::train::Status;

#[derive(Args, Debug)]
pub(super) struct Exec {
    /// A plan.json that `runner` stored, in results/<experiment>/
    #[arg(long, value_name = "FILE")]
    plan: PathBuf,
    /// Which of its runs, from 0
    #[arg(long, value_name = "I")]
    index: usize,
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
        let mut plan = Plan::from_json(&text).map_err(|error| named(&error))?;
        let runs = plan.trials.len();
        if self.index >= runs {
            return Err(Failure::Usage(format!("--index {}: the plan has runs 0 to {}", self.index, runs.max(1) - 1)));
        }
        plan.trials = vec![plan.trials.swap_remove(self.index)];
        // A plan stands in results/<experiment>/.
        let results = self.plan.parent().and_then(|folder| folder.join("..").canonicalize().ok());
        let results = results.ok_or_else(|| Failure::usage("the plan's folder has no folder above it"))?;
        let stop = engine::stop_flag().map_err(Failure::run)?;
        let progress = Progress::new(ProgressMode::Auto, 1);
        let local = Local {
            results: &results,
            jobs: 1,
            fresh: false,
            retry_failed: self.retry_failed,
            fail_fast: false,
            stop: &stop,
            datasets: &Datasets::new(loading(ProgressMode::Auto)),
            progress: &progress,
        };
        let report = engine::run_one(&plan.trials[0], &local).map_err(Failure::run)?;
        progress.finish();
        Ok(match report.map(|run| run.status) {
            Some(Status::Finished) => Exit::Success,
            Some(Status::Interrupted) => Exit::Interrupted,
            _ => Exit::TrialFailed,
        })
    }
}
