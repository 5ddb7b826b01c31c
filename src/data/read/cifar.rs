//! The binary files of CIFAR-10 and CIFAR-100 (<https://www.cs.toronto.edu/~kriz/cifar.html>): records of one label byte, or
//! two, and 32 × 32 pixels channel by channel.

use std::path::{Path, PathBuf};

use super::{Source, Table, contents};
use crate::data::error::{DataError, reading};
use crate::data::pixels;
use crate::shape::Shape;

const SHAPE: Shape = Shape { height: 32, width: 32, channels: 3 };
const PIXELS: usize = 32 * 32;

/// The names of the label bytes: those of CIFAR-10, and of CIFAR-100.
const LABELS: [&[&str]; 2] = [&["label"], &["coarse_label", "fine_label"]];

/// Reads `pixel_<row>_<column>_<colour>`; behind them the labels, where the choice of columns names one. Of a folder it reads
/// the .bin files by name, but for those called `test…`.
pub fn read(source: &Source) -> Result<Table, DataError> {
    let Files { paths, warnings } = files(source)?;
    let (mut records, mut labels) = (Vec::new(), None);
    for (i, path) in paths.iter().enumerate() {
        let bytes = match source.path == path {
            true => source.contents()?,
            false => contents::all(path)?,
        };
        let found = labels_of(bytes.len()).map_err(|problem| damaged(path, problem))?;
        if labels.is_some_and(|labels| labels != found) {
            return Err(damaged(
                path,
                format!(
                    "it has {} labels an image, and `{}` has another number of them",
                    found.len(),
                    paths[0].display()
                ),
            ));
        }
        labels = Some(found);
        records.extend(bytes);
        // A file counts as a byte here: they are all of one size.
        (source.watch)(source.path, i as u64 + 1, paths.len() as u64);
    }
    let labels = labels.unwrap_or_default();
    let mut names = pixels::names(SHAPE);
    if labels.iter().any(|label| source.options.selection.names(label)) {
        names.extend(labels.iter().map(|&label| label.to_owned()));
    }
    let record = labels.len() + SHAPE.values();
    let value = |row: usize, column: usize| {
        let at = match column.checked_sub(SHAPE.values()) {
            Some(label) => label,
            None => labels.len() + column % SHAPE.channels * PIXELS + column / SHAPE.channels,
        };
        f64::from(records[row * record + at])
    };
    let (columns, rows) = source.array(&names, records.len() / record, value)?;
    Ok(Table {
        columns,
        rows,
        numbers: None,
        weights: None,
        context: Vec::new(),
        named: false,
        levels: Some(256),
        warnings,
    })
}

fn damaged(path: &Path, problem: String) -> DataError {
    DataError::Damaged { path: path.to_owned(), format: "CIFAR", problem }
}

/// The labels of an image in a file of so many bytes.
///
/// # Errors
/// Where the length fits no number of records, or both kinds of records.
fn labels_of(bytes: usize) -> Result<&'static [&'static str], String> {
    let fits = LABELS.map(|labels| bytes.is_multiple_of(labels.len() + SHAPE.values()));
    let records = LABELS.map(|labels| labels.len() + SHAPE.values());
    match fits {
        [true, false] => Ok(LABELS[0]),
        [false, true] => Ok(LABELS[1]),
        [false, false] => Err(format!(
            "its {bytes} bytes are no whole number of images: those of CIFAR-10 take {} bytes each, of CIFAR-100 {}",
            records[0], records[1]
        )),
        [true, true] => Err(format!(
            "its {bytes} bytes may be images of CIFAR-10 or of CIFAR-100, and nothing else tells; cut the file in two"
        )),
    }
}

struct Files {
    paths: Vec<PathBuf>,
    warnings: Vec<String>,
}

