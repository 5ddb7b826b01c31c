//! NumPy's NPY: an array of shape `[rows, columns]`, `f4` unless a column is `f64`.

use std::io;

use npyz::WriterBuilder;

use super::{Column, Sink};

pub fn write(sink: Sink, columns: &[(String, Column)]) -> io::Result<()> {
    let rows = columns.first().map_or(0, |(_, column)| column.len());
    let shape = [rows as u64, columns.len() as u64];
    let single: Option<Vec<&Vec<f32>>> = columns
        .iter()
        .map(|(_, column)| match column {
            Column::F32(values) => Some(values),
            Column::F64(_) => None,
        })
        .collect();
    match single {
        Some(columns) => {
            let mut writer = npyz::WriteOptions::new().default_dtype().shape(&shape).writer(&mut *sink).begin_nd()?;
            writer.extend((0..rows).flat_map(|row| columns.iter().map(move |column| column[row])))?;
            writer.finish()?;
        }
        None => {
            let value = |column: &Column, row: usize| match column {
                Column::F32(values) => f64::from(values[row]),
                Column::F64(values) => values[row],
            };
            let mut writer = npyz::WriteOptions::new().default_dtype().shape(&shape).writer(&mut *sink).begin_nd()?;
            writer.extend((0..rows).flat_map(|row| columns.iter().map(move |(_, column)| value(column, row))))?;
            writer.finish()?;
        }
    }
    Ok(())
}
