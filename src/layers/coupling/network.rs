//! The networks that condition a coupling: they read the features that it keeps.

use std::ops::Range;

use dfdx::prelude::{Device, Dim, Gradients, Merge, Tape};

use super::conv::{Conv, ConvForm};
use super::dropout::Dropout;
use super::mlp::{Mlp, MlpForm};
use super::residual::{Residual, ResidualForm};
use super::transformer::Said;
use crate::compute::Buffer;
use crate::layers::composed::{Float, InTraining, Rows, Upload};
use crate::layers::cpu::Context;

/// The kinds of networks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Network {
    /// A multi-layer perceptron.
    Mlp(Mlp),
    /// Pre-activation residual blocks.
    Residual(Residual),
    /// Residual blocks of convolutions.
    Conv(Conv),
}

/// Memory of a network for a call.
pub(super) struct NetworkScratch<'a> {
    /// As long as the network [asks](OnCpu::scratch).
    pub values: &'a mut [f32],
    pub product: &'a mut Buffer,
}

/// A network on the CPU. Rows are in panels; a value of every row takes a padded number of floats.
pub(super) trait OnCpu: Sync {
    /// Values a row that the way back needs of the way forward.
    fn cached(&self) -> usize;

    /// Values a row that it needs for a call.
    fn scratch(&self) -> usize;

    /// Where its parameters stand in the flat vector.
    fn range(&self) -> Range<usize>;

    /// Multiplications a row, forward.
    fn multiplications(&self) -> usize;

    /// From `input` to `out`; what the way back needs is left in `cache`.
    fn forward(
        &self,
        context: &Context<'_>,
        input: &[f32],
        cache: &mut [f32],
        out: &mut [f32],
        scratch: NetworkScratch<'_>,
    );

    /// From the gradient of `out` above to that of the parameters, written to `gradient` (the network's [range](OnCpu::range)),
    /// and that of the inputs, written to `d_input`.
    fn backward(
        &self,
        context: &Context<'_>,
        before: [&[f32]; 2],
        d_out: &[f32],
        gradient: &mut [f32],
        d_input: &mut [f32],
        scratch: NetworkScratch<'_>,
    );
}

impl Network {
    pub(super) fn on_cpu(&self) -> &dyn OnCpu {
        match self {
            Self::Mlp(network) => network,
            Self::Residual(network) => network,
            Self::Conv(network) => network,
        }
    }

    /// Its dropout.
    pub(super) fn dropout(&self) -> Dropout {
        match self {
            Self::Mlp(network) => network.dropout,
            Self::Residual(network) => network.dropout,
            Self::Conv(network) => network.dropout,
        }
    }

    /// Its composed form, which says lists of `changed` numbers.
    pub(super) fn upload<W: Dim, E: Float, D: Device<E>>(
        &self,
        upload: &Upload<'_, E, D>,
        width: W,
        changed: usize,
    ) -> Result<NetworkForm<W, E, D>, D::Err> {
        Ok(match self {
            Self::Mlp(network) => NetworkForm::Mlp(network.upload(upload, width, changed)?),
            Self::Residual(network) => NetworkForm::Residual(network.upload(upload, width, changed)?),
            Self::Conv(network) => NetworkForm::Conv(Box::new(network.upload(upload)?)),
        })
    }
}

/// A network in plain dfdx operations.
pub(super) enum NetworkForm<W: Dim, E: Float, D: Device<E>> {
    Mlp(MlpForm<W, E, D>),
    Residual(ResidualForm<W, E, D>),
    Conv(Box<ConvForm<E, D>>),
}

impl<W: Dim, E: Float, D: Device<E>> NetworkForm<W, E, D> {
    /// `kept`: shape `[batch, kept]`; `training`: what it is given then. The lists that it says have shape
    /// `[batch, changed]`.
    pub fn apply<T>(
        &self,
        kept: Rows<usize, E, D, T>,
        training: Option<&mut InTraining<'_>>,
    ) -> Result<Said<E, D, T>, D::Err>
    where
        T: Tape<E, D> + Merge<T>,
    {
        let noise = training.as_ref().map(|training| training.noise);
        match self {
            Self::Mlp(form) => form.apply(kept, noise),
            Self::Residual(form) => form.apply(kept, noise),
            Self::Conv(form) => form.apply(kept, training),
        }
    }

    /// Copies its gradients to their places in the flat vector `out`.
    pub fn gradient(&self, gradients: &Gradients<E, D>, out: &mut [f32]) {
        match self {
            Self::Mlp(form) => form.gradient(gradients, out),
            Self::Residual(form) => form.gradient(gradients, out),
            Self::Conv(form) => form.gradient(gradients, out),
        }
    }
}
