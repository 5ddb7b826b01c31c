//! Perceptrons on the CPU, forward and backward.

use std::ops::Range;

use super::Mlp;
use crate::compute::{Epilogue, View, outer, pieces_mut, product, tanh_all};
use crate::layers::Linear;
use crate::layers::coupling::network::{NetworkScratch, OnCpu};
use crate::layers::cpu::Context;
use crate::spec::Activation;

impl Mlp {
    /// Values a row of the widest hidden layer.
    fn widest(&self) -> usize {
        self.hidden_maps().map(|map| map.outputs).max().unwrap_or(0)
    }

    fn hidden_maps(&self) -> impl Iterator<Item = &Linear> {
        self.maps.iter().rev().skip(1)
    }
}

impl OnCpu for Mlp {
    /// Hidden activations.
    fn cached(&self) -> usize {
        self.hidden_maps().map(|map| map.outputs).sum()
    }

    /// The gradient of the hidden layer at hand and of the one before it.
    fn scratch(&self) -> usize {
        2 * self.widest()
    }

    fn range(&self) -> Range<usize> {
        let last = self.maps.last().expect("a network has a map");
        self.maps[0].weight..last.bias + last.outputs
    }

    fn multiplications(&self) -> usize {
        self.maps.iter().map(Linear::multiplications).fold(0, usize::saturating_add)
    }

    fn forward(
        &self,
        context: &Context<'_>,
        input: &[f32],
        hidden: &mut [f32],
        out: &mut [f32],
        NetworkScratch { product: scratch, .. }: NetworkScratch<'_>,
    ) {
        let &Context { level, values, panels, .. } = context;
        let padded = panels.padded();
        let mut affine = |map: &Linear, from: &[f32], to: &mut [f32], epilogue: Epilogue<'_>| {
            let weights = View { data: &values[map.weight..map.bias], row: 1, column: map.outputs };
            let bias = &values[map.bias..][..map.outputs];
            product(level, weights, bias, map.outputs, map.inputs, from, padded, to, epilogue, scratch);
        };
        let (last, before) = self.maps.split_last().expect("a network has a map");
        let (mut from, mut rest) = (input, hidden);
        for map in before {
            let (h, behind) = rest.split_at_mut(padded * map.outputs);
            match self.activation {
                Activation::Relu => affine(map, from, h, Epilogue::Relu),
                Activation::Tanh => {
                    affine(map, from, h, Epilogue::None);
                    tanh_all(level, h);
                }
            }
            self.dropout.forward(context, map.weight, map.outputs, [map.outputs; 2], h);
            (from, rest) = (h, behind);
        }
        affine(last, from, out, Epilogue::None);
    }

    fn backward(
        &self,
        context: &Context<'_>,
        [input, mut hidden]: [&[f32]; 2],
        d_out: &[f32],
        gradient: &mut [f32],
        d_input: &mut [f32],
        scratch: NetworkScratch<'_>,
    ) {
        let &Context { level, values, panels, .. } = context;
        let (padded, origin) = (panels.padded(), self.maps[0].weight);
        let NetworkScratch { values: gradients, product: brought } = scratch;
        let [mut now, mut next] = pieces_mut(gradients, [padded * self.widest(); 2]);
        for (i, map) in self.maps.iter().enumerate().rev() {
            let d_out = if i + 1 == self.maps.len() { d_out } else { &*now };
            let from;
            (hidden, from) = if i == 0 { (hidden, input) } else { hidden.split_at(hidden.len() - padded * map.inputs) };
            let to = &mut gradient[map.weight - origin..map.bias + map.outputs - origin];
            outer(level, from, d_out, padded, map.inputs, map.outputs, to, brought);
            let weights = View { data: &values[map.weight..map.bias], row: map.outputs, column: 1 };
            let mut back = |to: &mut [f32], epilogue: Epilogue<'_>| {
                product(level, weights, &[], map.inputs, map.outputs, d_out, padded, to, epilogue, brought);
            };
            match (i, self.activation) {
                (0, _) if map.inputs == 0 => {}
                (0, _) => back(d_input, Epilogue::None),
                (_, Activation::Relu) => back(next, Epilogue::WherePositive(from)),
                (_, Activation::Tanh) => back(next, Epilogue::None),
            }
            if i > 0 {
                self.dropout.backward(self.activation, from, next);
            }
            std::mem::swap(&mut now, &mut next);
        }
    }
}
