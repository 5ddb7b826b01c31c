//! `runner completions`: what a shell needs to complete this command line.

use clap::{Args, CommandFactory};
use clap_complete::Shell;

use super::{Cli, Exit, Failure};

#[derive(Args, Debug)]
pub(super) struct Completions {
    shell: Shell,
}

impl Completions {
    pub fn execute(&self) -> Result<Exit, Failure> {
        clap_complete::generate(self.shell, &mut Cli::command(), "runner", &mut std::io::stdout());
        Ok(Exit::Success)
    }
}
