//! Statistics against other programs' numbers, and how often tests are wrong.

mod calibration;
mod conditional;
mod numbers;

use crate::matrix::Matrix;

/// A matrix of these columns.
fn table(columns: &[Vec<f64>]) -> Matrix<f64> {
    let rows = columns[0].len();
    let values = (0..rows).flat_map(|row| columns.iter().map(move |column| column[row])).collect();
    Matrix::new(values, columns.len())
}
