//! What a file is by its first bytes, whatever its name says.

use std::path::Path;

use crate::data::error::DataError;
use crate::spec::FileFormat;

/// Bytes from a file's start that tell it.
pub const START: usize = 512;

/// A kind of file: how it starts, what it is called, the format that reads it.
struct Signature(&'static [u8], &'static str, Option<FileFormat>);

const SIGNATURES: &[Signature] = &[
    Signature(b"PAR1", "a Parquet file", Some(FileFormat::Parquet)),
    Signature(b"\x93NUMPY", "a NumPy file", Some(FileFormat::Npy)),
    Signature(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "an Excel or other Office file", None),
    Signature(b"\x89HDF\r\n\x1a\n", "an HDF5 file", None),
    Signature(b"ARROW1", "an Arrow file", None),
    Signature(b"FEA1", "a Feather file", None),
    Signature(b"SQLite format 3\0", "an SQLite database", None),
    Signature(b"MATLAB 5.0 MAT-file", "a MATLAB file", None),
    Signature(b"\x89PNG\r\n\x1a\n", "a PNG image", None),
    Signature(b"\xff\xd8\xff", "a JPEG image", None),
    Signature(b"GIF8", "a GIF image", None),
    Signature(b"%PDF-", "a PDF file", None),
    Signature(b"\x28\xb5\x2f\xfd", "compressed by zstd", None),
    Signature(b"BZh", "compressed by bzip2", None),
    Signature(b"\xfd7zXZ\0", "compressed by xz", None),
    Signature(b"7z\xbc\xaf\x27\x1c", "a 7z archive", None),
    Signature(b"\x7fELF", "a program", None),
    Signature(b"<!DOCTYPE", "a web page", None),
    Signature(b"<!doctype", "a web page", None),
    Signature(b"<html", "a web page", None),
    Signature(b"<?xml", "an XML file", None),
    Signature(b"{\"", "a JSON file", None),
    Signature(b"[{", "a JSON file", None),
    Signature(b"@relation", "an ARFF file", None),
    Signature(b"@RELATION", "an ARFF file", None),
];

/// What a ZIP archive is by the name of its first entry.
const ARCHIVES: &[(&str, &str, Option<FileFormat>)] = &[
    (".npy", "a NumPy archive", Some(FileFormat::Npz)),
    ("[Content_Types].xml", "an Excel workbook", None),
    ("_rels/.rels", "an Excel workbook", None),
    ("xl/workbook.xml", "an Excel workbook", None),
    ("docProps/app.xml", "an Excel workbook", None),
    ("mimetype", "an OpenDocument file", None),
];

/// Refuses the file at `path` where its first bytes say that it is of another kind than `format`.
pub fn check(path: &Path, start: &[u8], format: FileFormat) -> Result<(), DataError> {
    let Some((what, reads)) = told(start) else { return Ok(()) };
    if reads == Some(format) {
        return Ok(());
    }
    let remedy = match reads {
        Some(other) => format!("set `format = \"{}\"`", other.name()),
        None if what.starts_with("compressed") => "decompress it first, or use gzip".to_owned(),
        None if what.ends_with("archive") => "unpack it and name the file in it".to_owned(),
        None => "save it as CSV or Parquet with the program it is for".to_owned(),
    };
    let problem = format!("is {what} by its first bytes, not {}: {remedy}", format.name());
    Err(DataError::Refused { path: path.to_owned(), problem })
}

fn told(start: &[u8]) -> Option<(&'static str, Option<FileFormat>)> {
    if start.starts_with(b"PK\x03\x04") {
        // The name's length stands at 26, the name at 30 (APPNOTE.TXT, section 4.3.7).
        let length = usize::from(u16::from_le_bytes([*start.get(26)?, *start.get(27)?]));
        let name = String::from_utf8_lossy(start.get(30..)?.get(..length).unwrap_or_default()).into_owned();
        let known = ARCHIVES.iter().find(|(end, ..)| name.ends_with(end));
        return Some(known.map_or(("a ZIP archive", None), |(_, what, reads)| (*what, *reads)));
    }
    SIGNATURES.iter().find(|Signature(bytes, ..)| start.starts_with(bytes)).map(|found| (found.1, found.2))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn zip(name: &str) -> Vec<u8> {
        let mut start = b"PK\x03\x04".to_vec();
        start.resize(26, 0);
        start.extend((name.len() as u16).to_le_bytes());
        start.extend([0, 0]);
        start.extend(name.as_bytes());
        start
    }

    #[test]
    fn a_file_of_another_kind_is_told_what_it_is_and_what_to_write() {
        let cases = [
            (b"PAR1\x15\x04".to_vec(), "is a Parquet file by its first bytes, not csv: set `format = \"parquet\"`"),
            (b"\x93NUMPY\x01\0".to_vec(), "set `format = \"npy\"`"),
            (zip("arr_0.npy"), "set `format = \"npz\"`"),
            (zip("[Content_Types].xml"), "is an Excel workbook by its first bytes, not csv: save it as CSV"),
            (zip("mimetype"), "an OpenDocument file"),
            (zip("data.csv"), "is a ZIP archive by its first bytes, not csv: unpack it"),
            (b"\x28\xb5\x2f\xfd....".to_vec(), "is compressed by zstd by its first bytes, not csv: decompress it"),
            (b"<!DOCTYPE html>".to_vec(), "is a web page"),
            (b"{\"a\": 1}".to_vec(), "is a JSON file"),
        ];
        for (start, expected) in cases {
            let text = check(Path::new("a.csv"), &start, FileFormat::Csv).unwrap_err().to_string();
            assert!(text.contains(expected), "{text}");
        }
    }

    #[test]
    fn a_file_of_its_own_kind_and_text_pass() {
        let cases = [
            (FileFormat::Parquet, b"PAR1\x15".to_vec()),
            (FileFormat::Npz, zip("x.npy")),
            (FileFormat::Csv, b"a,b\n1,2\n".to_vec()),
            (FileFormat::Csv, b"[Fe/H],b\n1,2\n".to_vec()),
            (FileFormat::Idx, vec![0, 0, 8, 3]),
            (FileFormat::Csv, Vec::new()),
        ];
        for (format, start) in cases {
            assert!(check(Path::new("a"), &start, format).is_ok(), "{start:?}");
        }
    }
}
