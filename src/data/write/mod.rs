//! Writing tables of numbers. One file a format, one line in [`WRITERS`].

use std::fs::File;
use std::io::{self, BufWriter, ErrorKind};
use std::path::Path;

use super::error::DataError;
use crate::atomic::{WriteError, write_view};
use crate::matrix::Matrix;

mod csv;
mod npy;
mod parquet;

/// The values of a column, one a row.
#[derive(Clone, Debug, PartialEq)]
pub enum Column {
    F32(Vec<f32>),
    F64(Vec<f64>),
}

impl Column {
    fn len(&self) -> usize {
        match self {
            Self::F32(values) => values.len(),
            Self::F64(values) => values.len(),
        }
    }
}

impl From<Vec<f32>> for Column {
    fn from(values: Vec<f32>) -> Self {
        Self::F32(values)
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

type Sink<'a> = &'a mut BufWriter<File>;

type WriteFn = fn(Sink, &[(String, Column)]) -> io::Result<()>;

struct Writer {
    /// With the dot, lower case.
    extension: &'static str,
    write: WriteFn,
}

const WRITERS: &[Writer] = &[
    Writer { extension: ".parquet", write: parquet::write },
    Writer { extension: ".csv", write: csv::write },
    Writer { extension: ".npy", write: npy::write },
];

/// Writes named columns of equal length to `path`, in the format of its extension: `.parquet`, `.csv`, or `.npy` (an
/// array of shape `[rows, columns]` without the names). The file appears whole or not at all, replacing one of its name.
///
/// # Errors
/// An unknown extension, and whatever keeps the file from being written.
pub fn write_table(path: &Path, columns: &[(String, Column)]) -> Result<(), DataError> {
    let rows = columns.first().map_or(0, |(_, column)| column.len());
    assert!(columns.iter().all(|(_, column)| column.len() == rows), "columns of different lengths");
    let name = path.file_name().unwrap_or_default().to_string_lossy().to_lowercase();
    let Some(writer) = WRITERS.iter().find(|writer| name.ends_with(writer.extension)) else {
        let known: Vec<&str> = WRITERS.iter().map(|writer| writer.extension).collect();
        return Err(DataError::Extension { path: path.to_owned(), known: known.join(", "), hint: "" });
    };
    // A shorter word for it than the system's, which names the temporary file.
    if let Some(folder) = path.parent().filter(|folder| *folder != Path::new("") && !folder.is_dir()) {
        let source = io::Error::new(ErrorKind::NotFound, format!("there is no folder `{}`", folder.display()));
        return Err(DataError::Write { path: path.to_owned(), source });
    }
    let write = |file: &mut BufWriter<File>| (writer.write)(file, columns);
    write_view(path, write).map_err(|WriteError { path, source }| DataError::Write { path, source })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::{ReadOptions, read_table};

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
