//! A step in three launches: rows through all layers and back, the sums over rows, the update.

use bytemuck::{Pod, Zeroable};

use super::{Desk, Moments, Source};
use crate::flow::{DeviceError, HALF_LN_TAU};
use crate::kernel::cuda::device::{Address, BLOCK, Device, Kernel, Memory};
use crate::kernel::cuda::flow::{Placed, Weights};
use crate::kernel::cuda::layers::{Commands, FLOAT, NULL, arguments};
use crate::optimizer::{DeviceRule, Optimizer};
use crate::spec::Activation;

/// What `pass_*` needs to know, as in `kernels.cu`.
#[derive(Clone, Copy, Pod, Zeroable)]
#[repr(C)]
struct Pass {
    values: Address,
    from: Address,
    places: Address,
    control: Address,
    x: Address,
    inputs: Address,
    hidden: Address,
    d_hidden: Address,
    out: Address,
    d_out: Address,
    product: Address,
    row_loss: Address,
    slot: Address,
    role: Address,
    scale: u64,
    per_row: f32,
    rows: i32,
    features: i32,
    couplings: i32,
    hidden_layers: i32,
    kept: i32,
    width: i32,
    changed: i32,
    is_tanh: i32,
    unused: i32,
}

/// A tile of the gradient of a map, as in `kernels.cu`.
#[derive(Clone, Copy, Pod, Zeroable)]
#[repr(C)]
struct Tile {
    input: Address,
    d: Address,
    to: Address,
    inputs: i32,
    outputs: i32,
    first_input: i32,
    first_output: i32,
}

/// Inputs and outputs of a tile.
const SIDE: usize = 32;
/// Values that a block of the last launch updates.
const UPDATED: usize = 4 * BLOCK;
/// The most features, and the widest layer, that a block takes.
const FEATURES: usize = 64;
const WIDEST: usize = 256;

/// Memory of a step for batches of some number of rows.
pub(super) struct Whole {
    kernel: Kernel,
    rows_a_block: usize,
    pass: Address,
    tiles: Address,
    tile_count: usize,
    /// Sums of squares of the gradient's parts, f64.
    partial: Address,
    row_loss: Address,
}

/// The kernels: rows of a block, and the floats that they have room for together.
const KERNELS: [(usize, Kernel, usize); 4] = [
    (1, Kernel::PassOne, 4096),
    (2, Kernel::PassTwo, 6144),
    (4, Kernel::PassFour, 10240),
    (8, Kernel::PassEight, 12288),
];

/// Blocks that a large GPU works off at a time: more rows a block read the weights less often, fewer keep more of it busy.
const BLOCKS: usize = 132;

impl Whole {
    /// How many rows a block takes; `None`: the flow is not for this way.
    pub fn rows_a_block(placed: &Placed, rows: usize) -> Option<usize> {
        let layout = &placed.layout;
        let features = placed.architecture.features;
        let widest = layout.width.max(layout.kept).max(layout.changed);
        let fits = layout.norms.is_empty() && layout.has_networks() && features <= FEATURES && widest <= WIDEST;
        let room = |rows: usize| rows * (4 * BLOCK + 4 * widest + 2 * features + layout.changed + 1);
        let possible = KERNELS.iter().filter(|(rows, _, floats)| room(*rows) <= *floats);
        let enough = possible.clone().find(|(a_block, ..)| rows.div_ceil(*a_block) <= BLOCKS);
        let (rows_a_block, ..) = enough.or(possible.last()).filter(|_| fits)?;
        Some(*rows_a_block)
    }

