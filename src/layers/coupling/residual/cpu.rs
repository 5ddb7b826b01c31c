//! Residual networks on the CPU, forward and backward.

use std::ops::Range;

use super::Residual;
use crate::compute::{Buffer, Epilogue, View, outer, pieces_mut, product, relu_all, tanh_all};
use crate::layers::Linear;
use crate::layers::coupling::network::{NetworkScratch, OnCpu};
use crate::layers::cpu::Context;
use crate::spec::Activation;

impl Residual {
    fn activate(&self, context: &Context<'_>, values: &mut [f32]) {
        match self.activation {
            Activation::Relu => relu_all(context.level, values),
            Activation::Tanh => tanh_all(context.level, values),
        }
    }

    /// What becomes of a product before it is stored: relu is done at once.
    fn activated(&self) -> Epilogue<'static> {
        match self.activation {
            Activation::Relu => Epilogue::Relu,
            Activation::Tanh => Epilogue::None,
        }
    }
}

/// to = W·from + b, and what the epilogue does.
fn forward_map(
    context: &Context<'_>,
    map: &Linear,
    from: &[f32],
    to: &mut [f32],
    epilogue: Epilogue<'_>,
    scratch: &mut Buffer,
) {
    let values = context.values;
    let weights = View { data: &values[map.weight..map.bias], row: 1, column: map.outputs };
    let (bias, padded) = (&values[map.bias..][..map.outputs], context.panels.padded());
    product(context.level, weights, bias, map.outputs, map.inputs, from, padded, to, epilogue, scratch);
}

/// The gradient with respect to what a map read, from that of what it gave.
fn backward_map(
    context: &Context<'_>,
    map: &Linear,
    d: &[f32],
    to: &mut [f32],
    epilogue: Epilogue<'_>,
    scratch: &mut Buffer,
) {
    let weights = View { data: &context.values[map.weight..map.bias], row: map.outputs, column: 1 };
    let padded = context.panels.padded();
    product(context.level, weights, &[], map.inputs, map.outputs, d, padded, to, epilogue, scratch);
}

impl OnCpu for Residual {
    /// What every block's maps read, and the last one: σ(h) and σ of what the first gave; the last h.
    fn cached(&self) -> usize {
        (2 * self.blocks.len() + 1) * self.width()
    }

    /// Gradients of h and of what stands within a block.
    fn scratch(&self) -> usize {
        2 * self.width()
    }

    fn range(&self) -> Range<usize> {
        self.first.weight..self.last.bias + self.last.outputs
    }

    fn multiplications(&self) -> usize {
        self.maps().map(Linear::multiplications).fold(0, usize::saturating_add)
    }

    fn forward(
        &self,
        context: &Context<'_>,
        input: &[f32],
        cache: &mut [f32],
        out: &mut [f32],
        scratch: NetworkScratch<'_>,
    ) {
        let one = context.panels.padded() * self.width();
        let product = scratch.product;
        let (blocks, h) = cache.split_at_mut(2 * self.blocks.len() * one);
        forward_map(context, &self.first, input, h, Epilogue::None, product);
        for (maps, cache) in self.blocks.iter().zip(blocks.chunks_exact_mut(2 * one)) {
            let (outer, inner) = cache.split_at_mut(one);
            outer.copy_from_slice(&h[..one]);
            self.activate(context, outer);
            forward_map(context, &maps[0], outer, inner, self.activated(), product);
            if self.activation != Activation::Relu {
                self.activate(context, inner);
            }
            self.dropout.forward(context, maps[0].weight, self.width(), [self.width(); 2], inner);
            forward_map(context, &maps[1], inner, h, Epilogue::Add, product);
        }
        forward_map(context, &self.last, h, out, Epilogue::None, product);
    }

    fn backward(
        &self,
        context: &Context<'_>,
        [input, cache]: [&[f32]; 2],
        d_out: &[f32],
        gradient: &mut [f32],
        d_input: &mut [f32],
        scratch: NetworkScratch<'_>,
    ) {
        let (padded, origin) = (context.panels.padded(), self.first.weight);
        let one = padded * self.width();
        let NetworkScratch { values, product } = scratch;
        let [d, d_inner] = pieces_mut(values, [one; 2]);
        let mut of_map = |map: &Linear, from: &[f32], d: &[f32], product: &mut Buffer| {
            let to = &mut gradient[map.weight - origin..map.bias + map.outputs - origin];
            outer(context.level, from, d, padded, map.inputs, map.outputs, to, product);
        };
        let (blocks, h) = cache.split_at(2 * self.blocks.len() * one);
        of_map(&self.last, h, d_out, product);
        backward_map(context, &self.last, d_out, d, Epilogue::None, product);
        for (maps, cache) in self.blocks.iter().zip(blocks.chunks_exact(2 * one)).rev() {
            let (outer, inner) = cache.split_at(one);
            of_map(&maps[1], inner, d, product);
            match self.activation {
                Activation::Relu => {
                    backward_map(context, &maps[1], d, d_inner, Epilogue::WherePositive(inner), product);
                    self.dropout.backward(self.activation, inner, d_inner);
                    of_map(&maps[0], outer, d_inner, product);
                    backward_map(context, &maps[0], d_inner, d, Epilogue::AddWherePositive(outer), product);
                }
                Activation::Tanh => {
                    backward_map(context, &maps[1], d, d_inner, Epilogue::None, product);
                    self.dropout.backward(self.activation, inner, d_inner);
                    of_map(&maps[0], outer, d_inner, product);
                    backward_map(context, &maps[0], d_inner, d, Epilogue::AddWithSlopeOfTanh(outer), product);
                }
            }
        }
        of_map(&self.first, input, d, product);
        if self.first.inputs > 0 {
            backward_map(context, &self.first, d, d_input, Epilogue::None, product);
        }
    }
}
