//! Files that commands read rows from.

use std::path::Path;

use polars::prelude::Series;

use super::Failure;
use super::output::tell;
use super::reading::Reading;
use crate::data::{
    CellProblem, Column, Context, DataError, Given, Input, ReadOptions, Selection, Table, TableFormat, quoted,
    read_column, read_columns, read_columns_named, read_input, typed,
};
use crate::matrix::Matrix;
use crate::progress::{ProgressMode, loading};
use crate::spec::{ColumnName, FileFormat, counted};
use crate::trial::SavedRun;

/// The rows of `input`, its columns chosen by name in the order of `columns`, those of `context` behind them; NaN where a value is
/// missing, if the run left out such rows. A file without names (npy, a CSV without a header) must have just as many columns.
pub(super) fn read(
    input: &Input,
    reading: &Reading,
    run: &SavedRun,
    columns: &[String],
    context: &Context,
) -> Result<Matrix<f64>, Failure> {
    let options = reading.options(&input.path, &run.spec.dataset);
    let watch = loading(ProgressMode::Auto);
    let given = context.columns.iter().map(|column| ColumnName::Name(column.name.clone())).collect();
    let named = Selection { columns: Some(columns.to_vec()), context: given, ..Selection::default() };
    let images = || read_images(input, &options, run, columns, &named.context);
    let is_sized = run.spec.dataset.crop.or(run.spec.dataset.resize).is_some();
    let table = if is_sized && columns == run.columns {
        images()
    } else {
        match read_input(input, &ReadOptions { selection: named.clone(), ..options.clone() }, &*watch) {
            // Words of a context need names to be found by.
            Err(DataError::UnknownColumn { nameless: Some(count), .. })
                if count == columns.len() + context.columns.len() && !has_words(context) =>
            {
                read_input(input, &options, &*watch)
            }
            // A column of images is no pixel by name.
            Err(error @ DataError::UnknownColumn { nameless: None, .. }) if run.shape.is_image() => match images() {
                Err(DataError::UnknownColumn { .. } | DataError::OtherImages { .. }) => Err(error),
                table => table,
            },
            table => table,
        }
    };
    let mut table = table.map_err(refused)?;
    table.warnings.iter().for_each(|warning| tell(format_args!("warning: {warning}")));
    let width = table.columns.len();
    for (i, column) in context.columns.iter().enumerate() {
        let words = table.context.get(i).cloned().flatten();
        let wrong = |why| Failure::Usage(format!("`{}`: {why}", input.path.display()));
        if words.is_none() && column.classes.is_none() {
            continue;
        }
        let cells = table.rows.as_mut_slice()[columns.len() + i..].iter_mut().step_by(width);
        for cell in cells.filter(|cell| !cell.is_nan()) {
            let text = words.as_ref().map_or_else(|| (*cell + 0.0).to_string(), |words| words[*cell as usize].clone());
            *cell = column.read(&text).map_err(wrong)?;
        }
    }
    Ok(context.spread(table.rows, columns.len()))
}

/// The images of `input`, brought to the size that the run learned, which has these `columns`, and what they are `given`.
fn read_images(
    input: &Input,
    options: &ReadOptions,
    run: &SavedRun,
    columns: &[String],
    given: &[ColumnName],
) -> Result<Table, DataError> {
    let dataset = &run.spec.dataset;
    let selection = Selection {
        pixels: true,
        drop: dataset.drop.clone(),
        label: dataset.label.clone().filter(|label| !given.contains(label)),
        context: given.to_vec(),
        ..Selection::default()
    };
    let options = ReadOptions { selection, processed: Some(run.shape), ..options.clone() };
    let table = read_input(input, &options, &*loading(ProgressMode::Auto))?;
    let is_flat = !table.named && !table.shape().is_image() && table.features() == columns.len();
    if is_flat || table.columns[..table.features()] == *columns {
        return Ok(table);
    }
    Err(DataError::OtherImages { path: input.path.clone(), found: table.shape(), learned: run.shape })
}

/// What is wrong with a file that a run of its own spec reads: the file alone can be changed.
fn refused(error: DataError) -> Failure {
    let DataError::Cell { place, problem } = error else { return Failure::usage(error) };
    let what = match &problem {
        CellProblem::Empty => "the cell is empty".to_owned(),
        CellProblem::Missing(cell) => format!("{} is a missing value", quoted(cell)),
        CellProblem::Text { cell, .. } => format!("{} is not a number", quoted(cell)),
        _ => return Failure::usage(DataError::Cell { place, problem }),
    };
    let is_missing = !matches!(problem, CellProblem::Text { .. });
    let other = if is_missing {
        "; of a run that was trained with `missing = \"drop\"` it would stay, its result empty"
    } else {
        ""
    };
    Failure::Usage(format!("{place}: {what}; correct the cell, or remove the row{other}"))
}

/// Whether a column of the context holds words.
fn has_words(context: &Context) -> bool {
    let mut classes = context.columns.iter().flat_map(|column| column.classes.iter().flatten());
    classes.any(|class| class.parse::<f64>().is_err())
}

