//! Options that several commands share.

use std::io::IsTerminal;
use std::path::PathBuf;

use clap::Args;

use super::output::tell;
use crate::plan::{Plan, prepare};
use crate::spec::{Diagnostics, Overrides};

/// Specs and what overrides them.
#[derive(Args, Debug)]
pub(super) struct Specs {
    /// Spec files (TOML)
    #[arg(required = true, value_name = "SPEC")]
    specs: Vec<PathBuf>,
    /// Override a spec key, e.g. --set model.depth=12 (a TOML value; repeatable)
    #[arg(long, value_name = "KEY=VALUE")]
    set: Vec<String>,
    /// Override the seeds: a list such as 0,1,2
    #[arg(long, value_name = "SEEDS")]
    seeds: Option<String>,
    /// Override the device
    #[arg(long, value_name = "cpu|cuda[:N]")]
    device: Option<String>,
}

impl Specs {
    /// The trials of all experiments, resolved and checked. Warnings go to stderr.
    pub fn plans(&self) -> Result<Vec<Plan>, Diagnostics> {
        let overrides = self.set.iter().fold(Overrides::default(), |all, text| all.set(text));
        let overrides = overrides.seeds(self.seeds.clone()).device(self.device.clone());
        let planned = prepare(&self.specs, overrides)?;
        for warning in planned.iter().flat_map(|(experiment, _)| &experiment.warnings) {
            tell(format_args!("{}\n", warning.render(colour_on_stderr())));
        }
        Ok(planned.into_iter().map(|(_, plan)| plan).collect())
    }
}

/// Whether stderr takes colours: a terminal, and the user has not said no (<https://no-color.org>).
pub(super) fn colour_on_stderr() -> bool {
    std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

/// Width of the terminal that stdout is, in letters.
pub(super) fn stdout_width() -> Option<usize> {
    console::Term::stdout().size_checked().map(|(_, columns)| columns.into())
}
