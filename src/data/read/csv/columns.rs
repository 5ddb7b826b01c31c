//! All columns of a text as they are written.

use std::borrow::Cow;

use polars::prelude::{NamedFrom, Series};

use super::number::{is_missing, number};
use super::{header, text, way};
use crate::data::error::DataError;
use crate::data::read::{Source, Wanted};
use crate::spec::Decimal;

/// The columns `wanted`, cell by cell as they stand there, those of words too.
pub fn columns(source: &Source, delimiter: u8, wanted: Wanted) -> Result<Vec<Series>, DataError> {
    let bytes = source.contents()?;
    let damaged = |problem: String| source.damaged("CSV", problem);
    let text = text::decode(&bytes).map_err(|problem| damaged(problem.to_owned()))?;
    let (rest, way) = way(&text.bytes, source.options, delimiter);
    let header::Top { names, mut rows, .. } = header::read(rest, way, source.options.header).map_err(damaged)?;
    let wanted = wanted(&names)?;
    let mut cells: Vec<Vec<Option<String>>> = vec![Vec::new(); wanted.len()];
    rows.skip_blank_lines();
    while !rows.rest.is_empty() {
        let row = rows.row();
        let cell = |place: usize| row.get(place).filter(|cell| !cell.is_empty());
        let word = |place: usize| cell(place).map(|cell| String::from_utf8_lossy(cell).into_owned());
        cells.iter_mut().zip(&wanted).for_each(|(column, &place)| column.push(word(place)));
        rows.skip_blank_lines();
    }
    Ok(wanted.iter().zip(cells).map(|(&place, cells)| Series::new(names[place].as_str().into(), cells)).collect())
}

/// A column of words as numbers, where it holds nothing else and no digit is lost: `007` and names of 20 digits stay words.
pub fn typed(column: Series, decimal: Decimal) -> Series {
    let Ok(words) = column.str() else { return column };
    let words: Vec<Option<&str>> = words.iter().map(|word| word.filter(|word| !is_missing(word.as_bytes()))).collect();
    let all = |fits: &dyn Fn(&str) -> bool| words.iter().flatten().all(|word| fits(word));
    let name = column.name().clone();
    let value = |word: &str| number(word.as_bytes(), decimal);
    match () {
        () if words.iter().flatten().next().is_none() || all(&is_truth) || !all(&|word| !is_code(word)) => column,
        () if all(&|word| word.parse::<i64>().is_ok()) => Series::new(
            name,
            words.iter().map(|word| word.and_then(|word| word.parse().ok())).collect::<Vec<Option<i64>>>(),
        ),
        () if all(&|word| !is_truth(word) && value(word).is_some() && !is_long(word)) => {
            Series::new(name, words.iter().map(|word| word.and_then(value)).collect::<Vec<Option<f64>>>())
        }
        () => column,
    }
}

fn is_truth(word: &str) -> bool {
    word.eq_ignore_ascii_case("true") || word.eq_ignore_ascii_case("false")
}

/// Digits that are a name rather than a number: `007`, `+1`.
fn is_code(word: &str) -> bool {
    let digits: Cow<str> = word.strip_prefix('-').unwrap_or(word).into();
    word.starts_with('+')
        || (digits.len() > 1 && digits.starts_with('0') && digits.bytes().all(|byte| byte.is_ascii_digit()))
}

/// A whole number of more digits than 64-bit floats keep.
fn is_long(word: &str) -> bool {
    const EXACT: usize = 15;
    word.len() > EXACT && word.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-')
}

#[cfg(test)]
mod tests {
    use super::*;
    use polars::prelude::DataType;

    #[test]
    fn columns_become_numbers_where_nothing_of_them_is_lost() {
        let cases: [(&[&str], DataType); 8] = [
            (&["1", "", "-3"], DataType::Int64),
            (&["9007199254740993", "1"], DataType::Int64),
            (&["1.5", "2", "NaN"], DataType::Float64),
            (&["007", "123"], DataType::String),
            (&["12345678901234567890", "1"], DataType::String),
            (&["1", "x"], DataType::String),
            (&["True", "False"], DataType::String),
            (&["", ""], DataType::String),
        ];
        for (cells, expected) in cases {
            let column = Series::new("a".into(), cells);
            assert_eq!(typed(column, Decimal::Point).dtype(), &expected, "{cells:?}");
        }
        let comma = typed(Series::new("a".into(), ["1,5"]), Decimal::Comma);
        assert_eq!(comma.f64().unwrap().get(0), Some(1.5));
    }
}
