//! Where the bytes of a table come from.

use std::io::{Cursor, Read, Seek};
use std::path::{Path, PathBuf};

use polars::io::mmap::MmapBytesReader;

use super::contents;
use crate::data::error::{DataError, reading};
use crate::data::memory;

/// A file, or the bytes of something that can be read only once: a pipe, standard input.
#[derive(Debug)]
pub struct Input {
    /// The name that messages give it.
    pub path: PathBuf,
    held: Option<Vec<u8>>,
}

/// What can be read from any place.
pub(super) trait Bytes: Read + Seek + MmapBytesReader {}
impl<T: Read + Seek + MmapBytesReader> Bytes for T {}

impl Input {
    /// The file at `path`, not opened yet.
    pub fn file(path: &Path) -> Self {
        Self { path: path.to_owned(), held: None }
    }

    /// All that `source`, called `name` in messages, gives, as far as memory goes.
    ///
    /// # Errors
    /// Where it cannot be read, or holds more.
    pub fn stream(name: &Path, source: impl Read) -> Result<Self, DataError> {
        let most = memory::free();
        let mut bytes = Vec::new();
        source.take(most.saturating_add(1)).read_to_end(&mut bytes).map_err(reading(name))?;
        if bytes.len() as u64 > most {
            let problem =
                format!("gives more than the {} of memory that are free; send fewer rows", memory::shown(most));
            return Err(DataError::Refused { path: name.to_owned(), problem });
        }
        Ok(Self { path: name.to_owned(), held: Some(bytes) })
    }

    /// From its first byte.
    pub(super) fn open(&self) -> Result<Box<dyn Bytes + '_>, DataError> {
        Ok(match &self.held {
            Some(bytes) => Box::new(Cursor::new(&bytes[..])),
            None => Box::new(contents::open(&self.path)?),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::read::{ReadOptions, read_input};
    use crate::data::{Column, write_table};
    use crate::spec::FileFormat;

    #[test]
    fn a_stream_is_read_as_the_file_it_could_be() {
        let folder = tempfile::tempdir().unwrap();
        for (name, format) in
            [("a.csv", FileFormat::Csv), ("a.parquet", FileFormat::Parquet), ("a.npy", FileFormat::Npy)]
        {
            let path = folder.path().join(name);
            write_table(
                &path,
                &[("x1".into(), Column::F64(vec![0.5, 2.0])), ("x2".into(), Column::F64(vec![1.0, 3.0]))],
            )
            .unwrap();
            let stream = Input::stream(Path::new("standard input"), std::fs::File::open(&path).unwrap()).unwrap();
            let options = ReadOptions { format: Some(format), ..ReadOptions::default() };
            let table = read_input(&stream, &options, &|_, _, _| {}).unwrap();
            assert_eq!(table.rows.as_slice(), [0.5, 1.0, 2.0, 3.0], "{name}");
        }
        let stream = Input::stream(Path::new("standard input"), &b"a,b\n1,2\n3,x\n"[..]).unwrap();
        let options = ReadOptions { format: Some(FileFormat::Csv), ..ReadOptions::default() };
        let text = read_input(&stream, &options, &|_, _, _| {}).unwrap_err().to_string();
        assert!(text.contains("`standard input`, row 2 (line 3), column `b`"), "{text}");
    }
}
