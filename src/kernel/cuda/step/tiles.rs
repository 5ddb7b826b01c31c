//! Gradients of weights, biases and scales as sums over rows, a tile of a map's gradient a block.

use bytemuck::{Pod, Zeroable};

use crate::compute::cuda::{Address, FLOAT, NULL};
use crate::kernel::cuda::flow::Placed;

/// Inputs and outputs of a tile.
const SIDE: usize = 32;

/// A tile of the gradient of a map, as in `kernels.cu`.
#[derive(Clone, Copy, Pod, Zeroable)]
#[repr(C)]
pub(super) struct Tile {
    input: Address,
    d: Address,
    to: Address,
    inputs: i32,
    outputs: i32,
    first_input: i32,
    first_output: i32,
}

/// What rows leave on their way there and back, coupling after coupling.
pub(super) struct Traces<'a> {
    pub rows: usize,
    /// What networks read, shape `[couplings, rows, kept]`.
    pub inputs: Address,
    /// Hidden layers, each shape `[couplings, networks, rows, width]`.
    pub hidden: &'a [Address],
    /// The gradients before their activations, of the same shapes.
    pub d_hidden: &'a [Address],
    /// The gradients of what networks say, shape `[couplings, networks, rows, changed]`.
    pub d_out: Address,
    /// Shape `[couplings, rows, changed]`: its sums over rows are the gradients of scales.
    pub product: Address,
}

/// The tiles of the maps of these depths, and of learned bounds of s.
pub(super) fn tiles(placed: &Placed, traces: &Traces<'_>, depths: impl Iterator<Item = usize>) -> Vec<Tile> {
    let Placed { layout, weights, .. } = placed;
    let mut tiles = Vec::new();
    let mut add = |input: Address, d: Address, offset: usize, inputs: usize, outputs: usize| {
        for first_input in (0..inputs.max(1)).step_by(SIDE) {
            for first_output in (0..outputs).step_by(SIDE) {
                tiles.push(Tile {
                    input,
                    d,
                    to: weights.gradient + FLOAT * offset as u64,
                    inputs: inputs as i32,
                    outputs: outputs as i32,
                    first_input: first_input as i32,
                    first_output: first_output as i32,
                });
            }
        }
    };
    let at = |start: Address, number: usize, width: usize| start + FLOAT * (number * traces.rows * width) as u64;
    for depth in depths {
        let maps = &layout.maps[depth];
        for number in 0..layout.networks() * layout.couplings {
            let input = match depth {
                0 => at(traces.inputs, number / layout.networks(), layout.kept),
                depth => at(traces.hidden[depth - 1], number, layout.width),
            };
            let d = match traces.d_hidden.get(depth) {
                Some(&hidden) => at(hidden, number, layout.width),
                None => at(traces.d_out, number, layout.changed),
            };
            add(input, d, maps.offset + number * maps.stride(), maps.inputs, maps.outputs);
        }
    }
    for coupling in 0..layout.couplings {
        if let Some(scale) = layout.scale(coupling) {
            add(NULL, at(traces.product, coupling, layout.changed), scale, 0, layout.changed);
        }
    }
    tiles
}
