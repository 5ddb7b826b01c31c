//! The s and t networks, forward and backward.
//!
//! Activations are rows of `stride` values: the layer's outputs, then a one, then zeros. The one makes the bias a further
//! row of the weight matrix, in the product as in its gradient.

use super::elementwise::tanh_all;
use super::pack::{Packed, fill, fill_transposed};
use super::product::{Epilogue, View, dots, outer, product};
use super::simd::Level;
use crate::flow::Linear;
use crate::spec::Activation;

/// Sides below this run along the other side: a register would be mostly padding.
const NARROW: usize = 8;
/// Rows of buffers are padded to this many values, a register of the widest level.
const REGISTER: usize = 16;

/// Length of a row that holds `values` network inputs or outputs.
pub(crate) fn side_stride(values: usize) -> usize {
    if values < NARROW { values } else { values.next_multiple_of(REGISTER) }
}

/// Length of a row of hidden activations: `width` values and the one.
pub(crate) fn hidden_stride(width: usize) -> usize {
    (width + 1).next_multiple_of(REGISTER)
}

/// The weights of one network, laid out for the kernels.
pub(crate) struct Network {
    maps: Vec<Linear>,
    activation: Activation,
    width: usize,
    /// Forward: inputs and the one → hidden.
    first: Packed,
    hidden: Vec<Packed>,
    last: Side,
    /// Backward: each map's transpose, without its bias.
    first_back: Side,
    hidden_back: Vec<Packed>,
    last_back: Packed,
}

/// A map to few or to many values.
enum Side {
    /// Row j holds the weights of value j, `hidden_stride` long.
    Narrow(Vec<f32>),
    Wide(Packed),
}

impl Side {
    fn new(inputs: usize, outputs: usize, stride: usize, lanes: usize) -> Self {
        if outputs < NARROW {
            Self::Narrow(vec![0.0; outputs * stride])
        } else {
            Self::Wide(Packed::new(inputs, outputs, lanes))
        }
    }
}

/// Buffers of one pass backward, each `rows × hidden_stride`.
#[derive(Default)]
pub(crate) struct Scratch {
    pub now: Vec<f32>,
    pub next: Vec<f32>,
    /// Transposed gradient of a narrow last map.
    pub narrow: Vec<f32>,
    /// The operands of the gradient of a weight.
    pub outer: Vec<f32>,
}

impl Network {
    /// Room for the weights of `maps`; fill it with [`Network::pack`].
    pub fn new(maps: &[Linear], width: usize, activation: Activation, lanes: usize) -> Self {
        for map in maps {
            assert_eq!(map.bias, map.weight + map.inputs * map.outputs, "a bias follows its weight");
        }
        let stride = hidden_stride(width);
        let (kept, changed) = (maps[0].inputs, maps[maps.len() - 1].outputs);
        let hidden = maps.len().saturating_sub(2);
        Self {
            maps: maps.to_vec(),
            activation,
            width,
            first: Packed::new(kept + 1, width, lanes),
            hidden: vec![Packed::new(width + 1, width, lanes); hidden],
            last: Side::new(width + 1, changed, stride, lanes),
            first_back: Side::new(width, kept, stride, lanes),
            hidden_back: vec![Packed::new(width, width, lanes); hidden],
            last_back: Packed::new(changed, width, lanes),
        }
    }

    fn is_constant(&self) -> bool {
        self.maps.len() == 1
    }

    /// Number of hidden layers.
    pub fn hidden_layers(&self) -> usize {
        self.maps.len() - 1
    }

    /// Lays out the weights in `values`, the flat vector.
    pub fn pack(&mut self, level: Level, values: &[f32]) {
        let [first, .., last] = &self.maps[..] else { return };
        let weights = |map: &Linear| &values[map.weight..map.bias];
        let with_bias = |map: &Linear| &values[map.weight..map.bias + map.outputs];
        let stride = hidden_stride(self.width);
        fill(level, &mut self.first, with_bias(first));
        match &mut self.first_back {
            Side::Narrow(rows) => {
                for (row, values) in rows.chunks_exact_mut(stride).zip(weights(first).chunks_exact(self.width)) {
                    row[..self.width].copy_from_slice(values);
                }
            }
            Side::Wide(packed) => fill_transposed(level, packed, weights(first)),
        }
        let hidden = &self.maps[1..self.maps.len() - 1];
        for ((map, forward), back) in hidden.iter().zip(&mut self.hidden).zip(&mut self.hidden_back) {
            fill(level, forward, with_bias(map));
            fill_transposed(level, back, weights(map));
        }
        match &mut self.last {
            Side::Narrow(rows) => {
                for (t, row) in rows.chunks_exact_mut(stride).enumerate() {
                    for (to, from) in row.iter_mut().zip(with_bias(last).iter().skip(t).step_by(last.outputs)) {
                        *to = *from;
                    }
                }
            }
            Side::Wide(packed) => fill(level, packed, with_bias(last)),
        }
        fill_transposed(level, &mut self.last_back, weights(last));
    }

