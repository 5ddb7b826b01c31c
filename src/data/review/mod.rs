//! What a user should know of the data before a flow learns from them: faults that make likelihoods grow without bound, or say
//! nothing. Each is a sentence with the columns and the way out; none of them is an error.

mod dependent;
mod outliers;
mod overlap;
mod repeated;
mod rounding;
mod spacing;
mod supports;

use super::dataset::Part;
use super::pixels;
use crate::matrix::Matrix;

/// Rows that are looked at where all of them would take long.
const LOOK_AT: usize = 4096;

/// Looks at the parts (train, validation and test; data space). `steps`: width of the dequantisation noise of every column, shape
/// `[features]`; 0: continuous. `bent`: whether each column goes through a transform. `standardized`: whether the flow sees
/// standardised values.
pub fn review(columns: &[String], parts: &[Part; 3], steps: &[f64], bent: &[bool], standardized: bool) -> Vec<String> {
    let some = some_rows(&parts[0].rows);
    let look = Look { columns, steps, some: &some };
    let far = |column: usize| outliers::outlier(column, &columns[column], parts);
    let mut findings = look.repeated();
    findings.extend(look.dependent());
    findings.extend(look.spacing());
    findings.extend((0..columns.len()).filter(|&column| !bent[column]).filter_map(far).take(outliers::MOST_FINDINGS));
    findings.extend(overlap::overlap(parts, look.alike()));
    // A spec that bends values has been thought about, and images are bent as a whole.
    if !bent.contains(&true) && !pixels::shape(columns).is_image() {
        findings.extend(look.supports(|column| far(column).is_some()));
    }
    if !standardized {
        findings.extend(look.rounding());
    }
    findings
}

/// Some training rows, and what is known of their columns.
struct Look<'a> {
    columns: &'a [String],
    steps: &'a [f64],
    /// Shape `[at most LOOK_AT, features]`, data space.
    some: &'a Matrix<f64>,
}

impl Look<'_> {
    /// The columns that are not dequantised.
    fn continuous(&self) -> impl Iterator<Item = usize> {
        (0..self.columns.len()).filter(|&column| self.steps[column] == 0.0)
    }

    /// Logarithm of the probability that two rows are equal, were their columns independent of each other.
    fn alike(&self) -> f64 {
        let rows = self.some.rows() as f64;
        let of_column = |column: usize| {
            let sorted = self.sorted(column);
            let pairs: f64 =
                sorted.chunk_by(|a, b| a == b).map(|run| run.len() as f64 * (run.len() as f64 - 1.0)).sum();
            // Where no pair is equal, one more row might have made one.
            (pairs.max(1.0) / (rows * (rows - 1.0)).max(1.0)).ln()
        };
        (0..self.columns.len()).map(of_column).sum()
    }

    /// The values of a column, ascending.
    fn sorted(&self, column: usize) -> Vec<f64> {
        let mut values: Vec<f64> = self.some.iter_rows().map(|row| row[column]).collect();
        values.sort_by(f64::total_cmp);
        values
    }
}

/// At most [`LOOK_AT`] rows, evenly spread: a file of its own may be sorted.
fn some_rows(rows: &Matrix<f64>) -> Matrix<f64> {
    let count = rows.rows().min(LOOK_AT);
    let chosen: Vec<usize> = (0..count).map(|i| i * rows.rows() / count).collect();
    rows.select(&chosen)
}

/// `a`, `b` and 3 more.
fn listed(names: &[String]) -> String {
    const MOST: usize = 8;
    match names.len() {
        ..=MOST => names.join(", "),
        more => format!("{} and {} more", names[..MOST].join(", "), more - MOST),
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// The findings on training rows that `row` makes of their numbers; validation and test rows are others of the kind.
    pub fn findings<const D: usize>(rows: usize, steps: [f64; D], row: impl Fn(usize) -> [f64; D]) -> Vec<String> {
        let part = |first: usize, count: usize, name: &str| Part {
            path: name.into(),
            rows: Matrix::new((first..first + count).flat_map(&row).collect(), D),
            numbers: (1..=count).collect(),
            ..Part::default()
        };
        let parts = [part(0, rows, "train.csv"), part(rows, 50, "validation.csv"), part(rows + 50, 50, "test.csv")];
        let columns: Vec<String> = (0..D).map(|i| format!("x{i}")).collect();
        review(&columns, &parts, &steps, &[false; D], true)
    }

    /// Numbers that look drawn from a normal distribution: the same for the same `i`.
    pub fn normal(i: usize, column: usize) -> f64 {
        let fraction = |weight: f64| ((i as f64 + 1.0) * weight + 0.37 * column as f64).fract();
        let (u, v) = (fraction(0.754_877_666_246_692_7), fraction(0.569_840_290_998_053_2));
        (-2.0 * (1.0 - u).ln()).sqrt() * (std::f64::consts::TAU * v).cos()
    }

    #[test]
    fn ordinary_data_get_no_remark() {
        assert_eq!(findings(5000, [0.0; 2], |i| [normal(i, 0), 2_460_000.5 + normal(i, 1)]), [""; 0]);
        assert_eq!(findings(5000, [0.0, 1.0], |i| [(0.5 * normal(i, 0)).exp(), (i % 17) as f64]), [""; 0]);
    }
}
