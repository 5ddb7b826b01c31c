//! `plan.json`: a plan that a job on another machine can run from alone.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::identity::spec_hash;
use super::{Plan, Told, Trial};
use crate::spec::{Pictures, Spec, absolute};

/// Version of the layout; a reader refuses others.
const VERSION: u32 = 1;

/// Why a stored plan cannot be used.
#[derive(Debug, Error)]
#[expect(missing_docs, reason = "every message tells what its fields are")]
pub enum StoredPlanError {
    #[error("this is not a plan.json of runner: {0}; write it again with `runner plan SPEC --json`")]
    Json(#[from] serde_json::Error),
    #[error(
        "this plan has layout version {found}, and this runner reads version {VERSION}; write it again with `runner plan SPEC --json`"
    )]
    Version { found: u32 },
    #[error("trial {id}, seed {seed}, was changed after it was planned: its spec is not the one that was stored")]
    Changed { id: String, seed: u64 },
}

#[derive(Serialize, Deserialize)]
struct StoredPlan {
    version: u32,
    experiment: String,
    trials: Vec<StoredTrial>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    told: Vec<Told>,
}

#[derive(Serialize, Deserialize)]
struct StoredTrial {
    id: String,
    seed: u64,
    overrides: BTreeMap<String, toml::Value>,
    spec_hash: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    round: Option<usize>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    until: Option<usize>,
    #[serde(default, skip_serializing_if = "Pictures::is_all")]
    pictures: Pictures,
    /// Absolute: the working directory of a job is another one.
    folder: PathBuf,
    spec: Spec,
}

impl Plan {
    /// The plan as JSON; relative paths of data stay findable from any working directory.
    ///
    /// # Errors
    /// Where the path of a folder is not Unicode.
    pub fn to_json(&self) -> Result<String, StoredPlanError> {
        let trial = |trial: &Trial| StoredTrial {
            id: trial.id.clone(),
            seed: trial.seed,
            overrides: trial.overrides.clone(),
            spec_hash: trial.spec_hash.clone(),
            round: trial.round,
            until: trial.until,
            pictures: trial.pictures,
            folder: home(&trial.spec),
            spec: trial.spec.clone(),
        };
        let trials = self.asked().into_iter().map(trial).collect();
        let (experiment, told) = (self.experiment.clone(), self.told.clone());
        let stored = StoredPlan { version: VERSION, experiment, trials, told };
        Ok(serde_json::to_string_pretty(&stored)?)
    }

    /// Reads what [`Plan::to_json`] wrote.
    ///
    /// # Errors
    /// Where the text is no plan, one of another version, or has a spec that does not match its hash.
    pub fn from_json(text: &str) -> Result<Self, StoredPlanError> {
        #[derive(Deserialize)]
        struct Head {
            version: u32,
        }
        let Head { version: found } = serde_json::from_str(text)?;
        if found != VERSION {
            return Err(StoredPlanError::Version { found });
        }
        let stored: StoredPlan = serde_json::from_str(text)?;
        let mut trials = Vec::with_capacity(stored.trials.len());
        for trial in stored.trials {
            let spec = &trial.spec;
            let named =
                spec.name == stored.experiment && spec.seeds == [trial.seed] && i64::try_from(trial.seed).is_ok();
            // The hash leaves out names and seeds, so these are compared on their own.
            if !named || spec_hash(spec) != trial.spec_hash {
                return Err(StoredPlanError::Changed { id: trial.id, seed: trial.seed });
            }
            trials.push(Trial {
                experiment: stored.experiment.clone(),
                id: trial.id,
                seed: trial.seed,
                spec: Spec { folder: trial.folder, ..trial.spec },
                overrides: trial.overrides,
                spec_hash: trial.spec_hash,
                round: trial.round,
                until: trial.until,
                pictures: trial.pictures,
            });
        }
        Ok(Self { trials, told: stored.told, ..Self::of(&stored.experiment) })
    }
}

/// The absolute folder from which the spec's data files are found: that of the spec, or the working directory.
fn home(spec: &Spec) -> PathBuf {
    let found_here = spec.dataset.files().iter().any(|(_, path)| spec.find(path) != spec.folder.join(path));
    absolute(if found_here { std::path::Path::new("") } else { &spec.folder })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::Overrides;
    use crate::spec::tests::Folder;

    fn folder() -> Folder {
        Folder::with(
            "seeds = 2\n[dataset]\npath = \"data.csv\"\n[optimizer]\nepsilon = 1.2345678901234567e-25\n\
             [sweep.parameters]\n\"model.depth\" = [4, 8]\n\"optimizer.learning_rate\" = [0.1, 0.30000000000000004]\n",
        )
    }

    #[test]
    fn a_stored_plan_reads_back_as_itself_to_the_last_bit() {
        let plan = folder().plan(Overrides::default()).expect("a plan");
        let json = plan.to_json().expect("JSON");
        assert_eq!(Plan::from_json(&json).expect("a plan"), plan);
        assert_eq!(plan.trials.len(), 8);
    }

    #[test]
    fn a_stored_plan_finds_its_data_from_any_working_directory() {
        let mut plan = folder().plan(Overrides::default()).expect("a plan");
        for trial in &mut plan.trials {
            // As if the spec had been named by a path relative to the working directory, and its data lay there.
            trial.spec.folder = PathBuf::from("src");
            trial.spec.dataset.path = Some("Cargo.toml".into());
            trial.spec_hash = spec_hash(&trial.spec);
        }
        let stored = Plan::from_json(&plan.to_json().expect("JSON")).expect("a plan");
        let found = stored.trials[0].spec.find("Cargo.toml".as_ref());
        assert!(found.is_absolute() && found.is_file(), "{}", found.display());
    }

    #[test]
    fn plans_that_were_changed_or_are_of_another_version_are_refused() {
        let json = folder().plan(Overrides::default()).expect("a plan").to_json().expect("JSON");
        let cases = [
            (json.replacen("\"seed\": 1", "\"seed\": 9", 1), "was changed after it was planned"),
            (json.replacen("\"depth\": 4", "\"depth\": 5", 1), "was changed after it was planned"),
            (json.replacen("\"version\": 1", "\"version\": 2", 1), "layout version 2"),
            (json[..json.len() / 2].to_owned(), "not a plan.json"),
            ("[]".to_owned(), "not a plan.json"),
        ];
        for (text, part) in cases {
            let error = Plan::from_json(&text).expect_err(part).to_string();
            assert!(error.contains(part), "{error}");
        }
    }
}
