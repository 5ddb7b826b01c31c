//! Comma-separated text, plain or gzipped.
//!
//! One scanner both reads and diagnoses, so that a message can always name row, line and column. A file without quotes
//! is scanned in parallel pieces.

use std::borrow::Cow;
use std::io::Read;
use std::path::Path;

use flate2::read::MultiGzDecoder;
use rayon::prelude::*;

use super::{Selection, Table, numbered};
use crate::data::error::{CellProblem, DataError, Place, finite, reading};
use crate::matrix::Matrix;

/// Bytes that one thread scans at a time.
const PIECE: usize = 1 << 21;

/// Reads the chosen columns. The first line is the header, unless all of its cells are numbers.
pub fn read(path: &Path, selection: &Selection) -> Result<Table, DataError> {
    let bytes = contents(path)?;
    let text = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&bytes);
    let mut scanner = Scanner { rest: text, line: 1 };
    scanner.skip_blank_lines();
    let (header_start, header_line) = (scanner.rest, scanner.line);
    let header = scanner.row();
    if header.is_empty() {
        return Err(DataError::Empty { path: path.to_owned() });
    }
    let mut warnings = Vec::new();
    let names = if header.iter().all(|cell| is_number(cell)) {
        warnings.push(format!(
            "`{}` has no header; its columns are called x1 to x{}",
            path.display(),
            header.len()
        ));
        scanner = Scanner {
            rest: header_start,
            line: header_line,
        };
        numbered(header.len())
    } else {
        header
            .iter()
            .map(|cell| String::from_utf8_lossy(cell).into_owned())
            .collect()
    };
    let chosen = selection.resolve(path, &names)?;
    let mut slots = vec![None; names.len()];
    chosen
        .iter()
        .enumerate()
        .for_each(|(slot, &column)| slots[column] = Some(slot));

    let mut values = Vec::new();
    let (mut rows, mut lines) = (0, scanner.line - 1);
    for piece in scan(scanner.rest, &slots, chosen.len()) {
        let piece = piece.map_err(|failure| failure.at(path, &names, rows, lines))?;
        rows += piece.values.len() / chosen.len();
        lines += piece.lines;
        if values.is_empty() {
            values = piece.values;
        } else {
            values.extend_from_slice(&piece.values);
        }
    }
    let columns = chosen.iter().map(|&column| names[column].clone()).collect();
    Ok(Table {
        columns,
        rows: Matrix::new(values, chosen.len()),
        warnings,
    })
}

/// The file's bytes, decompressed if they are gzip, whatever the name says.
fn contents(path: &Path) -> Result<Vec<u8>, DataError> {
    let bytes = std::fs::read(path).map_err(reading(path))?;
    if !bytes.starts_with(&[0x1f, 0x8b]) {
        return Ok(bytes);
    }
    let mut text = Vec::new();
    match MultiGzDecoder::new(&bytes[..]).read_to_end(&mut text) {
        Ok(_) => Ok(text),
        Err(error) => Err(DataError::Damaged {
            path: path.to_owned(),
            format: "gzip",
            problem: error.to_string(),
        }),
    }
}

fn number(cell: &[u8]) -> Option<f64> {
    std::str::from_utf8(cell).ok()?.parse().ok()
}

fn is_number(cell: &[u8]) -> bool {
    number(cell).is_some()
}

/// The values of some consecutive rows, row-major, and the lines they take.
struct Piece {
    values: Vec<f32>,
    lines: usize,
}

/// What is wrong with a row; `row` and `line` count from 0 at the start of the piece.
struct Failure {
    row: usize,
    line: usize,
    kind: FailureKind,
}

enum FailureKind {
    Ragged { found: usize },
    Cell { column: usize, problem: CellProblem },
}

impl Failure {
    fn at(self, path: &Path, names: &[String], rows_before: usize, lines_before: usize) -> DataError {
        let (path, row, line) = (
            path.to_owned(),
            rows_before + self.row + 1,
            lines_before + self.line + 1,
        );
        match self.kind {
            FailureKind::Ragged { found } => DataError::Ragged {
                path,
                row,
                line,
                expected: names.len(),
                found,
            },
            FailureKind::Cell { column, problem } => DataError::Cell {
                place: Place {
                    path,
                    row,
                    line: Some(line),
                    column: names[column].clone(),
                },
                problem,
            },
        }
    }
}

