//! What can go wrong with result files.

use std::io;
use std::path::{Path, PathBuf};

use crate::atomic::WriteError;

/// A result file that could not be written or read. Every message names the file.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "every message tells what its fields are")]
pub enum RecordError {
    #[error(transparent)]
    Write(#[from] WriteError),
    #[error("cannot read {}: {source}", path.display())]
    Read { path: PathBuf, source: io::Error },
    #[error("{}:{line}: not a row of metrics ({source}); delete the run's folder and run the same command to train it again", path.display())]
    Journal { path: PathBuf, line: usize, source: serde_json::Error },
    #[error("{}: not a table of metrics ({source}); delete the run's folder and run the same command to train it again", path.display())]
    Metrics { path: PathBuf, source: polars::error::PolarsError },
    #[error("{}: not a manifest ({source}); run the spec again: it goes on from the run's checkpoint and writes a new one", path.display())]
    Manifest { path: PathBuf, source: serde_json::Error },
    #[error(
        "{}: its status `{status}` is of a later release{}; use that one, or train elsewhere with --results DIR",
        path.display(),
        if runner.is_empty() { String::new() } else { format!(" (runner {runner})") }
    )]
    Later { path: PathBuf, status: String, runner: String },
}

impl RecordError {
    /// For `map_err`: `path` could not be written.
    pub(super) fn write(path: &Path) -> impl FnOnce(io::Error) -> Self {
        let at = WriteError::at(path);
        move |source| Self::Write(at(source))
    }

    /// For `map_err`: `path` could not be read.
    pub(super) fn read(path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Read { path: path.to_owned(), source }
    }
}

impl From<RecordError> for io::Error {
    fn from(error: RecordError) -> Self {
        let kind = match &error {
            RecordError::Write(WriteError { source, .. }) | RecordError::Read { source, .. } => source.kind(),
            _ => io::ErrorKind::InvalidData,
        };
        Self::new(kind, error)
    }
}
