//! Columns of words that a density is conditional on: numbers stand for the words.

use polars::prelude::{DataType, Series};

use super::{Columns, Incomplete, ReadOptions, Source, Table, typed};
use crate::data::error::{CellProblem, DataError};
use crate::matrix::Matrix;
use crate::spec::ColumnName;

/// A column of words.
pub struct Words {
    /// Where it stands among those of the context.
    at: usize,
    name: String,
    /// For every row the number of its word; NaN where there is none and such rows are not refused.
    numbers: Vec<f64>,
    /// The words, in the order in which they come.
    words: Vec<String>,
}

/// Those of the context that hold words.
pub fn words(source: &Source, columns: Columns) -> Result<Vec<Words>, DataError> {
    let selection = &source.options.selection;
    let of_context = |names: &[String]| {
        let chosen = selection.resolve(source.path, names)?;
        let after = selection.context.len() + usize::from(selection.weight.is_some());
        Ok(chosen[chosen.len() - after..][..selection.context.len()].to_vec())
    };
    let mut found = Vec::new();
    for (at, cells) in columns(source, &of_context)?.into_iter().enumerate() {
        let cells = typed(cells, source.options.decimal);
        if *cells.dtype() == DataType::String {
            found.push(numbered(source, at, cells.name(), &cells)?);
        }
    }
    Ok(found)
}

fn numbered(source: &Source, at: usize, name: &str, cells: &Series) -> Result<Words, DataError> {
    let mut words: Vec<String> = Vec::new();
    let mut known = std::collections::HashMap::new();
    let mut numbers = Vec::with_capacity(cells.len());
    let Ok(cells) = cells.str() else { unreachable!("a column of words") };
    for (row, word) in cells.iter().enumerate() {
        let number = match word.map(str::trim).filter(|word| !word.is_empty()) {
            Some(word) => *known.entry(word).or_insert_with(|| {
                words.push(word.to_owned());
                (words.len() - 1) as f64
            }),
            None if source.options.incomplete != Incomplete::Refused => f64::NAN,
            None => return Err(source.cell(row, name, CellProblem::Empty)),
        };
        numbers.push(number);
    }
    Ok(Words { at, name: name.to_owned(), numbers, words })
}

/// The options that leave out the columns of `words`.
pub fn without(options: &ReadOptions, words: &[Words]) -> ReadOptions {
    let mut options = options.clone();
    let mut at = 0;
    options.selection.context.retain(|_| {
        at += 1;
        words.iter().all(|column| column.at + 1 != at)
    });
    options.selection.drop.extend(words.iter().map(|column| column.name.clone()));
    // A label that is left out by its name already.
    let is_word = |label: &ColumnName| matches!(label, ColumnName::Name(name) if words.iter().any(|w| w.name == *name));
    options.selection.label = options.selection.label.filter(|label| !is_word(label));
    options
}

/// Puts the numbers of words where their columns belong among the last `context` ones.
pub fn put(table: &mut Table, context: usize, words: Vec<Words>) {
    table.context = vec![None; context];
    if words.is_empty() {
        return;
    }
    let features = table.columns.len() + words.len() - context;
    for column in &words {
        table.columns.insert(features + column.at, column.name.clone());
    }
    let width = table.columns.len();
    let mut rows = Vec::with_capacity(table.rows.rows() * width);
    for (i, row) in table.rows.iter_rows().enumerate() {
        let mut numbers = row[features..].iter();
        rows.extend_from_slice(&row[..features]);
        for at in 0..context {
            let word = words.iter().find(|column| column.at == at).map(|column| column.numbers[i]);
            rows.extend(word.or_else(|| numbers.next().copied()));
        }
    }
    table.rows = Matrix::new(rows, width);
    words.into_iter().for_each(|column| table.context[column.at] = Some(column.words));
}
