//! Kinds of data files, and how a file's name tells them.

use std::path::Path;

use serde::{Deserialize, Serialize};

/// How a data file is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum FileFormat {
    /// Comma-separated text, plain or gzipped.
    Csv,
    /// Tab-separated text, plain or gzipped.
    Tsv,
    /// Apache Parquet.
    Parquet,
    /// NumPy's file of one array.
    Npy,
    /// NumPy's archive of named arrays.
    Npz,
    /// The format of MNIST, plain or gzipped.
    Idx,
    /// The binary files of CIFAR-10 and CIFAR-100, or a folder of them.
    Cifar,
    /// A folder of PNG files.
    Images,
}

/// Every format: its name in a spec, and the ends of names that tell it, in lower case.
const FORMATS: &[(FileFormat, &str, &[&str])] = &[
    (FileFormat::Csv, "csv", &[".csv", ".csv.gz"]),
    (FileFormat::Tsv, "tsv", &[".tsv", ".tsv.gz"]),
    (FileFormat::Parquet, "parquet", &[".parquet"]),
    (FileFormat::Npy, "npy", &[".npy"]),
    (FileFormat::Npz, "npz", &[".npz"]),
    (FileFormat::Idx, "idx", &[".idx", ".idx.gz", "-ubyte", "-ubyte.gz"]),
    (FileFormat::Cifar, "cifar", &[]),
    (FileFormat::Images, "images", &[]),
];

impl FileFormat {
    /// Its name in a spec.
    pub fn name(self) -> &'static str {
        // Every format has a row, which a test makes sure of.
        FORMATS.iter().find(|(format, ..)| *format == self).map_or("", |(_, name, _)| name)
    }

    /// The format that a spec calls `name`.
    pub fn named(name: &str) -> Option<Self> {
        FORMATS.iter().find(|(_, known, _)| *known == name).map(|(format, ..)| *format)
    }

    /// The format that the name of `path` tells; a name without any extension is taken for a folder of images.
    pub fn of(path: &Path) -> Option<Self> {
        let name = path.file_name().unwrap_or_default().to_string_lossy().to_lowercase();
        let told = FORMATS.iter().find(|(.., ends)| ends.iter().any(|end| name.ends_with(end)));
        match told {
            Some((format, ..)) => Some(*format),
            None => (!name.trim_matches('.').contains('.')).then_some(Self::Images),
        }
    }

    /// Whether a folder can be named in place of a file.
    pub fn is_in_folders(self) -> bool {
        matches!(self, Self::Cifar | Self::Images)
    }

    /// Whether files have names for their columns; a text may have none nevertheless.
    pub fn has_names(self) -> bool {
        !matches!(self, Self::Npy | Self::Npz)
    }

    /// All extensions, for messages.
    pub fn extensions() -> Vec<&'static str> {
        FORMATS.iter().flat_map(|(.., ends)| *ends).copied().collect()
    }

    /// All names, for messages.
    pub fn names() -> Vec<&'static str> {
        FORMATS.iter().map(|(_, name, _)| *name).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::keys::keys;

    #[test]
    fn every_format_can_be_written_in_a_spec() {
        let key = keys().iter().find(|key| key.path() == "dataset.format").expect("a key");
        assert_eq!(key.kind.choices().expect("a choice"), FileFormat::names());
        for (format, name, _) in FORMATS {
            assert_eq!(serde_json::to_string(format).expect("JSON"), format!("\"{name}\""));
            assert_eq!(format.name(), *name);
            assert_eq!(FileFormat::named(name), Some(*format));
        }
    }

    #[test]
    fn names_tell_formats() {
        let cases = [
            ("a/B.CSV.gz", Some(FileFormat::Csv)),
            ("train-images-idx3-ubyte", Some(FileFormat::Idx)),
            ("photos", Some(FileFormat::Images)),
            ("../..", Some(FileFormat::Images)),
            ("a.dat", None),
            ("a.pkl", None),
        ];
        for (path, format) in cases {
            assert_eq!(FileFormat::of(Path::new(path)), format, "{path}");
        }
    }
}
