//! What can be wrong with data, and what to do about it.

use std::fmt;
use std::path::{Path, PathBuf};

use super::quote::{as_toml, listed, quoted, sentence};
use super::strays::Strays;
use super::transform::Transform;
use crate::shape::Shape;
use crate::spec::near_file;
use crate::toys::ToyError;

/// An error in the data or in what the spec asks of them. Its text names file, row and column, and the remedy.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "every message tells what its fields are")]
pub enum DataError {
    #[error(transparent)]
    Toy(#[from] ToyError),
    #[error("the dataset names neither a toy nor a file; set `dataset.name` or `dataset.path`")]
    NoSource,
    #[error("`dataset.{part} = {amount}`: {problem}")]
    Amount { part: &'static str, amount: String, problem: &'static str },
    #[error(
        "`dataset.{part} = {rows}`: the rows of all parts take about {needed} of memory, and {free} are free; lower it{}",
        if *part == "train" { ", or set `train = \"fresh\"`, which draws rows as they are needed" } else { "" }
    )]
    TooLarge { part: &'static str, rows: usize, needed: String, free: String },
    #[error(
        "found no file {}{}",
        tried.iter().map(|path| format!("`{}`", path.display())).collect::<Vec<_>>().join(" nor "),
        tried.iter().find_map(|path| near_file(path)).map_or(String::new(), |near| format!("; did you mean `{}`?", near.display()))
    )]
    NotFound { tried: Vec<PathBuf> },
    #[error("cannot read `{}`: {source}", path.display())]
    Read { path: PathBuf, source: std::io::Error },
    #[error("cannot write `{}`: {source}", path.display())]
    Write { path: PathBuf, source: std::io::Error },
    #[error("`{}`: unknown kind of file; known extensions: {known}{hint}", path.display())]
    Extension { path: PathBuf, known: String, hint: &'static str },
    #[error("`{}` is not a valid {format} file: {}", path.display(), sentence(problem))]
    Damaged { path: PathBuf, format: &'static str, problem: String },
    /// Not what can be read at all: a device, too large, a file of another kind.
    #[error("`{}` {problem}", path.display())]
    Refused { path: PathBuf, problem: String },
    #[error("`{}` holds no rows", path.display())]
    Empty { path: PathBuf },
    #[error("`{}`: every row has a missing value{}", path.display(), blank_columns(columns))]
    AllMissing { path: PathBuf, columns: Vec<String> },
    #[error("`{}`, line {line}: {problem}", path.display())]
    Quote { path: PathBuf, line: usize, problem: &'static str },
    #[error("`{}`, row {row} (line {line}): {found} cells where the first line has {expected}; mend or remove the row", path.display())]
    Ragged { path: PathBuf, row: usize, line: usize, expected: usize, found: usize },
    #[error("{place}: {problem}")]
    Cell { place: Place, problem: CellProblem },
    #[error("`{}`: column {} holds {found}; {hint}", path.display(), quoted(column))]
    ColumnType { path: PathBuf, column: String, found: String, hint: String },
    #[error("`{}` has no column {}{hint}", path.display(), quoted(column))]
    UnknownColumn {
        path: PathBuf,
        column: String,
        hint: String,
        /// How many columns it has, where it has no names for them.
        nameless: Option<usize>,
    },
    #[error("`{}` has images of {found}, and the run learned images of {learned}", path.display())]
    OtherImages { path: PathBuf, found: Shape, learned: Shape },
    #[error("`{}` has {columns} columns, and no column {number}; columns count from 1, or from -1 backwards", path.display())]
    ColumnNumber { path: PathBuf, number: i64, columns: usize },
    #[error("`{}`: column {} appears twice; give every column a name of its own", path.display(), quoted(column))]
    TwiceColumn { path: PathBuf, column: String },
    #[error("`{}`: no column is left to learn; see `columns` and `drop`", path.display())]
    NoColumns { path: PathBuf },
    #[error(
        "`{}`: column {} is {} in every training row, so it has no density; \
         leave it out with `drop = [{}]`, or set `dequantize` if its values are counts",
        path.display(),
        quoted(column),
        shown_as_held(*value),
        as_toml(column)
    )]
    Constant { path: PathBuf, column: String, value: f64 },
    #[error("`{}`: `dequantize` lists {steps} steps for {columns} columns; list one a column learned, in their order, or one number for all", path.display())]
    StepCount { path: PathBuf, columns: usize, steps: usize },
    #[error(
        "`{}`: column {} is the weight of rows, and so neither a feature nor left out; take it out of `columns`, \
         `drop` and `label`",
        path.display(),
        quoted(column)
    )]
    WeightElsewhere { path: PathBuf, column: String },
    /// A column that the density is conditional on cannot be that.
    #[error("`{}`: column {}, which the density is conditional on, {problem}", path.display(), quoted(column))]
    Context { path: PathBuf, column: String, problem: String },
    #[error("`dataset.transform` names {}, which is no column learned from `{}`{hint}", quoted(column), path.display())]
    TransformColumn { path: PathBuf, column: String, hint: String },
    #[error("`{}` has {found} where the first file of the dataset has {expected}; all parts must have the same columns", path.display())]
    OtherColumns { path: PathBuf, expected: String, found: String },
    #[error("`{}` has {rows} rows, but train + validation + test ask for {asked}", path.display())]
    TooManyRows { path: PathBuf, rows: usize, asked: usize },
    #[error("fractions of train, validation and test sum to {sum}; they must sum to at most 1")]
    Fractions { sum: f64 },
    #[error("the {part} part of `{}` gets none of its {rows} rows; enlarge `dataset.{part}`", path.display())]
    EmptyPart { path: PathBuf, part: &'static str, rows: usize },
    #[error(
        "{}{rows} training rows are fewer than a batch of {batch_size}; \
         lower `training.batch_size` or enlarge `dataset.train`",
        path.as_ref().map(|path| format!("`{}`: its ", path.display())).unwrap_or_default()
    )]
    FewerThanBatch { path: Option<PathBuf>, rows: usize, batch_size: usize },
    /// The model cannot be made for rows of this shape.
    #[error("`{key}`: {why}")]
    Unfit { key: &'static str, why: String },
}

