//! The rows below the header, as numbers; scanned in parallel pieces.

use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};

use rayon::prelude::*;

use super::number::value;
use super::scanner::{QuoteFault, Scanner};
use crate::data::error::{CellProblem, DataError, Place};
use crate::data::read::{LAST_EXACT, Source};
use crate::spec::Decimal;

/// Bytes that one thread scans at a time.
pub const PIECE: usize = 1 << 21;

/// The values of some consecutive rows, row-major, and the lines they take.
pub struct Piece {
    pub values: Vec<f64>,
    pub lines: usize,
    /// Which of the chosen columns hold whole numbers that 64-bit floats round, shape `[chosen columns]`.
    pub rounded: Vec<bool>,
}

/// What is wrong with a row; `row` and `line` count from 0 at the start of the piece.
pub struct Failure {
    row: usize,
    line: usize,
    kind: FailureKind,
}

pub enum FailureKind {
    Ragged { found: usize },
    Cell { column: usize, problem: CellProblem },
    Quote(QuoteFault),
}

impl Failure {
    pub fn at(self, path: &Path, names: &[String], rows_before: usize, lines_before: usize) -> DataError {
        let (path, row, line) = (path.to_owned(), rows_before + self.row + 1, lines_before + self.line + 1);
        match self.kind {
            FailureKind::Ragged { found } => DataError::Ragged { path, row, line, expected: names.len(), found },
            FailureKind::Quote(fault) => DataError::Quote { path, line, problem: fault.problem() },
            FailureKind::Cell { column, problem } => {
                DataError::Cell { place: Place { path, row, line: Some(line), column: names[column].clone() }, problem }
            }
        }
    }
}

/// What stands where in a row.
pub struct Layout<'a> {
    /// For each column of the file its place among the chosen ones.
    pub slots: &'a [Option<usize>],
    /// How many are chosen.
    pub width: usize,
    pub delimiter: u8,
    pub decimal: Decimal,
}

/// Scans the rows of `text`, which starts at a row.
pub fn scan(text: &[u8], layout: &Layout, source: &Source) -> Vec<Result<Piece, Failure>> {
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
    let done = AtomicUsize::new(0);
    let scanned = pieces.into_par_iter().map(|piece| {
        let scanned = scan_piece(piece, layout, source);
        let done = done.fetch_add(piece.len(), Ordering::Relaxed) + piece.len();
        (source.watch)(source.path, done as u64, text.len() as u64);
        scanned
    });
    scanned.collect()
}

fn scan_piece(text: &[u8], layout: &Layout, source: &Source) -> Result<Piece, Failure> {
    let Layout { slots, width, delimiter, decimal } = *layout;
    let mut values: Vec<f64> = Vec::new();
    let mut rounded = vec![false; width];
    let mut scanner = Scanner::new(text, 0, delimiter);
    scanner.skip_blank_lines();
    while !scanner.rest.is_empty() {
        let (start, line) = (values.len(), scanner.line);
        values.resize(start + width, 0.0);
        let mut wrong = None;
        let mut found = 0;
        loop {
            let (cell, row_ends) = scanner.cell();
            if let Some(&Some(slot)) = slots.get(found) {
                match source.value(value(&cell, decimal)) {
                    Ok(value) => {
                        values[start + slot] = value;
                        rounded[slot] |= value.abs() >= LAST_EXACT && !cell.iter().any(|byte| b".,eE".contains(byte));
                    }
                    Err(problem) => {
                        wrong.get_or_insert(FailureKind::Cell { column: found, problem });
                    }
                }
            }
            // A delimiter at the line's end starts no column.
            found += usize::from(!(row_ends && found == slots.len() && cell.is_empty()));
            if row_ends {
                break;
            }
        }
        // A faulty quote explains a row of the wrong length, and that its wrong cells: so they are named in this order.
        let quote = scanner.fault.map(FailureKind::Quote);
        let ragged = (found != slots.len()).then_some(FailureKind::Ragged { found });
        if let Some(kind) = quote.or(ragged).or(wrong) {
            return Err(Failure { row: start / width, line, kind });
        }
        scanner.skip_blank_lines();
    }
    Ok(Piece { values, lines: scanner.line, rounded })
}
