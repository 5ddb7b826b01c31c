//! The file that a command writes its table to, or standard output.

use std::io::{BufWriter, ErrorKind, IsTerminal, Write, stdout};
use std::path::{Path, PathBuf};

use super::output::tell;
use super::spare::spare;
use super::{Exit, Failure};
use crate::data::{Blocks, Column, TableFormat, write_blocks};

/// Where a table goes, found to be possible before the work for it begins.
pub(super) struct Target {
    /// `None`: standard output.
    path: Option<PathBuf>,
    format: TableFormat,
}

/// What stands for standard input or output in the place of a file.
pub(super) fn is_stream(path: &Path) -> bool {
    path == Path::new("-")
}

impl Target {
    /// `path` or, for `-`, standard output; `format`: where the extension does not tell it. `read`: the files that it must not
    /// write over.
    pub fn new(path: &Path, format: Option<TableFormat>, read: &[&Path]) -> Result<Self, Failure> {
        if !is_stream(path) {
            spare(path, read)?;
            let format = format.map_or_else(|| TableFormat::of(path), Ok).map_err(Failure::usage)?;
            return Ok(Self { path: Some(path.to_owned()), format });
        }
        match format {
            None => Err(Failure::usage("-o -: standard output has no extension; say which format with --format csv")),
            Some(TableFormat::Parquet | TableFormat::Npy) if stdout().is_terminal() => {
                Err(Failure::usage("-o -: this format is not for a terminal; name a file, or take --format csv"))
            }
            Some(format) => Ok(Self { path: None, format }),
        }
    }

    pub fn format(&self) -> TableFormat {
        self.format
    }

    /// Writes columns of equal length.
    pub fn write(&self, columns: Vec<(String, Column)>) -> Result<Exit, Failure> {
        let rows = columns.first().map_or(0, |(_, column)| column.len());
        let (names, columns): (Vec<String>, Vec<Column>) = columns.into_iter().unzip();
        self.write_blocks(Blocks { names: &names, rows, blocks: &mut std::iter::once(Ok(columns)) })
    }

    pub fn write_blocks(&self, table: Blocks) -> Result<Exit, Failure> {
        let Some(path) = &self.path else {
            let mut sink = BufWriter::new(stdout());
            let written = self.format.write(&mut sink, table).and_then(|()| sink.flush());
            return match written {
                // A reader that has seen enough, as in `… -o - | head`, is no failure.
                Err(error) if error.kind() != ErrorKind::BrokenPipe => {
                    Err(Failure::Run(format!("cannot write to standard output: {error}")))
                }
                _ => Ok(Exit::Success),
            };
        };
        write_blocks(path, self.format, table).map_err(Failure::usage)?;
        tell(format_args!("wrote {}", path.display()));
        Ok(Exit::Success)
    }
}
