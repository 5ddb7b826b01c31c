//! Perceptrons in plain dfdx operations.

use dfdx::prelude::*;

use super::Mlp;
use crate::layers::Linear;
use crate::layers::composed::{Float, Rows, Upload, add_rows, download};
use crate::spec::Activation;

/// One perceptron: `[batch, kept] → [batch, changed]`.
///
/// The first and the last map have one run-time side (the mask decides it), the hidden ones are `[W, W]`. With nothing
/// kept the network is its last bias.
pub(crate) struct Network<W: Dim, E: Float, D: Device<E>> {
    activation: Activation,
    first: Option<Affine<usize, W, E, D>>,
    hidden: Vec<Affine<W, W, E, D>>,
    last: Option<Affine<W, usize, E, D>>,
    /// Used where nothing is kept.
    constant: Option<Tensor<(usize,), E, D>>,
}

/// h → h·W + b.
struct Affine<I: Dim, O: Dim, E: Float, D: Device<E>> {
    weight: Tensor<(I, O), E, D>,
    bias: Tensor<(O,), E, D>,
}

impl<I: Dim, O: Dim, E: Float, D: Device<E>> Affine<I, O, E, D> {
    fn upload(upload: &Upload<'_, E, D>, map: &Linear, inputs: I, outputs: O) -> Result<Self, D::Err> {
        Ok(Self { weight: upload.tensor(map.weight, (inputs, outputs))?, bias: upload.tensor(map.bias, (outputs,))? })
    }

    fn apply<T>(&self, h: Rows<I, E, D, T>) -> Result<Rows<O, E, D, T>, D::Err>
    where
        T: Tape<E, D>,
    {
        add_rows(h.try_matmul(self.weight.clone())?, &self.bias)
    }

    fn gradient(&self, gradients: &Gradients<E, D>, map: &Linear, out: &mut [f32]) {
        download(&gradients.get(&self.weight), map.weight, out);
        download(&gradients.get(&self.bias), map.bias, out);
    }
}

impl<W: Dim, E: Float, D: Device<E>> Network<W, E, D> {
    pub(crate) fn upload(upload: &Upload<'_, E, D>, mlp: &Mlp, width: W) -> Result<Self, D::Err> {
        let mut network =
            Self { activation: mlp.activation, first: None, hidden: Vec::new(), last: None, constant: None };
        match &mlp.maps[..] {
            [] => {}
            [only] => network.constant = Some(upload.tensor(only.bias, (only.outputs,))?),
            [first, hidden @ .., last] => {
                network.first = Some(Affine::upload(upload, first, first.inputs, width)?);
                for map in hidden {
                    network.hidden.push(Affine::upload(upload, map, width, width)?);
                }
                network.last = Some(Affine::upload(upload, last, width, last.outputs)?);
            }
        }
        Ok(network)
    }

    /// `kept`: shape `[batch, kept]`; the result: shape `[batch, changed]`.
    pub(crate) fn apply<T>(
        &self,
        kept: Rows<usize, E, D, T>,
        batch: usize,
        changed: usize,
    ) -> Result<Rows<usize, E, D, T>, D::Err>
    where
        T: Tape<E, D>,
    {
        if let (Some(first), Some(last)) = (&self.first, &self.last) {
            let mut h = self.activate(first.apply(kept)?)?;
            for map in &self.hidden {
                h = self.activate(map.apply(h)?)?;
            }
            return last.apply(h);
        }
        let zero = kept.device().try_zeros_like(&(batch, changed))?.put_tape(T::default());
        match &self.constant {
            Some(constant) => add_rows(zero, constant),
            None => Ok(zero),
        }
    }

    fn activate<T: Tape<E, D>>(&self, h: Rows<W, E, D, T>) -> Result<Rows<W, E, D, T>, D::Err> {
        match self.activation {
            Activation::Relu => h.try_relu(),
            Activation::Tanh => h.try_tanh(),
        }
    }

    /// Copies this network's gradients to their places in the flat vector `out`.
    pub(crate) fn gradient(&self, gradients: &Gradients<E, D>, mlp: &Mlp, out: &mut [f32]) {
        match &mlp.maps[..] {
            [] => {}
            [only] => {
                if let Some(constant) = &self.constant {
                    download(&gradients.get(constant), only.bias, out);
                }
            }
            [first, hidden @ .., last] => {
                self.first.iter().for_each(|map| map.gradient(gradients, first, out));
                self.hidden.iter().zip(hidden).for_each(|(map, place)| map.gradient(gradients, place, out));
                self.last.iter().for_each(|map| map.gradient(gradients, last, out));
            }
        }
    }
}
