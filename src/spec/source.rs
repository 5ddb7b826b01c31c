//! Texts that values come from, and places in them.

use std::ops::Range;
use std::sync::{Arc, OnceLock};

/// A spec file or the text of an override.
#[derive(Debug)]
pub(crate) struct Source {
    /// How diagnostics call it: the path as given, or `--set`.
    pub name: String,
    pub text: String,
    /// Rank among the sources of one command: diagnostics are sorted by it.
    pub order: usize,
    line_starts: OnceLock<Vec<usize>>,
    /// Number of characters before each block of bytes, and in the whole text.
    characters: OnceLock<Vec<usize>>,
}

/// Bytes of a block: what is counted at most to tell a column, however long its line.
const BLOCK: usize = 1024;

impl Source {
    pub fn new(name: impl Into<String>, text: impl Into<String>, order: usize) -> Arc<Self> {
        Arc::new(Self {
            name: name.into(),
            text: text.into(),
            order,
            line_starts: OnceLock::new(),
            characters: OnceLock::new(),
        })
    }

    /// Byte range of the line that holds byte `offset`, without its line ending, and its number, 1-based.
    pub fn line(&self, offset: usize) -> (usize, Range<usize>) {
        let starts = self.line_starts.get_or_init(|| {
            let breaks = self.text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n').map(|(i, _)| i + 1);
            std::iter::once(0).chain(breaks).collect()
        });
        let number = starts.partition_point(|start| *start <= offset);
        let start = starts[number - 1];
        let end = starts.get(number).map_or(self.text.len(), |next| next - 1);
        let end = if self.text[start..end].ends_with('\r') { end - 1 } else { end };
        (number, start..end)
    }

    /// How many characters the bytes of `range` hold.
    pub fn characters(&self, range: Range<usize>) -> usize {
        match range.len() {
            0..=BLOCK => count(&self.text.as_bytes()[range]),
            _ => self.characters_before(range.end) - self.characters_before(range.start),
        }
    }

    fn characters_before(&self, offset: usize) -> usize {
        let bytes = self.text.as_bytes();
        let before = self.characters.get_or_init(|| {
            let mut sum = 0;
            let sums = bytes.chunks(BLOCK).map(|block| {
                sum += count(block);
                sum
            });
            std::iter::once(0).chain(sums).collect()
        });
        let block = offset / BLOCK;
        before[block] + count(&bytes[block * BLOCK..offset])
    }
}

/// The characters that start in `bytes`: all bytes of a character but its first look like 0b10xx_xxxx.
fn count(bytes: &[u8]) -> usize {
    bytes.iter().filter(|byte| **byte & 0xc0 != 0x80).count()
}

/// A byte range of a source.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    pub source: Arc<Source>,
    pub span: Range<usize>,
}

impl Place {
    /// The start of a source: where whatever is missing from it is reported.
    pub fn start_of(source: &Arc<Source>) -> Self {
        Self { source: Arc::clone(source), span: 0..0 }
    }

    /// The text at this place.
    pub fn text(&self) -> &str {
        self.source.text.get(self.span.clone()).unwrap_or_default()
    }

    /// The part of this place that reads `part`; the whole place where there is none.
    pub fn part(&self, part: &str) -> Self {
        match self.text().find(part) {
            Some(offset) if !part.is_empty() => {
                let start = self.span.start + offset;
                Self { source: Arc::clone(&self.source), span: start..start + part.len() }
            }
            _ => self.clone(),
        }
    }

    /// Whether both are the same place.
    pub fn is(&self, other: &Self) -> bool {
        self.source.order == other.source.order && self.span == other.span
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_offset_is_found_in_its_line_whatever_the_line_endings() {
        let source = Source::new("a.toml", "one\r\ntwo\n\nvier", 0);
        let expected = [(0, 1, "one"), (4, 1, "one"), (5, 2, "two"), (9, 3, ""), (10, 4, "vier"), (14, 4, "vier")];
        for (offset, number, text) in expected {
            let (found, range) = source.line(offset);
            assert_eq!((found, &source.text[range]), (number, text), "offset {offset}");
        }
    }

    #[test]
    fn characters_are_counted_across_blocks() {
        let source = Source::new("a.toml", "aä→🌙".repeat(BLOCK), 0);
        let starts: Vec<_> = source.text.char_indices().map(|(offset, _)| offset).collect();
        assert_eq!(source.characters(0..source.text.len()), starts.len());
        for (number, start) in starts.iter().enumerate().step_by(7) {
            assert_eq!(source.characters(starts[number / 2]..*start), number - number / 2);
        }
    }
}
