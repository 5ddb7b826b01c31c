//! A likelihood that no density can have.

use super::evaluate::mean_and_error;
use crate::data::Preprocessing;
use crate::matrix::Matrix;
use crate::toys::Toy;

/// Standard errors below zero at which chance is no longer believed.
const ERRORS: f64 = 3.0;

/// What to say where `log_q` (nats, data space) of `rows` (model space) is too high to be that of a density.
///
/// The rows are draws of the toy, whose density p is exact, so the mean of log p(x) − log q(x) over them estimates
/// KL(p ‖ q), which is never negative for a q that integrates to one (Gibbs' inequality). Test NLL minus entropy has the same
/// mean but the scatter of log q; taken row by row most of that cancels, and far smaller errors show. Rows whose p vanishes
/// by rounding at the edge of a support say nothing.
pub fn impossible(toy: &dyn Toy, space: &Preprocessing, rows: &Matrix, log_q: &[f64]) -> Option<String> {
    let mut data = rows.clone();
    space.invert(&mut data);
    let differences: Vec<f64> = data
        .iter_rows()
        .zip(log_q)
        .map(|(row, log_q)| toy.log_density(&row.iter().map(|&value| value.into()).collect::<Vec<f64>>()) - log_q)
        .filter(|difference| difference.is_finite())
        .collect();
    let (gap, error) = mean_and_error(differences.iter().copied());
    (gap < -ERRORS * error).then(|| {
        format!(
            "a bug in the model: its likelihood beats the exact density by {:.4} ± {error:.4} nats, which no density can; \
             please report it with the run's spec.toml",
            -gap
        )
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::random::{Purpose, stream};
    use crate::toys::toy;

    /// The verdict on log q = log p + `wrong`, of 5,000 rows of the moons.
    fn verdict(wrong: impl Fn(usize) -> f64) -> Option<String> {
        let toy = toy("moons", &BTreeMap::new()).unwrap();
        let mut rows = Matrix::zeros(5000, 2);
        let mut rng = stream(0, Purpose::Test, 0);
        rows.as_mut_slice().chunks_exact_mut(2).for_each(|row| toy.sample(&mut rng, row));
        let log_p = |row: &[f32]| toy.log_density(&[row[0].into(), row[1].into()]);
        let log_q: Vec<f64> = rows.iter_rows().enumerate().map(|(i, row)| log_p(row) + wrong(i)).collect();
        impossible(&*toy, &Preprocessing::identity(2), &rows, &log_q)
    }

    #[test]
    fn what_integrates_to_more_than_one_is_found_and_densities_are_not() {
        // q = 1.01 p: far less than the NLL's own scatter of 1/√5000 would show.
        assert!(verdict(|_| 0.01f64.ln_1p()).unwrap().contains("beats the exact density by 0.01"));
        assert_eq!(verdict(|_| 0.0), None, "p itself");
        // Errors of ±0.2, which cost 0.02 nats in a density: cosh 0.2.
        assert_eq!(verdict(|i| if i % 2 == 0 { 0.2 } else { -0.2 } - 0.2f64.cosh().ln()), None);
    }
}
