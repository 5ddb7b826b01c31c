//! From a cell to a number, or what it is instead.

use crate::data::error::{CellProblem, TEXT};
use crate::spec::Decimal;

/// What stands for a missing value, in lower case.
const MISSING: &[&str] = &[
    "na", "n/a", "#n/a", "#na", "<na>", "nan", "nat", "null", "nil", "none", "missing", "?", "-", "--", ".", "1.#ind",
    "-1.#ind", "1.#qnan", "-1.#qnan",
];

/// The cell as a finite number.
pub fn value(cell: &[u8], decimal: Decimal) -> Result<f64, CellProblem> {
    let text = || String::from_utf8_lossy(cell).into_owned();
    match number(cell, decimal) {
        Some(value) if value.is_finite() => Ok(value),
        Some(value) if value.is_infinite() && cell.iter().any(u8::is_ascii_digit) => Err(CellProblem::TooLarge(text())),
        Some(value) if value.is_infinite() => Err(CellProblem::Infinite(text())),
        _ if cell.is_empty() => Err(CellProblem::Empty),
        _ if is_missing(cell) => Err(CellProblem::Missing(text())),
        _ => Err(CellProblem::Text { cell: text(), remedy: remedy(&text(), decimal), strays: None }),
    }
}

/// The cell as a number, infinite and NaN included; `True` and `False` are 1 and 0.
pub fn number(cell: &[u8], decimal: Decimal) -> Option<f64> {
    let text = std::str::from_utf8(cell).ok()?;
    let number = match decimal {
        Decimal::Point => text.parse().ok(),
        Decimal::Comma if text.contains('.') => None,
        Decimal::Comma => text.replace(',', ".").parse().ok(),
    };
    number.or(match text {
        "True" | "true" | "TRUE" => Some(1.0),
        "False" | "false" | "FALSE" => Some(0.0),
        _ => None,
    })
}

/// Whether the cell is empty or holds a word for a missing value.
pub fn is_missing(cell: &[u8]) -> bool {
    const LONGEST: usize = 8;
    cell.is_empty()
        || (cell.len() <= LONGEST && MISSING.contains(&String::from_utf8_lossy(cell).to_lowercase().as_str()))
}

/// What to do about text that is no number.
fn remedy(text: &str, decimal: Decimal) -> &'static str {
    let has_digits = text.contains(|c: char| c.is_ascii_digit());
    let is_made_of = |more: &str| text.chars().all(|c| c.is_ascii_digit() || more.contains(c));
    let is_separator = |c: char| matches!(c, '_' | '\'' | '’') || c.is_whitespace();
    match decimal {
        _ if !has_digits => TEXT,
        Decimal::Point if text.contains(',') && is_made_of("+-.,eE") => {
            "if its comma is a decimal one, set `decimal = ','`; thousands are written without separators"
        }
        Decimal::Comma if text.contains('.') && is_made_of("+-.,eE") => {
            "decimals have a comma here, as `decimal = ','` says; thousands are written without separators"
        }
        _ if text.contains(is_separator)
            && text.chars().all(|c| c.is_ascii_digit() || is_separator(c) || "+-.,".contains(c)) =>
        {
            "write it without separators between its digits"
        }
        _ if text.starts_with(['−', '–']) => "write its minus as `-`",
        _ if text.ends_with('%') || text.starts_with(is_currency) || text.ends_with(is_currency) => {
            "write the number without its unit"
        }
        _ if is_made_of("-/.:+TZ ") && text.contains(['-', '/', ':', '.']) => {
            "if it is a date or a time, write it as a number, or leave the column out with `drop`"
        }
        _ => TEXT,
    }
}

fn is_currency(character: char) -> bool {
    matches!(character, '$' | '¢' | '£' | '¥' | '€' | '₹' | '₽')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimals_are_points_or_commas() {
        let cases = [
            ("1.5", Decimal::Point, Some(1.5)),
            ("1,5", Decimal::Point, None),
            ("-1,5e3", Decimal::Comma, Some(-1500.0)),
            ("7", Decimal::Comma, Some(7.0)),
            ("1.5", Decimal::Comma, None),
            ("1.234,5", Decimal::Comma, None),
            ("True", Decimal::Point, Some(1.0)),
            ("FALSE", Decimal::Comma, Some(0.0)),
        ];
        for (cell, decimal, expected) in cases {
            assert_eq!(number(cell.as_bytes(), decimal), expected, "{cell}");
        }
    }

    #[test]
    fn words_for_missing_values_are_known() {
        for word in ["", "NA", "NaN", "#N/A", "<NA>", "null", "None", "?", ".", "-"] {
            assert!(is_missing(word.as_bytes()), "{word}");
        }
        assert!(!is_missing(b"nasal") && !is_missing(b"0"));
    }

    #[test]
    fn what_is_no_number_is_told_what_to_write() {
        let cases = [
            ("abc", Decimal::Point, "leave it out with `drop`"),
            ("A7", Decimal::Point, "leave it out with `drop`"),
            ("1,234.5", Decimal::Point, "thousands are written without separators"),
            ("1,5", Decimal::Point, "set `decimal = ','`"),
            ("1.234,5", Decimal::Comma, "thousands are written without separators"),
            ("1_000", Decimal::Point, "without separators between its digits"),
            ("1 000", Decimal::Point, "without separators between its digits"),
            ("1\u{a0}000,5", Decimal::Comma, "without separators between its digits"),
            ("$5", Decimal::Point, "without its unit"),
            ("5 €", Decimal::Point, "without its unit"),
            ("5%", Decimal::Point, "without its unit"),
            ("−5", Decimal::Point, "its minus"),
            ("2024-01-31", Decimal::Point, "a date or a time"),
            ("31.01.2024", Decimal::Point, "a date or a time"),
            ("2024-01-31T12:30:00Z", Decimal::Point, "a date or a time"),
        ];
        for (cell, decimal, expected) in cases {
            let text = value(cell.as_bytes(), decimal).unwrap_err().to_string();
            assert!(text.contains(&format!("`{cell}` is not a number")) && text.contains(expected), "{text}");
        }
    }
}
