//! Comma-separated text with a header. Numbers have as many digits as reading them back exactly takes.

use std::io;

use polars::prelude::{AnyValue, Series};

use super::{Blocks, Column, Sink};

pub fn write(sink: Sink, table: Blocks) -> io::Result<()> {
    let names: Vec<String> = table.names.iter().map(|name| quoted(name)).collect();
    writeln!(sink, "{}", names.join(","))?;
    for columns in table.blocks {
        let columns = columns?;
        for row in 0..columns.first().map_or(0, Column::len) {
            for (i, column) in columns.iter().enumerate() {
                if i > 0 {
                    write!(sink, ",")?;
                }
                match column {
                    Column::F32(values) => write!(sink, "{:?}", values[row])?,
                    Column::F64(values) => write!(sink, "{:?}", values[row])?,
                    Column::Copied(values) => write!(sink, "{}", cell(values, row)?)?,
                }
            }
            writeln!(sink)?;
        }
    }
    Ok(())
}

/// A value of a copied column; nothing stands for one that is missing.
fn cell(values: &Series, row: usize) -> io::Result<String> {
    Ok(match values.get(row).map_err(io::Error::other)? {
        AnyValue::Null => String::new(),
        AnyValue::Float32(value) => format!("{value:?}"),
        AnyValue::Float64(value) => format!("{value:?}"),
        value => quoted(&value.str_value()),
    })
}

fn quoted(name: &str) -> String {
    if name.contains([',', '"', '\n', '\r']) { format!("\"{}\"", name.replace('"', "\"\"")) } else { name.to_owned() }
}
