//! Reading tables of numbers. One file a format, one line in [`READERS`].

use std::io::Read;
use std::path::Path;

use polars::prelude::{NamedFrom, Series};

use super::error::{CellProblem, DataError, Place, finite, reading};
use super::memory;
use super::pixels;
use super::quote::quoted;
use crate::matrix::Matrix;
use crate::shape::Shape;
use crate::spec::{ColumnName, Decimal, Duplicates, FileFormat};

mod cifar;
mod classes;
mod contents;
mod counting;
mod crop;
mod csv;
mod idx;
mod images;
mod input;
mod npy;
mod npz;
mod options;
mod parquet;
mod picture;
mod resize;
mod rows;
mod selection;
mod signature;

pub use csv::typed;
pub use input::Input;
pub use options::{Incomplete, ReadOptions};
pub use selection::Selection;

/// Named columns of finite numbers.
#[derive(Clone, Debug, PartialEq)]
pub struct Table {
    /// Shape `[columns]`.
    pub columns: Vec<String>,
    /// Shape `[rows, columns]`, at least one of each.
    pub rows: Matrix<f64>,
    /// Which data rows of the file they are, from 1; none: all, in order.
    pub numbers: Option<Vec<usize>>,
    /// Name and values of the column of weights, shape `[rows]`, where one is asked for.
    pub weights: Option<(String, Vec<f64>)>,
    /// Of every column that the density is conditional on, the last ones of `columns` and `rows`, its words by their numbers in
    /// `rows`; `None`: it holds numbers.
    pub context: Vec<Option<Vec<String>>>,
    /// Whether the file itself names its columns; if not, they are called x1, x2, …
    pub named: bool,
    /// Where the format says so: all values are whole numbers from 0 to one less than this.
    pub levels: Option<u32>,
    /// What the reader had to guess or leave out, a sentence each.
    pub warnings: Vec<String>,
}

impl Table {
    /// How a row's values lie.
    pub fn shape(&self) -> Shape {
        pixels::shape(&self.columns[..self.features()])
    }

    /// Whether its rows are such images, or as many values that are not known to be an image.
    pub fn is_of(&self, images: Shape) -> bool {
        let own = self.shape();
        own == images || (!own.is_image() && own.values() == images.values())
    }

    /// Columns that are features.
    pub fn features(&self) -> usize {
        self.columns.len() - self.context.len()
    }

    /// Takes the last column for the weights.
    fn split_off_weights(&mut self) {
        let Some(name) = self.columns.pop() else { return };
        let features = self.columns.len();
        self.weights = Some((name, self.rows.iter_rows().map(|row| row[features]).collect()));
        self.rows = Matrix::new(self.rows.iter_rows().flat_map(|row| &row[..features]).copied().collect(), features);
    }

    /// Checks that every row weighs something, and not endlessly much.
    fn check_weights(&self, path: &Path) -> Result<(), DataError> {
        let Some((name, weights)) = &self.weights else { return Ok(()) };
        match weights.iter().position(|weight| !(*weight > 0.0 && weight.is_finite())) {
            None => Ok(()),
            Some(at) => {
                let place = Place { path: path.to_owned(), row: self.number(at), line: None, column: name.clone() };
                Err(DataError::Cell { place, problem: CellProblem::Weight { value: weights[at] } })
            }
        }
    }

    /// Which data row of the file row `row` (from 0) is, from 1.
    pub fn number(&self, row: usize) -> usize {
        self.numbers.as_ref().map_or(row + 1, |numbers| numbers[row])
    }
}

/// Hears how much of a file has been read: the file, and what is done of how much, in bytes.
pub type Watch = dyn Fn(&Path, u64, u64) + Send + Sync;

/// A file that is being read, and how.
struct Source<'a> {
    path: &'a Path,
    input: &'a Input,
    options: &'a ReadOptions,
    watch: &'a Watch,
}

/// On which line of a text a row stands, both from 1.
type Line = fn(&Source, usize) -> Result<Option<usize>, DataError>;

