//! Values far outside all others, which set the scale of their column.

use crate::data::dataset::Part;
use crate::data::error::shown;
use crate::data::quote::quoted;

/// Deviations (of the middle half) from the middle beyond which a value can be far outside.
const FAR: f64 = 20.0;
/// How many times as far as the values at the end of the rest.
const APART: f64 = 10.0;
/// The interquartile range of a normal distribution, in deviations.
const NORMAL_IQR: f64 = 1.349;
/// Sentences, of which one a column.
const MOST_FINDINGS: usize = 5;

/// Names the farthest value of each column that has one far outside, with its row and file.
pub fn outliers(columns: &[String], parts: &[Part; 3]) -> Vec<String> {
    let sentences = columns.iter().enumerate().filter_map(|(column, name)| outlier(column, name, parts));
    sentences.take(MOST_FINDINGS).collect()
}

fn outlier(column: usize, name: &str, parts: &[Part; 3]) -> Option<String> {
    let train = &parts[0].rows;
    let mut values: Vec<f64> = train.iter_rows().map(|row| row[column]).collect();
    let last = values.len().checked_sub(1)?;
    let mut at = |share: f64| *values.select_nth_unstable_by((last as f64 * share) as usize, f64::total_cmp).1;
    let (low, middle, high) = (at(0.25), at(0.5), at(0.75));
    let deviation = (high - low) / NORMAL_IQR;
    if deviation == 0.0 || !deviation.is_finite() {
        return None;
    }
    // The end of the rest: where a thousandth of the values, and two at least, lie beyond.
    let beyond = (values.len() / 1000 + 2).min(last);
    values.iter_mut().for_each(|value| *value = (*value - middle).abs());
    let end = *values.select_nth_unstable_by(last - beyond, f64::total_cmp).1;
    let all =
        parts.iter().flat_map(|part| part.rows.iter_rows().enumerate().map(move |(i, row)| (part, i, row[column])));
    let (part, row, value) = all.max_by(|a, b| (a.2 - middle).abs().total_cmp(&(b.2 - middle).abs()))?;
    let distance = (value - middle).abs();
    (distance > FAR * deviation && distance > APART * end).then(|| {
        format!(
            "{} is {} in row {} of `{}`, {} times as far from the middle as nearly all other values: it sets the column's \
             scale and its share of the mean NLL; correct the value or remove the row if it is wrong",
            quoted(name),
            shown(value),
            part.numbers[row],
            part.path.display(),
            times(distance / end)
        )
    })
}

/// How many times, in as many digits as matter.
fn times(ratio: f64) -> String {
    if ratio < 1e6 { format!("{ratio:.0}") } else { format!("{ratio:.0e}") }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{findings, normal};

    #[test]
    fn one_value_far_outside_is_named_wherever_it_stands() {
        let places =
            [(76, "row 77 of `train.csv`"), (2000, "row 1 of `validation.csv`"), (2050, "row 1 of `test.csv`")];
        for (place, named) in places {
            let found = findings(2000, [0.0; 2], |i| [normal(i, 0), if i == place { 1e6 } else { normal(i, 1) }]);
            assert!(found.len() == 1 && found[0].contains(&format!("`x1` is 1000000 in {named}")), "{found:?}");
        }
    }

    #[test]
    fn heavy_tails_are_no_outliers() {
        assert_eq!(findings(5000, [0.0], |i| [(2.0 * normal(i, 0)).exp()]), [""; 0]);
    }
}
