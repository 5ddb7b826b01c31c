//! The map between data space and model space, and its Jacobian.

use std::f64::consts::LN_2;

use rand::Rng;
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use super::logit::Logit;
use super::transform::Transform;
use crate::matrix::Matrix;

/// Per-column dequantisation, transform and scaling: model = (f(data + u·step) − mean) / scale, with u uniform on [0, 1) and f
/// the logit of all columns, the column's own transform, or nothing.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Preprocessing {
    /// Mean of f(data + u·step), shape `[features]`; 0 without standardisation.
    pub mean: Vec<f64>,
    /// Standard deviation of f(data + u·step), positive, shape `[features]`; 1 without standardisation.
    pub scale: Vec<f64>,
    /// Width of the uniform noise on quantised values, data units, shape `[features]`; 0: the column is continuous. Empty
    /// where all are.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub steps: Vec<f64>,
    /// The logit that squeezed values go through, where the spec asks for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub logit: Option<Logit>,
    /// The columns' own transforms, shape `[features]`; `None`: values stay as they are. Empty where all do.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub transforms: Vec<Option<Transform>>,
    /// How many of the columns, the last ones, are a context: they are scaled, but are no part of any density. 0: there is none.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub context: usize,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "as serde calls it")]
fn is_zero(number: &usize) -> bool {
    *number == 0
}

impl Preprocessing {
    /// The identity: no noise, no transforms, no scaling.
    pub fn identity(features: usize) -> Self {
        let (mean, scale) = (vec![0.0; features], vec![1.0; features]);
        Self { mean, scale, steps: Vec::new(), logit: None, transforms: Vec::new(), context: 0 }
    }

    /// Takes the last columns, so many, for a context.
    pub fn with_context(self, context: usize) -> Self {
        Self { context, ..self }
    }

    /// Adds dequantisation by `steps`, one a column.
    pub fn with_steps(self, steps: Vec<f64>) -> Self {
        assert_eq!(steps.len(), self.values(), "a step for every column");
        Self { steps: if steps.iter().all(|step| *step == 0.0) { Vec::new() } else { steps }, ..self }
    }

    /// Sets the logit; `None`: no logit.
    pub fn with_logit(self, logit: Option<Logit>) -> Self {
        Self { logit, ..self }
    }

    /// Leaves the columns of these places, classes of a context, as they are.
    pub fn unscaled_at(mut self, places: impl Iterator<Item = usize>) -> Self {
        places.for_each(|place| (self.mean[place], self.scale[place]) = (0.0, 1.0));
        self
    }

    /// Sets the columns' own transforms, one or none each.
    pub fn with_transforms(self, transforms: Vec<Option<Transform>>) -> Self {
        assert_eq!(transforms.len(), self.values(), "a transform or none for every column");
        Self { transforms: if transforms.iter().all(Option::is_none) { Vec::new() } else { transforms }, ..self }
    }

    /// Scaled to mean 0 and variance 1 (over n, not n − 1) on `rows` (data space), each of which counts as its weight says. Without
    /// transforms the noise's mean step/2 and variance step²/12 are counted in; with them, draws from `rng`. A column that is
    /// constant and not dequantised keeps scale 1.
    pub fn standardized(self, rows: &Matrix<f64>, weights: Option<&[f64]>, rng: &mut ChaCha8Rng) -> Self {
        match self.logit {
            None if self.is_transformed() => {
                let mut values = Vec::with_capacity(rows.as_slice().len());
                for row in rows.iter_rows() {
                    values.extend(row.iter().enumerate().map(|(i, value)| self.bend(i, self.noised(i, *value, rng))));
                }
                let (mean, mut scale) = moments(&Matrix::new(values, rows.columns()), weights, |_| 0.0);
                scale.iter_mut().for_each(keep_positive);
                Self { mean, scale, ..self }
            }
            None => {
                let (mut mean, mut scale) = moments(rows, weights, |column| self.step(column));
                mean.iter_mut().enumerate().for_each(|(column, mean)| *mean += 0.5 * self.step(column));
                scale.iter_mut().for_each(keep_positive);
                Self { mean, scale, ..self }
            }
            Some(_) => {
                let stretched = self.apply_with_noise(rows, rng);
                let (mean, mut scale) = moments(&stretched, weights, |_| 0.0);
                scale.iter_mut().for_each(keep_positive);
                Self { mean, scale, ..self }
            }
        }
    }

