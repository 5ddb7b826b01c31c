//! The whole flow on dfdx's tape.

use dfdx::prelude::*;

use crate::flow::composed_base::Form as BaseForm;
use crate::flow::{Architecture, DeviceError, Flow, Latent, LayerHealth, Loss, Parameters, shares, times};
use crate::layers::Form;
use crate::layers::composed::{Composed as _, Float, InTraining, Moved, Rows, Upload};
use crate::matrix::Matrix;
use crate::optimizer::norm;

type Layers<F, W, E, D> = Vec<Form<F, W, E, D>>;

/// A flow whose tensors live on a dfdx device. The flat [`Parameters`] on the host are the truth; tensors are made of
/// them when they have changed.
pub struct Composed<F: Dim, W: Dim, E: Float, D: Device<E>> {
    architecture: Architecture,
    parameters: Parameters,
    features: F,
    width: W,
    device: D,
    layers: Option<Layers<F, W, E, D>>,
    /// See [`Flow::draw_from`].
    noise: u64,
}

impl<F: Dim, W: Dim, E: Float, D: Device<E>> Composed<F, W, E, D> {
    /// `features` must be the values of a row of `architecture`, and `width` its own.
    pub fn new(architecture: Architecture, parameters: Parameters, features: F, width: W, device: D) -> Self {
        assert_eq!((features.size(), width.size()), (architecture.values(), architecture.width));
        Self { architecture, parameters, features, width, device, layers: None, noise: 0 }
    }

    fn upload(&mut self) -> Result<&Layers<F, W, E, D>, D::Err> {
        if self.layers.is_none() {
            let upload = Upload::new(&self.device, self.parameters.values());
            let layers = self.architecture.layers.iter();
            let layers = layers.map(|layer| layer.compose(&upload, self.features, self.width));
            self.layers = Some(layers.collect::<Result<_, _>>()?);
        }
        Ok(self.layers.get_or_insert_default())
    }

    /// x → z and log|det dz/dx| (shape `[batch]`), evaluation mode, on any tape.
    ///
    /// # Errors
    /// Where the device fails.
    pub fn forward_tensor<T>(&mut self, x: Rows<F, E, D, T>) -> Result<Moved<F, E, D, T>, D::Err>
    where
        T: Tape<E, D> + Merge<T>,
    {
        let batch = x.shape().0;
        let mut log_det = self.device.try_zeros_like(&(batch,))?.put_tape(T::default());
        let mut x = x;
        for layer in self.upload()? {
            let (moved, more) = layer.forward(x)?;
            (x, log_det) = (moved, log_det.try_add(more)?);
        }
        Ok((x, log_det))
    }

    /// z → x, evaluation mode.
    ///
    /// # Errors
    /// Where the device fails.
    pub fn inverse_tensor(&mut self, z: Rows<F, E, D>) -> Result<Rows<F, E, D>, D::Err> {
        let mut x = z;
        for layer in self.upload()?.iter().rev() {
            x = layer.inverse(x)?;
        }
        Ok(x)
    }

    fn tensor(&self, rows: &Matrix) -> Result<Rows<F, E, D>, D::Err> {
        let values = rows.as_slice().iter().map(|&v| E::of(v.into())).collect();
        self.device.try_tensor_from_vec(values, (rows.rows(), self.features))
    }

    fn matrix(&self, tensor: &Rows<F, E, D>) -> Matrix {
        Matrix::new(tensor.as_vec().into_iter().map(|v| v.wide() as f32).collect(), self.architecture.values())
    }

