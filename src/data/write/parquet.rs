//! Parquet, through polars.

use std::io;

use polars::prelude::{Column as PolarsColumn, DataFrame, NamedFrom, ParquetWriter, Series};

use super::{Column, Sink};

/// Rows from which threads save more time than waking them takes.
const WORTH_THREADS: usize = 50_000;

pub fn write(sink: Sink, columns: &[(String, Column)]) -> io::Result<()> {
    let rows = columns.first().map_or(0, |(_, column)| column.len());
    let series = columns.iter().map(|(name, column)| match column {
        Column::F32(values) => Series::new(name.into(), values),
        Column::F64(values) => Series::new(name.into(), values),
    });
    let mut frame = DataFrame::new(rows, series.map(PolarsColumn::from).collect()).map_err(io::Error::other)?;
    let parallel = rows >= WORTH_THREADS;
    ParquetWriter::new(sink).set_parallel(parallel).finish(&mut frame).map_err(io::Error::other)?;
    Ok(())
}