    /// The same mean and scale for all features of a channel, the one at every `channels`-th place: those of all of them together.
    pub fn shared_by_channel(mut self, channels: usize) -> Self {
        let features = self.features();
        for channel in 0..channels {
            let places = || (channel..features).step_by(channels);
            let count = places().count() as f64;
            let mean = places().map(|i| self.mean[i]).sum::<f64>() / count;
            let square = places().map(|i| self.scale[i].powi(2) + (self.mean[i] - mean).powi(2)).sum::<f64>();
            places().for_each(|i| (self.mean[i], self.scale[i]) = (mean, (square / count).sqrt()));
        }
        self
    }

    /// Number of features D.
    pub fn features(&self) -> usize {
        self.mean.len() - self.context
    }

    /// Values of a row, its context included.
    pub fn values(&self) -> usize {
        self.mean.len()
    }

    /// Width of the noise on a column.
    fn step(&self, column: usize) -> f64 {
        self.steps.get(column).copied().unwrap_or(0.0)
    }

    /// Σ ln σ over the columns, where σ is the standard deviation (over n) of `rows` (data space) with their noise; `None` with a
    /// logit, whose values no table gives in units of σ.
    ///
    /// An NLL in data space minus this is that of the features divided by σ.
    pub fn log_deviation(&self, rows: &Matrix<f64>, weights: Option<&[f64]>) -> Option<f64> {
        let (_, mut deviation) = self.logit.is_none().then(|| moments(rows, weights, |column| self.step(column)))?;
        deviation.iter_mut().for_each(keep_positive);
        Some(deviation.iter().take(self.features()).map(|deviation| deviation.ln()).sum())
    }

    /// Whether any column has a transform of its own.
    pub fn is_transformed(&self) -> bool {
        !self.transforms.is_empty()
    }

    /// The transform of a column's own.
    fn transform(&self, column: usize) -> Option<Transform> {
        self.transforms.get(column).copied().flatten()
    }

    /// A value of a column (data space) with noise from `rng`: never beyond the support that the value was in.
    fn noised(&self, column: usize, value: f64, rng: &mut ChaCha8Rng) -> f64 {
        let step = self.step(column);
        let noised = value + unit(rng) * step;
        match self.transform(column) {
            Some(transform) if step > 0.0 && transform.holds(value, step) => transform.nearest(noised),
            _ => noised,
        }
    }

    /// f of a value (data space, its noise included).
    fn bend(&self, column: usize, value: f64) -> f64 {
        match (&self.logit, self.transform(column)) {
            _ if column >= self.features() => value,
            (Some(logit), _) => logit.apply(value),
            (None, Some(transform)) => transform.apply(value),
            (None, None) => value,
        }
    }

    /// The value (data space, its noise included) that f makes `value` of.
    fn unbend(&self, column: usize, value: f64) -> f64 {
        match (&self.logit, self.transform(column)) {
            _ if column >= self.features() => value,
            (Some(logit), _) => logit.invert(value),
            (None, Some(transform)) => transform.invert(value),
            (None, None) => value,
        }
    }

    /// Whether any column carries noise.
    pub fn is_noisy(&self) -> bool {
        !self.steps.is_empty()
    }

    /// Data space to model space without the dequantisation noise; shape `[rows, features]` both. Values that no transform
    /// takes become NaN.
    pub fn apply(&self, rows: &Matrix<f64>) -> Matrix {
        let mut model = Matrix::zeros(rows.rows(), self.values());
        self.to_model(rows.iter_rows(), &mut model, |_, value| value + 0.0);
        model
    }

    /// Data space to model space, with dequantisation noise from `rng` where the data are quantised.
    pub fn apply_with_noise(&self, rows: &Matrix<f64>, rng: &mut ChaCha8Rng) -> Matrix {
        let mut model = Matrix::zeros(rows.rows(), self.values());
        self.apply_with_noise_to(rows.iter_rows(), &mut model, rng);
        model
    }

