//! Columns of tables from values of a spec's keys.

use polars::prelude::{Column, NamedFrom, Series};

/// The values of a spec's key: integers, floats or booleans where all of them are; integers among floats become floats,
/// any other mixture (and arrays) text.
pub fn value_column(key: &str, values: &[Option<&toml::Value>]) -> Column {
    typed(key, values, toml::Value::as_integer)
        .or_else(|| typed(key, values, number))
        .or_else(|| typed(key, values, toml::Value::as_bool))
        .unwrap_or_else(|| {
            let texts: Vec<_> = values.iter().map(|value| value.map(text)).collect();
            Column::new(key.into(), texts)
        })
}

/// A column whose values `get` converts; `None` where it cannot convert one of them.
fn typed<T>(key: &str, values: &[Option<&toml::Value>], get: fn(&toml::Value) -> Option<T>) -> Option<Column>
where
    Series: NamedFrom<Vec<Option<T>>, [Option<T>]>,
{
    let cells = values.iter().map(|value| value.map(|value| get(value).ok_or(())).transpose());
    let cells: Vec<Option<T>> = cells.collect::<Result<_, ()>>().ok()?;
    Some(Column::new(key.into(), cells))
}

fn number(value: &toml::Value) -> Option<f64> {
    value.as_float().or_else(|| value.as_integer().map(|number| number as f64))
}

fn text(value: &toml::Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}
