//! Convolutional networks on the CPU, forward and backward.

use std::ops::Range;

use super::Conv;
use crate::compute::convolution::{
    Grid, Then, direct, direct_back, direct_weights, pitch, pointwise, pointwise_back, pointwise_weights, winograd,
    winograd_weights,
};
use crate::compute::{Buffer, pieces_mut};
use crate::layers::Convolution;
use crate::layers::coupling::network::{NetworkScratch, OnCpu};
use crate::layers::cpu::Context;
use crate::spec::Activation;

impl Convolution {
    /// Weights and bias.
    fn of<'a>(&self, values: &'a [f32]) -> [&'a [f32]; 2] {
        [&values[self.weight..self.bias], &values[self.bias..][..self.outputs]]
    }

    /// Where both stand in the gradient of a network whose values begin at `origin`.
    fn range(&self, origin: usize) -> Range<usize> {
        self.weight - origin..self.bias + self.outputs - origin
    }
}

impl Conv {
    fn grid(&self) -> Grid {
        let [height, width] = self.pixels.size;
        Grid { height, width }
    }

    /// Values a row of all maps, with the room that their buffers have.
    fn hidden(&self) -> usize {
        self.grid().pixels() * pitch(self.maps())
    }
}

impl OnCpu for Conv {
    /// h before the first block; of every block, what C₂ reads, and h behind it.
    fn cached(&self) -> usize {
        (2 * self.blocks.len() + 1) * self.hidden()
    }

    /// Gradients of h and of what stands within a block.
    fn scratch(&self) -> usize {
        2 * self.hidden()
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
        let &Context { level, values, panels, .. } = context;
        let (grid, maps, one) = (self.grid(), self.maps(), self.hidden() * panels.padded());
        let (mut h, mut rest) = cache.split_at_mut(one);
        let [weights, bias] = self.first.of(values);
        direct(level, weights, bias, [self.first.inputs, maps], grid, panels, &self.read, input, h);
        for [first, second] in &self.blocks {
            let (block, others) = rest.split_at_mut(2 * one);
            let (inner, next) = block.split_at_mut(one);
            let mut convolve = |map: &Convolution, from: &[f32], relu: bool, to: &mut [f32], then: Then<'_>| {
                let [weights, bias] = map.of(values);
                winograd(level, weights, bias, [maps; 2], false, grid, panels, from, relu, to, then, product);
            };
            convolve(first, h, true, inner, Then::Relu);
            self.dropout.forward(context, first.weight, grid.pixels() * maps, [maps, pitch(maps)], inner);
            convolve(second, inner, false, next, Then::Plus(h));
            (h, rest) = (next, others);
        }
        let (weights, bias) = (&values[self.last.weight..self.last.bias], &values[self.last.bias..]);
        let sizes = [maps, self.last.outputs];
        let bias = &bias[..self.last.outputs];
        let changed = &self.pixels.changed;
        pointwise(level, weights, bias, sizes, self.channels, grid.pixels(), changed, panels, h, out);
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
        let &Context { level, values, panels, .. } = context;
        let (grid, maps, origin) = (self.grid(), self.maps(), self.first.weight);
        let (pixels, changed, sizes) = (grid.pixels(), &self.pixels.changed, [maps, self.last.outputs]);
        let one = self.hidden() * panels.padded();
        let [d, d_inner] = pieces_mut(scratch, [one; 2]);
        let mut hidden = cache[..(2 * self.blocks.len() + 1) * one].chunks_exact(one).rev();
        let mut next = || hidden.next().expect("a hidden layer for every convolution");

        let h = next();
        let own = &mut gradient[self.last.weight - origin..];
        pointwise_weights(level, sizes, self.channels, pixels, changed, panels, h, d_out, own);
        let weights = &values[self.last.weight..self.last.bias];
        pointwise_back(level, weights, sizes, self.channels, pixels, changed, panels, h, d_out, d);
        let back = |map: &Convolution, d: &[f32], to: &mut [f32], then: Then<'_>, product: &mut Buffer| {
            let [weights, _] = map.of(values);
            winograd(level, weights, &[], [maps; 2], true, grid, panels, d, false, to, then, product);
        };
        for [first, second] in self.blocks.iter().rev() {
            let [inner, h] = [next(), next()];
            let own = &mut gradient[second.range(origin)];
            winograd_weights(level, [maps; 2], grid, panels, inner, false, d, own, product);
            back(second, d, d_inner, Then::WherePositive(inner), product);
            self.dropout.backward(Activation::Relu, inner, d_inner);
            let own = &mut gradient[first.range(origin)];
            winograd_weights(level, [maps; 2], grid, panels, h, true, d_inner, own, product);
            back(first, d_inner, d, Then::AddWherePositive(h), product);
        }
        let sizes = [self.first.inputs, maps];
        let own = &mut gradient[self.first.range(origin)];
        direct_weights(level, sizes, grid, panels, &self.read, input, d, own, product);
        let [weights, _] = self.first.of(values);
        direct_back(level, weights, sizes, grid, panels, &self.read, d, d_input);
    }
}
