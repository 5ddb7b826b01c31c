//! The map between data space and model space, and its Jacobian.

use std::f64::consts::LN_2;

use rand::Rng;
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use crate::matrix::Matrix;

/// Per-column dequantisation and scaling: model = (data + u·step − mean) / scale, with u uniform on [0, 1).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Preprocessing {
    /// Data units, shape `[features]`.
    pub mean: Vec<f64>,
    /// Data units, positive, shape `[features]`.
    pub scale: Vec<f64>,
    /// Width of the uniform noise on quantised values, data units; `None`: the data are continuous.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub step: Option<f64>,
}

impl Preprocessing {
    /// No scaling.
    pub fn identity(features: usize, step: Option<f64>) -> Self {
        Self { mean: vec![0.0; features], scale: vec![1.0; features], step }
    }

    /// Mean 0 and variance 1 (over n, not n − 1) on `rows`, with the noise's mean step/2 and variance step²/12
    /// counted in. A column that is constant and not dequantised keeps scale 1.
    pub fn standardized(rows: &Matrix, step: Option<f64>) -> Self {
        let count = rows.rows().max(1) as f64;
        let mut mean = vec![0.0; rows.columns()];
        for row in rows.iter_rows() {
            mean.iter_mut().zip(row).for_each(|(sum, &value)| *sum += f64::from(value));
        }
        mean.iter_mut().for_each(|sum| *sum /= count);
        let mut variance = vec![0.0; rows.columns()];
        for row in rows.iter_rows() {
            for ((sum, &value), mean) in variance.iter_mut().zip(row).zip(&mean) {
                *sum += (f64::from(value) - mean).powi(2);
            }
        }
        let step_width = step.unwrap_or(0.0);
        let deviation = |sum: f64| match (sum / count + step_width * step_width / 12.0).sqrt() {
            0.0 => 1.0,
            deviation => deviation,
        };
        let scale = variance.into_iter().map(deviation).collect();
        mean.iter_mut().for_each(|mean| *mean += 0.5 * step_width);
        Self { mean, scale, step }
    }

    /// Number of features D.
    pub fn features(&self) -> usize {
        self.mean.len()
    }

    /// Data space to model space, in place, without the dequantisation noise; shape `[rows, features]`.
    pub fn apply(&self, rows: &mut Matrix) {
        self.map(rows, |value, mean, scale| (value - mean) / scale);
    }

    /// Data space to model space, in place, with dequantisation noise from `rng` where the data are quantised.
    pub fn apply_with_noise(&self, rows: &mut Matrix, rng: &mut ChaCha8Rng) {
        match self.step {
            None => self.apply(rows),
            Some(step) => self.map(rows, |value, mean, scale| (value + unit(rng) * step - mean) / scale),
        }
    }

    /// Model space to data space, in place. Quantised data come back with their noise: values are not rounded.
    pub fn invert(&self, rows: &mut Matrix) {
        self.map(rows, |value, mean, scale| value * scale + mean);
    }

    fn map(&self, rows: &mut Matrix, mut f: impl FnMut(f64, f64, f64) -> f64) {
        assert_eq!(rows.columns(), self.features(), "rows and preprocessing differ in their features");
        for row in rows.as_mut_slice().chunks_exact_mut(self.mean.len()) {
            for ((value, &mean), &scale) in row.iter_mut().zip(&self.mean).zip(&self.scale) {
                *value = f(f64::from(*value), mean, scale) as f32;
            }
        }
    }

    /// log|det d model / d data| of every row, nats: log p(data) = log p(model) + `log_det`.
    pub fn log_det(&self) -> f64 {
        -self.scale.iter().map(|scale| scale.ln()).sum::<f64>()
    }

    /// Bits per dimension from an NLL in data space (nats); `None` for continuous data.
    ///
    /// A quantised row x stands for the cell x + [0, step)ᴰ, whose probability is the density's mean over the cell
    /// times stepᴰ. So −log P(x) ≤ NLL − D ln step (Theis et al. 2016, section 3.1), here divided by D ln 2.
    pub fn bits_per_dim(&self, nll: f64) -> Option<f64> {
        let features = self.features() as f64;
        self.step.map(|step| (nll - features * step.ln()) / (features * LN_2))
    }
}

