//! The training curve: an append-only journal while the run goes, a Parquet file afterwards.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use super::{RecordError, Warn, metrics_table};
use crate::atomic::{remove_leftovers, write_atomically};
use crate::train::{Event, Metrics, Sink, Status};

const JOURNAL: &str = "metrics.jsonl";
const TABLE: &str = "metrics.parquet";
/// Ending of the copy that is kept of a damaged file of metrics.
const DAMAGED: &str = ".damaged";

/// Keeps every [`Metrics`] row of a run: `metrics.jsonl`, one JSON object a line, until the run ends; then
/// `metrics.parquet`. An interrupted run keeps its journal. Values that are not finite become null.
pub struct MetricsJournal {
    directory: PathBuf,
    warn: Warn,
    journal: Option<Journal>,
}

struct Journal {
    file: File,
    /// Bytes of complete lines.
    length: u64,
}

impl MetricsJournal {
    /// For the run in `directory`, which is made at the first event. `warn` hears of what of an earlier part of the run is lost.
    pub fn new(directory: impl Into<PathBuf>, warn: Warn) -> Self {
        Self { directory: directory.into(), warn, journal: None }
    }

    /// Opens the journal; of an earlier part of the run it keeps the rows up to `resumed_at`.
    fn start(&mut self, resumed_at: Option<i64>) -> Result<(), RecordError> {
        fs::create_dir_all(&self.directory).map_err(RecordError::write(&self.directory))?;
        remove_leftovers(&self.directory)?;
        let mut kept = match resumed_at {
            Some(_) => self.readable(read_curve(&self.directory))?,
            None => Vec::new(),
        };
        kept.retain(|row| resumed_at.is_some_and(|step| row.step <= step));

        let path = self.directory.join(JOURNAL);
        if kept.is_empty() {
            // A new, empty file has nothing to lose, so the disk is not waited for.
            File::create(&path).map_err(RecordError::write(&path))?;
        } else {
            write_atomically(&path, |file| kept.iter().try_for_each(|row| file.write_all(&line(row)?)))?;
        }
        // A failed run that is tried again has a table already; from here on the journal is the truth.
        remove_if_there(&self.directory.join(TABLE))?;
        self.journal = Some(Journal::open(&path).map_err(RecordError::write(&path))?);
        Ok(())
    }

    fn append(&mut self, row: &Metrics) -> Result<(), RecordError> {
        match &mut self.journal {
            Some(journal) => journal.append(row).map_err(RecordError::write(&self.directory.join(JOURNAL))),
            None => Ok(()),
        }
    }

    /// What can be read of a curve. Weights do not depend on it, so damage does not fail the run: the file is copied aside and
    /// the user warned.
    fn readable(&self, curve: (Vec<Metrics>, Option<RecordError>)) -> Result<Vec<Metrics>, RecordError> {
        let (rows, damage) = curve;
        let (path, what) = match &damage {
            None => return Ok(rows),
            Some(RecordError::Journal { path, line, .. }) => (path, format!("line {line} is not a row of metrics")),
            Some(RecordError::Metrics { path, .. }) => (path, "it is not a table of metrics".to_owned()),
            Some(_) => return damage.map_or(Ok(rows), Err),
        };
        let copy = keep_copy(path)?;
        (self.warn)(format!(
            "{}: {what}, so the curve lacks what stood there; {} rows of it could be read, and the file as it was is {}",
            path.display(),
            rows.len(),
            copy.display()
        ));
        Ok(rows)
    }

    /// Brings the journal to disk.
    fn sync(&mut self) -> Result<(), RecordError> {
        match &mut self.journal {
            Some(journal) => journal.file.sync_data().map_err(RecordError::write(&self.directory.join(JOURNAL))),
            None => Ok(()),
        }
    }

    /// Makes the table of the journal.
    fn finish(&mut self) -> Result<(), RecordError> {
        if self.journal.take().is_none() {
            return Ok(());
        }
        let path = self.directory.join(JOURNAL);
        let rows = self.readable(read_journal(&path))?;
        metrics_table::write(&self.directory.join(TABLE), &rows)?;
        remove_if_there(&path)
    }
}

impl Sink for MetricsJournal {
    fn record(&mut self, event: &Event) -> io::Result<()> {
        match event {
            Event::Started { resumed_at, .. } => self.start(*resumed_at)?,
            Event::Metrics(row) => self.append(row)?,
            // A checkpoint must not outlive the rows before it.
            Event::Saved { .. } => self.sync()?,
            Event::Picture { .. } => {}
            Event::Ended { status: Status::Interrupted | Status::Running, .. } => self.sync()?,
            Event::Ended { status: Status::Finished | Status::Diverged | Status::Failed | Status::Stopped, .. } => {
                self.finish()?
            }
        }
        Ok(())
    }
}

