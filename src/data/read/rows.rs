//! Rows of a table that are left out.

use std::collections::HashSet;
use std::path::Path;

use super::Table;
use crate::data::error::DataError;

/// Leaves out the rows with missing values, which readers mark as NaN.
///
/// # Errors
/// No row is whole.
pub fn drop_missing(table: &mut Table, path: &Path) -> Result<(), DataError> {
    if table.rows.rows() > 0 && table.rows.iter_rows().all(|row| row.iter().any(|value| value.is_nan())) {
        let is_blank = |column: &usize| table.rows.iter_rows().all(|row| row[*column].is_nan());
        let blank = (0..table.columns.len()).filter(is_blank).map(|column| table.columns[column].clone());
        return Err(DataError::AllMissing { path: path.to_owned(), columns: blank.collect() });
    }
    keep(table, path, "have missing values", |row| row.iter().all(|value| !value.is_nan()));
    Ok(())
}

/// Leaves out every row that equals an earlier one.
pub fn drop_duplicates(table: &mut Table, path: &Path) {
    let width = table.rows.columns();
    // Bits can be hashed; adding 0 makes −0 the 0 that it equals.
    let bits: Vec<u64> = table.rows.as_slice().iter().map(|value| (value + 0.0).to_bits()).collect();
    let mut seen = HashSet::with_capacity(table.rows.rows());
    let mut rows = bits.chunks_exact(width);
    keep(table, path, "equal an earlier one", |_| rows.next().is_some_and(|row| seen.insert(row)));
}

/// Leaves out all but the first `most` rows.
pub fn keep_first(table: &mut Table, most: usize) {
    if most < table.rows.rows() {
        let first: Vec<usize> = (0..most).collect();
        take(table, &first);
    }
}

fn keep(table: &mut Table, path: &Path, fault: &str, mut is_kept: impl FnMut(&[f64]) -> bool) {
    let rows = table.rows.rows();
    let kept: Vec<usize> = table.rows.iter_rows().enumerate().filter(|(_, row)| is_kept(row)).map(|(i, _)| i).collect();
    let dropped = rows - kept.len();
    if dropped > 0 {
        table.warnings.push(format!("`{}`: {dropped} of {rows} rows {fault} and are left out", path.display()));
        take(table, &kept);
    }
}

/// Leaves the rows `chosen` (from 0).
fn take(table: &mut Table, chosen: &[usize]) {
    table.numbers = Some(chosen.iter().map(|&row| table.number(row)).collect());
    if let Some((_, weights)) = &mut table.weights {
        *weights = chosen.iter().map(|&row| weights[row]).collect();
    }
    table.rows = table.rows.select(chosen);
}
