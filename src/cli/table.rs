//! Files that commands read rows from and write rows to.

use std::path::Path;

use super::output::tell;
use super::{Exit, Failure};
use crate::data::{Column, DataError, Selection, read_table, write_table};
use crate::matrix::Matrix;

/// The rows of `path`, its columns chosen by name in the order of `columns`. A file without names (npy, a CSV without a
/// header) must have just as many columns.
pub(super) fn read(path: &Path, columns: &[String]) -> Result<Matrix, Failure> {
    let named = Selection { columns: Some(columns.to_vec()), drop: Vec::new() };
    match read_table(path, None, &named) {
        Ok(table) => Ok(table.rows),
        Err(error @ DataError::UnknownColumn { .. }) => {
            let table = read_table(path, None, &Selection::default()).map_err(Failure::usage)?;
            if !table.named && table.columns.len() == columns.len() {
                Ok(table.rows)
            } else {
                Err(Failure::usage(error))
            }
        }
        Err(error) => Err(Failure::usage(error)),
    }
}

/// Writes `columns` to `path`, in the format its extension names.
pub(super) fn write(path: &Path, columns: &[(String, Column)]) -> Result<Exit, Failure> {
    write_table(path, columns).map_err(Failure::usage)?;
    tell(format_args!("wrote {}", path.display()));
    Ok(Exit::Success)
}
