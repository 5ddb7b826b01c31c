//! Which data a run has learned from, so that others are noticed.

use std::path::{Path, PathBuf};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::weights::{EffectiveRows, Weights};
use crate::hex::hex;
use crate::matrix::Matrix;

/// What tells data apart, and where they came from.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Provenance {
    /// SHA-256, as hex, of the columns' names and the values of all three parts, as the file has them: after selection and split,
    /// before any noise and scaling; where rows have weights, of that and of these.
    pub sha256: String,
    /// Training rows; none where a toy draws them anew at every step.
    pub train: Option<usize>,
    /// Validation rows.
    pub validation: usize,
    /// Test rows.
    pub test: usize,
    /// How many rows of equal weight would tell as much, where rows have weights.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub effective: Option<EffectiveRows>,
    /// The files that were read; empty for toys.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub files: Vec<DataFile>,
}

/// A file, or folder of images, as it was when it was read.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DataFile {
    /// Where it lay when it was read.
    pub path: PathBuf,
    /// Size; of all files in it together, where it is a folder.
    pub bytes: u64,
    /// Last change, RFC 3339, UTC; of the newest file, where it is a folder.
    pub modified: Option<String>,
}

impl Provenance {
    /// Of data with these `columns` and these rows of train (`None`: drawn at every step), validation and test, in data space.
    pub fn of(columns: &[String], parts: [Option<&Matrix<f64>>; 3], files: Vec<DataFile>) -> Self {
        let mut hash = Sha256::new();
        let count = |number: usize| (number as u64).to_le_bytes();
        hash.update(count(columns.len()));
        for column in columns {
            hash.update(count(column.len()));
            hash.update(column.as_bytes());
        }
        for part in parts {
            hash.update(count(part.map_or(0, Matrix::rows)));
            update(&mut hash, part.map_or(&[], Matrix::as_slice));
        }
        let sha256 = hex(&hash.finalize());
        let rows = |part: usize| parts[part].map(Matrix::rows);
        let [validation, test] = [1, 2].map(|part| rows(part).unwrap_or(0));
        Self { sha256, train: rows(0), validation, test, effective: None, files }
    }

    /// With the weights of the rows: the checksum is then of the one so far and of all weights.
    pub fn weighted(self, weights: Option<&Weights>) -> Self {
        let Some(weights) = weights else { return self };
        let mut hash = Sha256::new();
        hash.update(self.sha256.as_bytes());
        [&weights.train, &weights.validation, &weights.test].iter().for_each(|part| update(&mut hash, part));
        Self { sha256: hex(&hash.finalize()), effective: Some(weights.effective_rows()), ..self }
    }

    /// What is different in `now`, in words; `None` where both are the same data.
    pub fn difference(&self, now: &Self) -> Option<String> {
        if self.sha256 == now.sha256 {
            return None;
        }
        let counts = [
            ("training", self.train.unwrap_or(0), now.train.unwrap_or(0)),
            ("validation", self.validation, now.validation),
            ("test", self.test, now.test),
        ];
        let changed = counts.iter().filter(|(_, before, now)| before != now);
        let mut words: Vec<String> =
            changed.map(|(part, before, now)| format!("{before} {part} rows became {now}")).collect();
        for file in &now.files {
            // Paths are not compared: another machine may have another folder.
            let same = |other: &&DataFile| other.path.file_name() == file.path.file_name();
            if let Some(before) = self.files.iter().find(same).filter(|before| before.bytes != file.bytes) {
                words.push(format!("`{}` had {} bytes and has {}", file.path.display(), before.bytes, file.bytes));
            }
        }
        Some(if words.is_empty() { "other values in as many rows".to_owned() } else { words.join(", ") })
    }
}

/// Feeds the bits of `values`; −0 counts as the 0 that it equals.
fn update(hash: &mut Sha256, values: &[f64]) {
    const AT_ONCE: usize = 4096;
    let mut bytes = Vec::with_capacity(8 * AT_ONCE);
    for values in values.chunks(AT_ONCE) {
        bytes.clear();
        bytes.extend(values.iter().flat_map(|value| (value + 0.0).to_le_bytes()));
        hash.update(&bytes);
    }
}

impl DataFile {
    /// The file or folder at `path` as it is now. What cannot be asked for stays out: reading the file has found faults already.
    pub fn at(path: &Path) -> Self {
        let newest_and_bytes = |path: &Path| {
            let metadata = std::fs::metadata(path).ok()?;
            let modified = metadata.modified().ok().and_then(|time| Timestamp::try_from(time).ok());
            Some((modified, metadata.len()))
        };
        let inside = std::fs::read_dir(path).ok().into_iter().flatten().flatten().map(|entry| entry.path());
        let of_folder = inside.filter(|path| path.is_file()).filter_map(|path| newest_and_bytes(&path));
        let (modified, bytes) = match path.is_dir() {
            true => of_folder.fold((None, 0), |(newest, sum), (time, bytes)| (newest.max(time), sum + bytes)),
            false => newest_and_bytes(path).unwrap_or_default(),
        };
        Self { path: path.to_owned(), bytes, modified: modified.map(|time| format!("{time:.3}")) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn provenance(columns: [&str; 2], train: &[f64]) -> Provenance {
        let train = Matrix::new(train.to_vec(), 2);
        let held_out = Matrix::new(vec![5.0, 6.0], 2);
        Provenance::of(&columns.map(String::from), [Some(&train), Some(&held_out), Some(&held_out)], Vec::new())
    }

    #[test]
    fn any_change_of_names_values_or_split_is_noticed() {
        let data = provenance(["a", "b"], &[1.0, 2.0, 3.0, 4.0]);
        assert_eq!(data.difference(&provenance(["a", "b"], &[1.0, 2.0, 3.0, 4.0])), None);
        let others = [
            provenance(["a", "c"], &[1.0, 2.0, 3.0, 4.0]),
            provenance(["ab", ""], &[1.0, 2.0, 3.0, 4.0]),
            provenance(["a", "b"], &[1.0, 2.0, 3.0, 4.000_000_000_000_001]),
            provenance(["a", "b"], &[3.0, 4.0, 1.0, 2.0]),
        ];
        for other in others {
            assert_eq!(data.difference(&other).as_deref(), Some("other values in as many rows"));
        }
        let fewer = data.difference(&provenance(["a", "b"], &[1.0, 2.0]));
        assert_eq!(fewer.as_deref(), Some("2 training rows became 1"));
    }

    #[test]
    fn a_folder_counts_with_all_that_is_in_it() {
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::write(folder.path().join("a"), "12").expect("written");
        std::fs::write(folder.path().join("b"), "345").expect("written");
        let file = DataFile::at(folder.path());
        assert_eq!((file.bytes, file.modified.is_some()), (5, true));
        assert_eq!(DataFile::at(&folder.path().join("gone")).bytes, 0);
    }
}
