//! What lies in the folder of a run, judged without its manifest.

use std::fs;
use std::path::Path;

use super::trial::{SPEC, Standing};
use crate::plan::{Trial, spec_hash};
use crate::record::{RecordError, is_damaged_metrics};
use crate::spec::Spec;

/// What runs and the commands that look at them leave in a run's folder, beside pictures and TensorBoard's logs.
const NAMES: [&str; 7] =
    [SPEC, "manifest.json", "metrics.jsonl", "metrics.parquet", "samples.parquet", "checkpoints", "plots"];

/// An entry of a run's folder that no run leaves there, so that the folder must not be removed.
pub(super) fn stranger(directory: &Path) -> Option<String> {
    let names = fs::read_dir(directory).into_iter().flatten().flatten();
    let names = names.map(|entry| entry.file_name().to_string_lossy().into_owned());
    let is_known = |name: &str| {
        NAMES.contains(&name)
            || is_damaged_metrics(name)
            || name.starts_with("events.out.tfevents.")
            || [".png", ".svg", ".tmp"].iter().any(|end| name.ends_with(end))
    };
    names.into_iter().find(|name| !is_known(name))
}

/// How the folder of `trial` stands where its manifest cannot be read, which `error` says.
pub(super) fn without_manifest(trial: &Trial, directory: &Path, error: &RecordError) -> Standing {
    let unclear = |reason: String| Standing::Unclear { reason };
    let unreadable = match error {
        RecordError::Manifest { .. } => true,
        RecordError::Read { source, .. } if source.kind() == std::io::ErrorKind::NotFound => false,
        // Of a later release, or closed to this user.
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
pub(super) const ASIDE: &str = "move the folder away to train the trial again, or lose what is there with --fresh";

/// Whether the folder's resolved spec is that of `trial`. Both are compared as they are stored, with absolute paths.
fn is_of(trial: &Trial, directory: &Path) -> bool {
    let hash = |text: &str| toml::from_str::<Spec>(text).ok().map(|spec| spec_hash(&spec));
    let there = fs::read_to_string(directory.join(SPEC)).ok().and_then(|text| hash(&text));
    there.is_some() && there == hash(&trial.spec.to_toml())
}
