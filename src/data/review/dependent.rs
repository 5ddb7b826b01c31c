//! Columns that others determine: the rows lie on a plane, off which a density can fall to nothing and on which it then grows
//! without bound.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use super::Look;
use crate::data::quote::quoted;
use crate::matrix::Matrix;

/// Columns that are looked at: the arithmetic grows with their square.
const MOST_COLUMNS: usize = 256;
/// Share of a column's variance that others must leave unexplained: a deviation of 10⁻⁴ of its own.
const UNEXPLAINED: f64 = 1e-8;
/// Weights (of standardised columns) below this are rounding.
const WEIGHT: f64 = 1e-3;
/// Sentences, of which one a column.
const MOST_FINDINGS: usize = 3;
/// Ranges of the middle half beyond which a row is far outside.
const FAR: f64 = 20.0;

impl Look<'_> {
    /// Continuous columns that are a linear function of others, to a part in ten thousand.
    pub fn dependent(&self) -> Vec<String> {
        let copies = self.copies();
        if !copies.is_empty() {
            return copies;
        }
        let columns: Vec<usize> = self.continuous().take(MOST_COLUMNS).collect();
        // Fewer rows than columns always lie on a plane.
        if columns.len() < 2 || self.some.rows() <= 2 * columns.len() {
            return Vec::new();
        }
        let near = self.without_far_rows(&columns);
        if near.rows() <= 2 * columns.len() {
            return Vec::new();
        }
        let correlation = correlation(&near, &columns);
        let name = |place: usize| quoted(&self.columns[columns[place]]);
        let sentence = |(place, others): (usize, Vec<usize>)| {
            let others: Vec<String> = others.into_iter().map(name).collect();
            format!(
                "{} is a linear function of {} (to a part in 10,000): the rows lie on a plane, on which a density grows without \
                 bound and the NLL falls for ever; `drop` one of these columns",
                name(place),
                super::listed(&others)
            )
        };
        dependencies(correlation, columns.len()).into_iter().take(MOST_FINDINGS).map(sentence).collect()
    }
}

impl Look<'_> {
    /// The rows without those that stand far outside in one of `columns`: a few such values make any two columns look alike.
    fn without_far_rows(&self, columns: &[usize]) -> Matrix<f64> {
        let limits: Vec<(f64, f64)> = columns
            .iter()
            .map(|&column| {
                let sorted = self.sorted(column);
                let at = |share: usize| sorted[(sorted.len() - 1) * share / 4];
                let (middle, width) = (at(2), at(3) - at(1));
                if width > 0.0 { (middle, FAR * width) } else { (middle, f64::INFINITY) }
            })
            .collect();
        let near =
            |row: &[f64]| columns.iter().zip(&limits).all(|(&i, (middle, most))| (row[i] - middle).abs() <= *most);
        let chosen: Vec<usize> =
            self.some.iter_rows().enumerate().filter(|(_, row)| near(row)).map(|(i, _)| i).collect();
        self.some.select(&chosen)
    }

    /// Columns that are copies of earlier ones, however many there are.
    pub fn copies(&self) -> Vec<String> {
        let mut first: HashMap<Vec<u64>, usize> = HashMap::new();
        let mut findings = Vec::new();
        for column in self.continuous() {
            let bits = self.some.iter_rows().map(|row| (row[column] + 0.0).to_bits()).collect();
            match first.entry(bits) {
                Entry::Occupied(earlier) => findings.push(format!(
                    "{} is a copy of {}: on the line where both are equal a density grows without bound and the NLL falls for \
                     ever; `drop` one of them",
                    quoted(&self.columns[column]),
                    quoted(&self.columns[*earlier.get()])
                )),
                Entry::Vacant(place) => drop(place.insert(column)),
            }
        }
        findings.truncate(MOST_FINDINGS);
        findings
    }
}

/// Correlations of `columns`, shape `[columns, columns]`; a constant column has none, not even with itself.
fn correlation(rows: &Matrix<f64>, columns: &[usize]) -> Vec<f64> {
    let (count, width) = (rows.rows() as f64, columns.len());
    let mut standard = Vec::with_capacity(rows.rows() * width);
    for row in rows.iter_rows() {
        standard.extend(columns.iter().map(|&column| row[column]));
    }
    for column in 0..width {
        let values = || standard.iter().skip(column).step_by(width);
        // From the first value on: a sum of numbers far from zero would round what tells them apart.
        let first = standard[column];
        let mean = first + values().map(|value| value - first).sum::<f64>() / count;
        // By the largest distance first: squares of it neither vanish nor overflow.
        let largest = values().map(|value| (value - mean).abs()).fold(0.0, f64::max);
        let variance = values().map(|value| ((value - mean) / largest).powi(2)).sum::<f64>() / count;
        let scale = largest * variance.sqrt();
        let standardised = |value: f64| if scale > 0.0 { (value - mean) / scale } else { 0.0 };
        standard.iter_mut().skip(column).step_by(width).for_each(|value| *value = standardised(*value));
    }
    let mut correlation = vec![0.0; width * width];
    for row in standard.chunks_exact(width) {
        for (value, line) in row.iter().zip(correlation.chunks_exact_mut(width)) {
            line.iter_mut().zip(row).for_each(|(sum, other)| *sum += value * other / count);
        }
    }
    correlation
}

