//! Gradients of weights, biases and scales as sums over rows, a tile of a map's gradient a block.

use bytemuck::{Pod, Zeroable};

use crate::compute::cuda::{Address, FLOAT, NULL};
use crate::kernel::cuda::flow::Placed;
use crate::layers::cuda::Group;

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

/// What rows leave on their way there and back through a group, coupling after coupling.
pub(super) struct Traces<'a> {
    pub rows: usize,
    /// What networks read, shape `[couplings, rows, kept]`.
    pub inputs: Address,
    /// What every map but the first read, each shape `[couplings, networks, rows, width]`.
    pub hidden: &'a [Address],
    /// The gradients with respect to what every map but the last gave, of the same shapes.
    pub d_hidden: &'a [Address],
    /// The gradients of what networks say, shape `[couplings, networks, rows, said]`.
    pub d_out: Address,
    /// Shape `[couplings, rows, changed]`: its sums over rows are the gradients of scales.
    pub product: Address,
}

/// The tiles of a group's maps of these depths, and of its learned bounds of s.
pub(super) fn tiles(
    placed: &Placed,
    group: &Group,
    traces: &Traces<'_>,
    depths: impl Iterator<Item = usize>,
) -> Vec<Tile> {
    let weights = placed.weights;
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
        let maps = &group.maps[depth];
        for number in 0..group.networks() * group.couplings {
            let input = match depth {
                0 => at(traces.inputs, number / group.networks(), group.kept),
                depth => at(traces.hidden[depth - 1], number, group.width),
            };
            let d = match traces.d_hidden.get(depth) {
                Some(&hidden) => at(hidden, number, group.width),
                None => at(traces.d_out, number, group.said),
            };
            add(input, d, maps.offset + number * maps.stride(), maps.inputs, maps.outputs);
        }
    }
    for coupling in 0..group.couplings {
        if let Some(scale) = group.scale(coupling) {
            add(NULL, at(traces.product, coupling, group.changed()), scale, 0, group.changed());
        }
    }
    tiles
}
