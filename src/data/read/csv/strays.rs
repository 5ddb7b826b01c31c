//! What a column of a text holds beside numbers.

use super::number::{is_missing, number};
use super::scanner::Scanner;
use crate::data::strays::Strays;
use crate::spec::Decimal;

/// Counts the cells in column `column` (from 0) of `rows` that are no numbers.
pub fn count(mut rows: Scanner, column: usize, decimal: Decimal) -> Strays {
    let mut strays = Strays::default();
    let mut row = 0;
    rows.skip_blank_lines();
    while !rows.rest.is_empty() {
        row += 1;
        let line = rows.line;
        let cells = rows.row();
        if let Some(cell) = cells.get(column).filter(|cell| !is_missing(cell)) {
            match number(cell, decimal) {
                Some(_) => strays.of += 1,
                None => strays.take(&String::from_utf8_lossy(cell), row, Some(line)),
            }
        }
        rows.skip_blank_lines();
    }
    strays
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_that_are_no_numbers_are_counted_with_the_first_of_them() {
        let text = "1,a\n\n<0.5,b\n,a\nNA,a\n\"n.d.\",b\n2,\n<0.5,c\n";
        let of = |column| count(Scanner::new(text.as_bytes(), 2, b','), column, Decimal::Point);
        let numbers = of(0);
        assert_eq!((numbers.cells, numbers.of, numbers.different()), (3, 5, 2));
        assert_eq!((&*numbers.first, numbers.row, numbers.line), ("<0.5", 2, Some(4)));
        let words = of(1);
        assert_eq!((words.cells, words.of, words.different(), words.line), (6, 6, 3, Some(2)));
        assert!(words.are_all() && !numbers.are_few() && !numbers.are_all());
    }
}
