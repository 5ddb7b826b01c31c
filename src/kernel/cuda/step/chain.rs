//! A step layer after layer, a launch an operation.

use bytemuck::{Pod, Zeroable};

use super::tiles::{Traces, tiles};
use super::{Desk, Moments, Source};
use crate::compute::cuda::{
    Address, BLOCK, Commands, Device, FLOAT, Factor, Kernel, Memory, NULL, Product, arguments, lanes,
};
use crate::flow::{Architecture, DeviceError, HALF_LN_TAU};
use crate::kernel::cuda::flow::{Placed, Weights};
use crate::kernel::cuda::layers::{Coupling, Layer, NetworkMemory};
use crate::kernel::cuda::layout::{Layout, Maps};
use crate::layers::cuda::{Backward, Forward, NormMemory, Passage, Reader};
use crate::optimizer::{DeviceRule, Optimizer};

/// Memory of a step for batches of `rows` rows.
///
/// What couplings leave for the way back stands coupling after coupling, as their weights do: the gradients of all weights of one
/// depth are one batched product, once the way back is done.
pub(super) struct Chain {
    /// The rows before every layer and after the last, each shape `[rows, features]`.
    x: Vec<Address>,
    log_det: Address,
    couplings: CouplingMemory,
    /// Of every normalisation.
    norms: Vec<NormMemory>,
    /// The gradient with respect to rows, shape `[rows, features]`.
    d: Address,
    /// The gradient with respect to kept features, shape `[networks, rows, kept]`.
    d_kept: Address,
    /// The rows' parts of the loss, f64.
    row_loss: Address,
    /// What normalisations add to log_det, shape `[norms, features]`, f64.
    terms: Address,
    /// Sums of squares of the gradient's parts, f64.
    partial: Address,
    partials: usize,
    /// The tiles of gradients that are summed tile by tile: those of learned bounds of s are always among them.
    tiles: Address,
    tile_count: usize,
    /// Sums of squares of tiles.
    tile_partial: Address,
    /// Whether tiles are the whole gradient.
    only_tiles: bool,
    /// What else is summed over rows: biases' gradients.
    columns: Address,
    column_blocks: usize,
}

/// What couplings leave for the way back.
struct CouplingMemory {
    /// Shape `[couplings, rows, kept]`.
    kept: Address,
    /// Hidden layers, each shape `[couplings, networks, rows, width]`.
    hidden: Vec<Address>,
    /// The gradients before their activations, of the same shapes.
    d_hidden: Vec<Address>,
    /// What `couple` leaves, then the gradients of what networks say, shape `[couplings, networks, rows, changed]`.
    out: Address,
    /// Shape `[couplings, rows, changed]`.
    product: Address,
}

/// Neighbouring columns to be summed over rows, as in `kernels.cu`.
#[derive(Clone, Copy, Pod, Zeroable)]
#[repr(C)]
struct Columns {
    from: Address,
    to: Address,
    stride: u32,
    count: u32,
}

/// The largest [`Columns::count`].
const COLUMNS: usize = 32;

/// Whether the gradients of maps of these sizes are summed tile by tile, with their biases, rather than by one batched product:
/// measured on an H100, where the latter wins for large maps, and for any map of several thousand rows.
fn by_tiles(maps: &Maps, rows: usize) -> bool {
    rows <= 512 || rows <= 1024 && maps.inputs * maps.outputs <= 1 << 16
}

/// A piece of memory for each coupling.
fn of_coupling(start: Address, coupling: usize, floats: usize) -> Address {
    start + FLOAT * (coupling * floats) as u64
}

