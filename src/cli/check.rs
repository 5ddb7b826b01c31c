//! `runner check`: validate specs and their data; every problem at once.

use clap::Args;

use super::options::Specs;
use super::output::{print, tell};
use super::{Exit, Failure};
use crate::engine::Datasets;
use crate::record::progress::{ProgressMode, loading};
use crate::spec::counted;

#[derive(Args, Debug)]
pub(super) struct Check {
    #[command(flatten)]
    specs: Specs,
}

impl Check {
    pub fn execute(&self) -> Result<Exit, Failure> {
        let experiments = self.specs.experiments()?;
        let datasets = Datasets::new(loading(ProgressMode::Auto));
        let warnings = self.specs.load(&experiments, &datasets)?;
        for warning in warnings {
            tell(format_args!("warning: {warning}"));
        }
        for (_, plan) in &experiments {
            print(format_args!("{}: ok, {}", plan.experiment, counted(plan.trials.len(), "run")))?;
        }
        Ok(Exit::Success)
    }
}