/// Tells, by the names of all columns of a file, the places of those that are wanted.
type Wanted<'a> = &'a dyn Fn(&[String]) -> Result<Vec<usize>, DataError>;

/// Reads the columns of a file that are wanted, in that order; what others hold does not matter.
type Columns = fn(&Source, Wanted) -> Result<Vec<Series>, DataError>;

struct Reader {
    format: FileFormat,
    read: fn(&Source) -> Result<Table, DataError>,
    /// Columns as they are in the file; `None`: they are numbers, which `read` gives.
    columns: Option<Columns>,
    /// `None`: it has no lines.
    line: Option<Line>,
}

const READERS: &[Reader] = &[
    Reader {
        format: FileFormat::Csv,
        read: |source| csv::read(source, b','),
        columns: Some(|source, wanted| csv::columns(source, b',', wanted)),
        line: Some(|source, row| csv::line_of(source, b',', row)),
    },
    Reader {
        format: FileFormat::Tsv,
        read: |source| csv::read(source, b'\t'),
        columns: Some(|source, wanted| csv::columns(source, b'\t', wanted)),
        line: Some(|source, row| csv::line_of(source, b'\t', row)),
    },
    Reader { format: FileFormat::Parquet, read: parquet::read, columns: Some(parquet::columns), line: None },
    Reader { format: FileFormat::Npy, read: npy::read, columns: None, line: None },
    Reader { format: FileFormat::Npz, read: npz::read, columns: None, line: None },
    Reader { format: FileFormat::Idx, read: idx::read, columns: None, line: None },
    Reader { format: FileFormat::Cifar, read: cifar::read, columns: None, line: None },
    Reader { format: FileFormat::Images, read: images::read, columns: None, line: None },
];

/// Reads the columns of `path` that `options` ask for; `watch` hears of it as it goes.
///
/// # Errors
/// An unknown extension, a damaged file, a value that is missing, not a number or not finite: with file, row and column.
pub fn read_table(path: &Path, options: &ReadOptions, watch: &Watch) -> Result<Table, DataError> {
    read_input(&Input::file(path), options, watch)
}

/// As [`read_table`], from a file or a stream.
///
/// # Errors
/// As [`read_table`].
pub fn read_input(input: &Input, options: &ReadOptions, watch: &Watch) -> Result<Table, DataError> {
    let path = &*input.path;
    let reader = reader_of(input, options)?;
    let source = Source { path, input, options, watch };
    let words = match reader.columns {
        Some(columns) if !options.selection.context.is_empty() => match classes::words(&source, columns) {
            // The reader looks for the same columns, and knows whether the file names them.
            Err(DataError::UnknownColumn { .. }) => Vec::new(),
            words => words?,
        },
        _ => Vec::new(),
    };
    let numbers = classes::without(options, &words);
    let mut table = (reader.read)(&Source { options: &numbers, ..source })?;
    if options.selection.weight.is_some() {
        table.split_off_weights();
    }
    classes::put(&mut table, options.selection.context.len(), words);
    if options.processed.is_some_and(|shape| table.is_of(shape)) {
        if options.crop.or(options.resize).is_some() {
            let warning = "its images have the size that was learned, and are taken as they are";
            table.warnings.push(format!("`{}`: {warning}", path.display()));
        }
    } else {
        options.crop.map_or(Ok(()), |size| crop::crop(&mut table, size, path))?;
        options.resize.map_or(Ok(()), |size| resize::resize(&mut table, size, path))?;
    }
    let counting = counting::warnings(&table).into_iter().map(|warning| format!("`{}`: {warning}", path.display()));
    table.warnings.extend(counting);
    if options.incomplete == Incomplete::LeftOut {
        rows::drop_missing(&mut table, path)?;
    }
    table.check_weights(path)?;
    if options.duplicates == Duplicates::Drop {
        rows::drop_duplicates(&mut table, path);
    }
    if let Some(most) = options.rows {
        rows::keep_first(&mut table, most);
    }
    if table.rows.rows() == 0 { Err(DataError::Empty { path: path.to_owned() }) } else { Ok(table) }
}

