//! What a saved run is diagnosed by.

use rand::RngExt;

use super::saved::SavedRun;
use crate::data::{Batches, Dataset};
use crate::diagnose::{DRAWS, Draws, Material, NormalScores, Part};
use crate::flow::{Base, DeviceError};
use crate::matrix::Matrix;
use crate::random::{Purpose, stream};
use crate::spec::Mixing;
use crate::train;

/// Training rows that are looked at, at most.
const TRAINING_ROWS: usize = 10_000;
/// Validation rows that are looked at, at most.
const VALIDATION_ROWS: usize = 5_000;
/// Test rows at whose contexts the flow is drawn from, at most, and values of all these draws.
const ROWS_WITH_DRAWS: usize = 500;
const DRAWN_VALUES: usize = 20_000_000;

impl SavedRun {
    /// Names of the latent coordinates: those of the columns at their places, unless layers have mixed them.
    pub fn coordinates(&self) -> Vec<String> {
        match self.spec.model.mixing {
            Mixing::None => self.columns.iter().map(|column| format!("z of {column}")).collect(),
            _ => (1..=self.columns.len()).map(|i| format!("z{i}")).collect(),
        }
    }

    /// Rows of the parts of `dataset`, which is that of the run's spec, at most `rows` of the test part, with what the flow says
    /// of them, and as many draws as there are test rows. Where rows have weights, latents and samples are compared with test rows
    /// that are kept as often as they weigh. A conditional flow is drawn from at the contexts of every other of these rows, for
    /// comparison with the rows in between; and many times at the contexts of some, for comparison with each of them.
    ///
    /// # Errors
    /// Where the device fails.
    pub fn material<'a>(
        &mut self,
        dataset: &'a Dataset,
        coordinates: &'a [String],
        rows: usize,
        seed: u64,
    ) -> Result<Material<'a>, DeviceError> {
        let weights = dataset.weights.as_ref();
        let first = |rows: &Matrix, most: usize| rows.blocks(most.max(1)).next().unwrap_or_default();
        let test = first(&dataset.test, rows);
        let validation = first(&dataset.validation, VALIDATION_ROWS);
        let mut batches = Batches::new(dataset, TRAINING_ROWS, seed);
        let mut train = Matrix::default();
        batches.fill(0, &mut train);
        let of_train = weights
            .zip(batches.places(0))
            .map(|(all, places)| places.iter().map(|&place| all.train[place as usize]).collect::<Vec<f64>>());
        let of_test = weights.map(|all| all.test[..test.rows()].to_vec());
        let of_validation = weights.map(|all| all.validation[..validation.rows()].to_vec());

        let kept = thinned(test.rows(), of_test.as_deref(), seed);
        let counted = test.select(&kept);
        let scores = self.scores(&counted)?;
        let (compared, samples, draws) = match self.context.is_empty() {
            true => (counted, self.flow.sample(test.rows(), seed)?, None),
            false => {
                let every_other = |first: usize| (first..counted.rows()).step_by(2).collect::<Vec<usize>>();
                let [compared, given] = [0, 1].map(|first| counted.select(&every_other(first)));
                let samples = self.flow.sample_given(&given.columns_from(dataset.features()), seed)?;
                let most = ROWS_WITH_DRAWS.min(DRAWN_VALUES / (DRAWS * dataset.features())).clamp(1, counted.rows());
                let some: Vec<usize> = (0..most).map(|i| i * counted.rows() / most).collect();
                (compared, samples, Some(self.draws_at(&counted.select(&some), seed)?))
            }
        };
        Ok(Material {
            columns: &dataset.columns,
            coordinates,
            train: self.part(&train, of_train)?,
            validation: self.part(&validation, of_validation)?,
            test: self.part(&test, of_test)?,
            counted_test: Part { rows: wide(&compared), data: self.preprocessing.invert(&compared), ..Part::default() },
            scores,
            sample_data: self.preprocessing.invert(&samples),
            samples: wide(&samples),
            draws,
        })
    }

    /// [`DRAWS`] draws at the context of each of `rows` (model space).
    fn draws_at(&mut self, rows: &Matrix, seed: u64) -> Result<Draws, DeviceError> {
        let features = self.columns.len();
        let base = self.flow.base();
        let mut rng = stream(seed, Purpose::Samples, 1);
        let (mut samples, mut sample_log_prob) = (Vec::new(), Vec::new());
        for block in rows.columns_from(features).blocks((train::ROWS_AT_ONCE / DRAWS).max(1)) {
            let places: Vec<usize> = (0..block.rows()).flat_map(|row| [row; DRAWS]).collect();
            let given = block.select(&places);
            let x = self.flow.inverse(&base.sample(given.rows(), &mut rng).beside(&given))?;
            sample_log_prob.extend(train::log_prob(&mut *self.flow, &x, &self.preprocessing)?);
            samples.extend(x.iter_rows().flat_map(|row| &row[..features]).copied().map(f64::from));
        }
        Ok(Draws {
            rows: wide(&rows.columns_before(features)),
            log_prob: train::log_prob(&mut *self.flow, rows, &self.preprocessing)?,
            samples: Matrix::new(samples, features),
            sample_log_prob,
        })
    }

    /// `rows` (model space) with what the flow says of them.
    fn part(&mut self, rows: &Matrix, weights: Option<Vec<f64>>) -> Result<Part, DeviceError> {
        Ok(Part {
            log_prob: train::log_prob(&mut *self.flow, rows, &self.preprocessing)?,
            log_det: self.preprocessing.log_det(rows),
            data: self.preprocessing.invert(rows),
            rows: wide(rows),
            weights,
        })
    }

    /// Latents of `rows` (model space) as normal scores.
    fn scores(&mut self, rows: &Matrix) -> Result<Matrix<f64>, DeviceError> {
        let features = self.columns.len();
        let mut z = Vec::with_capacity(rows.rows() * features);
        for block in rows.blocks(train::ROWS_AT_ONCE) {
            let latent = self.flow.forward(&block)?.z;
            z.extend(latent.iter_rows().flat_map(|row| &row[..features]).copied().map(f64::from));
        }
        if self.flow.architecture().base != Base::Normal {
            let base = self.flow.base();
            for coordinate in 0..features {
                let scores = NormalScores::new(|z| base.energy(coordinate, &[z as f32]));
                z.iter_mut().skip(coordinate).step_by(features).for_each(|z| *z = scores.of(*z));
            }
        }
        Ok(Matrix::new(z, features))
    }
}

