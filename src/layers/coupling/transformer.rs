//! What a coupling does with the features that it changes, given what its networks say of the kept ones.

use dfdx::prelude::{Device, Gradients, Merge, Tape};

use super::additive::Additive;
use super::affine::{Affine, AffineForm};
use crate::layers::composed::{Float, Rows, Upload};
use crate::layers::cpu::Context;

/// Rows of the changed features and their log|det|, on a tape.
pub(super) type Changed<E, D, T> = (Rows<usize, E, D, T>, dfdx::prelude::Tensor<(usize,), E, D, T>);

/// What each network says of the changed features, shape `[batch, changed]`.
pub(super) type Said<E, D, T> = Vec<Rows<usize, E, D, T>>;

/// The transformers. Each network says one number a changed feature.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Transformer {
    /// x·exp(s) + t.
    Affine(Affine),
    /// x + t.
    Additive(Additive),
}

/// A group of rows, and which of the features a coupling changes.
#[derive(Clone, Copy)]
pub(super) struct On<'a> {
    pub context: &'a Context<'a>,
    pub changed: &'a [usize],
}

/// A transformer on the CPU. What the networks say, and what is kept for the way back, are values of the changed features in
/// panels, one list behind the other.
pub(super) trait OnCpu {
    /// How many values it keeps for the way back, a changed feature.
    fn kept(&self) -> usize;

    /// x → z of the changed features in place; log|det| of every row is added to `log_det`. It may change what the networks
    /// `said`, once and for all.
    fn forward(&self, on: On<'_>, x: &mut [f32], log_det: &mut [f32], said: &mut [f32], cache: &mut [f32]);

    /// z → x of the changed features in place; `said` and `cache` are lost.
    fn inverse(&self, on: On<'_>, z: &mut [f32], said: &mut [f32], cache: &mut [f32]);

    /// From the gradient of the loss with respect to z, in `d` in place, to that with respect to x, and to that of what the
    /// networks said, in `d_said`. That of its own parameters is written to `gradient`. `said` and `cache` are as
    /// [forward](OnCpu::forward) left them.
    fn backward(
        &self,
        on: On<'_>,
        weights: &[f32],
        d: &mut [f32],
        before: [&[f32]; 2],
        d_said: &mut [f32],
        gradient: &mut [f32],
    );

    /// max |s| of the rows, of what forward left of what the networks `said`; 0 without s.
    fn scale_max(&self, on: On<'_>, said: &[f32]) -> f32;
}

impl Transformer {
    pub(super) fn on_cpu(&self) -> &dyn OnCpu {
        match self {
            Self::Affine(affine) => affine,
            Self::Additive(additive) => additive,
        }
    }

    /// Multiplications of a changed feature.
    pub(super) fn multiplications(&self) -> usize {
        match self {
            // The bound of s, and x·exp(s).
            Self::Affine(_) => 2,
            Self::Additive(_) => 0,
        }
    }

    pub(super) fn upload<E: Float, D: Device<E>>(
        &self,
        upload: &Upload<'_, E, D>,
        changed: usize,
    ) -> Result<Form<E, D>, D::Err> {
        Ok(match self {
            Self::Affine(affine) => Form::Affine(affine.upload(upload, changed)?),
            Self::Additive(_) => Form::Additive,
        })
    }
}

/// A transformer in plain dfdx operations.
pub(super) enum Form<E: Float, D: Device<E>> {
    Affine(AffineForm<E, D>),
    Additive,
}

impl<E: Float, D: Device<E>> Form<E, D> {
    /// x → z of the changed features, shape `[batch, changed]` as what each network `said`, and log|det|.
    pub fn forward<T>(
        &self,
        x: Rows<usize, E, D, T>,
        said: Vec<Rows<usize, E, D, T>>,
    ) -> Result<Changed<E, D, T>, D::Err>
    where
        T: Tape<E, D> + Merge<T>,
    {
        match self {
            Self::Affine(form) => form.forward(x, said),
            Self::Additive => Additive::forward(x, said),
        }
    }

    /// z → x of the changed features.
    pub fn inverse(&self, z: Rows<usize, E, D>, said: Vec<Rows<usize, E, D>>) -> Result<Rows<usize, E, D>, D::Err> {
        match self {
            Self::Affine(form) => form.inverse(z, said),
            Self::Additive => Additive::inverse(z, said),
        }
    }

    /// max |s|; 0 without s.
    pub fn scale_max(&self, said: Vec<Rows<usize, E, D>>) -> Result<f64, D::Err> {
        match self {
            Self::Affine(form) => form.scale_max(said),
            Self::Additive => Ok(0.0),
        }
    }

    /// Copies the gradients of its own parameters to their places in `out`.
    pub fn gradient(&self, gradients: &Gradients<E, D>, out: &mut [f32]) {
        match self {
            Self::Affine(form) => form.gradient(gradients, out),
            Self::Additive => {}
        }
    }
}