fn files(source: &Source) -> Result<Files, DataError> {
    if !source.path.is_dir() {
        return Ok(Files { paths: vec![source.path.to_owned()], warnings: Vec::new() });
    }
    let (mut paths, mut warnings) = (Vec::new(), Vec::new());
    for entry in std::fs::read_dir(source.path).map_err(reading(source.path))? {
        let path = entry.map_err(reading(source.path))?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().to_lowercase();
        match path.is_file() && name.ends_with(".bin") {
            true if name.starts_with("test") => warnings
                .push(format!("`{}` is left out of the folder's images: name it as `dataset.test`", path.display())),
            true => paths.push(path),
            false => {}
        }
    }
    paths.sort();
    match paths.is_empty() {
        true => Err(source.damaged("CIFAR", "the folder holds no .bin files of training images")),
        false => Ok(Files { paths, warnings }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::read::{ReadOptions, Selection, read_table};
    use crate::spec::{ColumnName, FileFormat};

    /// Images whose value at (channel, pixel) is a number of both and of `seed`, with labels in front.
    fn file(images: usize, labels: &[u8], seed: usize) -> Vec<u8> {
        let image = |image: usize| {
            let values = (0..3 * PIXELS).map(move |at| ((at / PIXELS * 100 + at % PIXELS + image + seed) % 256) as u8);
            labels.iter().copied().chain(values).collect::<Vec<_>>()
        };
        (0..images).flat_map(image).collect()
    }

    fn parse(path: &Path, selection: Selection) -> Result<Table, String> {
        let options = ReadOptions { format: Some(FileFormat::Cifar), selection, ..ReadOptions::default() };
        read_table(path, &options, &|_, _, _| {}).map_err(|error| error.to_string())
    }

    #[test]
    fn channels_that_lie_apart_stand_beside_each_other_in_a_row() {
        let folder = tempfile::tempdir().unwrap();
        for labels in [&[7][..], &[3, 9]] {
            let path = folder.path().join("train.bin");
            std::fs::write(&path, file(2, labels, 0)).unwrap();
            let table = parse(&path, Selection::default()).unwrap();
            assert_eq!((table.shape(), table.levels, table.rows.rows()), (SHAPE, Some(256), 2));
            assert_eq!(table.columns[4], "pixel_0_1_green");
            // Channel 2 of pixel (1, 3) of the second image.
            assert_eq!(table.rows.row(1)[(32 + 3) * 3 + 2], 236.0);
        }
    }

    #[test]
    fn labels_are_there_for_those_who_name_them() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("train.bin");
        std::fs::write(&path, file(1, &[3, 9], 0)).unwrap();
        let named = |name: &str| Some(ColumnName::Name(name.to_owned()));
        let table = parse(
            &path,
            Selection { weight: named("fine_label"), drop: vec!["coarse_label".into()], ..Selection::default() },
        );
        assert_eq!(table.unwrap().weights.unwrap(), ("fine_label".to_owned(), vec![9.0]));
        let both =
            Selection { columns: Some(vec!["coarse_label".into(), "fine_label".into()]), ..Selection::default() };
        assert_eq!(parse(&path, both).unwrap().rows.as_slice(), [3.0, 9.0]);
        let text = parse(&path, Selection { label: named("label"), ..Selection::default() }).unwrap_err();
        assert!(text.contains("no column `label`"), "{text}");
    }

    #[test]
    fn a_folder_is_its_training_files_by_name() {
        let folder = tempfile::tempdir().unwrap();
        for (name, seed) in [("data_batch_2.bin", 2), ("data_batch_1.bin", 1), ("test_batch.bin", 3)] {
            std::fs::write(folder.path().join(name), file(1, &[0], seed)).unwrap();
        }
        std::fs::write(folder.path().join("readme.html"), "").unwrap();
        let table = parse(folder.path(), Selection::default()).unwrap();
        assert_eq!([table.rows.row(0)[0], table.rows.row(1)[0]], [1.0, 2.0]);
        assert!(table.warnings[0].contains("test_batch.bin` is left out"), "{:?}", table.warnings);
        std::fs::write(folder.path().join("data_batch_3.bin"), file(1, &[0, 0], 1)).unwrap();
        assert!(parse(folder.path(), Selection::default()).unwrap_err().contains("has 2 labels an image"));
    }

    #[test]
    fn a_length_that_is_none_or_both_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.bin");
        std::fs::write(&path, [0; 5000]).unwrap();
        assert!(parse(&path, Selection::default()).unwrap_err().contains("5000 bytes are no whole number of images"));
        assert!(labels_of(3073 * 3074).unwrap_err().contains("may be images of CIFAR-10 or of CIFAR-100"));
        assert_eq!(labels_of(30_730_000), Ok(LABELS[0]));
        assert_eq!(labels_of(153_700_000), Ok(LABELS[1]));
    }
}