/// Places of rows that stay, each with a probability in proportion to its weight.
fn thinned(rows: usize, weights: Option<&[f64]>, seed: u64) -> Vec<usize> {
    let Some(weights) = weights else { return (0..rows).collect() };
    let largest = weights.iter().copied().fold(0.0, f64::max);
    let mut rng = stream(seed, Purpose::Thinning, 0);
    (0..rows).filter(|&row| rng.random::<f64>() * largest < weights[row]).collect()
}

fn wide(rows: &Matrix) -> Matrix<f64> {
    Matrix::new(rows.as_slice().iter().copied().map(f64::from).collect(), rows.columns())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_stay_as_often_as_they_weigh() {
        assert_eq!(thinned(3, None, 0), [0, 1, 2]);
        let weights: Vec<f64> = (0..20_000).map(|row| if row % 2 == 0 { 4.0 } else { 1.0 }).collect();
        let kept = thinned(weights.len(), Some(&weights), 3);
        let [heavy, light] = [0, 1].map(|odd| kept.iter().filter(|&&row| row % 2 == odd).count());
        // A quarter of the light rows, with a deviation of √(10,000 · 3/16).
        assert_eq!(heavy, 10_000);
        assert!((light as f64 - 2_500.0).abs() < 4.0 * 43.3, "{light}");
    }
}
