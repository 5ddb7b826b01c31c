//! Parquet, through polars: columns of numbers, or one of images.

use polars::prelude::{ArrowDataType, DataType, ParquetReader, PolarsError, SerReader, Series};

use super::{Source, Table, Wanted, rounded};
use crate::data::error::{CellProblem, DataError};
use crate::data::pixels;
use crate::data::quote::{as_toml, quoted};
use crate::matrix::Matrix;

mod images;

/// Reads the chosen columns, which must be booleans or numbers; or images alone, whose columns are then called as those of a folder
/// of images.
pub fn read(source: &Source) -> Result<Table, DataError> {
    let path = source.path;
    let damaged = |error: PolarsError| source.damaged("Parquet", error);
    let mut reader = ParquetReader::new(source.input.open()?);
    let schema = reader.schema().map_err(damaged)?;
    let names: Vec<String> = schema.iter_names().map(|name| name.to_string()).collect();
    let selection = &source.options.selection;
    let chosen = selection.resolve(path, &names)?;
    let mut columns: Vec<String> = chosen.into_iter().map(|column| names[column].clone()).collect();
    let type_of = |column: &String| schema.get(column).map(|field| &field.dtype);
    let mut features = columns.len() - selection.context.len() - usize::from(selection.weight.is_some());
    if selection.pixels {
        let is_image = |column: &String| type_of(column).is_some_and(images::can_be);
        let (of_images, others): (Vec<String>, Vec<String>) = columns[..features].iter().cloned().partition(is_image);
        if !of_images.is_empty() {
            columns.splice(..features, of_images);
            features -= others.len();
        }
    }
    let images = columns[..features].iter().find(|column| type_of(column).is_some_and(images::can_be));
    for column in columns.iter().filter(|column| Some(*column) != images) {
        if let Some((dtype, hint)) = type_of(column).and_then(|dtype| Some((dtype, refusal(dtype, column)?))) {
            let found = format!("{dtype:?} values");
            return Err(DataError::ColumnType { path: path.to_owned(), column: column.clone(), found, hint });
        }
    }
    if let Some(images) = images
        && let Some(other) = columns[..features].iter().find(|column| *column != images)
    {
        let problem = format!(
            "has column {} beside the images of {}, which are learned alone: set `label = {}` to leave it out, or name it in \
             `dataset.context`, for a density given its value",
            quoted(other),
            quoted(images),
            as_toml(other)
        );
        return Err(DataError::Refused { path: path.to_owned(), problem });
    }
    // A column of one value takes next to nothing in the file, however many rows it has.
    let rows = reader.num_rows().map_err(damaged)?;
    source.room_for(rows, columns.len(), 1)?;
    let frame = reader.with_columns(Some(columns.clone())).finish().map_err(damaged)?;

    let (mut rows, numbers, mut named, levels) = match images {
        Some(images) => {
            let numbers = &columns[1..];
            let cells = frame.column(images).map_err(damaged)?.as_materialized_series();
            let (kind, rows) = images::read(source, cells, numbers.len())?;
            (rows, numbers, pixels::names(kind.shape), Some(kind.levels))
        }
        None => (Matrix::zeros(frame.height(), columns.len()), &columns[..], Vec::new(), None),
    };
    let (first, width) = (named.len(), rows.columns());
    for (slot, name) in numbers.iter().enumerate() {
        let column = frame.column(name).map_err(damaged)?;
        let values = column.cast(&DataType::Float64).map_err(damaged)?;
        let values = values.f64().map_err(damaged)?;
        let cells = rows.as_mut_slice()[first + slot..].iter_mut().step_by(width);
        for (row, (cell, value)) in cells.zip(values.iter()).enumerate() {
            let value = value.ok_or(CellProblem::Missing("null".into()));
            *cell = source.value(value).map_err(|problem| source.cell(row, name, problem))?;
        }
        // A column counts as a byte here: no more is known of their sizes.
        (source.watch)(path, slot as u64 + 1, numbers.len() as u64);
    }
    named.extend_from_slice(numbers);
    let columns = named;
    let whole = |column: usize| matches!(type_of(&columns[column]), Some(ArrowDataType::Int64 | ArrowDataType::UInt64));
    let mut warnings: Vec<String> = rounded(path, &columns, &rows, whole).into_iter().collect();
    // As pandas stores the numbers of rows that no longer count from 0.
    for name in columns.iter().filter(|name| name.starts_with("__index_level_")) {
        warnings.push(format!(
            "`{}`: column {} is an index that pandas stored; leave it out with `drop = [{}]`",
            path.display(),
            quoted(name),
            as_toml(name)
        ));
    }
    Ok(Table { columns, rows, numbers: None, weights: None, context: Vec::new(), named: true, levels, warnings })
}

