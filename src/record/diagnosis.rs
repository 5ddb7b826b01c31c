//! `diagnose.json`: how good the fit of a run is.

use std::io::Write;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::{Manifest, RecordError};
use crate::atomic::write_atomically;
use crate::diagnose::Diagnosis;

/// Its name in the folder of a run.
pub const DIAGNOSIS: &str = "diagnose.json";

/// A diagnosis and the run that it is of.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RunDiagnosis {
    /// The run's experiment.
    pub experiment: String,
    /// Its trial.
    pub trial: String,
    /// Its seed.
    pub seed: u64,
    /// When it ended: a run that was trained again is another.
    pub ended: Option<String>,
    /// Seed of samples, permutations and halves.
    pub drawn_with: u64,
    /// What was found.
    #[serde(flatten)]
    pub diagnosis: Diagnosis,
}

impl RunDiagnosis {
    /// That of the run of `manifest`.
    pub fn new(manifest: &Manifest, drawn_with: u64, diagnosis: Diagnosis) -> Self {
        let Manifest { experiment, trial, seed, ended, .. } = manifest.clone();
        Self { experiment, trial, seed, ended, drawn_with, diagnosis }
    }

    /// Writes it into the folder of the run.
    ///
    /// # Errors
    /// [`RecordError::Write`].
    pub fn write(&self, run: &Path) -> Result<(), RecordError> {
        Ok(write_atomically(&run.join(DIAGNOSIS), |file| {
            serde_json::to_writer_pretty(&mut *file, self)?;
            file.write_all(b"\n")
        })?)
    }

    /// What is there of the run of `manifest`: nothing where the run was trained again since.
    pub fn read(run: &Path, manifest: &Manifest) -> Option<Self> {
        let text = std::fs::read_to_string(run.join(DIAGNOSIS)).ok()?;
        let found: Self = serde_json::from_str(&text).ok()?;
        (found.ended == manifest.ended && found.trial == manifest.trial && found.seed == manifest.seed).then_some(found)
    }
}