/// The contexts in `path`, a row each: shape `[rows, context]`. Its columns are found by name; those of an array, which has no names,
/// stand in the run's order.
pub(super) fn read_contexts(path: &Path, run: &SavedRun) -> Result<Matrix<f64>, Failure> {
    let wrong = |why: String| Failure::Usage(format!("`{}`: {why}", path.display()));
    let columns = &run.context.columns;
    let names: Vec<&str> = columns.iter().map(|column| column.name.as_str()).collect();
    let (input, options, watch) = (Input::file(path), ReadOptions::default(), loading(ProgressMode::Auto));
    let found = if FileFormat::of(path).is_none_or(FileFormat::has_names) {
        read_columns_named(&input, &options, &names, &*watch).map_err(Failure::usage)?
    } else {
        let mut array = read_columns(&input, &options, &*watch).map_err(Failure::usage)?;
        if array.len() != names.len() {
            let (names, count) = (names.iter().map(|name| quoted(name)).collect::<Vec<_>>(), array.len());
            return Err(wrong(format!(
                "it has {} without names, and the run's density is conditional on {}: {}, in this order",
                counted(count, "column"),
                names.len(),
                names.join(", ")
            )));
        }
        array.iter_mut().zip(&names).for_each(|(column, name)| {
            column.rename((*name).into());
        });
        array
    };
    let rows = found.first().map_or(0, |column| column.len());
    let mut values = Matrix::zeros(rows, columns.len());
    for (i, column) in columns.iter().enumerate() {
        let cells = cells_of(column, &found).map_err(wrong)?;
        let cells =
            cells.ok_or_else(|| wrong(format!("it has no column {}, which {}", quoted(&column.name), NEEDED)))?;
        let to = values.as_mut_slice()[i..].iter_mut().step_by(columns.len());
        for (row, (to, cell)) in to.zip(cells).enumerate() {
            *to = cell.ok_or_else(|| wrong(format!("row {}: {} is missing", row + 1, quoted(&column.name))))?;
        }
    }
    match rows {
        0 => Err(wrong("it holds no rows".to_owned())),
        _ => Ok(run.context.spread(values, 0)),
    }
}

/// What a file's column of this name says row by row, a number or that of a class; `None` in place of all where no column has the
/// name, and of one that is missing.
fn cells_of(column: &Given, file: &[Series]) -> Result<Option<Vec<Option<f64>>>, String> {
    let Some(series) = file.iter().find(|series| series.name().as_str() == column.name) else { return Ok(None) };
    let cell = |row: usize| {
        let value = series.get(row).map_err(|error| error.to_string())?;
        if value.is_null() {
            return Ok(None);
        }
        let text = value.extract::<f64>().map_or_else(|| value.str_value().into_owned(), |number| number.to_string());
        column.read(&text).map(Some).map_err(|why| format!("row {}: {why}", row + 1))
    };
    (0..series.len()).map(cell).collect::<Result<_, _>>().map(Some)
}

/// The class of every row of `input` by its number, where the file has the column of classes `of`; `None`: the cell is empty.
pub(super) fn read_classes(
    input: &Input,
    reading: &Reading,
    run: &SavedRun,
    of: &Given,
) -> Result<Option<Vec<Option<usize>>>, Failure> {
    let options = reading.options(&input.path, &run.spec.dataset);
    let found = read_column(input, &options, &of.name, &*loading(ProgressMode::Auto)).map_err(Failure::usage)?;
    let cells =
        cells_of(of, found.as_slice()).map_err(|why| Failure::Usage(format!("`{}`: {why}", input.path.display())))?;
    Ok(cells.map(|cells| cells.into_iter().map(|cell| cell.map(|class| class as usize)).collect()))
}

/// The context that `pairs` of names and values tell: shape `[1, context]`.
pub(super) fn context_of(pairs: &[(String, String)], run: &SavedRun) -> Result<Matrix<f64>, Failure> {
    let columns = &run.context.columns;
    if let Some((name, _)) = pairs.iter().find(|(name, _)| columns.iter().all(|column| column.name != *name)) {
        let known = columns.iter().map(|column| quoted(&column.name)).collect::<Vec<_>>().join(", ");
        return Err(Failure::Usage(format!("--given {name}: the run is conditional on {known}")));
    }
    let values = columns.iter().map(|column| {
        let mut said = pairs.iter().filter(|(name, _)| *name == column.name);
        match (said.next(), said.next()) {
            (Some((_, value)), None) => column.read(value).map_err(|why| Failure::Usage(format!("--given: {why}"))),
            (Some(_), Some(_)) => Err(Failure::Usage(format!("--given tells {} twice", quoted(&column.name)))),
            (None, _) => Err(Failure::Usage(format!(
                "--given lacks {}, which {NEEDED}: add --given {0}=…",
                quoted(&column.name)
            ))),
        }
    });
    Ok(run.context.spread(Matrix::new(values.collect::<Result<_, _>>()?, columns.len()), 0))
}

/// Of a column of the context.
const NEEDED: &str = "the run's density is conditional on";

/// All columns of `input` as they are, to be written as `format` before a column `result`.
pub(super) fn copied(
    input: &Input,
    reading: &Reading,
    run: &SavedRun,
    format: TableFormat,
    result: &str,
) -> Result<Vec<(String, Column)>, Failure> {
    let options = reading.options(&input.path, &run.spec.dataset);
    let columns = read_columns(input, &options, &*loading(ProgressMode::Auto)).map_err(Failure::usage)?;
    if columns.iter().any(|column| column.name().as_str() == result) {
        return Err(Failure::Usage(format!(
            "`{}` has a column `{result}` already; rename it in the file, or leave out --with-columns",
            input.path.display()
        )));
    }
    // Text goes to text as it stands; other formats have numbers.
    let as_written = |column| if format == TableFormat::Csv { column } else { typed(column, options.decimal) };
    Ok(columns.into_iter().map(|column| (column.name().to_string(), Column::Copied(as_written(column)))).collect())
}
