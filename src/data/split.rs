//! How many rows of a file each part gets, and which.

use std::path::Path;

use rand::seq::SliceRandom;

use super::error::DataError;
use crate::random::{Purpose, stream};
use crate::spec::{Amount, Dataset};

/// Names of the parts, in the order in which they take rows.
pub const PARTS: [&str; 3] = ["train", "validation", "test"];

/// The row numbers of train, validation and test among the `rows` rows of the file at `path`: the rows are shuffled by
/// `spec.seed`, then the parts take theirs one after the other.
///
/// # Errors
/// Parts that together ask for more than the file has, and a part left without rows. A part with a file of its own gets
/// none of these.
pub fn split(spec: &Dataset, rows: usize, path: &Path) -> Result<[Vec<usize>; 3], DataError> {
    let counts = counts([&spec.train, &spec.validation, &spec.test], rows, path)?;
    let mut order: Vec<usize> = (0..rows).collect();
    order.shuffle(&mut stream(spec.seed, Purpose::Split, 0));
    let mut rest = &order[..];
    Ok(counts.map(|count| {
        // `counts` has made sure that the rows suffice.
        let (part, others) = rest.split_at(count);
        rest = others;
        part.to_vec()
    }))
}

fn counts(amounts: [&Amount; 3], rows: usize, path: &Path) -> Result<[usize; 3], DataError> {
    let mut counts = [0; 3];
    for ((count, amount), part) in counts.iter_mut().zip(amounts).zip(PARTS) {
        *count = match amount {
            Amount::Rows(count) => *count,
            Amount::Fraction(fraction) if *fraction > 0.0 && *fraction <= 1.0 => {
                (fraction * rows as f64).round() as usize
            }
            Amount::Fraction(fraction) => {
                let problem = "a fraction must lie between 0 and 1";
                return Err(DataError::Amount { part, amount: fraction.to_string(), problem });
            }
            Amount::Fresh(_) => {
                let problem = "only toys can draw fresh rows; give a number of rows or a fraction";
                return Err(DataError::Amount { part, amount: "\"fresh\"".into(), problem });
            }
            Amount::File(_) => 0,
        };
    }
    let fractions = amounts.map(|amount| if let Amount::Fraction(fraction) = amount { *fraction } else { 0.0 });
    let sum: f64 = fractions.iter().sum();
    if sum > 1.0 + 1e-9 {
        return Err(DataError::Fractions { sum });
    }
    if sum > 1.0 - 1e-9 && fractions[2] > 0.0 {
        // Fractions that sum to 1 use every row: the last part gets what rounding left.
        counts[2] = rows.saturating_sub(counts[0] + counts[1]);
    }
    let asked = counts.iter().fold(0usize, |sum, count| sum.saturating_add(*count));
    if asked > rows {
        return Err(DataError::TooManyRows { path: path.to_owned(), rows, asked });
    }
    let taking = |amount: &Amount| !matches!(amount, Amount::File(_));
    match PARTS.iter().zip(counts).zip(amounts).find(|((_, count), amount)| *count == 0 && taking(amount)) {
        Some(((part, _), _)) => Err(DataError::EmptyPart { path: path.to_owned(), part, rows }),
        None => Ok(counts),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::Fresh;

    fn counted(amounts: [Amount; 3], rows: usize) -> Result<[usize; 3], String> {
        counts(amounts.each_ref(), rows, Path::new("a.csv")).map_err(|error| error.to_string())
    }

    #[test]
    fn fractions_and_rows_become_rows() {
        use Amount::{Fraction, Rows};
        let cases = [
            ([Fraction(0.8), Fraction(0.1), Fraction(0.1)], 1797, [1438, 180, 179]),
            ([Fraction(0.5), Fraction(0.25), Fraction(0.25)], 10, [5, 3, 2]),
            ([Fraction(0.6), Fraction(0.2), Fraction(0.2)], 1797, [1078, 359, 360]),
            ([Fraction(0.5), Fraction(0.1), Fraction(0.1)], 100, [50, 10, 10]),
            ([Rows(50), Fraction(0.2), Rows(30)], 100, [50, 20, 30]),
            ([Fraction(0.9), Fraction(0.1), Amount::File("b.csv".into())], 100, [90, 10, 0]),
        ];
        for (amounts, rows, expected) in cases {
            assert_eq!(counted(amounts, rows).unwrap(), expected);
        }
    }

    #[test]
    fn impossible_amounts_are_refused() {
        use Amount::{Fraction, Rows};
        let cases = [
            ([Rows(90), Rows(10), Rows(1)], 100, "100 rows, but train + validation + test ask for 101"),
            ([Fraction(0.8), Fraction(0.2), Fraction(0.1)], 100, "sum to 1.1"),
            ([Rows(90), Fraction(0.2), Rows(1)], 100, "ask for 111"),
            ([Fraction(0.8), Fraction(0.1), Fraction(0.1)], 3, "the validation part of `a.csv` gets none"),
            ([Amount::Fresh(Fresh::Fresh), Rows(1), Rows(1)], 3, "only toys"),
            ([Fraction(1.5), Rows(1), Rows(1)], 3, "between 0 and 1"),
        ];
        for (amounts, rows, expected) in cases {
            let text = counted(amounts, rows).unwrap_err();
            assert!(text.contains(expected), "{text}");
        }
    }
}
