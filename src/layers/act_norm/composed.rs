//! Activation normalisation in plain dfdx operations.

use dfdx::prelude::*;

use super::ActNorm;
use crate::layers::composed::{
    Compose, Composed, Float, InTraining, Moved, OnChannels, Rows, Upload, add_rows, download, times_rows,
};

pub(crate) struct Form<F: Dim, E: Float, D: Device<E>> {
    log_scale: Tensor<(F,), E, D>,
    bias: Tensor<(F,), E, D>,
    places: ActNorm,
}

impl Compose for ActNorm {
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

impl ActNorm {
    fn form<F: Dim, E: Float, D: Device<E>>(
        &self,
        upload: &Upload<'_, E, D>,
        features: F,
    ) -> Result<Form<F, E, D>, D::Err> {
        let (log_scale, bias) = (upload.tensor(self.log_scale, (features,))?, upload.tensor(self.bias, (features,))?);
        Ok(Form { log_scale, bias, places: self.clone() })
    }
}

impl<F: Dim, E: Float, D: Device<E>> Composed<F, E, D> for Form<F, E, D> {
    fn forward<T>(&self, x: Rows<F, E, D, T>) -> Result<Moved<F, E, D, T>, D::Err>
    where
        T: Tape<E, D> + Merge<T>,
    {
        Self::apply(x, self.log_scale.retaped::<T>(), self.bias.retaped::<T>())
    }

    fn forward_training<T>(
        &self,
        x: Rows<F, E, D, T>,
        InTraining { values, .. }: &mut InTraining<'_>,
    ) -> Result<Moved<F, E, D, T>, D::Err>
    where
        T: Tape<E, D> + Merge<T>,
    {
        if self.places.is_initialised(values) {
            return self.forward(x);
        }
        let still = x.retaped::<NoneTape>();
        let mean = still.clone().try_mean::<(F,), Axis<0>>()?;
        let centred = add_rows(still, &mean.clone().try_negate()?)?;
        let variance = centred.try_square()?.try_mean::<(F,), Axis<0>>()?;
        let moments = mean.as_vec().into_iter().zip(variance.as_vec()).map(|(mean, v)| [mean.wide(), v.wide()]);
        self.places.start(moments, values);
        // It was the identity: what it starts with is added to its zeros, so that the gradient still reaches them.
        let upload = Upload::new(x.device(), values);
        let shape = *self.bias.shape();
        let log_scale = self.log_scale.retaped::<T>().try_add(upload.tensor(self.places.log_scale, shape)?)?;
        let bias = self.bias.retaped::<T>().try_add(upload.tensor(self.places.bias, shape)?)?;
        Self::apply(x, log_scale, bias)
    }

    fn inverse(&self, z: Rows<F, E, D>) -> Result<Rows<F, E, D>, D::Err> {
        let scale = self.log_scale.clone().try_negate()?.try_exp()?;
        times_rows(add_rows(z, &self.bias.clone().try_negate()?)?, &scale)
    }

    fn scale_max(&self, _: &Rows<F, E, D>) -> Result<f64, D::Err> {
        Ok(0.0)
    }

    fn gradient(&self, gradients: &Gradients<E, D>, out: &mut [f32]) {
        download(&gradients.get(&self.log_scale), self.places.log_scale, out);
        download(&gradients.get(&self.bias), self.places.bias, out);
    }
}

impl<F: Dim, E: Float, D: Device<E>> Form<F, E, D> {
    fn apply<T>(
        x: Rows<F, E, D, T>,
        log_scale: Tensor<(F,), E, D, T>,
        bias: Tensor<(F,), E, D, T>,
    ) -> Result<Moved<F, E, D, T>, D::Err>
    where
        T: Tape<E, D> + Merge<T>,
    {
        let shape = *x.shape();
        let log_det = log_scale.retaped::<T>().try_sum::<(), Axis<0>>()?.try_broadcast_like(&(shape.0,))?;
        let scale = log_scale.try_exp()?.try_broadcast_like(&shape)?;
        Ok((x.try_mul(scale)?.try_add(bias.try_broadcast_like(&shape)?)?, log_det))
    }
}