impl Journal {
    fn open(path: &Path) -> io::Result<Self> {
        let file = OpenOptions::new().append(true).open(path)?;
        let length = file.metadata()?.len();
        Ok(Self { file, length })
    }

    fn append(&mut self, row: &Metrics) -> io::Result<()> {
        let line = line(row)?;
        // One call a line, so that a reader or a kill meets whole lines.
        self.file.write_all(&line).inspect_err(|_| {
            // On a full disk half a line may have been written; best effort, readers tolerate it at the end.
            let _ = self.file.set_len(self.length);
        })?;
        self.length += line.len() as u64;
        Ok(())
    }
}

fn line(row: &Metrics) -> io::Result<Vec<u8>> {
    let mut line = serde_json::to_vec(row)?;
    line.push(b'\n');
    Ok(line)
}

/// Copies a damaged file beside itself, under a name that is free, and returns that.
fn keep_copy(path: &Path) -> Result<PathBuf, RecordError> {
    let named = |number: usize| {
        let number = if number > 1 { format!("-{number}") } else { String::new() };
        let mut name = path.as_os_str().to_owned();
        name.push(format!("{DAMAGED}{number}"));
        PathBuf::from(name)
    };
    // Always found: there are more numbers than files.
    let copy = (1..).map(named).find(|copy| !copy.exists()).unwrap_or_else(|| named(0));
    fs::copy(path, &copy).map_err(RecordError::write(&copy))?;
    Ok(copy)
}

/// Whether a file of this name is the copy of a damaged file of metrics.
pub fn is_damaged_metrics(name: &str) -> bool {
    [JOURNAL, TABLE].iter().any(|file| name.strip_prefix(file).is_some_and(|rest| rest.starts_with(DAMAGED)))
}

fn remove_if_there(path: &Path) -> Result<(), RecordError> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(RecordError::write(path)(error)),
        _ => Ok(()),
    }
}

/// The training curve of the run in `run_dir`, running or ended; empty where nothing was recorded yet.
///
/// # Errors
/// Where the directory or its files cannot be read, or hold something else. A torn last line of the journal is no error.
pub fn read_metrics(run_dir: &Path) -> Result<Vec<Metrics>, RecordError> {
    let (rows, damage) = read_curve(run_dir);
    damage.map_or(Ok(rows), Err)
}

/// What can be read of the training curve of the run in `run_dir`, and the first thing that cannot.
pub fn read_curve(run_dir: &Path) -> (Vec<Metrics>, Option<RecordError>) {
    if let Err(error) = fs::metadata(run_dir) {
        return (Vec::new(), Some(RecordError::read(run_dir)(error)));
    }
    // The journal first: where both are there, it is the newer or they are equal; and where it has just gone, the table
    // is already there.
    for (name, read) in [(JOURNAL, read_journal as fn(&Path) -> _), (TABLE, read_table)] {
        match read(&run_dir.join(name)) {
            (_, Some(RecordError::Read { source, .. })) if source.kind() == io::ErrorKind::NotFound => {}
            curve => return curve,
        }
    }
    (Vec::new(), None)
}

fn read_table(path: &Path) -> (Vec<Metrics>, Option<RecordError>) {
    match metrics_table::read(path) {
        Ok(rows) => (rows, None),
        Err(error) => (Vec::new(), Some(error)),
    }
}

fn read_journal(path: &Path) -> (Vec<Metrics>, Option<RecordError>) {
    let bytes = match fs::read(path) {
        Ok(bytes) => bytes,
        Err(error) => return (Vec::new(), Some(RecordError::read(path)(error))),
    };
    let lines: Vec<&[u8]> = bytes.split(|&byte| byte == b'\n').filter(|line| !line.is_empty()).collect();
    let mut rows = Vec::with_capacity(lines.len());
    let mut damage = None;
    for (index, line) in lines.iter().enumerate() {
        match serde_json::from_slice(line) {
            Ok(row) => rows.push(row),
            Err(_) if index + 1 == lines.len() => {}
            Err(source) => {
                damage.get_or_insert(RecordError::Journal { path: path.to_owned(), line: index + 1, source });
            }
        }
    }
    (rows, damage)
}

#[cfg(test)]
#[path = "journal_tests.rs"]
mod tests;