    /// The same for rows that come one after the other, into the rows of `model`.
    pub fn apply_with_noise_to<'a>(
        &self,
        rows: impl Iterator<Item = &'a [f64]>,
        model: &mut Matrix,
        rng: &mut ChaCha8Rng,
    ) {
        match self.is_noisy() {
            // Adding 0 makes −0 the 0 that it equals.
            false => self.to_model(rows, model, |_, value| value + 0.0),
            true => self.to_model(rows, model, |column, value| self.noised(column, value, rng)),
        }
    }

    fn to_model<'a>(
        &self,
        rows: impl Iterator<Item = &'a [f64]>,
        model: &mut Matrix,
        mut noised: impl FnMut(usize, f64) -> f64,
    ) {
        assert_eq!(model.columns(), self.values(), "rows of the preprocessing's width");
        for (row, out) in rows.zip(model.as_mut_slice().chunks_exact_mut(self.mean.len())) {
            assert_eq!(row.len(), self.values(), "rows of the preprocessing's width");
            for (column, (value, out)) in row.iter().zip(out).enumerate() {
                let value = self.bend(column, noised(column, *value));
                // The first rounding to 32 bits: what is left of the value is near 1.
                *out = ((value - self.mean[column]) / self.scale[column]) as f32;
            }
        }
    }

    /// Model space to data space: within the support of every transform. Quantised data come back with their noise: values are
    /// not rounded.
    pub fn invert(&self, rows: &Matrix) -> Matrix<f64> {
        assert_eq!(rows.columns(), self.values(), "rows of the preprocessing's width");
        let places = (0..self.values()).cycle();
        let values = rows.as_slice().iter().zip(places).map(|(value, column)| {
            let value = f64::from(*value) * self.scale[column] + self.mean[column];
            self.unbend(column, value)
        });
        Matrix::new(values.collect(), self.values())
    }

    /// The features of a row of model space before they were scaled: f(data + noise).
    fn unscaled<'a>(&'a self, row: &'a [f32]) -> impl Iterator<Item = f64> + 'a {
        let columns = self.mean.iter().zip(&self.scale).take(self.features());
        row.iter().zip(columns).map(|(value, (mean, scale))| f64::from(*value) * scale + mean)
    }

    /// log|det d model / d data| of each of `rows` (model space), nats, shape `[rows]`:
    /// log p(data) = log p(model) + `log_det`.
    pub fn log_det(&self, rows: &Matrix) -> Vec<f64> {
        let scaling = -self.scale.iter().take(self.features()).map(|scale| scale.ln()).sum::<f64>();
        let of_transforms = |row| -> f64 {
            let values = self.unscaled(row).zip(&self.transforms);
            values.filter_map(|(value, transform)| Some((*transform)?.log_slope(value))).sum()
        };
        match &self.logit {
            Some(logit) => rows.iter_rows().map(|row| scaling + logit.log_det(self.unscaled(row))).collect(),
            None if self.is_transformed() => rows.iter_rows().map(|row| scaling + of_transforms(row)).collect(),
            None => vec![scaling; rows.rows()],
        }
    }

    /// Bits per dimension from an NLL in data space (nats); `None` where a column is continuous.
    ///
    /// A quantised row x stands for the cell x + Π [0, stepᵢ), whose probability is the density's mean over the cell times
    /// Π stepᵢ. So −log P(x) ≤ NLL − Σ ln stepᵢ (Theis et al. 2016, section 3.1), here divided by D ln 2.
    pub fn bits_per_dim(&self, nll: f64) -> Option<f64> {
        let all_quantised = self.is_noisy() && self.steps.iter().take(self.features()).all(|step| *step > 0.0);
        let volume: f64 = self.steps.iter().take(self.features()).map(|step| step.ln()).sum();
        all_quantised.then(|| (nll - volume) / (self.features() as f64 * LN_2))
    }

    /// The first of `rows` (data space) and its column whose value no transform takes. `noisy`: noise is still to be
    /// added, so that the support must hold the value and its noise; without it the α of a logit of all columns lets values be a
    /// little beyond, as samples are now and then.
    pub fn out_of_bounds(&self, rows: &Matrix<f64>, noisy: bool) -> Option<(usize, usize)> {
        rows.iter_rows().enumerate().find_map(|(i, row)| Some((i, self.outside(row, noisy)?)))
    }

    /// The first column of a row (data space) whose value no transform takes; `noisy`: as above.
    pub fn outside(&self, row: &[f64], noisy: bool) -> Option<usize> {
        if self.logit.is_none() && !self.is_transformed() {
            return None;
        }
        let outside = |value: f64, column: usize| match (&self.logit, self.transform(column), noisy) {
            (Some(logit), _, true) => value < logit.low || value + self.step(column) > logit.high,
            (None, Some(transform), true) => !transform.holds(value, self.step(column)),
            _ => !self.bend(column, value).is_finite(),
        };
        row.iter().take(self.features()).enumerate().position(|(column, value)| outside(*value, column))
    }

    /// Which values of a column are taken, in words: "above 0"; `None`: all numbers.
    pub fn support(&self, column: usize) -> Option<String> {
        let whole = self.logit.as_ref().map(|&Logit { low, high, .. }| Transform::Logit { low, high });
        whole.or_else(|| self.transform(column)).map(|transform| transform.to_string())
    }
}

