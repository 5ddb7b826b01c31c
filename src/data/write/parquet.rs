//! Parquet, through polars.

use std::io;

use polars::prelude::{Column as PolarsColumn, DataFrame, NamedFrom, ParquetWriter, Series};

use super::{Blocks, Column, Sink};

/// Rows from which threads save more time than waking them takes.
const WORTH_THREADS: usize = 50_000;

pub fn write(mut sink: Sink, table: Blocks) -> io::Result<()> {
    let mut blocks = table.blocks.map(|columns| frame(table.names, columns?)).peekable();
    let schema = match blocks.peek() {
        Some(Ok(first)) => first.schema().clone(),
        // The loop below tells of it.
        Some(Err(_)) | None => Default::default(),
    };
    let writer = ParquetWriter::new(&mut sink).set_parallel(table.rows >= WORTH_THREADS);
    let mut writer = writer.batched(&schema).map_err(io::Error::other)?;
    for frame in blocks {
        writer.write_batch(&frame?).map_err(io::Error::other)?;
    }
    writer.finish().map_err(io::Error::other)?;
    Ok(())
}

fn frame(names: &[String], columns: Vec<Column>) -> io::Result<DataFrame> {
    let rows = columns.first().map_or(0, Column::len);
    let series = names.iter().zip(columns).map(|(name, column)| match column {
        Column::F32(values) => Series::new(name.into(), values),
        Column::F64(values) => Series::new(name.into(), values),
        Column::Copied(values) => values.with_name(name.into()),
    });
    DataFrame::new(rows, series.map(PolarsColumn::from).collect()).map_err(io::Error::other)
}
