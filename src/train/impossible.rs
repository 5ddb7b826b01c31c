//! A likelihood that no density can have.

use crate::statistics::Estimate;

/// How many standard errors below zero an estimate must lie to be no longer put down to chance.
const ERRORS: f64 = 3.0;

/// What to say where `log_q` is too high to be that of a density, beside the exact `log_p` of the same rows; nats, data
/// space.
///
/// The rows are draws from p, so the mean of log p(x) − log q(x) over them estimates
/// KL(p ‖ q), which is never negative for a q that integrates to one (Gibbs' inequality). Test NLL minus entropy has the same
/// mean but the scatter of log q; taken row by row most of that cancels, and far smaller errors show. Rows whose p vanishes
/// by rounding at the edge of a support say nothing.
pub fn impossible(log_p: &[f64], log_q: &[f64]) -> Option<String> {
    let differences = log_p.iter().zip(log_q).map(|(log_p, log_q)| log_p - log_q);
    let differences: Vec<f64> = differences.filter(|difference| difference.is_finite()).collect();
    let Estimate { mean: gap, error, .. } = Estimate::of(differences.iter().copied());
    let error = error.unwrap_or(0.0);
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
    use crate::matrix::Matrix;
    use crate::random::{Purpose, stream};
    use crate::toys::toy;

    /// The verdict on log q = log p + `wrong`, of 5,000 rows of the moons.
    fn verdict(wrong: impl Fn(usize) -> f64) -> Option<String> {
        let toy = toy("moons", &BTreeMap::new()).unwrap();
        let mut rows: Matrix = Matrix::zeros(5000, 2);
        let mut rng = stream(0, Purpose::Test, 0);
        rows.as_mut_slice().chunks_exact_mut(2).for_each(|row| toy.sample(&mut rng, row));
        let log_p: Vec<f64> = rows.iter_rows().map(|row| toy.log_density(&[row[0].into(), row[1].into()])).collect();
        let log_q: Vec<f64> = log_p.iter().enumerate().map(|(i, log_p)| log_p + wrong(i)).collect();
        impossible(&log_p, &log_q)
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
