//! From text to cells.

use std::borrow::Cow;

/// Goes through text cell by cell (RFC 4180 with any delimiter; lines may end in CR LF).
pub struct Scanner<'a> {
    pub rest: &'a [u8],
    /// Number of the line on which `rest` starts.
    pub line: usize,
    /// What separates the cells of a row.
    pub delimiter: u8,
}

impl<'a> Scanner<'a> {
    /// Empty lines between rows mean nothing: many programs end a file with one.
    pub fn skip_blank_lines(&mut self) {
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
    pub fn row(&mut self) -> Vec<Cow<'a, [u8]>> {
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
    pub fn cell(&mut self) -> (Cow<'a, [u8]>, bool) {
        let quoted = self.rest.first() == Some(&b'"');
        let cell = if quoted { self.quoted() } else { Cow::Borrowed(&[][..]) };
        let end =
            self.rest.iter().position(|byte| *byte == self.delimiter || *byte == b'\n').unwrap_or(self.rest.len());
        let (plain, rest) = self.rest.split_at(end);
        let row_ends = rest.first() != Some(&self.delimiter);
        self.rest = rest.get(1..).unwrap_or_default();
        self.line += usize::from(rest.first() == Some(&b'\n'));
        (if quoted { cell } else { Cow::Borrowed(plain.trim_ascii()) }, row_ends)
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
