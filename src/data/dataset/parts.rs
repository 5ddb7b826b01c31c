//! Train, validation and test rows as their files have them.

use std::path::{Path, PathBuf};

use super::from_toy;
use crate::data::context::{Context, Given};
use crate::data::error::DataError;
use crate::data::quote::quoted;
use crate::data::read::{ReadOptions, Table, Watch, read_table};
use crate::data::split::split;
use crate::data::weights::Weights;
use crate::matrix::Matrix;
use crate::shape::Shape;
use crate::spec::{self, Amount, FileFormat};

/// The rows of all three parts.
#[derive(Debug)]
pub struct Parts {
    /// Names of the features, shape `[features]`.
    pub columns: Vec<String>,
    /// The columns behind them, which the density is conditional on; a class stands in rows as its number.
    pub context: Context,
    /// How a row's values lie.
    pub shape: Shape,
    /// Train, validation and test.
    pub parts: [Part; 3],
    /// The column of weights, where there is one.
    pub weight: Option<String>,
    /// Where the format says so: all values are whole numbers from 0 to one less than this.
    pub levels: Option<u32>,
    /// What the readers had to guess or leave out, a sentence each.
    pub warnings: Vec<String>,
    /// Rows of the shared file that no part takes.
    pub unused_rows: usize,
}

/// The rows of one part.
#[derive(Debug, Default)]
pub struct Part {
    /// The file that they come from.
    pub path: PathBuf,
    /// Shape `[rows, features + columns of the context]`, data space: the file's own values.
    pub rows: Matrix<f64>,
    /// Which data rows of the file they are, from 1; shape `[rows]`.
    pub numbers: Vec<usize>,
    /// Their weights, shape `[rows]`; empty where all count alike.
    pub weights: Vec<f64>,
}

impl Parts {
    /// The rows of what `spec` names, files as [`Parts::read`] or a toy: its parts come from no file, and the training part is empty
    /// where its rows are always fresh. A class of the context has a value for every class, of shape
    /// `[rows, features + context]`.
    ///
    /// # Errors
    /// As [`load`](super::load).
    pub fn of(spec: &spec::Dataset, folder: &Path, watch: &Watch) -> Result<Self, DataError> {
        let Some(name) = &spec.name else {
            let all = Self::read(spec, folder, watch)?;
            let spread = |part: Part| Part { rows: all.context.spread(part.rows, all.columns.len()), ..part };
            return Ok(Self { parts: all.parts.map(spread), ..all });
        };
        let toy = from_toy::toy_of(spec, name)?;
        let (train, [validation, test]) = from_toy::rows(spec, &*toy)?;
        let part = |rows: Matrix<f64>| Part {
            path: PathBuf::new(),
            numbers: (1..=rows.rows()).collect(),
            rows,
            weights: Vec::new(),
        };
        let parts = [train.unwrap_or_default(), validation, test].map(part);
        let (columns, context) = (toy.names(), Context::of_toy(&*toy));
        let shape = Shape::from(columns.len());
        Ok(Self { columns, context, shape, parts, weight: None, levels: None, warnings: Vec::new(), unused_rows: 0 })
    }

    /// Reads the files that `spec` names and splits the one that several parts share. Relative paths are looked up in `folder`,
    /// then in the working directory; `watch` hears how far reading is.
    ///
    /// # Errors
    /// Files that cannot be read or do not have the same columns, and amounts that they cannot give.
    pub fn read(spec: &spec::Dataset, folder: &Path, watch: &Watch) -> Result<Self, DataError> {
        let mut all = Self {
            columns: Vec::new(),
            context: Context::default(),
            shape: Shape::from(0),
            parts: Default::default(),
            weight: None,
            levels: None,
            warnings: Vec::new(),
            unused_rows: 0,
        };
        if let Some(path) = &spec.path {
            let path = resolve(path, folder)?;
            let table = all.take_columns(read_table(&path, &options(spec, &path), watch)?, &path)?;
            let indices = split(spec, table.rows.rows(), &path)?;
            all.unused_rows = table.rows.rows() - indices.iter().map(Vec::len).sum::<usize>();
            all.parts = indices.map(|chosen| Part {
                path: path.clone(),
                rows: table.rows.select(&chosen),
                numbers: chosen.iter().map(|&row| table.number(row)).collect(),
                weights: table.weights.iter().flat_map(|(_, all)| chosen.iter().map(|&row| all[row])).collect(),
            });
        }
        for (i, (_, amount)) in spec.parts().into_iter().enumerate() {
            let Amount::File(path) = amount else { continue };
            let path = resolve(path, folder)?;
            let table = all.take_columns(read_table(&path, &options(spec, &path), watch)?, &path)?;
            let numbers = (0..table.rows.rows()).map(|row| table.number(row)).collect();
            let weights = table.weights.map_or(Vec::new(), |(_, weights)| weights);
            all.parts[i] = Part { path, rows: table.rows, numbers, weights };
        }
        // A part that is neither in the shared file nor in one of its own: there is no shared file.
        if all.parts.iter().any(|part| part.path.as_os_str().is_empty()) {
            return Err(DataError::NoSource);
        }
        all.number_classes(spec)?;
        Ok(all)
    }

    /// The weights of the rows, where there are any.
    pub fn weights(&self) -> Option<Weights> {
        self.weight.as_ref()?;
        let [train, validation, test] = self.parts.each_ref().map(|part| part.weights.clone());
        Some(Weights { train, validation, test })
    }

