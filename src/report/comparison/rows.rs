//! Runs as they stand in `trials.parquet`.

use std::collections::BTreeMap;

use polars::prelude::{AnyValue, DataFrame};

use super::METRICS;
use crate::train::Status;

/// Columns of `trials.parquet` that are neither metrics nor keys of the spec, and tell runs apart.
pub const FIXED: [&str; 6] = ["experiment", "trial", "seed", "device", "static_shape", "git_commit"];

/// One run.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// Name of the experiment.
    pub experiment: String,
    /// The trial's id.
    pub trial: String,
    /// Seed of the run.
    pub seed: i64,
    /// How the run ended, or that it has not.
    pub status: Status,
    /// What the trial computes; `None` in a table that does not tell.
    pub spec_hash: Option<String>,
    /// Finite values of [`METRICS`] and of their errors over the rows of the test set, by the names of the columns.
    pub metrics: BTreeMap<&'static str, f64>,
    /// The other [`FIXED`] columns, and every swept or overridden key under its dotted name.
    pub keys: BTreeMap<String, toml::Value>,
    /// What says which data the run saw, by its dotted names; `None` where only the swept and overridden keys are known.
    pub data: Option<BTreeMap<String, toml::Value>>,
}

impl Row {
    /// A run of which nothing else is known.
    pub fn new(experiment: String, trial: String, seed: i64, status: Status) -> Self {
        let (metrics, keys) = (BTreeMap::new(), BTreeMap::new());
        Self { experiment, trial, seed, status, spec_hash: None, metrics, keys, data: None }
    }
}

/// A table that is none of trials.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "every message tells what its fields are")]
pub enum RowError {
    #[error("no column `{0}`: this is no trials.parquet of runner")]
    Missing(&'static str),
    #[error("row {row}: column `{column}` holds `{value}`; expected {expected}")]
    Value { row: usize, column: &'static str, value: String, expected: &'static str },
}

/// The runs of a table with the columns of `trials.parquet`, in its order.
///
/// # Errors
/// Where a column that names a run is missing or holds something else.
pub fn rows(table: &DataFrame) -> Result<Vec<Row>, RowError> {
    (0..table.height()).map(|row| one(table, row)).collect()
}

fn one(table: &DataFrame, row: usize) -> Result<Row, RowError> {
    let cell = |column: &'static str| {
        let column = table.column(column).map_err(|_| RowError::Missing(column))?;
        Ok(column.get(row).unwrap_or(AnyValue::Null))
    };
    let wrong = |column, value: &AnyValue, expected| {
        let value = value.str_value().into_owned();
        RowError::Value { row, column, value, expected }
    };
    let text = |column| {
        let value = cell(column)?;
        value.get_str().map(str::to_owned).ok_or_else(|| wrong(column, &value, "text"))
    };
    let status = text("status")?;
    let status = Status::from_name(&status).ok_or_else(|| {
        wrong("status", &AnyValue::String(&status), "finished, stopped, diverged, failed, interrupted or running")
    })?;
    let seed = cell("seed")?;
    let seed = seed.extract::<i64>().ok_or_else(|| wrong("seed", &seed, "an integer"))?;
    let (experiment, trial) = (text("experiment")?, text("trial")?);
    let mut read = Row::new(experiment, trial, seed, status);
    read.spec_hash = text("spec_hash").ok();
    for column in table.columns() {
        let name = column.name().as_str();
        let value = column.get(row).unwrap_or(AnyValue::Null);
        let mut measured = METRICS.iter().flat_map(|metric| [Some(metric.name), metric.rows_error]).flatten();
        if let Some(known) = measured.find(|known| *known == name) {
            let value = value.extract::<f64>().filter(|value| value.is_finite());
            read.metrics.extend(value.map(|value| (known, value)));
        } else if name.contains('.') || FIXED[3..].contains(&name) {
            read.keys.extend(toml_value(&value).map(|value| (name.to_owned(), value)));
        }
    }
    Ok(read)
}

fn toml_value(value: &AnyValue) -> Option<toml::Value> {
    match value {
        AnyValue::Null => None,
        AnyValue::Boolean(flag) => Some(toml::Value::Boolean(*flag)),
        value if value.is_float() => value.extract().map(toml::Value::Float),
        value if value.is_integer() => value.extract().map(toml::Value::Integer),
        value => Some(toml::Value::String(value.str_value().into_owned())),
    }
}
