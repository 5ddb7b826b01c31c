//! Files that commands read rows from.

use std::path::Path;

use super::Failure;
use crate::data::{DataError, ReadOptions, Selection, read_table};
use crate::engine::SavedRun;
use crate::matrix::Matrix;
use crate::record::progress::{ProgressMode, loading};
use crate::spec::FileFormat;

/// The rows of `path` in the data space of `run`: its columns, see [`read`], with values that it can take.
/// `noise`: whether dequantisation noise is still to be added.
pub(super) fn read_data(path: &Path, run: &SavedRun, noise: bool) -> Result<Matrix<f64>, Failure> {
    let rows = read(path, run, &run.columns)?;
    match run.preprocessing.out_of_bounds(&rows, noise) {
        None => Ok(rows),
        Some((row, column)) => Err(Failure::usage(format!(
            "`{}`, row {}, column `{}`: {} is outside the bounds of the run's data; remove the row",
            path.display(),
            row + 1,
            run.columns[column],
            rows.row(row)[column]
        ))),
    }
}

/// The rows of `path`, its columns chosen by name in the order of `columns`. A file without names (npy, a CSV without a
/// header) must have just as many columns. A file of the format of the data of `run` is read as its spec says.
pub(super) fn read(path: &Path, run: &SavedRun, columns: &[String]) -> Result<Matrix<f64>, Failure> {
    let spec = &run.spec.dataset;
    let files = spec.files();
    let formats = spec.format.or_else(|| files.first().and_then(|(_, path)| FileFormat::of(path)));
    let of_path = FileFormat::of(path).filter(|format| *format != FileFormat::Images || path.is_dir());
    let as_data = of_path.is_none() || of_path == formats;
    let ReadOptions { key, header, delimiter, .. } = ReadOptions::from(spec);
    let like_data = ReadOptions { format: of_path.or(spec.format), key, header, delimiter, ..ReadOptions::default() };
    let options = if as_data { like_data } else { ReadOptions::default() };
    let watch = loading(ProgressMode::Auto);

    let named = Selection { columns: Some(columns.to_vec()), ..Selection::default() };
    match read_table(path, &ReadOptions { selection: named, ..options.clone() }, &*watch) {
        Ok(table) => Ok(table.rows),
        Err(error @ DataError::UnknownColumn { .. }) => {
            let table = read_table(path, &options, &*watch).map_err(Failure::usage)?;
            if !table.named && table.columns.len() == columns.len() {
                Ok(table.rows)
            } else {
                Err(Failure::usage(error))
            }
        }
        Err(error) => Err(Failure::usage(error)),
    }
}
