//! Files that commands read rows from.

use super::Failure;
use super::output::tell;
use super::reading::Reading;
use crate::data::{
    Column, DataError, Input, ReadOptions, Selection, TableFormat, quoted, read_columns, read_input, typed,
};
use crate::matrix::Matrix;
use crate::progress::{ProgressMode, loading};
use crate::trial::SavedRun;

/// The rows of `input` in the data space of `run`: its columns, see [`read`], with values that it can take.
/// `noise`: whether dequantisation noise is still to be added.
pub(super) fn read_data(input: &Input, reading: &Reading, run: &SavedRun, noise: bool) -> Result<Matrix<f64>, Failure> {
    let rows = read(input, reading, run, &run.columns)?;
    match run.preprocessing.out_of_bounds(&rows, noise) {
        None => Ok(rows),
        Some((row, column)) => Err(Failure::usage(format!(
            "`{}`, row {}, column {}: {} is outside the bounds of the run's data; remove the row",
            input.path.display(),
            row + 1,
            quoted(&run.columns[column]),
            rows.row(row)[column]
        ))),
    }
}

/// The rows of `input`, its columns chosen by name in the order of `columns`. A file without names (npy, a CSV without a
/// header) must have just as many columns.
pub(super) fn read(
    input: &Input,
    reading: &Reading,
    run: &SavedRun,
    columns: &[String],
) -> Result<Matrix<f64>, Failure> {
    let options = reading.options(&input.path, &run.spec.dataset);
    let watch = loading(ProgressMode::Auto);
    let named = Selection { columns: Some(columns.to_vec()), ..Selection::default() };
    let table = match read_input(input, &ReadOptions { selection: named, ..options.clone() }, &*watch) {
        Err(error @ DataError::UnknownColumn { .. }) => {
            let table = read_input(input, &options, &*watch).map_err(Failure::usage)?;
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

/// All columns of `input` as they are, to be written as `format` before a column `result`.
pub(super) fn copied(
    input: &Input,
    reading: &Reading,
    run: &SavedRun,
    format: TableFormat,
    result: &str,
) -> Result<Vec<(String, Column)>, Failure> {
    let options = reading.options(&input.path, &run.spec.dataset);
    let columns = read_columns(input, &options, &*loading(ProgressMode::Auto)).map_err(Failure::usage)?;
    if columns.iter().any(|column| column.name().as_str() == result) {
        return Err(Failure::Usage(format!(
            "`{}` has a column `{result}` already; rename it in the file, or leave out --with-columns",
            input.path.display()
        )));
    }
    // Text goes to text as it stands; other formats have numbers.
    let as_written = |column| if format == TableFormat::Csv { column } else { typed(column, options.decimal) };
    Ok(columns.into_iter().map(|column| (column.name().to_string(), Column::Copied(as_written(column)))).collect())
}
