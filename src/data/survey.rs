//! What a file of unknown content holds, as far as a first spec for it must say.

use std::path::Path;

use super::error::{CellProblem, DataError};
use super::read::{Incomplete, Input, ReadOptions, Table, Watch, look, read_column, read_table};
use super::strays::Strays;
use crate::matrix::Matrix;
use crate::spec::{Decimal, FileFormat};

/// What was found in a file.
#[derive(Clone, Debug, PartialEq)]
pub struct Survey {
    /// How the file is read.
    pub format: FileFormat,
    /// Rows without missing values.
    pub rows: usize,
    /// What separates the cells, where it is not the usual character of the format.
    pub delimiter: Option<char>,
    /// What stands before the decimals of its numbers.
    pub decimal: Decimal,
    /// Whether the first line names the columns, where the format lets that be asked.
    pub header: Option<bool>,
    /// Whether rows have missing values.
    pub missing: bool,
    /// Whether all numbers are bytes of images.
    pub bytes: bool,
    /// Every column, in the file's order but for those of text, which come last.
    pub columns: Vec<(String, Holds)>,
}

/// What the values of a column are.
#[derive(Clone, Debug, PartialEq)]
pub enum Holds {
    /// Numbers, of many different values.
    Numbers,
    /// Few different values at this distance, or at multiples of it.
    Quantised(f64),
    /// The same value in every row.
    Constant(f64),
    /// The row's own number.
    Index,
    /// At least one cell that is no number: how many there are, where the file lets that be told.
    Text(Option<Box<Strays>>),
}

impl Survey {
    /// Reads the file at `path`, once more for each column of text in it.
    ///
    /// # Errors
    /// What cannot be read or learned from, however it is read.
    pub fn of(path: &Path, watch: &Watch) -> Result<Self, DataError> {
        let format = FileFormat::of(path);
        let usual = match format {
            Some(FileFormat::Csv) => Some(','),
            Some(FileFormat::Tsv) => Some('\t'),
            _ => None,
        };
        let mut options = ReadOptions::default();
        if let Some(usual) = usual {
            let (delimiter, decimal) = look(path, usual)?;
            options.delimiter = (delimiter != usual).then_some(delimiter);
            options.decimal = decimal;
        }
        let (table, texts) = read_numbers(path, &mut options, watch)?;
        // Bytes of images are dequantised by themselves.
        let holds = |i| if table.levels.is_some() { Holds::Numbers } else { held(&table.rows, i, options.incomplete) };
        let numbers = table.columns.iter().enumerate().map(|(i, name)| (name.clone(), holds(i)));
        let columns = numbers.chain(texts.into_iter().map(|(name, strays)| (name, Holds::Text(strays)))).collect();
        Ok(Self {
            // A file was read, so its format is known.
            format: format.unwrap_or(FileFormat::Csv),
            rows: table.rows.rows(),
            delimiter: options.delimiter,
            decimal: options.decimal,
            header: matches!(format, Some(FileFormat::Csv | FileFormat::Tsv)).then_some(table.named),
            missing: options.incomplete == Incomplete::LeftOut,
            bytes: table.levels == Some(256),
            columns,
        })
    }
}

/// A column of text, and its cells that are no numbers, where they are known.
type TextColumn = (String, Option<Box<Strays>>);

/// Reads all columns that hold numbers; also returns the others. `options` are told what it takes.
fn read_numbers(path: &Path, options: &mut ReadOptions, watch: &Watch) -> Result<(Table, Vec<TextColumn>), DataError> {
    let mut texts: Vec<TextColumn> = Vec::new();
    loop {
        options.selection.drop = texts.iter().map(|(name, _)| name.clone()).collect();
        let is_new = |column: &String| texts.iter().all(|(name, _)| name != column);
        match read_table(path, options, watch) {
            Ok(table) => return Ok((table, texts)),
            Err(DataError::Cell { problem: CellProblem::Empty | CellProblem::Missing(_), .. })
                if options.incomplete == Incomplete::Refused =>
            {
                options.incomplete = Incomplete::LeftOut;
            }
            Err(DataError::Cell { place, problem: CellProblem::Text { strays, .. } }) if is_new(&place.column) => {
                texts.push((place.column, strays));
            }
            Err(DataError::ColumnType { column, .. }) if is_new(&column) => {
                let words = words(path, options, &column);
                texts.push((column, words));
            }
            Err(error) => return Err(error),
        }
    }
}

/// The words of a typed column, if that is what it holds.
fn words(path: &Path, options: &ReadOptions, column: &str) -> Option<Box<Strays>> {
    let column = read_column(&Input::file(path), options, column, &|_, _, _| {}).ok()??;
    let mut strays = Strays::default();
    for (row, word) in column.str().ok()?.iter().enumerate() {
        word.into_iter().for_each(|word| strays.take(word, row + 1, None));
    }
    Some(Box::new(strays))
}

