//! Who listens to a run: sinks that make files of the events of [`crate::train`].
//!
//! * [`MetricsJournal`]: the training curve, `metrics.jsonl` while running and `metrics.parquet` afterwards;
//! * [`ManifestWriter`]: `manifest.json`, what a run is and how it stands;
//! * [`TensorBoard`]: the view of it all, `events.out.tfevents.*`;
//! * [`write_trials`]: `trials.parquet`, one row a run of an experiment.
//!
//! [`Recorder`] hands every event to all of them. Whatever is not append-only is replaced as a whole, in one of the ways of
//! [`crate::atomic`], so no reader ever meets half a file. This room knows nothing of models.

mod bands;
mod diagnosis;
mod error;
mod events_file;
mod hparams;
mod journal;
mod manifest;
mod metrics_table;
mod overview;
mod recorder;
mod same_trial;
#[cfg(test)]
mod sample;
mod summaries;
mod tensorboard;
mod trials;

pub use bands::{remove_bands, write_bands};
pub use diagnosis::{DIAGNOSIS, RunDiagnosis};
pub use error::RecordError;
pub use events_file::is_events_file;
pub use hparams::{hparams, write_experiment};
pub use journal::{MetricsJournal, is_damaged_metrics, read_curve, read_metrics};
pub use manifest::{Manifest, ManifestWriter};
pub use recorder::Recorder;
pub use tensorboard::{TensorBoard, Warn};
pub use trials::{Runs, read_runs, trial_columns, write_trials};
