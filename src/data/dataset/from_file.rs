//! Rows of files, split, checked and preprocessed.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use super::{Dataset, Train};
use crate::data::error::{CellProblem, DataError};
use crate::data::logit::Logit;
use crate::data::preprocessing::Preprocessing;
use crate::data::quote::quoted;
use crate::data::read::{ReadOptions, Table, Watch, read_table};
use crate::data::split::split;
use crate::matrix::Matrix;
use crate::random::{Purpose, stream};
use crate::spec::{self, Amount, Steps};

/// Where `path` is: relative to `folder`, or to the working directory.
fn resolve(path: &Path, folder: &Path) -> Result<PathBuf, DataError> {
    let beside_spec = folder.join(path);
    match (beside_spec.exists(), path.exists()) {
        (true, _) => Ok(beside_spec),
        (_, true) => Ok(path.to_owned()),
        _ if beside_spec == path => Err(DataError::NotFound { tried: vec![beside_spec] }),
        _ => Err(DataError::NotFound { tried: vec![beside_spec, path.to_owned()] }),
    }
}

/// Reads the files that `spec` names and splits the one that several parts share. Also returns the file of the training
/// rows.
pub fn load(spec: &spec::Dataset, folder: &Path, watch: &Watch) -> Result<(Dataset, PathBuf), DataError> {
    let parts = read_parts(spec, folder, watch)?;
    let Parts { columns, rows: [train, mut validation, mut test], paths, levels, mut warnings, unused_rows } = parts;
    let [train_path, ..] = &paths;

    let steps = steps(spec, columns.len(), levels, train_path)?;
    let continuous: Vec<usize> = (0..columns.len()).filter(|&column| steps[column] == 0.0).collect();
    refuse_constant_columns(&train, &columns, &continuous, train_path)?;
    warnings.extend(repeated_values(&train, &columns, &continuous));
    let [low, high] = spec.bounds.unwrap_or([0.0, levels.map_or(1.0, f64::from)]);
    let logit = spec.logit.map(|alpha| Logit { alpha, low, high });
    let plain = Preprocessing::identity(columns.len()).with_steps(steps).with_logit(logit);
    for (rows, path) in [&train, &validation, &test].into_iter().zip(&paths) {
        if let Some((row, column)) = plain.out_of_bounds(rows, true) {
            let problem = CellProblem::OutOfBounds { value: rows.row(row)[column], low, high };
            // Rows of a part were shuffled, so the file's row is not known: the value is what helps to find it.
            return Err(DataError::Value { path: path.clone(), column: columns[column].clone(), problem });
        }
    }
    let preprocessing = match spec.standardize {
        true => plain.standardized(&train, &mut stream(spec.seed, Purpose::ScaleNoise, 0)),
        false => plain,
    };
    preprocessing.apply_with_noise(&mut validation, &mut stream(spec.seed, Purpose::ValidationNoise, 0));
    preprocessing.apply_with_noise(&mut test, &mut stream(spec.seed, Purpose::TestNoise, 0));
    let dataset = Dataset {
        columns,
        train: Train::Rows(train),
        validation,
        test,
        preprocessing,
        toy: None,
        warnings,
        unused_rows,
        exact: Default::default(),
        seed: spec.seed,
    };
    let [train_path, ..] = paths;
    Ok((dataset, train_path))
}

/// Train, validation and test rows, data space, and the file that each comes from.
struct Parts {
    columns: Vec<String>,
    rows: [Matrix; 3],
    paths: [PathBuf; 3],
    levels: Option<u32>,
    warnings: Vec<String>,
    /// Rows of the shared file that no part takes.
    unused_rows: usize,
}

fn read_parts(spec: &spec::Dataset, folder: &Path, watch: &Watch) -> Result<Parts, DataError> {
    let options = ReadOptions::from(spec);
    let mut parts = Parts {
        columns: Vec::new(),
        rows: Default::default(),
        paths: Default::default(),
        levels: None,
        warnings: Vec::new(),
        unused_rows: 0,
    };
    if let Some(path) = &spec.path {
        let path = resolve(path, folder)?;
        let rows = parts.take_columns(read_table(&path, &options, watch)?, &path)?;
        let indices = split(spec, rows.rows(), &path)?;
        parts.unused_rows = rows.rows() - indices.iter().map(Vec::len).sum::<usize>();
        parts.rows = indices.map(|part| rows.select(&part));
        parts.paths = [path.clone(), path.clone(), path.clone()];
    }
    for (i, (_, amount)) in spec.parts().into_iter().enumerate() {
        let Amount::File(path) = amount else { continue };
        let path = resolve(path, folder)?;
        parts.rows[i] = parts.take_columns(read_table(&path, &options, watch)?, &path)?;
        parts.paths[i] = path;
    }
    // A part that is neither in the shared file nor in one of its own: there is no shared file.
    if parts.paths.iter().any(|path| path.as_os_str().is_empty()) {
        return Err(DataError::NoSource);
    }
    Ok(parts)
}