/// What column `i` holds; where `incomplete` rows were left out, row numbers have gaps.
fn held(rows: &Matrix<f64>, i: usize, incomplete: Incomplete) -> Holds {
    let values = || rows.iter_rows().map(|row| row[i]);
    // There is at least one row.
    let first = rows.row(0)[i];
    if values().all(|value| value == first) {
        return Holds::Constant(first);
    }
    let whole = |value: f64| value.fract() == 0.0 && value >= 0.0;
    let next = |one: f64, other: f64| if incomplete == Incomplete::LeftOut { other > one } else { other == one + 1.0 };
    let ascends = values().zip(values().skip(1)).all(|(one, other)| whole(other) && next(one, other));
    if rows.rows() > 2 && whole(first) && (first <= 1.0 || incomplete == Incomplete::LeftOut) && ascends {
        return Holds::Index;
    }
    spacing(values().collect()).map_or(Holds::Numbers, Holds::Quantised)
}

/// The distance of which all differences are multiples, where values repeat as those of continuous columns do not.
fn spacing(mut values: Vec<f64>) -> Option<f64> {
    /// Rows a value, at least.
    const REPEATED: usize = 20;
    let rows = values.len();
    values.sort_by(f64::total_cmp);
    values.dedup();
    if values.len() * REPEATED > rows {
        return None;
    }
    let gaps = || values.windows(2).map(|pair| pair[1] - pair[0]);
    let step = gaps().fold(f64::INFINITY, f64::min);
    // As it was written: 0.1 rather than 0.10000000000000009.
    let step = format!("{step:.6e}").parse().unwrap_or(step);
    gaps().all(|gap| ((gap / step).round() * step - gap).abs() <= 1e-3 * step).then_some(step)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn survey(name: &str, text: &str) -> Result<Survey, String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        Survey::of(&path, &|_, _, _| {}).map_err(|error| error.to_string())
    }

    #[test]
    fn columns_are_told_by_what_they_hold() {
        let mut text = "row;one;kind;half;x;word\n".to_owned();
        for i in 0..60 {
            text.push_str(&format!("{i};7;{};{};{};w{i}\n", ["a", "b"][i % 2], (i % 3) as f64 / 2.0, (i as f64).sin()));
        }
        let found = survey("a.csv", &text).unwrap();
        let of = |name: &str| found.columns.iter().find(|(column, _)| column == name).unwrap().1.clone();
        let expected = [
            ("row", Holds::Index),
            ("one", Holds::Constant(7.0)),
            ("half", Holds::Quantised(0.5)),
            ("x", Holds::Numbers),
        ];
        for (name, holds) in expected {
            assert_eq!(of(name), holds, "{name}");
        }
        for (name, classes) in [("kind", Some(2)), ("word", None)] {
            let Holds::Text(Some(strays)) = of(name) else { panic!("{name}: {:?}", of(name)) };
            assert_eq!((strays.cells, strays.of, strays.classes()), (60, 60, classes));
        }
        assert_eq!((found.rows, found.delimiter, found.header, found.missing), (60, Some(';'), Some(true), false));
    }

    #[test]
    fn the_decimal_sign_is_seen_with_the_delimiter_and_with_words_beside() {
        let cases = [
            ("a;b;c\n1,5;2,25;x\n3,5;4;y\n2,5;4,5;x\n", Some(';'), Decimal::Comma, true),
            ("1,5;2,25;x\n3,5;4;y\n2,5;4,5;x\n", Some(';'), Decimal::Comma, false),
            ("1.5,2.25,x\n3.5,4,y\n2.5,4.5,x\n", None, Decimal::Point, false),
            ("1.5 2.25\n3.5 4\n2.5 4.5\n", Some(' '), Decimal::Point, false),
        ];
        for (text, delimiter, decimal, header) in cases {
            let found = survey("a.csv", text).unwrap();
            assert_eq!((found.delimiter, found.decimal, found.header), (delimiter, decimal, Some(header)), "{text}");
            assert_eq!(found.columns[0].1, Holds::Numbers, "{text}");
            assert!(found.columns.get(2).is_none_or(|(_, holds)| matches!(holds, Holds::Text(_))), "{text}");
        }
    }

    #[test]
    fn missing_values_and_missing_headers_are_seen() {
        let found = survey("a.tsv", "0.5\t2.5\n\t4.5\n1.5\t8.25\n").unwrap();
        assert_eq!((found.rows, found.header, found.missing, found.delimiter), (2, Some(false), true, None));
        assert!(survey("a.csv", "a,b\n1,inf\n").unwrap_err().contains("not finite"));
        assert!(survey("a.xyz", "a,b\n1,2\n").unwrap_err().contains("unknown kind of file"));
    }
}