impl Chain {
    pub fn new<D: Device>(memory: &mut Memory<D>, placed: &Placed, rows: usize) -> Result<Self, DeviceError> {
        let Placed { architecture, layout, weights, .. } = placed;
        let features = architecture.features;
        let x = (0..=placed.layers.len()).map(|_| memory.room::<f32>(rows * features)).collect::<Result<_, _>>()?;
        let hidden_layers = layout.maps.len().saturating_sub(1);
        let networks = layout.networks();
        let mut hidden = |_| memory.room::<f32>(networks * layout.couplings * rows * layout.width);
        let [hidden, d_hidden] = [
            (0..hidden_layers).map(&mut hidden).collect::<Result<Vec<_>, _>>()?,
            (0..hidden_layers).map(&mut hidden).collect::<Result<Vec<_>, _>>()?,
        ];
        let couplings = CouplingMemory {
            // Places that no kept feature fills are zero.
            kept: memory.holding(&vec![0.0f32; layout.couplings * rows * layout.kept])?,
            hidden,
            d_hidden,
            // What networks do not write, and columns that stand for nothing, are zero.
            out: memory.holding(&vec![0.0f32; networks * layout.couplings * rows * layout.changed])?,
            product: memory.holding(&vec![0.0f32; layout.couplings * rows * layout.changed])?,
        };
        let terms = memory.room::<f64>(layout.norms.len() * features)?;
        let norm = |number: usize| {
            Ok(NormMemory {
                normal: memory.room::<f32>(rows * features)?,
                inverse_deviation: memory.room::<f64>(features)?,
                term: terms + 8 * (number * features) as u64,
            })
        };
        let norms = (0..layout.norms.len()).map(norm).collect::<Result<_, _>>()?;
        let columns = columns(layout, &couplings, *weights, rows);
        let traces = Traces {
            rows,
            inputs: couplings.kept,
            hidden: &couplings.hidden,
            d_hidden: &couplings.d_hidden,
            d_out: couplings.out,
            product: couplings.product,
        };
        let tiled = (0..layout.maps.len()).filter(|&depth| by_tiles(&layout.maps[depth], rows));
        let only_tiles = tiled.clone().count() == layout.maps.len() && layout.norms.is_empty();
        let tiles = tiles(placed, &traces, tiled);
        let partials = weights.count.div_ceil(8 * BLOCK).clamp(1, 512);
        Ok(Self {
            x,
            log_det: memory.room::<f32>(rows)?,
            norms,
            d: memory.room::<f32>(rows * features)?,
            d_kept: memory.room::<f32>(networks * rows * layout.kept)?,
            row_loss: memory.room::<f64>(rows)?,
            terms,
            partial: memory.room::<f64>(partials)?,
            partials,
            tile_count: tiles.len(),
            tile_partial: memory.room::<f64>(tiles.len())?,
            only_tiles,
            tiles: memory.holding(&tiles)?,
            columns: memory.holding(&columns)?,
            column_blocks: columns.len(),
            couplings,
        })
    }

    pub fn commands(
        &self,
        commands: &mut Commands,
        placed: &Placed,
        rows: usize,
        source: Source,
        desk: &Desk,
        update: Option<(&Optimizer, Moments)>,
    ) {
        let [_, control] = desk.control;
        self.forward(commands, placed, rows, source, desk);
        self.backward(commands, placed, rows);
        self.weights_back(commands, placed, rows);
        if self.tile_count > 0 {
            let sums = arguments![self.tiles, rows, self.tile_partial, desk.control[0]];
            commands.launch_blocks(Kernel::WeightGradients, self.tile_count, sums);
        }
        let Placed { architecture, layout, weights, .. } = placed;
        if self.column_blocks > 0 {
            commands.launch_blocks(Kernel::ColumnSums, self.column_blocks, arguments![self.columns, rows]);
        }
        let (partial, partials) = match self.only_tiles {
            true => (self.tile_partial, self.tile_count),
            false => (self.partial, self.partials),
        };
        if !self.only_tiles {
            commands.launch_blocks(Kernel::Squares, partials, arguments![weights.gradient, weights.count, partial]);
        }
        let constant = architecture.features as f64 * HALF_LN_TAU;
        let clip_norm = update.map_or(0.0, |(optimizer, _)| optimizer.clip_norm());
        commands.launch_blocks(
            Kernel::Finish,
            1,
            arguments![
                partial,
                partials,
                self.row_loss,
                rows,
                self.terms,
                layout.norms.len() * architecture.features,
                constant,
                clip_norm,
                desk.losses,
                control,
            ],
        );
        if let Some((optimizer, moments)) = update {
            let DeviceRule { number: rule, constants: [a, b, c] } = optimizer.on_device();
            let Weights { values, gradient, count } = *weights;
            let Moments { first, second } = moments;
            let decay = optimizer.weight_decay();
            commands.launch(
                Kernel::Update,
                count,
                arguments![values, gradient, first, second, count, rule, a, b, c, decay, desk.constants, control,],
            );
        }
    }