impl Parts {
    /// Takes what is known of the columns from the first file, and holds others to it; columns of the same names may
    /// stand in any order. Returns the rows, in the first file's order of columns.
    fn take_columns(&mut self, table: Table, path: &Path) -> Result<Matrix, DataError> {
        self.warnings.extend(table.warnings);
        if self.columns.is_empty() {
            (self.columns, self.levels) = (table.columns, table.levels);
            return Ok(table.rows);
        }
        if self.columns == table.columns {
            return Ok(table.rows);
        }
        let place = |name: &String| table.columns.iter().position(|other| other == name);
        let order: Option<Vec<usize>> = self.columns.iter().map(place).collect();
        match order {
            Some(order) if order.len() == table.columns.len() => {
                let cells = table.rows.iter_rows().flat_map(|row| order.iter().map(|&column| row[column]));
                Ok(Matrix::new(cells.collect(), order.len()))
            }
            _ => Err(other_columns(path, &self.columns, &table.columns)),
        }
    }
}

/// What one file has that the other has not.
fn other_columns(path: &Path, expected: &[String], found: &[String]) -> DataError {
    let lacks = expected.iter().find(|name| !found.contains(name));
    let more = found.iter().find(|name| !expected.contains(name));
    let (expected, found) = match (lacks, more) {
        (Some(lacks), Some(more)) => (quoted(lacks), quoted(more)),
        (Some(lacks), None) => (quoted(lacks), "no such column".to_owned()),
        _ => (format!("{} columns", expected.len()), found.len().to_string()),
    };
    DataError::OtherColumns { path: path.to_owned(), expected, found }
}

/// Width of the noise of every column, shape `[features]`.
fn steps(spec: &spec::Dataset, features: usize, levels: Option<u32>, path: &Path) -> Result<Vec<f64>, DataError> {
    match &spec.dequantize {
        Some(Steps::All(step)) => Ok(vec![*step; features]),
        Some(Steps::Each(steps)) if steps.len() == features => Ok(steps.clone()),
        Some(Steps::Each(steps)) => {
            Err(DataError::StepCount { path: path.to_owned(), columns: features, steps: steps.len() })
        }
        None => Ok(vec![if levels.is_some() { 1.0 } else { 0.0 }; features]),
    }
}

fn refuse_constant_columns(
    train: &Matrix,
    columns: &[String],
    continuous: &[usize],
    path: &Path,
) -> Result<(), DataError> {
    let first = train.row(0);
    match continuous.iter().copied().find(|&i| train.iter_rows().all(|row| row[i] == first[i])) {
        Some(i) => Err(DataError::Constant { path: path.to_owned(), column: columns[i].clone(), value: first[i] }),
        None => Ok(()),
    }
}

/// A warning for columns of few distinct values: a density can grow without bound on them.
fn repeated_values(train: &Matrix, columns: &[String], continuous: &[usize]) -> Option<String> {
    const LOOK_AT: usize = 4096;
    let looked_at = train.rows().min(LOOK_AT);
    let distinct = |i: usize| train.iter_rows().take(LOOK_AT).map(|row| row[i].to_bits()).collect::<HashSet<_>>().len();
    let few: Vec<String> = continuous
        .iter()
        .map(|&i| (i, distinct(i)))
        .filter(|(_, distinct)| distinct * 20 <= looked_at)
        .map(|(i, distinct)| format!("{} ({distinct})", quoted(&columns[i])))
        .collect();
    (!few.is_empty()).then(|| {
        format!(
            "few distinct values among {looked_at} rows: {}; a density can grow without bound on repeated values: \
             set `dequantize` to their spacing, or `drop` the columns",
            few.join(", ")
        )
    })
}
