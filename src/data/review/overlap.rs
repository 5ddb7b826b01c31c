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
/// Share of the rows, in percent, that may equal others by chance before nothing can be said.
const CHANCE: f64 = 0.1;

/// Parts that take the same rows of a file, and held-out rows that equal rows of another part. `alike`: logarithm of the
/// probability that two rows are equal by chance.
pub fn overlap(parts: &[Part; 3], alike: f64) -> Vec<String> {
    let mut findings = Vec::new();
    let hashed = parts.each_ref().map(|part| {
        let mut hashes = hashes(&part.rows);
        hashes.par_sort_unstable();
        hashes
    });
    for (a, b) in [(0, 1), (0, 2), (1, 2)] {
        if let Some(text) = shared([(&parts[a], PARTS[a]), (&parts[b], PARTS[b])]) {
            findings.push(text);
            continue;
        }
        // A row meets each of the other part with this probability, so that many are met by chance.
        let by_chance = 100.0 * (alike + (hashed[a].len() as f64).ln()).exp();
        let equal = hashed[b].iter().filter(|hash| hashed[a].binary_search(hash).is_ok()).count();
        let share = 100.0 * equal as f64 / hashed[b].len().max(1) as f64;
        if share < WORTH_A_WORD || by_chance > CHANCE {
            continue;
        }
        let repeated = hashed[a].windows(2).filter(|pair| pair[0] == pair[1]).count();
        let of_one_file = parts[a].path == parts[b].path;
        let remedy = match of_one_file && repeated > 0 {
            true => "if they are copies, `duplicates = \"drop\"` leaves them out".to_owned(),
            false => format!("remove them from `{}`", parts[b].path.display()),
        };
        findings.push(format!(
            "{share:.0} % of the {} rows equal a {} row in all columns learned: their likelihood says little of unseen data; {remedy}",
            PARTS[b],
            if a == 0 { "training" } else { PARTS[a] },
        ));
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
        Part { path: path.into(), rows, numbers: numbers.collect(), ..Part::default() }
    }

    #[test]
    fn parts_of_one_file_that_share_rows_are_told() {
        let parts = [(0..90), (90..95), (85..100)].map(|numbers| part("a.csv", numbers, |i| i as f64));
        let found = overlap(&parts, -99.0);
        assert!(found.len() == 2 && found[0].contains("`train` and `test` share 5 rows of `a.csv`"), "{found:?}");
        assert!(found[1].contains("`validation` and `test` share 5 rows"), "{found:?}");
    }

    #[test]
    fn held_out_rows_that_equal_others_are_counted() {
        let files = [part("a.csv", 0..90, |i| i as f64), part("b.csv", 0..10, |i| 100.0 + i as f64)];
        let [train, validation] = files;
        let test = part("c.csv", 0..10, |i| if i < 4 { i as f64 } else { 100.0 });
        let found = overlap(&[train, validation, test], -99.0);
        assert!(found.len() == 2 && found[0].starts_with("40 % of the test rows equal a training row"), "{found:?}");
        assert!(found[1].starts_with("60 % of the test rows equal a validation row"), "{found:?}");
    }

    #[test]
    fn rows_that_are_equal_by_chance_are_not_told_and_copies_are() {
        let all: Vec<f64> = (0..100).map(|i| f64::from(i % 10)).collect();
        let few = [(0..90), (90..95), (95..100)].map(|rows| part("a.csv", rows, |i| all[i]));
        assert_eq!(overlap(&few, (0.1f64).ln()), [""; 0]);
        assert!(overlap(&few, -99.0).iter().all(|text| text.contains("duplicates = \"drop\"")));
    }
}
