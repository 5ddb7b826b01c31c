//! `manifest.json`: what a run is, where and when it ran, and how it stands.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use serde::{Deserialize, Serialize};

use super::RecordError;
use crate::atomic::{sync, write_atomically, write_view};
use crate::data::Provenance;
use crate::plan::Trial;
use crate::process;
use crate::train::{Event, Sink, Status, Summary};

const FILE: &str = "manifest.json";

/// Everything about one run but its curves.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Manifest {
    /// How the run stands.
    pub status: Status,
    /// Name of the experiment.
    pub experiment: String,
    /// The trial's id.
    pub trial: String,
    /// Seed of the run.
    pub seed: u64,
    /// SHA-256 of the resolved spec, as hex.
    pub spec_hash: String,
    /// The data it was trained on. `None`: written by a release that did not record it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data: Option<Provenance>,
    /// Swept and overridden keys under their dotted names.
    pub overrides: BTreeMap<String, toml::Value>,
    /// Version of the runner.
    pub runner: String,
    /// Commit of the repository in whose working tree the run was started.
    pub git_commit: Option<String>,
    /// The device as the spec names it: `cpu`, `cuda` or `cuda:N`.
    pub device: String,
    /// Whether the model's shape was a compile-time constant.
    pub static_shape: bool,
    /// CPU features the numbers depend on.
    pub instruction_set: String,
    /// Trainable numbers of the model.
    pub parameters: Option<usize>,
    /// Name of the machine that last ran it.
    pub host: String,
    /// Process that last ran it, on that machine.
    pub pid: u32,
    /// When that process began, in ticks of the machine's clock since its start: numbers of processes are given again. `None`: it
    /// is not known, or was written by a release that did not record it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub began: Option<u64>,
    /// First start of the run, RFC 3339, UTC.
    pub started: Option<String>,
    /// End of the run, RFC 3339, UTC.
    pub ended: Option<String>,
    /// Why the status is not `finished`.
    pub reason: Option<String>,
    /// How often the run went on from a checkpoint.
    pub resumes: usize,
    /// What it reached; none before its end.
    pub summary: Option<Summary>,
}

impl Manifest {
    /// The manifest of a run of `trial` that is about to start in this process.
    pub fn new(trial: &Trial, static_shape: bool, instruction_set: impl Into<String>) -> Self {
        Self {
            status: Status::Running,
            experiment: trial.experiment.clone(),
            trial: trial.id.clone(),
            seed: trial.seed,
            spec_hash: trial.spec_hash.clone(),
            data: None,
            overrides: trial.overrides.iter().map(|(key, value)| (key.clone(), storable(value))).collect(),
            runner: env!("CARGO_PKG_VERSION").to_owned(),
            git_commit: git_commit().map(str::to_owned),
            device: trial.spec.device.to_string(),
            static_shape,
            instruction_set: instruction_set.into(),
            parameters: None,
            host: hostname::get().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default(),
            pid: std::process::id(),
            began: process::began(std::process::id()),
            started: None,
            ended: None,
            reason: None,
            resumes: 0,
            summary: None,
        }
    }

    /// Reads the manifest of the run in `run_dir`.
    ///
    /// # Errors
    /// Where there is none ([`RecordError::Read`]), it is damaged ([`RecordError::Manifest`]), or it has a status that only a later
    /// release knows ([`RecordError::Later`]).
    pub fn read(run_dir: &Path) -> Result<Self, RecordError> {
        let path = run_dir.join(FILE);
        let text = std::fs::read(&path).map_err(RecordError::read(&path))?;
        serde_json::from_slice(&text).map_err(|source| match Head::of_a_later_release(&text) {
            Some(Head { status, runner }) => RecordError::Later { path, status, runner },
            None => RecordError::Manifest { path, source },
        })
    }

    /// Adds keys of `overrides` that it does not have yet; returns whether there was one.
    pub fn learn(&mut self, overrides: &BTreeMap<String, toml::Value>) -> bool {
        let known = self.overrides.len();
        for (key, value) in overrides {
            self.overrides.entry(key.clone()).or_insert_with(|| storable(value));
        }
        self.overrides.len() > known
    }

    /// Writes it into `run_dir`, atomically.
    ///
    /// # Errors
    /// [`RecordError::Write`].
    pub fn write(&self, run_dir: &Path) -> Result<(), RecordError> {
        Ok(write_atomically(&run_dir.join(FILE), |file| self.encode(file))?)
    }