/// The columns `wanted` as they are: numbers, booleans and text.
pub fn columns(source: &Source, wanted: Wanted) -> Result<Vec<Series>, DataError> {
    let damaged = |error: PolarsError| source.damaged("Parquet", error);
    let mut reader = ParquetReader::new(source.input.open()?);
    let schema = reader.schema().map_err(damaged)?;
    let names: Vec<String> = schema.iter_names().map(|name| name.to_string()).collect();
    let wanted: Vec<String> = wanted(&names)?.into_iter().map(|place| names[place].clone()).collect();
    if wanted.is_empty() {
        return Ok(Vec::new());
    }
    for (name, field) in wanted.iter().filter_map(|name| Some((name, schema.get(name)?))) {
        use ArrowDataType::{LargeUtf8, Utf8, Utf8View};
        if refusal(&field.dtype, name).is_some() && !matches!(field.dtype, Utf8 | LargeUtf8 | Utf8View) {
            let (path, column, found) = (source.path.to_owned(), name.to_string(), format!("{:?} values", field.dtype));
            let hint =
                "only numbers, booleans and text can be written beside the results: leave the column out of the file";
            return Err(DataError::ColumnType { path, column, found, hint: hint.to_owned() });
        }
    }
    let frame = reader.with_columns(Some(wanted.clone())).finish().map_err(damaged)?;
    let column = |name: &String| Ok(frame.column(name).map_err(damaged)?.as_materialized_series().clone());
    wanted.iter().map(column).collect()
}

