//! `runner schema`: what an editor needs to complete and check specs.

use clap::Args;

use super::output::print;
use super::{Exit, Failure};

#[derive(Args, Debug)]
pub(super) struct Schema {}

impl Schema {
    pub fn execute(&self) -> Result<Exit, Failure> {
        print(format_args!("{:#}", crate::spec::schema()))?;
        Ok(Exit::Success)
    }
}
