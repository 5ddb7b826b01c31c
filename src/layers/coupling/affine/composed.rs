//! The affine transformer in plain dfdx operations.

use std::f64::consts::{FRAC_2_PI, FRAC_PI_2, LN_2};

use dfdx::prelude::*;

use super::{Affine, Bound};
use crate::layers::composed::{Float, Rows, Upload, download, times_rows};
use crate::layers::coupling::transformer::Changed;

/// s and t of a batch, each shape `[batch, changed]`.
type ScaleAndShift<E, D, T> = [Rows<usize, E, D, T>; 2];

pub(in crate::layers::coupling) struct AffineForm<E: Float, D: Device<E>> {
    bound: Bound,
    /// The learned bound of s, shape `[changed]`, where there is one.
    scale: Option<Tensor<(usize,), E, D>>,
}

impl Affine {
    pub(in crate::layers::coupling) fn upload<E: Float, D: Device<E>>(
        &self,
        upload: &Upload<'_, E, D>,
        changed: usize,
    ) -> Result<AffineForm<E, D>, D::Err> {
        let scale = self.bound.scale().map(|scale| upload.tensor(scale, (changed,))).transpose()?;
        Ok(AffineForm { bound: self.bound, scale })
    }
}

impl<E: Float, D: Device<E>> AffineForm<E, D> {
    fn s_and_t<T: Tape<E, D>>(&self, said: Vec<Rows<usize, E, D, T>>) -> Result<ScaleAndShift<E, D, T>, D::Err> {
        let Ok([a, t]) = <[_; 2]>::try_from(said) else {
            unreachable!("a coupling has the networks of its transformer")
        };
        let squashed = match self.bound {
            Bound::Tanh { .. } => a.try_tanh()?,
            Bound::Atan { .. } => atan(a.try_mul(E::of(FRAC_PI_2))?)?.try_mul(E::of(FRAC_2_PI))?,
            Bound::Sigmoid => a.try_sigmoid()?.try_ln()?.try_add(E::of(LN_2))?,
        };
        Ok([self.scale.iter().try_fold(squashed, times_rows)?, t])
    }

    pub fn forward<T>(
        &self,
        x: Rows<usize, E, D, T>,
        said: Vec<Rows<usize, E, D, T>>,
    ) -> Result<Changed<E, D, T>, D::Err>
    where
        T: Tape<E, D> + Merge<T>,
    {
        let [s, t] = self.s_and_t(said)?;
        let log_det = s.retaped::<T>().try_sum::<(usize,), Axis<1>>()?;
        Ok((s.try_exp()?.try_mul(x)?.try_add(t)?, log_det))
    }

    pub fn inverse(&self, z: Rows<usize, E, D>, said: Vec<Rows<usize, E, D>>) -> Result<Rows<usize, E, D>, D::Err> {
        let [s, t] = self.s_and_t(said)?;
        z.try_sub(t)?.try_mul(s.try_negate()?.try_exp()?)
    }

    pub fn scale_max(&self, said: Vec<Rows<usize, E, D>>) -> Result<f64, D::Err> {
        let [s, _] = self.s_and_t(said)?;
        Ok(s.as_vec().into_iter().map(|v| v.wide().abs()).fold(0.0, f64::max))
    }

    pub fn gradient(&self, gradients: &Gradients<E, D>, out: &mut [f32]) {
        if let (Some(tensor), Some(scale)) = (&self.scale, self.bound.scale()) {
            download(&gradients.get(tensor), scale, out);
        }
    }
}

/// The arctangent, which dfdx has not: the host computes it and its slope, and y + slope·(a − a) carries both.
fn atan<E: Float, D: Device<E>, T: Tape<E, D>>(a: Rows<usize, E, D, T>) -> Result<Rows<usize, E, D, T>, D::Err> {
    let (shape, values) = (*a.shape(), a.as_vec());
    let device = a.device().clone();
    let tensor = |of: fn(f64) -> f64| {
        device.try_tensor_from_vec(values.iter().map(|a| E::of(of(a.wide()))).collect::<Vec<_>>(), shape)
    };
    let (y, slope, still) = (tensor(f64::atan)?, tensor(|a| 1.0 / (1.0 + a * a))?, tensor(|a| a)?);
    a.try_sub(still)?.try_mul(slope)?.try_add(y)
}
