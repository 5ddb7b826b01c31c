//! Couplings in plain dfdx operations.
//!
//! The parts of a row are picked and put back by multiplication with 0/1 matrices, which is exact for finite values and runs
//! on every device.

use dfdx::prelude::*;

use super::network::NetworkForm;
use super::{Coupling, transformer};
use crate::layers::composed::{Compose, Composed, Float, InTraining, Moved, Rows, Upload, times_rows};

/// All features but the changed stay as they are.
pub(crate) struct Form<F: Dim, W: Dim, E: Float, D: Device<E>> {
    networks: Vec<NetworkForm<W, E, D>>,
    transformer: transformer::Form<E, D>,
    /// 0 for changed features and 1 for all others, shape `[features]`.
    unchanged: Tensor<(F,), E, D>,
    /// x·`pick_kept` is the kept part, shape `[features, kept]`.
    pick_kept: Tensor<(F, usize), E, D>,
    /// x·`pick_changed` is the changed part, shape `[features, changed]`.
    pick_changed: Tensor<(F, usize), E, D>,
    /// The transpose of `pick_changed`: puts the changed part back in its place.
    put_changed: Rows<F, E, D>,
}

impl Compose for Coupling {
    type Form<F: Dim, W: Dim, E: Float, D: Device<E>> = Form<F, W, E, D>;

    fn upload<F: Dim, W: Dim, E: Float, D: Device<E>>(
        &self,
        upload: &Upload<'_, E, D>,
        features: F,
        width: W,
    ) -> Result<Form<F, W, E, D>, D::Err> {
        let (kept, changed) = (&self.mask.kept, &self.mask.changed);
        let n = features.size();
        let pick = |chosen: &[usize]| {
            let mut matrix = vec![E::of(0.0); n * chosen.len()];
            chosen.iter().enumerate().for_each(|(j, &i)| matrix[i * chosen.len() + j] = E::of(1.0));
            matrix
        };
        let mut put = vec![E::of(0.0); n * changed.len()];
        changed.iter().enumerate().for_each(|(j, &i)| put[j * n + i] = E::of(1.0));
        let mut unchanged = vec![E::of(1.0); n];
        changed.iter().for_each(|&i| unchanged[i] = E::of(0.0));
        // A device tensor of no elements is not to be had: an unused column stands in where nothing is kept.
        let kept_matrix = if kept.is_empty() { vec![E::of(0.0); n] } else { pick(kept) };
        Ok(Form {
            networks: self
                .networks
                .iter()
                .map(|network| network.upload(upload, width, changed.len()))
                .collect::<Result<_, _>>()?,
            transformer: self.transformer.upload(upload, changed.len())?,
            unchanged: upload.device.try_tensor_from_vec(unchanged, (features,))?,
            pick_kept: upload.device.try_tensor_from_vec(kept_matrix, (features, kept.len().max(1)))?,
            pick_changed: upload.device.try_tensor_from_vec(pick(changed), (features, changed.len()))?,
            put_changed: upload.device.try_tensor_from_vec(put, (changed.len(), features))?,
        })
    }
}

impl<F: Dim, W: Dim, E: Float, D: Device<E>> Form<F, W, E, D> {
    /// What the networks say of the kept features.
    fn say<T>(
        &self,
        x: &Rows<F, E, D, T>,
        mut training: Option<&mut InTraining<'_>>,
    ) -> Result<transformer::Said<E, D, T>, D::Err>
    where
        T: Tape<E, D> + Merge<T>,
    {
        let kept = x.retaped::<T>().try_matmul(self.pick_kept.clone())?;
        let Some((first, others)) = self.networks.split_first() else { return Ok(Vec::new()) };
        let others = others.iter().map(|network| network.apply(kept.retaped::<T>(), training.as_deref_mut()));
        let others = others.collect::<Result<Vec<_>, _>>()?;
        // The tape that leads back to x stays with the first alone; the others were started on fresh ones and join later.
        let mut said = first.apply(kept, training)?;
        said.extend(others.into_iter().flatten());
        Ok(said)
    }

    fn pass<T>(&self, x: Rows<F, E, D, T>, training: Option<&mut InTraining<'_>>) -> Result<Moved<F, E, D, T>, D::Err>
    where
        T: Tape<E, D> + Merge<T>,
    {
        let said = self.say(&x, training)?;
        let changed = x.retaped::<T>().try_matmul(self.pick_changed.clone())?;
        let (changed, log_det) = self.transformer.forward(changed, said)?;
        let unchanged = times_rows(x, &self.unchanged)?;
        Ok((unchanged.try_add(changed.try_matmul(self.put_changed.clone())?)?, log_det))
    }
}

impl<F: Dim, W: Dim, E: Float, D: Device<E>> Composed<F, E, D> for Form<F, W, E, D> {
    fn forward<T>(&self, x: Rows<F, E, D, T>) -> Result<Moved<F, E, D, T>, D::Err>
    where
        T: Tape<E, D> + Merge<T>,
    {
        self.pass(x, None)
    }

    fn forward_training<T>(
        &self,
        x: Rows<F, E, D, T>,
        training: &mut InTraining<'_>,
    ) -> Result<Moved<F, E, D, T>, D::Err>
    where
        T: Tape<E, D> + Merge<T>,
    {
        self.pass(x, Some(training))
    }

    fn inverse(&self, z: Rows<F, E, D>) -> Result<Rows<F, E, D>, D::Err> {
        let said = self.say(&z, None)?;
        let changed = self.transformer.inverse(z.clone().try_matmul(self.pick_changed.clone())?, said)?;
        times_rows(z, &self.unchanged)?.try_add(changed.try_matmul(self.put_changed.clone())?)
    }

