//! Perceptrons in plain dfdx operations.

use dfdx::prelude::*;

use super::{Dropout, Mlp};
use crate::layers::composed::{Float, Rows, Upload};
use crate::layers::coupling::dense::{Dense, Lists, activate};
use crate::layers::coupling::transformer::Said;
use crate::spec::Activation;

/// One perceptron: `[batch, kept] →` lists of shape `[batch, changed]`.
///
/// The first and the last map have one run-time side (the mask decides it), the hidden ones are `[W, W]`. With nothing
/// kept the network is its last bias.
pub(crate) enum MlpForm<W: Dim, E: Float, D: Device<E>> {
    Deep {
        dropout: Dropout,
        activation: Activation,
        first: Dense<usize, W, E, D>,
        hidden: Vec<Dense<W, W, E, D>>,
        last: Lists<W, E, D>,
    },
    Bias(Lists<usize, E, D>),
}

impl Mlp {
    pub(in crate::layers::coupling) fn upload<W: Dim, E: Float, D: Device<E>>(
        &self,
        upload: &Upload<'_, E, D>,
        width: W,
        changed: usize,
    ) -> Result<MlpForm<W, E, D>, D::Err> {
        let (last, before) = self.maps.split_last().expect("a network has a map");
        let Some((first, hidden)) = before.split_first() else {
            return Ok(MlpForm::Bias(Lists::upload(upload, last, last.inputs, changed)?));
        };
        let dense = |map| Dense::upload(upload, map, width, width);
        Ok(MlpForm::Deep {
            dropout: self.dropout,
            activation: self.activation,
            first: Dense::upload(upload, first, first.inputs, width)?,
            hidden: hidden.iter().map(dense).collect::<Result<_, _>>()?,
            last: Lists::upload(upload, last, width, changed)?,
        })
    }
}

impl<W: Dim, E: Float, D: Device<E>> MlpForm<W, E, D> {
    pub(crate) fn apply<T: Tape<E, D>>(
        &self,
        kept: Rows<usize, E, D, T>,
        noise: Option<u64>,
    ) -> Result<Said<E, D, T>, D::Err> {
        match self {
            Self::Deep { dropout, activation, first, hidden, last } => {
                let mut h = dropout.apply(noise, first.place(), activate(*activation, first.apply(kept)?)?)?;
                for map in hidden {
                    h = dropout.apply(noise, map.place(), activate(*activation, map.apply(h)?)?)?;
                }
                last.apply(h)
            }
            Self::Bias(lists) => lists.apply(kept),
        }
    }

    pub(crate) fn gradient(&self, gradients: &Gradients<E, D>, out: &mut [f32]) {
        match self {
            Self::Deep { first, hidden, last, .. } => {
                first.gradient(gradients, out);
                hidden.iter().for_each(|map| map.gradient(gradients, out));
                last.gradient(gradients, out);
            }
            Self::Bias(lists) => lists.gradient(gradients, out),
        }
    }
}
