//! Names of the files in the folder of a run.

use std::fs;
use std::path::Path;

use crate::record::{DIAGNOSIS, is_damaged_metrics, is_events_file};

/// The resolved spec.
pub const SPEC: &str = "spec.toml";

/// Whether a run keeps a file or folder of this name in its folder.
pub fn is_of_run(name: &str) -> bool {
    const NAMES: [&str; 6] =
        [SPEC, "manifest.json", "metrics.jsonl", "metrics.parquet", "samples.parquet", "checkpoints"];
    NAMES.contains(&name) || is_damaged_metrics(name) || name.ends_with(".png") || is_events_file(name)
}

/// An entry of a run's folder that neither runs nor the commands that look at them leave there, so that the folder must not be
/// removed.
pub fn stranger(directory: &Path) -> Option<String> {
    let names = fs::read_dir(directory).into_iter().flatten().flatten();
    let mut names = names.map(|entry| entry.file_name().to_string_lossy().into_owned());
    let is_left =
        |name: &str| name == "plots" || name == DIAGNOSIS || [".svg", ".tmp"].iter().any(|end| name.ends_with(end));
    names.find(|name| !is_of_run(name) && !is_left(name))
}
