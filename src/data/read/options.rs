//! What a spec can say about reading a file.

use super::Selection;
use crate::data::error::CellProblem;
use crate::shape::Shape;
use crate::spec::{self, Decimal, Duplicates, FileFormat, Missing};

/// What becomes of rows with missing values.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Incomplete {
    /// The first one is an error.
    #[default]
    Refused,
    /// They are left out.
    LeftOut,
    /// They stay in their places, NaN where a value is missing.
    Kept,
}

impl From<Missing> for Incomplete {
    fn from(missing: Missing) -> Self {
        match missing {
            Missing::Error => Self::Refused,
            Missing::Drop => Self::LeftOut,
        }
    }
}

/// How to read a file. The default takes everything and guesses the rest.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ReadOptions {
    /// `None`: told by the extension.
    pub format: Option<FileFormat>,
    /// Which columns are features.
    pub selection: Selection,
    /// Name of the array of an npz archive; `None`: the only one.
    pub key: Option<String>,
    /// Whether the first line of a text names the columns; `None`: unless it looks like a row.
    pub header: Option<bool>,
    /// What separates the cells of a text, an ASCII character; `None`: told by the format.
    pub delimiter: Option<char>,
    /// What stands before the decimals of a number in a text.
    pub decimal: Decimal,
    /// What becomes of rows with missing values.
    pub incomplete: Incomplete,
    /// What becomes of rows that equal an earlier one.
    pub duplicates: Duplicates,
    /// Most rows; `None`: all.
    pub rows: Option<usize>,
    /// Height and width of what is left of images; `None`: all.
    pub crop: Option<[usize; 2]>,
    /// Height and width that images are brought to, after that; `None`: those they have.
    pub resize: Option<[usize; 2]>,
    /// The shape of what has gone through both, such as samples, and stays as it is; `None`: nothing has.
    pub processed: Option<Shape>,
}

impl From<&spec::Dataset> for ReadOptions {
    fn from(spec: &spec::Dataset) -> Self {
        Self {
            format: spec.format,
            selection: Selection {
                columns: spec.columns.clone(),
                pixels: false,
                drop: spec.drop.clone(),
                label: spec.label.clone(),
                context: spec.context_columns(),
                weight: spec.weight_column().cloned(),
            },
            key: spec.key.clone(),
            header: spec.header,
            delimiter: spec.delimiter,
            decimal: spec.decimal.unwrap_or_default(),
            incomplete: spec.missing.unwrap_or_default().into(),
            duplicates: spec.duplicates.unwrap_or_default(),
            rows: spec.rows,
            crop: spec.crop,
            resize: spec.resize,
            processed: None,
        }
    }
}

impl ReadOptions {
    /// NaN in place of a missing value where its row is not refused.
    ///
    /// # Errors
    /// That of `value`, where it is another one or such rows are refused.
    pub fn or_missing(&self, value: Result<f64, CellProblem>) -> Result<f64, CellProblem> {
        match value {
            Err(CellProblem::Empty | CellProblem::Missing(_)) if self.incomplete != Incomplete::Refused => Ok(f64::NAN),
            value => value,
        }
    }
}
