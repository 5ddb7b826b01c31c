//! Rows of a file, split and checked.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use super::{Dataset, Train};
use crate::data::error::DataError;
use crate::data::preprocessing::Preprocessing;
use crate::data::read::{Selection, read_table};
use crate::data::split::split;
use crate::matrix::Matrix;
use crate::random::{Purpose, stream};
use crate::spec;

/// Where `path` is: relative to `folder`, or to the working directory.
pub fn resolve(path: &Path, folder: &Path) -> Result<PathBuf, DataError> {
    let beside_spec = folder.join(path);
    match (beside_spec.exists(), path.exists()) {
        (true, _) => Ok(beside_spec),
        (_, true) => Ok(path.to_owned()),
        _ if beside_spec == path => Err(DataError::NotFound { tried: vec![beside_spec] }),
        _ => Err(DataError::NotFound { tried: vec![beside_spec, path.to_owned()] }),
    }
}

/// Reads and splits the file at `path` as `spec` says.
pub fn load(spec: &spec::Dataset, path: &Path) -> Result<Dataset, DataError> {
    let selection = Selection { columns: spec.columns.clone(), drop: spec.drop.clone() };
    let table = read_table(path, spec.format, &selection)?;
    let mut warnings = table.warnings;
    let indices = split(spec, table.rows.rows(), path)?;
    let unused_rows = table.rows.rows() - indices.iter().map(Vec::len).sum::<usize>();
    let [mut train, mut validation, mut test] = indices.map(|part| table.rows.select(&part));

    let dequantize = match spec.dequantize {
        Some(spec::Steps::All(step)) if step > 0.0 => Some(step),
        _ => None,
    };
    if dequantize.is_none() {
        refuse_constant_columns(&train, &table.columns, path)?;
        warnings.extend(repeated_values(&train, &table.columns));
    }
    let preprocessing = match spec.standardize {
        true => Preprocessing::standardized(&train, dequantize),
        false => Preprocessing::identity(table.columns.len(), dequantize),
    };
    preprocessing.apply(&mut train);
    preprocessing.apply_with_noise(&mut validation, &mut stream(spec.seed, Purpose::ValidationNoise, 0));
    preprocessing.apply_with_noise(&mut test, &mut stream(spec.seed, Purpose::TestNoise, 0));
    Ok(Dataset {
        columns: table.columns,
        train: Train::Rows(train),
        validation,
        test,
        preprocessing,
        toy: None,
        warnings,
        unused_rows,
        seed: spec.seed,
    })
}

fn refuse_constant_columns(train: &Matrix, columns: &[String], path: &Path) -> Result<(), DataError> {
    let first = train.row(0);
    let constant = (0..train.columns()).find(|&i| train.iter_rows().all(|row| row[i] == first[i]));
    match constant {
        Some(i) => Err(DataError::Constant { path: path.to_owned(), column: columns[i].clone(), value: first[i] }),
        None => Ok(()),
    }
}

/// A warning for columns of few distinct values: a density can grow without bound on them.
fn repeated_values(train: &Matrix, columns: &[String]) -> Option<String> {
    const LOOK_AT: usize = 4096;
    let looked_at = train.rows().min(LOOK_AT);
    let distinct = |i: usize| train.iter_rows().take(LOOK_AT).map(|row| row[i].to_bits()).collect::<HashSet<_>>().len();
    let few: Vec<String> = (0..train.columns())
        .map(|i| (i, distinct(i)))
        .filter(|(_, distinct)| distinct * 20 <= looked_at)
        .map(|(i, distinct)| format!("`{}` ({distinct})", columns[i]))
        .collect();
    (!few.is_empty()).then(|| {
        format!(
            "few distinct values among {looked_at} rows: {}; a density can grow without bound on repeated values: \
             set `dequantize` to their spacing, or `drop` the columns",
            few.join(", ")
        )
    })
}
