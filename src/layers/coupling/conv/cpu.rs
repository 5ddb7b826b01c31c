//! Convolutional networks on the CPU, forward and backward.

use std::borrow::Cow;
use std::ops::Range;

use super::Conv;
use crate::compute::convolution::{
    Grid, Then, direct, direct_back, direct_weights, pitch, pointwise, pointwise_back, pointwise_weights, winograd,
    winograd_weights,
};
use crate::compute::{Buffer, pieces_mut};
use crate::layers::coupling::network::{NetworkScratch, OnCpu};
use crate::layers::cpu::Context;
use crate::layers::{Convolution, Linear};
use crate::spec::Activation;

impl Convolution {
    /// Its weights, normalised if they are to be.
    pub(super) fn weights<'a>(&self, values: &'a [f32]) -> Cow<'a, [f32]> {
        let weights = &values[self.weight..self.bias];
        let Some(magnitude) = self.magnitude else { return Cow::Borrowed(weights) };
        let mut scales = self.lengths(values);
        let magnitudes = &values[magnitude..][..self.outputs];
        scales.iter_mut().zip(magnitudes).for_each(|(length, magnitude)| *length = f64::from(*magnitude) / *length);
        let scaled = |(weight, scale): (&f32, &f64)| (f64::from(*weight) * scale) as f32;
        Cow::Owned(weights.iter().zip(scales.iter().cycle()).map(scaled).collect())
    }

    pub(super) fn bias<'a>(&self, values: &'a [f32]) -> &'a [f32] {
        &values[self.bias..][..self.outputs]
    }

    /// The length of every output's weights before they are normalised.
    fn lengths(&self, values: &[f32]) -> Vec<f64> {
        let mut squares = vec![0.0; self.outputs];
        for weights in values[self.weight..self.bias].chunks_exact(self.outputs) {
            squares.iter_mut().zip(weights).for_each(|(sum, &weight)| *sum += f64::from(weight).powi(2));
        }
        squares.into_iter().map(f64::sqrt).collect()
    }

    /// Where its weights and bias stand in the gradient of a network whose values begin at `origin`.
    fn range(&self, origin: usize) -> Range<usize> {
        self.weight - origin..self.bias + self.outputs - origin
    }

    /// Has `write` write the gradient of weights and bias to their places in that of a network whose values begin at `origin`, and
    /// follows it through the normalisation.
    pub(super) fn gradient(&self, values: &[f32], gradient: &mut [f32], origin: usize, write: impl FnOnce(&mut [f32])) {
        write(&mut gradient[self.range(origin)]);
        let Some(magnitude) = self.magnitude else { return };
        let (lengths, magnitudes) = (self.lengths(values), &values[magnitude..][..self.outputs]);
        let weights = values[self.weight..self.bias].chunks_exact(self.outputs);
        let (own, of_magnitude) = gradient[self.weight - origin..].split_at_mut(magnitude - self.weight);
        let own = &mut own[..self.bias - self.weight];
        // Along the direction of the weights.
        let mut along = vec![0.0; self.outputs];
        for (d, weights) in own.chunks_exact(self.outputs).zip(weights.clone()) {
            for (((along, d), weight), length) in along.iter_mut().zip(d).zip(weights).zip(&lengths) {
                *along += f64::from(*d) * f64::from(*weight) / length;
            }
        }
        for (d, weights) in own.chunks_exact_mut(self.outputs).zip(weights) {
            for (o, (d, weight)) in d.iter_mut().zip(weights).enumerate() {
                let across = f64::from(*d) - along[o] * f64::from(*weight) / lengths[o];
                *d = (f64::from(magnitudes[o]) / lengths[o] * across) as f32;
            }
        }
        of_magnitude.iter_mut().zip(&along).for_each(|(d, along)| *d = *along as f32);
    }
}

impl Conv {
    pub(super) fn grid(&self) -> Grid {
        let [height, width] = self.pixels.size;
        Grid { height, width }
    }

    /// Values a row of all maps, with the room that their buffers have.
    pub(super) fn hidden(&self) -> usize {
        self.grid().pixels() * pitch(self.maps())
    }
}

impl Conv {
    /// What is read, to the first h.
    pub(super) fn read(&self, context: &Context<'_>, input: &[f32], h: &mut [f32]) {
        let &Context { level, values, panels, .. } = context;
        let (weights, bias) = (self.first.weights(values), self.first.bias(values));
        direct(level, &weights, bias, [self.first.inputs, self.maps()], self.grid(), panels, &self.read, input, h);
    }

    /// A convolution within a block, of `from` or of relu of it.
    pub(super) fn convolve(
        &self,
        context: &Context<'_>,
        map: &Convolution,
        (from, relu): (&[f32], bool),
        to: &mut [f32],
        then: Then<'_>,
        product: &mut Buffer,
    ) {
        let &Context { level, values, panels, .. } = context;
        let (weights, bias, sizes) = (map.weights(values), map.bias(values), [self.maps(); 2]);
        winograd(level, &weights, bias, sizes, false, self.grid(), panels, from, relu, to, then, product);
    }

    /// Some values of the second layer of a block left out, in training.
    pub(super) fn drop(&self, context: &Context<'_>, first: &Convolution, inner: &mut [f32]) {
        let (maps, units) = (self.maps(), self.grid().pixels() * self.maps());
        self.dropout.forward(context, first.weight, units, [maps, pitch(maps)], inner);
    }

