//! Files that commands read rows from.

use std::path::Path;

use super::Failure;
use super::output::tell;
use super::reading::Reading;
use crate::data::{DataError, ReadOptions, Selection, quoted, read_table};
use crate::engine::SavedRun;
use crate::matrix::Matrix;
use crate::record::progress::{ProgressMode, loading};

/// The rows of `path` in the data space of `run`: its columns, see [`read`], with values that it can take.
/// `noise`: whether dequantisation noise is still to be added.
pub(super) fn read_data(path: &Path, reading: &Reading, run: &SavedRun, noise: bool) -> Result<Matrix<f64>, Failure> {
    let rows = read(path, reading, run, &run.columns)?;
    match run.preprocessing.out_of_bounds(&rows, noise) {
        None => Ok(rows),
        Some((row, column)) => Err(Failure::usage(format!(
            "`{}`, row {}, column {}: {} is outside the bounds of the run's data; remove the row",
            path.display(),
            row + 1,
            quoted(&run.columns[column]),
            rows.row(row)[column]
        ))),
    }
}

/// The rows of `path`, its columns chosen by name in the order of `columns`. A file without names (npy, a CSV without a
/// header) must have just as many columns.
pub(super) fn read(path: &Path, reading: &Reading, run: &SavedRun, columns: &[String]) -> Result<Matrix<f64>, Failure> {
    let options = reading.options(path, &run.spec.dataset);
    let watch = loading(ProgressMode::Auto);
    let named = Selection { columns: Some(columns.to_vec()), ..Selection::default() };
    let table = match read_table(path, &ReadOptions { selection: named, ..options.clone() }, &*watch) {
        Err(error @ DataError::UnknownColumn { .. }) => {
            let table = read_table(path, &options, &*watch).map_err(Failure::usage)?;
            if table.named || table.columns.len() != columns.len() {
                return Err(Failure::usage(error));
            }
            table
        }
        table => table.map_err(Failure::usage)?,
    };
    table.warnings.iter().for_each(|warning| tell(format_args!("warning: {warning}")));
    Ok(table.rows)
}
