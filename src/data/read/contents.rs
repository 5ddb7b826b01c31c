//! A file's bytes, as far as memory goes: no device, no file and no archive that swells can take all of it.

use std::fs::{File, Metadata};
use std::io::Read;
use std::path::Path;

use flate2::read::MultiGzDecoder;

use super::Source;
use crate::data::error::{DataError, reading};
use crate::data::memory;

/// Bytes that a compressed file may always unfold to.
const ALWAYS: u64 = 1 << 28;
/// Beyond those, how many times its size it may unfold to: tables of numbers pack to a tenth or so, while what is made to
/// fill a memory packs to a thousandth.
const SWELLS: u64 = 200;

/// Opens a regular file that memory can hold.
pub fn open(path: &Path) -> Result<File, DataError> {
    let refused = |problem: String| DataError::Refused { path: path.to_owned(), problem };
    // Asked before opening, which waits forever at a pipe that nobody writes to.
    let about = std::fs::metadata(path).map_err(reading(path))?;
    if !about.is_file() {
        return Err(refused(format!("is {}, not a file: save the rows to a file first", kind(&about))));
    }
    let free = memory::free();
    if about.len() > free {
        let (size, free) = (memory::shown(about.len()), memory::shown(free));
        return Err(refused(format!("takes {size}, and {free} of memory are free; write fewer rows to it")));
    }
    File::open(path).map_err(reading(path))
}

/// All bytes of a regular file that memory can hold, as they are.
pub fn all(path: &Path) -> Result<Vec<u8>, DataError> {
    let mut bytes = Vec::new();
    // A file that grows while it is read ends where memory does.
    open(path)?.take(memory::free()).read_to_end(&mut bytes).map_err(reading(path))?;
    Ok(bytes)
}

fn kind(about: &Metadata) -> &'static str {
    use std::os::unix::fs::FileTypeExt;
    let kind = about.file_type();
    match kind {
        _ if kind.is_dir() => "a folder",
        _ if kind.is_fifo() => "a pipe",
        _ if kind.is_socket() => "a socket",
        _ => "a device",
    }
}

/// All bytes of what `compressed` bytes unfold to.
///
/// # Errors
/// The decoder's, and more bytes than can be meant or than memory holds: as a sentence.
pub fn unfold(decoder: impl Read, compressed: u64) -> Result<Vec<u8>, String> {
    let most = compressed.saturating_mul(SWELLS).max(ALWAYS).min(memory::free());
    let mut bytes = Vec::new();
    decoder.take(most.saturating_add(1)).read_to_end(&mut bytes).map_err(|error| error.to_string())?;
    match bytes.len() as u64 > most {
        true => Err(format!(
            "its {} unfold to more than {}; decompress it yourself if that is what it should be",
            memory::shown(compressed),
            memory::shown(most)
        )),
        false => Ok(bytes),
    }
}

impl Source<'_> {
    /// The file's bytes as they are.
    pub(super) fn bytes(&self) -> Result<Vec<u8>, DataError> {
        let mut bytes = Vec::new();
        // A file that grows while it is read ends where memory does.
        self.input.open()?.take(memory::free()).read_to_end(&mut bytes).map_err(reading(self.path))?;
        Ok(bytes)
    }

    /// The file's bytes, decompressed if they are gzip, whatever the name says.
    pub(super) fn contents(&self) -> Result<Vec<u8>, DataError> {
        let bytes = self.bytes()?;
        if !bytes.starts_with(&[0x1f, 0x8b]) {
            return Ok(bytes);
        }
        unfold(MultiGzDecoder::new(&bytes[..]), bytes.len() as u64).map_err(|problem| self.damaged("gzip", problem))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_file_is_not_read() {
        for (path, expected) in [("/dev/zero", "a device"), ("/", "a folder")] {
            let text = open(Path::new(path)).unwrap_err().to_string();
            assert!(text.contains(expected) && text.contains("save the rows to a file"), "{text}");
        }
    }

    #[test]
    fn a_file_larger_than_memory_is_not_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.csv");
        // A hole takes no room on the disk.
        if File::create(&path).unwrap().set_len(1 << 42).is_ok() {
            let text = open(&path).unwrap_err().to_string();
            assert!(text.contains("takes 4.4 TB"), "{text}");
        }
    }

    #[test]
    fn what_swells_beyond_measure_is_cut_short() {
        let text = unfold(std::io::repeat(0), 1000).unwrap_err();
        assert!(text.contains("its 1.0 kB unfold to more than"), "{text}");
        assert_eq!(unfold(&b"1,2"[..], 3).unwrap(), b"1,2");
    }
}