/// What separates the cells of the text `path`, and its decimal sign, by the look of its first rows; `usual`: where nothing speaks
/// against it.
///
/// # Errors
/// A file that is no text or cannot be read.
pub fn look(path: &Path, usual: char) -> Result<(char, Decimal), DataError> {
    let (input, options) = (Input::file(path), ReadOptions::default());
    csv::look(&Source { path, input: &input, options: &options, watch: &|_, _, _| {} }, usual as u8)
}

/// All columns of `input` as they are written there, text among them, whatever the options choose; numbers of a text are text.
///
/// # Errors
/// As [`read_table`], and columns of a type that is not read.
pub fn read_columns(input: &Input, options: &ReadOptions, watch: &Watch) -> Result<Vec<Series>, DataError> {
    read_wanted(input, options, watch, &|names| Ok((0..names.len()).collect()))
}

/// As [`read_columns`], those alone that are called one of `names`.
///
/// # Errors
/// As [`read_columns`].
pub fn read_columns_named(
    input: &Input,
    options: &ReadOptions,
    names: &[&str],
    watch: &Watch,
) -> Result<Vec<Series>, DataError> {
    let of_them = |all: &[String]| (0..all.len()).filter(|&i| names.contains(&all[i].as_str())).collect();
    read_wanted(input, options, watch, &|all| Ok(of_them(all)))
}

/// The column `name` of `input` as [`read_columns`] has it; `None` where no column has the name.
///
/// # Errors
/// As [`read_columns`].
pub fn read_column(
    input: &Input,
    options: &ReadOptions,
    name: &str,
    watch: &Watch,
) -> Result<Option<Series>, DataError> {
    let place = |names: &[String]| Ok(names.iter().position(|other| other == name).into_iter().collect());
    let mut options = options.clone();
    let is_asked_by_name = reader_of(input, &options)?.columns.is_none();
    if is_asked_by_name {
        // Formats whose classes lie apart from the images look for those that are asked for.
        options.selection = Selection { context: vec![ColumnName::Name(name.to_owned())], ..Selection::default() };
    }
    match read_wanted(input, &options, watch, &place) {
        Err(DataError::UnknownColumn { .. } | DataError::Refused { .. }) if is_asked_by_name => Ok(None),
        columns => Ok(columns?.pop()),
    }
}

fn read_wanted(input: &Input, options: &ReadOptions, watch: &Watch, wanted: Wanted) -> Result<Vec<Series>, DataError> {
    let path = &*input.path;
    let reader = reader_of(input, options)?;
    if let Some(columns) = reader.columns {
        return columns(&Source { path, input, options, watch }, wanted);
    }
    let table = (reader.read)(&Source { path, input, options, watch })?;
    let values = |column: usize| table.rows.iter_rows().map(|row| row[column]).collect::<Vec<f64>>();
    let series = |i: usize| Series::new(table.columns[i].as_str().into(), values(i));
    Ok(wanted(&table.columns)?.into_iter().map(series).collect())
}

/// On which line of `input` its data row `row` stands, both from 1; `None` where it has no lines, or they cannot be read.
pub fn line_of(input: &Input, options: &ReadOptions, row: usize) -> Option<usize> {
    let line = reader_of(input, options).ok()?.line?;
    line(&Source { path: &input.path, input, options, watch: &|_, _, _| {} }, row).ok()?
}

/// Who reads `input`, once its first bytes are known to be of that format.
fn reader_of(input: &Input, options: &ReadOptions) -> Result<&'static Reader, DataError> {
    let path = &*input.path;
    let told = || FileFormat::of(path).filter(|format| *format != FileFormat::Images || path.is_dir());
    let format = options.format.or_else(told);
    let Some(reader) = READERS.iter().find(|reader| Some(reader.format) == format) else {
        return Err(unknown_extension(path));
    };
    if !(reader.format.is_in_folders() && path.is_dir()) {
        let mut start = Vec::new();
        input.open()?.take(signature::START as u64).read_to_end(&mut start).map_err(reading(path))?;
        // Those that may be gzipped look at what they unfold.
        signature::check(path, &start, reader.format)?;
    }
    Ok(reader)
}

