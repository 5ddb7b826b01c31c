//! What a density is conditional on: columns behind the features, some of them classes.

use std::ops::Range;

use polars::prelude::{NamedFrom, Series};
use serde::{Deserialize, Serialize};

use super::error::near_names;
use super::quote::quoted;
use super::read::typed;
use super::write::{Column, matrix_columns};
use crate::matrix::Matrix;
use crate::quantity::short;
use crate::spec::Decimal;
use crate::toys::{Condition, Toy};

/// A column that a density is conditional on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Given {
    /// Its name.
    pub name: String,
    /// Its classes in their order, each a value of a row that is 1 in rows of that class and 0 in others; `None`: a number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub classes: Option<Vec<String>>,
    /// Training rows of each class; empty for a number, and where a run of an earlier release does not know.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rows: Vec<u64>,
}

impl Given {
    /// A column of which no rows are counted yet.
    pub fn new(name: String, classes: Option<Vec<String>>) -> Self {
        Self { name, classes, rows: Vec::new() }
    }

    /// Values of a row that it takes.
    pub fn values(&self) -> usize {
        self.classes.as_ref().map_or(1, Vec::len)
    }

    /// What a file or a command line says of it: a number, or the number of the class of that name.
    ///
    /// # Errors
    /// What is wrong, and which classes there are.
    pub fn read(&self, text: &str) -> Result<f64, String> {
        match &self.classes {
            None => {
                let number = text.trim().parse::<f64>().ok().filter(|number| number.is_finite());
                number.ok_or_else(|| format!("{} is a number, and {} is none", quoted(&self.name), quoted(text)))
            }
            Some(classes) => {
                let known = || classes.iter().map(String::as_str);
                let found = known().position(|class| class == text);
                found.map(|class| class as f64).ok_or_else(|| {
                    format!("{} has no class {}{}", quoted(&self.name), quoted(text), near_names(text, known()))
                })
            }
        }
    }
}

/// The columns that a density is conditional on, in the order in which their values follow the features of a row; none: it is
/// unconditional.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Context {
    /// One after the other.
    pub columns: Vec<Given>,
}

