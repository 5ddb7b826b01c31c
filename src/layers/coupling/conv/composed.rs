//! Convolutional networks in plain dfdx operations: a 3×3 convolution is the sum of nine products of shifted images.

use dfdx::prelude::*;

use super::{Conv, Dropout};
use crate::compute::convolution::{Grid, NONE};
use crate::layers::composed::{Composed, Float, InTraining, Rows, Upload, add_rows, download};
use crate::layers::coupling::transformer::Said;
use crate::layers::{BatchNormForm, Convolution};

/// One network: `[batch, kept] →` lists of shape `[batch, changed]`.
pub(crate) struct ConvForm<E: Float, D: Device<E>> {
    network: Conv,
    first: Nine<E, D>,
    blocks: Vec<[Nine<E, D>; 2]>,
    /// Of every list, shape `[maps, channels]`.
    last: Vec<Tensor<(usize, usize), E, D>>,
    /// Of every list, shape `[channels]`.
    bias: Vec<Tensor<(usize,), E, D>>,
    /// Before the relus, all or none.
    norms: Vec<BatchNormForm<usize, E, D>>,
    /// For every pixel its own number.
    all: Vec<usize>,
}

/// A 3×3 convolution: a matrix for every neighbour.
struct Nine<E: Float, D: Device<E>> {
    place: Convolution,
    weights: Vec<Tensor<(usize, usize), E, D>>,
    bias: Tensor<(usize,), E, D>,
    /// The length of every output's weights, where they are normalised.
    magnitude: Option<Tensor<(usize,), E, D>>,
}

/// One a neighbour, shape `[inputs, outputs]`.
type Matrices<E, D, T> = Vec<Rows<usize, E, D, T>>;

impl<E: Float, D: Device<E>> Nine<E, D> {
    fn upload(upload: &Upload<'_, E, D>, place: &Convolution) -> Result<Self, D::Err> {
        let &Convolution { inputs, outputs, weight, bias, magnitude } = place;
        let tap = |tap| upload.tensor(weight + tap * inputs * outputs, (inputs, outputs));
        let weights = (0..9).map(tap).collect::<Result<_, _>>()?;
        let magnitude = magnitude.map(|at| upload.tensor(at, (outputs,))).transpose()?;
        Ok(Self { place: place.clone(), weights, bias: upload.tensor(bias, (outputs,))?, magnitude })
    }

    /// The weights of all neighbours, normalised if they are to be.
    fn weights<T: Tape<E, D> + Merge<T>>(&self) -> Result<Matrices<E, D, T>, D::Err> {
        let weights = || self.weights.iter().map(|weight| weight.retaped::<T>());
        let Some(magnitude) = &self.magnitude else { return Ok(weights().collect()) };
        let mut squares: Option<Tensor<(usize,), E, D, T>> = None;
        for weight in weights() {
            let square = weight.try_square()?.try_sum::<(usize,), Axis<0>>()?;
            squares = Some(match squares {
                Some(sum) => sum.try_add(square)?,
                None => square,
            });
        }
        let length = squares.expect("nine neighbours").try_sqrt()?;
        let scale = magnitude.retaped::<T>().try_div(length)?;
        // The tape of the scale goes with the first.
        let (scale, mut tape) = scale.split_tape();
        let shape = (self.place.inputs, self.place.outputs);
        let scaled = |weight: Rows<usize, E, D, T>| {
            let scale = scale.clone().put_tape(std::mem::take(&mut tape)).try_broadcast_like::<_, Axis<0>>(&shape)?;
            weight.try_mul(scale)
        };
        weights().map(scaled).collect()
    }

    /// From `[batch · stored, inputs]` to `[batch · pixels, outputs]`; `read` has for every pixel its number among those stored.
    fn apply<T>(
        &self,
        x: Rows<usize, E, D, T>,
        [batch, stored]: [usize; 2],
        grid: Grid,
        read: &[usize],
    ) -> Result<Rows<usize, E, D, T>, D::Err>
    where
        T: Tape<E, D> + Merge<T>,
    {
        let (device, pixels) = (x.device().clone(), grid.pixels());
        let mut sum: Option<Rows<usize, E, D, T>> = None;
        for (tap, weight) in self.weights::<T>()?.into_iter().enumerate() {
            let there = |pixel: usize| {
                let at = [pixel / grid.width, pixel % grid.width];
                grid.neighbour(at, [tap / 3, tap % 3]).map(|pixel| read[pixel]).filter(|&stored| stored != NONE)
            };
            let places: Vec<Option<usize>> = (0..pixels).map(there).collect();
            let all = || (0..batch).flat_map(|row| places.iter().map(move |place| place.map(|at| row * stored + at)));
            let from = device.try_tensor_from_vec(all().map(Option::unwrap_or_default).collect(), (batch * pixels,))?;
            let inside = all().map(|place| E::of(if place.is_some() { 1.0 } else { 0.0 })).collect();
            let inside: Tensor<(usize,), E, D> = device.try_tensor_from_vec(inside, (batch * pixels,))?;
            let x = x.retaped::<T>();
            let shape = (batch * pixels, self.place.inputs);
            let shifted = x.try_gather(from)?.try_mul(inside.try_broadcast_like::<_, Axis<1>>(&shape)?)?;
            let product = shifted.try_matmul(weight)?;
            sum = Some(match sum {
                Some(sum) => sum.try_add(product)?,
                None => product,
            });
        }
        // The tape that leads back to x joins here.
        let (_, tape) = x.split_tape();
        let (sum, sums) = sum.expect("nine neighbours").split_tape();
        add_rows(sum.put_tape(sums.merge(tape)), &self.bias)
    }

