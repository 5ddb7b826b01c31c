//! Residual networks in plain dfdx operations.

use dfdx::prelude::*;

use super::{Dropout, Residual};
use crate::layers::Linear;
use crate::layers::composed::{Float, Rows, Upload};
use crate::layers::coupling::dense::{Dense, Lists, activate};
use crate::layers::coupling::transformer::Said;
use crate::spec::Activation;

/// One network: `[batch, kept] →` lists of shape `[batch, changed]`.
pub(crate) struct ResidualForm<W: Dim, E: Float, D: Device<E>> {
    dropout: Dropout,
    activation: Activation,
    first: Dense<usize, W, E, D>,
    blocks: Vec<[Dense<W, W, E, D>; 2]>,
    last: Lists<W, E, D>,
}

impl Residual {
    pub(in crate::layers::coupling) fn upload<W: Dim, E: Float, D: Device<E>>(
        &self,
        upload: &Upload<'_, E, D>,
        width: W,
        changed: usize,
    ) -> Result<ResidualForm<W, E, D>, D::Err> {
        let dense = |map: &Linear| Dense::upload(upload, map, width, width);
        let block = |[one, two]: &[Linear; 2]| Ok([dense(one)?, dense(two)?]);
        Ok(ResidualForm {
            dropout: self.dropout,
            activation: self.activation,
            first: Dense::upload(upload, &self.first, self.first.inputs, width)?,
            blocks: self.blocks.iter().map(block).collect::<Result<_, D::Err>>()?,
            last: Lists::upload(upload, &self.last, width, changed)?,
        })
    }
}

impl<W: Dim, E: Float, D: Device<E>> ResidualForm<W, E, D> {
    pub(crate) fn apply<T>(&self, kept: Rows<usize, E, D, T>, noise: Option<u64>) -> Result<Said<E, D, T>, D::Err>
    where
        T: Tape<E, D> + Merge<T>,
    {
        let mut h = self.first.apply(kept)?;
        for [one, two] in &self.blocks {
            let inner = activate(self.activation, one.apply(activate(self.activation, h.retaped::<T>())?)?)?;
            let inner = self.dropout.apply(noise, one.place(), inner)?;
            h = h.try_add(two.apply(inner)?)?;
        }
        self.last.apply(h)
    }

    pub(crate) fn gradient(&self, gradients: &Gradients<E, D>, out: &mut [f32]) {
        self.first.gradient(gradients, out);
        self.blocks.iter().flatten().for_each(|map| map.gradient(gradients, out));
        self.last.gradient(gradients, out);
    }
}