    /// Network of `kept` (rows of inputs and a one) → `out` (rows of [`side_stride`] values); `hidden` takes the
    /// activations, which the way back needs. `values`: the flat vector, for a network that is a bias alone.
    pub fn forward(
        &self,
        level: Level,
        values: &[f32],
        rows: usize,
        kept: &[f32],
        hidden: &mut [Vec<f32>],
        out: &mut [f32],
    ) {
        let last = &self.maps[self.maps.len() - 1];
        let out_stride = side_stride(last.outputs);
        if self.is_constant() {
            for row in out[..rows * out_stride].chunks_exact_mut(out_stride) {
                row[..last.outputs].copy_from_slice(&values[last.bias..last.bias + last.outputs]);
            }
            return;
        }
        let stride = hidden_stride(self.width);
        let inputs = self.first.rows;
        self.hidden_layer(level, View::rows(kept, inputs), rows, &self.first, &mut hidden[0]);
        for (i, packed) in self.hidden.iter().enumerate() {
            let (before, after) = hidden.split_at_mut(i + 1);
            self.hidden_layer(level, View::rows(&before[i], stride), rows, packed, &mut after[0]);
        }
        let h = &hidden[self.hidden.len()];
        match &self.last {
            Side::Narrow(b) => dots(level, h, stride, rows, b, last.outputs, stride, out, out_stride, false),
            Side::Wide(packed) => product(level, View::rows(h, stride), rows, packed, out, out_stride, Epilogue::None),
        }
    }

    fn hidden_layer(&self, level: Level, a: View, rows: usize, b: &Packed, h: &mut [f32]) {
        let stride = hidden_stride(self.width);
        match self.activation {
            Activation::Relu => product(level, a, rows, b, h, stride, Epilogue::Relu),
            Activation::Tanh => {
                product(level, a, rows, b, h, stride, Epilogue::None);
                tanh_all(level, &mut h[..rows * stride]);
            }
        }
        h[..rows * stride].chunks_exact_mut(stride).for_each(|row| row[self.width] = 1.0);
    }

    /// From the gradient of the outputs (`d_out`, as `out` above) to that of the weights, written to `gradient` at their
    /// places, and that of the inputs, `d_kept` (rows of [`side_stride`] values; added to if `add`).
    pub fn backward(
        &self,
        level: Level,
        rows: usize,
        kept: &[f32],
        hidden: &[Vec<f32>],
        d_out: &[f32],
        gradient: &mut [f32],
        scratch: &mut Scratch,
        d_kept: &mut [f32],
        add: bool,
    ) {
        let last = &self.maps[self.maps.len() - 1];
        let out_stride = side_stride(last.outputs);
        let last_gradient = &mut gradient[last.weight..last.bias + last.outputs];
        if self.is_constant() {
            last_gradient.fill(0.0);
            for row in d_out[..rows * out_stride].chunks_exact(out_stride) {
                last_gradient.iter_mut().zip(row).for_each(|(to, from)| *to += from);
            }
            return;
        }
        let (width, stride) = (self.width, hidden_stride(self.width));
        let h = &hidden[self.hidden.len()];
        if last.outputs < NARROW {
            let transposed = &mut scratch.narrow[..last.outputs * (width + 1)];
            let outer_scratch = &mut scratch.outer;
            outer(level, d_out, out_stride, h, stride, rows, last.outputs, width + 1, transposed, outer_scratch);
            for (j, to) in last_gradient.chunks_exact_mut(last.outputs).enumerate() {
                to.iter_mut().enumerate().for_each(|(t, to)| *to = transposed[t * (width + 1) + j]);
            }
        } else {
            let outer_scratch = &mut scratch.outer;
            outer(level, h, stride, d_out, out_stride, rows, width + 1, last.outputs, last_gradient, outer_scratch);
        }
        self.gated(level, View::rows(d_out, out_stride), rows, &self.last_back, h, &mut scratch.now);
        for (i, map) in self.maps[1..self.maps.len() - 1].iter().enumerate().rev() {
            let to = &mut gradient[map.weight..map.bias + map.outputs];
            outer(level, &hidden[i], stride, &scratch.now, stride, rows, width + 1, width, to, &mut scratch.outer);
            let now = View::rows(&scratch.now, stride);
            self.gated(level, now, rows, &self.hidden_back[i], &hidden[i], &mut scratch.next);
            std::mem::swap(&mut scratch.now, &mut scratch.next);
        }
        let first = &self.maps[0];
        let to = &mut gradient[first.weight..first.bias + first.outputs];
        outer(
            level,
            kept,
            first.inputs + 1,
            &scratch.now,
            stride,
            rows,
            first.inputs + 1,
            width,
            to,
            &mut scratch.outer,
        );
        let kept_stride = side_stride(first.inputs);
        match &self.first_back {
            Side::Narrow(b) => {
                dots(level, &scratch.now, stride, rows, b, first.inputs, stride, d_kept, kept_stride, add);
            }
            Side::Wide(packed) => {
                let epilogue = if add { Epilogue::Add } else { Epilogue::None };
                product(level, View::rows(&scratch.now, stride), rows, packed, d_kept, kept_stride, epilogue);
            }
        }
    }

    /// `to` = (a·b) ⊙ the activation's derivative at `h`.
    fn gated(&self, level: Level, a: View, rows: usize, b: &Packed, h: &[f32], to: &mut [f32]) {
        let stride = hidden_stride(self.width);
        match self.activation {
            Activation::Relu => product(level, a, rows, b, to, stride, Epilogue::WherePositive(h)),
            Activation::Tanh => {
                product(level, a, rows, b, to, stride, Epilogue::None);
                to[..rows * stride].iter_mut().zip(h).for_each(|(g, h)| *g *= 1.0 - h * h);
            }
        }
    }
}
