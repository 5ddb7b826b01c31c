//! `metrics.parquet`: the training curve as a wide table.

use std::fs::File;
use std::io::{self, Write};
use std::path::Path;

use polars::prelude::*;

use super::RecordError;
use crate::atomic::write_atomically;
use crate::train::{Metrics, ScaleHealth};

/// A column of type f64: how it is taken from a row and put back.
struct Curve {
    name: &'static str,
    get: fn(&Metrics) -> Option<f64>,
    set: fn(&mut Metrics, Option<f64>),
}

macro_rules! curve {
    ($field:ident) => {
        Curve { name: stringify!($field), get: |row| row.$field, set: |row, value| row.$field = value }
    };
    (always $field:ident) => {
        Curve {
            name: stringify!($field),
            get: |row| Some(row.$field),
            set: |row, value| row.$field = value.unwrap_or(f64::NAN),
        }
    };
}

/// The columns after `step`, in the order of the file.
const CURVES: [Curve; 9] = [
    curve!(always epoch),
    curve!(always seconds),
    curve!(train_nll),
    curve!(validation_nll),
    curve!(learning_rate),
    curve!(gradient_norm),
    curve!(samples_per_second),
    curve!(inverse_error),
    curve!(scale_max),
];

/// The columns of one scale, whose names end in its number, from 1; and how they are taken from a row and put back.
type OfScale = (&'static str, fn(&ScaleHealth) -> Option<f64>, fn(&mut ScaleHealth, Option<f64>));

/// They follow the others in the table of a multi-scale flow, scale after scale.
const OF_SCALES: [OfScale; 2] = [
    ("scale_max_", |of| of.scale_max, |of, value| of.scale_max = value),
    ("latent_rms_", |of| of.latent_rms, |of, value| of.latent_rms = value),
];

/// Writes the table, atomically.
pub(super) fn write(path: &Path, rows: &[Metrics]) -> Result<(), RecordError> {
    let steps: Vec<i64> = rows.iter().map(|row| row.step).collect();
    let mut columns = vec![Column::new("step".into(), steps)];
    for curve in &CURVES {
        let values: Vec<Option<f64>> = rows.iter().map(curve.get).collect();
        columns.push(Column::new(curve.name.into(), values));
    }
    for scale in 0..rows.iter().map(|row| row.scales.len()).max().unwrap_or(0) {
        for (name, get, _) in OF_SCALES {
            let values: Vec<Option<f64>> = rows.iter().map(|row| row.scales.get(scale).and_then(get)).collect();
            columns.push(Column::new(format!("{name}{}", scale + 1).into(), values));
        }
    }
    Ok(write_atomically(path, |file| encode(file, columns))?)
}

/// Writes `columns`, all of the same length, as Parquet.
pub(super) fn encode(to: impl Write, columns: Vec<Column>) -> io::Result<()> {
    let height = columns.first().map_or(0, Column::len);
    let mut table = DataFrame::new(height, columns).map_err(io::Error::other)?;
    // Such tables are small: sharing the work among threads would take longer than doing it.
    ParquetWriter::new(to).set_parallel(false).finish(&mut table).map_err(io::Error::other)?;
    Ok(())
}

/// Reads what [`write`] wrote.
pub(super) fn read(path: &Path) -> Result<Vec<Metrics>, RecordError> {
    let file = File::open(path).map_err(RecordError::read(path))?;
    rows(file).map_err(|source| RecordError::Metrics { path: path.to_owned(), source })
}

fn rows(file: File) -> PolarsResult<Vec<Metrics>> {
    let table = ParquetReader::new(file).finish()?;
    let mut rows = vec![Metrics::default(); table.height()];
    for (row, step) in rows.iter_mut().zip(table.column("step")?.i64()?.iter()) {
        row.step = step.ok_or_else(|| polars_err!(ComputeError: "a row without a step"))?;
    }
    for curve in &CURVES {
        for (row, value) in rows.iter_mut().zip(table.column(curve.name)?.f64()?.iter()) {
            (curve.set)(row, value);
        }
    }
    for scale in 0.. {
        for (name, _, set) in OF_SCALES {
            let Ok(column) = table.column(&format!("{name}{}", scale + 1)) else { return Ok(rows) };
            for (row, value) in rows.iter_mut().zip(column.f64()?.iter()).filter(|(_, value)| value.is_some()) {
                row.scales.resize(row.scales.len().max(scale + 1), ScaleHealth::default());
                set(&mut row.scales[scale], value);
            }
        }
    }
    Ok(rows)
}