/// Scans the rows of `text`, which starts at a row. `slots`: for each column of the file its place among the `width`
/// chosen ones.
fn scan(text: &[u8], slots: &[Option<usize>], width: usize) -> Vec<Result<Piece, Failure>> {
    // A quoted cell may hold line breaks, and then no piece can tell where its first row starts.
    let piece_size = if text.contains(&b'"') { text.len() } else { PIECE };
    let mut pieces = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        let cut = match rest.iter().skip(piece_size).position(|byte| *byte == b'\n') {
            Some(after) => piece_size + after + 1,
            None => rest.len(),
        };
        let (piece, others) = rest.split_at(cut);
        pieces.push(piece);
        rest = others;
    }
    pieces
        .into_par_iter()
        .map(|piece| scan_piece(piece, slots, width))
        .collect()
}

fn scan_piece(text: &[u8], slots: &[Option<usize>], width: usize) -> Result<Piece, Failure> {
    let mut values: Vec<f32> = Vec::new();
    let mut scanner = Scanner { rest: text, line: 0 };
    scanner.skip_blank_lines();
    while !scanner.rest.is_empty() {
        let (start, line) = (values.len(), scanner.line);
        values.resize(start + width, 0.0);
        let mut wrong = None;
        let mut found = 0;
        loop {
            let (cell, row_ends) = scanner.cell();
            if let Some(&Some(slot)) = slots.get(found) {
                match value(&cell) {
                    Ok(value) => values[start + slot] = value,
                    Err(problem) => {
                        wrong.get_or_insert(FailureKind::Cell { column: found, problem });
                    }
                }
            }
            found += 1;
            if row_ends {
                break;
            }
        }
        // A row of the wrong length explains its wrong cells, so it is named first.
        let ragged = (found != slots.len()).then_some(FailureKind::Ragged { found });
        if let Some(kind) = ragged.or(wrong) {
            return Err(Failure {
                row: start / width,
                line,
                kind,
            });
        }
        scanner.skip_blank_lines();
    }
    Ok(Piece {
        values,
        lines: scanner.line,
    })
}

fn value(cell: &[u8]) -> Result<f32, CellProblem> {
    const MISSING: [&str; 6] = ["na", "n/a", "nan", "null", "none", "?"];
    let text = || String::from_utf8_lossy(cell).into_owned();
    match number(cell) {
        Some(value) if value.is_finite() => finite(value),
        Some(value) if value.is_infinite() && cell.iter().any(u8::is_ascii_digit) => Err(CellProblem::TooLarge(text())),
        Some(value) if value.is_infinite() => Err(CellProblem::Infinite(text())),
        _ if cell.is_empty() => Err(CellProblem::Empty),
        _ if MISSING.contains(&text().to_lowercase().as_str()) => Err(CellProblem::Missing(text())),
        _ => Err(CellProblem::Text(text())),
    }
}

/// Goes through text cell by cell (RFC 4180; lines may end in CR LF).
struct Scanner<'a> {
    rest: &'a [u8],
    /// Number of the line on which `rest` starts.
    line: usize,
}

impl<'a> Scanner<'a> {
    /// Empty lines between rows mean nothing: many programs end a file with one.
    fn skip_blank_lines(&mut self) {
        loop {
            match self.rest {
                [b'\n', rest @ ..] | [b'\r', b'\n', rest @ ..] => {
                    self.rest = rest;
                    self.line += 1;
                }
                _ => return,
            }
        }
    }