/// The columns that others explain, each with those that do.
///
/// Gauss–Jordan elimination with the largest remaining variance as pivot: where column p is eliminated, the rows of the others hold
/// their regression on the pivots so far (the "sweep" of Goodnight 1979), and their diagonal what is left of their variance.
fn dependencies(mut matrix: Vec<f64>, width: usize) -> Vec<(usize, Vec<usize>)> {
    let mut is_pivot = vec![false; width];
    let lively: Vec<bool> = (0..width).map(|i| matrix[i * width + i] > 0.5).collect();
    loop {
        let left = (0..width).filter(|&i| !is_pivot[i] && matrix[i * width + i] > UNEXPLAINED);
        let Some(pivot) = left.max_by(|&a, &b| matrix[a * width + a].total_cmp(&matrix[b * width + b])) else { break };
        let diagonal = matrix[pivot * width + pivot];
        let line: Vec<f64> = matrix[pivot * width..(pivot + 1) * width].iter().map(|value| value / diagonal).collect();
        for row in (0..width).filter(|&row| row != pivot) {
            let factor = matrix[row * width + pivot];
            for column in 0..width {
                matrix[row * width + column] -= factor * line[column];
            }
            matrix[row * width + pivot] = -factor / diagonal;
        }
        matrix[pivot * width..(pivot + 1) * width].copy_from_slice(&line);
        matrix[pivot * width + pivot] = 1.0 / diagonal;
        is_pivot[pivot] = true;
    }
    let explained = (0..width).filter(|&column| lively[column] && !is_pivot[column]);
    let by = |column: usize| {
        let weight = |other: usize| matrix[other * width + column].abs();
        (0..width).filter(|&other| is_pivot[other] && weight(other) > WEIGHT).collect::<Vec<_>>()
    };
    explained.map(|column| (column, by(column))).filter(|(_, others)| !others.is_empty()).collect()
}

#[cfg(test)]
mod tests {
    use super::super::tests::{findings, normal};

    #[test]
    fn copies_and_sums_are_named_with_what_they_follow_from() {
        let copied = findings(2000, [0.0; 3], |i| [normal(i, 0), normal(i, 1), normal(i, 0)]);
        assert!(copied.len() == 1 && copied[0].contains("`x0`") && copied[0].contains("`x2`"), "{copied:?}");
        assert!(!copied[0].contains("`x1`"), "{copied:?}");
        // Of very different sizes, far from zero.
        let sum = findings(2000, [0.0; 4], |i| {
            let (a, b) = (1e9 + 1e-3 * normal(i, 0), 1e-160 * normal(i, 1));
            [a, b, normal(i, 2), 5.0 + 1e3 * (a - 1e9) + 2e160 * b]
        });
        assert!(sum.len() == 1 && ["`x0`", "`x1`", "`x3`"].iter().all(|name| sum[0].contains(name)), "{sum:?}");
        assert!(!sum[0].contains("`x2`"), "{sum:?}");
    }

    #[test]
    fn copies_are_found_among_any_number_of_columns_and_missing_codes_make_none() {
        let wide = findings(300, [0.0; 300], |i| {
            std::array::from_fn(|column| if column == 299 { 4 } else { column })
                .map(|column| normal(i * 311 + column, column % 4))
        });
        assert!(wide.len() == 1 && wide[0].contains("`x299` is a copy of `x4`"), "{wide:?}");
        let coded =
            findings(1000, [0.0; 2], |i| if i % 50 == 0 { [-99999.0; 2] } else { [normal(i, 0), normal(i, 1)] });
        assert!(coded.iter().all(|text| !text.contains("linear") && !text.contains("copy")), "{coded:?}");
    }

    #[test]
    fn strong_correlation_is_no_dependence() {
        assert_eq!(findings(2000, [0.0; 2], |i| [normal(i, 0), normal(i, 0) + 1e-3 * normal(i, 1)]), [""; 0]);
    }
}