/// Mean and standard deviation of every column, uniform noise of `width` added to the latter; each row counts as its weight says.
fn moments<T: Copy + Default + Into<f64>>(
    rows: &Matrix<T>,
    weights: Option<&[f64]>,
    width: impl Fn(usize) -> f64,
) -> (Vec<f64>, Vec<f64>) {
    // Relative to the mean weight: their sum is the number of rows.
    let count = rows.rows().max(1) as f64;
    let per_row = weights.map_or(1.0, |weights| weights.iter().map(|weight| weight / count).sum());
    let weight = |row: usize| weights.map_or(1.0, |weights| weights[row] / per_row);
    let units = units(rows);
    let mut mean = vec![0.0; rows.columns()];
    for (i, row) in rows.iter_rows().enumerate() {
        let weight = weight(i);
        mean.iter_mut().zip(row).zip(&units).for_each(|((sum, &value), unit)| *sum += weight * (value.into() * unit));
    }
    mean.iter_mut().for_each(|sum| *sum /= count);
    let mut variance = vec![0.0; rows.columns()];
    for (i, row) in rows.iter_rows().enumerate() {
        let weight = weight(i);
        for (((sum, &value), unit), mean) in variance.iter_mut().zip(row).zip(&units).zip(&mean) {
            *sum += weight * (value.into() * unit - mean).powi(2);
        }
    }
    let noise = |column: usize| (width(column) * units[column]).powi(2) / 12.0;
    let deviation: Vec<f64> = variance
        .iter()
        .zip(&units)
        .enumerate()
        .map(|(column, (sum, unit))| (sum / count + noise(column)).sqrt() / unit)
        .collect();
    mean.iter_mut().zip(&units).for_each(|(mean, unit)| *mean /= unit);
    (mean, deviation)
}

/// For every column a power of two by which its values can be multiplied and then squared and summed: 1 but for columns whose
/// squares would leave the range of f64. Powers of two round nothing.
fn units<T: Copy + Default + Into<f64>>(rows: &Matrix<T>) -> Vec<f64> {
    const SAFE: std::ops::RangeInclusive<f64> = 1e-100..=1e100;
    let mut largest = vec![0.0_f64; rows.columns()];
    for row in rows.iter_rows() {
        largest.iter_mut().zip(row).for_each(|(largest, &value)| *largest = largest.max(value.into().abs()));
    }
    let unit = |largest: f64| match largest {
        0.0 => 1.0,
        largest if SAFE.contains(&largest) => 1.0,
        // 2^±1000: its reciprocal is finite, too.
        largest => 2f64.powi(-largest.log2().floor().clamp(-1000.0, 1000.0) as i32),
    };
    largest.into_iter().map(unit).collect()
}

