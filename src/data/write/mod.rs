//! Writing tables of numbers. One file a format, one line in [`WRITERS`].

use std::io::{self, ErrorKind, Write};
use std::path::Path;
use std::str::FromStr;

use polars::prelude::{NamedFrom, Series};

use super::error::DataError;
use crate::atomic::{WriteError, write_view};
use crate::matrix::Matrix;

mod csv;
mod npy;
mod parquet;

/// The values of a column, one a row.
#[derive(Clone, Debug, PartialEq)]
pub enum Column {
    /// 32-bit floats.
    F32(Vec<f32>),
    /// 64-bit floats.
    F64(Vec<f64>),
    /// Values of any type, copied from another file, or some of them missing.
    Copied(Series),
}

impl Column {
    /// Number of rows.
    pub fn len(&self) -> usize {
        match self {
            Self::F32(values) => values.len(),
            Self::F64(values) => values.len(),
            Self::Copied(values) => values.len(),
        }
    }

    /// Whether it has no rows.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl From<Vec<f32>> for Column {
    fn from(values: Vec<f32>) -> Self {
        Self::F32(values)
    }
}

/// Values some of which may be missing: empty cells, nulls or NaN, as the format has it.
impl From<Vec<Option<f32>>> for Column {
    fn from(values: Vec<Option<f32>>) -> Self {
        let whole: Option<Vec<f32>> = values.iter().copied().collect();
        whole.map_or_else(|| Self::Copied(Series::new("".into(), values)), Self::F32)
    }
}

/// Values some of which may be missing: empty cells, nulls or NaN, as the format has it.
impl From<Vec<Option<f64>>> for Column {
    fn from(values: Vec<Option<f64>>) -> Self {
        let whole: Option<Vec<f64>> = values.iter().copied().collect();
        whole.map_or_else(|| Self::Copied(Series::new("".into(), values)), Self::F64)
    }
}

impl From<Vec<f64>> for Column {
    fn from(values: Vec<f64>) -> Self {
        Self::F64(values)
    }
}

/// The columns of `rows` under `names`, ready for [`write_table`].
pub fn matrix_columns<T: Copy + Default>(names: &[String], rows: &Matrix<T>) -> Vec<(String, Column)>
where
    Column: From<Vec<T>>,
{
    assert_eq!(names.len(), rows.columns(), "a name for every column");
    let values = |i: usize| rows.iter_rows().map(|row| row[i]).collect::<Vec<T>>();
    names.iter().enumerate().map(|(i, name)| (name.clone(), values(i).into())).collect()
}

/// A table that may be larger than memory: its rows are made while it is written.
pub struct Blocks<'a> {
    /// Names of the columns, in order.
    pub names: &'a [String],
    /// Number of rows of all blocks together.
    pub rows: usize,
    /// The rows a block at a time, each as columns in the order of `names`, of the same types in every block.
    pub blocks: &'a mut dyn Iterator<Item = io::Result<Vec<Column>>>,
}

type Sink<'a> = &'a mut (dyn Write + Send);

struct Writer {
    format: TableFormat,
    /// The extension, with the dot, in lower case.
    extension: &'static str,
    write: fn(Sink, Blocks) -> io::Result<()>,
}

const WRITERS: &[Writer] = &[
    Writer { format: TableFormat::Parquet, extension: ".parquet", write: parquet::write },
    Writer { format: TableFormat::Csv, extension: ".csv", write: csv::write },
    Writer { format: TableFormat::Npy, extension: ".npy", write: npy::write },
];

/// How a table is written: its name is the extension without the dot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TableFormat {
    /// Apache Parquet: columns keep their types.
    Parquet,
    /// Comma-separated text with a line of names.
    Csv,
    /// An array of shape `[rows, columns]` without the names; of images `[rows, height, width]` or, in colour,
    /// `[rows, height, width, channels]`.
    Npy,
}

impl TableFormat {
    /// The format that the extension of `path` names.
    ///
    /// # Errors
    /// An unknown extension.
    pub fn of(path: &Path) -> Result<Self, DataError> {
        let name = path.file_name().unwrap_or_default().to_string_lossy().to_lowercase();
        let told = WRITERS.iter().find(|writer| name.ends_with(writer.extension)).map(|writer| writer.format);
        let known = || WRITERS.iter().map(|writer| writer.extension).collect::<Vec<_>>().join(", ");
        told.ok_or_else(|| DataError::Extension { path: path.to_owned(), known: known(), hint: "" })
    }

    /// Its extension, with the dot.
    pub fn extension(self) -> &'static str {
        // Every format has a row, which the tests go through.
        WRITERS.iter().find(|writer| writer.format == self).map_or("", |writer| writer.extension)
    }

    /// Writes a table to `sink`.
    ///
    /// # Errors
    /// Those of the sink and of the blocks.
    pub fn write(self, sink: Sink, table: Blocks) -> io::Result<()> {
        let writer = WRITERS.iter().find(|writer| writer.format == self);
        // Every format has a row, which the tests go through.
        writer.map_or(Ok(()), |writer| (writer.write)(sink, table))
    }
}

impl FromStr for TableFormat {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        let named = |writer: &&Writer| writer.extension[1..] == *name;
        let known = || WRITERS.iter().map(|writer| &writer.extension[1..]).collect::<Vec<_>>().join(", ");
        let found = WRITERS.iter().find(named).map(|writer| writer.format);
        found.ok_or_else(|| format!("expected one of {}", known()))
    }
}