/// Uniform on [0, 1) in steps of 2⁻²⁴.
pub(super) fn unit(rng: &mut ChaCha8Rng) -> f64 {
    const STEP: f64 = 1.0 / (1 << 24) as f64;
    f64::from(rng.next_u32() >> 8) * STEP
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::{Purpose, stream};

    fn example() -> Preprocessing {
        Preprocessing { mean: vec![1.0, -2.0, 0.5], scale: vec![4.0, 0.25, 3.0], step: None }
    }

    #[test]
    fn log_det_is_that_of_finite_differences() {
        let (preprocessing, h) = (example(), 0.25f32);
        let base = [0.5f32, 1.0, -0.25];
        let apply = |row: &[f32]| {
            let mut rows = Matrix::new(row.to_vec(), 3);
            preprocessing.apply(&mut rows);
            rows.into_vec()
        };
        let mut log_det = 0.0;
        for column in 0..3 {
            let mut moved = base;
            moved[column] += h;
            for (row, (after, before)) in apply(&moved).iter().zip(apply(&base)).enumerate() {
                let slope = f64::from((after - before) / h);
                if row == column {
                    log_det += slope.ln();
                } else {
                    assert_eq!(slope, 0.0, "the map works column by column");
                }
            }
        }
        assert!((log_det - preprocessing.log_det()).abs() < 1e-6);
    }

    #[test]
    fn invert_undoes_apply() {
        let rows = Matrix::new(vec![0.5, 1.0, -0.25, 3.0, -7.0, 11.0], 3);
        let mut there_and_back = rows.clone();
        example().apply(&mut there_and_back);
        example().invert(&mut there_and_back);
        for (value, expected) in there_and_back.as_slice().iter().zip(rows.as_slice()) {
            assert!((value - expected).abs() < 1e-5);
        }
    }

    #[test]
    fn standardised_rows_have_mean_zero_and_variance_one_noise_included() {
        let levels: Vec<f32> = (0..4096).flat_map(|i| [(i % 16) as f32, 1e3 + (i % 2) as f32]).collect();
        for step in [None, Some(1.0)] {
            let mut rows = Matrix::new(levels.clone(), 2);
            let preprocessing = Preprocessing::standardized(&rows, step);
            preprocessing.apply_with_noise(&mut rows, &mut stream(0, Purpose::Test, 2));
            for column in 0..2 {
                let values: Vec<f64> = rows.iter_rows().map(|row| f64::from(row[column])).collect();
                let mean = values.iter().sum::<f64>() / values.len() as f64;
                let variance = values.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / values.len() as f64;
                let allowed = if step.is_some() { 0.05 } else { 1e-5 };
                assert!(mean.abs() < allowed && (variance - 1.0).abs() < allowed, "{step:?}: {mean}, {variance}");
            }
        }
    }

    #[test]
    fn uniform_over_sixteen_levels_costs_four_bits() {
        for step in [1.0, 0.25, 1.0 / 255.0] {
            let levels =
                (0..16).flat_map(|i| [(f64::from(i) * step) as f32, (f64::from(15 - i) * step) as f32]).collect();
            let preprocessing = Preprocessing::standardized(&Matrix::new(levels, 2), Some(step));
            // The ideal model: uniform over the image of the 16 cells in model space.
            let log_model: f64 = preprocessing.scale.iter().map(|scale| -(16.0 * step / scale).ln()).sum();
            let nll = -(log_model + preprocessing.log_det());
            assert!((preprocessing.bits_per_dim(nll).unwrap() - 4.0).abs() < 1e-12);
        }
        assert_eq!(example().bits_per_dim(1.0), None);
    }

    #[test]
    fn noise_stays_within_its_step() {
        let mut rows = Matrix::new(vec![3.0; 3000], 3);
        Preprocessing::identity(3, Some(0.5)).apply_with_noise(&mut rows, &mut stream(0, Purpose::Test, 3));
        assert!(rows.as_slice().iter().all(|value| (3.0..3.5).contains(value)));
    }

    #[test]
    fn json_keeps_it() {
        let preprocessing = Preprocessing { step: Some(1.0), ..example() };
        let text = serde_json::to_string(&preprocessing).unwrap();
        assert_eq!(serde_json::from_str::<Preprocessing>(&text).unwrap(), preprocessing);
    }
}