    pub fn new<D: Device>(
        memory: &mut Memory<D>,
        placed: &Placed,
        rows: usize,
        rows_a_block: usize,
        source: Source,
        desk: &Desk,
    ) -> Result<Self, DeviceError> {
        let Placed { architecture, layout, tables, weights, .. } = placed;
        let (features, couplings) = (architecture.features, layout.couplings);
        let hidden_layers = layout.maps.len() - 1;
        let (from, places) = match source {
            Source::Given => (desk.rows, NULL),
            Source::Held(held) => (held, desk.rows),
        };
        let hidden = 2 * couplings * rows * layout.width;
        let pass = Pass {
            values: weights.values,
            from,
            places,
            control: desk.control[1],
            x: memory.room::<f32>(couplings * rows * features)?,
            inputs: memory.room::<f32>(couplings * rows * layout.kept)?,
            hidden: memory.room::<f32>(hidden_layers * hidden)?,
            d_hidden: memory.room::<f32>(hidden_layers * hidden)?,
            out: memory.room::<f32>(2 * couplings * rows * layout.changed)?,
            d_out: memory.room::<f32>(2 * couplings * rows * layout.changed)?,
            // Columns that stand for nothing are zero.
            product: memory.holding(&vec![0.0f32; couplings * rows * layout.changed])?,
            row_loss: memory.room::<f64>(rows)?,
            slot: tables.slot,
            role: tables.role,
            scale: layout.scale(0) as u64,
            per_row: 1.0 / rows as f32,
            rows: rows as i32,
            features: features as i32,
            couplings: couplings as i32,
            hidden_layers: hidden_layers as i32,
            kept: layout.kept as i32,
            width: layout.width as i32,
            changed: layout.changed as i32,
            is_tanh: i32::from(architecture.activation == Activation::Tanh),
            unused: 0,
        };
        let tiles = tiles(placed, &pass, rows);
        let kernel = KERNELS.iter().find(|(rows, ..)| *rows == rows_a_block).map_or(Kernel::PassOne, |kernel| kernel.1);
        Ok(Self {
            kernel,
            rows_a_block,
            row_loss: pass.row_loss,
            pass: memory.holding(&[pass])?,
            partial: memory.room::<f64>(tiles.len())?,
            tile_count: tiles.len(),
            tiles: memory.holding(&tiles)?,
        })
    }

    pub fn commands(
        &self,
        commands: &mut Commands,
        placed: &Placed,
        rows: usize,
        desk: &Desk,
        update: Option<(&Optimizer, Moments)>,
    ) {
        let Weights { values, gradient, count } = placed.weights;
        let [control, _] = desk.control;
        commands.launch_blocks(self.kernel, rows.div_ceil(self.rows_a_block), arguments![self.pass]);
        let sums = arguments![self.tiles, rows, self.partial, control];
        commands.launch_blocks(Kernel::WeightGradients, self.tile_count, sums);
        let constant = placed.architecture.features as f64 * HALF_LN_TAU;
        let none = DeviceRule { number: 0, constants: [0.0; 3] };
        let DeviceRule { number: rule, constants: [a, b, c] } =
            update.map_or(none, |(optimizer, _)| optimizer.on_device());
        let Moments { first, second } = update.map_or(Moments { first: NULL, second: NULL }, |(_, moments)| moments);
        let [clip_norm, decay] =
            update.map_or([0.0; 2], |(optimizer, _)| [optimizer.clip_norm(), f64::from(optimizer.weight_decay())]);
        let count = if update.is_some() { count } else { 0 };
        commands.launch_blocks(
            Kernel::Advance,
            count.div_ceil(UPDATED).max(1),
            arguments![
                self.partial,
                self.tile_count,
                self.row_loss,
                rows,
                constant,
                clip_norm,
                desk.losses,
                control,
                values,
                gradient,
                count,
                first,
                second,
                rule,
                a,
                b,
                c,
                decay as f32,
                desk.constants,
            ],
        );
    }
}

/// The tiles of all gradients.
fn tiles(placed: &Placed, pass: &Pass, rows: usize) -> Vec<Tile> {
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
    let at = |start: Address, number: usize, width: usize| start + FLOAT * (number * rows * width) as u64;
    let hidden_layers = layout.maps.len() - 1;
    for (depth, maps) in layout.maps.iter().enumerate() {
        for number in 0..2 * layout.couplings {
            let of_depth = |depth: usize| depth * 2 * layout.couplings + number;
            let input = match depth {
                0 => at(pass.inputs, number / 2, layout.kept),
                depth => at(pass.hidden, of_depth(depth - 1), layout.width),
            };
            let d = match depth {
                depth if depth == hidden_layers => at(pass.d_out, number, layout.changed),
                depth => at(pass.d_hidden, of_depth(depth), layout.width),
            };
            add(input, d, maps.offset + number * maps.stride(), maps.inputs, maps.outputs);
        }
    }
    for coupling in 0..layout.couplings {
        add(NULL, at(pass.product, coupling, layout.changed), layout.scale(coupling), 0, layout.changed);
    }
    tiles
}
