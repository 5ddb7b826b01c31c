//! Perceptrons in plain dfdx operations.

use dfdx::prelude::*;

use super::Mlp;
use crate::layers::Linear;
use crate::layers::composed::{Float, Rows, Upload, add_rows, download};
use crate::spec::Activation;

/// One perceptron: `[batch, kept] →` lists of shape `[batch, changed]`.
///
/// The first and the last map have one run-time side (the mask decides it), the hidden ones are `[W, W]`. With nothing
/// kept the network is its last bias.
pub(crate) struct Network<W: Dim, E: Float, D: Device<E>> {
    activation: Activation,
    first: Option<Affine<usize, W, E, D>>,
    hidden: Vec<Affine<W, W, E, D>>,
    /// A list each.
    last: Vec<Affine<W, usize, E, D>>,
    /// In place of all these where nothing is kept.
    constant: Vec<Tensor<(usize,), E, D>>,
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

impl<I: Dim, E: Float, D: Device<E>> Affine<I, usize, E, D> {
    /// The columns of a map from `first`.
    fn upload_columns(
        upload: &Upload<'_, E, D>,
        map: &Linear,
        inputs: I,
        first: usize,
        columns: usize,
    ) -> Result<Self, D::Err> {
        Ok(Self {
            weight: upload.columns(map.weight + first, map.outputs, (inputs, columns))?,
            bias: upload.tensor(map.bias + first, (columns,))?,
        })
    }

    fn gradient_of_columns(&self, gradients: &Gradients<E, D>, map: &Linear, first: usize, out: &mut [f32]) {
        let (values, columns) = (gradients.get(&self.weight).as_vec(), self.bias.shape().0);
        for (row, values) in values.chunks_exact(columns).enumerate() {
            let to = &mut out[map.weight + row * map.outputs + first..];
            to.iter_mut().zip(values).for_each(|(to, from)| *to = from.wide() as f32);
        }
        download(&gradients.get(&self.bias), map.bias + first, out);
    }
}

impl<W: Dim, E: Float, D: Device<E>> Network<W, E, D> {
    /// A network that says lists of `changed` numbers.
    pub(crate) fn upload(upload: &Upload<'_, E, D>, mlp: &Mlp, width: W, changed: usize) -> Result<Self, D::Err> {
        let (activation, hidden) = (mlp.activation, Vec::new());
        let mut network = Self { activation, first: None, hidden, last: Vec::new(), constant: Vec::new() };
        match &mlp.maps[..] {
            [] => {}
            [only] => {
                for first in (0..only.outputs).step_by(changed) {
                    network.constant.push(upload.tensor(only.bias + first, (changed,))?);
                }
            }
            [first, hidden @ .., last] => {
                network.first = Some(Affine::upload(upload, first, first.inputs, width)?);
                for map in hidden {
                    network.hidden.push(Affine::upload(upload, map, width, width)?);
                }
                for first in (0..last.outputs).step_by(changed) {
                    network.last.push(Affine::upload_columns(upload, last, width, first, changed)?);
                }
            }
        }
        Ok(network)
    }

    /// `kept`: shape `[batch, kept]`; the lists that it says: shape `[batch, changed]`.
    pub(crate) fn apply<T>(&self, kept: Rows<usize, E, D, T>) -> Result<Vec<Rows<usize, E, D, T>>, D::Err>
    where
        T: Tape<E, D>,
    {
        let batch = kept.shape().0;
        let Some(first) = &self.first else {
            let constant = |row: &Tensor<(usize,), E, D>| {
                let zero = kept.device().try_zeros_like(&(batch, row.shape().0))?.put_tape(T::default());
                add_rows(zero, row)
            };
            return self.constant.iter().map(constant).collect();
        };
        let mut h = self.activate(first.apply(kept)?)?;
        for map in &self.hidden {
            h = self.activate(map.apply(h)?)?;
        }
        // The tape that leads back stays with the last list.
        let Some((last, before)) = self.last.split_last() else { return Ok(Vec::new()) };
        let mut lists = before.iter().map(|map| map.apply(h.retaped::<T>())).collect::<Result<Vec<_>, _>>()?;
        lists.push(last.apply(h)?);
        Ok(lists)
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
                let mut first = only.bias;
                for constant in &self.constant {
                    download(&gradients.get(constant), first, out);
                    first += constant.shape().0;
                }
            }
            [first, hidden @ .., last] => {
                self.first.iter().for_each(|map| map.gradient(gradients, first, out));
                self.hidden.iter().zip(hidden).for_each(|(map, place)| map.gradient(gradients, place, out));
                let mut column = 0;
                for map in &self.last {
                    map.gradient_of_columns(gradients, last, column, out);
                    column += map.bias.shape().0;
                }
            }
        }
    }
}
