//! How the folder of a trial stands before it is run.

use std::fs;
use std::path::Path;

use super::folder::{SPEC, stranger};
use crate::plan::{Trial, spec_hash};
use crate::process;
use crate::record::{Manifest, RecordError};
use crate::spec::Spec;
use crate::train::Status;

/// How a trial's folder stands before it is run.
#[derive(Clone, Debug, PartialEq)]
pub enum Standing {
    /// Nothing there, or nothing that could be lost.
    New,
    /// Finished with the same spec: kept.
    Finished(Box<Manifest>),
    /// Diverged with the same spec, as it would again: kept unless asked to retry.
    Ended(Box<Manifest>),
    /// As far as the plan wants it: at the rung where it is compared with others, or stopped there.
    Paused(Box<Manifest>),
    /// Interrupted, killed, or failed for want of something (room on the disk, say): goes on from its last checkpoint.
    Unfinished,
    /// Another process on this machine is at it.
    Busy(Box<Manifest>),
    /// Something is there that may be worth keeping and cannot be gone on from: another spec's run, one of a later release, one
    /// whose manifest is lost. It is left as it is.
    Unclear {
        /// What is there, and what to do about it.
        reason: String,
    },
}

/// Looks at the folder of `trial`.
pub fn standing(trial: &Trial, results: &Path) -> Standing {
    let directory = trial.directory(results);
    let manifest = match Manifest::read(&directory) {
        Ok(manifest) => manifest,
        Err(error) => return without_manifest(trial, &directory, &error),
    };
    if manifest.spec_hash != trial.spec_hash {
        return Standing::Unclear { reason: format!("{} holds the run of another spec; {ASIDE}", directory.display()) };
    }
    match manifest.status {
        Status::Finished => Standing::Finished(Box::new(manifest)),
        Status::Diverged => Standing::Ended(Box::new(manifest)),
        Status::Running if is_alive(&manifest) => Standing::Busy(Box::new(manifest)),
        Status::Interrupted | Status::Stopped if is_there(trial, &manifest) => Standing::Paused(Box::new(manifest)),
        Status::Running | Status::Interrupted | Status::Stopped | Status::Failed => Standing::Unfinished,
    }
}

/// Whether a run that was paused has come to where the plan pauses it.
fn is_there(trial: &Trial, run: &Manifest) -> bool {
    let steps = run.summary.as_ref().map_or(0, |summary| summary.steps);
    trial.until.is_some_and(|until| steps >= until as i64)
}

/// Whether the process that last wrote the manifest is still at it. Only this machine's processes can be asked, and only
/// on Linux; elsewhere the answer is no.
fn is_alive(manifest: &Manifest) -> bool {
    is_of_this_host(manifest) && manifest.pid != std::process::id() && is_at_it(manifest)
}

/// Whether there is still the process that last wrote the manifest, of this machine.
fn is_at_it(manifest: &Manifest) -> bool {
    match manifest.began {
        Some(_) => process::began(manifest.pid) == manifest.began,
        // Earlier releases did not say more than its number, which another program may have been given since.
        None => program(&manifest.pid.to_string()).is_some_and(|other| Some(other) == program("self")),
    }
}

/// Whether the run's process is known to have ended without a last word: `kill -9`, power loss.
pub fn was_killed(manifest: &Manifest) -> bool {
    // Without /proc, not even this process is found. Executables of other users' processes cannot be read, so that there only
    // the process itself is looked for.
    let can_tell = is_of_this_host(manifest) && program("self").is_some();
    let is_there = match manifest.began {
        Some(_) => is_at_it(manifest),
        None => Path::new("/proc").join(manifest.pid.to_string()).exists(),
    };
    manifest.status == Status::Running && can_tell && !is_there
}

fn is_of_this_host(manifest: &Manifest) -> bool {
    hostname::get().is_ok_and(|name| name.to_string_lossy() == manifest.host)
}

/// The name of a process's executable, on Linux. Not its path: two releases may share a folder of results, and one that was
/// replaced while it runs is `… (deleted)`.
fn program(pid: &str) -> Option<String> {
    let path = fs::read_link(format!("/proc/{pid}/exe")).ok()?;
    let name = path.file_name()?.to_string_lossy().into_owned();
    Some(name.strip_suffix(" (deleted)").map_or(name.clone(), str::to_owned))
}

/// How the folder of `trial` stands where its manifest cannot be read, which `error` says.
fn without_manifest(trial: &Trial, directory: &Path, error: &RecordError) -> Standing {
    let unclear = |reason: String| Standing::Unclear { reason };
    let unreadable = match error {
        RecordError::Manifest { .. } => true,
        RecordError::Read { source, .. } if source.kind() == std::io::ErrorKind::NotFound => false,
        // A manifest of a later release, or one that this user may not read.
        error => return unclear(error.to_string()),
    };
    let there = |name: &str| directory.join("checkpoints").join(name).exists();
    let what = format!("{} has {} manifest", directory.display(), if unreadable { "a damaged" } else { "no" });
    match (there("last.safetensors"), there("best.safetensors")) {
        (true, _) if is_of(trial, directory) => Standing::Unfinished,
        (true, _) => unclear(format!(
            "{what}, and its checkpoint is not known to be of this trial (its {SPEC} is another one or cannot be read); {ASIDE}"
        )),
        (false, true) => unclear(format!("{what}, and best weights without last.safetensors to go on from; {ASIDE}")),
        (false, false) => match stranger(directory) {
            Some(name) => unclear(format!("{what}, and holds `{name}`, which no run leaves there; {ASIDE}")),
            None => Standing::New,
        },
    }
}

/// What to do with a folder that is not understood.
const ASIDE: &str = "move the folder away to train the trial again, or lose what is there with --fresh";

/// Whether the folder's resolved spec is that of `trial`. Both are compared as they are stored, with absolute paths.
fn is_of(trial: &Trial, directory: &Path) -> bool {
    let hash = |text: &str| toml::from_str::<Spec>(text).ok().map(|spec| spec_hash(&spec));
    let there = fs::read_to_string(directory.join(SPEC)).ok().and_then(|text| hash(&text));
    there.is_some() && there == hash(&trial.spec.to_toml())
}
