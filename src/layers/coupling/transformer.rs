//! What a coupling does with the features that it changes, given what its networks say of the kept ones.

use std::ops::Range;

use dfdx::prelude::{Device, Gradients, Merge, NoneTape, Tape};

use super::additive::Additive;
use super::affine::{Affine, AffineForm};
use super::spline::Spline;
use crate::compute::Panel;
use crate::layers::composed::{Float, Rows, Upload};
use crate::layers::cpu::Context;

/// Rows of the changed features and their log|det|, on a tape.
pub(super) type Changed<E, D, T> = (Rows<usize, E, D, T>, dfdx::prelude::Tensor<(usize,), E, D, T>);

/// What the networks say of the changed features: a list each of shape `[batch, changed]`.
pub(super) type Said<E, D, T> = Vec<Rows<usize, E, D, T>>;

/// The transformers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Transformer {
    /// x·exp(s) + t.
    Affine(Affine),
    /// x + t.
    Additive(Additive),
    /// A monotone spline.
    Spline(Spline),
}

/// The rows of one panel, and which of the features a coupling changes. Slices begin with the panel.
#[derive(Clone, Copy)]
pub(super) struct On<'a> {
    pub context: &'a Context<'a>,
    pub changed: &'a [usize],
    pub panel: Panel,
    /// Floats from one list of what networks say to the next.
    pub stride: usize,
}

impl On<'_> {
    /// Values of a list: one a changed feature and row.
    pub fn list(self) -> usize {
        self.changed.len() * self.panel.width
    }

    /// Where the rows of value `i` stand in a list, or in the row.
    pub fn rows(self, i: usize) -> Range<usize> {
        i * self.panel.width..(i + 1) * self.panel.width
    }

    /// The first two lists of what networks say.
    pub fn two(self, said: &[f32]) -> [&[f32]; 2] {
        [&said[..self.list()], &said[self.stride..][..self.list()]]
    }

    /// The first two lists of what networks say, to write to.
    pub fn two_mut(self, said: &mut [f32]) -> [&mut [f32]; 2] {
        let (first, second) = said.split_at_mut(self.stride);
        [&mut first[..self.list()], &mut second[..self.list()]]
    }
}

/// A transformer on the CPU. It is given one panel of rows; what the networks say, and what is kept for the way back, are lists of
/// one value a changed feature and row.
pub(super) trait OnCpu {
    /// How many lists it keeps for the way back; they follow each other.
    fn kept(&self) -> usize;

    /// x → z of the changed features in place; log|det| of every row is added to `log_det`. It may change what the networks
    /// `said`, once and for all.
    fn forward(&self, on: On<'_>, x: &mut [f32], log_det: &mut [f32], said: &mut [f32], cache: &mut [f32]);

    /// z → x of the changed features in place; `said` and `cache` are lost.
    fn inverse(&self, on: On<'_>, z: &mut [f32], said: &mut [f32], cache: &mut [f32]);

    /// From the gradient of the loss with respect to z, in `d` in place, to that with respect to x, and to that of what the
    /// networks said, in `d_said`. That of its own parameters is added to `gradient`. `said` and `cache` are as
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

    /// The places of its own parameters, of so many changed features.
    fn own(&self, _changed: usize) -> Range<usize> {
        0..0
    }

    /// max |s| of the rows, of what forward left of what the networks `said`; 0 without s.
    fn scale_max(&self, _on: On<'_>, _said: &[f32]) -> f32 {
        0.0
    }
}

impl Transformer {
    pub(super) fn on_cpu(&self) -> &dyn OnCpu {
        match self {
            Self::Affine(affine) => affine,
            Self::Additive(additive) => additive,
            Self::Spline(spline) => spline,
        }
    }

    /// How many numbers the networks say of a changed feature.
    pub fn lists(&self) -> usize {
        match self {
            Self::Affine(_) => 2,
            Self::Additive(_) => 1,
            Self::Spline(spline) => spline.lists(),
        }
    }

    /// Multiplications of a changed feature.
    pub(super) fn multiplications(&self) -> usize {
        match self {
            // The bound of s, and x·exp(s).
            Self::Affine(_) => 2,
            Self::Additive(_) => 0,
            // An exponential, and the search, of every width and height; the spline itself.
            Self::Spline(spline) => 32 * spline.bins + 100,
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
            Self::Spline(spline) => Form::Spline(*spline),
        })
    }
}

/// A transformer in plain dfdx operations.
pub(super) enum Form<E: Float, D: Device<E>> {
    Affine(AffineForm<E, D>),
    Additive,
    Spline(Spline),
}

impl<E: Float, D: Device<E>> Form<E, D> {
    /// x → z of the changed features, shape `[batch, changed]`, and log|det|.
    pub fn forward<T>(&self, x: Rows<usize, E, D, T>, said: Said<E, D, T>) -> Result<Changed<E, D, T>, D::Err>
    where
        T: Tape<E, D> + Merge<T>,
    {
        match self {
            Self::Affine(form) => form.forward(x, said),
            Self::Additive => Additive::forward(x, said),
            Self::Spline(spline) => spline.forward_composed(x, said),
        }
    }

    /// z → x of the changed features.
    pub fn inverse(&self, z: Rows<usize, E, D>, said: Said<E, D, NoneTape>) -> Result<Rows<usize, E, D>, D::Err> {
        match self {
            Self::Affine(form) => form.inverse(z, said),
            Self::Additive => Additive::inverse(z, said),
            Self::Spline(spline) => spline.inverse_composed(z, said),
        }
    }

    /// max |s|; 0 without s.
    pub fn scale_max(&self, said: Said<E, D, NoneTape>) -> Result<f64, D::Err> {
        match self {
            Self::Affine(form) => form.scale_max(said),
            Self::Additive | Self::Spline(_) => Ok(0.0),
        }
    }

    /// Copies the gradients of its own parameters to their places in `out`.
    pub fn gradient(&self, gradients: &Gradients<E, D>, out: &mut [f32]) {
        match self {
            Self::Affine(form) => form.gradient(gradients, out),
            Self::Additive | Self::Spline(_) => {}
        }
    }
}
