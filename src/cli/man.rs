//! `runner man`: man pages, to be installed as `runner.1`, `runner-run.1` and so on.

use clap::{Args, CommandFactory};

use super::output::print;
use super::{Cli, Exit, Failure};

#[derive(Args, Debug)]
pub(super) struct Man {
    /// A command, for its own page
    command: Option<String>,
}

impl Man {
    pub fn execute(&self) -> Result<Exit, Failure> {
        let mut cli = Cli::command();
        // Gives every command its full name.
        cli.build();
        let command = match &self.command {
            None => &cli,
            Some(name) => cli
                .find_subcommand(name)
                .ok_or_else(|| Failure::Usage(format!("`{name}` is no command; see `runner --help`")))?,
        };
        let mut page = Vec::new();
        clap_mangen::Man::new(command.clone()).render(&mut page).map_err(Failure::run)?;
        print(String::from_utf8_lossy(&page).trim_end())?;
        Ok(Exit::Success)
    }
}