    /// The cells of one row; none at the end of the text.
    fn row(&mut self) -> Vec<Cow<'a, [u8]>> {
        let mut cells = Vec::new();
        let mut done = self.rest.is_empty();
        while !done {
            let (cell, row_ends) = self.cell();
            cells.push(cell);
            done = row_ends;
        }
        cells
    }

    /// The next cell, without quotes and the blanks around it, and whether it ends the row.
    fn cell(&mut self) -> (Cow<'a, [u8]>, bool) {
        let quoted = self.rest.first() == Some(&b'"');
        let cell = if quoted { self.quoted() } else { Cow::Borrowed(&[][..]) };
        let end = self
            .rest
            .iter()
            .position(|byte| matches!(byte, b',' | b'\n'))
            .unwrap_or(self.rest.len());
        let (plain, rest) = self.rest.split_at(end);
        let row_ends = rest.first() != Some(&b',');
        self.rest = rest.get(1..).unwrap_or_default();
        self.line += usize::from(rest.first() == Some(&b'\n'));
        (
            if quoted {
                cell
            } else {
                Cow::Borrowed(plain.trim_ascii())
            },
            row_ends,
        )
    }

    /// A cell in quotes, in which two quotes stand for one.
    fn quoted(&mut self) -> Cow<'a, [u8]> {
        let mut cell = Vec::new();
        let mut bytes = self.rest[1..].iter().peekable();
        while let Some(&byte) = bytes.next() {
            if byte == b'"' && bytes.next_if_eq(&&b'"').is_none() {
                break;
            }
            self.line += usize::from(byte == b'\n');
            cell.push(byte);
        }
        self.rest = &self.rest[self.rest.len() - bytes.len()..];
        Cow::Owned(cell.trim_ascii().to_vec())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    fn parse_bytes(bytes: &[u8], drop: &[&str]) -> Result<Table, String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.csv");
        std::fs::write(&path, bytes).unwrap();
        let selection = Selection {
            columns: None,
            drop: drop.iter().map(|name| name.to_string()).collect(),
        };
        read(&path, &selection).map_err(|error| error.to_string())
    }

    fn parse(text: &str) -> Result<Table, String> {
        parse_bytes(text.as_bytes(), &[])
    }

    #[test]
    fn tables_are_read_as_written() {
        let cases = [
            "a,b\n1,2.5\n-3e2,.5\n",
            "a,b\r\n1,2.5\r\n-3e2,.5",
            "\u{feff}\"a\",\"b\"\n\n1, 2.5 \n\"-3e2\",\".5\"\n\n\r\n",
        ];
        for text in cases {
            let table = parse(text).unwrap();
            assert_eq!(table.columns, ["a", "b"], "{text:?}");
            assert_eq!(table.rows, Matrix::new(vec![1.0, 2.5, -300.0, 0.5], 2), "{text:?}");
            assert!(table.warnings.is_empty());
        }
    }

    #[test]
    fn a_first_line_of_numbers_is_data_and_warned_about() {
        let table = parse("1,2\n3,4\n").unwrap();
        assert_eq!(
            (table.columns, table.rows),
            (vec!["x1".into(), "x2".into()], Matrix::new(vec![1.0, 2.0, 3.0, 4.0], 2))
        );
        assert!(table.warnings[0].contains("no header"));
    }

    #[test]
    fn text_in_a_dropped_column_does_no_harm() {
        let table = parse_bytes(b"a,note,b\n1,\"x, \"\"y\"\"\nz\",2\n3,,4\n", &["note"]).unwrap();
        assert_eq!(table.rows, Matrix::new(vec![1.0, 2.0, 3.0, 4.0], 2));
    }

    #[test]
    fn gzip_is_recognised_by_its_bytes_and_its_damage_named() {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
        encoder.write_all(b"a\n1\n2\n").unwrap();
        let bytes = encoder.finish().unwrap();
        assert_eq!(parse_bytes(&bytes, &[]).unwrap().rows.as_slice(), [1.0, 2.0]);
        assert!(
            parse_bytes(&bytes[..bytes.len() - 6], &[])
                .unwrap_err()
                .contains("not a valid gzip file")
        );
    }

    #[test]
    fn every_fault_is_named_with_row_line_and_column() {
        let cases = [
            ("a,b\n1,2\n3\n", "row 2 (line 3): 1 cells where the first line has 2"),
            ("a,b\n1,2\n\n3,4,5\n", "row 2 (line 4): 3 cells"),
            ("1,2\n3,4,5\n", "row 2 (line 2): 3 cells"),
            ("a,b\n1,x\n", "row 1 (line 2), column `b`: `x` is not a number"),
            ("a,b\n1,\n", "row 1 (line 2), column `b`: the cell is empty"),
            (
                "a,b\n1,2\nNA,2\n",
                "row 2 (line 3), column `a`: `NA` is a missing value",
            ),
            ("a,b\n1,2\nNaN,2\n", "column `a`: `NaN` is a missing value"),
            ("a,b\n1,-inf\n", "column `b`: `-inf` is not finite"),
            ("a,b\n1,1e39\n", "column `b`: 1e39 is beyond the range"),
            ("a,b\n1,1e999\n", "column `b`: 1e999 is beyond the range"),
            ("a,b\n\"1\n2\",3\n", "row 1 (line 2), column `a`"),
            ("a,b\n\"x\ny\",3\n1,2\n", "row 1 (line 2), column `a`"),
            ("a,a\n1,2\n", "`a` appears twice"),
            ("\n\n", "holds no rows"),
        ];
        for (text, expected) in cases {
            let message = parse(text).unwrap_err();
            assert!(message.contains(expected), "{text:?}: {message}");
        }
    }

    #[test]
    fn long_files_keep_order_and_row_numbers_across_pieces() {
        let rows = 400_000;
        let mut text = "a,b\n".to_owned();
        (0..rows).for_each(|i| text.push_str(&format!("{i},{}.25\n", i % 1000)));
        assert!(text.len() > 2 * PIECE);
        let table = parse(&text).unwrap();
        assert!(
            table
                .rows
                .iter_rows()
                .enumerate()
                .all(|(i, row)| row == [i as f32, (i % 1000) as f32 + 0.25])
        );
        text.push_str("\n\noops,1\n");
        assert!(
            parse(&text)
                .unwrap_err()
                .contains(&format!("row {} (line {}), column `a`", rows + 1, rows + 4))
        );
    }
}
