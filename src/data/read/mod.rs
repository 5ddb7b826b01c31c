//! Reading tables of numbers. One file a format, one line in [`READERS`].

use std::path::Path;

use super::error::DataError;
use crate::matrix::Matrix;
use crate::spec::FileFormat;

mod csv;
mod npy;
mod parquet;
mod selection;

pub use selection::Selection;

/// Named columns of finite numbers.
#[derive(Clone, Debug, PartialEq)]
pub struct Table {
    /// Shape `[columns]`.
    pub columns: Vec<String>,
    /// Shape `[rows, columns]`, at least one of each.
    pub rows: Matrix,
    /// Whether the file itself names its columns; if not, they are called x1, x2, …
    pub named: bool,
    /// What the reader had to guess, a sentence each.
    pub warnings: Vec<String>,
}

struct Reader {
    format: FileFormat,
    /// With the dot, lower case.
    extensions: &'static [&'static str],
    read: fn(&Path, &Selection) -> Result<Table, DataError>,
}

const READERS: &[Reader] = &[
    Reader { format: FileFormat::Csv, extensions: &[".csv", ".csv.gz"], read: csv::read },
    Reader { format: FileFormat::Parquet, extensions: &[".parquet"], read: parquet::read },
    Reader { format: FileFormat::Npy, extensions: &[".npy"], read: npy::read },
];

/// Reads the columns of `path` that `selection` asks for. `format` overrides what the extension says.
///
/// # Errors
/// An unknown extension, a damaged file, a value that is missing, not a number, not finite or beyond `f32`: with file,
/// row and column.
pub fn read_table(path: &Path, format: Option<FileFormat>, selection: &Selection) -> Result<Table, DataError> {
    let name = path.file_name().unwrap_or_default().to_string_lossy().to_lowercase();
    let reader = READERS.iter().find(|reader| match format {
        Some(format) => reader.format == format,
        None => reader.extensions.iter().any(|extension| name.ends_with(extension)),
    });
    let Some(reader) = reader else {
        return Err(unknown_extension(path, &name));
    };
    let table = (reader.read)(path, selection)?;
    if table.rows.rows() == 0 { Err(DataError::Empty { path: path.to_owned() }) } else { Ok(table) }
}

fn unknown_extension(path: &Path, name: &str) -> DataError {
    let known: Vec<&str> = READERS.iter().flat_map(|reader| reader.extensions).copied().collect();
    let pickled = [".pkl", ".pickle", ".pt", ".pth", ".joblib"].iter().any(|extension| name.ends_with(extension));
    let hint = match () {
        _ if pickled => "; pickles can run code and are not read: save the array with `numpy.save`",
        _ if name.ends_with(".npz") => "; save its array alone with `numpy.save`",
        _ => "; if it is one of these, say which with `format`",
    };
    DataError::Extension { path: path.to_owned(), known: known.join(", "), hint }
}

/// Names for columns that have none: x1, x2, …
fn numbered(columns: usize) -> Vec<String> {
    (1..=columns).map(|i| format!("x{i}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_kinds_of_files_are_refused_with_the_known_ones() {
        let cases = [("a.xlsx", ".csv, .csv.gz, .parquet, .npy"), ("a.pkl", "numpy.save"), ("a", "`format`")];
        for (name, expected) in cases {
            let text = read_table(Path::new(name), None, &Selection::default()).unwrap_err().to_string();
            assert!(text.contains(expected), "{text}");
        }
    }

    #[test]
    fn the_format_overrides_the_extension() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("A.DAT");
        std::fs::write(&path, "a,b\n1,2\n").unwrap();
        let table = read_table(&path, Some(FileFormat::Csv), &Selection::default()).unwrap();
        assert_eq!(table.rows.as_slice(), [1.0, 2.0]);
    }
}