fn keep_positive(scale: &mut f64) {
    if *scale == 0.0 {
        *scale = 1.0;
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
        Preprocessing { mean: vec![1.0, -2.0, 0.5], scale: vec![4.0, 0.25, 3.0], ..Preprocessing::identity(3) }
    }

    #[test]
    fn log_det_is_that_of_finite_differences() {
        let (preprocessing, h) = (example(), 0.25f32);
        let base = [0.5f32, 1.0, -0.25];
        let apply = |row: &[f32]| {
            preprocessing.apply(&Matrix::new(row.iter().map(|&value| f64::from(value)).collect(), 3)).into_vec()
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
        let model = Matrix::new(apply(&base), 3);
        assert!((log_det - preprocessing.log_det(&model)[0]).abs() < 1e-6);
    }

    #[test]
    fn invert_undoes_apply() {
        let rows = Matrix::new(vec![0.5, 1.0, -0.25, 3.0, -7.0, 11.0], 3);
        let there_and_back = example().invert(&example().apply(&rows));
        for (value, expected) in there_and_back.as_slice().iter().zip(rows.as_slice()) {
            assert!((value - expected).abs() < 1e-5);
        }
    }

    #[test]
    fn log_deviations_are_those_of_the_rows_with_their_noise_and_none_with_a_logit() {
        // Deviations 1 and 2; the second with noise of width 6: √(4 + 36/12).
        let rows = Matrix::new(vec![1.0, 0.0, 3.0, 4.0], 2);
        let plain = Preprocessing::identity(2);
        let noisy = plain.clone().with_steps(vec![0.0, 6.0]);
        for (preprocessing, expected) in [(&plain, 2f64.ln()), (&noisy, 0.5 * 7f64.ln())] {
            assert!((preprocessing.log_deviation(&rows, None).expect("no logit") - expected).abs() < 1e-12);
        }
        let logit = Some(Logit { alpha: 0.1, low: 0.0, high: 5.0 });
        assert_eq!(plain.with_logit(logit).log_deviation(&rows, None), None);
    }

    #[test]
    fn standardised_rows_have_mean_zero_and_variance_one_noise_included() {
        let levels: Vec<f64> = (0..4096).flat_map(|i| [f64::from(i % 16), 1e3 + f64::from(i % 2)]).collect();
        for step in [None, Some(1.0)] {
            let rows = Matrix::new(levels.clone(), 2);
            let preprocessing = Preprocessing::identity(2).with_steps(vec![step.unwrap_or(0.0); 2]).standardized(
                &rows,
                None,
                &mut stream(0, Purpose::Test, 1),
            );
            let rows = preprocessing.apply_with_noise(&rows, &mut stream(0, Purpose::Test, 2));
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
    fn features_of_a_channel_share_what_all_of_its_values_have() {
        // Two pixels of two channels: 1, 5, 3, 7 of the first, 0, 0, 10, 30 of the second.
        let rows = Matrix::new(vec![1.0, 0.0, 5.0, 0.0, 3.0, 10.0, 7.0, 30.0], 4);
        let own = Preprocessing::identity(4).standardized(&rows, None, &mut stream(0, Purpose::Test, 1));
        let shared = own.clone().shared_by_channel(2);
        let [first, second] = [(4.0, 5f64.sqrt()), (10.0, 150f64.sqrt())];
        for (feature, (mean, scale)) in [first, second, first, second].into_iter().enumerate() {
            assert!((shared.mean[feature] - mean).abs() < 1e-12 && (shared.scale[feature] - scale).abs() < 1e-12);
        }
        assert_ne!(own.mean, shared.mean);
    }

    #[test]
    fn uniform_over_sixteen_levels_costs_four_bits() {
        for step in [1.0, 0.25, 1.0 / 255.0] {
            let levels = (0..16).flat_map(|i| [f64::from(i) * step, f64::from(15 - i) * step]).collect();
            let levels = Matrix::new(levels, 2);
            let preprocessing = Preprocessing::identity(2).with_steps(vec![step; 2]).standardized(
                &levels,
                None,
                &mut stream(0, Purpose::Test, 0),
            );
            // The ideal model: uniform over the image of the 16 cells in model space.
            let log_model: f64 = preprocessing.scale.iter().map(|scale| -(16.0 * step / scale).ln()).sum();
            let nll = -(log_model + preprocessing.log_det(&preprocessing.apply(&levels))[0]);
            assert!((preprocessing.bits_per_dim(nll).unwrap() - 4.0).abs() < 1e-12);
        }
        assert_eq!(example().bits_per_dim(1.0), None);
        assert_eq!(example().with_steps(vec![1.0, 0.0, 1.0]).bits_per_dim(1.0), None, "one is continuous");
    }

    #[test]
    fn noise_stays_within_its_step() {
        let rows = Matrix::new(vec![3.0; 3000], 3);
        let preprocessing = Preprocessing::identity(3).with_steps(vec![0.5, 0.0, 2.0]);
        let rows = preprocessing.apply_with_noise(&rows, &mut stream(0, Purpose::Test, 3));
        assert!(
            rows.iter_rows().all(|row| (3.0..3.5).contains(&row[0]) && row[1] == 3.0 && (3.0..5.0).contains(&row[2]))
        );
        assert!(rows.iter_rows().any(|row| row[2] > 4.5));
    }

    #[test]
    fn json_keeps_it() {
        let logit = Logit { alpha: 1e-6, low: 0.0, high: 256.0 };
        let preprocessing = example().with_steps(vec![1.0, 0.0, 0.5]).with_logit(Some(logit));
        let text = serde_json::to_string(&preprocessing).unwrap();
        assert_eq!(serde_json::from_str::<Preprocessing>(&text).unwrap(), preprocessing);
    }

    /// Integers 0 to 15 of a skewed distribution, with a logit, standardised.
    fn stretched() -> (Preprocessing, Matrix<f64>) {
        let rows = Matrix::new((0..3000).map(|i| f64::from((i * i) % 16)).collect(), 3);
        let logit = Logit { alpha: 0.01, low: 0.0, high: 16.0 };
        let preprocessing = Preprocessing::identity(3).with_steps(vec![1.0; 3]).with_logit(Some(logit));
        (preprocessing.standardized(&rows, None, &mut stream(0, Purpose::Test, 5)), rows)
    }

    #[test]
    fn logit_rows_are_standardised_noise_included_and_come_back() {
        let (preprocessing, rows) = stretched();
        let there = preprocessing.apply_with_noise(&rows, &mut stream(0, Purpose::Test, 6));
        let (mean, deviation) = moments(&there, None, |_| 0.0);
        assert!(mean.iter().all(|mean| mean.abs() < 0.1), "{mean:?}");
        assert!(deviation.iter().all(|deviation| (deviation - 1.0).abs() < 0.1), "{deviation:?}");
        for (back, value) in preprocessing.invert(&there).as_slice().iter().zip(rows.as_slice()) {
            assert!((-1e-4..1.0001).contains(&(back - value)), "{back} from {value}");
        }
    }

    #[test]
    fn the_density_of_stretched_data_still_integrates_to_one() {
        // A standard normal in model space, brought to data space, over a fine grid of one column.
        let (mut preprocessing, _) = stretched();
        (preprocessing.mean, preprocessing.scale) = (vec![0.3], vec![0.8]);
        // Nearly nothing of the normal lies beyond logit(α) = −4.6.
        let cells = 200_000;
        let width = 16.0 / f64::from(cells);
        let x: Vec<f64> = (0..cells).map(|i| (f64::from(i) + 0.5) * width).collect();
        let z = preprocessing.apply(&Matrix::new(x, 1));
        let log_det = preprocessing.log_det(&z);
        let normal = |z: f64| (-0.5 * z * z).exp() / (2.0 * std::f64::consts::PI).sqrt();
        let mass: f64 = z.as_slice().iter().zip(log_det).map(|(z, log_det)| normal((*z).into()) * log_det.exp()).sum();
        assert!((mass * width - 1.0).abs() < 1e-4, "{}", mass * width);
    }

    /// Counts from 0 on through a log, shares through a logit, tails through a symlog, and a column as it is.
    fn transformed() -> (Preprocessing, Matrix<f64>) {
        let transforms = vec![
            Some(Transform::Log { low: 0.0 }),
            Some(Transform::Logit { low: 0.0, high: 1.0 }),
            Some(Transform::Symlog { scale: 2.0 }),
            None,
        ];
        let row = |i: usize| {
            let u = (i as f64 + 0.5) / 1000.0;
            [(i % 7) as f64, u * u, (u - 0.5).tan() * 50.0, 1e9 + u]
        };
        let rows = Matrix::new((0..1000).flat_map(row).collect(), 4);
        let plain = Preprocessing::identity(4).with_steps(vec![1.0, 0.0, 0.0, 0.0]).with_transforms(transforms);
        assert_eq!(plain.out_of_bounds(&rows, true), None);
        (plain.standardized(&rows, None, &mut stream(0, Purpose::Test, 7)), rows)
    }

    #[test]
    fn transformed_columns_are_standardised_noise_included_and_come_back_within_their_support() {
        let (preprocessing, rows) = transformed();
        let there = preprocessing.apply_with_noise(&rows, &mut stream(0, Purpose::Test, 8));
        let (mean, deviation) = moments(&there, None, |_| 0.0);
        assert!(mean.iter().all(|mean| mean.abs() < 0.1), "{mean:?}");
        assert!(deviation.iter().all(|deviation| (deviation - 1.0).abs() < 0.1), "{deviation:?}");
        for (back, row) in preprocessing.invert(&there).iter_rows().zip(rows.iter_rows()) {
            assert!((-1e-5..1.00001).contains(&(back[0] - row[0])), "{back:?} from {row:?}");
            let near = |i: usize| (back[i] - row[i]).abs() < 1e-5 * row[i].abs().max(1.0);
            assert!((1..4).all(near), "{back:?} from {row:?}");
        }
        let far = Matrix::new([-1e30f32, -90.0, 0.0, 90.0, 1e30].into_iter().flat_map(|z| [z; 4]).collect(), 4);
        let back = preprocessing.invert(&far);
        assert!(back.iter_rows().all(|row| row[0] > 0.0 && row[1] > 0.0 && row[1] < 1.0), "{back:?}");
        assert!(back.as_slice().iter().all(|value| value.is_finite()));
    }

    /// A standard normal in model space, brought to data space, over a grid of each column that is as fine as its density is.
    #[test]
    fn the_density_of_transformed_columns_integrates_to_one_and_json_keeps_them() {
        let (preprocessing, _) = transformed();
        let text = serde_json::to_string(&preprocessing).unwrap();
        assert_eq!(serde_json::from_str::<Preprocessing>(&text).unwrap(), preprocessing);
        for column in 0..3 {
            let (mean, scale) = (vec![preprocessing.mean[column]], vec![preprocessing.scale[column]]);
            let transforms = vec![preprocessing.transforms[column]];
            let one = Preprocessing { mean, scale, transforms, ..Preprocessing::identity(1) };
            let ends: Vec<f64> = (0..=40_000).map(|i| 12.0 * f64::from(i) / 40_000.0 - 6.0).collect();
            let x: Vec<f64> = one.invert(&Matrix::new(ends.iter().map(|z| *z as f32).collect(), 1)).into_vec();
            let middles: Vec<f64> = x.windows(2).map(|ends| 0.5 * (ends[0] + ends[1])).collect();
            let z = one.apply(&Matrix::new(middles, 1));
            let normal = |z: f64| (-0.5 * z * z).exp() / (2.0 * std::f64::consts::PI).sqrt();
            let density =
                z.as_slice().iter().zip(one.log_det(&z)).map(|(z, log_det)| normal((*z).into()) * log_det.exp());
            let mass: f64 = density.zip(x.windows(2)).map(|(density, ends)| density * (ends[1] - ends[0])).sum();
            assert!((mass - 1.0).abs() < 1e-3, "{column}: {mass}");
        }
    }

    #[test]
    fn values_outside_the_support_of_a_transform_are_found() {
        let (preprocessing, _) = transformed();
        let at = |row: [f64; 4], noisy| preprocessing.out_of_bounds(&Matrix::new(row.to_vec(), 4), noisy);
        assert_eq!(at([0.0, 0.5, -1e9, 0.0], true), None, "a count of 0 with its noise");
        assert_eq!(at([0.0, 0.5, -1e9, 0.0], false), Some((0, 0)), "0 as a value that has its noise");
        assert_eq!(at([1.0, 1.0, 0.0, 0.0], true), Some((0, 1)));
        assert_eq!(at([-1.0, 0.5, 0.0, 0.0], true), Some((0, 0)));
        let outside = preprocessing.apply(&Matrix::new(vec![-1.0, 2.0, 0.0, 0.0], 4));
        assert_eq!(outside.as_slice().iter().map(|z| z.is_nan()).collect::<Vec<_>>(), [true, true, false, false]);
    }

    #[test]
    fn values_out_of_bounds_are_found() {
        let (preprocessing, _) = stretched();
        let at = |values: [f64; 6]| preprocessing.out_of_bounds(&Matrix::new(values.to_vec(), 3), true);
        assert_eq!(at([0.0, 15.0, 3.0, 0.0, 0.0, 0.0]), None);
        assert_eq!(at([0.0, 15.0, 3.0, 0.0, -0.5, 99.0]), Some((1, 1)));
        assert_eq!(at([0.0, 15.0, 15.1, 0.0, 0.0, 0.0]), Some((0, 2)));
        // With α = 0.01, p = 0 at −16/98.
        let carried = |value| preprocessing.out_of_bounds(&Matrix::new(vec![value; 3], 3), false);
        assert_eq!((carried(15.9), carried(-0.1), carried(-0.2)), (None, None, Some((0, 0))));
    }
}
