//! Which class a row is of, told by a density that is conditional on the class.

use super::saved::SavedRun;
use crate::flow::DeviceError;
use crate::matrix::Matrix;

/// p(class | row) by Bayes' theorem, and the density of rows of all classes.
#[derive(Debug)]
pub struct Posterior {
    /// Of every class one probability a row, shape `[classes][rows]`.
    pub probabilities: Vec<Vec<f64>>,
    /// ln Σ p(class) p(row | class), shape `[rows]`: nats, in data space.
    pub log_prob: Vec<f64>,
}

/// The posterior of `rows` (data space, the features alone) for a run that is conditional on one class; the prior is the share of
/// each class in the training rows. `noise`: as [`SavedRun::forward`], the same whatever the class.
///
/// # Errors
/// Where the device fails.
pub fn posterior(run: &mut SavedRun, rows: &Matrix<f64>, noise: Option<u64>) -> Result<Posterior, DeviceError> {
    let counts = run.context.columns.first().map_or(Vec::new(), |class| class.rows.clone());
    let all: u64 = counts.iter().sum();
    let mut joint = Vec::with_capacity(counts.len());
    for (class, count) in counts.iter().enumerate() {
        let log_prior = (*count as f64 / all as f64).ln();
        let given = run.score(&rows.beside(&run.context.of_class(class, rows.rows())), noise)?;
        joint.push(given.into_iter().map(|log_prob| log_prior + log_prob).collect());
    }
    Ok(normalised(joint))
}

/// From ln p(class) p(row | class), shape `[classes][rows]`.
fn normalised(mut joint: Vec<Vec<f64>>) -> Posterior {
    let rows = joint.first().map_or(0, Vec::len);
    let log_sum = |row: usize| {
        let top = joint.iter().map(|of| of[row]).fold(f64::NEG_INFINITY, f64::max);
        top + joint.iter().map(|of| (of[row] - top).exp()).sum::<f64>().ln()
    };
    let log_prob: Vec<f64> = (0..rows).map(log_sum).collect();
    for of in &mut joint {
        of.iter_mut().zip(&log_prob).for_each(|(joint, sum)| *joint = (*joint - sum).exp());
    }
    Posterior { probabilities: joint, log_prob }
}

impl Posterior {
    /// How often the likeliest class is that of `classes`, in words; shape `[rows]`.
    pub fn accuracy(&self, classes: &[usize]) -> String {
        let of = |row: usize, class: usize| self.probabilities[class][row];
        let likeliest = |row| (0..self.probabilities.len()).max_by(|&a, &b| of(row, a).total_cmp(&of(row, b)));
        let right = classes.iter().enumerate().filter(|(row, class)| likeliest(*row) == Some(**class)).count();
        let share = right as f64 / classes.len() as f64;
        format!("accuracy {share:.4}: the likeliest class is right in {right} of {} rows", classes.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn probabilities_are_those_of_bayes_theorem_far_out_too() {
        // Two classes, ¾ and ¼; a density of 0.2 and 0.6; then both far below what 64 bits hold.
        let far = |log: f64| log - 2000.0;
        let joint = vec![vec![(0.75f64 * 0.2).ln(), far(0.5f64.ln())], vec![(0.25f64 * 0.6).ln(), far(1.5f64.ln())]];
        let Posterior { probabilities, log_prob } = normalised(joint);
        for (found, expected) in probabilities.concat().iter().zip([0.5, 0.25, 0.5, 0.75]) {
            assert!((found - expected).abs() < 1e-12, "{probabilities:?}");
        }
        assert!((log_prob[0] - 0.3f64.ln()).abs() < 1e-12 && (log_prob[1] - far(2f64.ln())).abs() < 1e-9);
        let posterior = Posterior { probabilities: vec![vec![0.9, 0.2, 0.6], vec![0.1, 0.8, 0.4]], log_prob };
        assert!(posterior.accuracy(&[0, 1, 1]).starts_with("accuracy 0.6667: the likeliest class is right in 2 of 3"));
    }
}