fn unknown_extension(path: &Path) -> DataError {
    let hint = match crate::spec::is_pickle(path) {
        true => "; pickles can run code and are not read: save the array with `numpy.save`",
        false => "; if it is one of these, say which with `format`",
    };
    DataError::Extension { path: path.to_owned(), known: FileFormat::extensions().join(", "), hint }
}

/// Whole numbers from here on may have been rounded: they are no longer all among 64-bit floats: 2⁵³.
const LAST_EXACT: f64 = 9_007_199_254_740_992.0;

/// A warning where whole numbers were rounded: those columns (of `columns`, with `rows`) that are `whole` in the file and reach
/// beyond 2⁵³.
fn rounded(path: &Path, columns: &[String], rows: &Matrix<f64>, whole: impl Fn(usize) -> bool) -> Option<String> {
    let reaches = |column: usize| rows.iter_rows().any(|row| row[column].abs() >= LAST_EXACT);
    let names = (0..columns.len()).filter(|&column| whole(column) && reaches(column));
    let names: Vec<String> = names.map(|column| quoted(&columns[column])).collect();
    (!names.is_empty()).then(|| {
        format!(
            "`{}`: whole numbers beyond 2^53 in {} are rounded to 64-bit floats: those that differ in the last digits only become \
             equal; subtract an offset before, or `drop` the columns if they are names of things",
            path.display(),
            names.join(", ")
        )
    })
}

/// Names for columns that have none: x1, x2, …
fn numbered(columns: usize) -> Vec<String> {
    (1..=columns).map(|i| format!("x{i}")).collect()
}