    /// Takes what is known of the columns from the first file; of others it finds the same columns by their names.
    fn take_columns(&mut self, mut table: Table, path: &Path) -> Result<Table, DataError> {
        self.warnings.append(&mut table.warnings);
        if let (None, Some((name, _))) = (&self.weight, &table.weights) {
            self.weight = Some(name.clone());
        }
        let features = table.features();
        if self.columns.is_empty() {
            (self.columns, self.shape, self.levels) = (table.columns[..features].to_vec(), table.shape(), table.levels);
            let names = table.columns[features..].iter().cloned();
            let words = table.context.iter().map(|words| words.as_ref().map(|_| Vec::new()));
            self.context.columns = names.zip(words).map(|(name, classes)| Given::new(name, classes)).collect();
        }
        let expected: Vec<String> =
            self.columns.iter().chain(self.context.columns.iter().map(|column| &column.name)).cloned().collect();
        if expected != table.columns {
            let place = |name: &String| table.columns.iter().position(|other| other == name);
            let places: Option<Vec<usize>> = expected.iter().map(place).collect();
            let Some(places) = places.filter(|places| places.len() == table.columns.len()) else {
                return Err(other_columns(path, &expected, &table.columns));
            };
            let values = table.rows.iter_rows().flat_map(|row| places.iter().map(|&column| row[column]));
            table.rows = Matrix::new(values.collect(), places.len());
            table.columns = expected;
        }
        self.take_words(&mut table, path)?;
        Ok(table)
    }

    /// Gives the words of a file's classes the numbers that they have in all files.
    fn take_words(&mut self, table: &mut Table, path: &Path) -> Result<(), DataError> {
        let (features, width) = (table.features(), table.columns.len());
        for (i, (column, words)) in self.context.columns.iter_mut().zip(&table.context).enumerate() {
            let (known, words) = match (&mut column.classes, words) {
                (Some(known), Some(words)) => (known, words),
                (None, None) => continue,
                (known, _) => {
                    let kinds = |are_words: bool| if are_words { "words" } else { "numbers" };
                    let [here, there] = [words.is_some(), known.is_some()].map(kinds);
                    let problem = format!("holds {here} here and {there} in the first file of the dataset");
                    return Err(DataError::Context { path: path.to_owned(), column: column.name.clone(), problem });
                }
            };
            let mut number = |word: &String| {
                known.iter().position(|other| other == word).unwrap_or_else(|| {
                    known.push(word.clone());
                    known.len() - 1
                })
            };
            let numbers: Vec<f64> = words.iter().map(|word| number(word) as f64).collect();
            let cells = table.rows.as_mut_slice()[features + i..].iter_mut().step_by(width);
            cells.for_each(|cell| *cell = numbers[*cell as usize]);
        }
        Ok(())
    }

    /// Puts all classes in order: words by the alphabet, whole numbers by their size.
    fn number_classes(&mut self, spec: &spec::Dataset) -> Result<(), DataError> {
        let (features, labels) = (self.columns.len(), usize::from(spec.condition));
        let given = self.context.columns.len();
        for (i, column) in self.context.columns.iter_mut().enumerate() {
            let is_class = spec.categories.contains(&column.name) || i + labels >= given && spec.condition;
            let order: Vec<(f64, String)> = match &column.classes {
                Some(words) => {
                    let mut order: Vec<_> =
                        words.iter().zip(0..).map(|(word, at)| (f64::from(at), word.clone())).collect();
                    order.sort_by(|a, b| a.1.cmp(&b.1));
                    order
                }
                None if is_class => {
                    let mut values = Vec::new();
                    for part in &self.parts {
                        let here = || part.rows.iter_rows().map(|row| row[features + i]);
                        if let Some(value) = here().find(|value| value.fract() != 0.0) {
                            let problem = format!("holds {value}, and classes are words or whole numbers");
                            let (path, column) = (part.path.clone(), column.name.clone());
                            return Err(DataError::Context { path, column, problem });
                        }
                        values.extend(here().map(|value| value + 0.0));
                        values.sort_by(f64::total_cmp);
                        values.dedup();
                    }
                    values.into_iter().map(|value| (value, value.to_string())).collect()
                }
                None => continue,
            };
            for part in &mut self.parts {
                let width = part.rows.columns();
                for cell in part.rows.as_mut_slice()[features + i..].iter_mut().step_by(width) {
                    // Every value of every part is among them.
                    *cell = order.iter().position(|(value, _)| value == cell).unwrap_or_default() as f64;
                }
            }
            column.classes = Some(order.into_iter().map(|(_, name)| name).collect());
        }
        Ok(())
    }
}

/// What one file has that the other has not.
fn other_columns(path: &Path, expected: &[String], found: &[String]) -> DataError {
    let lacks = expected.iter().find(|name| !found.contains(name));
    let more = found.iter().find(|name| !expected.contains(name));
    let (expected, found) = match (lacks, more) {
        (Some(lacks), Some(more)) => (quoted(lacks), quoted(more)),
        (Some(lacks), None) => (quoted(lacks), "no such column".to_owned()),
        _ => (format!("{} columns", expected.len()), found.len().to_string()),
    };
    DataError::OtherColumns { path: path.to_owned(), expected, found }
}

/// How to read the file of a part: as the spec says, but for the delimiter where the file is a text of another kind than the first.
pub(super) fn options(spec: &spec::Dataset, path: &Path) -> ReadOptions {
    let first = spec.files().first().and_then(|(_, first)| FileFormat::of(first));
    let options = ReadOptions::from(spec);
    match spec.format.is_none() && FileFormat::of(path) != first {
        true => ReadOptions { delimiter: None, ..options },
        false => options,
    }
}

/// Where `path` is, see [`spec::find`].
fn resolve(path: &Path, folder: &Path) -> Result<PathBuf, DataError> {
    let found = spec::find(path, folder);
    if found.exists() {
        return Ok(found);
    }
    let elsewhere = (found != path).then(|| path.to_owned());
    Err(DataError::NotFound { tried: std::iter::once(found).chain(elsewhere).collect() })
}
