//! Training rows against test rows, and the rows that the flow finds strange.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use super::baselines::mean;
use super::columns::ColumnDifference;
use super::material::Part;
use crate::quantity::number;

/// Values of a strange row that a table shows.
const SHOWN: usize = 8;

/// By how much the flow knows its training rows better.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Gap {
    /// Mean log p of training rows, data space, nats.
    pub train: f64,
    /// Mean log p of test rows, data space, nats.
    pub test: f64,
    /// Standard error of their difference.
    pub error: f64,
}

impl Gap {
    /// Of two parts.
    pub fn between(train: &Part, test: &Part) -> Self {
        let [train, test] = [train, test].map(|part| mean(part, &part.log_prob));
        let error = train.error.unwrap_or(f64::NAN).hypot(test.error.unwrap_or(f64::NAN));
        Self { train: train.mean, test: test.mean, error }
    }

    /// Training rows above test rows, nats.
    pub fn nats(&self) -> f64 {
        self.train - self.test
    }
}

/// A test row of low density.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StrangeRow {
    /// Its number among the test rows, counted from 1, as `runner split` writes them.
    pub row: usize,
    /// Its number among the data rows of the file that it comes from, counted from 1; `None` of a toy.
    #[serde(default)]
    pub row_of_file: Option<usize>,
    /// log p, data space, nats.
    pub log_prob: Option<f64>,
    /// Its values, data space, as the file has them; of a conditional flow those of its context follow.
    pub values: Vec<f64>,
    /// Its context in words; empty of an unconditional flow.
    #[serde(default)]
    pub given: String,
}

impl StrangeRow {
    /// What [`StrangeRow::cells`] are of: its number, log p, the first few of its features, which are those of `columns`, and the
    /// context where there is one.
    pub fn heads<'a>(rows: &[Self], columns: &'a [ColumnDifference]) -> Vec<Cow<'a, str>> {
        let of_file = rows.iter().any(|row| row.row_of_file.is_some());
        let named = columns.iter().take(SHOWN).map(|it| Cow::Borrowed(it.column.as_str()));
        let more = (columns.len() > SHOWN).then(|| Cow::Owned(format!("… of {}", columns.len())));
        let given = rows.iter().any(|row| !row.given.is_empty()).then_some(Cow::Borrowed("given"));
        let first = [if of_file { "row of the file" } else { "test row" }, "log p (nats)"].map(Cow::Borrowed);
        first.into_iter().chain(named).chain(more).chain(given).collect()
    }

    /// The row in a table of these heads; `features`: how many of its values are no context.
    pub fn cells(&self, features: usize) -> Vec<String> {
        let first =
            [self.row_of_file.unwrap_or(self.row).to_string(), self.log_prob.map_or("not finite".into(), number)];
        let values = self.values.iter().take(features.min(SHOWN)).map(|value| number(*value));
        let more = (features > SHOWN).then(String::new);
        let given = Some(self.given.clone()).filter(|given| !given.is_empty());
        first.into_iter().chain(values).chain(more).chain(given).collect()
    }
}

/// The rows of the lowest density, the lowest first; rows without a finite log p before all.
pub fn strangest(test: &Part) -> Vec<StrangeRow> {
    /// How many are kept.
    const KEPT: usize = 10;
    let height = |&row: &usize| if test.log_prob[row].is_nan() { f64::NEG_INFINITY } else { test.log_prob[row] };
    let mut order: Vec<usize> = (0..test.log_prob.len()).collect();
    order.sort_by(|a, b| height(a).total_cmp(&height(b)));
    let strange = |row: usize| StrangeRow {
        row: row + 1,
        row_of_file: None,
        log_prob: Some(test.log_prob[row]).filter(|value| value.is_finite()),
        values: test.data.row(row).to_vec(),
        given: String::new(),
    };
    order.into_iter().take(KEPT).map(strange).collect()
}
