//! Cells of a column that are no numbers.

use std::collections::HashSet;

/// How many there are, and the first of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Strays {
    /// Cells that hold something, and no number.
    pub cells: usize,
    /// Cells that hold anything.
    pub of: usize,
    /// The first one.
    pub first: String,
    /// Its row, from 1.
    pub row: usize,
    /// Its line in a text, from 1.
    pub line: Option<usize>,
    /// The different ones, as far as they are counted.
    words: HashSet<String>,
}

impl Strays {
    /// Most different words that are counted: more are no classes.
    const MOST: usize = 20;
    /// Rows that a class has, at least, in the mean.
    const ROWS: usize = 5;

    /// Counts a cell that is no number.
    pub fn take(&mut self, cell: &str, row: usize, line: Option<usize>) {
        if self.cells == 0 {
            (self.first, self.row, self.line) = (cell.to_owned(), row, line);
        }
        self.cells += 1;
        self.of += 1;
        if self.words.len() <= Self::MOST && !self.words.contains(cell) {
            self.words.insert(cell.to_owned());
        }
    }

    /// Different ones among them; of more than twenty it is twenty-one.
    pub fn different(&self) -> usize {
        self.words.len()
    }

    /// Whether most of the column is numbers.
    pub fn are_few(&self) -> bool {
        2 * self.cells < self.of
    }

    /// Whether none of the column is a number.
    pub fn are_all(&self) -> bool {
        self.cells == self.of
    }

    /// How many classes the column has, where it is one of classes: words of which few are different.
    pub fn classes(&self) -> Option<usize> {
        let is_class = self.are_all() && (2..=Self::MOST).contains(&self.different());
        (is_class && self.different() * Self::ROWS <= self.cells).then(|| self.different())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_words_for_many_rows_are_classes_and_names_of_rows_are_none() {
        let of = |different: usize| {
            let mut strays = Strays::default();
            (0..1000).for_each(|row| strays.take(&format!("w{}", row % different), row + 1, None));
            strays
        };
        for (different, classes) in [(1, None), (2, Some(2)), (20, Some(20)), (21, None), (1000, None)] {
            assert_eq!(of(different).classes(), classes);
        }
        let mut few = Strays::default();
        ["a", "b", "c"].into_iter().for_each(|word| few.take(word, 1, None));
        assert_eq!(few.classes(), None);
    }
}
