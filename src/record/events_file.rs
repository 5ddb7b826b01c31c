//! TensorBoard's files: framed protobuf records, `events.out.tfevents.<seconds>.<host>.<pid>.<number>`.
//!
//! Framing, checksums and messages are those of `tensorboard-rs` and `tensorboard-proto`. Its `FileWriter` is not used: it panics
//! in a thread of its own where a write fails, and two writers of one second share a file.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use protobuf::{Message, RepeatedField};
use tensorboard_proto::event::{Event, SessionLog, SessionLog_SessionStatus};
use tensorboard_proto::summary::{Summary, Summary_Value};
use tensorboard_rs::record_writer::RecordWriter;

const PREFIX: &str = "events.out.tfevents.";

/// Whether a file of this name is one of TensorBoard's.
pub fn is_events_file(name: &str) -> bool {
    name.starts_with(PREFIX)
}

/// A file of events that is being appended to.
pub(super) struct EventsFile {
    file: File,
}

impl EventsFile {
    /// Starts a new file in `directory`, read by TensorBoard after all that are there.
    pub(super) fn create(directory: &Path) -> io::Result<Self> {
        Self::create_marked(directory, "")
    }

    /// Like [`EventsFile::create`], with `mark` at the end of its name.
    pub(super) fn create_marked(directory: &Path, mark: &str) -> io::Result<Self> {
        fs::create_dir_all(directory)?;
        let mut file = Self { file: File::create_new(new_path(directory, mark)?)? };
        file.append(&[file_version()])?;
        Ok(file)
    }

    /// Appends `events` with one write, so that a reader or a kill meets whole events.
    pub(super) fn append(&mut self, events: &[Event]) -> io::Result<()> {
        self.file.write_all(&encode(events)?)
    }

    /// Brings everything to disk.
    pub(super) fn sync(&self) -> io::Result<()> {
        self.file.sync_all()
    }

    #[cfg(all(test, target_os = "linux"))]
    pub(super) fn full() -> Self {
        Self { file: File::options().append(true).open("/dev/full").expect("Linux has it") }
    }
}

/// The events files in `directory`, in TensorBoard's order.
pub(super) fn events_files(directory: &Path) -> io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        if is_events_file(&entry.file_name().to_string_lossy()) {
            files.push(entry.path());
        }
    }
    files.sort();
    Ok(files)
}

/// A name in `directory` that sorts after those of all events files there. TensorBoard reads in the order of names; a run
/// resumed within a second, or on a host whose clock is behind, must still come last. `mark` ends the name.
pub(super) fn new_path(directory: &Path, mark: &str) -> io::Result<PathBuf> {
    static NUMBER: AtomicU64 = AtomicU64::new(0);
    let last = events_files(directory)?.iter().filter_map(|path| started_at(path)).max();
    let seconds = last.map_or(0, |last| last + 1).max(now() as u64);
    let host = hostname::get()?;
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    let process = std::process::id();
    Ok(directory.join(format!("{PREFIX}{seconds:010}.{}.{process}.{number}{mark}", host.to_string_lossy())))
}

/// The seconds in the name of an events file.
fn started_at(path: &Path) -> Option<u64> {
    path.file_name()?.to_str()?.strip_prefix(PREFIX)?.split('.').next()?.parse().ok()
}

/// Seconds since 1970.
pub(super) fn now() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |time| time.as_secs_f64())
}

/// The bytes of `events` as they stand in a file.
pub(super) fn encode(events: &[Event]) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let mut records = RecordWriter::new(&mut bytes);
    for event in events {
        records.write(&event.write_to_bytes().map_err(io::Error::other)?)?;
    }
    Ok(bytes)
}

/// The first event of every file.
pub(super) fn file_version() -> Event {
    let mut event = at(0);
    event.set_file_version("brain.Event:2".to_owned());
    event
}

/// Tells TensorBoard that whatever it has read of this run at `step` or later is void.
pub(super) fn restart(step: i64) -> Event {
    let mut log = SessionLog::new();
    log.set_status(SessionLog_SessionStatus::START);
    let mut event = at(step);
    event.set_session_log(log);
    event
}

/// An event that carries `values`.
pub(super) fn summary(step: i64, values: Vec<Summary_Value>) -> Event {
    let mut summary = Summary::new();
    summary.set_value(RepeatedField::from_vec(values));
    let mut event = at(step);
    event.set_summary(summary);
    event
}

fn at(step: i64) -> Event {
    let mut event = Event::new();
    event.set_wall_time(now());
    event.set_step(step);
    event
}

#[cfg(test)]
pub(super) mod tests {
    use tensorboard_rs::masked_crc32c::{crc32c, masked_crc32c};

    use super::*;

    /// The events of a file; panics where a length or checksum does not fit.
    pub(in crate::record) fn read(path: &Path) -> Vec<Event> {
        let bytes = fs::read(path).expect("read");
        let word = |at: usize| u32::from_le_bytes(bytes[at..at + 4].try_into().expect("four bytes"));
        let mut events = Vec::new();
        let mut at = 0;
        while at < bytes.len() {
            let length = u64::from_le_bytes(bytes[at..at + 8].try_into().expect("eight bytes")) as usize;
            assert_eq!(word(at + 8), masked_crc32c(&bytes[at..at + 8]));
            let data = &bytes[at + 12..at + 12 + length];
            assert_eq!(word(at + 12 + length), masked_crc32c(data));
            events.push(Event::parse_from_bytes(data).expect("an event"));
            at += length + 16;
        }
        events
    }

    #[test]
    fn checksum_is_crc32c() {
        // RFC 3720, appendix B.4, and the common check value.
        assert_eq!(crc32c(&[0; 32]), 0x8a91_36aa);
        assert_eq!(crc32c(b"123456789"), 0xe306_9283);
    }

    #[test]
    fn file_starts_with_its_version_and_keeps_the_order() {
        let folder = tempfile::tempdir().expect("folder");
        let mut file = EventsFile::create(folder.path()).expect("created");
        file.append(&[restart(0), summary(3, Vec::new())]).expect("appended");
        let events = read(&events_files(folder.path()).expect("listed")[0]);
        assert_eq!(events[0].get_file_version(), "brain.Event:2");
        assert_eq!(events[1].get_session_log().get_status(), SessionLog_SessionStatus::START);
        assert_eq!(events[2].get_step(), 3);
        assert!(events[2].get_wall_time() > 1.7e9);
    }

    #[test]
    fn files_of_one_second_differ_and_sort_in_order_of_creation() {
        let folder = tempfile::tempdir().expect("folder");
        let future = folder.path().join(format!("{PREFIX}{:010}.another-host.99.0", now() as u64 + 100));
        fs::write(&future, "").expect("written");
        let mut made = vec![future];
        for _ in 0..12 {
            EventsFile::create(folder.path()).expect("created");
            let files = events_files(folder.path()).expect("listed");
            assert_eq!(files[..made.len()], made);
            made = files;
        }
        assert_eq!(made.len(), 13);
    }
}