/// Writes named columns of equal length to `path`, in the format of its extension: `.parquet`, `.csv`, or `.npy` (an
/// array without the names, see [`TableFormat::Npy`]). The file appears whole or not at all, replacing one of its name.
///
/// # Errors
/// An unknown extension, and whatever keeps the file from being written.
pub fn write_table(path: &Path, columns: &[(String, Column)]) -> Result<(), DataError> {
    let rows = columns.first().map_or(0, |(_, column)| column.len());
    assert!(columns.iter().all(|(_, column)| column.len() == rows), "columns of different lengths");
    let (names, columns): (Vec<String>, Vec<Column>) = columns.iter().cloned().unzip();
    let blocks = &mut std::iter::once(Ok(columns));
    write_blocks(path, TableFormat::of(path)?, Blocks { names: &names, rows, blocks })
}

/// Writes `table` to `path` as `format`. The file appears whole or not at all, replacing one of its name.
///
/// # Errors
/// Whatever keeps the file from being written, and those of the blocks.
pub fn write_blocks(path: &Path, format: TableFormat, table: Blocks) -> Result<(), DataError> {
    // A shorter word for it than the system's, which names the temporary file.
    if let Some(folder) = path.parent().filter(|folder| *folder != Path::new("") && !folder.is_dir()) {
        let source = io::Error::new(ErrorKind::NotFound, format!("there is no folder `{}`", folder.display()));
        return Err(DataError::Write { path: path.to_owned(), source });
    }
    write_view(path, |file| format.write(file, table))
        .map_err(|WriteError { path, source }| DataError::Write { path, source })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::{ReadOptions, pixels, read_table};
    use crate::shape::Shape;
    use std::fs::File;

    #[test]
    fn what_is_written_is_read_back() {
        let folder = tempfile::tempdir().unwrap();
        let names = ["x, y".to_string(), "z \"2\"".to_string()];
        let rows = Matrix::new(vec![0.1, -2.0, 3.4e301, 1e-310, 0.0, 9_007_199_254_740_993.0_f64], 2);
        for writer in WRITERS {
            let path = folder.path().join(format!("a{}", writer.extension));
            for _ in 0..2 {
                write_table(&path, &matrix_columns(&names, &rows)).unwrap();
            }
            let table = read_table(&path, &ReadOptions::default(), &|_, _, _| {}).unwrap();
            assert_eq!(table.rows, rows, "{}", writer.extension);
            if writer.extension != ".npy" {
                assert_eq!(table.columns, names, "{}", writer.extension);
            }
        }
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), WRITERS.len(), "no temporary file is left");
    }

    #[test]
    fn blocks_make_the_same_file_as_the_whole() {
        let folder = tempfile::tempdir().unwrap();
        let names = ["a".to_string(), "b".to_string()];
        let values = |rows: std::ops::Range<u8>| {
            [1.0, -0.5].map(|factor| Column::F64(rows.clone().map(|i| f64::from(i) * factor).collect())).to_vec()
        };
        for writer in WRITERS {
            let path = folder.path().join(format!("a{}", writer.extension));
            let blocks = &mut [0..3, 3..4, 4..7].into_iter().map(|rows| Ok(values(rows)));
            write_blocks(&path, writer.format, Blocks { names: &names, rows: 7, blocks }).unwrap();
            let table = read_table(&path, &ReadOptions::default(), &|_, _, _| {}).unwrap();
            assert_eq!((table.rows.rows(), table.rows.row(6)), (7, &[6.0, -3.0][..]), "{}", writer.extension);
        }
    }

    #[test]
    fn doubles_keep_their_precision() {
        let folder = tempfile::tempdir().unwrap();
        let columns = [("log_prob".to_string(), Column::F64(vec![0.1, -1e300]))];
        let path = folder.path().join("a.csv");
        write_table(&path, &columns).unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "log_prob\n0.1\n-1e300\n");
        let path = folder.path().join("a.npy");
        write_table(&path, &columns).unwrap();
        let file = npyz::NpyFile::new(File::open(&path).unwrap()).unwrap();
        assert_eq!(file.shape(), [2, 1]);
        assert_eq!(file.into_vec::<f64>().unwrap(), [0.1, -1e300]);
    }

    #[test]
    fn images_keep_their_shape_in_an_array() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.npy");
        for (shape, expected) in [
            (Shape { height: 2, width: 3, channels: 1 }, &[4, 2, 3][..]),
            (Shape { height: 3, width: 2, channels: 3 }, &[4, 3, 2, 3]),
        ] {
            let rows = Matrix::new((0..4 * shape.values()).map(|i| i as f64).collect(), shape.values());
            write_table(&path, &matrix_columns(&pixels::names(shape), &rows)).unwrap();
            assert_eq!(npyz::NpyFile::new(File::open(&path).unwrap()).unwrap().shape(), expected);
            let table = read_table(&path, &ReadOptions::default(), &|_, _, _| {}).unwrap();
            assert_eq!((table.shape(), table.rows), (shape, rows));
        }
    }

    #[test]
    fn impossible_targets_are_refused() {
        let columns = [("a".to_string(), Column::F64(vec![0.0]))];
        let cases =
            [("a.xlsx", "known extensions: .parquet, .csv, .npy"), ("missing/a.csv", "cannot write `missing/a.csv`")];
        for (path, expected) in cases {
            let text = write_table(Path::new(path), &columns).unwrap_err().to_string();
            assert!(text.contains(expected), "{text}");
        }
    }
}
