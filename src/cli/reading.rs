//! How commands read a data file: as the run's spec says, unless the command line says otherwise.

use std::fs::File;
use std::os::unix::fs::FileTypeExt;
use std::path::Path;

use clap::{ArgAction, Args};

use super::Failure;
use super::target::is_stream;
use crate::data::{Incomplete, Input, ReadOptions};
use crate::spec::{Dataset, Decimal, FileFormat, Missing};

/// The options of a spec's `[dataset]` that say how a file is read. Where the file has the format of the run's data, those
/// of the run's spec hold.
#[derive(Args, Debug)]
pub(super) struct Reading {
    /// Format of the file; told by its extension where left out
    #[arg(long, value_name = "FORMAT", value_parser = format)]
    format: Option<FileFormat>,
    /// Array of an npz archive
    #[arg(long, value_name = "NAME")]
    key: Option<String>,
    /// Whether the first line of a text names the columns
    #[arg(long, value_name = "true|false", action = ArgAction::Set)]
    header: Option<bool>,
    /// What separates the cells of a text: one character, or `tab`
    #[arg(long, value_name = "CHARACTER", value_parser = delimiter)]
    delimiter: Option<char>,
    /// What stands before the decimals of a number in a text: `.` or `,`
    #[arg(long, value_name = "SIGN", value_parser = decimal)]
    decimal: Option<Decimal>,
}

/// Standard input as a file, where the system has one.
const STANDARD_INPUT: &str = "/dev/stdin";

/// The file that is read for `data`, so that it is not written over: `-` may stand for one, too.
pub(super) fn file_of(data: &Path) -> &Path {
    if is_stream(data) { Path::new(STANDARD_INPUT) } else { data }
}

impl Reading {
    /// What `data` names: a file, standard input (`-`) or a pipe, which is read to its end.
    pub fn open(&self, data: &Path, spec: &Dataset) -> Result<Input, Failure> {
        let is_pipe = std::fs::metadata(data).is_ok_and(|about| about.file_type().is_fifo());
        if !is_stream(data) && !is_pipe {
            return Ok(Input::file(data));
        }
        match self.options(data, spec).format {
            None => Err(Failure::Usage(format!(
                "--data {}: it has no extension that tells its format; say which with --format csv",
                data.display()
            ))),
            Some(FileFormat::Images) => {
                Err(Failure::Usage(format!("--data {}: images are read from a folder; name it", data.display())))
            }
            Some(_) if is_stream(data) => {
                Input::stream(Path::new("standard input"), std::io::stdin().lock()).map_err(Failure::usage)
            }
            Some(_) => {
                let pipe = File::open(data)
                    .map_err(|error| Failure::Usage(format!("--data {}: cannot be read: {error}", data.display())))?;
                Input::stream(data, pipe).map_err(Failure::usage)
            }
        }
    }

    /// How to read `path` beside a run of the data `spec`.
    pub fn options(&self, path: &Path, spec: &Dataset) -> ReadOptions {
        let format_of =
            |path: &Path| FileFormat::of(path).filter(|format| *format != FileFormat::Images || path.is_dir());
        let of_data = spec.format.or_else(|| spec.files().first().and_then(|(_, path)| FileFormat::of(path)));
        let format = self.format.or_else(|| format_of(path)).or(spec.format);
        let like_data =
            if format.is_none() || format == of_data { ReadOptions::from(spec) } else { ReadOptions::default() };
        ReadOptions {
            format,
            key: self.key.clone().or(like_data.key),
            header: self.header.or(like_data.header),
            delimiter: self.delimiter.or(like_data.delimiter),
            decimal: self.decimal.unwrap_or(like_data.decimal),
            // The rows that training left out stay here, so that those of the output are still those of the input.
            incomplete: match spec.missing.unwrap_or_default() {
                Missing::Error => Incomplete::Refused,
                Missing::Drop => Incomplete::Kept,
            },
            // A file of another format is of the same images.
            crop: spec.crop,
            resize: spec.resize,
            ..ReadOptions::default()
        }
    }
}

fn format(word: &str) -> Result<FileFormat, String> {
    FileFormat::named(word).ok_or_else(|| format!("it is one of {}", FileFormat::names().join(", ")))
}

fn delimiter(word: &str) -> Result<char, String> {
    let mut characters = word.chars();
    match (characters.next(), characters.next()) {
        _ if matches!(word, "tab" | "\\t") => Ok('\t'),
        (Some(character), None) if character.is_ascii() && !matches!(character, '"' | '\n' | '\r') => Ok(character),
        _ => Err("it is one ASCII character, such as `;`, or `tab`".to_owned()),
    }
}

fn decimal(word: &str) -> Result<Decimal, String> {
    match word {
        "." => Ok(Decimal::Point),
        "," => Ok(Decimal::Comma),
        _ => Err("it is `.` or `,`".to_owned()),
    }
}