    /// What the network says of relu of the last h.
    pub(super) fn say(&self, context: &Context<'_>, h: &[f32], out: &mut [f32]) {
        let &Context { level, values, panels, .. } = context;
        let Linear { inputs, outputs, weight, bias } = self.last;
        let (weights, bias, pixels) = (&values[weight..bias], &values[bias..][..outputs], self.grid().pixels());
        pointwise(level, weights, bias, [inputs, outputs], self.channels, pixels, &self.pixels.changed, panels, h, out);
    }

    /// The way back of [`say`](Self::say), to the gradient where relu of h is positive, else 0.
    pub(super) fn say_back(
        &self,
        context: &Context<'_>,
        h: &[f32],
        d_out: &[f32],
        gradient: &mut [f32],
        d: &mut [f32],
    ) {
        let &Context { level, values, panels, .. } = context;
        let Linear { inputs, outputs, weight, bias } = self.last;
        let (sizes, pixels, changed) = ([inputs, outputs], self.grid().pixels(), &self.pixels.changed);
        let own = &mut gradient[weight - self.first.weight..];
        pointwise_weights(level, sizes, self.channels, pixels, changed, panels, h, d_out, own);
        pointwise_back(level, &values[weight..bias], sizes, self.channels, pixels, changed, panels, h, d_out, d);
    }

    /// The way back of [`convolve`](Self::convolve) with nothing behind it, from `d`.
    pub(super) fn convolve_back(
        &self,
        context: &Context<'_>,
        map: &Convolution,
        (from, relu): (&[f32], bool),
        (d, gradient): (&[f32], &mut [f32]),
        (to, then): (&mut [f32], Then<'_>),
        product: &mut Buffer,
    ) {
        let &Context { level, values, panels, .. } = context;
        let (grid, sizes) = (self.grid(), [self.maps(); 2]);
        map.gradient(values, gradient, self.first.weight, |own| {
            winograd_weights(level, sizes, grid, panels, from, relu, d, own, product);
        });
        winograd(level, &map.weights(values), &[], sizes, true, grid, panels, d, false, to, then, product);
    }

    /// The way back of [`read`](Self::read).
    pub(super) fn read_back(
        &self,
        context: &Context<'_>,
        input: &[f32],
        d: &[f32],
        gradient: &mut [f32],
        d_input: &mut [f32],
        product: &mut Buffer,
    ) {
        let &Context { level, values, panels, .. } = context;
        let (grid, sizes) = (self.grid(), [self.first.inputs, self.maps()]);
        self.first.gradient(values, gradient, self.first.weight, |own| {
            direct_weights(level, sizes, grid, panels, &self.read, input, d, own, product);
        });
        direct_back(level, &self.first.weights(values), sizes, grid, panels, &self.read, d, d_input);
    }
}

impl OnCpu for Conv {
    /// h before the first block; of every block, what C₂ reads, and h behind it. With batch normalisation, what every relu reads
    /// and what it gives.
    fn cached(&self) -> usize {
        (2 * self.blocks.len() + 1) * self.hidden() * if self.norms.is_empty() { 1 } else { 2 }
    }

    /// Gradients of h and of what stands within a block.
    fn scratch(&self) -> usize {
        (if self.norms.is_empty() { 2 } else { 3 }) * self.hidden()
    }

    fn range(&self) -> Range<usize> {
        self.first.weight..self.last.bias + self.last.outputs
    }

    fn multiplications(&self) -> usize {
        let (pixels, maps) = (self.grid().pixels(), self.maps());
        let inner = 18usize.saturating_mul(maps).saturating_mul(maps).saturating_mul(self.blocks.len());
        let last = self.pixels.changed.len() * (maps + 1) * self.last.outputs;
        (9 * self.first.inputs * maps).saturating_add(inner).saturating_mul(pixels).saturating_add(last)
    }

    fn forward(
        &self,
        context: &Context<'_>,
        input: &[f32],
        cache: &mut [f32],
        out: &mut [f32],
        NetworkScratch { product, .. }: NetworkScratch<'_>,
    ) {
        if !self.norms.is_empty() {
            return self.evaluate(context, input, cache, out, product);
        }
        let (mut h, mut rest) = cache.split_at_mut(self.hidden() * context.panels.padded());
        self.read(context, input, h);
        for [first, second] in &self.blocks {
            let (block, others) = rest.split_at_mut(2 * h.len());
            let (inner, next) = block.split_at_mut(h.len());
            self.convolve(context, first, (h, true), inner, Then::Relu, product);
            self.drop(context, first, inner);
            self.convolve(context, second, (inner, false), next, Then::Plus(h), product);
            (h, rest) = (next, others);
        }
        self.say(context, h, out);
    }

    fn backward(
        &self,
        context: &Context<'_>,
        [input, cache]: [&[f32]; 2],
        d_out: &[f32],
        gradient: &mut [f32],
        d_input: &mut [f32],
        NetworkScratch { values: scratch, product }: NetworkScratch<'_>,
    ) {
        let one = self.hidden() * context.panels.padded();
        let [d, d_inner] = pieces_mut(scratch, [one; 2]);
        let mut hidden = cache[..(2 * self.blocks.len() + 1) * one].chunks_exact(one).rev();
        let mut next = || hidden.next().expect("a hidden layer for every convolution");
        self.say_back(context, next(), d_out, gradient, d);
        for [first, second] in self.blocks.iter().rev() {
            let [inner, h] = [next(), next()];
            let to = (&mut *d_inner, Then::WherePositive(inner));
            self.convolve_back(context, second, (inner, false), (d, gradient), to, product);
            self.dropout.backward(Activation::Relu, inner, d_inner);
            let to = (&mut *d, Then::AddWherePositive(h));
            self.convolve_back(context, first, (h, true), (d_inner, gradient), to, product);
        }
        self.read_back(context, input, d, gradient, d_input, product);
    }
}
