//! Values far outside all others, which set the scale of their column.

use crate::data::dataset::Part;
use crate::data::error::shown;
use crate::data::quote::quoted;

/// Deviations (of the middle half) from the middle beyond which a value can be far outside.
const FAR: f64 = 30.0;
/// How many times as far as the values at the end of the rest.
const APART: f64 = 15.0;
/// The interquartile range of a normal distribution, in deviations.
const NORMAL_IQR: f64 = 1.349;
/// Training rows with the same value far outside from which it is no accident.
const ALIKE: usize = 3;
/// Sentences, of which one a column.
pub const MOST_FINDINGS: usize = 5;

/// Names the farthest value of a column that has one far outside, with its row and file.
pub fn outlier(column: usize, name: &str, parts: &[Part; 3]) -> Option<String> {
    let train = &parts[0].rows;
    let mut values: Vec<f64> = train.iter_rows().map(|row| row[column]).collect();
    let last = values.len().checked_sub(1)?;
    let mut at = |share: f64| *values.select_nth_unstable_by((last as f64 * share) as usize, f64::total_cmp).1;
    let (low, middle, high) = (at(0.25), at(0.5), at(0.75));
    let deviation = (high - low) / NORMAL_IQR;
    if deviation == 0.0 || !deviation.is_finite() {
        return None;
    }
    let all =
        parts.iter().flat_map(|part| part.rows.iter_rows().enumerate().map(move |(i, row)| (part, i, row[column])));
    let (part, row, value) = all.max_by(|a, b| (a.2 - middle).abs().total_cmp(&(b.2 - middle).abs()))?;
    // The end of the rest: where a thousandth of the other values, and two at least, lie beyond.
    values.retain(|other| *other != value);
    let repeated = last + 1 - values.len();
    let beyond = values.len() / 1000 + 2;
    values.iter_mut().for_each(|value| *value = (*value - middle).abs());
    let place = values.len().checked_sub(beyond + 1)?;
    let end = *values.select_nth_unstable_by(place, f64::total_cmp).1;
    let distance = (value - middle).abs();
    if distance <= FAR * deviation || distance <= APART * end {
        return None;
    }
    let (name, value, file) = (quoted(name), shown(value), part.path.display());
    let row = part.numbers[row];
    Some(match repeated >= ALIKE {
        true => format!(
            "{name} is {value} in {repeated} training rows (row {row} of `{file}` is one), far outside all others: it looks like \
             a code for a missing value; leave these rows out, or make the cells empty and set `missing = \"drop\"`"
        ),
        false => format!(
            "{name} is {value} in row {row} of `{file}`, {} times as far from the middle as nearly all other values: it sets the \
             column's scale and its share of the mean NLL; correct the value or remove the row if it is wrong",
            times(distance / end)
        ),
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
    fn a_code_for_missing_values_is_told_however_often_it_stands() {
        for every in [10, 20, 400] {
            let found =
                findings(2000, [0.0; 2], |i| [if i % every == 0 { -9999.0 } else { normal(i, 0) }, normal(i, 1)]);
            assert!(found.iter().any(|text| text.contains("looks like a code for a missing value")), "{found:?}");
        }
    }

    #[test]
    fn heavy_tails_are_no_outliers() {
        let found = findings(5000, [0.0], |i| [(2.0 * normal(i, 0)).exp()]);
        assert!(found.iter().all(|text| text.contains("transform = \"log\"")), "{found:?}");
    }
}
