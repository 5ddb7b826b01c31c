//! How far a flow is from the density that its data are drawn from, where that is known.

use crate::statistics::Estimate;

/// How many standard errors below zero a gap must lie to be no longer put down to chance.
const ERRORS: f64 = 3.0;

/// The mean of log p(x) − log q(x) over rows with these log-densities, with its standard error over the rows; nats, data space.
/// `None` where no row is within the support of p.
///
/// The rows are draws from p, so this estimates KL(p ‖ q), as the test NLL minus the entropy of p does. That has the scatter of
/// log q, which row by row cancels against log p: the nearer the flow is, the smaller is the error.
///
/// A draw lies within the support of p, but at its edge rounding can put it outside: such a row, of log p = −∞, says nothing and
/// is left out. A row that q gives no finite density counts, and makes the gap what it makes the NLL: infinite, or not a number.
pub fn gap(log_p: &[f64], log_q: &[f64]) -> Option<Estimate> {
    let within = log_p.iter().zip(log_q).filter(|(log_p, _)| **log_p > f64::NEG_INFINITY);
    let differences: Vec<f64> = within.map(|(log_p, log_q)| log_p - log_q).collect();
    (!differences.is_empty()).then(|| Estimate::of(differences.into_iter()))
}

/// What to say of a gap that no density can have: KL(p ‖ q) is never negative for a q that integrates to one (Gibbs'
/// inequality).
pub fn impossible(gap: Estimate) -> Option<String> {
    let error = gap.error.unwrap_or(0.0);
    (gap.mean < -ERRORS * error).then(|| {
        format!(
            "a bug in the model: its likelihood beats the exact density by {:.4} ± {error:.4} nats, which no density can; \
             please report it with the run's spec.toml",
            -gap.mean
        )
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::matrix::Matrix;
    use crate::random::{Purpose, stream};
    use crate::toys::{TOYS, toy};
    use crate::train::evaluate::nll;

    /// The verdict on log q = log p + `wrong`, of 5,000 rows of the moons.
    fn verdict(wrong: impl Fn(usize) -> f64) -> Option<String> {
        let toy = toy("moons", &BTreeMap::new()).unwrap();
        let mut rows: Matrix = Matrix::zeros(5000, 2);
        let mut rng = stream(0, Purpose::Test, 0);
        rows.as_mut_slice().chunks_exact_mut(2).for_each(|row| toy.sample(&mut rng, row));
        let log_p: Vec<f64> = rows.iter_rows().map(|row| toy.log_density(&[row[0].into(), row[1].into()])).collect();
        let log_q: Vec<f64> = log_p.iter().enumerate().map(|(i, log_p)| log_p + wrong(i)).collect();
        impossible(gap(&log_p, &log_q).expect("rows"))
    }

    #[test]
    fn what_integrates_to_more_than_one_is_found_and_densities_are_not() {
        // q = 1.01 p: far less than the NLL's own scatter of 1/√5000 would show.
        assert!(verdict(|_| 0.01f64.ln_1p()).unwrap().contains("beats the exact density by 0.01"));
        assert_eq!(verdict(|_| 0.0), None, "p itself");
        // Errors of ±0.2, which cost 0.02 nats in a density: cosh 0.2.
        assert_eq!(verdict(|i| if i % 2 == 0 { 0.2 } else { -0.2 } - 0.2f64.cosh().ln()), None);
    }

    /// Mean and deviation of every column.
    fn moments(rows: &Matrix) -> Vec<[f64; 2]> {
        let column = |i| rows.iter_rows().map(move |row| f64::from(row[i]));
        let moments = |i| {
            let of = Estimate::of(column(i).collect::<Vec<_>>().into_iter());
            [of.mean, of.error.expect("rows") * (of.count as f64).sqrt()]
        };
        (0..rows.columns()).map(moments).collect()
    }

    /// Against a normal q, which is far from every toy, and against q = p with an error of ±0.1 that nearly cancels.
    #[test]
    fn the_gap_is_that_of_the_entropy_within_the_errors_of_both_on_every_toy() {
        const ROWS: usize = 4000;
        for entry in TOYS {
            let toy = toy(entry.name, &BTreeMap::new()).unwrap();
            let mut rows: Matrix = Matrix::zeros(ROWS, toy.values());
            let mut rng = stream(1, Purpose::Test, 0);
            rows.as_mut_slice().chunks_exact_mut(toy.values()).for_each(|row| toy.sample(&mut rng, row));
            let exact = |row: &[f32]| toy.log_density(&row.iter().map(|&x| f64::from(x)).collect::<Vec<_>>());
            let log_p: Vec<f64> = rows.iter_rows().map(exact).collect();
            let moments = &moments(&rows)[..toy.features()];
            let log_normal = |(x, [mean, deviation]): (&f32, &[f64; 2])| {
                let z = (f64::from(*x) - mean) / deviation;
                -0.5 * (z * z + std::f64::consts::TAU.ln()) - deviation.ln()
            };
            let far: Vec<f64> = rows.iter_rows().map(|row| row.iter().zip(moments).map(log_normal).sum()).collect();
            let wrong = |i: usize| if i.is_multiple_of(2) { 0.1 } else { -0.1 } - 0.1f64.cosh().ln();
            let near: Vec<f64> = log_p.iter().enumerate().map(|(i, log_p)| log_p + wrong(i)).collect();
            for (log_q, close) in [(far, false), (near, true)] {
                let (gap, nll) = (gap(&log_p, &log_q).expect("rows"), nll(&log_q, None));
                let errors = [gap.error.expect("rows"), nll.error.expect("rows")];
                let by_entropy = nll.mean - toy.entropy();
                let allowed = 4.0 * errors[0].hypot(errors[1]) + 1e-9;
                assert!(
                    (gap.mean - by_entropy).abs() < allowed,
                    "{}: {} {by_entropy} {errors:?}",
                    entry.name,
                    gap.mean
                );
                // The checkerboard is flat, so that its own log-density has no scatter to cancel.
                assert!(
                    !close || entry.name == "checkerboard" || 3.0 * errors[0] < errors[1],
                    "{} {errors:?}",
                    entry.name
                );
            }
        }
    }

    #[test]
    fn rows_outside_the_support_say_nothing_and_those_without_a_likelihood_do() {
        let outside = f64::NEG_INFINITY;
        assert_eq!(gap(&[1.0, outside, 3.0], &[0.0, 5.0, 1.0]), gap(&[1.0, 3.0], &[0.0, 1.0]));
        assert_eq!(gap(&[1.0, 3.0], &[0.0, 1.0]).map(|gap| (gap.mean, gap.error)), Some((1.5, Some(0.5))));
        assert_eq!(gap(&[outside], &[0.0]), None);
        assert_eq!(gap(&[1.0, 3.0], &[0.0, outside]).map(|gap| gap.mean), Some(f64::INFINITY));
        assert!(gap(&[1.0, 3.0], &[0.0, f64::NAN]).is_some_and(|gap| gap.mean.is_nan()));
    }
}
