//! `runner prune`: remove runs that the experiment's plan no longer asks for.

use std::io::{BufRead, IsTerminal, Write, stderr, stdin};
use std::path::PathBuf;

use clap::Args;

use super::output::{print, tell};
use super::{Exit, Failure};
use crate::engine::{Unasked, remove, unasked};
use crate::spec::counted;

#[derive(Args, Debug)]
pub(super) struct Prune {
    /// An experiment (results/<experiment>)
    #[arg(value_name = "EXPERIMENT")]
    experiment: PathBuf,
    /// Remove without asking
    #[arg(long)]
    yes: bool,
}

impl Prune {
    pub fn execute(&self) -> Result<Exit, Failure> {
        let Unasked { runs, left } = unasked(&self.experiment).map_err(Failure::usage)?;
        for reason in &left {
            tell(reason);
        }
        if runs.is_empty() {
            tell(format_args!(
                "nothing to remove: every run of {} is asked for, or is left",
                self.experiment.display()
            ));
            return Ok(Exit::Success);
        }
        for run in &runs {
            print(run.display())?;
        }
        if !self.yes && !agreed(&format!("remove {} with all files?", counted(runs.len(), "run")))? {
            tell("nothing was removed");
            return Ok(Exit::Success);
        }
        let removed = remove(&self.experiment, &runs).map_err(Failure::run)?;
        tell(format_args!("{} removed", counted(removed, "run")));
        Ok(Exit::Success)
    }
}

/// Asks on the terminal; the answer is no unless it begins with y.
fn agreed(question: &str) -> Result<bool, Failure> {
    if !stdin().is_terminal() || !stderr().is_terminal() {
        return Err(Failure::usage("nothing was removed: nobody is there to be asked; add --yes to remove these runs"));
    }
    let mut answer = String::new();
    // A question that cannot be asked or answered counts as no.
    let asked = write!(stderr(), "{question} [y/N] ").and_then(|()| stdin().lock().read_line(&mut answer));
    Ok(asked.is_ok() && answer.trim_start().to_ascii_lowercase().starts_with('y'))
}