impl DataError {
    /// The same of a file that has so many columns and names for none; `hint`: what to say instead of names that are near.
    pub(super) fn of_nameless(self, columns: usize, hint: Option<&str>) -> Self {
        match self {
            Self::UnknownColumn { path, column, hint: near, .. } => {
                let hint = hint.map_or(near, str::to_owned);
                Self::UnknownColumn { path, column, hint, nameless: Some(columns) }
            }
            error => error,
        }
    }
}

/// Where a value stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The file.
    pub path: PathBuf,
    /// Data row, from 1.
    pub row: usize,
    /// Line of a text file, from 1.
    pub line: Option<usize>,
    /// Name of the column.
    pub column: String,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}`, row {}", self.path.display(), self.row)?;
        if let Some(line) = self.line {
            write!(f, " (line {line})")?;
        }
        write!(f, ", column {}", quoted(&self.column))
    }
}

/// Why a value cannot be learned from.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[expect(missing_docs, reason = "every message tells what its fields are")]
pub enum CellProblem {
    #[error("the cell is empty; fill it, or set `missing = \"drop\"` to leave such rows out")]
    Empty,
    #[error("{} is a missing value; fill it, or set `missing = \"drop\"` to leave such rows out", quoted(.0))]
    Missing(String),
    #[error("{} is not finite; remove the row", quoted(.0))]
    Infinite(String),
    /// A cell of a column of images holds none, or one that differs from the others.
    #[error("{}", sentence(.0))]
    Image(String),
    #[error("{}", not_a_number(cell, remedy, strays.as_deref()))]
    Text {
        cell: String,
        remedy: &'static str,
        /// Where the whole column has been looked at.
        strays: Option<Box<Strays>>,
    },
    #[error("{} is not within `bounds` from {low} to {high}, the noise's width included; widen them", shown(*value))]
    OutOfBounds { value: f64, low: f64, high: f64 },
    #[error(
        "{}{} is not {transform}, as the column's transform, {}, needs; where it stands for a missing value, empty the cell and set \
         `missing = \"drop\"`, or remove the row; where it is one of the column, move the ends of the transform in \
         `dataset.transform`, or use \"symlog\", which takes all numbers",
        shown(*value),
        if *step > 0.0 { " with its noise" } else { "" },
        transform.name()
    )]
    OutsideSupport { value: f64, step: f64, transform: Transform },
    #[error(
        "{} is no weight of a row: weights are above 0; leave out rows that are not to count",
        if value.is_nan() { "nothing".to_owned() } else { shown(*value) }
    )]
    Weight { value: f64 },
    #[error("{} is beyond the range of 64-bit floats (1.8e308); rescale the column", sentence(.0))]
    TooLarge(String),
    #[error("{} is too far from the training rows for the 32-bit floats of a flow; correct the value or remove the row", shown(*.0))]
    TooFar(f64),
}