    fn try_loss_and_gradient(&mut self, rows: &Matrix, shares: &[f32], gradient: &mut [f32]) -> Result<f64, D::Err> {
        self.upload()?;
        let layers = self.layers.take().unwrap_or_default();
        let batch = rows.rows();
        let mut x = self.tensor(rows)?.leaky_traced();
        let mut log_det: Tensor<(usize,), E, D, OwnedTape<E, D>> =
            self.device.try_zeros_like(&(batch,))?.put_tape(OwnedTape::default());
        for layer in &layers {
            let mut training = InTraining { values: self.parameters.values_mut(), noise: self.noise };
            let (moved, more) = layer.forward_training(x, &mut training)?;
            (x, log_det) = (moved, log_det.try_add(more)?);
        }
        let Architecture { base, features, .. } = &self.architecture;
        let base = BaseForm::new(base, self.parameters.values(), *features, self.features, &self.device)?;
        let of_rows = base.energy(x)?.try_sub(log_det)?;
        let nll = match shares {
            [] => of_rows.try_mean::<(), Axis<0>>()?,
            shares => {
                let shares = shares.iter().map(|&share| E::of(share.into())).collect();
                of_rows.try_mul(self.device.try_tensor_from_vec(shares, (batch,))?)?.try_sum::<(), Axis<0>>()?
            }
        };
        let value = nll.as_vec()[0].wide() + self.base().constant();
        let gradients = nll.try_backward()?;
        base.gradient(&gradients, gradient);
        for layer in &layers {
            layer.gradient(&gradients, gradient);
        }
        self.layers = None;
        Ok(value)
    }
}

fn failed(error: impl std::fmt::Display) -> DeviceError {
    DeviceError(error.to_string())
}

impl<F: Dim, W: Dim, E: Float, D: Device<E>> Flow for Composed<F, W, E, D> {
    fn architecture(&self) -> &Architecture {
        &self.architecture
    }

    fn parameters(&self) -> &Parameters {
        &self.parameters
    }

    fn parameters_mut(&mut self) -> &mut Parameters {
        self.layers = None;
        &mut self.parameters
    }

    fn forward(&mut self, x: &Matrix) -> Result<Latent, DeviceError> {
        let x = self.tensor(x).map_err(failed)?;
        let (z, log_det) = self.forward_tensor(x).map_err(failed)?;
        Ok(Latent { z: self.matrix(&z), log_det: log_det.as_vec().into_iter().map(|v| v.wide() as f32).collect() })
    }

    fn inverse(&mut self, z: &Matrix) -> Result<Matrix, DeviceError> {
        let z = self.tensor(z).map_err(failed)?;
        let x = self.inverse_tensor(z).map_err(failed)?;
        Ok(self.matrix(&x))
    }

    fn draw_from(&mut self, noise: u64) {
        self.noise = noise;
    }

    fn loss_and_gradient(&mut self, x: &Matrix, gradient: &mut Vec<f32>) -> Result<Loss, DeviceError> {
        gradient.resize(self.parameters.count(), 0.0);
        let nll = self.try_loss_and_gradient(x, &[], gradient).map_err(failed)?;
        Ok(Loss { nll, gradient_norm: norm(gradient) })
    }

    fn weighted_loss_and_gradient(
        &mut self,
        x: &Matrix,
        weights: &[f32],
        gradient: &mut Vec<f32>,
    ) -> Result<Loss, DeviceError> {
        gradient.resize(self.parameters.count(), 0.0);
        let (shares, per_row) = shares(weights);
        let nll = self.try_loss_and_gradient(x, &shares, gradient).map_err(failed)?;
        Ok(times(Loss { nll, gradient_norm: norm(gradient) }, per_row, gradient))
    }

    fn health(&mut self, x: &Matrix) -> Result<Vec<LayerHealth>, DeviceError> {
        let mut x = self.tensor(x).map_err(failed)?;
        let mut health = Vec::new();
        for layer in self.upload().map_err(failed)? {
            let scale_max = layer.scale_max(&x).map_err(failed)?;
            x = layer.forward(x).map_err(failed)?.0;
            health.push(LayerHealth { finite: x.as_vec().iter().all(|v| v.wide().is_finite()), scale_max });
        }
        Ok(health)
    }
}
