//! Batch normalisation in plain dfdx operations.

use dfdx::prelude::*;

use super::{BATCH_NORM_EPSILON, BATCH_NORM_MOMENTUM, BatchNorm};
use crate::layers::composed::{
    Compose, Composed, Float, InTraining, Moved, OnChannels, Rows, Upload, add_rows, download, times_rows,
};

/// z = (x − μ)/√(v + ε)·exp(log γ) + β, with log|det dz/dx| = Σ (log γ − ½ ln(v + ε)) for every row. μ and v are those of
/// the batch in training and running ones in evaluation.
pub(crate) struct Form<F: Dim, E: Float, D: Device<E>> {
    log_gamma: Tensor<(F,), E, D>,
    beta: Tensor<(F,), E, D>,
    mean: Tensor<(F,), E, D>,
    variance: Tensor<(F,), E, D>,
    places: BatchNorm,
}

impl Compose for BatchNorm {
    type Form<F: Dim, W: Dim, E: Float, D: Device<E>> = OnChannels<Form<F, E, D>, Form<usize, E, D>>;

    fn upload<F: Dim, W: Dim, E: Float, D: Device<E>>(
        &self,
        upload: &Upload<'_, E, D>,
        features: F,
        _: W,
    ) -> Result<Self::Form<F, W, E, D>, D::Err> {
        Ok(match self.channels.are_plain(features.size()) {
            true => OnChannels::Plain(self.form(upload, features)?),
            false => OnChannels::Pixels(self.channels.clone(), self.form(upload, self.channels.count)?),
        })
    }
}

impl BatchNorm {
    /// Its form for rows of its channels.
    pub(crate) fn form<F: Dim, E: Float, D: Device<E>>(
        &self,
        upload: &Upload<'_, E, D>,
        features: F,
    ) -> Result<Form<F, E, D>, D::Err> {
        Ok(Form {
            log_gamma: upload.tensor(self.log_gamma, (features,))?,
            beta: upload.tensor(self.beta, (features,))?,
            mean: upload.tensor(self.running_mean, (features,))?,
            variance: upload.tensor(self.running_variance, (features,))?,
            places: self.clone(),
        })
    }
}

impl<F: Dim, E: Float, D: Device<E>> Composed<F, E, D> for Form<F, E, D> {
    fn forward_training<T>(
        &self,
        x: Rows<F, E, D, T>,
        InTraining { values, .. }: &mut InTraining<'_>,
    ) -> Result<Moved<F, E, D, T>, D::Err>
    where
        T: Tape<E, D> + Merge<T>,
    {
        let mean = x.retaped::<T>().try_mean::<(F,), Axis<0>>()?;
        let shape = *x.shape();
        let centred = x.try_sub(mean.retaped::<T>().try_broadcast_like(&shape)?)?;
        let variance = centred.retaped::<T>().try_square()?.try_mean::<(F,), Axis<0>>()?;
        let BatchNorm { running_mean, running_variance, .. } = self.places;
        for (place, now) in [(running_mean, mean.as_vec()), (running_variance, variance.as_vec())] {
            for (running, now) in values[place..].iter_mut().zip(now) {
                *running =
                    ((1.0 - BATCH_NORM_MOMENTUM) * f64::from(*running) + BATCH_NORM_MOMENTUM * now.wide()) as f32;
            }
        }
        // μ's own tape joins here, so that its gradient flows back through the batch.
        let (_, mean_tape) = mean.split_tape();
        let (centred, tape) = centred.split_tape();
        self.rescale(centred.put_tape(tape.merge(mean_tape)), variance)
    }

    fn forward<T>(&self, x: Rows<F, E, D, T>) -> Result<Moved<F, E, D, T>, D::Err>
    where
        T: Tape<E, D> + Merge<T>,
    {
        let centred = add_rows(x, &self.mean.clone().try_negate()?)?;
        self.rescale(centred, self.variance.retaped::<T>())
    }

    fn inverse(&self, z: Rows<F, E, D>) -> Result<Rows<F, E, D>, D::Err> {
        let half_ln = self.variance.clone().try_add(E::of(BATCH_NORM_EPSILON))?.try_ln()?.try_mul(E::of(0.5))?;
        let inverse_scale = half_ln.try_sub(self.log_gamma.clone())?.try_exp()?;
        let centred = times_rows(add_rows(z, &self.beta.clone().try_negate()?)?, &inverse_scale)?;
        add_rows(centred, &self.mean)
    }

    fn scale_max(&self, _: &Rows<F, E, D>) -> Result<f64, D::Err> {
        Ok(0.0)
    }

    fn gradient(&self, gradients: &Gradients<E, D>, out: &mut [f32]) {
        download(&gradients.get(&self.log_gamma), self.places.log_gamma, out);
        download(&gradients.get(&self.beta), self.places.beta, out);
    }
}

impl<F: Dim, E: Float, D: Device<E>> Form<F, E, D> {
    /// By the deviation and γ, to β.
    fn rescale<T>(
        &self,
        centred: Rows<F, E, D, T>,
        variance: Tensor<(F,), E, D, T>,
    ) -> Result<Moved<F, E, D, T>, D::Err>
    where
        T: Tape<E, D> + Merge<T>,
    {
        let shape = *centred.shape();
        let half_ln = variance.try_add(E::of(BATCH_NORM_EPSILON))?.try_ln()?.try_mul(E::of(-0.5))?;
        let log_scale = half_ln.try_add(self.log_gamma.clone())?;
        let log_det = log_scale.retaped::<T>().try_sum::<(), Axis<0>>()?.try_broadcast_like(&(shape.0,))?;
        let scale = log_scale.try_exp()?.try_broadcast_like(&shape)?;
        Ok((add_rows(centred.try_mul(scale)?, &self.beta)?, log_det))
    }
}