/// What to do about a cell that is no number where nothing in it tells.
pub(super) const TEXT: &str = "if the column is text, leave it out with `drop`";

/// `remedy`: by the look of the cell; the look of the column, where it is known, says more.
fn not_a_number(cell: &str, remedy: &str, strays: Option<&Strays>) -> String {
    let what = format!("{} is not a number", quoted(cell));
    let is_told = remedy != TEXT;
    match strays {
        Some(strays) if strays.are_few() => {
            let remedy = match is_told {
                true => remedy,
                false => {
                    "correct such cells, or empty them and set `missing = \"drop\"`, or leave the column out with `drop`"
                }
            };
            format!("{what}, as {} of {} cells of the column; {remedy}", strays.cells, strays.of)
        }
        Some(strays) if let (false, Some(classes)) = (is_told, strays.classes()) => format!(
            "{what}; the column has {classes} different words: leave it out with `drop`, or name it in `dataset.context`, for a \
             density given the class"
        ),
        _ => format!("{what}; {remedy}"),
    }
}

/// As [`shown`], with a remark where a whole number of the file may have been rounded to this float.
fn shown_as_held(value: f64) -> String {
    let rounded = if value.abs() >= 9_007_199_254_740_992.0 { " (rounded to 64-bit floats)" } else { "" };
    format!("{}{rounded}", shown(value))
}

/// A number of a file as people write it, whatever its size.
pub(crate) fn shown(value: f64) -> String {
    match value.abs() {
        0.0 | 1e-4..1e15 => value.to_string(),
        _ => format!("{value:e}"),
    }
}

/// A finite number as read, or why it is none.
pub(super) fn finite(value: f64) -> Result<f64, CellProblem> {
    match value {
        _ if value.is_finite() => Ok(value),
        _ if value.is_nan() => Err(CellProblem::Missing("NaN".into())),
        _ => Err(CellProblem::Infinite(value.to_string())),
    }
}

/// The end of an "unknown name" message: the near names, or else all known ones.
pub(super) fn near_names<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> String {
    let known: Vec<&str> = known.collect();
    let lower = name.to_lowercase();
    let mut near: Vec<(usize, &str)> = known
        .iter()
        .map(|candidate| (strsim::damerau_levenshtein(&lower, &candidate.to_lowercase()), *candidate))
        .filter(|(distance, candidate)| {
            *distance <= 2.max(candidate.chars().count() / 4) && *distance < candidate.chars().count()
        })
        .collect();
    near.sort();
    match (near.is_empty(), known.len()) {
        (true, 0) => "; there are none".into(),
        (true, _) => format!("; known: {}", listed(known.into_iter())),
        (false, _) => {
            let names: Vec<&str> = near.iter().take(3).map(|(_, candidate)| *candidate).collect();
            format!("; did you mean {}?", listed(names.into_iter()))
        }
    }
}

/// Names of columns without a value, and what to do about them.
fn blank_columns(columns: &[String]) -> String {
    match columns {
        [] => String::new(),
        _ => {
            let names = listed(columns.iter().map(String::as_str));
            let drop = columns.iter().take(20).map(|name| as_toml(name)).collect::<Vec<_>>().join(", ");
            format!("; nothing stands in {names}: leave out such columns with `drop = [{drop}]`")
        }
    }
}

/// `map_err` for reading `path`.
pub(super) fn reading(path: &Path) -> impl Fn(std::io::Error) -> DataError + '_ {
    |source| match source.kind() {
        std::io::ErrorKind::NotFound => DataError::NotFound { tried: vec![path.to_owned()] },
        _ => DataError::Read { path: path.to_owned(), source },
    }
}
