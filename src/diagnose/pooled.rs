//! Two samples side by side, on one scale.

use crate::matrix::Matrix;

/// At most `most` rows of each of two samples, spread evenly over them, one sample after the other; and how many are of the first.
/// Every column is divided by its deviation over both, which does not tell them apart.
pub fn pooled(one: &Matrix<f64>, other: &Matrix<f64>, most: usize) -> (Matrix<f64>, usize) {
    let (one, other) = (spread(one, most), spread(other, most));
    let first = one.rows();
    let features = one.columns();
    let mut values = one.into_vec();
    values.extend(other.into_vec());
    let rows = (values.len() / features.max(1)).max(1) as f64;
    for column in 0..features {
        let of_column = || values.iter().skip(column).step_by(features);
        let mean = of_column().sum::<f64>() / rows;
        let deviation = (of_column().map(|value| (value - mean).powi(2)).sum::<f64>() / rows).sqrt();
        let scale = if deviation > 0.0 { deviation.recip() } else { 1.0 };
        values.iter_mut().skip(column).step_by(features).for_each(|value| *value *= scale);
    }
    (Matrix::new(values, features), first)
}

/// Places of at most `most` of the rows, spread evenly, those left out that are not finite.
pub fn spread_places(rows: &Matrix<f64>, most: usize) -> Vec<usize> {
    let finite: Vec<usize> = (0..rows.rows()).filter(|&i| rows.row(i).iter().all(|value| value.is_finite())).collect();
    let count = finite.len().min(most);
    (0..count).map(|i| finite[i * finite.len() / count]).collect()
}

/// The rows at [`spread_places`].
pub fn spread(rows: &Matrix<f64>, most: usize) -> Matrix<f64> {
    rows.select(&spread_places(rows, most))
}

/// Squared distance of two rows.
pub fn squared_distance(one: &[f64], other: &[f64]) -> f64 {
    one.iter().zip(other).map(|(a, b)| (a - b).powi(2)).sum()
}