    fn gradient(&self, gradients: &Gradients<E, D>, out: &mut [f32]) {
        let Convolution { inputs, outputs, weight, bias, .. } = self.place;
        for (tap, tensor) in self.weights.iter().enumerate() {
            download(&gradients.get(tensor), weight + tap * inputs * outputs, out);
        }
        download(&gradients.get(&self.bias), bias, out);
        if let (Some(tensor), Some(at)) = (&self.magnitude, self.place.magnitude) {
            download(&gradients.get(tensor), at, out);
        }
    }
}

impl Conv {
    pub(in crate::layers::coupling) fn upload<E: Float, D: Device<E>>(
        &self,
        upload: &Upload<'_, E, D>,
    ) -> Result<ConvForm<E, D>, D::Err> {
        let block = |[one, two]: &[Convolution; 2]| Ok([Nine::upload(upload, one)?, Nine::upload(upload, two)?]);
        let (maps, channels, outputs) = (self.maps(), self.channels, self.last.outputs);
        let lists = (0..outputs).step_by(channels);
        let last = |list| upload.columns(self.last.weight + list, outputs, (maps, channels));
        Ok(ConvForm {
            network: self.clone(),
            first: Nine::upload(upload, &self.first)?,
            blocks: self.blocks.iter().map(block).collect::<Result<_, D::Err>>()?,
            last: lists.clone().map(last).collect::<Result<_, _>>()?,
            bias: lists.map(|list| upload.tensor(self.last.bias + list, (channels,))).collect::<Result<_, _>>()?,
            norms: self.norms.iter().map(|norm| norm.form(upload, maps)).collect::<Result<_, _>>()?,
            all: (0..self.pixels.size.iter().product()).collect(),
        })
    }
}

impl<E: Float, D: Device<E>> ConvForm<E, D> {
    /// Relu `number` of h, shape `[batch · pixels, maps]`, normalised before if it is to be.
    fn activate<T>(
        &self,
        number: usize,
        h: Rows<usize, E, D, T>,
        training: Option<&mut InTraining<'_>>,
    ) -> Result<Rows<usize, E, D, T>, D::Err>
    where
        T: Tape<E, D> + Merge<T>,
    {
        let Some(norm) = self.norms.get(number) else { return h.try_relu() };
        let (normalised, _) = match training {
            Some(training) => norm.forward_training(h, training)?,
            None => norm.forward(h)?,
        };
        normalised.try_relu()
    }

    pub(crate) fn apply<T>(
        &self,
        kept: Rows<usize, E, D, T>,
        mut training: Option<&mut InTraining<'_>>,
    ) -> Result<Said<E, D, T>, D::Err>
    where
        T: Tape<E, D> + Merge<T>,
    {
        let Conv { pixels, read, channels, dropout, .. } = &self.network;
        let [height, width] = pixels.size;
        let (grid, batch, stored) = (Grid { height, width }, kept.shape().0, pixels.kept.len());
        let all = [batch, grid.pixels()];
        let (maps, rows) = (self.network.maps(), batch * grid.pixels());
        let kept = kept.try_reshape_like(&(batch * stored, self.first.place.inputs))?;
        let mut h = self.first.apply(kept, [batch, stored], grid, read)?;
        let noise = training.as_ref().map(|training| training.noise);
        for (block, [one, two]) in self.blocks.iter().enumerate() {
            let active = self.activate(2 * block, h.retaped::<T>(), training.as_deref_mut())?;
            let inner = one.apply(active, all, grid, &self.all)?;
            let inner = self.activate(2 * block + 1, inner, training.as_deref_mut())?;
            let inner = inner.try_reshape_like(&(batch, grid.pixels() * maps))?;
            let inner = Dropout::apply(*dropout, noise, one.place.weight, inner)?.try_reshape_like(&(rows, maps))?;
            h = h.try_add(two.apply(inner, all, grid, &self.all)?)?;
        }
        let said = pixels.changed.len();
        let places = (0..batch).flat_map(|row| pixels.changed.iter().map(move |pixel| row * grid.pixels() + pixel));
        let places = h.device().try_tensor_from_vec(places.collect(), (batch * said,))?;
        let h = self.activate(2 * self.blocks.len(), h, training)?.try_gather(places)?;
        let list = |h: Rows<usize, E, D, T>, number: usize| {
            let list = add_rows(h.try_matmul(self.last[number].clone())?, &self.bias[number])?;
            list.try_reshape_like(&(batch, said * channels))
        };
        // The tape that leads back stays with the last list.
        let last = self.last.len() - 1;
        let mut lists = (0..last).map(|number| list(h.retaped::<T>(), number)).collect::<Result<Vec<_>, _>>()?;
        lists.push(list(h, last)?);
        Ok(lists)
    }

    pub(crate) fn gradient(&self, gradients: &Gradients<E, D>, out: &mut [f32]) {
        self.first.gradient(gradients, out);
        self.blocks.iter().flatten().for_each(|map| map.gradient(gradients, out));
        self.norms.iter().for_each(|norm| norm.gradient(gradients, out));
        let (outputs, mut first) = (self.network.last.outputs, 0);
        for (weight, bias) in self.last.iter().zip(&self.bias) {
            let columns = bias.shape().0;
            for (row, values) in gradients.get(weight).as_vec().chunks_exact(columns).enumerate() {
                let to = &mut out[self.network.last.weight + row * outputs + first..];
                to.iter_mut().zip(values).for_each(|(to, from)| *to = from.wide() as f32);
            }
            download(&gradients.get(bias), self.network.last.bias + first, out);
            first += columns;
        }
    }
}
