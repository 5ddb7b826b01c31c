//! Files that are there whole or not at all.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

/// A file or folder that could not be written.
#[derive(Debug, thiserror::Error)]
#[error("cannot write {}: {source}; check free space and permissions, then run the same command again", path.display())]
pub struct WriteError {
    /// The file that was to be written.
    pub path: PathBuf,
    /// What the system answered.
    pub source: io::Error,
}

impl WriteError {
    /// For `map_err`: `path` could not be written.
    pub fn at(path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |source| Self { path: path.to_owned(), source }
    }
}

impl From<WriteError> for io::Error {
    fn from(error: WriteError) -> Self {
        Self::new(error.source.kind(), error)
    }
}

/// Names of files being written start and end like this. They do not contain the target's name, because TensorBoard
/// would read any file with `tfevents` in its name.
const PREFIX: &str = ".write-";
const SUFFIX: &str = ".tmp";

/// Writes `path` through a temporary file beside it: the old file stays until the new one is complete and on disk.
///
/// After the closure the file is synced and renamed over `path`. Safe against `kill -9`, power loss and several writers
/// (the last one wins): at any moment one of them is there, whole. [`sync`] of its folder makes the new one last.
///
/// # Errors
/// [`WriteError`] naming `path`; the old file is untouched and the temporary one removed.
pub fn write_atomically(
    path: &Path,
    write: impl FnOnce(&mut BufWriter<File>) -> io::Result<()>,
) -> Result<(), WriteError> {
    replace(path, true, write).map_err(WriteError::at(path))
}

/// As [`write_atomically`], but without waiting for the disk: for what can be made again from other files, should the power fail
/// within the next half minute.
///
/// # Errors
/// As [`write_atomically`].
pub fn write_view(path: &Path, write: impl FnOnce(&mut BufWriter<File>) -> io::Result<()>) -> Result<(), WriteError> {
    replace(path, false, write).map_err(WriteError::at(path))
}

fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Where a file is written that is called `path`: what a link of that name leads to, whether it is there yet or not.
fn behind_links(path: &Path) -> PathBuf {
    const MOST_LINKS: usize = 40;
    let mut place = path.to_owned();
    for _ in 0..MOST_LINKS {
        let Ok(next) = fs::read_link(&place) else { break };
        place = folder_of(&place).join(next);
    }
    place
}

fn replace(path: &Path, synced: bool, write: impl FnOnce(&mut BufWriter<File>) -> io::Result<()>) -> io::Result<()> {
    let path = &behind_links(path);
    if fs::metadata(path).is_ok_and(|there| !there.is_file() && !there.is_dir()) {
        // A device or a pipe is written to: a file in its place would be of no use to whoever is behind it.
        let mut stream = BufWriter::new(OpenOptions::new().write(true).open(path)?);
        write(&mut stream)?;
        return stream.flush();
    }
    let folder = folder_of(path);
    // `make_in` rather than `tempfile_in`: the file shall have the usual permissions, not 0600.
    let temporary = tempfile::Builder::new()
        .prefix(PREFIX)
        .suffix(SUFFIX)
        .make_in(folder, |path| File::create_new(path).map(BufWriter::new))?;
    let (mut file, temporary) = temporary.into_parts();
    write(&mut file)?;
    file.flush()?;
    if synced {
        file.get_ref().sync_all()?;
    }
    drop(file);
    temporary.persist(path)?;
    Ok(())
}

/// Brings a file to the disk, or of a folder which files are in it: after it not even a power loss brings back what they were
/// before they were last replaced. It costs a wait, which only what cannot be made again soon is worth.
///
/// # Errors
/// [`WriteError`] naming `path`.
#[cfg(unix)]
pub fn sync(path: &Path) -> Result<(), WriteError> {
    File::open(path).and_then(|file| file.sync_all()).map_err(WriteError::at(path))
}

