//! The end of a run that is not among the best at a rung.

use std::fs;
use std::path::Path;

use crate::atomic::WriteError;
use crate::plan::Trial;
use crate::record::{Manifest, ManifestWriter, MetricsJournal, Recorder, TensorBoard, Warn};
use crate::train::{Event, Sink, Status};

/// Ends the run of `trial`, which is paused at a rung, and removes its checkpoints unless they are to be kept; returns its manifest
/// where it was not ended before. Whoever is killed meanwhile can do it again.
///
/// # Errors
/// Where a file cannot be written or removed.
pub fn end_at_rung(trial: &Trial, results: &Path, keep: bool, warn: Warn) -> std::io::Result<Option<Manifest>> {
    let directory = trial.directory(results);
    // A run that is not there, or cannot be read, is told of elsewhere.
    let Ok(run) = Manifest::read(&directory) else { return Ok(None) };
    let mut ended = None;
    if run.status == Status::Interrupted {
        let summary = run.summary.clone().unwrap_or_default();
        let mut files = Recorder::new(vec![
            Box::new(MetricsJournal::new(&directory, warn.clone())),
            Box::new(TensorBoard::new(&directory, trial, trial.spec.to_toml(), warn)),
        ]);
        files.record(&Event::Started {
            resumed_at: Some(summary.steps),
            total_steps: summary.steps,
            parameters: run.parameters.unwrap_or_default(),
        })?;
        let reason = Some("not among the best at its rung".to_owned());
        let end = Event::Ended { status: Status::Stopped, summary, reason };
        files.record(&end)?;
        // Last: it says that the others are complete.
        ManifestWriter::new(&directory, run).record(&end)?;
        ended = Manifest::read(&directory).ok();
    }
    let checkpoints = directory.join("checkpoints");
    let is_stopped = Manifest::read(&directory).is_ok_and(|run| run.status == Status::Stopped);
    if is_stopped && !keep && checkpoints.exists() {
        fs::remove_dir_all(&checkpoints).map_err(WriteError::at(&checkpoints))?;
    }
    Ok(ended)
}
