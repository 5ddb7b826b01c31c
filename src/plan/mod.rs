//! From a spec to the list of trials: sweep expansion and identities. Pure functions; knows nothing of training.

mod difference;
mod expand;
mod identity;
mod search;
mod stored;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::spec::{Pictures, Spec};

pub use difference::Difference;
pub use expand::{expand, prepare};
pub use identity::{as_written, settings_hash, spec_hash};
pub use search::{Search, last_evaluation};
pub use stored::StoredPlanError;

/// Everything that one experiment runs.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// Name of the experiment: the first folder below `results/`.
    pub experiment: String,
    /// In the order of the sweep, the seeds of one point one after the other.
    pub trials: Vec<Trial>,
    /// What the experiment was asked for before and still is, though not to be run now.
    pub beside: Vec<Trial>,
    /// Of a search that learns: what it was told before the last round that is here, in the order of its trials.
    pub told: Vec<Told>,
}

/// What a search was told of a trial, once all of its seeds had come to a rung or to their end.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Told {
    /// Of the trial, as the search proposed it.
    pub spec_hash: String,
    /// The mean over its seeds, the smaller the better; `None`: it diverged or failed, which is worst.
    pub score: Option<f64>,
    /// Of a halving: the rung, in steps; `None`: the end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rung: Option<usize>,
}

impl Plan {
    /// One of the experiment of this name that runs nothing.
    pub fn of(experiment: &str) -> Self {
        Self { experiment: experiment.to_owned(), trials: Vec::new(), beside: Vec::new(), told: Vec::new() }
    }

    /// Everything that is asked for of the experiment, each run once.
    pub fn asked(&self) -> Vec<&Trial> {
        let known: BTreeSet<(&str, u64)> = self.beside.iter().map(Trial::run).collect();
        self.beside.iter().chain(self.trials.iter().filter(|trial| !known.contains(&trial.run()))).collect()
    }
}

/// One trial with one seed: what a single run directory holds.
#[derive(Clone, Debug, PartialEq)]
pub struct Trial {
    /// Name of the experiment: the first folder below `results/`.
    pub experiment: String,
    /// Readable overrides and a short content hash, e.g. `depth=8,width=128-3f9a2c1d`; `base-3f9a2c1d` without any.
    pub id: String,
    /// The one seed of this run.
    pub seed: u64,
    /// The resolved spec; its `seeds` are `[seed]`.
    pub spec: Spec,
    /// Swept and overridden keys under their dotted names, with their values.
    pub overrides: BTreeMap<String, toml::Value>,
    /// SHA-256, as hex, of the resolved spec without `name` and `seeds`.
    pub spec_hash: String,
    /// Of a search that learns: the round in which it is proposed, from 1.
    pub round: Option<usize>,
    /// Of a halving: the step at which it is paused to be compared with others, at an evaluation; `None`: it goes to its end.
    pub until: Option<usize>,
    /// Which runs of its experiment draw pictures.
    pub pictures: Pictures,
}

impl Trial {
    /// What makes it the run it is, whatever it is called: its hash and its seed.
    pub fn run(&self) -> (&str, u64) {
        (&self.spec_hash, self.seed)
    }

    /// The run directory `<results>/<experiment>/<trial>/seed-<n>`.
    pub fn directory(&self, results: &Path) -> PathBuf {
        run_directory(&results.join(&self.experiment), &self.id, self.seed)
    }
}

/// The directory of the run of a trial in the folder of its experiment.
pub fn run_directory(experiment: &Path, trial: &str, seed: u64) -> PathBuf {
    experiment.join(trial).join(format!("seed-{seed}"))
}