/// On systems that offer no such call, does nothing.
///
/// # Errors
/// None.
#[cfg(not(unix))]
pub fn sync(_path: &Path) -> Result<(), WriteError> {
    Ok(())
}

/// Removes temporary files that a killed writer left in `folder`. Only for folders with a single writer.
///
/// # Errors
/// [`WriteError`] where the folder cannot be listed or a file not removed.
pub fn remove_leftovers(folder: &Path) -> Result<(), WriteError> {
    for entry in fs::read_dir(folder).map_err(WriteError::at(folder))? {
        let entry = entry.map_err(WriteError::at(folder))?;
        let name = entry.file_name();
        let name = name.to_string_lossy();
        if name.starts_with(PREFIX) && name.ends_with(SUFFIX) {
            fs::remove_file(entry.path()).map_err(WriteError::at(&entry.path()))?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        let entries = fs::read_dir(folder).expect("listed");
        entries.map(|entry| entry.expect("entry").file_name().to_string_lossy().into_owned()).collect()
    }

    #[test]
    fn new_content_replaces_the_old_and_leaves_nothing_else() {
        let folder = tempfile::tempdir().expect("folder");
        let path = folder.path().join("spec.toml");
        for content in ["a much longer first version", "second"] {
            write_atomically(&path, |file| file.write_all(content.as_bytes())).expect("written");
            assert_eq!(fs::read_to_string(&path).expect("read"), content);
        }
        assert_eq!(names(folder.path()), ["spec.toml"]);
    }

    #[test]
    fn failing_writer_leaves_the_old_file_and_no_temporary_one() {
        let folder = tempfile::tempdir().expect("folder");
        let path = folder.path().join("last.safetensors");
        fs::write(&path, "old").expect("written");
        let error = write_atomically(&path, |file| {
            file.write_all(b"half of the ne")?;
            Err(io::Error::from(io::ErrorKind::StorageFull))
        })
        .expect_err("failed");
        assert!(error.to_string().contains("last.safetensors"), "{error}");
        assert_eq!(io::Error::from(error).kind(), io::ErrorKind::StorageFull);
        assert_eq!(fs::read_to_string(&path).expect("read"), "old");
        assert_eq!(names(folder.path()), ["last.safetensors"]);
    }

    #[cfg(unix)]
    #[test]
    fn links_stay_and_what_they_lead_to_is_written_and_devices_are_written_to() {
        let folder = tempfile::tempdir().expect("folder");
        let at = |name: &str| folder.path().join(name);
        fs::write(at("old.csv"), "old").expect("written");
        for (link, target) in [("link.csv", "old.csv"), ("new link.csv", "new.csv"), ("null", "/dev/null")] {
            std::os::unix::fs::symlink(target, at(link)).expect("linked");
            write_view(&at(link), |file| file.write_all(b"rows")).expect("written");
            assert!(fs::symlink_metadata(at(link)).expect("there").is_symlink(), "{link}");
        }
        assert_eq!([at("old.csv"), at("new.csv")].map(|path| fs::read(path).expect("read")), [b"rows", b"rows"]);
        assert!(!fs::metadata("/dev/null").expect("there").is_file());
    }

    #[test]
    fn missing_folder_is_an_error_that_names_the_file() {
        let folder = tempfile::tempdir().expect("folder");
        let error = write_atomically(&folder.path().join("gone/plan.json"), |_| Ok(())).expect_err("no folder");
        assert!(error.to_string().contains("gone/plan.json"), "{error}");
    }

    #[test]
    fn leftovers_of_a_killed_writer_go_and_other_files_stay() {
        let folder = tempfile::tempdir().expect("folder");
        for name in [".write-Ab12.tmp", "metrics.jsonl", ".hidden"] {
            fs::write(folder.path().join(name), "x").expect("written");
        }
        remove_leftovers(folder.path()).expect("removed");
        let mut left = names(folder.path());
        left.sort();
        assert_eq!(left, [".hidden", "metrics.jsonl"]);
    }
}
