//! What stands above the rows: comments, and the names of the columns.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};

use super::guess::Way;
use super::number::{is_missing, number};
use super::scanner::Scanner;
use crate::data::quote::{as_toml, quoted};
use crate::data::read::numbered;

/// Longest name of a column, in bytes: what is longer is no name.
const LONGEST_NAME: usize = 1024;
/// Rows that are looked at to tell a header from a row.
const LOOK_AT: usize = 200;

/// What a spreadsheet writes, behind `#`, into cells that it cannot work out.
const NO_COMMENTS: [&[u8]; 7] = [b"N/A", b"REF!", b"DIV/0!", b"VALUE!", b"NAME?", b"NUM!", b"NULL!"];

type Row<'a> = Vec<Cow<'a, [u8]>>;

/// The columns, and where the rows start.
pub struct Top<'a> {
    pub names: Vec<String>,
    /// Whether the file names its columns.
    pub named: bool,
    /// At the first row.
    pub rows: Scanner<'a>,
    /// What was guessed, a sentence each, without the file's name.
    pub warnings: Vec<String>,
}

/// Reads what stands above the rows of `text`; `header`: whether there are names, where that is known.
///
/// # Errors
/// A first line that names nothing, as a sentence. No cells at all: `Ok` without names.
pub fn read<'a>(text: &'a [u8], way: Way, header: Option<bool>) -> Result<Top<'a>, String> {
    let mut scanner = Scanner::new(text, 1, way.delimiter);
    let comments = skip_comments(&mut scanner);
    let mut warnings = Vec::new();
    let (at_first, at_first_rest) = (Scanner { ..scanner }, scanner.rest);
    let first = scanner.row();
    if first.is_empty() {
        return Ok(Top { names: Vec::new(), named: false, rows: scanner, warnings });
    }
    if let Some(fault) = scanner.fault {
        return Err(fault.problem().to_owned());
    }
    let looks = first_line(&first, Scanner { ..scanner }, way);
    // NumPy's `savetxt` writes names behind `#`.
    let commented = comments.last().and_then(|comment| commented(comment, &first, way));
    let commented = commented.filter(|_| header != Some(false) && matches!(looks, First::Values));
    let left_out = comments.len() - usize::from(commented.is_some());
    if left_out > 0 {
        let lines = if left_out == 1 { "line at its top that starts" } else { "lines at its top that start" };
        warnings.push(format!("{left_out} {lines} with `#` left out"));
    }
    let kind = match header {
        Some(true) => First::Names,
        Some(false) => First::Values,
        None => looks,
    };
    let (named, cells, mut rows) = match (kind, commented) {
        (_, Some(names)) => (true, names, at_first),
        (First::Values, _) => (false, first, at_first),
        (First::Names | First::Either, _) => (true, first, scanner),
    };
    if header == Some(true) && matches!(looks, First::Values) && !std::ptr::eq(rows.rest, at_first_rest) {
        warnings.push("its header looks like a row of values; if it is one, set `header = false`".to_owned());
    }
    if matches!(kind, First::Either) {
        warnings.push(
            "its first line is taken for the names of its columns, though some of it are numbers; \
             if it is a row, set `header = false`"
                .to_owned(),
        );
    }
    rows.skip_blank_lines();
    // A line that ends in a delimiter ends in an empty cell; where all do, there is no column.
    let trails =
        cells.len() > 1 && cells.last().is_some_and(|cell| cell.is_empty()) && all_trail(rows.rest, way.delimiter);
    let cells = &cells[..cells.len() - usize::from(trails)];
    let names = if named {
        name(cells, &mut warnings)?
    } else {
        let names = numbered(cells.len());
        if header.is_none() {
            warnings.push(headerless(cells));
        }
        names
    };
    Ok(Top { names, named, rows, warnings })
}

/// What the first line is.
#[derive(Clone, Copy)]
enum First {
    Names,
    Values,
    /// Probably names, though some are numbers.
    Either,
}

fn first_line(first: &Row, mut below: Scanner, way: Way) -> First {
    let is_number = |cell: &[u8]| number(cell, way.decimal).is_some();
    if first.iter().all(|cell| is_number(cell) || is_missing(cell)) {
        // An index without a name beside columns that are named by their number, as pandas writes it.
        let is_counted = first.len() > 1 && first[0].is_empty() && counts_from_zero(&first[1..]);
        return if is_counted { First::Names } else { First::Values };
    }
    if !first.iter().any(|cell| is_number(cell)) {
        return First::Names;
    }
    // A class at the end of every row, as many sets of the UCI repository have it, comes again below; a name does not.
    for _ in 0..LOOK_AT {
        below.skip_blank_lines();
        let row = below.row();
        let comes_again = |(one, other): (&Cow<[u8]>, &Cow<[u8]>)| one == other && !is_number(one) && !is_missing(one);
        if row.len() == first.len() && first.iter().zip(&row).any(comes_again) {
            return First::Values;
        }
    }
    First::Either
}

