//! Rows that stand in more than one part: a score on them says nothing of unseen data.

use std::collections::HashSet;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::Path;

use rayon::prelude::*;

use crate::data::dataset::Part;
use crate::data::split::PARTS;
use crate::matrix::Matrix;

/// Share of the rows of a part, in percent, from which it is worth a word that they equal training rows.
const WORTH_A_WORD: f64 = 1.0;

/// Parts that take the same rows of a file, and held-out rows that equal training rows. `possible`: logarithm of the number of
/// different rows that could be.
pub fn overlap(parts: &[Part; 3], possible: f64) -> Vec<String> {
    let mut findings = Vec::new();
    let [train, held_out @ ..] = parts;
    for (a, b) in [(0, 1), (0, 2), (1, 2)] {
        findings.extend(shared([(&parts[a], PARTS[a]), (&parts[b], PARTS[b])]));
    }
    if !findings.is_empty() {
        return findings;
    }
    let mut known = hashes(&train.rows);
    known.par_sort_unstable();
    let repeated = known.windows(2).filter(|pair| pair[0] == pair[1]).count();
    // By chance rows rarely equal each other where there are more possible ones than pairs of them.
    let by_chance = possible < 2.0 * (train.rows.rows() as f64).ln();
    for (part, name) in held_out.iter().zip(&PARTS[1..]) {
        let equal = hashes(&part.rows).into_iter().filter(|hash| known.binary_search(hash).is_ok()).count();
        let percent = |count: usize, of: usize| 100.0 * count as f64 / of.max(1) as f64;
        let share = percent(equal, part.rows.rows());
        if share >= WORTH_A_WORD && share > 1.5 * percent(repeated, train.rows.rows()) {
            findings.push(format!(
                "{share:.0} % of the {name} rows equal a training row in all columns learned: their likelihood says little of \
                 unseen data; remove them from `{}`",
                part.path.display()
            ));
        } else if share >= WORTH_A_WORD && !by_chance {
            findings.push(format!(
                "{share:.0} % of the {name} rows equal a training row in all columns learned; if they are copies of the same \
                 thing, `duplicates = \"drop\"` leaves them out"
            ));
        }
    }
    findings
}

/// What two parts take from the same rows of one file.
fn shared([(one, one_name), (other, other_name)]: [(&Part, &str); 2]) -> Option<String> {
    let place = |path: &Path| path.canonicalize().unwrap_or_else(|_| path.to_owned());
    if place(&one.path) != place(&other.path) {
        return None;
    }
    let rows: HashSet<usize> = one.numbers.iter().copied().collect();
    let both = other.numbers.iter().filter(|number| rows.contains(number)).count();
    (both > 0).then(|| {
        format!(
            "`{one_name}` and `{other_name}` share {both} rows of `{}`: the likelihood of the {other_name} rows says nothing of \
             unseen data; take them from a part of the file that no other part has",
            one.path.display()
        )
    })
}

/// A number for every row, the same for equal rows, in which −0 is 0. That others share one is as good as impossible: it would
/// take billions of rows.
fn hashes(rows: &Matrix<f64>) -> Vec<u64> {
    let hash = |row: &[f64]| {
        let mut hasher = DefaultHasher::new();
        row.iter().for_each(|value| (value + 0.0).to_bits().hash(&mut hasher));
        hasher.finish()
    };
    rows.as_slice().par_chunks(rows.columns()).map(hash).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(path: &str, numbers: std::ops::Range<usize>, value: impl Fn(usize) -> f64) -> Part {
        let rows = Matrix::new(numbers.clone().map(value).collect(), 1);
        Part { path: path.into(), rows, numbers: numbers.collect() }
    }

    #[test]
    fn parts_of_one_file_that_share_rows_are_told() {
        let parts = [(0..90), (90..95), (85..100)].map(|numbers| part("a.csv", numbers, |i| i as f64));
        let found = overlap(&parts, 99.0);
        assert!(found.len() == 2 && found[0].contains("`train` and `test` share 5 rows of `a.csv`"), "{found:?}");
        assert!(found[1].contains("`validation` and `test` share 5 rows"), "{found:?}");
    }

    #[test]
    fn held_out_rows_that_equal_training_rows_are_counted() {
        let files = [part("a.csv", 0..90, |i| i as f64), part("b.csv", 0..10, |i| 100.0 + i as f64)];
        let [train, validation] = files;
        let found = overlap(&[train, validation, part("c.csv", 0..10, |i| if i < 4 { i as f64 } else { -1.0 })], 99.0);
        assert!(found.len() == 1 && found[0].starts_with("40 % of the test rows"), "{found:?}");
        // Whole numbers up to 9 cannot but come up again.
        let few = [("a.csv", 0..90), ("b.csv", 0..10), ("c.csv", 0..10)]
            .map(|(path, rows)| part(path, rows, |i| (i % 10) as f64));
        assert_eq!(overlap(&few, 10f64.ln()), [""; 0]);
        // Copies are told where chance does not explain them.
        assert!(overlap(&few, 99.0).iter().all(|text| text.contains("duplicates = \"drop\"")));
    }
}
