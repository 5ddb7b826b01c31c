//! A step in three launches: rows through all layers and back, the sums over rows, the update.

use bytemuck::{Pod, Zeroable};

use super::tiles::{Traces, tiles};
use super::{Desk, PlacedState, RowSource};
use crate::compute::cuda::{Address, BLOCK, Commands, Device, FLOAT, Kernel, Memory, NULL, arguments};
use crate::flow::{Architecture, Base, DeviceError, HALF_LN_TAU};
use crate::kernel::cuda::flow::{Placed, PlacedWeights};
use crate::kernel::cuda::layers::PlacedLayer;
use crate::layers::cuda::{PlacedCoupling, Wiring};
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
    /// With the context.
    row: i32,
    couplings: i32,
    hidden_layers: i32,
    kept: i32,
    width: i32,
    changed: i32,
    is_tanh: i32,
    form: i32,
    unused: i32,
}

/// Values that a block of the last launch updates.
const UPDATED: usize = 4 * BLOCK;
/// The most values of a row, and the widest layer, that a block takes.
const FEATURES: usize = 64;
const WIDEST: usize = 160;

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
    (2, Kernel::PassTwo, 8192),
    (4, Kernel::PassFour, 12288),
    (8, Kernel::PassEight, 12288),
];

/// Blocks that a large GPU works off at a time. More rows a block do the same with less work in all, fewer keep more of a GPU busy
/// that a flow has for itself.
const BLOCKS: usize = 132;
/// Flows that share a GPU, beyond which a block takes no more rows.
const SHARING: usize = 4;

impl Whole {
    /// How many rows a block takes, for a flow that shares its device with others, `sharing` in all; `None`: not for this way.
    /// Bits do not depend on it.
    pub fn rows_a_block(placed: &Placed, rows: usize, sharing: usize) -> Option<usize> {
        let Placed { architecture: Architecture { base, .. }, layout, .. } = placed;
        let values = placed.architecture.values();
        let [group] = &layout.groups[..] else { return None };
        let widest = group.width.max(group.kept).max(group.said);
        // The kernels count in 32 bits.
        let activations = group.maps.len() * group.networks() * group.couplings * rows * widest.max(values);
        let counted = activations.max(layout.len) <= i32::MAX as usize;
        let known =
            group.has_networks() && group.is_separate() && group.wiring() == Wiring::Mlp && !group.dropout().is_on();
        // They look for what is kept in one place.
        let repeats =
            |layer: &PlacedLayer| matches!(layer, PlacedLayer::Coupling(PlacedCoupling { context: Some(_), .. }));
        let fits = !placed.layers.iter().any(repeats)
            && layout.norms.is_empty()
            && layout.lus.is_empty()
            && *base == Base::Normal
            && known
            && values <= FEATURES
            && widest <= WIDEST
            && counted;
        let sums = |rows: usize| 4 * rows.min(4) * Kernel::PassOne.threads();
        let room = |rows: usize| sums(rows) + rows * (4 * widest + 2 * values + group.said + 1);
        let mut possible = KERNELS.iter().filter(|(rows, _, floats)| room(*rows) <= *floats);
        let blocks = BLOCKS / sharing.clamp(1, SHARING);
        let enough = possible.clone().find(|(a_block, ..)| rows.div_ceil(*a_block) <= blocks);
        let (rows_a_block, ..) = enough.or(possible.next_back()).filter(|_| fits)?;
        Some(*rows_a_block)
    }

    pub fn new<D: Device>(
        memory: &mut Memory<D>,
        placed: &Placed,
        rows: usize,
        rows_a_block: usize,
        source: RowSource,
        desk: &Desk,
    ) -> Result<Self, DeviceError> {
        let Placed { architecture, layout, tables, weights, .. } = placed;
        let group = &layout.groups[0];
        let (values, couplings) = (architecture.values(), group.couplings);
        let hidden_layers = group.maps.len() - 1;
        let (from, places) = match source {
            RowSource::Given => (desk.rows, NULL),
            RowSource::Held(held) => (held, desk.rows),
        };
        let networks = group.networks();
        let hidden = networks * couplings * rows * group.width;
        let pass = Pass {
            values: weights.values,
            from,
            places,
            control: desk.control[1],
            x: memory.room::<f32>(couplings * rows * values)?,
            inputs: memory.room::<f32>(couplings * rows * group.kept)?,
            hidden: memory.room::<f32>(hidden_layers * hidden)?,
            d_hidden: memory.room::<f32>(hidden_layers * hidden)?,
            out: memory.room::<f32>(networks * couplings * rows * group.said)?,
            d_out: memory.room::<f32>(networks * couplings * rows * group.said)?,
            // Columns that stand for nothing are zero.
            product: memory.holding(&vec![0.0f32; couplings * rows * group.said])?,
            row_loss: memory.room::<f64>(rows)?,
            slot: tables.slot,
            role: tables.role,
            scale: group.scale(0).unwrap_or(0) as u64,
            per_row: 1.0 / rows as f32,
            rows: rows as i32,
            features: architecture.features as i32,
            row: values as i32,
            couplings: couplings as i32,
            hidden_layers: hidden_layers as i32,
            kept: group.kept as i32,
            width: group.width as i32,
            changed: group.said as i32,
            is_tanh: i32::from(architecture.activation == Activation::Tanh),
            form: group.transformer().number() as i32,
            unused: 0,
        };
        let of_depth = |start: Address| -> Vec<Address> {
            (0..hidden_layers).map(|depth| start + FLOAT * (depth * hidden) as u64).collect()
        };
        let traces = Traces {
            rows,
            inputs: pass.inputs,
            hidden: &of_depth(pass.hidden),
            d_hidden: &of_depth(pass.d_hidden),
            d_out: pass.d_out,
            product: pass.product,
        };
        let tiles = tiles(placed, group, &traces, 0..=hidden_layers);
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
        update: Option<(&Optimizer, PlacedState)>,
    ) {
        let PlacedWeights { values, gradient, count } = placed.weights;
        let [control, _] = desk.control;
        commands.launch_blocks(self.kernel, rows.div_ceil(self.rows_a_block), arguments![self.pass]);
        let sums = arguments![self.tiles, rows, self.partial, control];
        commands.launch_blocks(Kernel::WeightGradients, self.tile_count, sums);
        let constant = placed.architecture.features as f64 * HALF_LN_TAU;
        let none = DeviceRule { number: 0, constants: [0.0; 3] };
        let DeviceRule { number: rule, constants: [a, b, c] } =
            update.map_or(none, |(optimizer, _)| optimizer.on_device());
        let PlacedState { first, second, .. } = update.map_or(PlacedState::NOTHING, |(_, state)| state);
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