    fn scale_max(&self, x: &Rows<F, E, D>) -> Result<f64, D::Err> {
        self.transformer.scale_max(self.say(x, None)?)
    }

    fn gradient(&self, gradients: &Gradients<E, D>, out: &mut [f32]) {
        self.networks.iter().for_each(|network| network.gradient(gradients, out));
        self.transformer.gradient(gradients, out);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layers::{Affine, Bound, Dropout, Linear, Mask, Mlp, Network, Transformer};
    use crate::spec::Activation;

    const FEATURES: usize = 4;
    const CHANGED: usize = 2;
    /// Weights of the loss Σ (weight·z) + Σ log_det.
    const WEIGHTS: [f64; FEATURES] = [0.5, -1.5, 2.0, 3.0];
    const ROWS: [[f64; FEATURES]; 3] = [[0.3, -4.0, 1.25, 7.0], [-1.1, 0.0, -0.6, -2.5], [2.0, 9.0, 0.0, 0.125]];
    const SCALE: usize = 8;

    /// A network of one hidden unit, or of its last bias alone, whose values start at `offset`.
    struct Line {
        values: [f64; 4],
        offset: usize,
    }

    impl Line {
        fn maps(&self, kept: usize) -> Vec<Linear> {
            let map = |inputs, weight, bias| Linear { inputs, outputs: 1, weight, bias };
            let last = map(kept, self.offset + 2, self.offset + 3);
            if kept == 0 { vec![last] } else { vec![map(1, self.offset, self.offset + 1), last] }
        }

        /// Value and slope at the kept feature, if there is one.
        fn at(&self, kept: Option<f64>) -> [f64; 2] {
            let [weight, bias, last_weight, last_bias] = self.values;
            let Some(x) = kept else { return [last_bias, 0.0] };
            let h = (weight * x + bias).tanh();
            [last_weight * h + last_bias, last_weight * (1.0 - h * h) * weight]
        }
    }

    fn close(found: &[f64], expected: &[f64]) {
        assert_eq!(found.len(), expected.len());
        let near = |(a, b): (&f64, &f64)| (a - b).abs() <= 1e-12 * (1.0 + b.abs());
        assert!(found.iter().zip(expected).all(near), "{found:?} {expected:?}");
    }

    /// Against the closed form, with one kept feature and with none: the second and the last are neither kept nor changed.
    #[test]
    fn features_that_are_neither_kept_nor_changed_pass_through_untouched() {
        let (s, t) = (
            Line { values: [0.75, -0.25, 1.5, 0.125], offset: 0 },
            Line { values: [-0.5, 1.0, 2.0, -0.75], offset: 4 },
        );
        let scale = 0.625;
        let values: Vec<f32> = s.values.iter().chain(&t.values).chain([&scale]).map(|&v| v as f32).collect();
        for kept in [vec![0], vec![]] {
            let device = Cpu::default();
            let mlp = |maps| Network::Mlp(Mlp { maps, activation: Activation::Tanh, dropout: Dropout { rate: 0.0 } });
            let place = Coupling {
                mask: Mask { kept: kept.clone(), changed: vec![CHANGED], pixels: None },
                networks: [&s, &t].map(|line| mlp(line.maps(kept.len()))).into(),
                transformer: Transformer::Affine(Affine { bound: Bound::Tanh { scale: SCALE } }),
            };
            let upload = Upload::<f64, Cpu>::new(&device, &values);
            let coupling = place.upload(&upload, FEATURES, 1).expect("uploaded");

            let (mut z, mut log_det, mut slopes) = (Vec::new(), Vec::new(), Vec::new());
            let (mut d_scale, mut d_bias) = (0.0, 0.0);
            for x in ROWS {
                let kept = kept.first().map(|&i: &usize| x[i]);
                let ([s, s_slope], [t, t_slope]) = (s.at(kept), t.at(kept));
                let tanh = s.tanh();
                let (s, s_slope) = (scale * tanh, scale * (1.0 - tanh * tanh) * s_slope);
                let mut moved = x;
                moved[CHANGED] = x[CHANGED] * s.exp() + t;
                z.extend(moved);
                log_det.push(s);
                let d_s = WEIGHTS[CHANGED] * x[CHANGED] * s.exp() + 1.0;
                let mut slope = WEIGHTS;
                slope[CHANGED] *= s.exp();
                slope[0] += d_s * s_slope + WEIGHTS[CHANGED] * t_slope;
                slopes.extend(slope);
                d_scale += d_s * tanh;
                d_bias += WEIGHTS[CHANGED];
            }

            let x: Rows<usize, f64, Cpu> = device.tensor_from_vec(ROWS.concat(), (ROWS.len(), FEATURES));
            let (found, found_log_det) = coupling.forward(x.leaky_trace()).expect("forward");
            close(&found.as_vec(), &z);
            close(&found_log_det.as_vec(), &log_det);
            let weights: Tensor<(usize,), f64, Cpu> = device.tensor_from_vec(WEIGHTS.to_vec(), (FEATURES,));
            let loss = found.matmul(weights).sum::<(), Axis<0>>() + found_log_det.sum::<(), Axis<0>>();
            let gradients = loss.backward();
            close(&gradients.get(&x).as_vec(), &slopes);
            let mut flat = vec![0.0; values.len()];
            coupling.gradient(&gradients, &mut flat);
            for (index, expected) in [(SCALE, d_scale), (t.offset + 3, d_bias)] {
                assert!((f64::from(flat[index]) - expected).abs() < 1e-6 * (1.0 + expected.abs()), "{index}");
            }

            let z = device.tensor_from_vec(z, (ROWS.len(), FEATURES));
            close(&coupling.inverse(z).expect("inverse").as_vec(), &ROWS.concat());
        }
    }
}
