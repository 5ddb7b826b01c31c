//! Which delimiter and decimal sign fit a text better than those it is read with.

use super::header::skip_comments;
use super::number::{is_missing, number};
use super::scanner::Scanner;
use crate::spec::Decimal;

/// Lines that are looked at.
const LOOK_AT: usize = 20;
/// In the order in which they are preferred.
const DELIMITERS: [u8; 5] = [b',', b';', b'\t', b'|', b' '];

/// How a text can be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Way {
    pub delimiter: u8,
    pub decimal: Decimal,
}

/// How well a way fits: the columns of numbers of all columns.
#[derive(Clone, Copy)]
struct Fit {
    numbers: usize,
    columns: usize,
}

impl Fit {
    fn is_better_than(self, other: Self) -> bool {
        let (mine, others) = (self.numbers * other.columns, other.numbers * self.columns);
        mine > others || (mine == others && self.numbers > other.numbers)
    }
}

/// The way in which `text` is read better than by `present`, if there is one.
pub fn better(text: &[u8], present: Way) -> Option<Way> {
    let mut best: Option<(Way, Fit)> = None;
    let now = fit(text, present).unwrap_or(Fit { numbers: 0, columns: 1 });
    for decimal in [Decimal::Point, Decimal::Comma] {
        for delimiter in DELIMITERS {
            let way = Way { delimiter, decimal };
            let Some(fits) = fit(text, way) else { continue };
            // A delimiter that does not occur makes any text one column, which says nothing for it.
            if fits.columns == 1 && delimiter != present.delimiter {
                continue;
            }
            if fits.is_better_than(best.map_or(now, |(_, fit)| fit)) {
                best = Some((way, fits));
            }
        }
    }
    best.map(|(way, _)| way)
}

/// What to write in the spec so that `text` is read better than by `present`, if anything is; as the middle of a sentence.
pub fn advice(text: &[u8], present: Way) -> Option<String> {
    let way = better(text, present)?;
    let mut settings = Vec::new();
    if way.delimiter != present.delimiter {
        settings.push(format!("`delimiter = {}`", written(way.delimiter)));
    }
    if way.decimal != present.decimal {
        settings.push(format!("`decimal = '{}'`", way.decimal.sign()));
    }
    let seen = match way.delimiter == present.delimiter {
        true => "its decimals seem to have another sign".to_owned(),
        false => format!("its columns seem to be separated by {}", written(way.delimiter)),
    };
    Some(format!("{seen}; set {}", settings.join(" and ")))
}

/// A delimiter as a spec writes it.
fn written(delimiter: u8) -> &'static str {
    match delimiter {
        b',' => "','",
        b';' => "';'",
        b'\t' => "\"\\t\"",
        b'|' => "'|'",
        _ => "' '",
    }
}

/// `None` where the first lines have different numbers of cells, or no column of numbers.
fn fit(text: &[u8], way: Way) -> Option<Fit> {
    let mut scanner = Scanner::new(text, 1, way.delimiter);
    let mut rows = Vec::new();
    skip_comments(&mut scanner);
    while !scanner.rest.is_empty() && rows.len() < LOOK_AT {
        rows.push(scanner.row());
        scanner.skip_blank_lines();
    }
    let columns = rows.first()?.len();
    if scanner.fault.is_some() || rows.iter().any(|row| row.len() != columns) {
        return None;
    }
    // The first line may be a header.
    let below = if rows.len() > 1 { &rows[1..] } else { &rows[..] };
    let is_number = |cell: &[u8]| number(cell, way.decimal).is_some();
    let holds_numbers = |column: &usize| {
        below.iter().all(|row| is_number(&row[*column]) || is_missing(&row[*column]))
            && below.iter().any(|row| is_number(&row[*column]))
    };
    let numbers = (0..columns).filter(holds_numbers).count();
    (numbers > 0).then_some(Fit { numbers, columns })
}

#[cfg(test)]
mod tests {
    use super::*;

    const PRESENT: Way = Way { delimiter: b',', decimal: Decimal::Point };

    #[test]
    fn what_fits_better_is_found() {
        let cases = [
            ("a;b\n1;2\n3;4\n", "by ';'; set `delimiter = ';'`"),
            ("a;b\n1,5;2,5\n3,5;4\n", "by ';'; set `delimiter = ';'` and `decimal = ','`"),
            ("1,5;2,5\n3,5;4,5\n", "by ';'; set `delimiter = ';'` and `decimal = ','`"),
            ("n;a;b\nx;1,5;2,5\ny;3,5;4,5\n", "by ';'; set `delimiter = ';'` and `decimal = ','`"),
            ("a\tb\n1\t2\n", "by \"\\t\"; set `delimiter = \"\\t\"`"),
            ("a|b\n1|2\n", "by '|'; set `delimiter = '|'`"),
            ("1.0  2.0\n 3.0 4.0\n", "by ' '; set `delimiter = ' '`"),
            ("# by me, in 2020\na;b\n1;2\n", "by ';'; set `delimiter = ';'`"),
            ("a,b\n\"1,5\",\"2,5\"\n", "another sign; set `decimal = ','`"),
        ];
        for (text, expected) in cases {
            let found = advice(text.as_bytes(), PRESENT).unwrap_or_default();
            assert!(found.ends_with(expected), "{text:?}: {found}");
        }
    }

    #[test]
    fn nothing_is_said_of_a_text_that_reads_well_or_not_at_all() {
        for text in ["a,b\n1,2\n", "a\n1\n2\n", "", "hello\nworld\n", "a,b\nx y,1\nz w,2\n", "a,b\n1,2\n3\n"] {
            assert_eq!(advice(text.as_bytes(), PRESENT), None, "{text:?}");
        }
    }
}
