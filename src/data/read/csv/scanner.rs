//! From text to cells.

use std::borrow::Cow;

/// Goes through text cell by cell (RFC 4180 with any delimiter; lines may end in CR LF). The delimiter `b' '` stands for
/// any number of blanks and tabs, also at a line's start and end.
pub struct Scanner<'a> {
    pub rest: &'a [u8],
    /// Number of the line on which `rest` starts.
    pub line: usize,
    /// What separates the cells of a row.
    pub delimiter: u8,
    /// What was first found to be wrong with quotes.
    pub fault: Option<QuoteFault>,
}

/// What can be wrong with a quoted cell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum QuoteFault {
    /// `"1"5`
    TextBehind,
    /// The text ends within it.
    Unclosed,
}

impl QuoteFault {
    pub fn problem(self) -> &'static str {
        match self {
            Self::TextBehind => "text stands behind a closing quote; a quote within a quoted cell is written twice",
            Self::Unclosed => "a quote that is opened in this row is never closed; close it, or remove it",
        }
    }
}

impl<'a> Scanner<'a> {
    /// At the start of `rest`, which is on line `line`.
    pub fn new(rest: &'a [u8], line: usize, delimiter: u8) -> Self {
        Self { rest, line, delimiter, fault: None }
    }

    /// Empty lines between rows mean nothing: many programs end a file with one.
    pub fn skip_blank_lines(&mut self) {
        loop {
            let blanks = self.rest.iter().take_while(|byte| self.is_blank(**byte) || **byte == b'\r').count();
            match self.rest.get(blanks) {
                Some(b'\n') => {
                    self.rest = &self.rest[blanks + 1..];
                    self.line += 1;
                }
                None => {
                    self.rest = &[];
                    return;
                }
                Some(_) => return,
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
        self.skip_blanks();
        let cell = match self.rest.first() {
            Some(b'"') => {
                let cell = self.quoted();
                if !self.plain().is_empty() {
                    self.fault.get_or_insert(QuoteFault::TextBehind);
                }
                cell
            }
            _ => Cow::Borrowed(self.plain()),
        };
        if self.delimiter == b' ' {
            self.skip_blanks();
        }
        match self.rest.split_first() {
            None => (cell, true),
            Some((b'\n', rest)) => {
                self.rest = rest;
                self.line += 1;
                (cell, true)
            }
            Some((first, rest)) => {
                if *first == self.delimiter {
                    self.rest = rest;
                }
                (cell, false)
            }
        }
    }

    /// What stands before the next delimiter or the line's end.
    fn plain(&mut self) -> &'a [u8] {
        let ends = |byte: &u8| *byte == self.delimiter || *byte == b'\n' || (*byte == b'\t' && self.delimiter == b' ');
        let end = self.rest.iter().position(ends).unwrap_or(self.rest.len());
        let (plain, rest) = self.rest.split_at(end);
        self.rest = rest;
        plain.trim_ascii()
    }

    fn is_blank(&self, byte: u8) -> bool {
        byte == b' ' || (byte == b'\t' && self.delimiter != b'\t')
    }

    fn skip_blanks(&mut self) {
        while let Some((&first, rest)) = self.rest.split_first()
            && (self.is_blank(first) || (first == b'\r' && self.delimiter == b' '))
        {
            self.rest = rest;
        }
    }

    /// A cell in quotes, in which two quotes stand for one.
    fn quoted(&mut self) -> Cow<'a, [u8]> {
        let mut cell = Vec::new();
        let mut bytes = self.rest[1..].iter().peekable();
        let mut is_closed = false;
        while let Some(&byte) = bytes.next() {
            if byte == b'"' && bytes.next_if_eq(&&b'"').is_none() {
                is_closed = true;
                break;
            }
            self.line += usize::from(byte == b'\n');
            cell.push(byte);
        }
        if !is_closed {
            self.fault.get_or_insert(QuoteFault::Unclosed);
        }
        self.rest = &self.rest[self.rest.len() - bytes.len()..];
        Cow::Owned(cell.trim_ascii().to_vec())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(text: &str, delimiter: u8) -> Vec<Vec<String>> {
        let mut scanner = Scanner::new(text.as_bytes(), 1, delimiter);
        let mut rows = Vec::new();
        scanner.skip_blank_lines();
        while !scanner.rest.is_empty() {
            rows.push(scanner.row().iter().map(|cell| String::from_utf8_lossy(cell).into_owned()).collect());
            scanner.skip_blank_lines();
        }
        rows
    }

    #[test]
    fn any_number_of_blanks_separates_where_the_delimiter_is_a_blank() {
        let expected = vec![vec!["1", "2", "x y"], vec!["3", "4", "5"]];
        for text in ["1 2 \"x y\"\n3 4 5\n", "  1   2\t\"x y\"  \r\n3\t\t4 5 \r\n  \r\n", "\n1 2 \"x y\"\n\n 3 4 5"] {
            assert_eq!(rows(text, b' '), expected, "{text:?}");
        }
    }

    #[test]
    fn a_tab_separates_only_where_it_is_the_delimiter() {
        assert_eq!(rows("1\t\t3\n", b'\t'), [["1", "", "3"]]);
        assert_eq!(rows("1 ,\t2\n \n", b','), [["1", "2"]]);
        assert_eq!(rows("1, \"2,3\"\n", b','), [["1", "2,3"]]);
    }

    #[test]
    fn faulty_quotes_are_noticed() {
        let fault = |text: &str| {
            let mut scanner = Scanner::new(text.as_bytes(), 1, b',');
            scanner.row();
            scanner.fault
        };
        assert_eq!(fault("\"1\"5,2\n"), Some(QuoteFault::TextBehind));
        assert_eq!(fault("1,\"2\n3,4\n"), Some(QuoteFault::Unclosed));
        assert_eq!(fault("\"1\" ,\"2\"\"\"\r\n"), None);
    }
}
