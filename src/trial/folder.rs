//! The names of what lies in the folder of a run.

use std::fs;
use std::path::Path;

use crate::record::is_damaged_metrics;

/// The resolved spec.
pub const SPEC: &str = "spec.toml";

/// What runs and the commands that look at them leave in a run's folder, beside pictures and TensorBoard's logs.
const NAMES: [&str; 7] =
    [SPEC, "manifest.json", "metrics.jsonl", "metrics.parquet", "samples.parquet", "checkpoints", "plots"];

/// An entry of a run's folder that no run leaves there, so that the folder must not be removed.
pub fn stranger(directory: &Path) -> Option<String> {
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