    /// Where a coupling's networks find and leave their numbers; the hidden layers, and the gradients before them.
    fn of(&self, layout: &Layout, coupling: usize, rows: usize) -> Own {
        let CouplingMemory { kept, hidden, d_hidden, out, product } = &self.couplings;
        let wide = |starts: &[Address]| {
            starts.iter().map(|&start| of_coupling(start, coupling, layout.networks() * rows * layout.width)).collect()
        };
        Own {
            kept: of_coupling(*kept, coupling, rows * layout.kept),
            hidden: wide(hidden),
            d_hidden: wide(d_hidden),
            out: of_coupling(*out, coupling, layout.networks() * rows * layout.changed),
            product: of_coupling(*product, coupling, rows * layout.changed),
        }
    }

    /// Who reads what layer `at` gives out.
    fn reader(&self, placed: &Placed, at: usize, rows: usize) -> Reader {
        match placed.layers.get(at) {
            Some(Layer::Coupling(coupling)) => {
                coupling.reader(&placed.layout, self.of(&placed.layout, coupling.number, rows).kept)
            }
            Some(Layer::BatchNorm(_) | Layer::ActNorm(_)) | None => Reader::NOBODY,
        }
    }

    fn forward(&self, commands: &mut Commands, placed: &Placed, rows: usize, source: Source, desk: &Desk) {
        let Placed { architecture, layout, layers, weights, .. } = placed;
        let Architecture { features, activation, .. } = *architecture;
        let ([_, control], values) = (desk.control, weights.values);
        let (from, places) = match source {
            Source::Given => (desk.rows, NULL),
            Source::Held(held) => (held, desk.rows),
        };
        let first = self.reader(placed, 0, rows);
        commands.launch(
            Kernel::Draw,
            rows * features,
            arguments![
                from,
                places,
                control,
                self.x[0],
                self.log_det,
                first.slot,
                first.kept,
                first.rows,
                rows,
                features,
            ],
        );
        let mut norms = self.norms.iter();
        for (at, layer) in layers.iter().enumerate() {
            let next = self.reader(placed, at + 1, rows);
            let [x, z] = [self.x[at], self.x[at + 1]];
            match layer {
                Layer::Coupling(coupling) => {
                    let own = self.of(layout, coupling.number, rows);
                    let memory = NetworkMemory { kept: own.kept, hidden: &own.hidden, out: own.out };
                    coupling.networks(commands, layout, values, &memory, rows, activation);
                    let passage = Passage { x, z, log_det: self.log_det, rows, inverse: false };
                    coupling.couple(commands, layout, values, own.out, &passage, next);
                }
                Layer::BatchNorm(norm) => {
                    let Some(&memory) = norms.next() else { return };
                    norm.forward(commands, &Forward { x, z, rows, values, control, reader: next }, memory);
                }
                Layer::ActNorm(norm) => {
                    let Some(&memory) = norms.next() else { return };
                    norm.forward(commands, &Forward { x, z, rows, values, control, reader: next }, memory);
                }
            }
        }
    }

    /// From the rows behind the last layer to the gradients with respect to what every map gave, and of normalisations.
    fn backward(&self, commands: &mut Commands, placed: &Placed, rows: usize) {
        let Placed { architecture, layout, layers, weights, .. } = placed;
        let features = architecture.features;
        let per_row = 1.0 / rows as f32;
        let Weights { values, gradient, .. } = *weights;
        let lanes = lanes(features);
        commands.launch(
            Kernel::Lose,
            rows * lanes,
            arguments![self.x[layers.len()], self.log_det, self.d, self.row_loss, per_row, rows, features, lanes],
        );
        let mut norms = self.norms.iter().rev();
        let (d, d_kept, networks) = (self.d, self.d_kept, layout.networks());
        let back = |above| Backward { d, rows, values, gradient, above, d_kept, networks };
        for (at, layer) in layers.iter().enumerate().rev() {
            // The coupling above has left what its networks found for the features they read.
            let above = self.reader(placed, at + 1, rows);
            match layer {
                Layer::Coupling(coupling) => {
                    let own = self.of(layout, coupling.number, rows);
                    commands.launch(
                        Kernel::CoupleBack,
                        rows * features,
                        arguments![
                            own.out,
                            values,
                            layout.scale(coupling.number).unwrap_or(0),
                            self.x[at],
                            self.d,
                            own.product,
                            coupling.role,
                            above.slot,
                            above.kept,
                            self.d_kept,
                            per_row,
                            rows,
                            features,
                            layout.changed,
                            layout.form as usize,
                        ],
                    );
                    self.networks_back(commands, placed, coupling, &own, rows, at == 0);
                }
                Layer::BatchNorm(norm) => {
                    let Some(&memory) = norms.next() else { return };
                    norm.backward(commands, &back(above), memory);
                }
                Layer::ActNorm(norm) => {
                    let Some(&memory) = norms.next() else { return };
                    norm.backward(commands, &back(above), memory);
                }
            }
        }
    }

