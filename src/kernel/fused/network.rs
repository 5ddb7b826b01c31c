//! The s and t networks, forward and backward, on rows in panels.

use crate::compute::Buffer;
use crate::compute::Level;
use crate::compute::tanh_all;
use crate::compute::{Epilogue, View, outer, product};
use crate::flow::Linear;
use crate::spec::Activation;

/// One network: where its weights stand in the flat vector, and how they are used.
pub(crate) struct Network {
    maps: Vec<Linear>,
    activation: Activation,
    width: usize,
}

/// Buffers of one network on one lane.
#[derive(Default)]
pub(crate) struct Scratch {
    /// Gradients of hidden activations, `padded rows × width`.
    now: Buffer,
    next: Buffer,
    /// What the product kernels bring together.
    product: Buffer,
}

impl Scratch {
    pub fn reserve(&mut self, hidden: usize) {
        for buffer in [&mut self.now, &mut self.next] {
            buffer.at_least(hidden);
        }
    }
}

impl Network {
    /// The network of `maps`.
    pub fn new(maps: &[Linear], width: usize, activation: Activation) -> Self {
        for map in maps {
            assert_eq!(map.bias, map.weight + map.inputs * map.outputs, "a bias follows its weight");
        }
        assert!(maps.windows(2).all(|pair| pair[0].bias + pair[0].outputs == pair[1].weight), "maps follow each other");
        Self { maps: maps.to_vec(), activation, width }
    }

    /// Nothing is kept: the output is a bias alone.
    fn is_constant(&self) -> bool {
        self.maps.len() == 1
    }

    /// Number of hidden layers.
    pub fn hidden_layers(&self) -> usize {
        self.maps.len() - 1
    }

    /// Where the network's values stand in the flat vector.
    pub fn range(&self) -> std::ops::Range<usize> {
        let last = &self.maps[self.maps.len() - 1];
        self.maps[0].weight..last.bias + last.outputs
    }

    /// From `kept` to `out`; `hidden` takes the activations, which the way back needs. `values`: the flat vector.
    pub fn forward(
        &self,
        level: Level,
        values: &[f32],
        padded: usize,
        kept: &[f32],
        hidden: &mut [Buffer],
        out: &mut [f32],
        scratch: &mut Scratch,
    ) {
        let (last, before) = self.maps.split_last().expect("a network has a map");
        let affine = |map: &Linear, from: &[f32], to: &mut [f32], epilogue: Epilogue, scratch: &mut Scratch| {
            let weights = View { data: &values[map.weight..map.bias], row: 1, column: map.outputs };
            let bias = &values[map.bias..map.bias + map.outputs];
            let (m, k) = (map.outputs, map.inputs);
            product(level, weights, bias, m, k, from, padded, to, epilogue, &mut scratch.product);
        };
        for (i, map) in before.iter().enumerate() {
            let (done, rest) = hidden.split_at_mut(i);
            let from = done.last().map_or(kept, |h| &h[..]);
            let h = &mut rest[0][..padded * self.width];
            match self.activation {
                Activation::Relu => affine(map, from, h, Epilogue::Relu, scratch),
                Activation::Tanh => {
                    affine(map, from, h, Epilogue::None, scratch);
                    tanh_all(level, h);
                }
            }
        }
        affine(last, hidden[..before.len()].last().map_or(kept, |h| &h[..]), out, Epilogue::None, scratch);
    }

    /// From the gradient of the outputs (`d_out`, as `out` above) to that of the weights, written to `gradient` (the
    /// network's [range](Network::range)), and that of the inputs, written to `d_kept`.
    pub fn backward(
        &self,
        level: Level,
        values: &[f32],
        padded: usize,
        kept: &[f32],
        hidden: &[Buffer],
        d_out: &[f32],
        gradient: &mut [f32],
        scratch: &mut Scratch,
        d_kept: &mut [f32],
    ) {
        let origin = self.maps[0].weight;
        let Scratch { now, next, product: pack } = scratch;
        for (i, map) in self.maps.iter().enumerate().rev() {
            let d_out = if i + 1 == self.maps.len() { d_out } else { &now[..] };
            let input = if i == 0 { kept } else { &hidden[i - 1][..] };
            let to = &mut gradient[map.weight - origin..map.bias + map.outputs - origin];
            outer(level, input, d_out, padded, map.inputs, map.outputs, to, pack);
            let weights = View { data: &values[map.weight..map.bias], row: map.outputs, column: 1 };
            let (m, k) = (map.inputs, map.outputs);
            if i == 0 {
                if !self.is_constant() {
                    product(level, weights, &[], m, k, d_out, padded, d_kept, Epilogue::None, pack);
                }
                return;
            }
            match self.activation {
                Activation::Relu => {
                    product(level, weights, &[], m, k, d_out, padded, next, Epilogue::WherePositive(input), pack);
                }
                Activation::Tanh => {
                    product(level, weights, &[], m, k, d_out, padded, next, Epilogue::None, pack);
                    next[..padded * m].iter_mut().zip(input).for_each(|(g, h)| *g *= 1.0 - h * h);
                }
            }
            std::mem::swap(now, next);
        }
    }
}