impl Context {
    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.columns.is_empty()
    }

    /// Values of a row.
    pub fn values(&self) -> usize {
        self.columns.iter().map(Given::values).sum()
    }

    /// Every column with the places of its values behind the features.
    pub fn places(&self) -> impl Iterator<Item = (&Given, Range<usize>)> {
        let mut end = 0;
        self.columns.iter().map(move |column| {
            let start = end;
            end += column.values();
            (column, start..end)
        })
    }

    /// A name for every value: that of its column, with that of its class.
    pub fn names(&self) -> Vec<String> {
        let of = |Given { name, classes, .. }: &Given| match classes {
            None => vec![name.clone()],
            Some(classes) => classes.iter().map(|class| format!("{name}={class}")).collect(),
        };
        self.columns.iter().flat_map(of).collect()
    }

    /// Rows of `features` values followed by one value a column, a number or that of a class, with a value for every class instead;
    /// all of them NaN where the class is.
    pub fn spread(&self, rows: Matrix<f64>, features: usize) -> Matrix<f64> {
        if self.is_empty() {
            return rows;
        }
        let mut all = Matrix::zeros(rows.rows(), features + self.values());
        for (i, row) in rows.iter_rows().enumerate() {
            let width = all.columns();
            let to = &mut all.as_mut_slice()[i * width..][..width];
            to[..features].copy_from_slice(&row[..features]);
            for ((column, places), value) in self.places().zip(&row[features..]) {
                match column.classes {
                    None => to[features + places.start] = *value,
                    Some(_) if value.is_nan() => to[features..][places].fill(f64::NAN),
                    Some(_) => to[features + places.start + *value as usize] = 1.0,
                }
            }
        }
        all
    }

    /// What a toy is conditional on.
    pub fn of_toy(toy: &dyn Toy) -> Self {
        let given = |Condition { name, classes }: Condition| {
            let classes = classes.into_iter().map(str::to_owned).collect::<Vec<_>>();
            Given::new(name, (!classes.is_empty()).then_some(classes))
        };
        Self { columns: toy.context().into_iter().map(given).collect() }
    }

    /// What the values of a row's context (data space) say, of at most `most` columns: `kind = cat, age = 40`.
    pub fn told(&self, values: &[f64], most: usize) -> String {
        let of = |(column, places): (&Given, Range<usize>)| match &column.classes {
            None => format!("{} = {}", column.name, short(values[places.start])),
            Some(classes) => {
                let known = classes.iter().zip(&values[places]).find(|(_, value)| **value == 1.0);
                format!("{} = {}", column.name, known.map_or("", |(class, _)| class))
            }
        };
        let more = if self.columns.len() > most { ", …" } else { "" };
        self.places().take(most).map(of).collect::<Vec<_>>().join(", ") + more
    }

    /// Counts the rows of every class in `rows` (data space), whose context begins at value `features`.
    pub fn count(&mut self, rows: &Matrix<f64>, features: usize) {
        let places: Vec<Range<usize>> = self.places().map(|(_, places)| places).collect();
        for (column, places) in self.columns.iter_mut().zip(places).filter(|(column, _)| column.classes.is_some()) {
            let of = |place| rows.iter_rows().filter(|row| row[features + place] == 1.0).count() as u64;
            column.rows = places.map(of).collect();
        }
    }

    /// The values of one class for every row, shape `[rows, values]`, where the context is a class alone.
    pub fn of_class(&self, class: usize, rows: usize) -> Matrix<f64> {
        self.spread(Matrix::new(vec![class as f64; rows], 1), 0)
    }

    /// The places of values of classes, in rows whose context begins at value `features`.
    pub fn class_places(&self, features: usize) -> impl Iterator<Item = usize> {
        let classes = self.places().filter(|(column, _)| column.classes.is_some());
        classes.flat_map(|(_, places)| places).map(move |place| features + place)
    }

    /// The columns of rows of these features and this context, to be written.
    pub fn table(&self, features: &[String], rows: &Matrix<f64>) -> Vec<(String, Column)> {
        if self.is_empty() {
            return matrix_columns(features, rows);
        }
        let mut table = matrix_columns(features, &rows.columns_before(features.len()));
        table.extend(self.written(rows, features.len()));
        table
    }

    /// The columns of rows whose context begins at value `features`, to be written: numbers, and names of classes; none for NaN.
    pub fn written(&self, rows: &Matrix<f64>, features: usize) -> Vec<(String, Column)> {
        let of = |(column, places): (&Given, Range<usize>)| {
            let values = rows.iter_rows().map(|row| &row[features + places.start..features + places.end]);
            let cells = match &column.classes {
                None => values.map(|value| Some(value[0]).filter(|value| !value.is_nan())).collect::<Vec<_>>().into(),
                Some(classes) => {
                    let largest = |of: &[f64]| (0..of.len()).max_by(|&a, &b| of[a].total_cmp(&of[b])).unwrap_or(0);
                    let word = |of: &[f64]| (!of[0].is_nan()).then(|| classes[largest(of)].as_str());
                    let words: Vec<Option<&str>> = values.map(word).collect();
                    // Classes that are whole numbers are written as such.
                    Column::Copied(typed(Series::new(column.name.as_str().into(), words), Decimal::Point))
                }
            };
            (column.name.clone(), cells)
        };
        self.places().map(of).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_are_spread_over_values_and_come_back_by_name() {
        let column = |name: &str, classes: Option<&[&str]>| {
            let classes = classes.map(|all| all.iter().map(|class| (*class).to_owned()).collect());
            Given::new(name.to_owned(), classes)
        };
        let mut context = Context { columns: vec![column("age", None), column("kind", Some(&["cat", "dog", "emu"]))] };
        assert_eq!((context.values(), context.names()[3].as_str()), (4, "kind=emu"));
        let rows = context.spread(Matrix::new(vec![0.5, 40.0, 2.0, 1.5, 50.0, 0.0], 3), 1);
        assert_eq!(rows.as_slice(), [0.5, 40.0, 0.0, 0.0, 1.0, 1.5, 50.0, 1.0, 0.0, 0.0]);
        assert_eq!(context.told(&rows.row(0)[1..], 3), "age = 40, kind = emu");
        assert!(context.told(&rows.row(0)[1..], 1).ends_with("40, …"));
        context.count(&rows, 1);
        assert_eq!((&context.columns[0].rows[..], &context.columns[1].rows[..]), (&[][..], &[1, 0, 1][..]));
        match &context.written(&rows, 1)[..] {
            [(_, Column::F64(ages)), (_, Column::Copied(kinds))] => {
                let words: Vec<Option<&str>> = kinds.str().expect("words").iter().collect();
                assert_eq!((&ages[..], &words[..]), (&[40.0, 50.0][..], &[Some("emu"), Some("cat")][..]));
            }
            _ => panic!("a number and a class"),
        }
        assert_eq!(context.columns[1].read("dog"), Ok(1.0));
        let text = context.columns[1].read("cow").unwrap_err();
        assert!(text.contains("no class `cow`") && text.contains("`cat`"), "{text}");
        assert!(context.columns[0].read("old").unwrap_err().contains("`age` is a number"));
        let json = serde_json::to_string(&context).expect("JSON");
        assert_eq!(serde_json::from_str::<Context>(&json).expect("a context"), context);
    }
}
