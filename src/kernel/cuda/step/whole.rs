//! A step in three launches: rows through all layers and back, the sums over rows, the update. LU maps have sums of their own,
//! which are a fourth.

use bytemuck::{Pod, Zeroable};

use super::tiles::{Traces, tiles};
use super::{Desk, PlacedState, RowSource};
use crate::compute::cuda::{Address, BLOCK, Commands, Device, FLOAT, Kernel, Memory, NULL, arguments};
use crate::flow::{Architecture, Base, DeviceError, HALF_LN_TAU};
use crate::kernel::cuda::flow::{Placed, PlacedWeights};
use crate::kernel::cuda::layers::PlacedLayer;
use crate::layers::cuda::{PlacedCoupling, PlacedLu, PlacedSpline, Wiring};
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
    spline: PlacedSpline,
    unused: i32,
    lus: Address,
    lus_before: Address,
    lu_rows: LuRows,
}

/// What LU maps leave for their gradients, each shape `[maps, rows, values]`, as in `kernels.cu`.
#[derive(Clone, Copy, Pod, Zeroable)]
#[repr(C)]
struct LuRows {
    x: Address,
    between: Address,
    d_z: Address,
    d_between: Address,
}

/// An LU map, as in `kernels.cu`.
#[derive(Clone, Copy, Pod, Zeroable)]
#[repr(C)]
struct LuMap {
    matrix: u64,
    bias: u64,
    order: Address,
    columns: Address,
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
    /// Blocks for the gradient of an LU map, and LU maps.
    lu_blocks: usize,
    lus: usize,
}

/// Rows of a block, and the floats that they have room for together.
const ROWS: [(usize, usize); 4] = [(1, 4096), (2, 8192), (4, 12288), (8, 12288)];
/// The kernels for as many rows: of affine and additive couplings without and with LU maps, and of splines.
const PLAIN: [Kernel; 4] = [Kernel::PassOne, Kernel::PassTwo, Kernel::PassFour, Kernel::PassEight];
const WITH_LU: [Kernel; 4] = [Kernel::PassLuOne, Kernel::PassLuTwo, Kernel::PassLuFour, Kernel::PassLuEight];
const SPLINES: [Kernel; 4] =
    [Kernel::PassSplineOne, Kernel::PassSplineTwo, Kernel::PassSplineFour, Kernel::PassSplineEight];
/// Values of the gradient of an LU map that a block sums up.
const LU_VALUES: usize = 32;

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
        let counted = activations.max(layout.lus.len() * rows * values).max(layout.len) <= i32::MAX as usize;
        let says_as_asked = if group.spline().is_some() { group.networks() == 1 } else { group.is_separate() };
        let known = group.has_networks() && says_as_asked && group.wiring() == Wiring::Mlp && !group.dropout().is_on();
        // They look for what is kept in one place; LU maps take all features.
        let is_known = |layer: &PlacedLayer| match layer {
            PlacedLayer::Coupling(PlacedCoupling { context, .. }) => context.is_none(),
            PlacedLayer::Lu(lu, _) => lu.features == placed.architecture.features,
            PlacedLayer::BatchNorm(..) | PlacedLayer::ActNorm(..) => false,
        };
        let fits = placed.layers.iter().all(is_known)
            && *base == Base::Normal
            && known
            && values <= FEATURES
            && widest <= WIDEST
            && counted;
        let sums = |rows: usize| 4 * rows.min(4) * Kernel::PassOne.threads();
        let room = |rows: usize| sums(rows) + rows * (4 * widest + 2 * values + group.said + 1);
        let mut possible = ROWS.iter().filter(|(rows, floats)| room(*rows) <= *floats);
        let blocks = BLOCKS / sharing.clamp(1, SHARING);
        let enough = possible.clone().find(|(a_block, _)| rows.div_ceil(*a_block) <= blocks);
        let (rows_a_block, _) = enough.or(possible.next_back()).filter(|_| fits)?;
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
        let (lus, lus_before) = lus(placed);
        let lu_row = |memory: &mut Memory<D>| memory.room::<f32>(lus.len() * rows * values);
        let lu_rows =
            LuRows { x: lu_row(memory)?, between: lu_row(memory)?, d_z: lu_row(memory)?, d_between: lu_row(memory)? };
        let networks = group.networks();
        let moved = if group.transformer().has_scale() { couplings * rows * group.said } else { 0 };
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
            product: memory.holding(&vec![0.0f32; moved])?,
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
            spline: group.spline().unwrap_or(PlacedSpline::zeroed()),
            unused: 0,
            lus: memory.holding(&lus)?,
            lus_before: memory.holding(&lus_before)?,
            lu_rows,
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
        let kernels = match (group.spline(), lus.len()) {
            (Some(_), _) => SPLINES,
            (None, 0) => PLAIN,
            (None, _) => WITH_LU,
        };
        let kernel = kernels[ROWS.iter().position(|(rows, _)| *rows == rows_a_block).unwrap_or(0)];
        let lu_blocks = (architecture.features * (architecture.features + 1)).div_ceil(LU_VALUES);
        Ok(Self {
            kernel,
            rows_a_block,
            row_loss: pass.row_loss,
            pass: memory.holding(&[pass])?,
            partial: memory.room::<f64>(tiles.len() + lu_blocks * lus.len())?,
            lu_blocks,
            lus: lus.len(),
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
        let lu_blocks = self.lu_blocks * self.lus;
        if lu_blocks > 0 {
            let partial = self.partial + (size_of::<f64>() * self.tile_count) as u64;
            let sums = arguments![self.pass, gradient, self.lu_blocks, partial];
            commands.launch_blocks(Kernel::LuGradients, lu_blocks, sums);
        }
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
                self.tile_count + lu_blocks,
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

/// The LU maps of a flow, and how many of them come before each coupling and before the end.
fn lus(placed: &Placed) -> (Vec<LuMap>, Vec<i32>) {
    let (mut lus, mut before) = (Vec::new(), Vec::new());
    for layer in &placed.layers {
        match layer {
            PlacedLayer::Lu(PlacedLu { matrix, bias, order, .. }, over) => {
                let columns = over.map_or(*order, |over| over.columns);
                lus.push(LuMap { matrix: *matrix as u64, bias: *bias as u64, order: *order, columns });
            }
            PlacedLayer::Coupling(_) => before.push(lus.len() as i32),
            PlacedLayer::BatchNorm(..) | PlacedLayer::ActNorm(..) => {}
        }
    }
    before.push(lus.len() as i32);
    (lus, before)
}