impl Source<'_> {
    /// The error for a file that is not what its format asks for.
    fn damaged(&self, format: &'static str, problem: impl ToString) -> DataError {
        DataError::Damaged { path: self.path.to_owned(), format, problem: problem.to_string() }
    }

    /// Checks that memory has room for `rows` × `columns` numbers, `copies` times.
    fn room_for(&self, rows: usize, columns: usize, copies: u64) -> Result<(), DataError> {
        memory::room_for(rows.saturating_mul(copies as usize), columns).map_err(|(needed, free)| {
            let problem = format!(
                "has {rows} rows, which take {needed}, and {free} of memory are free; write fewer rows to it, or learn fewer \
                 `columns`"
            );
            DataError::Refused { path: self.path.to_owned(), problem }
        })
    }

    /// A number as read: finite, or NaN for a missing one whose row is not refused.
    fn value(&self, value: Result<f64, CellProblem>) -> Result<f64, CellProblem> {
        self.options.or_missing(value.and_then(finite))
    }

    /// The chosen ones of the columns `names` of an array of `rows` rows; `value` gives the number at a row and a column.
    fn array(
        &self,
        names: &[String],
        rows: usize,
        value: impl Fn(usize, usize) -> f64 + Sync,
    ) -> Result<(Vec<String>, Matrix<f64>), DataError> {
        use rayon::prelude::*;
        /// Rows that one thread converts at a time.
        const AT_ONCE: usize = 4096;
        if rows == 0 || names.is_empty() {
            return Err(DataError::Empty { path: self.path.to_owned() });
        }
        let chosen = self.options.selection.resolve(self.path, names);
        let chosen = chosen.map_err(|error| error.of_nameless(names.len(), None))?;
        let width = chosen.len();
        self.room_for(rows, width, 1)?;
        let mut matrix = Matrix::zeros(rows, width);
        let blocks = matrix.as_mut_slice().par_chunks_mut(AT_ONCE * width).enumerate();
        // Of several faults the first row's is reported, whichever thread finds one first.
        let faults: Vec<Option<DataError>> = blocks
            .map(|(block, cells)| {
                for (i, row) in cells.chunks_exact_mut(width).enumerate() {
                    let number = block * AT_ONCE + i;
                    for (cell, &column) in row.iter_mut().zip(&chosen) {
                        match self.value(Ok(value(number, column))) {
                            Ok(value) => *cell = value,
                            Err(problem) => return Some(self.cell(number, &names[column], problem)),
                        }
                    }
                }
                None
            })
            .collect();
        match faults.into_iter().flatten().next() {
            Some(fault) => Err(fault),
            None => Ok((chosen.into_iter().map(|column| names[column].clone()).collect(), matrix)),
        }
    }

    /// A value of a file that has no lines that cannot be learned from; `row` counts from 0.
    fn cell(&self, row: usize, column: &str, problem: CellProblem) -> DataError {
        let place = Place { path: self.path.to_owned(), row: row + 1, line: None, column: column.to_owned() };
        DataError::Cell { place, problem }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(path: &Path) -> String {
        read_table(path, &ReadOptions::default(), &|_, _, _| {}).unwrap_err().to_string()
    }

    #[test]
    fn unknown_kinds_of_files_are_refused_with_the_known_ones() {
        let cases = [("a.xlsx", ".csv, .csv.gz, .tsv"), ("a.pkl", "numpy.save"), ("a", "`format`")];
        for (name, expected) in cases {
            let text = refusal(Path::new(name));
            assert!(text.contains(expected), "{text}");
        }
    }

    #[test]
    fn the_format_overrides_the_extension() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("A.DAT");
        std::fs::write(&path, "a,b\n1,2\n").unwrap();
        let options = ReadOptions { format: Some(FileFormat::Csv), ..ReadOptions::default() };
        let table = read_table(&path, &options, &|_, _, _| {}).unwrap();
        assert_eq!(table.rows.as_slice(), [1.0, 2.0]);
    }

    #[test]
    fn more_numbers_than_memory_holds_are_refused_with_both_sizes() {
        let (input, options) = (Input::file(Path::new("a.npy")), ReadOptions::default());
        let source = Source { path: &input.path, input: &input, options: &options, watch: &|_, _, _| {} };
        let text = source.room_for(1 << 50, 2, 1).unwrap_err().to_string();
        assert!(text.contains("`a.npy` has 1125899906842624 rows, which take 18.0 PB, and "), "{text}");
        assert!(source.room_for(1000, 2, 2).is_ok());
    }

    #[test]
    fn every_format_has_a_reader() {
        for name in FileFormat::names() {
            assert!(READERS.iter().any(|reader| reader.format.name() == name), "{name}");
        }
    }

    #[test]
    fn missing_rows_duplicates_and_the_limit_are_applied_in_this_order() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.csv");
        std::fs::write(&path, "a,b\n1,2\n1,NA\n1,2\n-0,3\n0,3\n5,\n7,8\n").unwrap();
        let options = ReadOptions { incomplete: Incomplete::LeftOut, ..ReadOptions::default() };
        let read = |options: &ReadOptions| read_table(&path, options, &|_, _, _| {}).unwrap();
        let table = read(&options);
        assert_eq!(table.rows.as_slice(), [1.0, 2.0, 1.0, 2.0, 0.0, 3.0, 0.0, 3.0, 7.0, 8.0]);
        assert!(table.warnings[0].contains("2 of 7 rows have missing values"), "{:?}", table.warnings);
        let options = ReadOptions { duplicates: Duplicates::Drop, ..options };
        let table = read(&options);
        assert_eq!(table.rows.as_slice(), [1.0, 2.0, 0.0, 3.0, 7.0, 8.0]);
        assert!(table.warnings[1].contains("2 of 5 rows equal an earlier one"), "{:?}", table.warnings);
        let table = read(&ReadOptions { rows: Some(2), ..options });
        assert_eq!(table.rows.as_slice(), [1.0, 2.0, 0.0, 3.0]);
    }
}