    fn encode(&self, file: &mut impl Write) -> io::Result<()> {
        serde_json::to_writer_pretty(&mut *file, self)?;
        file.write_all(b"\n")
    }
}

/// The part of a manifest that every release writes.
#[derive(Deserialize)]
struct Head {
    status: String,
    #[serde(default)]
    runner: String,
}

impl Head {
    /// The error for a manifest whose status this release does not know.
    fn of_a_later_release(text: &[u8]) -> Option<Self> {
        serde_json::from_slice(text).ok().filter(|head: &Self| Status::from_name(&head.status).is_none())
    }
}

/// JSON knows no infinity, so such a number is kept as its text.
fn storable(value: &toml::Value) -> toml::Value {
    match value {
        toml::Value::Float(number) if !number.is_finite() => toml::Value::String(number.to_string()),
        other => other.clone(),
    }
}

/// `git rev-parse HEAD` in the working directory, asked once.
fn git_commit() -> Option<&'static str> {
    static COMMIT: OnceLock<Option<String>> = OnceLock::new();
    let ask = || {
        let git = Command::new("git").args(["rev-parse", "HEAD"]).stdin(Stdio::null()).stderr(Stdio::null()).output();
        let output = git.ok().filter(|output| output.status.success())?;
        Some(String::from_utf8(output.stdout).ok()?.trim().to_owned())
    };
    COMMIT.get_or_init(ask).as_deref()
}

/// Keeps `manifest.json` of one run up to date: written when the run starts and when it ends.
pub struct ManifestWriter {
    directory: PathBuf,
    manifest: Manifest,
}

impl ManifestWriter {
    /// For the run in `directory`, which is made at the first event.
    pub fn new(directory: impl Into<PathBuf>, manifest: Manifest) -> Self {
        Self { directory: directory.into(), manifest }
    }

    fn start(&mut self, resumed: bool, parameters: usize) {
        let now = now();
        self.manifest.status = Status::Running;
        self.manifest.parameters = Some(parameters);
        self.manifest.started = Some(now);
        // An unreadable manifest costs the run its history (first start, resumes), not the run itself.
        if let (true, Ok(earlier)) = (resumed, Manifest::read(&self.directory)) {
            self.manifest.resumes = earlier.resumes + 1;
            self.manifest.started = earlier.started.or(self.manifest.started.take());
            self.manifest.learn(&earlier.overrides);
        }
    }

    fn end(&mut self, status: Status, summary: &Summary, reason: Option<&str>) {
        self.manifest.status = status;
        self.manifest.ended = Some(now());
        self.manifest.reason = reason.map(str::to_owned);
        let mut summary = summary.clone();
        // JSON turns numbers that are not finite into null, and null is read back only into an `Option`.
        for value in [&mut summary.seconds, &mut summary.samples_per_second] {
            if !value.is_finite() {
                *value = 0.0;
            }
        }
        self.manifest.summary = Some(summary);
    }
}

impl Sink for ManifestWriter {
    fn record(&mut self, event: &Event) -> io::Result<()> {
        let path = self.directory.join(FILE);
        match event {
            Event::Started { resumed_at, parameters, .. } => {
                self.start(resumed_at.is_some(), *parameters);
                std::fs::create_dir_all(&self.directory).map_err(RecordError::write(&self.directory))?;
                match resumed_at {
                    Some(_) => self.manifest.write(&self.directory)?,
                    // Nothing to lose yet, so no need to wait for the disk.
                    None => write_view(&path, |file| self.manifest.encode(file))?,
                }
            }
            // A checkpoint without this manifest would be taken for another run's.
            Event::Saved { .. } => sync(&path)?,
            Event::Ended { status, summary, reason } => {
                self.end(*status, summary, reason.as_deref());
                std::fs::create_dir_all(&self.directory).map_err(RecordError::write(&self.directory))?;
                self.manifest.write(&self.directory)?;
            }
            Event::Metrics(_) | Event::Picture { .. } => {}
        }
        Ok(())
    }
}

/// RFC 3339, UTC, to the millisecond.
fn now() -> String {
    format!("{:.3}", jiff::Timestamp::now())
}

#[cfg(test)]
#[path = "manifest_tests.rs"]
mod tests;
