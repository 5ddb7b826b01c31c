//! NumPy's NPY: an array of shape `[rows, columns]`, of images `[rows, height, width]` with the channels behind where there are
//! several; `f4` unless a column is `f64`.

use std::io;

use npyz::{AutoSerialize, WriterBuilder};
use polars::prelude::{DataType, Series};

use super::{Blocks, Column, Sink};
use crate::data::pixels;
use crate::shape::Shape;

pub fn write(sink: Sink, table: Blocks) -> io::Result<()> {
    let mut blocks = table.blocks.peekable();
    let is_single = |column: &Column| match column {
        Column::F32(_) => true,
        Column::F64(_) => false,
        Column::Copied(values) => *values.dtype() == DataType::Float32,
    };
    let single = matches!(blocks.peek(), Some(Ok(columns)) if columns.iter().all(is_single));
    let shape = match pixels::shape(table.names) {
        Shape { height, width, channels: 1 } if height * width > 1 => vec![table.rows, height, width],
        Shape { height, width, channels } if height * width > 1 => vec![table.rows, height, width, channels],
        Shape { channels, .. } => vec![table.rows, channels],
    };
    let shape: Vec<u64> = shape.into_iter().map(|length| length as u64).collect();
    match single {
        true => values(sink, &shape, blocks, |column, row| match column {
            Column::F32(values) => values[row],
            Column::F64(values) => values[row] as f32,
            Column::Copied(values) => number(values, row) as f32,
        }),
        false => values(sink, &shape, blocks, |column, row| match column {
            Column::F32(values) => f64::from(values[row]),
            Column::F64(values) => values[row],
            Column::Copied(values) => number(values, row),
        }),
    }
}

/// A value of a copied column as far as it is a number.
fn number(values: &Series, row: usize) -> f64 {
    values.get(row).ok().and_then(|value| value.extract()).unwrap_or(f64::NAN)
}

fn values<T: AutoSerialize>(
    mut sink: Sink,
    shape: &[u64],
    blocks: impl Iterator<Item = io::Result<Vec<Column>>>,
    value: impl Fn(&Column, usize) -> T,
) -> io::Result<()> {
    let mut writer = npyz::WriteOptions::new().default_dtype().shape(shape).writer(&mut sink).begin_nd()?;
    for columns in blocks {
        let columns = columns?;
        for row in 0..columns.first().map_or(0, Column::len) {
            writer.extend(columns.iter().map(|column| value(column, row)))?;
        }
    }
    writer.finish()
}