/// What to do about a column that cannot be read; `None` if it can. Asked before reading, because polars panics on some
/// types that it was built without.
fn refusal(dtype: &ArrowDataType, column: &str) -> Option<String> {
    use ArrowDataType::{
        Boolean, Decimal, Decimal32, Decimal64, Decimal256, Float16, Float32, Float64, Int8, Int16, Int32, Int64,
        Int128, LargeUtf8, UInt8, UInt16, UInt32, UInt64, UInt128, Utf8, Utf8View,
    };
    match dtype {
        Boolean | Int8 | Int16 | Int32 | Int64 | UInt8 | UInt16 | UInt32 | UInt64 => None,
        Float16 | Float32 | Float64 => None,
        Int128 | UInt128 | Decimal(..) | Decimal32(..) | Decimal64(..) | Decimal256(..) => {
            Some("store it as Float64: wider integers and decimals are not read".into())
        }
        Utf8 | LargeUtf8 | Utf8View => Some(format!(
            "only numbers can be learned: leave it out with `drop = [{0}]`, or, where its words are classes, name it in \
             `dataset.context = [{0}]`, for a density given the class",
            as_toml(column)
        )),
        _ => Some(format!("only numbers can be learned: leave it out with `drop = [{}]`", as_toml(column))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::read::{ReadOptions, Selection, read_table};
    use polars::prelude::{Column, DataFrame, NamedFrom, ParquetWriter, Series};

    fn parse(columns: Vec<Series>, keep: Option<&[&str]>, bytes: impl Fn(Vec<u8>) -> Vec<u8>) -> Result<Table, String> {
        let mut frame = DataFrame::new(columns[0].len(), columns.into_iter().map(Column::from).collect()).unwrap();
        let mut buffer = Vec::new();
        ParquetWriter::new(&mut buffer).finish(&mut frame).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.parquet");
        std::fs::write(&path, bytes(buffer)).unwrap();
        let columns = keep.map(|names| names.iter().map(|name| name.to_string()).collect());
        let options =
            ReadOptions { selection: Selection { columns, ..Selection::default() }, ..ReadOptions::default() };
        read_table(&path, &options, &|_, _, _| {}).map_err(|error| error.to_string())
    }

    fn example() -> Vec<Series> {
        vec![
            Series::new("float".into(), [0.5f32, 1.5, -2.0]),
            Series::new("whole".into(), [7i64, 8, 9]),
            Series::new("i8".into(), [-7i8, 8, 9]),
            Series::new("u8".into(), [7u8, 8, 255]),
            Series::new("i16".into(), [-7i16, 8, 9]),
            Series::new("u16".into(), [7u16, 8, 65_535]),
            Series::new("i32".into(), [-7i32, 8, 9]),
            Series::new("u64".into(), [7u64, 8, 9]),
            Series::new("half".into(), [0.5f32, 1.5, -2.0]).cast(&DataType::Float16).unwrap(),
            Series::new("text".into(), ["a", "b", "c"]),
            Series::new("holes".into(), [Some(1.0), None, Some(2.0)]),
            Series::new("flag".into(), [true, false, true]),
            Series::new("huge".into(), [0.0, 0.0, 1e300]),
            Series::new("wild".into(), [f64::INFINITY, 0.0, 0.0]),
            Series::new("id".into(), [9_007_199_254_740_993i64, 9_007_199_254_740_992, -1]),
        ]
    }

    #[test]
    fn chosen_columns_come_in_their_order_whatever_their_type() {
        let table = parse(example(), Some(&["whole", "float", "flag"]), |bytes| bytes).unwrap();
        assert_eq!(table.columns, ["whole", "float", "flag"]);
        assert_eq!(table.rows, Matrix::new(vec![7.0, 0.5, 1.0, 8.0, 1.5, 0.0, 9.0, -2.0, 1.0], 3));
    }

    #[test]
    fn every_type_of_number_is_read() {
        let table = parse(example(), Some(&["i8", "u8", "i16", "u16", "i32", "u64", "half"]), |bytes| bytes).unwrap();
        assert_eq!(table.rows.row(0), [-7.0, 7.0, -7.0, 7.0, -7.0, 7.0, 0.5]);
        assert_eq!(table.rows.row(2), [9.0, 255.0, 9.0, 65_535.0, 9.0, 9.0, -2.0]);
    }

    #[test]
    fn whole_numbers_that_floats_round_are_told_and_the_rest_keeps_all_digits() {
        let table = parse(example(), Some(&["id", "huge"]), |bytes| bytes).unwrap();
        assert!(
            table.warnings.len() == 1 && table.warnings[0].contains("beyond 2^53 in `id` are"),
            "{:?}",
            table.warnings
        );
        assert_eq!(table.rows.row(2), [-1.0, 1e300]);
    }

    #[test]
    fn faults_are_named_with_row_and_column() {
        let cases = [
            ("text", "only numbers can be learned: leave it out with `drop = [\"text\"]`"),
            ("holes", "row 2, column `holes`: `null` is a missing value"),
            ("wild", "row 1, column `wild`: `inf` is not finite"),
            ("floats", "did you mean `float`?"),
        ];
        for (column, expected) in cases {
            let text = parse(example(), Some(&[column]), |bytes| bytes).unwrap_err();
            assert!(text.contains(expected), "{text}");
        }
    }

    #[test]
    fn a_truncated_file_is_refused() {
        for keep in [3, 40, 400] {
            let cut = |mut bytes: Vec<u8>| {
                bytes.truncate(keep);
                bytes
            };
            assert!(parse(example(), None, cut).unwrap_err().contains("not a valid Parquet file"));
        }
    }
}
