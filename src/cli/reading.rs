//! How commands read a data file: as the run's spec says, unless the command line says otherwise.

use std::path::Path;

use clap::{ArgAction, Args};

use crate::data::ReadOptions;
use crate::spec::{Dataset, Decimal, FileFormat};

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

impl Reading {
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