    /// From the gradients of what networks say, in `own.out`, to those of hidden layers and of the kept features. Nobody asks
    /// for the kept features of the `first` layer.
    fn networks_back(
        &self,
        commands: &mut Commands,
        placed: &Placed,
        coupling: &Coupling,
        own: &Own,
        rows: usize,
        first: bool,
    ) {
        let Placed { architecture, layout, weights, .. } = placed;
        let first_map = if !layout.has_networks() { layout.maps.len() } else { usize::from(first) };
        for (at, maps) in layout.maps.iter().enumerate().skip(first_map).rev() {
            let output = own.d_hidden.get(at).copied().unwrap_or(own.out);
            let to = if at == 0 { self.d_kept } else { own.d_hidden[at - 1] };
            let activated = if at == 0 { None } else { Some((architecture.activation, own.hidden[at - 1])) };
            coupling.backward_map(commands, maps, weights.values, output, to, rows, activated);
        }
    }

    /// The gradients of the networks' weights that are not summed by tiles, of all couplings at once.
    fn weights_back(&self, commands: &mut Commands, placed: &Placed, rows: usize) {
        let Placed { layout, weights, .. } = placed;
        let CouplingMemory { kept, hidden, d_hidden, out, .. } = &self.couplings;
        for (at, maps) in layout.maps.iter().enumerate().filter(|(_, maps)| !by_tiles(maps, rows)) {
            let d = d_hidden.get(at).copied().unwrap_or(*out);
            let to = weights.gradient + FLOAT * maps.offset as u64;
            let product = |input: Factor, d: Factor, c: Address, stride: usize, count: usize| Product {
                rows: maps.inputs,
                inner: rows,
                columns: maps.outputs,
                a: input,
                b: d,
                c,
                stride,
                count,
            };
            let one = rows * maps.outputs;
            if at > 0 {
                let input = Factor { address: hidden[at - 1], transposed: true, stride: rows * maps.inputs };
                let d = Factor { address: d, transposed: false, stride: one };
                commands.product(product(input, d, to, maps.stride(), maps.networks * layout.couplings));
                continue;
            }
            // The networks of a coupling read the same rows.
            for net in 0..maps.networks {
                let input = Factor { address: *kept, transposed: true, stride: rows * maps.inputs };
                let d =
                    Factor { address: d + FLOAT * (net * one) as u64, transposed: false, stride: maps.networks * one };
                let to = to + FLOAT * (net * maps.stride()) as u64;
                commands.product(product(input, d, to, maps.networks * maps.stride(), layout.couplings));
            }
        }
    }
}

/// The memory of one coupling.
struct Own {
    kept: Address,
    hidden: Vec<Address>,
    d_hidden: Vec<Address>,
    out: Address,
    product: Address,
}

/// What is summed over rows after the way back, beside tiles: gradients of biases, from those of their layers' outputs.
fn columns(layout: &Layout, memory: &CouplingMemory, weights: Weights, rows: usize) -> Vec<Columns> {
    let mut all = Vec::new();
    let mut add = |from: Address, offset: usize, width: usize| {
        for start in (0..width).step_by(COLUMNS) {
            let count = COLUMNS.min(width - start) as u32;
            let to = weights.gradient + FLOAT * (offset + start) as u64;
            all.push(Columns { from: from + FLOAT * start as u64, to, stride: width as u32, count });
        }
    };
    for coupling in 0..layout.couplings {
        for (at, maps) in layout.maps.iter().enumerate().filter(|(_, maps)| !by_tiles(maps, rows)) {
            let d = memory.d_hidden.get(at).copied().unwrap_or(memory.out);
            for (net, bias) in maps.biases(coupling).enumerate() {
                add(of_coupling(d, maps.networks * coupling + net, rows * maps.outputs), bias, maps.outputs);
            }
        }
    }
    all
}
