//! The rows of a file as a run sees them: those that it can take, and the places of those that it cannot.

use super::Failure;
use super::output::tell;
use super::reading::Reading;
use crate::data::{Column, Input, Place, line_of, shown};
use crate::matrix::Matrix;
use crate::trial::SavedRun;

/// What a run can do with a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Taken,
    /// A value of it is missing: nothing can be said of it.
    Missing,
    /// Its density is 0, and it has no latent.
    Outside,
}

/// The rows of a file. What is worked out of those that are taken goes back to their places, so that a row of the output stays the
/// row of the input.
pub(super) struct Rows {
    /// All of them, NaN where a value is missing: shape `[rows, features + context]`.
    pub all: Matrix<f64>,
    /// Those that are taken, at least one; `None`: all are.
    some: Option<Matrix<f64>>,
    /// Shape `[rows]`.
    kinds: Vec<Kind>,
}

impl Rows {
    /// Rows of `all` that are whole. `result`: what is left empty for the others.
    pub fn whole(all: Matrix<f64>, input: &Input, result: &str) -> Result<Self, Failure> {
        let is_missing = |row: &[f64]| row.iter().any(|value| value.is_nan());
        let kinds = all.iter_rows().map(|row| if is_missing(row) { Kind::Missing } else { Kind::Taken }).collect();
        Self::new(all, kinds, input, result)
    }

    /// Rows of `all`, in the data space of `run`, that are whole and that its density can be above 0 for. `noise`: whether
    /// dequantisation noise is still to be added. `result`: what is left empty for those with missing values; `outside`: what is
    /// said of those with the density 0.
    pub fn within_support(
        all: Matrix<f64>,
        (input, reading): (&Input, &Reading),
        run: &SavedRun,
        noise: bool,
        [result, outside]: [&str; 2],
    ) -> Result<Self, Failure> {
        let is_missing = |row: &[f64]| row.iter().any(|value| value.is_nan());
        let mut first = None;
        let mut kinds = Vec::with_capacity(all.rows());
        for (i, row) in all.iter_rows().enumerate() {
            kinds.push(match run.preprocessing.outside(row, noise) {
                _ if is_missing(row) => Kind::Missing,
                None => Kind::Taken,
                Some(column) => {
                    first.get_or_insert((i, column));
                    Kind::Outside
                }
            });
        }
        if let Some((row, column)) = first {
            let options = reading.options(&input.path, &run.spec.dataset);
            let (path, line) = (input.path.clone(), line_of(input, &options, row + 1));
            let place = Place { path, row: row + 1, line, column: run.columns[column].clone() };
            let value = shown(all.row(row)[column]);
            let noised = if noise && run.preprocessing.steps.get(column).is_some_and(|step| *step > 0.0) {
                " with its noise"
            } else {
                ""
            };
            let support = run.preprocessing.support(column).unwrap_or_default();
            let count = kinds.iter().filter(|kind| **kind == Kind::Outside).count();
            tell(format_args!(
                "warning: {count} of {} rows are outside the support of the run's data: {outside}; the first is {place}: \
                 {value}{noised} is not {support}",
                kinds.len()
            ));
        }
        Self::new(all, kinds, input, result)
    }

    fn new(all: Matrix<f64>, kinds: Vec<Kind>, input: &Input, result: &str) -> Result<Self, Failure> {
        let missing = kinds.iter().filter(|kind| **kind == Kind::Missing).count();
        let taken: Vec<usize> = (0..kinds.len()).filter(|&row| kinds[row] == Kind::Taken).collect();
        if taken.is_empty() {
            return Err(Failure::Usage(format!(
                "`{}`: of its {} rows, {missing} have missing values and {} are outside the support of the data; none is left",
                input.path.display(),
                kinds.len(),
                kinds.len() - missing
            )));
        }
        if missing > 0 {
            let rows = kinds.len();
            tell(format_args!("warning: {missing} of {rows} rows have missing values: their {result} is empty"));
        }
        let some = (taken.len() < kinds.len()).then(|| all.select(&taken));
        Ok(Self { all, some, kinds })
    }

    /// Those that the run can take: shape `[taken, features + context]`, data space.
    pub fn taken(&self) -> &Matrix<f64> {
        self.some.as_ref().unwrap_or(&self.all)
    }

    /// Which of all rows are taken, from 0.
    pub fn places(&self) -> impl Iterator<Item = usize> + '_ {
        self.kinds.iter().enumerate().filter(|(_, kind)| **kind == Kind::Taken).map(|(row, _)| row)
    }

    /// Whether rows have the density 0.
    pub fn have_outside(&self) -> bool {
        self.kinds.contains(&Kind::Outside)
    }

    /// A value for every row: `values` of those that are taken, in their order, `outside` for those with the density 0, and nothing
    /// for those with missing values.
    pub fn column<T>(&self, values: impl IntoIterator<Item = T>, outside: Option<T>) -> Column
    where
        T: Copy,
        Column: From<Vec<Option<T>>>,
    {
        let mut values = values.into_iter();
        let value = |kind: &Kind| match kind {
            Kind::Taken => values.next(),
            Kind::Missing => None,
            Kind::Outside => outside,
        };
        self.kinds.iter().map(value).collect::<Vec<Option<T>>>().into()
    }
}
