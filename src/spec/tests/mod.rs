//! Specs as users write them, loaded from real files.

mod broken;
mod extends;
mod fuzz;
mod hostile;
mod judge;
mod overrides;
mod properties;
mod resolved;
mod schema;
mod sweeps;

use std::path::PathBuf;

use super::{Defaults, Diagnostics, Overrides, ResolvedExperiment, load, load_each};
use crate::plan::{Plan, prepare};

/// A folder with the spec `moons.toml` and a data file `data.csv`.
pub(crate) struct Folder(tempfile::TempDir);

impl Folder {
    pub fn with(text: impl AsRef<[u8]>) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        std::fs::write(folder.path().join("moons.toml"), text).expect("a spec");
        std::fs::write(folder.path().join("data.csv"), "a,b\n1,2\n").expect("data");
        Self(folder)
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub fn add(&self, name: &str, text: &str) -> PathBuf {
        std::fs::write(self.path(name), text).expect("a file");
        self.path(name)
    }

    pub fn load(&self, overrides: Overrides) -> Result<ResolvedExperiment, Diagnostics> {
        load(&[self.path("moons.toml")], overrides).map(|mut all| all.remove(0))
    }

    pub fn load_of(&self, defaults: Defaults, overrides: Overrides) -> Result<ResolvedExperiment, Diagnostics> {
        let (mut all, problems) = load_each(&[self.path("moons.toml")], overrides, |_| defaults);
        problems.into_result().map(|()| all.remove(0))
    }

    pub fn plan(&self, overrides: Overrides) -> Result<Plan, Diagnostics> {
        self.plan_of(Defaults::Today, overrides)
    }

    pub fn plan_of(&self, defaults: Defaults, overrides: Overrides) -> Result<Plan, Diagnostics> {
        prepare(&[self.path("moons.toml")], overrides, |_| defaults).map(|mut all| all.remove(0).1)
    }
}

/// The plan of a spec given as text.
pub(crate) fn plan(text: &str) -> Result<Plan, Diagnostics> {
    plan_of(Defaults::Today, text)
}

/// The same with other defaults.
pub(crate) fn plan_of(defaults: Defaults, text: &str) -> Result<Plan, Diagnostics> {
    Folder::with(text).plan_of(defaults, Overrides::default())
}

/// Every problem as `line:column message (help)`.
pub(crate) fn shown(problems: &Diagnostics) -> Vec<String> {
    let help = |text: &Option<String>| text.as_ref().map_or(String::new(), |text| format!(" ({text})"));
    problems.iter().map(|d| format!("{}:{} {}{}", d.line, d.column, d.message, help(&d.help))).collect()
}
