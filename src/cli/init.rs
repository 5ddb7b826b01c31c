//! `runner init`: a commented spec to start from.

use std::fs::OpenOptions;
use std::io::{ErrorKind, Write};
use std::path::Path;

use clap::Args;

use super::output::print;
use super::{Exit, Failure};
use crate::spec::starter;

#[derive(Args, Debug)]
pub(super) struct Init {
    /// Name of the experiment; its spec is NAME.toml
    #[arg(default_value = "moons")]
    name: String,
}

impl Init {
    pub fn execute(&self) -> Result<Exit, Failure> {
        let name = format!("{}.toml", self.name.strip_suffix(".toml").unwrap_or(&self.name));
        let path = Path::new(&name);
        // Nothing that is there is ever overwritten.
        let made = OpenOptions::new().write(true).create_new(true).open(path);
        made.and_then(|mut file| file.write_all(starter().as_bytes())).map_err(|error| match error.kind() {
            ErrorKind::AlreadyExists => Failure::Usage(format!("`{name}` is there already; give another name")),
            _ => Failure::Usage(format!("cannot write `{name}`: {error}")),
        })?;
        print(format_args!("wrote {name}; every key stands in it with its default"))?;
        print(format_args!("edit it, then: runner check {name}"))?;
        print(format_args!("to train:      runner {name}"))?;
        Ok(Exit::Success)
    }
}