fn counts_from_zero(cells: &[Cow<[u8]>]) -> bool {
    cells.iter().enumerate().all(|(i, cell)| **cell == *i.to_string().as_bytes())
}

/// The lines at the top that start with `#`, and the blank ones among them, are no rows.
pub fn skip_comments<'a>(scanner: &mut Scanner<'a>) -> Vec<&'a [u8]> {
    let mut comments = Vec::new();
    scanner.skip_blank_lines();
    while let [b'#', rest @ ..] = scanner.rest
        && !NO_COMMENTS.iter().any(|error| rest.starts_with(error))
    {
        let end = rest.iter().position(|byte| *byte == b'\n').unwrap_or(rest.len());
        comments.push(&rest[..end]);
        scanner.rest = rest.get(end + 1..).unwrap_or_default();
        scanner.line += 1;
        scanner.skip_blank_lines();
    }
    comments
}

/// The names that a comment right above the first row gives, one for each of its cells.
fn commented<'a>(comment: &'a [u8], first: &Row, way: Way) -> Option<Row<'a>> {
    let cells = Scanner::new(comment, 1, way.delimiter).row();
    (cells.len() == first.len() && cells.iter().all(|cell| !cell.is_empty())).then_some(cells)
}

/// Whether every line ends in a delimiter.
fn all_trail(text: &[u8], delimiter: u8) -> bool {
    let blanks: &[u8] = if delimiter == b'\t' { b" \r" } else { b" \r\t" };
    let ends = text.split(|byte| *byte == b'\n').filter_map(|line| line.iter().rfind(|byte| !blanks.contains(byte)));
    ends.into_iter().all(|end| *end == delimiter)
}

/// The names as a header has them; columns without one, or with one that an earlier column has, get that which pandas gives them.
fn name(cells: &[Cow<[u8]>], warnings: &mut Vec<String>) -> Result<Vec<String>, String> {
    let mut names: Vec<String> = Vec::with_capacity(cells.len());
    let mut unnamed = Vec::new();
    for (i, cell) in cells.iter().enumerate() {
        if cell.len() > LONGEST_NAME {
            let start = quoted(&String::from_utf8_lossy(cell));
            return Err(format!("its first line should name the columns, but {start} is no name; see `header`"));
        }
        names.push(String::from_utf8_lossy(cell).into_owned());
        if cell.is_empty() {
            unnamed.push(i);
        }
    }
    for &i in &unnamed {
        let mut called = format!("Unnamed: {i}");
        while names.contains(&called) {
            called.push_str(".1");
        }
        names[i] = called;
    }
    if let Some(&first) = unnamed.first() {
        let called: Vec<String> = unnamed.iter().take(20).map(|&i| quoted(&names[i])).collect();
        let (column, is) = if unnamed.len() == 1 { ("a column", "is") } else { ("columns", "are") };
        warnings.push(format!(
            "{column} without a name {is} called {}; where it is no feature, such as the numbers of the rows, set \
             `drop = [{}]`",
            called.join(", "),
            as_toml(&names[first])
        ));
    }
    let twice = tell_apart(&mut names);
    if !twice.is_empty() {
        let called: Vec<String> = twice
            .iter()
            .take(20)
            .map(|(name, called)| format!("the later {} is called {}", quoted(name), quoted(called)))
            .collect();
        warnings.push(format!("gives a name to several columns: {}", called.join(", ")));
    }
    Ok(names)
}

/// Gives a column whose name an earlier one has a name of its own: `a.1`, `a.2`. Returns those names as they were and are.
fn tell_apart(names: &mut [String]) -> Vec<(String, String)> {
    let mut taken: HashSet<String> = names.iter().cloned().collect();
    let mut seen: HashMap<String, usize> = HashMap::new();
    let mut renamed = Vec::new();
    for name in names {
        let count = seen.entry(name.clone()).or_default();
        if *count == 0 {
            *count = 1;
            continue;
        }
        let mut called = format!("{name}.{count}");
        while !taken.insert(called.clone()) {
            *count += 1;
            called = format!("{name}.{count}");
        }
        *count += 1;
        renamed.push((std::mem::replace(name, called.clone()), called));
    }
    renamed
}

fn headerless(cells: &[Cow<[u8]>]) -> String {
    let called = if cells.len() == 1 { "column is called x1" } else { "columns are called x1 to x" };
    let last = if cells.len() == 1 { String::new() } else { cells.len().to_string() };
    let doubt = match cells.len() > 1 && counts_from_zero(cells) {
        true => "; its first line 0, 1, … may be the names that pandas gives: then set `header = true`",
        false => "",
    };
    format!("has no header; its {called}{last}{doubt}")
}
