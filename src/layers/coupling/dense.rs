//! Affine maps of networks in plain dfdx operations.

use dfdx::prelude::*;

use super::transformer::Said;
use crate::layers::Linear;
use crate::layers::composed::{Float, Rows, Upload, add_rows, download};
use crate::spec::Activation;

/// h → h·W + b.
pub(super) struct Dense<I: Dim, O: Dim, E: Float, D: Device<E>> {
    place: Linear,
    weight: Tensor<(I, O), E, D>,
    bias: Tensor<(O,), E, D>,
}

impl<I: Dim, O: Dim, E: Float, D: Device<E>> Dense<I, O, E, D> {
    pub fn upload(upload: &Upload<'_, E, D>, place: &Linear, inputs: I, outputs: O) -> Result<Self, D::Err> {
        let (weight, bias) = (upload.tensor(place.weight, (inputs, outputs))?, upload.tensor(place.bias, (outputs,))?);
        Ok(Self { place: place.clone(), weight, bias })
    }

    /// Where its weights stand in the flat vector.
    pub fn place(&self) -> usize {
        self.place.weight
    }

    pub fn apply<T: Tape<E, D>>(&self, h: Rows<I, E, D, T>) -> Result<Rows<O, E, D, T>, D::Err> {
        add_rows(h.try_matmul(self.weight.clone())?, &self.bias)
    }

    /// Copies its gradients to their places in `out`.
    pub fn gradient(&self, gradients: &Gradients<E, D>, out: &mut [f32]) {
        download(&gradients.get(&self.weight), self.place.weight, out);
        download(&gradients.get(&self.bias), self.place.bias, out);
    }
}

/// The last map of a network, cut into lists of columns; of no inputs it is its bias alone.
pub(super) struct Lists<I: Dim, E: Float, D: Device<E>> {
    place: Linear,
    /// Of every list, where there are inputs.
    weights: Vec<Tensor<(I, usize), E, D>>,
    biases: Vec<Tensor<(usize,), E, D>>,
}

impl<I: Dim, E: Float, D: Device<E>> Lists<I, E, D> {
    /// Lists of `changed` columns.
    pub fn upload(upload: &Upload<'_, E, D>, place: &Linear, inputs: I, changed: usize) -> Result<Self, D::Err> {
        let lists = (0..place.outputs).step_by(changed);
        let weight = |first| upload.columns(place.weight + first, place.outputs, (inputs, changed));
        let bias = |first| upload.tensor(place.bias + first, (changed,));
        Ok(Self {
            place: place.clone(),
            weights: match place.inputs {
                0 => Vec::new(),
                _ => lists.clone().map(weight).collect::<Result<_, _>>()?,
            },
            biases: lists.map(bias).collect::<Result<_, _>>()?,
        })
    }

    pub fn apply<T: Tape<E, D>>(&self, h: Rows<I, E, D, T>) -> Result<Said<E, D, T>, D::Err> {
        // The tape that leads back stays with the last list.
        let Some((last, before)) = self.weights.split_last() else {
            let batch = h.shape().0;
            let alone = |row: &Tensor<(usize,), E, D>| {
                let zero = h.device().try_zeros_like(&(batch, row.shape().0))?.put_tape(T::default());
                add_rows(zero, row)
            };
            return self.biases.iter().map(alone).collect();
        };
        let lists = before.iter().map(|weight| h.retaped::<T>().try_matmul(weight.clone()));
        let mut lists = lists.collect::<Result<Vec<_>, _>>()?;
        lists.push(h.try_matmul(last.clone())?);
        lists.into_iter().zip(&self.biases).map(|(list, bias)| add_rows(list, bias)).collect()
    }

    /// Copies its gradients to their places in `out`.
    pub fn gradient(&self, gradients: &Gradients<E, D>, out: &mut [f32]) {
        let Self { place, weights, biases } = self;
        let mut first = 0;
        for (list, bias) in biases.iter().enumerate() {
            let columns = bias.shape().0;
            let weight = weights.get(list).map(|weight: &Tensor<_, E, D>| gradients.get(weight).as_vec());
            for (row, values) in weight.iter().flat_map(|weight| weight.chunks_exact(columns)).enumerate() {
                let to = &mut out[place.weight + row * place.outputs + first..];
                to.iter_mut().zip(values).for_each(|(to, from)| *to = from.wide() as f32);
            }
            download(&gradients.get(bias), place.bias + first, out);
            first += columns;
        }
    }
}

pub(super) fn activate<W: Dim, E: Float, D: Device<E>, T: Tape<E, D>>(
    activation: Activation,
    h: Rows<W, E, D, T>,
) -> Result<Rows<W, E, D, T>, D::Err> {
    match activation {
        Activation::Relu => h.try_relu(),
        Activation::Tanh => h.try_tanh(),
    }
}
